//! Which policies are attached to which users, user groups and roles: one table, one set of queries.

use std::collections::HashMap;

use sluice_model::{
    AccountId, PolicyName, PolicyType, Principal, RoleId, RoleName, UnixMs, UserGroupId, UserGroupName, UserId,
    UserName,
};

use crate::{By, Change, Entity, Store, StoreError, by::Target, row::Columns, write::Write};

/// To whom a policy can be attached, by the number or ID that outlives a rename.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Holder {
    /// A user.
    User(UserId),
    /// A group: its members inherit.
    Group(UserGroupId),
    /// A role.
    Role(RoleId),
}

impl Holder {
    /// The kind's name in the table.
    fn kind(&self) -> &'static str {
        match self {
            Self::User(_) => "User",
            Self::Group(_) => "Group",
            Self::Role(_) => "Role",
        }
    }

    fn id(&self) -> String {
        match self {
            Self::User(user) => user.to_string(),
            Self::Group(group) => group.to_string(),
            Self::Role(role) => role.to_string(),
        }
    }

    fn entity(&self) -> Entity {
        match self {
            Self::User(_) => Entity::User,
            Self::Group(_) => Entity::UserGroup,
            Self::Role(_) => Entity::Role,
        }
    }

    /// What an attachment to it is called in a refusal.
    fn attachment(&self) -> Entity {
        match self {
            Self::User(_) => Entity::Attachment,
            Self::Group(_) => Entity::GroupAttachment,
            Self::Role(_) => Entity::RoleAttachment,
        }
    }

    fn target<'a>(&self, name: &'a str) -> Target<'a> {
        match self {
            Self::User(_) => Target::User(name),
            Self::Group(_) => Target::UserGroup(name),
            Self::Role(_) => Target::Role(name),
        }
    }

    /// What a change of its policies changes.
    #[must_use]
    pub fn changed(&self, account: AccountId) -> Change {
        match self {
            Self::User(user) => Change::Principal(Principal::User(account, *user)),
            Self::Group(group) => Change::UserGroup(account, group.clone()),
            Self::Role(role) => Change::Principal(Principal::Role(account, *role)),
        }
    }

    pub(crate) fn read(columns: &Columns<'_>) -> Result<Self, StoreError> {
        let number = || columns.parsed::<u64>("holder_id");
        let damaged = |error| columns.damaged(error);
        match columns.text("holder_kind")?.as_str() {
            "User" => Ok(Self::User(UserId::new(number()?).map_err(damaged)?)),
            "Group" => Ok(Self::Group(columns.parsed("holder_id")?)),
            "Role" => Ok(Self::Role(RoleId::new(number()?).map_err(damaged)?)),
            other => Err(columns.damaged(format!("`{other}` holds no policies"))),
        }
    }
}

/// A policy attached to somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Whose policy.
    pub policy_type: PolicyType,
    /// Its name.
    pub policy_name: PolicyName,
    /// Since when.
    pub attached: UnixMs,
}

/// A user to whom a policy is attached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyUser {
    /// The user's number.
    pub id: UserId,
    /// The user's name.
    pub name: UserName,
    /// For people.
    pub display_name: String,
    /// Since when.
    pub attached: UnixMs,
}

/// A group to which a policy is attached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyGroup {
    /// The group's ID.
    pub id: UserGroupId,
    /// The group's name.
    pub name: UserGroupName,
    /// Free text.
    pub comments: String,
    /// Since when.
    pub attached: UnixMs,
}

/// A role to which a policy is attached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyRole {
    /// The role's number.
    pub id: RoleId,
    /// The role's name.
    pub name: RoleName,
    /// Free text.
    pub description: String,
    /// Since when.
    pub attached: UnixMs,
}

/// The policies attached to each holder of an account.
pub type AttachedPolicies = HashMap<Holder, Vec<(PolicyType, PolicyName)>>;

pub(crate) fn attached_policy(columns: &Columns<'_>) -> Result<(PolicyType, PolicyName), StoreError> {
    Ok((columns.parsed("policy_type")?, columns.parsed("policy_name")?))
}

impl Write {
    /// Refuses unless the account's user, group or role of this ID has this name: a permit names it, a row has its ID.
    pub(crate) async fn expect_holder(
        &mut self,
        account: AccountId,
        holder: &Holder,
        name: &str,
    ) -> Result<(), StoreError> {
        let (table, column) = match holder {
            Holder::User(_) => ("users", "user_id"),
            Holder::Group(_) => ("user_groups", "group_id"),
            Holder::Role(_) => ("roles", "role_id"),
        };
        let sql = format!(
            "SELECT COUNT(*) AS n FROM {table} WHERE account_id = $1 AND CAST({column} AS TEXT) = $2 AND name = $3"
        );
        let found = self.count(&sql, &[account.into(), holder.id().as_str().into(), name.into()]).await?;
        if found == 0 { Err(StoreError::NotFound(holder.entity())) } else { Ok(()) }
    }

