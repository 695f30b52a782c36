//! Instances and their settings.

use std::{
    hash::{Hash, Hasher},
    ops::RangeInclusive,
    sync::Arc,
};

use crate::{
    NameError,
    error::{ascii_name, text_name},
};

/// An instance: `post-cn-…` or `mqtt-cn-…`, unique over all accounts. Pattern: extra.json, CreateMqttInstance.
#[derive(Clone, Eq, PartialOrd, Ord, Debug)]
pub struct InstanceId(Arc<str>);

impl PartialEq for InstanceId {
    /// By the text. The message path compares an ID mostly with itself, so that the place is looked at first.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || *self.0 == *other.0
    }
}

impl Hash for InstanceId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl InstanceId {
    fn check(text: &str) -> Result<(), NameError> {
        let wrong = NameError::Format { what: "InstanceId" };
        let rest = text.strip_prefix("post-").or_else(|| text.strip_prefix("mqtt-")).ok_or(wrong)?;
        let (site, tail) = rest.split_once('-').ok_or(wrong)?;
        let site_ok = site.len() == 2 && site.bytes().all(|b| b.is_ascii_lowercase());
        let tail_ok =
            (1..=40).contains(&tail.len()) && tail.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        if site_ok && tail_ok { Ok(()) } else { Err(wrong) }
    }
}
text_name!(InstanceId);

/// An instance's name: 3 to 64 of `[0-9A-Za-z_-]`. Source: facts/apsaramq-for-mqtt.md section 1.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct InstanceName(Arc<str>);

impl InstanceName {
    fn check(text: &str) -> Result<(), NameError> {
        ascii_name("InstanceName", text, 3, 64, |b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
    }
}
text_name!(InstanceName);

/// Defines a closed set of words as an enum with `as_str` and `FromStr`.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident),+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum $name { $($(#[$vmeta])* $variant),+ }
        impl $name {
            /// The word as the API spells it.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant)),+ }
            }
        }
        impl std::str::FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                match text {
                    $(stringify!($variant) => Ok(Self::$variant),)+
                    _ => Err(NameError::Format { what: stringify!($name) }),
                }
            }
        }
    };
}

words! {
    /// The vendor's editions; they choose presets of limits.
    Edition {
        /// Shared.
        Basic,
        /// The default.
        Professional,
        /// Dedicated.
        Platinum,
        /// By use.
        Serverless
    }
}
words! {
    /// Whether the original's limits and gaps hold. DESIGN section 2, MQTT.
    Compatibility {
        /// Sluice's own limits.
        Extended,
        /// The original's limits and gaps.
        Strict
    }
}
words! {
    /// What a denied PUBLISH or SUBSCRIBE does to the connection. DESIGN section 2, MQTT.
    DenyAction {
        /// Closes it, as the original does.
        Close,
        /// Answers with a reason code instead.
        Respond
    }
}
words! {
    /// What an acknowledgement promises.
    Durability {
        /// On disk.
        Sync,
        /// Written, synced within 100 ms.
        Relaxed
    }
}

/// How long, and how many, messages wait for clients that are away: of all sessions of an instance together, oldest first out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OfflineRetention {
    /// How long a message waits at most, seconds.
    pub seconds: u32,
    /// How many wait at most.
    pub messages_max: u32,
}

impl OfflineRetention {
    /// As the original: 3 days and 1,000,000. Source: facts/apsaramq-for-mqtt.md section 4.
    pub const DEFAULT: Self = Self { seconds: 3 * 24 * 60 * 60, messages_max: 1_000_000 };
    /// What `OfflineRetentionSeconds` may be: a second to a year. Ours.
    pub const SECONDS: RangeInclusive<u32> = 1..=365 * 24 * 60 * 60;
    /// What `OfflineMessagesMax` may be. Ours: what waits has its place in memory.
    pub const MESSAGES_MAX: RangeInclusive<u32> = 1..=100_000_000;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instance_id_follows_its_pattern() {
        assert!("post-cn-4591hbzc723".parse::<InstanceId>().is_ok());
        assert!("mqtt-cn-x".parse::<InstanceId>().is_ok());
        for bad in ["", "post-cn-", "post-c-x", "post-CN-x", "inst-cn-x", "post-cn-X", "post-cn-a/b", "post-cn-a*"] {
            assert!(bad.parse::<InstanceId>().is_err(), "{bad}");
        }
    }
}
