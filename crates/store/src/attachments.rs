//! Which policies are attached to which users.

use std::collections::HashMap;

use sluice_model::{AccountId, PolicyName, PolicyType, Principal, UnixMs, UserId, UserName};

use crate::{
    By, Change, Entity, Store, StoreError,
    by::Target,
    row::{Columns, user_number},
};

/// A policy attached to a user.
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
pub struct PolicyUse {
    /// The user's number.
    pub user: UserId,
    /// The user's name.
    pub name: UserName,
    /// For people.
    pub display_name: String,
    /// Since when.
    pub attached: UnixMs,
}

/// The policies attached to each user of an account.
pub type AttachedPolicies = HashMap<UserId, Vec<(PolicyType, PolicyName)>>;

fn attachment(columns: &Columns<'_>) -> Result<Attachment, StoreError> {
    Ok(Attachment {
        policy_type: columns.parsed("policy_type")?,
        policy_name: columns.parsed("policy_name")?,
        attached: columns.time("attached")?,
    })
}

impl Store {
    /// Attaches a policy; `most` is the limit of its type for one user. The permit names the user.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] of user or custom policy, [`StoreError::AlreadyExists`], [`StoreError::Limit`].
    pub async fn attach(
        &self,
        by: By<'_>,
        user: (AccountId, UserId, &str),
        policy: (PolicyType, &PolicyName),
        now: UnixMs,
        most: i64,
    ) -> Result<(), StoreError> {
        let ((account, id, user_name), (policy_type, policy_name)) = (user, policy);
        by.check(account, &Target::User(user_name))?;
        let number = user_number(Principal::User(account, id));
        let mut write = self.write(account).await?;
        write.expect_user(account, number, user_name).await?;
        let sql = "SELECT COUNT(*) AS n FROM policies WHERE account_id = $1 AND name = $2";
        if policy_type == PolicyType::Custom
            && write.count(sql, &[account.into(), policy_name.as_str().into()]).await? == 0
        {
            return Err(StoreError::NotFound(Entity::Policy));
        }
        write
            .insert(
                "INSERT INTO attachments (account_id, user_id, policy_type, policy_name, attached) \
                 VALUES ($1, $2, $3, $4, $5)",
                &[account.into(), number.into(), policy_type.as_str().into(), policy_name.as_str().into(), now.into()],
                Entity::Attachment,
            )
            .await?;
        let sql = "SELECT COUNT(*) AS n FROM attachments WHERE account_id = $1 AND user_id = $2 AND policy_type = $3";
        if write.count(sql, &[account.into(), number.into(), policy_type.as_str().into()]).await? > most {
            return Err(StoreError::Limit(Entity::Attachment));
        }
        write.commit(Change::Principal(Principal::User(account, id))).await
    }

    /// Detaches a policy. The permit names the user.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] of user or attachment.
    pub async fn detach(
        &self,
        by: By<'_>,
        user: (AccountId, UserId, &str),
        policy: (PolicyType, &PolicyName),
    ) -> Result<(), StoreError> {
        let ((account, id, user_name), (policy_type, policy_name)) = (user, policy);
        by.check(account, &Target::User(user_name))?;
        let number = user_number(Principal::User(account, id));
        let mut write = self.write(account).await?;
        write.expect_user(account, number, user_name).await?;
        let sql = "DELETE FROM attachments WHERE account_id = $1 AND user_id = $2 AND policy_type = $3 \
                   AND policy_name = $4";
        let binds = [account.into(), number.into(), policy_type.as_str().into(), policy_name.as_str().into()];
        if write.run(sql, &binds).await? == 0 {
            return Err(StoreError::NotFound(Entity::Attachment));
        }
        write.commit(Change::Principal(Principal::User(account, id))).await
    }

    /// The policies attached to a user, by type and name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn attachments(&self, account: AccountId, user: UserId) -> Result<Vec<Attachment>, StoreError> {
        let sql = "SELECT policy_type, policy_name, attached FROM attachments WHERE account_id = $1 AND user_id = $2 \
                   ORDER BY policy_type, policy_name";
        let number = user_number(Principal::User(account, user));
        let rows = self.all(sql, &[account.into(), number.into()]).await?;
        rows.iter().map(|row| attachment(&Columns { row, table: "attachments" })).collect()
    }

    /// All attachments of an account by user, for the in-memory view.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn account_attachments(&self, account: AccountId) -> Result<AttachedPolicies, StoreError> {
        let sql = "SELECT user_id, policy_type, policy_name FROM attachments WHERE account_id = $1";
        let mut by_user = AttachedPolicies::new();
        for row in self.all(sql, &[account.into()]).await? {
            let columns = Columns { row: &row, table: "attachments" };
            let policy = (columns.parsed("policy_type")?, columns.parsed("policy_name")?);
            by_user.entry(columns.user("user_id")?).or_default().push(policy);
        }
        Ok(by_user)
    }

    /// The users to whom a policy is attached, by name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn policy_users(
        &self,
        account: AccountId,
        policy: (PolicyType, &PolicyName),
    ) -> Result<Vec<PolicyUse>, StoreError> {
        let sql = "SELECT u.user_id, u.name, u.display_name, a.attached FROM attachments a \
                   JOIN users u ON u.account_id = a.account_id AND u.user_id = a.user_id \
                   WHERE a.account_id = $1 AND a.policy_type = $2 AND a.policy_name = $3 ORDER BY u.name";
        let rows = self.all(sql, &[account.into(), policy.0.as_str().into(), policy.1.as_str().into()]).await?;
        let user = |row| {
            let columns = Columns { row, table: "attachments" };
            Ok(PolicyUse {
                user: columns.user("user_id")?,
                name: columns.parsed("name")?,
                display_name: columns.text("display_name")?,
                attached: columns.time("attached")?,
            })
        };
        rows.iter().map(user).collect()
    }

    /// How many users of the account have a system policy attached.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn system_policy_attachments(&self, account: AccountId, name: &str) -> Result<i64, StoreError> {
        let sql = "SELECT COUNT(*) AS n FROM attachments WHERE account_id = $1 AND policy_type = 'System' \
                   AND policy_name = $2";
        let row = self.one(sql, &[account.into(), name.into()]).await?;
        row.map_or(Ok(0), |row| Columns { row: &row, table: "attachments" }.integer("n"))
    }
}
