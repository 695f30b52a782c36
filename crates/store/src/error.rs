//! Why a read or write failed.

use crate::UrlFault;

/// What a refusal is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entity {
    /// A tenant account.
    Account,
    /// An account's alias.
    AccountAlias,
    /// A RAM user.
    User,
    /// An AccessKey.
    AccessKey,
    /// A console sign-in.
    LoginProfile,
    /// A virtual MFA device.
    MfaDevice,
    /// That a user has an MFA device.
    MfaBinding,
    /// That an MFA device is somebody's already.
    MfaDeviceBinding,
    /// A code of an MFA device that was used before.
    MfaCode,
    /// A custom policy.
    Policy,
    /// A version of a custom policy.
    PolicyVersion,
    /// The version in force.
    DefaultPolicyVersion,
    /// A policy attached to a user.
    Attachment,
    /// A group of RAM users.
    UserGroup,
    /// A user's membership in a group.
    Membership,
    /// A group's member.
    Member,
    /// A policy attached to a group of users.
    GroupAttachment,
    /// A role.
    Role,
    /// A role that is linked to a cloud service.
    ServiceLinkedRole,
    /// An OIDC provider.
    OidcProvider,
    /// A SAML provider.
    SamlProvider,
    /// A policy attached to a role.
    RoleAttachment,
    /// A tag of a policy or role.
    Tag,
    /// An instance.
    Instance,
    /// A parent topic.
    Topic,
    /// A group of MQTT clients.
    Group,
}

/// Why a read or write failed. Holds no secret.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such row in this account.
    #[error("{0:?} does not exist")]
    NotFound(Entity),
    /// The name is taken.
    #[error("{0:?} exists already")]
    AlreadyExists(Entity),
    /// One more would be over the limit.
    #[error("the limit of {0:?} is reached")]
    Limit(Entity),
    /// The row cannot go while these depend on it.
    #[error("{0:?} still depends on it")]
    Conflict(Entity),
    /// The proof is for another row; nothing was written.
    #[error("the permit is for `{permitted}`, not for this row")]
    PermitMismatch {
        /// The resource that the permit names.
        permitted: String,
    },
    /// What may be done has changed since the permit was given; nothing was written. Ask again.
    #[error("the permit is older than the policies in force")]
    PermitOutdated,
    /// What was to be written is sealed under a master key that is not in use any more: seal it again.
    #[error("the master key was changed; seal again")]
    SealedBefore,
    /// A row holds what no version of this program writes.
    #[error("a row of `{table}` cannot be read: {fault}")]
    Damaged {
        /// The table.
        table: &'static str,
        /// What is wrong.
        fault: String,
    },
    /// A newer program has opened this database.
    #[error("the database has schema {found}, this program knows up to {known}; use the newer program")]
    TooNew {
        /// The schema found.
        found: i64,
        /// The newest known here.
        known: i64,
    },
    /// The database cannot be copied by us.
    #[error(
        "`sluice backup` copies the embedded database only; copy a PostgreSQL database with pg_dump (docs/operations.md)"
    )]
    CopyNotServed,
    /// The URL names no database that can be used.
    #[error(transparent)]
    Url(#[from] UrlFault),
    /// The database cannot be reached at present, or asks to try again; what was not answered may have been written.
    #[error("the database cannot be reached: {0}")]
    Unavailable(String),
    /// The database failed.
    #[error("the database failed: {0}")]
    Database(sqlx::Error),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let is_gone = match &error {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => true,
            sqlx::Error::Database(told) => told.code().is_some_and(|code| is_passing(&code)),
            _ => false,
        };
        if is_gone { Self::Unavailable(error.to_string()) } else { Self::Database(error) }
    }
}

/// Whether a code of PostgreSQL's says that the same may well succeed later, or elsewhere: connections (class 08), a
/// serialization failure or a deadlock (40), too few resources (53), an administrator's doing (57), a lock that was not
/// given (55P03), a failure outside of it (58), and a server that became a standby (25006). SQLite's codes are numbers
/// of up to four digits. Source: PostgreSQL 15 manual, appendix A.
fn is_passing(code: &str) -> bool {
    code.len() == 5
        && (["08", "40", "53", "57", "58"].iter().any(|class| code.starts_with(class))
            || matches!(code, "55P03" | "25006"))
}
