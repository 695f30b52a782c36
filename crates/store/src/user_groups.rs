//! Groups of RAM users: their members inherit what is attached to them.
//!
//! No snapshot holds a group by its name, so that what only makes, names or deletes one is told to nobody.

use std::collections::HashMap;

use sluice_model::{
    AccountId, PolicyName, PolicyType, Principal, UnixMs, UserGroupId, UserGroupName, UserId, UserName,
};

use crate::{
    By, Change, Entity, Holder, Store, StoreError,
    attachments::attached_policy,
    by::Target,
    database::Bind,
    row::{Columns, user_number},
    write::Write,
};

/// A group of users. Comments that were not given are empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserGroup {
    /// The permanent ID.
    pub id: UserGroupId,
    /// The name.
    pub name: UserGroupName,
    /// Free text.
    pub comments: String,
    /// When it was made.
    pub created: UnixMs,
    /// When it was changed last.
    pub updated: UnixMs,
}

/// What to change of a group; `None` leaves it.
#[derive(Debug, Clone, Default)]
pub struct UserGroupChange {
    /// The new name.
    pub name: Option<UserGroupName>,
    /// Free text.
    pub comments: Option<String>,
}

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The user's name.
    pub name: UserName,
    /// For people.
    pub display_name: String,
    /// Since when.
    pub joined: UnixMs,
}

/// A group that a user is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinedGroup {
    /// The group.
    pub group: UserGroup,
    /// Since when.
    pub joined: UnixMs,
}

/// The policies of each member of a group, its own and those of its groups, each once.
pub type PoliciesOfMembers = HashMap<UserId, Vec<(PolicyType, PolicyName)>>;

const COLUMNS: &str = "g.group_id, g.name, g.comments, g.created, g.updated";

fn user_group(columns: &Columns<'_>) -> Result<UserGroup, StoreError> {
    Ok(UserGroup {
        id: columns.parsed("group_id")?,
        name: columns.parsed("name")?,
        comments: columns.text("comments")?,
        created: columns.time("created")?,
        updated: columns.time("updated")?,
    })
}

/// The ID behind a group's name.
async fn group_id(write: &mut Write, account: AccountId, name: &UserGroupName) -> Result<UserGroupId, StoreError> {
    let sql = "SELECT group_id FROM user_groups WHERE account_id = $1 AND name = $2";
    let row = write.one(sql, &[account.into(), name.as_str().into()]).await?;
    let row = row.ok_or(StoreError::NotFound(Entity::UserGroup))?;
    Columns { row: &row, table: "user_groups" }.parsed("group_id")
}

/// The number behind a user's name.
async fn user_id(write: &mut Write, account: AccountId, name: &UserName) -> Result<UserId, StoreError> {
    let sql = "SELECT user_id FROM users WHERE account_id = $1 AND name = $2";
    let row = write.one(sql, &[account.into(), name.as_str().into()]).await?;
    let row = row.ok_or(StoreError::NotFound(Entity::User))?;
    Columns { row: &row, table: "users" }.user("user_id")
}

impl Store {
    /// Makes a group; `most` is the account's limit.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`], [`StoreError::Limit`], [`StoreError::PermitMismatch`].
    pub async fn create_user_group(
        &self,
        by: By<'_>,
        account: AccountId,
        new: &UserGroup,
        most: i64,
    ) -> Result<(), StoreError> {
        by.check(account, &Target::UserGroup(new.name.as_str()))?;
        let mut write = self.write(by, account).await?;
        write
            .insert(
                "INSERT INTO user_groups (account_id, group_id, name, comments, created, updated) \
                 VALUES ($1, $2, $3, $4, $5, $6)",
                &[
                    account.into(),
                    new.id.as_str().into(),
                    new.name.as_str().into(),
                    new.comments.as_str().into(),
                    new.created.into(),
                    new.updated.into(),
                ],
                Entity::UserGroup,
            )
            .await?;
        let sql = "SELECT COUNT(*) AS n FROM user_groups WHERE account_id = $1";
        if write.count(sql, &[account.into()]).await? > most {
            return Err(StoreError::Limit(Entity::UserGroup));
        }
        write.commit_unseen().await
    }

