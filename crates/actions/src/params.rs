//! Parameters as they came: a flat, ordered map of name to text, with getters that answer in the vendor's codes.

use std::{collections::BTreeMap, fmt, ops::RangeInclusive, str::FromStr};

use sluice_model::{InstanceId, NameError, UnixMs};

use crate::{ActionError, error::Fault};

/// The parameters of one call, ordered by name bytewise. Its `Debug` shows names only: a value may be a secret.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Params(BTreeMap<String, String>);

impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Params {
    /// Adds a parameter; `false`, and nothing added, when the name is there already.
    pub fn insert(&mut self, name: String, value: String) -> bool {
        match self.0.entry(name) {
            std::collections::btree_map::Entry::Vacant(place) => {
                place.insert(value);
                true
            }
            std::collections::btree_map::Entry::Occupied(_) => false,
        }
    }

    /// The value as it came, an empty one too.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Names and values, by name bytewise.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The value when there is one that is not empty: the old SDK sends empty texts for what was not set.
    pub(crate) fn given(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// A required text.
    pub(crate) fn text(&self, name: &'static str) -> Result<&str, ActionError> {
        self.given(name).ok_or(ActionError::Missing(name))
    }

    /// A required name, parsed.
    pub(crate) fn name<T: FromStr<Err = NameError>>(&self, name: &'static str) -> Result<T, ActionError> {
        parsed(name, self.text(name)?)
    }

    /// An optional name, parsed.
    pub(crate) fn optional_name<T: FromStr<Err = NameError>>(
        &self,
        name: &'static str,
    ) -> Result<Option<T>, ActionError> {
        self.given(name).map(|text| parsed(name, text)).transpose()
    }

    /// A word of a closed set; any other is `InvalidParameter.{name}`.
    pub(crate) fn word<T: FromStr>(&self, name: &'static str, default: T) -> Result<T, ActionError> {
        Ok(self.optional_word(name)?.unwrap_or(default))
    }

    /// A word of a closed set, if one is given.
    pub(crate) fn optional_word<T: FromStr>(&self, name: &'static str) -> Result<Option<T>, ActionError> {
        self.given(name).map(|_| self.required_word(name)).transpose()
    }

    /// A required word of a closed set.
    pub(crate) fn required_word<T: FromStr>(&self, name: &'static str) -> Result<T, ActionError> {
        self.text(name)?.parse().map_err(|_| ActionError::invalid(name))
    }

    /// An instance that should be there. A text that can be no instance's ID is an absent instance. DESIGN section 2, API.
    pub(crate) fn instance(&self, name: &'static str) -> Result<InstanceId, ActionError> {
        let text = self.text(name)?;
        text.parse().map_err(|_| ActionError::AbsentInstance(text.chars().take(64).collect()))
    }

    /// `true` or `false` in any case: the Python SDK sends `True`. wire.md section 5.
    pub(crate) fn boolean(&self, name: &'static str) -> Result<Option<bool>, ActionError> {
        match self.given(name) {
            None => Ok(None),
            Some(text) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
            Some(text) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
            Some(_) => Err(ActionError::invalid(name)),
        }
    }

    /// A decimal number within a range.
    pub(crate) fn integer(
        &self,
        name: &'static str,
        range: RangeInclusive<u32>,
        default: u32,
    ) -> Result<u32, ActionError> {
        let Some(text) = self.given(name) else { return Ok(default) };
        decimal(text).filter(|number| range.contains(number)).ok_or(ActionError::invalid(name))
    }

    /// A decimal number within a range, if one is given.
    pub(crate) fn optional_integer(
        &self,
        name: &'static str,
        range: RangeInclusive<u32>,
    ) -> Result<Option<u32>, ActionError> {
        self.given(name).map(|_| self.integer(name, range, 0)).transpose()
    }

    /// A decimal number, if one is given; one out of the range, below zero or of any size, is `InvalidParameter.{name}.Range`.
    pub(crate) fn ranged(&self, name: &'static str, range: RangeInclusive<u32>) -> Result<Option<u32>, ActionError> {
        let Some(text) = self.given(name) else { return Ok(None) };
        let digits = text.strip_prefix('-').unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(ActionError::invalid(name));
        }
        // A sign or a number beyond `u32` is in no range.
        let number = text.parse().ok().filter(|number| range.contains(number));
        number.map(Some).ok_or(ActionError::Invalid { name, fault: Fault::Range })
    }

    /// A required instant, Unix milliseconds.
    pub(crate) fn time(&self, name: &'static str) -> Result<UnixMs, ActionError> {
        decimal(self.text(name)?).map(UnixMs).ok_or(ActionError::invalid(name))
    }

    /// An optional free text of at most `characters_max`, without control characters. An empty one is given: it clears.
    pub(crate) fn limited(&self, name: &'static str, characters_max: usize) -> Result<Option<String>, ActionError> {
        let Some(text) = self.get(name) else { return Ok(None) };
        if text.chars().count() > characters_max {
            return Err(ActionError::Invalid { name, fault: Fault::Length });
        }
        if text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
            return Err(ActionError::Invalid { name, fault: Fault::InvalidChars });
        }
        Ok(Some(text.to_owned()))
    }

    /// An optional text of a form; an empty one is given: it clears. One that is too long has not the form either: the vendor's
    /// tables have no other code of such a text. Source: openapi/errors.json, CreateUser.
    pub(crate) fn formed(
        &self,
        name: &'static str,
        characters_max: usize,
        legal: fn(&str) -> bool,
    ) -> Result<Option<String>, ActionError> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let has_form = text.is_empty() || (text.chars().count() <= characters_max && legal(text));
        if has_form { Ok(Some(text.to_owned())) } else { Err(ActionError::Invalid { name, fault: Fault::Format }) }
    }
}

