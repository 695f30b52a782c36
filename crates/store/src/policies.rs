//! Custom policies and their versions. System policies are constants of `policy`.

use sluice_model::{AccountId, PolicyName, PolicyVersion, Tag, UnixMs};

use crate::{
    By, Change, Entity, Store, StoreError, TagFilter, TaggedKind, by::Target, database::Bind, row::Columns,
    tags::having, write::Write,
};

/// Versions that a policy may have.
pub const VERSIONS_PER_POLICY_MAX: i64 = 5;

/// A custom policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomPolicy {
    /// The name.
    pub name: PolicyName,
    /// Free text.
    pub description: String,
    /// The version in force.
    pub default_version: PolicyVersion,
    /// That version's document, byte for byte as given.
    pub document: String,
    /// When that version was made.
    pub version_created: UnixMs,
    /// When it was made.
    pub created: UnixMs,
    /// When its versions were changed last.
    pub updated: UnixMs,
    /// To how many users, groups and roles it is attached.
    pub attachments: i64,
}

/// One version of a custom policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyVersionRow {
    /// Its number.
    pub version: PolicyVersion,
    /// Whether it is in force.
    pub is_default: bool,
    /// The document, byte for byte as given.
    pub document: String,
    /// When it was made.
    pub created: UnixMs,
}

const SELECT: &str = "SELECT p.name, p.description, p.default_version, v.document, v.created AS version_created, \
    p.created, p.updated, \
    (SELECT COUNT(*) FROM policy_attachments a WHERE a.account_id = p.account_id AND a.policy_type = 'Custom' \
     AND a.policy_name = p.name) AS attachments \
    FROM policies p JOIN policy_versions v ON v.account_id = p.account_id AND v.policy_name = p.name \
     AND v.version = p.default_version";

fn policy(columns: &Columns<'_>) -> Result<CustomPolicy, StoreError> {
    Ok(CustomPolicy {
        name: columns.parsed("name")?,
        description: columns.text("description")?,
        default_version: columns.version("default_version")?,
        document: columns.text("document")?,
        version_created: columns.time("version_created")?,
        created: columns.time("created")?,
        updated: columns.time("updated")?,
        attachments: columns.integer("attachments")?,
    })
}

async fn insert_version(
    write: &mut Write,
    account: AccountId,
    name: &PolicyName,
    version: i64,
    document: &str,
    now: UnixMs,
) -> Result<(), StoreError> {
    write
        .insert(
            "INSERT INTO policy_versions (account_id, policy_name, version, document, created) \
             VALUES ($1, $2, $3, $4, $5)",
            &[account.into(), name.as_str().into(), version.into(), document.into(), now.into()],
            Entity::PolicyVersion,
        )
        .await
}

/// The version in force and the last number used.
async fn versions_of(write: &mut Write, account: AccountId, name: &PolicyName) -> Result<(i64, i64), StoreError> {
    let sql = "SELECT default_version, last_version FROM policies WHERE account_id = $1 AND name = $2";
    let row = write.one(sql, &[account.into(), name.as_str().into()]).await?;
    let row = row.ok_or(StoreError::NotFound(Entity::Policy))?;
    let columns = Columns { row: &row, table: "policies" };
    Ok((columns.integer("default_version")?, columns.integer("last_version")?))
}

impl Store {
    /// Makes a policy with `v1` in force; `most` is the account's limit.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`], [`StoreError::Limit`].
    pub async fn create_policy(
        &self,
        by: By<'_>,
        account: AccountId,
        name: &PolicyName,
        texts: (&str, &str),
        now: UnixMs,
        most: i64,
    ) -> Result<(), StoreError> {
        self.create_tagged_policy(by, account, name, (texts.0, texts.1, &[]), now, (most, 0)).await
    }

    /// As [`Store::create_policy`], with tags; the second of `most` is how many it may have.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`], [`StoreError::Limit`] of policies or of tags.
    pub async fn create_tagged_policy(
        &self,
        by: By<'_>,
        account: AccountId,
        name: &PolicyName,
        (description, document, tags): (&str, &str, &[Tag]),
        now: UnixMs,
        (most, tags_most): (i64, i64),
    ) -> Result<(), StoreError> {
        by.check(account, &Target::Policy(name.as_str()))?;
        let mut write = self.write(by, account).await?;
        write
            .insert(
                "INSERT INTO policies (account_id, name, description, default_version, last_version, created, updated) \
                 VALUES ($1, $2, $3, 1, 1, $4, $4)",
                &[account.into(), name.as_str().into(), description.into(), now.into()],
                Entity::Policy,
            )
            .await?;
        if write.count("SELECT COUNT(*) AS n FROM policies WHERE account_id = $1", &[account.into()]).await? > most {
            return Err(StoreError::Limit(Entity::Policy));
        }
        insert_version(&mut write, account, name, 1, document, now).await?;
        write.put_tags(account, (TaggedKind::Policy, name.as_str()), tags, tags_most).await?;
        write.commit(Change::Policy(account, name.clone())).await
    }

