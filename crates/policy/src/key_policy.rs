//! AccessKey policies: the addresses from which AccessKeys may be used. Source: facts/ram.md section 2.

use std::{net::IpAddr, sync::Arc};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::operand::parse_net;

/// The addresses from which a key may be used; none listed is nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedSources(Box<[IpNet]>);

impl AllowedSources {
    /// Whether an address is one of them; an unknown one is none. Cost: O(list), 50 at most.
    #[must_use]
    pub fn admit(&self, address: Option<IpAddr>) -> bool {
        let address = address.map(|address| address.to_canonical());
        address.is_some_and(|address| self.0.iter().any(|net| net.contains(&address)))
    }
}

/// What is wrong with the text of an AccessKey policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyPolicyFault {
    /// No policy of the one form; in words.
    #[error("{0}")]
    Format(String),
    /// More statements or addresses than there may be.
    #[error("an AccessKey policy has at most 8 statements and 50 addresses")]
    TooLong,
}

/// An AccessKey policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct AccessKeyPolicy {
    #[serde(default = "first_version")]
    version: u32,
    status: Status,
    statements: Vec<Statement>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Status {
    Active,
    Inactive,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Kind {
    ClassicWhiteList,
    VPCWhiteList,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Statement {
    #[serde(rename = "Type")]
    kind: Kind,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    value: String,
    #[serde(rename = "IPList")]
    ip_list: Vec<String>,
}

fn first_version() -> u32 {
    1
}

impl AccessKeyPolicy {
    /// Most statements.
    pub const STATEMENTS_MAX: usize = 8;
    /// Most addresses and networks of all statements together.
    pub const ADDRESSES_MAX: usize = 50;
    /// Most bytes of a text that is read.
    pub const BYTES_MAX: usize = 8 * 1024;

    /// The policy of whoever has none.
    #[must_use]
    pub fn none() -> Self {
        Self { version: 1, status: Status::Inactive, statements: Vec::new() }
    }

    /// Whether it is as good as none: not active, and without statements.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.status == Status::Inactive && self.statements.is_empty()
    }

    /// Reads `{"Version":1,"Status":"Active","Statements":[{"Type":"ClassicWhiteList","IPList":["192.0.2.0/24"]}]}`.
    ///
    /// # Errors
    /// [`KeyPolicyFault`].
    pub fn parse(text: &str) -> Result<Self, KeyPolicyFault> {
        if text.len() > Self::BYTES_MAX {
            return Err(KeyPolicyFault::TooLong);
        }
        let read: Self = serde_json::from_str(text).map_err(|fault| KeyPolicyFault::Format(fault.to_string()))?;
        let addresses: usize = read.statements.iter().map(|statement| statement.ip_list.len()).sum();
        if read.statements.len() > Self::STATEMENTS_MAX || addresses > Self::ADDRESSES_MAX {
            return Err(KeyPolicyFault::TooLong);
        }
        if read.version != 1 {
            return Err(KeyPolicyFault::Format("the version is 1".to_owned()));
        }
        read.statements.iter().try_for_each(Statement::check)?;
        Ok(read)
    }

    /// As it is kept and shown.
    ///
    /// # Panics
    /// Never: texts and numbers are JSON.
    #[must_use]
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).expect("texts and numbers are JSON")
    }

    /// What it allows while it is active. There are no VPCs here: a statement of one matches nothing.
    #[must_use]
    pub fn sources(&self) -> Option<Arc<AllowedSources>> {
        let classic = self.statements.iter().filter(|statement| statement.kind == Kind::ClassicWhiteList);
        let nets = classic.flat_map(|statement| &statement.ip_list).filter_map(|text| parse_net(text));
        (self.status == Status::Active).then(|| Arc::new(AllowedSources(nets.collect())))
    }
}

