//! On what something is asked.

use std::{fmt, sync::Arc};

use crate::{AccountId, GroupId, InstanceId, Service};

/// What a RAM action is about: the part of an ARN after the account.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum RamEntity {
    /// `user/{name}`; `*` for a list of users.
    User(Arc<str>),
    /// `group/{name}`; `*` for a list of groups.
    Group(Arc<str>),
    /// `role/{name}`; `*` for a list of roles.
    Role(Arc<str>),
    /// `mfa/{name}`; `*` for a list of virtual MFA devices.
    MfaDevice(Arc<str>),
    /// `saml-provider/{name}`; `*` for a list.
    SamlProvider(Arc<str>),
    /// `oidc-provider/{name}`; `*` for a list.
    OidcProvider(Arc<str>),
    /// `policy/{name}` of the account; `*` for a list.
    Policy(Arc<str>),
    /// `policy/{name}` of the pseudo account `system`.
    SystemPolicy(Arc<str>),
    /// `*`: the account's settings.
    All,
}

/// On what an action is asked. The account is the owner's, part of the type. How it reads as ARNs is decided in
/// `policy`, in one table.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Resource {
    /// All of a service in the account: `acs:mq:*:{account}:*`.
    Service(AccountId, Service),
    /// An MQTT instance.
    Instance(AccountId, InstanceId),
    /// A topic name or, for SUBSCRIBE, a filter's text; the first level is the parent topic.
    Topic(AccountId, InstanceId, Arc<str>),
    /// A group.
    Group(AccountId, InstanceId, GroupId),
    /// A RAM entity.
    Ram(AccountId, RamEntity),
    /// A full ARN as written, for simulation and test vectors, with the account that owns it.
    Arn(AccountId, Arc<str>),
}

impl Resource {
    /// The account that owns it.
    #[must_use]
    pub fn account(&self) -> AccountId {
        match self {
            Self::Service(account, _)
            | Self::Instance(account, _)
            | Self::Topic(account, ..)
            | Self::Group(account, ..)
            | Self::Ram(account, _)
            | Self::Arn(account, _) => *account,
        }
    }
}

impl fmt::Display for Resource {
    /// The ARN to show and to write into a policy, in its current form.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(account, service) => write!(f, "acs:{}:*:{account}:*", service.code()),
            Self::Instance(account, instance) => write!(f, "acs:mq:*:{account}:instance/{instance}"),
            Self::Topic(account, instance, path) => write!(f, "acs:mq:*:{account}:topic/{instance}/{path}"),
            Self::Group(account, instance, group) => write!(f, "acs:mq:*:{account}:groupId/{instance}/{group}"),
            Self::Ram(account, entity) => match entity {
                RamEntity::User(name) => write!(f, "acs:ram:*:{account}:user/{name}"),
                RamEntity::Group(name) => write!(f, "acs:ram:*:{account}:group/{name}"),
                RamEntity::Role(name) => write!(f, "acs:ram:*:{account}:role/{name}"),
                RamEntity::MfaDevice(name) => write!(f, "acs:ram:*:{account}:mfa/{name}"),
                RamEntity::SamlProvider(name) => write!(f, "acs:ram:*:{account}:saml-provider/{name}"),
                RamEntity::OidcProvider(name) => write!(f, "acs:ram:*:{account}:oidc-provider/{name}"),
                RamEntity::Policy(name) => write!(f, "acs:ram:*:{account}:policy/{name}"),
                RamEntity::SystemPolicy(name) => write!(f, "acs:ram:*:system:policy/{name}"),
                RamEntity::All => write!(f, "acs:ram:*:{account}:*"),
            },
            Self::Arn(_, arn) => f.write_str(arn),
        }
    }
}
