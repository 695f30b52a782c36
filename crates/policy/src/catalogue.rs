//! What a checker may know beside the document: which actions there are, and which names.

use std::collections::BTreeMap;

use crate::glob::Glob;

/// The actions of the products that are known, by product. Compared without case.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    services: BTreeMap<String, Vec<String>>,
    /// How names begin that are not listed one by one.
    open: Vec<String>,
}

impl Catalogue {
    /// A catalogue of actions such as `mq:PUB`; one that ends in `*` stands for all that begin so.
    #[must_use]
    pub fn new<'a>(actions: impl IntoIterator<Item = &'a str>) -> Self {
        let mut catalogue = Self::default();
        for action in actions {
            let lower = action.to_ascii_lowercase();
            if let Some(start) = lower.strip_suffix('*') {
                catalogue.open.push(start.to_owned());
            } else if let Some((service, _)) = lower.split_once(':') {
                catalogue.services.entry(service.to_owned()).or_default().push(lower.clone());
            }
        }
        catalogue
    }

    /// The product of an action that its product does not have; `None` for a product that is not known, for a pattern
    /// with `*` or `?`, and for an action that is known.
    pub(crate) fn misses(&self, action: &str) -> Option<String> {
        let lower = action.to_ascii_lowercase();
        let (service, _) = lower.split_once(':').filter(|_| !lower.contains(['*', '?']))?;
        let known = self.services.get(service)?;
        let open = self.open.iter().any(|start| lower.starts_with(start));
        (!open && !known.contains(&lower)).then(|| service.to_owned())
    }

    /// Whether an action pattern, in lower case, speaks of an operation that makes something new.
    pub(crate) fn creates(&self, pattern: &str) -> bool {
        let glob = Glob::new(pattern);
        self.services.values().flatten().any(|action| action.contains(":create") && glob.matches(action))
    }
}

/// A thing that a resource names.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum NamedThing<'a> {
    /// An MQTT instance, by its ID.
    Instance(&'a str),
    /// A parent topic of an instance.
    Topic(&'a str, &'a str),
    /// A group of an instance.
    Group(&'a str, &'a str),
    /// An instance, or a topic or group of any instance: the oldest form has the name alone.
    Anywhere(&'a str),
    /// A RAM user.
    User(&'a str),
    /// A RAM user group.
    UserGroup(&'a str),
    /// A RAM role.
    Role(&'a str),
    /// A custom policy.
    Policy(&'a str),
}

/// What exists in an account, for a checker. An implementation tells only what whoever asks may see.
pub trait Existing {
    /// The digits of the account.
    fn account(&self) -> &str;
    /// Whether there is such a thing; `None` when that is not told.
    fn exists(&self, thing: NamedThing<'_>) -> Option<bool>;
}