    /// One policy with its document in force.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn policy(&self, account: AccountId, name: &PolicyName) -> Result<Option<CustomPolicy>, StoreError> {
        let sql = format!("{SELECT} WHERE p.account_id = $1 AND p.name = $2");
        let row = self.one(&sql, &[account.into(), name.as_str().into()]).await?;
        row.as_ref().map(|row| policy(&Columns { row, table: "policies" })).transpose()
    }

    /// Policies in bytewise order of names, after `after`, at most `most`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn policies(&self, account: AccountId, after: &str, most: i64) -> Result<Vec<CustomPolicy>, StoreError> {
        self.policies_with(account, &[], after, most).await
    }

    /// As [`Store::policies`], of those alone that have every tag of the filter.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn policies_with(
        &self,
        account: AccountId,
        filter: &[TagFilter],
        after: &str,
        most: i64,
    ) -> Result<Vec<CustomPolicy>, StoreError> {
        let mut binds = vec![account.into(), after.into(), Bind::Integer(most)];
        let tagged = having(TaggedKind::Policy, filter, "p.name", &mut binds);
        let sql = format!("{SELECT} WHERE p.account_id = $1 AND p.name > $2{tagged} ORDER BY p.name LIMIT $3");
        let rows = self.all(&sql, &binds).await?;
        rows.iter().map(|row| policy(&Columns { row, table: "policies" })).collect()
    }

    /// The versions of a policy, newest first; empty when there is no such policy.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn policy_versions(
        &self,
        account: AccountId,
        name: &PolicyName,
    ) -> Result<Vec<PolicyVersionRow>, StoreError> {
        let sql = "SELECT v.version, v.document, v.created, p.default_version FROM policy_versions v \
                   JOIN policies p ON p.account_id = v.account_id AND p.name = v.policy_name \
                   WHERE v.account_id = $1 AND v.policy_name = $2 ORDER BY v.version DESC";
        let rows = self.all(sql, &[account.into(), name.as_str().into()]).await?;
        let version = |row| {
            let columns = Columns { row, table: "policy_versions" };
            let number = columns.version("version")?;
            Ok(PolicyVersionRow {
                version: number,
                is_default: number == columns.version("default_version")?,
                document: columns.text("document")?,
                created: columns.time("created")?,
            })
        };
        rows.iter().map(version).collect()
    }

    /// Adds a version. At [`VERSIONS_PER_POLICY_MAX`] the oldest that is not in force goes when `rotate`.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Limit`].
    pub async fn create_policy_version(
        &self,
        by: By<'_>,
        account: AccountId,
        name: &PolicyName,
        document: &str,
        how: (bool, bool),
        now: UnixMs,
    ) -> Result<PolicyVersion, StoreError> {
        let (set_default, rotate) = how;
        by.check(account, &Target::Policy(name.as_str()))?;
        let mut write = self.write(by, account).await?;
        let (in_force, last) = versions_of(&mut write, account, name).await?;
        let key = [account.into(), name.as_str().into()];
        let count = "SELECT COUNT(*) AS n FROM policy_versions WHERE account_id = $1 AND policy_name = $2";
        if write.count(count, &key).await? >= VERSIONS_PER_POLICY_MAX {
            if !rotate {
                return Err(StoreError::Limit(Entity::PolicyVersion));
            }
            let sql = "DELETE FROM policy_versions WHERE account_id = $1 AND policy_name = $2 AND version = \
                       (SELECT MIN(version) FROM policy_versions WHERE account_id = $1 AND policy_name = $2 \
                        AND version <> $3)";
            write.run(sql, &[account.into(), name.as_str().into(), in_force.into()]).await?;
        }
        let version = last + 1;
        insert_version(&mut write, account, name, version, document, now).await?;
        let default = if set_default { version } else { in_force };
        let sql = "UPDATE policies SET last_version = $1, default_version = $2, updated = $3 \
                   WHERE account_id = $4 AND name = $5";
        let binds = [version.into(), default.into(), now.into(), account.into(), name.as_str().into()];
        write.run(sql, &binds).await?;
        write.commit(Change::Policy(account, name.clone())).await?;
        Ok(PolicyVersion(u32::try_from(version).unwrap_or(u32::MAX)))
    }

    /// Changes the description; gives the policy as it is then.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn describe_policy(
        &self,
        by: By<'_>,
        account: AccountId,
        name: &PolicyName,
        description: &str,
        now: UnixMs,
    ) -> Result<CustomPolicy, StoreError> {
        by.check(account, &Target::Policy(name.as_str()))?;
        let mut write = self.write(by, account).await?;
        let sql = "UPDATE policies SET description = $1, updated = $2 WHERE account_id = $3 AND name = $4";
        let binds = [description.into(), now.into(), account.into(), name.as_str().into()];
        if write.run(sql, &binds).await? == 0 {
            return Err(StoreError::NotFound(Entity::Policy));
        }
        let sql = format!("{SELECT} WHERE p.account_id = $1 AND p.name = $2");
        let row = write.one(&sql, &[account.into(), name.as_str().into()]).await?;
        let row = row.ok_or(StoreError::NotFound(Entity::Policy))?;
        let changed = policy(&Columns { row: &row, table: "policies" })?;
        // Nobody decides by a description.
        write.commit_unseen().await?;
        Ok(changed)
    }

    /// Puts a version in force.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] of the policy or the version.
    pub async fn set_default_policy_version(
        &self,
        by: By<'_>,
        account: AccountId,
        name: &PolicyName,
        version: PolicyVersion,
        now: UnixMs,
    ) -> Result<(), StoreError> {
        by.check(account, &Target::Policy(name.as_str()))?;
        let mut write = self.write(by, account).await?;
        versions_of(&mut write, account, name).await?;
        let sql =
            "SELECT COUNT(*) AS n FROM policy_versions WHERE account_id = $1 AND policy_name = $2 AND version = $3";
        let number = i64::from(version.0);
        if write.count(sql, &[account.into(), name.as_str().into(), number.into()]).await? == 0 {
            return Err(StoreError::NotFound(Entity::PolicyVersion));
        }
        let sql = "UPDATE policies SET default_version = $1, updated = $2 WHERE account_id = $3 AND name = $4";
        write.run(sql, &[number.into(), now.into(), account.into(), name.as_str().into()]).await?;
        write.commit(Change::Policy(account, name.clone())).await
    }

    /// Deletes a version that is not in force.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Conflict`] for the one in force.
    pub async fn delete_policy_version(
        &self,
        by: By<'_>,
        account: AccountId,
        name: &PolicyName,
        version: PolicyVersion,
    ) -> Result<(), StoreError> {
        by.check(account, &Target::Policy(name.as_str()))?;
        let mut write = self.write(by, account).await?;
        let (in_force, _) = versions_of(&mut write, account, name).await?;
        let number = i64::from(version.0);
        if number == in_force {
            return Err(StoreError::Conflict(Entity::DefaultPolicyVersion));
        }
        let sql = "DELETE FROM policy_versions WHERE account_id = $1 AND policy_name = $2 AND version = $3";
        if write.run(sql, &[account.into(), name.as_str().into(), number.into()]).await? == 0 {
            return Err(StoreError::NotFound(Entity::PolicyVersion));
        }
        write.commit(Change::Policy(account, name.clone())).await
    }

    /// Deletes a policy that is attached to nobody; with `cascading` its other versions go with it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Conflict`] naming `User`, `UserGroup` or `Role` (attached) or `PolicyVersion`.
    pub async fn delete_policy(
        &self,
        by: By<'_>,
        account: AccountId,
        name: &PolicyName,
        cascading: bool,
    ) -> Result<(), StoreError> {
        by.check(account, &Target::Policy(name.as_str()))?;
        let mut write = self.write(by, account).await?;
        versions_of(&mut write, account, name).await?;
        let key = [account.into(), name.as_str().into()];
        for (kind, entity) in [("User", Entity::User), ("Group", Entity::UserGroup), ("Role", Entity::Role)] {
            let sql = "SELECT COUNT(*) AS n FROM policy_attachments WHERE account_id = $1 AND policy_name = $2 \
                       AND policy_type = 'Custom' AND holder_kind = $3";
            if write.count(sql, &[account.into(), name.as_str().into(), kind.into()]).await? > 0 {
                return Err(StoreError::Conflict(entity));
            }
        }
        let sql = "SELECT COUNT(*) AS n FROM policy_versions WHERE account_id = $1 AND policy_name = $2";
        if !cascading && write.count(sql, &key).await? > 1 {
            return Err(StoreError::Conflict(Entity::PolicyVersion));
        }
        write.run("DELETE FROM policy_versions WHERE account_id = $1 AND policy_name = $2", &key).await?;
        write.run("DELETE FROM policies WHERE account_id = $1 AND name = $2", &key).await?;
        write.delete_tags(account, (TaggedKind::Policy, name.as_str())).await?;
        write.commit(Change::Policy(account, name.clone())).await
    }
}
