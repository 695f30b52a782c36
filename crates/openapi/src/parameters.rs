//! Query and form, merged into one set of parameters.

use sluice_actions::Params;

use crate::{error::DoorError, percent};

/// Most parameters of one request; the longest list of the API has 200 entries.
pub(crate) const PARAMETERS_MAX: usize = 1_000;

/// Adds the pairs of `text` (`a=1&b=2`) to `params`. A name without `=` has an empty value; empty pieces are skipped.
///
/// # Errors
/// [`DoorError::Encoding`], [`DoorError::Duplicate`] (a second value would make it unclear which one was signed for) and
/// [`DoorError::TooManyParameters`].
pub(crate) fn add_pairs(params: &mut Params, text: &[u8]) -> Result<(), DoorError> {
    for piece in text.split(|&byte| byte == b'&').filter(|piece| !piece.is_empty()) {
        let equals = piece.iter().position(|&byte| byte == b'=').unwrap_or(piece.len());
        let value = piece.get(equals + 1..).unwrap_or_default();
        let name = percent::decode(&piece[..equals]).ok_or(DoorError::Encoding)?;
        let value = percent::decode(value).ok_or(DoorError::Encoding)?;
        // No text of the API has one, and PostgreSQL keeps none.
        if name.contains('\0') || value.contains('\0') {
            return Err(DoorError::Encoding);
        }
        if params.len() >= PARAMETERS_MAX {
            return Err(DoorError::TooManyParameters);
        }
        if !params.insert(name, value) {
            return Err(DoorError::Duplicate);
        }
    }
    Ok(())
}

/// The canonical query of both schemes: `k=v` sorted by raw name, encoded, empty values kept as `k=`.
pub(crate) fn canonical_query(params: &Params, without: Option<&str>) -> String {
    let pairs = params.iter().filter(|(name, _)| Some(*name) != without);
    let encoded: Vec<String> =
        pairs.map(|(name, value)| format!("{}={}", percent::encode(name), percent::encode(value))).collect();
    encoded.join("&")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &[u8]) -> Result<Params, DoorError> {
        let mut params = Params::default();
        add_pairs(&mut params, text)?;
        Ok(params)
    }

    #[test]
    fn a_parameter_given_twice_is_refused() {
        assert_eq!(parse(b"a=1&a=2").unwrap_err(), DoorError::Duplicate);
        let mut params = parse(b"a=1").unwrap();
        assert_eq!(add_pairs(&mut params, b"a=1").unwrap_err(), DoorError::Duplicate);
    }

    #[test]
    fn a_parameter_too_many_is_refused() {
        let text: String = (0..=PARAMETERS_MAX).map(|n| format!("k{n}=v&")).collect();
        assert_eq!(parse(text.as_bytes()).unwrap_err(), DoorError::TooManyParameters);
    }

    #[test]
    fn parameters_that_are_not_utf8_are_refused() {
        assert_eq!(parse(b"a=%FF").unwrap_err(), DoorError::Encoding);
        assert_eq!(parse(b"%FF=a").unwrap_err(), DoorError::Encoding);
        assert_eq!(parse(b"a=\xff").unwrap_err(), DoorError::Encoding);
        assert_eq!(parse(b"a=%00").unwrap_err(), DoorError::Encoding);
        assert_eq!(parse(b"a%00=a").unwrap_err(), DoorError::Encoding);
    }

    #[test]
    fn canonical_query_is_sorted_and_keeps_empty_values() {
        let params = parse(b"b=2+2&a&Signature=x&B=%2A").unwrap();
        assert_eq!(canonical_query(&params, Some("Signature")), "B=%2A&a=&b=2%202");
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_or_refused(bytes in any::<Vec<u8>>()) {
            if let Ok(params) = parse(&bytes) {
                prop_assert!(params.len() <= PARAMETERS_MAX);
            }
        }
    }
}