    /// The group of this name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn user_group(&self, account: AccountId, name: &UserGroupName) -> Result<Option<UserGroup>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM user_groups g WHERE g.account_id = $1 AND g.name = $2");
        let row = self.one(&sql, &[account.into(), name.as_str().into()]).await?;
        row.as_ref().map(|row| user_group(&Columns { row, table: "user_groups" })).transpose()
    }

    /// Groups in bytewise order of names, after `after`, at most `most`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn user_groups(&self, account: AccountId, after: &str, most: i64) -> Result<Vec<UserGroup>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM user_groups g WHERE g.account_id = $1 AND g.name > $2 ORDER BY g.name LIMIT $3"
        );
        let rows = self.all(&sql, &[account.into(), after.into(), most.into()]).await?;
        rows.iter().map(|row| user_group(&Columns { row, table: "user_groups" })).collect()
    }

    /// Changes or renames a group; gives it as it is then.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::AlreadyExists`] of the new name, [`StoreError::PermitMismatch`].
    pub async fn update_user_group(
        &self,
        by: By<'_>,
        account: AccountId,
        name: &UserGroupName,
        change: &UserGroupChange,
        now: UnixMs,
    ) -> Result<UserGroup, StoreError> {
        by.check(account, &Target::UserGroup(name.as_str()))?;
        let mut write = self.write(by, account).await?;
        let id = group_id(&mut write, account, name).await?;
        let columns =
            [("comments", change.comments.as_deref()), ("name", change.name.as_ref().map(UserGroupName::as_str))];
        for (column, value) in columns {
            let Some(value) = value else { continue };
            let sql = format!("UPDATE user_groups SET {column} = $1 WHERE account_id = $2 AND group_id = $3");
            let binds = [Bind::Text(value), account.into(), id.as_str().into()];
            write.change(&sql, &binds, Entity::UserGroup).await?;
        }
        let sql = "UPDATE user_groups SET updated = $1 WHERE account_id = $2 AND group_id = $3";
        write.run(sql, &[now.into(), account.into(), id.as_str().into()]).await?;
        let sql = format!("SELECT {COLUMNS} FROM user_groups g WHERE g.account_id = $1 AND g.group_id = $2");
        let row = write.one(&sql, &[account.into(), id.as_str().into()]).await?;
        let row = row.ok_or(StoreError::NotFound(Entity::UserGroup))?;
        let changed = user_group(&Columns { row: &row, table: "user_groups" })?;
        write.commit_unseen().await?;
        Ok(changed)
    }

    /// Deletes a group that has no member and no policy.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Conflict`] naming what still hangs on it.
    pub async fn delete_user_group(
        &self,
        by: By<'_>,
        account: AccountId,
        name: &UserGroupName,
    ) -> Result<(), StoreError> {
        by.check(account, &Target::UserGroup(name.as_str()))?;
        let mut write = self.write(by, account).await?;
        let id = group_id(&mut write, account, name).await?;
        let key = [account.into(), id.as_str().into()];
        let sql = "SELECT COUNT(*) AS n FROM group_members WHERE account_id = $1 AND group_id = $2";
        if write.count(sql, &key).await? > 0 {
            return Err(StoreError::Conflict(Entity::Member));
        }
        if write.attachments_of(account, &Holder::Group(id.clone())).await? > 0 {
            return Err(StoreError::Conflict(Entity::GroupAttachment));
        }
        write.run("DELETE FROM user_groups WHERE account_id = $1 AND group_id = $2", &key).await?;
        write.commit_unseen().await
    }

    /// Begins a write on who is in a group, with the IDs of both. The permits are for the group and for the user.
    async fn write_membership(
        &self,
        [by_group, by_user]: [By<'_>; 2],
        account: AccountId,
        (group, user): (&UserGroupName, &UserName),
    ) -> Result<(Write, UserGroupId, UserId), StoreError> {
        by_group.check(account, &Target::UserGroup(group.as_str()))?;
        by_user.check(account, &Target::User(user.as_str()))?;
        let mut write = self.write_by_each(&[by_group, by_user], account).await?;
        let group = group_id(&mut write, account, group).await?;
        let user = user_id(&mut write, account, user).await?;
        Ok((write, group, user))
    }

    /// Puts a user in a group; `most` is how many groups a user may be in. The permits are for the group and for the user.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] of either, [`StoreError::AlreadyExists`], [`StoreError::Limit`],
    /// [`StoreError::PermitMismatch`].
    pub async fn add_member(
        &self,
        by: [By<'_>; 2],
        account: AccountId,
        of: (&UserGroupName, &UserName),
        now: UnixMs,
        most: i64,
    ) -> Result<UserId, StoreError> {
        let (mut write, group, id) = self.write_membership(by, account, of).await?;
        let number = user_number(Principal::User(account, id));
        write
            .insert(
                "INSERT INTO group_members (account_id, group_id, user_id, joined) VALUES ($1, $2, $3, $4)",
                &[account.into(), group.as_str().into(), number.into(), now.into()],
                Entity::Membership,
            )
            .await?;
        let sql = "SELECT COUNT(*) AS n FROM group_members WHERE account_id = $1 AND user_id = $2";
        if write.count(sql, &[account.into(), number.into()]).await? > most {
            return Err(StoreError::Limit(Entity::Membership));
        }
        write.commit(Change::Principal(Principal::User(account, id))).await?;
        Ok(id)
    }

    /// Takes a user out of a group. The permits are for the group and for the user.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] of either or of the membership, [`StoreError::PermitMismatch`].
    pub async fn remove_member(
        &self,
        by: [By<'_>; 2],
        account: AccountId,
        of: (&UserGroupName, &UserName),
    ) -> Result<UserId, StoreError> {
        let (mut write, group, id) = self.write_membership(by, account, of).await?;
        let number = user_number(Principal::User(account, id));
        let sql = "DELETE FROM group_members WHERE account_id = $1 AND group_id = $2 AND user_id = $3";
        if write.run(sql, &[account.into(), group.as_str().into(), number.into()]).await? == 0 {
            return Err(StoreError::NotFound(Entity::Membership));
        }
        write.commit(Change::Principal(Principal::User(account, id))).await?;
        Ok(id)
    }

    /// The members of a group in bytewise order of names, after `after`, at most `most`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn members(
        &self,
        account: AccountId,
        group: &UserGroupId,
        after: &str,
        most: i64,
    ) -> Result<Vec<Member>, StoreError> {
        let sql = "SELECT u.name, u.display_name, m.joined FROM group_members m \
                   JOIN users u ON u.account_id = m.account_id AND u.user_id = m.user_id \
                   WHERE m.account_id = $1 AND m.group_id = $2 AND u.name > $3 ORDER BY u.name LIMIT $4";
        let rows = self.all(sql, &[account.into(), group.as_str().into(), after.into(), most.into()]).await?;
        let member = |row| {
            let columns = Columns { row, table: "group_members" };
            Ok(Member {
                name: columns.parsed("name")?,
                display_name: columns.text("display_name")?,
                joined: columns.time("joined")?,
            })
        };
        rows.iter().map(member).collect()
    }

    /// The groups that a user is in, by name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn groups_of_user(&self, account: AccountId, user: UserId) -> Result<Vec<JoinedGroup>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS}, m.joined FROM group_members m \
             JOIN user_groups g ON g.account_id = m.account_id AND g.group_id = m.group_id \
             WHERE m.account_id = $1 AND m.user_id = $2 ORDER BY g.name"
        );
        let number = user_number(Principal::User(account, user));
        let rows = self.all(&sql, &[account.into(), number.into()]).await?;
        let joined = |row| {
            let columns = Columns { row, table: "group_members" };
            Ok(JoinedGroup { group: user_group(&columns)?, joined: columns.time("joined")? })
        };
        rows.iter().map(joined).collect()
    }

    /// The members of a group, each with its policies: its own and those of all its groups, each once. For the in-memory
    /// view: two queries however many members there are.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn policies_of_members(
        &self,
        account: AccountId,
        group: &UserGroupId,
    ) -> Result<PoliciesOfMembers, StoreError> {
        let key = [account.into(), group.as_str().into()];
        let members = "SELECT user_id FROM group_members WHERE account_id = $1 AND group_id = $2";
        let mut policies = HashMap::new();
        for row in self.all(members, &key).await? {
            policies.insert(Columns { row: &row, table: "group_members" }.user("user_id")?, Vec::new());
        }
        let attached = format!(
            "SELECT m.user_id, a.policy_type, a.policy_name FROM group_members m JOIN policy_attachments a \
             ON a.account_id = m.account_id AND a.holder_kind = 'Group' AND a.holder_id = m.group_id \
             WHERE m.account_id = $1 AND m.user_id IN ({members}) \
             UNION SELECT m.user_id, a.policy_type, a.policy_name FROM group_members m JOIN policy_attachments a \
             ON a.account_id = m.account_id AND a.holder_kind = 'User' AND a.holder_id = CAST(m.user_id AS TEXT) \
             WHERE m.account_id = $1 AND m.group_id = $2"
        );
        for row in self.all(&attached, &key).await? {
            let columns = Columns { row: &row, table: "policy_attachments" };
            // Who joined between the two queries is read again by the change that this announces.
            if let Some(of_member) = policies.get_mut(&columns.user("user_id")?) {
                of_member.push(attached_policy(&columns)?);
            }
        }
        Ok(policies)
    }
}
