//! Groups and client IDs: `GID_x@@@device`.

use std::sync::Arc;

use crate::{
    NameError,
    error::{ascii_name, text_name},
};

fn legal(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

/// A group: begins `GID_` or `GID-`, 7 to 64 of `[0-9A-Za-z_-]`. Source: facts/apsaramq-for-mqtt.md section 1.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct GroupId(Arc<str>);

impl GroupId {
    fn check(text: &str) -> Result<(), NameError> {
        ascii_name("GroupId", text, 7, 64, legal)?;
        if text.starts_with("GID_") || text.starts_with("GID-") {
            Ok(())
        } else {
            Err(NameError::Format { what: "GroupId" })
        }
    }
}
text_name!(GroupId);

/// A client ID: `{GroupId}@@@{device}`, each part of `[A-Za-z0-9_-]`, at most 64 characters in all.
/// DESIGN section 2, Client ID. One separator exactly, so that no text reads as two clients.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ClientId(Arc<str>);

impl ClientId {
    /// Between group and device.
    pub const SEPARATOR: &'static str = "@@@";

    fn check(text: &str) -> Result<(), NameError> {
        let what = "ClientId";
        if text.is_empty() || text.len() > 64 {
            return Err(NameError::Length { what, least: 1, most: 64, unit: "characters" });
        }
        let (group, device) = text.split_once(Self::SEPARATOR).ok_or(NameError::Format { what })?;
        GroupId::check(group).map_err(|_| NameError::Format { what })?;
        if device.is_empty() {
            return Err(NameError::Format { what });
        }
        if !device.bytes().all(legal) {
            return Err(NameError::InvalidChars { what });
        }
        Ok(())
    }

    /// An ID of the open listener, which knows no groups: 1 to 65,535 bytes, without [`Self::SEPARATOR`], so that it never
    /// reads as an ID of a group's client. DESIGN section 1, Open listener.
    ///
    /// # Errors
    /// [`NameError`] of any other text.
    pub fn ungrouped(text: &str) -> Result<Self, NameError> {
        let what = "ClientId";
        if text.is_empty() || text.len() > usize::from(u16::MAX) {
            return Err(NameError::Length { what, least: 1, most: usize::from(u16::MAX), unit: "bytes" });
        }
        if text.contains(Self::SEPARATOR) {
            return Err(NameError::Reserved { what });
        }
        Ok(Self(text.into()))
    }

    /// Whether it names a group; IDs of the open listener do not.
    #[must_use]
    pub fn has_group(&self) -> bool {
        self.0.contains(Self::SEPARATOR)
    }

    /// The group's name as text, without allocation; empty without a group.
    #[must_use]
    pub fn group_str(&self) -> &str {
        self.0.split_once(Self::SEPARATOR).map_or("", |(group, _)| group)
    }

    /// The group; none for an ID of the open listener.
    #[must_use]
    pub fn group(&self) -> Option<GroupId> {
        self.has_group().then(|| GroupId(self.group_str().into()))
    }

    /// The shared text.
    #[must_use]
    pub fn shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }
}
text_name!(ClientId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ungrouped_id_never_reads_as_a_groups_client() {
        let id = ClientId::ungrouped("any text at all / + #").unwrap();
        assert!(!id.has_group() && id.group().is_none());
        for bad in ["", "GID_Test@@@0001", "a@@@b", "@@@"] {
            assert!(ClientId::ungrouped(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn client_id_is_group_and_device() {
        let id: ClientId = "GID_Test@@@0001".parse().unwrap();
        assert_eq!(id.group_str(), "GID_Test");
        for bad in [
            "",
            "GID_Test",
            "GID_Test@@@",
            "@@@x",
            "GID_T@@@x",
            "XID_Test@@@x",
            "GID_Test@@@a@@@b",
            "GID_Test@@@a/b",
            "GID_Test@@@#",
            "GID_Test@@@+",
            "GID_Test@@@a b",
            "GID_Te+t@@@a",
            "GID_Test@@@a\0",
            "GID_Test@@@0123456789012345678901234567890123456789012345678901234567890",
        ] {
            assert!(bad.parse::<ClientId>().is_err(), "{bad}");
        }
    }
}
