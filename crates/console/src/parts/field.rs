//! One field of a form. Its name is the operation's parameter, so that an error of the operation finds it.

use sluice_actions::Verdict;

/// What a field looks like.
pub(crate) enum Kind {
    /// One line.
    Text,
    /// One line that is not shown.
    Password,
    /// A whole number.
    Number,
    /// Several lines.
    Area,
    /// A policy document, or a trust policy: the kind that the checker takes it for.
    Document(&'static str),
    /// Yes or no; sends `true`, and `false` before it so that a box without its tick is told too.
    Check,
    /// One of a list.
    Select(Vec<Choice>),
    /// One of a few, each with what it means.
    Radio(Vec<Choice>),
    /// Any of a long list.
    Many(Found),
}

/// A part of a long list that is found by a search of its own. What is chosen is always in it, whatever is searched.
pub(crate) struct Found {
    pub(crate) choices: Vec<Choice>,
    /// The name that the search is sent by, beside the form's other fields.
    pub(crate) name: &'static str,
    pub(crate) text: String,
    pub(crate) label: &'static str,
    /// How many could be shown, of which `choices` may be the first.
    pub(crate) total: usize,
}

impl Found {
    /// Whether some are found that are not shown.
    pub(crate) fn is_cut(&self) -> bool {
        self.choices.len() < self.total
    }
}

/// One answer to choose.
pub(crate) struct Choice {
    pub(crate) value: String,
    pub(crate) label: String,
    pub(crate) about: String,
    /// The action that is missing, where it would be refused.
    pub(crate) shut: Option<String>,
}

impl Choice {
    pub(crate) fn new(value: impl Into<String>, label: impl Into<String>, about: impl Into<String>) -> Self {
        Self { value: value.into(), label: label.into(), about: about.into(), shut: None }
    }

    /// Marks it as one that would be refused, with the action that is missing.
    pub(crate) fn unless(self, shut: Option<String>) -> Self {
        Self { shut, ..self }
    }
}

/// A field with its value, and what is wrong with it.
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) label: &'static str,
    pub(crate) kind: Kind,
    /// What is filled in; of `Many` each chosen value.
    pub(crate) values: Vec<String>,
    pub(crate) hint: &'static str,
    pub(crate) needed: bool,
    pub(crate) fault: Option<String>,
    /// What the checker says of a document that was sent.
    pub(crate) said: Vec<Verdict>,
}

impl Field {
    pub(crate) fn new(name: &'static str, label: &'static str, kind: Kind) -> Self {
        Self { name, label, kind, values: Vec::new(), hint: "", needed: false, fault: None, said: Vec::new() }
    }

    pub(crate) fn text(name: &'static str, label: &'static str) -> Self {
        Self::new(name, label, Kind::Text)
    }

    pub(crate) fn hint(self, hint: &'static str) -> Self {
        Self { hint, ..self }
    }

    pub(crate) fn needed(self) -> Self {
        Self { needed: true, ..self }
    }

    pub(crate) fn value(self, value: impl Into<String>) -> Self {
        Self { values: vec![value.into()], ..self }
    }

    pub(crate) fn values(self, values: Vec<String>) -> Self {
        Self { values, ..self }
    }

    pub(crate) fn fault(self, fault: Option<String>) -> Self {
        Self { fault, ..self }
    }

    /// The IDs of what describes it, for the template.
    pub(crate) fn described(&self) -> String {
        let (hint, fault) = (!self.hint.is_empty(), self.fault.is_some());
        let parts = [hint.then(|| format!("hint-{}", self.name)), fault.then(|| format!("fault-{}", self.name))];
        parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }

    /// The one value, for the template.
    pub(crate) fn first(&self) -> &str {
        self.values.first().map_or("", String::as_str)
    }

    pub(crate) fn has(&self, value: &str) -> bool {
        self.values.iter().any(|one| one == value)
    }
}
