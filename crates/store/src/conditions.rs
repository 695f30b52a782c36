//! The condition keys of a request as they are kept: in a column of their own, a JSON object of key to list of values.

use std::fmt::Display;

use serde_json::{Map, Value};

use crate::{StoreError, row::Columns};

/// Condition keys with their values, as a request had them. Holds no secret: whoever makes one leaves them out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conditions(pub Vec<(String, Vec<String>)>);

impl Conditions {
    /// The column's text.
    pub(crate) fn text(&self) -> String {
        let object: Map<String, Value> =
            self.0.iter().map(|(key, values)| (key.clone(), Value::from(values.clone()))).collect();
        Value::Object(object).to_string()
    }

    /// What [`Conditions::text`] wrote, in a column of a row or in a part of one.
    pub(crate) fn read(columns: &Columns<'_>, text: &str) -> Result<Self, StoreError> {
        let damaged = |fault: &dyn Display| columns.damaged(fault);
        let Value::Object(object) = serde_json::from_str(text).map_err(|error| damaged(&error))? else {
            return Err(damaged(&"the conditions are no object"));
        };
        let keys = object.into_iter().map(|(key, values)| {
            let values = serde_json::from_value(values).map_err(|error| damaged(&error))?;
            Ok((key, values))
        });
        keys.collect::<Result<_, _>>().map(Self)
    }
}
