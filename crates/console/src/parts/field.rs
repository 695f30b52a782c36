//! One field of a form. Its name is the operation's parameter, so that an error of the operation finds it.

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
    /// Any of a list.
    Many(Vec<Choice>),
}

/// One answer to choose.
pub(crate) struct Choice {
    pub(crate) value: String,
    pub(crate) label: String,
    pub(crate) about: String,
}

impl Choice {
    pub(crate) fn new(value: impl Into<String>, label: impl Into<String>, about: impl Into<String>) -> Self {
        Self { value: value.into(), label: label.into(), about: about.into() }
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
    /// In the operation's words.
    pub(crate) fault: Option<String>,
}

impl Field {
    pub(crate) fn new(name: &'static str, label: &'static str, kind: Kind) -> Self {
        Self { name, label, kind, values: Vec::new(), hint: "", needed: false, fault: None }
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

    /// The one value, for the template.
    pub(crate) fn first(&self) -> &str {
        self.values.first().map_or("", String::as_str)
    }

    pub(crate) fn has(&self, value: &str) -> bool {
        self.values.iter().any(|one| one == value)
    }
}
