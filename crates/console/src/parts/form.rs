//! A form: fields, a token, a button, and what is wrong with what was sent.

use askama::Template;
use sluice_actions::{ActionError, Verdict};

use super::{Field, Kind, at_field, in_words, is_about};
use crate::{frame::Frame, session::Fields};

/// Whether a form is followed by a question.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asks {
    /// It is done at once.
    Nothing,
    /// A page, or a dialog above this one, says what it will touch first.
    First,
}

/// A form of one column.
#[derive(Template)]
#[template(path = "parts/form.html")]
pub(crate) struct Form {
    pub(crate) id: &'static str,
    pub(crate) head: String,
    pub(crate) lead: String,
    pub(crate) action: String,
    pub(crate) csrf: String,
    /// Names and values that are sent unseen.
    pub(crate) hidden: Vec<(&'static str, String)>,
    pub(crate) fields: Vec<Field>,
    pub(crate) submit: &'static str,
    /// Where "Cancel" leads.
    pub(crate) back: Option<String>,
    pub(crate) asks: Asks,
    /// What is wrong and belongs to no field.
    pub(crate) wrong: Option<String>,
    /// The action that is missing, where the form would be refused.
    pub(crate) shut: Option<String>,
}

impl Form {
    /// A form that is sent to `action`.
    pub(crate) fn new(frame: &Frame, id: &'static str, action: impl Into<String>, submit: &'static str) -> Self {
        Self {
            id,
            head: String::new(),
            lead: String::new(),
            action: action.into(),
            csrf: frame.csrf.clone(),
            hidden: Vec::new(),
            fields: Vec::new(),
            submit,
            back: None,
            asks: Asks::Nothing,
            wrong: None,
            shut: None,
        }
    }

    pub(crate) fn head(self, head: impl Into<String>) -> Self {
        Self { head: head.into(), ..self }
    }

    pub(crate) fn lead(self, lead: impl Into<String>) -> Self {
        Self { lead: lead.into(), ..self }
    }

    pub(crate) fn back(self, to: impl Into<String>) -> Self {
        Self { back: Some(to.into()), ..self }
    }

    pub(crate) fn asks_first(self) -> Self {
        Self { asks: Asks::First, ..self }
    }

    /// Marks it as one that would be refused, with the action that is missing.
    pub(crate) fn unless(self, shut: Option<String>) -> Self {
        Self { shut, ..self }
    }

    pub(crate) fn hidden(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.hidden.push((name, value.into()));
        self
    }

    pub(crate) fn field(mut self, field: Field) -> Self {
        self.fields.push(field);
        self
    }

    /// The same form as it was sent, with the operation's error at the field that it speaks of.
    pub(crate) fn sent(mut self, fields: &Fields, error: &ActionError) -> Self {
        for field in &mut self.fields {
            if !matches!(field.kind, Kind::Password) && fields.has(field.name) {
                field.values = fields.all(field.name).iter().map(|text| (*text).to_owned()).collect();
            }
        }
        self.blame(error);
        self
    }

    /// What the checker says of the document that was sent; it says each fault with its place, so that the field's own is short.
    pub(crate) fn said(mut self, said: Vec<Verdict>) -> Self {
        if let Some(field) = self.fields.iter_mut().find(|field| matches!(field.kind, Kind::Document(_))) {
            if field.fault.is_some() && !said.is_empty() {
                field.fault = Some("The document has a fault. Nothing was saved.".to_owned());
            }
            field.said = said;
        }
        self
    }

    fn blame(&mut self, error: &ActionError) {
        match self.fields.iter_mut().find(|field| is_about(error, field.name)) {
            Some(field) => field.fault = Some(at_field(error)),
            None => self.wrong = Some(in_words(error)),
        }
    }
}
