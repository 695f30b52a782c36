//! Roles: who may assume them, and what a session of theirs may last.

use sluice_model::{AccountId, Principal, RoleId, RoleName, Tag, UnixMs};

use crate::{
    By, Change, Entity, Holder, Store, StoreError,
    by::Target,
    database::Bind,
    row::{Columns, user_number},
    tags::{TagFilter, TaggedKind, having},
    write::Write,
};

/// A role. Its trust policy is kept byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// The permanent number.
    pub id: RoleId,
    /// The name.
    pub name: RoleName,
    /// Free text.
    pub description: String,
    /// Who may assume it.
    pub trust_document: String,
    /// How long a session may last at most, seconds.
    pub session_s_max: u32,
    /// Whether the console may be used in a session of it.
    pub allow_console_login: bool,
    /// The cloud service that it is linked to; empty for a role of the account's own.
    pub service_name: String,
    /// When it was made.
    pub created: UnixMs,
    /// When it was changed last.
    pub updated: UnixMs,
}

/// What to change of a role; `None` leaves it.
#[derive(Debug, Clone, Default)]
pub struct RoleChange {
    /// Who may assume it.
    pub trust_document: Option<String>,
    /// Free text.
    pub description: Option<String>,
    /// Seconds.
    pub session_s_max: Option<u32>,
    /// Whether the console may be used.
    pub allow_console_login: Option<bool>,
}

/// Which roles a deletion is meant for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoleKind {
    /// One of the account's own.
    Own,
    /// One that is linked to a cloud service.
    ServiceLinked,
}

pub(crate) const COLUMNS: &str = "account_id, role_id, name, description, trust_document, session_s_max, allow_console_login, \
                       service_name, created, updated";

pub(crate) fn role(columns: &Columns<'_>) -> Result<Role, StoreError> {
    Ok(Role {
        id: columns.role("role_id")?,
        name: columns.parsed("name")?,
        description: columns.text("description")?,
        trust_document: columns.text("trust_document")?,
        session_s_max: columns.small("session_s_max")?,
        allow_console_login: columns.flag("allow_console_login")?,
        service_name: columns.text("service_name")?,
        created: columns.time("created")?,
        updated: columns.time("updated")?,
    })
}

impl Write {
    /// Refuses what would change the policies of a role that is linked to a cloud service: they are the service's.
    pub(crate) async fn expect_own_policies(&mut self, account: AccountId, holder: &Holder) -> Result<(), StoreError> {
        let Holder::Role(id) = holder else { return Ok(()) };
        let sql = "SELECT COUNT(*) AS n FROM roles WHERE account_id = $1 AND role_id = $2 AND service_name <> ''";
        let number = user_number(Principal::Role(account, *id));
        let linked = self.count(sql, &[account.into(), number.into()]).await?;
        if linked > 0 { Err(StoreError::Conflict(Entity::ServiceLinkedRole)) } else { Ok(()) }
    }
}

impl Store {
    /// Makes a role; `most` is the account's limit.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`], [`StoreError::Limit`], [`StoreError::PermitMismatch`].
    pub async fn create_role(&self, by: By<'_>, account: AccountId, new: &Role, most: i64) -> Result<(), StoreError> {
        self.create_tagged_role(by, account, new, &[], most).await
    }

    /// As [`Store::create_role`], with tags.
    ///
    /// # Errors
    /// As [`Store::create_role`].
    pub async fn create_tagged_role(
        &self,
        by: By<'_>,
        account: AccountId,
        new: &Role,
        tags: &[Tag],
        most: i64,
    ) -> Result<(), StoreError> {
        by.check(account, &Target::Role(new.name.as_str()))?;
        let mut write = self.write(by, account).await?;
        let principal = Principal::Role(account, new.id);
        write
            .insert(
                "INSERT INTO roles (account_id, role_id, name, description, trust_document, session_s_max, \
                 allow_console_login, service_name, created, updated) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)",
                &[
                    account.into(),
                    user_number(principal).into(),
                    new.name.as_str().into(),
                    new.description.as_str().into(),
                    new.trust_document.as_str().into(),
                    i64::from(new.session_s_max).into(),
                    i64::from(new.allow_console_login).into(),
                    new.service_name.as_str().into(),
                    new.created.into(),
                ],
                Entity::Role,
            )
            .await?;
        if write.count("SELECT COUNT(*) AS n FROM roles WHERE account_id = $1", &[account.into()]).await? > most {
            return Err(StoreError::Limit(Entity::Role));
        }
        write.put_tags(account, (TaggedKind::Role, new.name.as_str()), tags, i64::MAX).await?;
        write.commit(Change::Principal(principal)).await
    }

