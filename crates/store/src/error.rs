//! Why a read or write failed.

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
    /// A policy attached to a group of users.
    GroupAttachment,
    /// A role.
    Role,
    /// A policy attached to a role.
    RoleAttachment,
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
    #[error("only the embedded database is copied by `sluice backup`; PostgreSQL has its own tools")]
    CopyNotServed,
    /// The database failed.
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
}
