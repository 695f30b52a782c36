//! The schema, step by step. A step that has shipped is never changed; a new one is added.

/// Each step's statements, separated by `;`. `{name}` is a text column ordered bytewise.
pub(crate) const STEPS: [&str; 10] = [
    include_str!("../migrations/0001_accounts_users_policies_instances.sql"),
    include_str!("../migrations/0002_usage.sql"),
    include_str!("../migrations/0003_offline_retention.sql"),
    include_str!("../migrations/0004_user_groups_roles.sql"),
    include_str!("../migrations/0005_changes.sql"),
    include_str!("../migrations/0006_operators.sql"),
    include_str!("../migrations/0007_decisions.sql"),
    include_str!("../migrations/0008_identity_providers.sql"),
    include_str!("../migrations/0009_sign_in.sql"),
    include_str!("../migrations/0010_access_key_policies.sql"),
];
