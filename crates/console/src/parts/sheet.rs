//! A page of somebody who is signed in: its head, tabs, and the parts below one another.

use std::fmt;

use askama::Template;
use axum::http::StatusCode;
use sluice_actions::Reach;

use super::{Button, Choice, Form, Table, in_words};
use crate::{
    frame::{Frame, Place},
    refusal::Refusal,
    respond,
};

/// A way to another page.
pub(crate) struct Link {
    pub(crate) to: String,
    pub(crate) text: String,
}

impl Link {
    pub(crate) fn new(to: impl Into<String>, text: impl Into<String>) -> Self {
        Self { to: to.into(), text: text.into() }
    }
}

/// One tab of a page: a page of its own, so that it has an address.
pub(crate) struct Tab {
    pub(crate) to: String,
    pub(crate) text: &'static str,
    pub(crate) here: bool,
}

/// Labels and values.
#[derive(Template)]
#[template(path = "parts/facts.html")]
pub(crate) struct Facts {
    pub(crate) id: &'static str,
    pub(crate) head: &'static str,
    pub(crate) rows: Vec<(&'static str, String)>,
    pub(crate) buttons: Vec<Button>,
}

/// A document to read.
#[derive(Template)]
#[template(path = "parts/code.html")]
pub(crate) struct Code {
    pub(crate) id: &'static str,
    pub(crate) head: String,
    pub(crate) text: String,
}

/// A sentence or two in a card.
#[derive(Template)]
#[template(path = "parts/note.html")]
pub(crate) struct Note {
    pub(crate) id: &'static str,
    pub(crate) head: &'static str,
    pub(crate) text: String,
    pub(crate) links: Vec<Link>,
}

/// One thing that is shown once: a row a label and its value.
pub(crate) struct Secret {
    pub(crate) whose: String,
    pub(crate) rows: Vec<(&'static str, String)>,
}

/// What is shown once, to copy or to take away as a file.
#[derive(Template)]
#[template(path = "parts/secrets.html")]
pub(crate) struct Secrets {
    pub(crate) csrf: String,
    pub(crate) all: Vec<Secret>,
}

/// What is asked before something is done: the same form again, with the answer.
#[derive(Template)]
#[template(path = "parts/question.html")]
pub(crate) struct Question {
    pub(crate) csrf: String,
    pub(crate) action: String,
    pub(crate) head: String,
    pub(crate) reach: Option<Reach>,
    pub(crate) lines: Vec<String>,
    pub(crate) hidden: Vec<(String, String)>,
    pub(crate) yes: &'static str,
    pub(crate) back: String,
}

/// Another policy to start from.
#[derive(Template)]
#[template(path = "parts/import.html")]
pub(crate) struct ImportForm {
    pub(crate) to: String,
    pub(crate) choices: Vec<Choice>,
}

/// A search that stands alone.
#[derive(Template)]
#[template(path = "parts/find.html")]
pub(crate) struct Find {
    pub(crate) to: &'static str,
    pub(crate) text: String,
    pub(crate) label: &'static str,
}

/// What is missing for one part of a page, where the rest may be seen.
#[derive(Template)]
#[template(path = "parts/shut.html")]
struct Shut {
    head: &'static str,
    refusal: Refusal,
}

/// Anything that shows itself. Only templates are one, so that each text in it is escaped.
pub(crate) struct Part(Box<dyn fmt::Display + Send + Sync>);

/// What a part may be made of.
trait Shows: Template + fmt::Display + Send + Sync + 'static {}
impl Shows for Facts {}
impl Shows for Code {}
impl Shows for Note {}
impl Shows for Secrets {}
impl Shows for Question {}
impl Shows for Shut {}
impl Shows for Find {}
impl Shows for ImportForm {}
impl Shows for Form {}
impl Shows for Table {}
impl Shows for crate::pages::ram::user_new::Rows {}

impl<T: Shows> From<T> for Part {
    fn from(part: T) -> Self {
        Self(Box::new(part))
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A page's content. The frame is put around it by the answer.
pub(crate) struct Sheet {
    pub(crate) status: StatusCode,
    pub(crate) title: String,
    pub(crate) lead: String,
    /// The pages above this one.
    pub(crate) above: Vec<Link>,
    pub(crate) buttons: Vec<Button>,
    pub(crate) tabs: Vec<Tab>,
    /// What was just done.
    pub(crate) done: Option<&'static str>,
    /// What was just not done.
    pub(crate) wrong: Option<String>,
    pub(crate) parts: Vec<Part>,
}

impl Sheet {
    pub(crate) fn new(title: impl Into<String>) -> Self {
        Self {
            status: StatusCode::OK,
            title: title.into(),
            lead: String::new(),
            above: Vec::new(),
            buttons: Vec::new(),
            tabs: Vec::new(),
            done: None,
            wrong: None,
            parts: Vec::new(),
        }
    }

    pub(crate) fn lead(self, lead: impl Into<String>) -> Self {
        Self { lead: lead.into(), ..self }
    }

    pub(crate) fn below(mut self, to: &str, text: &str) -> Self {
        self.above.push(Link::new(to, text));
        self
    }

    pub(crate) fn button(mut self, button: Button) -> Self {
        self.buttons.push(button);
        self
    }

    pub(crate) fn done(self, done: Option<&'static str>) -> Self {
        Self { done, ..self }
    }

    /// Tabs by key and label; each is `{base}?tab={key}`.
    pub(crate) fn tabs(self, base: &str, here: &str, all: &[(&str, &'static str)]) -> Self {
        let tab =
            |(key, text): &(&str, &'static str)| Tab { to: format!("{base}?tab={key}"), text, here: *key == here };
        Self { tabs: all.iter().map(tab).collect(), ..self }
    }

    pub(crate) fn part(mut self, part: impl Into<Part>) -> Self {
        self.parts.push(part.into());
        self
    }

    /// What is missing for a part of the page.
    pub(crate) fn shut(self, head: &'static str, refusal: Refusal) -> Self {
        self.part(Shut { head, refusal })
    }

    /// Says what was not done, with the status of the operation's answer.
    pub(crate) fn wrong(self, error: &sluice_actions::ActionError) -> Self {
        Self { wrong: Some(in_words(error)), status: respond::status_of(error), ..self }
    }
}

/// A sheet in its frame.
#[derive(Template)]
#[template(path = "sheet.html")]
pub(crate) struct Framed {
    pub(crate) frame: Frame,
    pub(crate) sheet: Sheet,
}

/// A refusal in place of a sheet.
#[derive(Template)]
#[template(path = "refused.html")]
pub(crate) struct RefusedPage {
    pub(crate) frame: Frame,
    pub(crate) title: String,
    pub(crate) refusal: Refusal,
}