    /// How many policies hang on a holder.
    pub(crate) async fn attachments_of(&mut self, account: AccountId, holder: &Holder) -> Result<i64, StoreError> {
        let sql = "SELECT COUNT(*) AS n FROM policy_attachments WHERE account_id = $1 AND holder_kind = $2 \
                   AND holder_id = $3";
        self.count(sql, &[account.into(), holder.kind().into(), holder.id().as_str().into()]).await
    }
}

impl Store {
    /// Begins a write on what is attached to a holder. The permit names it, and it is there by that name and no service's.
    async fn write_attachments(
        &self,
        by: By<'_>,
        account: AccountId,
        holder: &Holder,
        name: &str,
    ) -> Result<Write, StoreError> {
        by.check(account, &holder.target(name))?;
        let mut write = self.write(by, account).await?;
        write.expect_holder(account, holder, name).await?;
        write.expect_own_policies(account, holder).await?;
        Ok(write)
    }

    /// Attaches a policy; `most` is the limit of its type for one holder. The permit names the holder.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] of holder or custom policy, [`StoreError::AlreadyExists`], [`StoreError::Limit`].
    pub async fn attach(
        &self,
        by: By<'_>,
        (account, holder, holder_name): (AccountId, &Holder, &str),
        policy: (PolicyType, &PolicyName),
        now: UnixMs,
        most: i64,
    ) -> Result<(), StoreError> {
        let (policy_type, policy_name) = policy;
        let mut write = self.write_attachments(by, account, holder, holder_name).await?;
        let sql = "SELECT COUNT(*) AS n FROM policies WHERE account_id = $1 AND name = $2";
        if policy_type == PolicyType::Custom
            && write.count(sql, &[account.into(), policy_name.as_str().into()]).await? == 0
        {
            return Err(StoreError::NotFound(Entity::Policy));
        }
        let (kind, id) = (holder.kind(), holder.id());
        let key = [account.into(), kind.into(), id.as_str().into(), policy_type.as_str().into()];
        let [account_bind, kind_bind, id_bind, type_bind] = key;
        write
            .insert(
                "INSERT INTO policy_attachments (account_id, holder_kind, holder_id, policy_type, policy_name, attached) \
                 VALUES ($1, $2, $3, $4, $5, $6)",
                &[account_bind, kind_bind, id_bind, type_bind, policy_name.as_str().into(), now.into()],
                holder.attachment(),
            )
            .await?;
        let sql = "SELECT COUNT(*) AS n FROM policy_attachments WHERE account_id = $1 AND holder_kind = $2 \
                   AND holder_id = $3 AND policy_type = $4";
        let of_its_type = [account.into(), kind.into(), id.as_str().into(), policy_type.as_str().into()];
        if write.count(sql, &of_its_type).await? > most {
            return Err(StoreError::Limit(holder.attachment()));
        }
        write.commit(holder.changed(account)).await
    }

    /// Detaches a policy. The permit names the holder.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] of holder or attachment.
    pub async fn detach(
        &self,
        by: By<'_>,
        (account, holder, holder_name): (AccountId, &Holder, &str),
        policy: (PolicyType, &PolicyName),
    ) -> Result<(), StoreError> {
        let (policy_type, policy_name) = policy;
        let mut write = self.write_attachments(by, account, holder, holder_name).await?;
        let sql = "DELETE FROM policy_attachments WHERE account_id = $1 AND holder_kind = $2 AND holder_id = $3 \
                   AND policy_type = $4 AND policy_name = $5";
        let id = holder.id();
        let binds = [
            account.into(),
            holder.kind().into(),
            id.as_str().into(),
            policy_type.as_str().into(),
            policy_name.as_str().into(),
        ];
        if write.run(sql, &binds).await? == 0 {
            return Err(StoreError::NotFound(holder.attachment()));
        }
        write.commit(holder.changed(account)).await
    }

