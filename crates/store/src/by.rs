//! On whose authority a row is written.

use sluice_model::{AccountId, Principal, RamEntity, Resource};
use sluice_policy::{Permit, SystemTask};

use crate::StoreError;

/// The proof that a write demands.
#[derive(Debug, Clone, Copy)]
pub enum By<'a> {
    /// A caller who was permitted this very row.
    Permit(&'a Permit),
    /// Background work, one of a closed list; logged.
    Task(SystemTask),
}

/// The row that is written, to compare the permit with.
pub(crate) enum Target<'a> {
    User(&'a str),
    Policy(&'a str),
    UserGroup(&'a str),
    Role(&'a str),
    OidcProvider(&'a str),
    SamlProvider(&'a str),
    MfaDevice(&'a str),
    Topic(&'a str, &'a str),
    Group(&'a str, &'a str),
    Instance(&'a str),
    /// A new instance: permitted on the account's service as a whole.
    NewInstance,
    /// The account's own keys and settings.
    Account,
}

impl By<'_> {
    /// Compares the proof with the row.
    pub(crate) fn check(self, account: AccountId, target: &Target<'_>) -> Result<(), StoreError> {
        match self {
            Self::Task(task) => {
                tracing::info!(task = task.as_str(), %account, "a system task writes");
                Ok(())
            }
            Self::Permit(permit) if permit.account() == account && names(permit.resource(), target) => Ok(()),
            Self::Permit(permit) => Err(StoreError::PermitMismatch { permitted: permit.resource().to_string() }),
        }
    }

    /// Whether it is this principal that writes.
    pub(crate) fn is_of(self, principal: Principal) -> bool {
        matches!(self, Self::Permit(permit) if permit.principal() == principal)
    }
}

fn names(resource: &Resource, target: &Target<'_>) -> bool {
    match (resource, target) {
        (Resource::Ram(_, RamEntity::User(name)), Target::User(row)) => **name == **row,
        (Resource::Ram(_, RamEntity::Policy(name)), Target::Policy(row)) => **name == **row,
        (Resource::Ram(_, RamEntity::Group(name)), Target::UserGroup(row)) => **name == **row,
        (Resource::Ram(_, RamEntity::Role(name)), Target::Role(row)) => **name == **row,
        (Resource::Ram(_, RamEntity::OidcProvider(name)), Target::OidcProvider(row)) => **name == **row,
        (Resource::Ram(_, RamEntity::SamlProvider(name)), Target::SamlProvider(row)) => **name == **row,
        (Resource::Ram(_, RamEntity::MfaDevice(name)), Target::MfaDevice(row)) => **name == **row,
        (Resource::Topic(_, instance, path), Target::Topic(row, topic)) => {
            instance.as_str() == *row && **path == **topic
        }
        (Resource::Group(_, instance, group), Target::Group(row, name)) => {
            instance.as_str() == *row && group.as_str() == *name
        }
        (Resource::Instance(_, instance), Target::Instance(row)) => instance.as_str() == *row,
        (Resource::Service(..), Target::NewInstance) => true,
        (Resource::Ram(_, RamEntity::All), Target::Account) => true,
        _ => false,
    }
}
