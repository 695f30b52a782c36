//! Why a name was refused.

/// A name that breaks its syntax. Always the peer's fault; says the rule, never the whole value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Shorter or longer than allowed.
    #[error("`{what}` must have {least} to {most} {unit}")]
    Length {
        /// Which name, as the API spells it.
        what: &'static str,
        /// Fewest allowed.
        least: usize,
        /// Most allowed.
        most: usize,
        /// `characters` or `bytes`.
        unit: &'static str,
    },
    /// Holds a character that the name may not have.
    #[error("`{what}` contains an invalid character")]
    InvalidChars {
        /// Which name, as the API spells it.
        what: &'static str,
    },
    /// Has the wrong form.
    #[error("the format of `{what}` is incorrect")]
    Format {
        /// Which name, as the API spells it.
        what: &'static str,
    },
    /// Is kept for the service, so that no name reads as another's. DESIGN section 2, ARN candidates.
    #[error("`{what}` is a reserved name")]
    Reserved {
        /// Which name, as the API spells it.
        what: &'static str,
    },
}

/// Checks length in bytes and the characters of an ASCII name.
pub(crate) fn ascii_name(
    what: &'static str,
    text: &str,
    least: usize,
    most: usize,
    legal: fn(u8) -> bool,
) -> Result<(), NameError> {
    if text.len() < least || text.len() > most {
        return Err(NameError::Length { what, least, most, unit: "characters" });
    }
    if !text.bytes().all(legal) {
        return Err(NameError::InvalidChars { what });
    }
    Ok(())
}

/// Implements `FromStr`, `Display`, `AsRef<str>` and `as_str` for a validated text newtype over `Arc<str>`.
macro_rules! text_name {
    ($name:ident) => {
        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
        impl std::str::FromStr for $name {
            type Err = $crate::NameError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::check(text)?;
                Ok(Self(text.into()))
            }
        }
    };
}
pub(crate) use text_name;