impl Statement {
    fn check(&self) -> Result<(), KeyPolicyFault> {
        if let Some(bad) = self.ip_list.iter().find(|text| parse_net(text).is_none()) {
            return Err(KeyPolicyFault::Format(format!("`{bad}` is no address and no network")));
        }
        let is_vpc = self.value == "AllowAllVPC"
            || self.value.strip_prefix("vpc-").is_some_and(|id| {
                (1..=60).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            });
        let is_right = match self.kind {
            Kind::ClassicWhiteList => self.value.is_empty(),
            Kind::VPCWhiteList => is_vpc,
        };
        let fault = "`Value` is a VPC or `AllowAllVPC`, of a VPCWhiteList alone";
        if is_right { Ok(()) } else { Err(KeyPolicyFault::Format(fault.to_owned())) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn policy(status: &str, statements: &str) -> Result<AccessKeyPolicy, KeyPolicyFault> {
        AccessKeyPolicy::parse(&format!(r#"{{"Version":1,"Status":"{status}","Statements":{statements}}}"#))
    }

    #[test]
    fn an_active_list_admits_what_it_names_and_nothing_else() {
        let text = r#"[{"Type":"ClassicWhiteList","IPList":["192.0.2.7","198.51.100.9/24","2001:db8::/32"]},
            {"Type":"VPCWhiteList","Value":"AllowAllVPC","IPList":["0.0.0.0/0"]}]"#;
        let sources = policy("Active", text).unwrap().sources().unwrap();
        for (address, admitted) in [
            ("192.0.2.7", true),
            ("::ffff:192.0.2.7", true),
            ("192.0.2.8", false),
            ("198.51.100.200", true),
            ("198.51.101.1", false),
            ("2001:db8:1::1", true),
            ("2001:db9::1", false),
        ] {
            assert_eq!(sources.admit(Some(address.parse().unwrap())), admitted, "{address}");
        }
        assert!(!sources.admit(None));
        assert_eq!(policy("Inactive", text).unwrap().sources(), None);
        assert!(!policy("Active", "[]").unwrap().sources().unwrap().admit("127.0.0.1".parse().ok()));
        assert!(AccessKeyPolicy::none().is_none());
        let none = r#"{"Version":1,"Status":"Inactive","Statements":[]}"#;
        assert_eq!(AccessKeyPolicy::none().to_text(), none);
        assert_eq!(AccessKeyPolicy::parse(r#"{"Status":"Inactive","Statements":[]}"#).unwrap().to_text(), none);
    }

    #[test]
    fn what_has_another_form_is_no_policy() {
        let list = |of: &str| format!(r#"[{{"Type":"ClassicWhiteList","IPList":[{of}]}}]"#);
        for statements in [
            "null",
            "{}",
            r#"[{"Type":"Other","IPList":[]}]"#,
            r#"[{"Type":"ClassicWhiteList"}]"#,
            r#"[{"Type":"ClassicWhiteList","Value":"vpc-a","IPList":["192.0.2.1"]}]"#,
            r#"[{"Type":"VPCWhiteList","IPList":["192.0.2.1"]}]"#,
            r#"[{"Type":"VPCWhiteList","Value":"all","IPList":["192.0.2.1"]}]"#,
            &list(r#""192.0.2.1/33""#),
            &list(r#""example.com""#),
            &list("1"),
        ] {
            assert!(matches!(policy("Active", statements), Err(KeyPolicyFault::Format(_))), "{statements}");
        }
        let bad = [r#"{"Version":2,"Status":"Active","Statements":[]}"#, r#"{"Statements":[]}"#, "", "[]"];
        for text in bad {
            assert!(matches!(AccessKeyPolicy::parse(text), Err(KeyPolicyFault::Format(_))), "{text}");
        }
        assert!(policy("active", "[]").is_err());
        let addresses = |n: usize| vec![r#""192.0.2.1""#; n].join(",");
        assert!(policy("Active", &list(&addresses(50))).is_ok());
        assert_eq!(policy("Active", &list(&addresses(51))), Err(KeyPolicyFault::TooLong));
        let statements = |n: usize| vec![r#"{"Type":"ClassicWhiteList","IPList":[]}"#; n].join(",");
        assert!(policy("Active", &format!("[{}]", statements(8))).is_ok());
        assert_eq!(policy("Active", &format!("[{}]", statements(9))), Err(KeyPolicyFault::TooLong));
    }
}