    /// The policies attached to a holder itself, by type and name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn attachments(&self, account: AccountId, holder: &Holder) -> Result<Vec<Attachment>, StoreError> {
        let sql = "SELECT policy_type, policy_name, attached FROM policy_attachments WHERE account_id = $1 \
                   AND holder_kind = $2 AND holder_id = $3 ORDER BY policy_type, policy_name";
        let rows = self.all(sql, &[account.into(), holder.kind().into(), holder.id().as_str().into()]).await?;
        let attachment = |row| {
            let columns = Columns { row, table: "policy_attachments" };
            let (policy_type, policy_name) = attached_policy(&columns)?;
            Ok(Attachment { policy_type, policy_name, attached: columns.time("attached")? })
        };
        rows.iter().map(attachment).collect()
    }

    /// The policies of a user, its own and those of its groups, each once.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn policies_of_user(
        &self,
        account: AccountId,
        user: UserId,
    ) -> Result<Vec<(PolicyType, PolicyName)>, StoreError> {
        // Two look-ups: of one condition with OR, SQLite would read all attachments of the account.
        let sql = "SELECT policy_type, policy_name FROM policy_attachments WHERE account_id = $1 AND \
                   holder_kind = 'User' AND holder_id = $2 UNION SELECT a.policy_type, a.policy_name \
                   FROM group_members m JOIN policy_attachments a ON a.account_id = m.account_id AND \
                   a.holder_kind = 'Group' AND a.holder_id = m.group_id WHERE m.account_id = $1 AND m.user_id = $3";
        let number = i64::try_from(user.get()).expect("18 digits fit");
        let rows = self.all(sql, &[account.into(), user.to_string().as_str().into(), number.into()]).await?;
        rows.iter().map(|row| attached_policy(&Columns { row, table: "policy_attachments" })).collect()
    }

    /// All attachments of an account by holder, for the in-memory view.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn account_attachments(&self, account: AccountId) -> Result<AttachedPolicies, StoreError> {
        let sql =
            "SELECT holder_kind, holder_id, policy_type, policy_name FROM policy_attachments WHERE account_id = $1";
        let mut by_holder = AttachedPolicies::new();
        for row in self.all(sql, &[account.into()]).await? {
            let columns = Columns { row: &row, table: "policy_attachments" };
            by_holder.entry(Holder::read(&columns)?).or_default().push(attached_policy(&columns)?);
        }
        Ok(by_holder)
    }

    /// The users to whom a policy is attached, by name; not those who inherit it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn policy_users(
        &self,
        account: AccountId,
        policy: (PolicyType, &PolicyName),
    ) -> Result<Vec<PolicyUser>, StoreError> {
        let sql = "SELECT u.user_id, u.name, u.display_name, a.attached FROM policy_attachments a \
                   JOIN users u ON u.account_id = a.account_id AND CAST(u.user_id AS TEXT) = a.holder_id \
                   WHERE a.account_id = $1 AND a.policy_type = $2 AND a.policy_name = $3 AND a.holder_kind = 'User' \
                   ORDER BY u.name";
        let rows = self.all(sql, &[account.into(), policy.0.as_str().into(), policy.1.as_str().into()]).await?;
        let user = |row| {
            let columns = Columns { row, table: "policy_attachments" };
            Ok(PolicyUser {
                id: columns.user("user_id")?,
                name: columns.parsed("name")?,
                display_name: columns.text("display_name")?,
                attached: columns.time("attached")?,
            })
        };
        rows.iter().map(user).collect()
    }

    /// The groups to which a policy is attached, by name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn policy_groups(
        &self,
        account: AccountId,
        policy: (PolicyType, &PolicyName),
    ) -> Result<Vec<PolicyGroup>, StoreError> {
        let sql = "SELECT g.group_id, g.name, g.comments, a.attached FROM policy_attachments a \
                   JOIN user_groups g ON g.account_id = a.account_id AND g.group_id = a.holder_id \
                   WHERE a.account_id = $1 AND a.policy_type = $2 AND a.policy_name = $3 AND a.holder_kind = 'Group' \
                   ORDER BY g.name";
        let rows = self.all(sql, &[account.into(), policy.0.as_str().into(), policy.1.as_str().into()]).await?;
        let group = |row| {
            let columns = Columns { row, table: "policy_attachments" };
            Ok(PolicyGroup {
                id: columns.parsed("group_id")?,
                name: columns.parsed("name")?,
                comments: columns.text("comments")?,
                attached: columns.time("attached")?,
            })
        };
        rows.iter().map(group).collect()
    }

    /// The roles to which a policy is attached, by name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn policy_roles(
        &self,
        account: AccountId,
        policy: (PolicyType, &PolicyName),
    ) -> Result<Vec<PolicyRole>, StoreError> {
        let sql = "SELECT r.role_id, r.name, r.description, a.attached FROM policy_attachments a \
                   JOIN roles r ON r.account_id = a.account_id AND CAST(r.role_id AS TEXT) = a.holder_id \
                   WHERE a.account_id = $1 AND a.policy_type = $2 AND a.policy_name = $3 AND a.holder_kind = 'Role' \
                   ORDER BY r.name";
        let rows = self.all(sql, &[account.into(), policy.0.as_str().into(), policy.1.as_str().into()]).await?;
        let role = |row| {
            let columns = Columns { row, table: "policy_attachments" };
            Ok(PolicyRole {
                id: columns.role("role_id")?,
                name: columns.parsed("name")?,
                description: columns.text("description")?,
                attached: columns.time("attached")?,
            })
        };
        rows.iter().map(role).collect()
    }

    /// How often a system policy is attached in the account.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn system_policy_attachments(&self, account: AccountId, name: &str) -> Result<i64, StoreError> {
        let sql = "SELECT COUNT(*) AS n FROM policy_attachments WHERE account_id = $1 AND policy_type = 'System' \
                   AND policy_name = $2";
        let row = self.one(sql, &[account.into(), name.into()]).await?;
        row.map_or(Ok(0), |row| Columns { row: &row, table: "policy_attachments" }.integer("n"))
    }
}
