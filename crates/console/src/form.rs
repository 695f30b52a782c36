//! Forms whose fields are an operation's parameters, so that the console and the API hold a value to the same rule.

use sluice_actions::{Act, ActionError, Params};

/// What a form sends: names and values in their order. Not `Debug`: it may hold a secret.
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    pub(crate) fn new(pairs: Vec<(String, String)>) -> Self {
        Self(pairs)
    }

    /// The last value of a name: a box that is ticked comes after the `false` that is sent without it.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.iter().rev().find(|(found, _)| found == name).map_or("", |(_, value)| value)
    }

    /// The operation whose parameters the fields are; others are left out.
    pub(crate) fn read<A: Act>(&self) -> Result<A, ActionError> {
        let mut params = Params::default();
        for parameter in A::ROW.parameters {
            if self.0.iter().any(|(name, _)| name == parameter.name) {
                params.insert(parameter.name.to_owned(), self.get(parameter.name).to_owned());
            }
        }
        A::read(&params)
    }
}
