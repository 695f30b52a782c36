//! From an ARN's text to the resource that enforcement decides: the inverse of [`Resource`]'s `Display`.
//!
//! A topic is decided as a tree and by its old forms (`candidates.rs`), which a text alone is not. So whoever simulates has
//! the text read here first.

use std::sync::Arc;

use sluice_model::{AccountId, RamEntity, Resource, Service};

/// The resource that an ARN names, for a request of `account`. Our resources have no region: any is read over. `*` or
/// nothing for the account means the caller's own. What has none of the forms that enforcement asks on, an old form of the
/// vendor's too, stays the text that it is; a text that is no ARN is the caller's.
#[must_use]
pub fn resource_of_arn(account: AccountId, arn: &str) -> Resource {
    let literal = |owner| Resource::Arn(owner, arn.into());
    let mut parts = arn.splitn(5, ':');
    let (Some("acs"), Some(service), Some(_region), Some(owner), Some(rest)) =
        (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return literal(account);
    };
    let system = (service, owner) == ("ram", "system");
    let owner = match owner {
        "" | "*" => account,
        _ if system => account,
        digits => match digits.parse() {
            Ok(owner) => owner,
            Err(_) => return literal(account),
        },
    };
    let known = match service {
        "mq" => of_mq(owner, rest),
        "ram" if system => rest
            .strip_prefix("policy/")
            .filter(|name| !name.is_empty())
            .map(|name| RamEntity::SystemPolicy(name.into()))
            .map(|entity| Resource::Ram(owner, entity)),
        "ram" => of_ram(rest).map(|entity| Resource::Ram(owner, entity)),
        "sts" if rest == "*" => Some(Resource::Service(owner, Service::Sts)),
        _ => None,
    };
    known.unwrap_or_else(|| literal(owner))
}

fn of_mq(owner: AccountId, rest: &str) -> Option<Resource> {
    if rest == "*" {
        return Some(Resource::Service(owner, Service::Mq));
    }
    let (kind, name) = rest.split_once('/')?;
    match kind {
        "instance" => Some(Resource::Instance(owner, name.parse().ok()?)),
        "topic" => {
            let (instance, path) = name.split_once('/').filter(|(_, path)| !path.is_empty())?;
            Some(Resource::Topic(owner, instance.parse().ok()?, path.into()))
        }
        "groupId" => {
            let (instance, group) = name.split_once('/')?;
            Some(Resource::Group(owner, instance.parse().ok()?, group.parse().ok()?))
        }
        _ => None,
    }
}

fn of_ram(rest: &str) -> Option<RamEntity> {
    if rest == "*" {
        return Some(RamEntity::All);
    }
    let (kind, name) = rest.split_once('/').filter(|(_, name)| !name.is_empty())?;
    let entity: fn(Arc<str>) -> RamEntity = match kind {
        "user" => RamEntity::User,
        "group" => RamEntity::Group,
        "role" => RamEntity::Role,
        "mfa" => RamEntity::MfaDevice,
        "saml-provider" => RamEntity::SamlProvider,
        "oidc-provider" => RamEntity::OidcProvider,
        "policy" => RamEntity::Policy,
        _ => return None,
    };
    Some(entity(name.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(n: u64) -> AccountId {
        AccountId::new(AccountId::MIN + n).unwrap()
    }

    fn every_form() -> Vec<Resource> {
        let (owner, instance) = (account(1), "mqtt-cn-a".parse().unwrap());
        let topic = |path: &str| Resource::Topic(owner, "mqtt-cn-a".parse().unwrap(), path.into());
        let ram = |entity: fn(Arc<str>) -> RamEntity| Resource::Ram(owner, entity("name".into()));
        vec![
            Resource::Service(owner, Service::Mq),
            Resource::Service(owner, Service::Sts),
            Resource::Instance(owner, instance),
            topic("a"),
            topic("a/b:c/d"),
            topic("a/+/#"),
            topic("a//b/"),
            Resource::Group(owner, "mqtt-cn-a".parse().unwrap(), "GID_alpha".parse().unwrap()),
            ram(RamEntity::User),
            ram(RamEntity::Group),
            ram(RamEntity::Role),
            ram(RamEntity::MfaDevice),
            ram(RamEntity::SamlProvider),
            ram(RamEntity::OidcProvider),
            ram(RamEntity::Policy),
            ram(RamEntity::SystemPolicy),
            Resource::Ram(owner, RamEntity::All),
        ]
    }

    #[test]
    fn what_is_shown_is_read_back_as_what_it_was() {
        for resource in every_form() {
            assert_eq!(resource_of_arn(account(1), &resource.to_string()), resource);
            if !matches!(resource, Resource::Ram(_, RamEntity::SystemPolicy(_))) {
                // The owner is who the text says, not who asks.
                assert_eq!(resource_of_arn(account(2), &resource.to_string()), resource);
            }
        }
    }

    #[test]
    fn region_and_an_open_account_are_read_over() {
        let topic = Resource::Topic(account(1), "mqtt-cn-a".parse().unwrap(), "a/b".into());
        for arn in ["acs:mq:cn-hangzhou:*:topic/mqtt-cn-a/a/b", "acs:mq:*::topic/mqtt-cn-a/a/b"] {
            assert_eq!(resource_of_arn(account(1), arn), topic);
        }
    }

    #[test]
    fn what_has_no_known_form_stays_a_text() {
        for arn in [
            "",
            "*",
            "topic",
            "acs:mq:*:*:mqtt-cn-a%parent",
            "acs:mq:*:*:topic/mqtt-cn-a/",
            "acs:mq:*:*:topic/no instance/a",
            "acs:mq:*:*:groupId/mqtt-cn-a/no-group",
            "acs:oss:*:*:bucket/a",
            "acs:ram:*:*:user/",
            "acs:mq:*:not-an-account:topic/mqtt-cn-a/a",
        ] {
            assert_eq!(resource_of_arn(account(1), arn), Resource::Arn(account(1), arn.into()), "{arn}");
        }
        let foreign = format!("acs:oss:*:{}:bucket", account(2));
        assert_eq!(resource_of_arn(account(1), &foreign), Resource::Arn(account(2), foreign.as_str().into()));
    }
}