/// A name in a parameter, or in a list that one holds; a fault is the parameter's.
pub(crate) fn parsed<T: FromStr<Err = NameError>>(name: &'static str, text: &str) -> Result<T, ActionError> {
    text.parse().map_err(|fault| ActionError::of_name(name, fault))
}

/// A number in digits alone: what `parse` takes besides, as a sign, is none.
fn decimal<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()))
}

/// These parameters, for tests of reading them.
#[cfg(test)]
pub(crate) fn params(pairs: &[(&str, &str)]) -> Params {
    let mut params = Params::default();
    for (name, value) in pairs {
        assert!(params.insert((*name).to_owned(), (*value).to_owned()));
    }
    params
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn getters_answer_in_the_vendors_codes() {
        let given = params(&[("N", "101"), ("B", "maybe"), ("U", "a b"), ("L", "xyz"), ("E", ""), ("I", "nowhere")]);
        let code = |error: ActionError| error.code();
        assert_eq!(code(given.integer("N", 1..=100, 20).unwrap_err()), "InvalidParameter.N");
        assert_eq!(code(given.integer("U", 1..=100, 20).unwrap_err()), "InvalidParameter.U");
        assert_eq!(code(given.boolean("B").unwrap_err()), "InvalidParameter.B");
        assert_eq!(code(given.name::<sluice_model::UserName>("U").unwrap_err()), "InvalidParameter.U.InvalidChars");
        assert_eq!(code(given.limited("L", 2).unwrap_err()), "InvalidParameter.L.Length");
        assert_eq!(code(given.text("E").unwrap_err()), "MissingE");
        assert_eq!(code(given.text("Absent").unwrap_err()), "MissingAbsent");
        assert_eq!(code(given.instance("I").unwrap_err()), "InstancePermissionCheckFailed");
        assert_eq!(given.integer("Absent", 1..=100, 20), Ok(20));
    }

    #[test]
    fn a_number_out_of_its_range_is_told_apart_from_what_is_no_number() {
        let code = |text: &str| params(&[("N", text)]).ranged("N", 8..=32).map_err(|error| error.code());
        for number in ["7", "33", "-1", "-8", "4294967296", "99999999999999999999", "-0"] {
            assert_eq!(code(number), Err("InvalidParameter.N.Range".to_owned()), "{number}");
        }
        for text in ["-", "+8", "8.0", "eight", "0x8", " 8", "--8"] {
            assert_eq!(code(text), Err("InvalidParameter.N".to_owned()), "{text}");
        }
        assert_eq!((code("8"), code("032"), code("")), (Ok(Some(8)), Ok(Some(32)), Ok(None)));
    }

    #[test]
    fn booleans_are_read_in_any_case() {
        let given = params(&[("A", "True"), ("B", "false"), ("C", "")]);
        assert_eq!(given.boolean("A"), Ok(Some(true)));
        assert_eq!(given.boolean("B"), Ok(Some(false)));
        assert_eq!(given.boolean("C"), Ok(None));
    }

    #[test]
    fn debug_shows_no_value() {
        assert_eq!(format!("{:?}", params(&[("Password", "secret")])), r#"{"Password"}"#);
    }
}
