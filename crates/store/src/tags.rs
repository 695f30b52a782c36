//! Tags of policies and roles: a key once an entity, in bytewise order. They go with their entity.
//!
//! No snapshot holds a tag, so that a change of tags is told to nobody.

use std::collections::HashMap;

use sluice_model::{AccountId, Tag, TagKey, TagValue};

use crate::{By, Entity, Store, StoreError, by::Target, database::Bind, row::Columns, write::Write};

/// What can have tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaggedKind {
    /// A custom policy.
    Policy,
    /// A role.
    Role,
}

impl TaggedKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Policy => "Policy",
            Self::Role => "Role",
        }
    }

    fn entity(self) -> Entity {
        match self {
            Self::Policy => Entity::Policy,
            Self::Role => Entity::Role,
        }
    }

    fn table(self) -> &'static str {
        match self {
            Self::Policy => "policies",
            Self::Role => "roles",
        }
    }

    fn target(self, name: &str) -> Target<'_> {
        match self {
            Self::Policy => Target::Policy(name),
            Self::Role => Target::Role(name),
        }
    }
}

/// Which entities a list of tags, of policies or of roles is about: those that have every tag of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagFilter {
    /// The key.
    pub key: TagKey,
    /// The value; any when `None`.
    pub value: Option<TagValue>,
}

/// A tag with the name of its entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagOfEntity {
    /// The policy's or role's name.
    pub name: String,
    /// The tag.
    pub tag: Tag,
}

fn tag(columns: &Columns<'_>) -> Result<Tag, StoreError> {
    Ok(Tag { key: columns.parsed("tag_key")?, value: columns.parsed("tag_value")? })
}

/// `$3, $4, …`: places for `many` values from the `first` on.
fn places(first: usize, many: usize) -> String {
    (first..first + many).map(|number| format!("${number}")).collect::<Vec<_>>().join(", ")
}

/// Further conditions of a query: that an entity has each tag of a filter. Their values are added to `binds`, the first of
/// which is the account. `named` is the entity's name in the query around.
pub(crate) fn having<'b>(kind: TaggedKind, filter: &'b [TagFilter], named: &str, binds: &mut Vec<Bind<'b>>) -> String {
    let (mut sql, kind) = (String::new(), kind.as_str());
    for one in filter {
        binds.push(one.key.as_str().into());
        sql += &format!(
            " AND EXISTS (SELECT 1 FROM tags f WHERE f.account_id = $1 AND f.entity_kind = '{kind}' AND f.entity_name = {named} \
             AND f.tag_key = ${}",
            binds.len()
        );
        if let Some(value) = &one.value {
            binds.push(value.as_str().into());
            sql += &format!(" AND f.tag_value = ${}", binds.len());
        }
        sql.push(')');
    }
    sql
}

impl Write {
    /// Adds tags to an entity that is there, and replaces the values of keys that it has; `most` is how many one may have.
    pub(crate) async fn put_tags(
        &mut self,
        account: AccountId,
        (kind, name): (TaggedKind, &str),
        tags: &[Tag],
        most: i64,
    ) -> Result<(), StoreError> {
        if tags.is_empty() {
            return Ok(());
        }
        for tag in tags {
            let sql = "INSERT INTO tags (account_id, entity_kind, entity_name, tag_key, tag_value) \
                       VALUES ($1, $2, $3, $4, $5) ON CONFLICT (account_id, entity_kind, entity_name, tag_key) \
                       DO UPDATE SET tag_value = excluded.tag_value";
            let entity = [account.into(), kind.as_str().into(), name.into()];
            let [account_bind, kind_bind, name_bind] = entity;
            let binds = [account_bind, kind_bind, name_bind, tag.key.as_str().into(), tag.value.as_str().into()];
            self.run(sql, &binds).await?;
        }
        let sql = "SELECT COUNT(*) AS n FROM tags WHERE account_id = $1 AND entity_kind = $2 AND entity_name = $3";
        let count = self.count(sql, &[account.into(), kind.as_str().into(), name.into()]).await?;
        if count > most { Err(StoreError::Limit(Entity::Tag)) } else { Ok(()) }
    }

    /// Deletes all tags of an entity, with which they go.
    pub(crate) async fn delete_tags(
        &mut self,
        account: AccountId,
        (kind, name): (TaggedKind, &str),
    ) -> Result<(), StoreError> {
        let sql = "DELETE FROM tags WHERE account_id = $1 AND entity_kind = $2 AND entity_name = $3";
        self.run(sql, &[account.into(), kind.as_str().into(), name.into()]).await.map(drop)
    }