    /// The role of this name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn role(&self, account: AccountId, name: &RoleName) -> Result<Option<Role>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM roles WHERE account_id = $1 AND name = $2");
        let row = self.one(&sql, &[account.into(), name.as_str().into()]).await?;
        row.as_ref().map(|row| role(&Columns { row, table: "roles" })).transpose()
    }

    /// The role of this number.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn role_by_id(&self, account: AccountId, id: RoleId) -> Result<Option<Role>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM roles WHERE account_id = $1 AND role_id = $2");
        let number = user_number(Principal::Role(account, id));
        let row = self.one(&sql, &[account.into(), number.into()]).await?;
        row.as_ref().map(|row| role(&Columns { row, table: "roles" })).transpose()
    }

    /// Roles in bytewise order of names, after `after`, at most `most`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn roles(&self, account: AccountId, after: &str, most: i64) -> Result<Vec<Role>, StoreError> {
        self.roles_with(account, &[], after, most).await
    }

    /// As [`Store::roles`], of those alone that have every tag of the filter.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn roles_with(
        &self,
        account: AccountId,
        filter: &[TagFilter],
        after: &str,
        most: i64,
    ) -> Result<Vec<Role>, StoreError> {
        let mut binds: Vec<Bind<'_>> = vec![account.into(), after.into(), most.into()];
        let tagged = having(TaggedKind::Role, filter, "roles.name", &mut binds);
        let sql =
            format!("SELECT {COLUMNS} FROM roles WHERE account_id = $1 AND name > $2{tagged} ORDER BY name LIMIT $3");
        let rows = self.all(&sql, &binds).await?;
        rows.iter().map(|row| role(&Columns { row, table: "roles" })).collect()
    }

    /// Changes a role; gives it as it is then.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Conflict`] for one that is linked to a service,
    /// [`StoreError::PermitMismatch`].
    pub async fn update_role(
        &self,
        by: By<'_>,
        account: AccountId,
        name: &RoleName,
        change: &RoleChange,
        now: UnixMs,
    ) -> Result<Role, StoreError> {
        by.check(account, &Target::Role(name.as_str()))?;
        let mut write = self.write(by, account).await?;
        let touched = "UPDATE roles SET updated = $1 WHERE account_id = $2 AND name = $3 RETURNING role_id";
        let row = write.one(touched, &[now.into(), account.into(), name.as_str().into()]).await?;
        let row = row.ok_or(StoreError::NotFound(Entity::Role))?;
        let id = Columns { row: &row, table: "roles" }.role("role_id")?;
        write.expect_own_policies(account, &Holder::Role(id)).await?;
        let columns: [(&str, Option<Bind<'_>>); 4] = [
            ("trust_document", change.trust_document.as_deref().map(Bind::Text)),
            ("description", change.description.as_deref().map(Bind::Text)),
            ("session_s_max", change.session_s_max.map(|seconds| i64::from(seconds).into())),
            ("allow_console_login", change.allow_console_login.map(|allowed| i64::from(allowed).into())),
        ];
        for (column, value) in columns {
            if let Some(value) = value {
                let sql = format!("UPDATE roles SET {column} = $1 WHERE account_id = $2 AND name = $3");
                write.run(&sql, &[value, account.into(), name.as_str().into()]).await?;
            }
        }
        let sql = format!("SELECT {COLUMNS} FROM roles WHERE account_id = $1 AND name = $2");
        let row = write.one(&sql, &[account.into(), name.as_str().into()]).await?;
        let row = row.ok_or(StoreError::NotFound(Entity::Role))?;
        let changed = role(&Columns { row: &row, table: "roles" })?;
        write.commit(Change::Principal(Principal::Role(account, id))).await?;
        Ok(changed)
    }

    /// Deletes a role of a kind that no policy hangs on; gives its number. Its tags go with it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] of the role, or of a service-linked one; [`StoreError::Conflict`] naming what stands
    /// against it.
    pub async fn delete_role(
        &self,
        by: By<'_>,
        account: AccountId,
        name: &RoleName,
        kind: RoleKind,
    ) -> Result<RoleId, StoreError> {
        by.check(account, &Target::Role(name.as_str()))?;
        let mut write = self.write(by, account).await?;
        let sql = "SELECT role_id, service_name FROM roles WHERE account_id = $1 AND name = $2";
        let row = write.one(sql, &[account.into(), name.as_str().into()]).await?;
        let row = row.ok_or(StoreError::NotFound(Entity::Role))?;
        let columns = Columns { row: &row, table: "roles" };
        let (id, is_linked) = (columns.role("role_id")?, !columns.text("service_name")?.is_empty());
        match kind {
            RoleKind::Own if is_linked => return Err(StoreError::Conflict(Entity::ServiceLinkedRole)),
            RoleKind::ServiceLinked if !is_linked => return Err(StoreError::NotFound(Entity::ServiceLinkedRole)),
            RoleKind::Own | RoleKind::ServiceLinked => {}
        }
        if write.attachments_of(account, &Holder::Role(id)).await? > 0 {
            return Err(StoreError::Conflict(Entity::RoleAttachment));
        }
        write.delete_tags(account, (TaggedKind::Role, name.as_str())).await?;
        let principal = Principal::Role(account, id);
        let gone = "DELETE FROM roles WHERE account_id = $1 AND role_id = $2";
        write.run(gone, &[account.into(), user_number(principal).into()]).await?;
        write.commit(Change::Principal(principal)).await?;
        Ok(id)
    }
}