    async fn expect_tagged(&mut self, account: AccountId, kind: TaggedKind, name: &str) -> Result<(), StoreError> {
        let sql = format!("SELECT COUNT(*) AS n FROM {} WHERE account_id = $1 AND name = $2", kind.table());
        let found = self.count(&sql, &[account.into(), name.into()]).await?;
        if found == 0 { Err(StoreError::NotFound(kind.entity())) } else { Ok(()) }
    }
}

/// Refuses unless there is a permit for each name, in their order.
fn check_each(by: &[By<'_>], account: AccountId, kind: TaggedKind, names: &[&str]) -> Result<(), StoreError> {
    if by.len() != names.len() {
        let permitted = format!("{} resources of {}", by.len(), names.len());
        return Err(StoreError::PermitMismatch { permitted });
    }
    by.iter().zip(names).try_for_each(|(by, name)| by.check(account, &kind.target(name)))
}

impl Store {
    /// Adds tags to each of some policies or roles, or to none; `most` is how many one may have. The permits are for each, in
    /// the order of the names.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] of one of them, [`StoreError::Limit`], [`StoreError::PermitMismatch`].
    pub async fn tag(
        &self,
        by: &[By<'_>],
        account: AccountId,
        (kind, names): (TaggedKind, &[&str]),
        tags: &[Tag],
        most: i64,
    ) -> Result<(), StoreError> {
        check_each(by, account, kind, names)?;
        let mut write = self.write_by_each(by, account).await?;
        for name in names {
            write.expect_tagged(account, kind, name).await?;
            write.put_tags(account, (kind, name), tags, most).await?;
        }
        write.commit_unseen().await
    }

    /// Takes tags of these keys, or all without keys, from each of some policies or roles, or from none. A key that one does
    /// not have is nothing to take. The permits are for each, in the order of the names.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] of one of them, [`StoreError::PermitMismatch`].
    pub async fn untag(
        &self,
        by: &[By<'_>],
        account: AccountId,
        (kind, names): (TaggedKind, &[&str]),
        keys: Option<&[TagKey]>,
    ) -> Result<(), StoreError> {
        check_each(by, account, kind, names)?;
        let mut write = self.write_by_each(by, account).await?;
        for name in names {
            write.expect_tagged(account, kind, name).await?;
            let Some(keys) = keys else {
                write.delete_tags(account, (kind, name)).await?;
                continue;
            };
            if keys.is_empty() {
                continue;
            }
            let sql = format!(
                "DELETE FROM tags WHERE account_id = $1 AND entity_kind = $2 AND entity_name = $3 AND tag_key IN ({})",
                places(4, keys.len())
            );
            let mut binds = vec![account.into(), kind.as_str().into(), (*name).into()];
            binds.extend(keys.iter().map(|key| Bind::Text(key.as_str())));
            write.run(&sql, &binds).await?;
        }
        write.commit_unseen().await
    }

    /// The tags of policies or roles, by name and key, after `after`, at most `most`: of those that are named, or of all
    /// without names, and of those alone that have every tag of the filter.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn tags(
        &self,
        account: AccountId,
        (kind, names): (TaggedKind, &[&str]),
        filter: &[TagFilter],
        (after_name, after_key): (&str, &str),
        most: i64,
    ) -> Result<Vec<TagOfEntity>, StoreError> {
        let mut binds =
            vec![account.into(), kind.as_str().into(), after_name.into(), after_key.into(), Bind::Integer(most)];
        let mut sql = "SELECT t.entity_name, t.tag_key, t.tag_value FROM tags t WHERE t.account_id = $1 \
                       AND t.entity_kind = $2 AND (t.entity_name > $3 OR (t.entity_name = $3 AND t.tag_key > $4))"
            .to_owned();
        if !names.is_empty() {
            sql += &format!(" AND t.entity_name IN ({})", places(binds.len() + 1, names.len()));
            binds.extend(names.iter().map(|&name| Bind::Text(name)));
        }
        sql += &having(kind, filter, "t.entity_name", &mut binds);
        sql += " ORDER BY t.entity_name, t.tag_key LIMIT $5";
        let rows = self.all(&sql, &binds).await?;
        let one = |row| {
            let columns = Columns { row, table: "tags" };
            Ok(TagOfEntity { name: columns.text("entity_name")?, tag: tag(&columns)? })
        };
        rows.iter().map(one).collect()
    }

    /// The tags of each of some policies or roles; one without tags is absent.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn tags_of(
        &self,
        account: AccountId,
        (kind, names): (TaggedKind, &[&str]),
    ) -> Result<HashMap<String, Vec<Tag>>, StoreError> {
        let mut by_name: HashMap<String, Vec<Tag>> = HashMap::new();
        if names.is_empty() {
            return Ok(by_name);
        }
        for one in self.tags(account, (kind, names), &[], ("", ""), i64::MAX).await? {
            by_name.entry(one.name).or_default().push(one.tag);
        }
        Ok(by_name)
    }
}
