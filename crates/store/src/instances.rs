//! Instances, their parent topics and groups.

use sluice_model::{
    AccountId, Compatibility, DenyAction, Durability, Edition, GroupId, InstanceId, InstanceName, OfflineRetention,
    ParentTopic, UnixMs,
};

use crate::{By, Change, Entity, Store, StoreError, by::Target, row::Columns, write::Write};

/// An MQTT instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Unique over all accounts.
    pub id: InstanceId,
    /// The owner.
    pub account: AccountId,
    /// Its name, unique in the account.
    pub name: InstanceName,
    /// Which presets of limits.
    pub edition: Edition,
    /// Whose limits and gaps.
    pub compatibility: Compatibility,
    /// What a refusal does.
    pub deny_action: DenyAction,
    /// What an acknowledgement promises.
    pub durability: Durability,
    /// What waits for clients that are away.
    pub retention: OfflineRetention,
    /// When it was made.
    pub created: UnixMs,
}

/// What an instance's settings become; `None` leaves one as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InstanceChange {
    /// Its name.
    pub name: Option<InstanceName>,
    /// Which presets of limits.
    pub edition: Option<Edition>,
    /// Whose limits and gaps.
    pub compatibility: Option<Compatibility>,
    /// What a refusal does.
    pub deny_action: Option<DenyAction>,
    /// What an acknowledgement promises.
    pub durability: Option<Durability>,
    /// How long a message waits at most, seconds.
    pub retention_s: Option<u32>,
    /// How many messages wait at most.
    pub offline_messages_max: Option<u32>,
}

/// A parent topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: ParentTopic,
    /// Free text.
    pub remark: String,
    /// When it was made.
    pub created: UnixMs,
}

/// A group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub id: GroupId,
    /// When it was made.
    pub created: UnixMs,
}

/// How much of each an account has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Instances.
    pub instances: i64,
    /// Parent topics of all its instances.
    pub topics: i64,
    /// Groups of all its instances.
    pub groups: i64,
}

pub(crate) const COLUMNS: &str = "instance_id, account_id, name, edition, compatibility, deny_action, durability, \
                       offline_retention_s, offline_messages_max, created";

pub(crate) fn instance(columns: &Columns<'_>) -> Result<Instance, StoreError> {
    Ok(Instance {
        id: columns.parsed("instance_id")?,
        account: columns.account()?,
        name: columns.parsed("name")?,
        edition: columns.parsed("edition")?,
        compatibility: columns.parsed("compatibility")?,
        deny_action: columns.parsed("deny_action")?,
        durability: columns.parsed("durability")?,
        retention: OfflineRetention {
            seconds: columns.small("offline_retention_s")?,
            messages_max: columns.small("offline_messages_max")?,
        },
        created: columns.time("created")?,
    })
}

/// Writes an instance's row.
pub(crate) async fn insert(write: &mut Write, new: &Instance) -> Result<(), StoreError> {
    write
        .insert(
            "INSERT INTO instances (instance_id, account_id, name, edition, compatibility, deny_action, durability, \
             offline_retention_s, offline_messages_max, created) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            &[
                new.id.as_str().into(),
                new.account.into(),
                new.name.as_str().into(),
                new.edition.as_str().into(),
                new.compatibility.as_str().into(),
                new.deny_action.as_str().into(),
                new.durability.as_str().into(),
                i64::from(new.retention.seconds).into(),
                i64::from(new.retention.messages_max).into(),
                new.created.into(),
            ],
            Entity::Instance,
        )
        .await
}

impl Store {
    /// Makes an instance.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`]: the ID in any account, or the name in this one.
    pub async fn create_instance(&self, by: By<'_>, new: &Instance) -> Result<(), StoreError> {
        by.check(new.account, &Target::NewInstance)?;
        let mut write = self.write(by, new.account).await?;
        insert(&mut write, new).await?;
        write.commit(Change::Instance(new.account, new.id.clone())).await
    }

    /// The account's instances, by ID.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn instances(&self, account: AccountId) -> Result<Vec<Instance>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM instances WHERE account_id = $1 ORDER BY instance_id");
        let rows = self.all(&sql, &[account.into()]).await?;
        rows.iter().map(|row| instance(&Columns { row, table: "instances" })).collect()
    }

    /// One instance of the account.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn instance(&self, account: AccountId, id: &InstanceId) -> Result<Option<Instance>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM instances WHERE account_id = $1 AND instance_id = $2");
        let row = self.one(&sql, &[account.into(), id.as_str().into()]).await?;
        row.as_ref().map(|row| instance(&Columns { row, table: "instances" })).transpose()
    }

    /// Changes an instance's settings.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::AlreadyExists`] of the name.
    pub async fn update_instance(
        &self,
        by: By<'_>,
        (account, id): (AccountId, &InstanceId),
        change: &InstanceChange,
    ) -> Result<(), StoreError> {
        by.check(account, &Target::Instance(id.as_str()))?;
        let mut write = self.write(by, account).await?;
        // COALESCE of what is bound: an empty text and a 0, which no setting is, leave the column as it is.
        let sql = "UPDATE instances SET name = COALESCE(NULLIF($3, ''), name), \
                   edition = COALESCE(NULLIF($4, ''), edition), \
                   compatibility = COALESCE(NULLIF($5, ''), compatibility), \
                   deny_action = COALESCE(NULLIF($6, ''), deny_action), \
                   durability = COALESCE(NULLIF($7, ''), durability), \
                   offline_retention_s = COALESCE(NULLIF($8, 0), offline_retention_s), \
                   offline_messages_max = COALESCE(NULLIF($9, 0), offline_messages_max) \
                   WHERE account_id = $1 AND instance_id = $2";
        let binds = [
            account.into(),
            id.as_str().into(),
            change.name.as_ref().map_or("", InstanceName::as_str).into(),
            change.edition.map_or("", Edition::as_str).into(),
            change.compatibility.map_or("", Compatibility::as_str).into(),
            change.deny_action.map_or("", DenyAction::as_str).into(),
            change.durability.map_or("", Durability::as_str).into(),
            i64::from(change.retention_s.unwrap_or(0)).into(),
            i64::from(change.offline_messages_max.unwrap_or(0)).into(),
        ];
        if write.change(sql, &binds, Entity::Instance).await? == 0 {
            return Err(StoreError::NotFound(Entity::Instance));
        }
        write.commit(Change::Instance(account, id.clone())).await
    }

    /// Deletes an instance with its topics and groups. What it used stays counted.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn delete_instance(&self, by: By<'_>, account: AccountId, id: &InstanceId) -> Result<(), StoreError> {
        by.check(account, &Target::Instance(id.as_str()))?;
        let mut write = self.write(by, account).await?;
        let binds = [account.into(), id.as_str().into()];
        for table in ["topics", "client_groups"] {
            let sql = format!("DELETE FROM {table} WHERE account_id = $1 AND instance_id = $2");
            write.run(&sql, &binds).await?;
        }
        if write.run("DELETE FROM instances WHERE account_id = $1 AND instance_id = $2", &binds).await? == 0 {
            return Err(StoreError::NotFound(Entity::Instance));
        }
        write.commit(Change::Instance(account, id.clone())).await
    }

    /// How much of each the account has.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn counts(&self, account: AccountId) -> Result<Counts, StoreError> {
        let sql = "SELECT (SELECT COUNT(*) FROM instances WHERE account_id = $1) AS instances, \
                   (SELECT COUNT(*) FROM topics WHERE account_id = $1) AS topics, \
                   (SELECT COUNT(*) FROM client_groups WHERE account_id = $1) AS groups";
        let Some(row) = self.one(sql, &[account.into()]).await? else { return Ok(Counts::default()) };
        let columns = Columns { row: &row, table: "instances" };
        Ok(Counts {
            instances: columns.integer("instances")?,
            topics: columns.integer("topics")?,
            groups: columns.integer("groups")?,
        })
    }

    /// Makes a parent topic; `most` is the instance's limit.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] of the instance, [`StoreError::AlreadyExists`], [`StoreError::Limit`].
    pub async fn create_topic(
        &self,
        by: By<'_>,
        place: (AccountId, &InstanceId),
        topic: &Topic,
        most: i64,
    ) -> Result<(), StoreError> {
        by.check(place.0, &Target::Topic(place.1.as_str(), topic.name.as_str()))?;
        let row = (topic.name.as_str(), Some(topic.remark.as_str()), topic.created);
        let change = Change::Topic(place.0, place.1.clone());
        self.create_in_instance(by, place, (Entity::Topic, change), row, most).await
    }

    /// Changes a parent topic's remark; `None` leaves it as it is.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn update_topic(
        &self,
        by: By<'_>,
        (account, instance): (AccountId, &InstanceId),
        topic: &ParentTopic,
        remark: Option<&str>,
    ) -> Result<(), StoreError> {
        by.check(account, &Target::Topic(instance.as_str(), topic.as_str()))?;
        let mut write = self.write(by, account).await?;
        let sql = "UPDATE topics SET remark = CASE WHEN $5 = 1 THEN $4 ELSE remark END \
                   WHERE account_id = $1 AND instance_id = $2 AND name = $3";
        let key = [
            account.into(),
            instance.as_str().into(),
            topic.as_str().into(),
            remark.unwrap_or_default().into(),
            remark.is_some().into(),
        ];
        if write.run(sql, &key).await? == 0 {
            return Err(StoreError::NotFound(Entity::Topic));
        }
        write.commit(Change::Topic(account, instance.clone())).await
    }

    /// Deletes a parent topic.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn delete_topic(
        &self,
        by: By<'_>,
        place: (AccountId, &InstanceId),
        topic: &ParentTopic,
    ) -> Result<(), StoreError> {
        by.check(place.0, &Target::Topic(place.1.as_str(), topic.as_str()))?;
        let change = Change::Topic(place.0, place.1.clone());
        self.delete_in_instance(by, place, (Entity::Topic, change), topic.as_str()).await
    }

    /// The instance's parent topics, by name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn topics(&self, account: AccountId, instance: &InstanceId) -> Result<Vec<Topic>, StoreError> {
        let sql = "SELECT name, remark, created FROM topics WHERE account_id = $1 AND instance_id = $2 ORDER BY name";
        let rows = self.all(sql, &[account.into(), instance.as_str().into()]).await?;
        let topic = |row| {
            let columns = Columns { row, table: "topics" };
            Ok(Topic {
                name: columns.parsed("name")?,
                remark: columns.text("remark")?,
                created: columns.time("created")?,
            })
        };
        rows.iter().map(topic).collect()
    }

    /// Makes a group; `most` is the instance's limit.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] of the instance, [`StoreError::AlreadyExists`], [`StoreError::Limit`].
    pub async fn create_group(
        &self,
        by: By<'_>,
        place: (AccountId, &InstanceId),
        group: &Group,
        most: i64,
    ) -> Result<(), StoreError> {
        by.check(place.0, &Target::Group(place.1.as_str(), group.id.as_str()))?;
        let change = Change::Group(place.0, place.1.clone(), group.id.clone());
        self.create_in_instance(by, place, (Entity::Group, change), (group.id.as_str(), None, group.created), most)
            .await
    }

    /// Deletes a group.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn delete_group(
        &self,
        by: By<'_>,
        place: (AccountId, &InstanceId),
        group: &GroupId,
    ) -> Result<(), StoreError> {
        by.check(place.0, &Target::Group(place.1.as_str(), group.as_str()))?;
        let change = Change::Group(place.0, place.1.clone(), group.clone());
        self.delete_in_instance(by, place, (Entity::Group, change), group.as_str()).await
    }

    /// The instance's groups, by name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn groups(&self, account: AccountId, instance: &InstanceId) -> Result<Vec<Group>, StoreError> {
        let sql = "SELECT name, created FROM client_groups WHERE account_id = $1 AND instance_id = $2 ORDER BY name";
        let rows = self.all(sql, &[account.into(), instance.as_str().into()]).await?;
        let group = |row| {
            let columns = Columns { row, table: "client_groups" };
            Ok(Group { id: columns.parsed("name")?, created: columns.time("created")? })
        };
        rows.iter().map(group).collect()
    }

    async fn create_in_instance(
        &self,
        by: By<'_>,
        place: (AccountId, &InstanceId),
        (entity, change): (Entity, Change),
        row: (&str, Option<&str>, UnixMs),
        most: i64,
    ) -> Result<(), StoreError> {
        let (account, instance) = place;
        let mut write = self.write(by, account).await?;
        let sql = "SELECT COUNT(*) AS n FROM instances WHERE account_id = $1 AND instance_id = $2";
        if write.count(sql, &[account.into(), instance.as_str().into()]).await? == 0 {
            return Err(StoreError::NotFound(Entity::Instance));
        }
        let (name, remark, created) = row;
        let key =
            [account.into(), instance.as_str().into(), name.into(), created.into(), remark.unwrap_or_default().into()];
        let insert = match entity {
            Entity::Topic => {
                "INSERT INTO topics (account_id, instance_id, name, created, remark) VALUES ($1, $2, $3, $4, $5)"
            }
            _ => "INSERT INTO client_groups (account_id, instance_id, name, created) VALUES ($1, $2, $3, $4)",
        };
        let columns = if entity == Entity::Topic { 5 } else { 4 };
        write.insert(insert, &key[..columns], entity).await?;
        let sql = format!("SELECT COUNT(*) AS n FROM {} WHERE instance_id = $1", table_of(entity));
        if write.count(&sql, &[instance.as_str().into()]).await? > most {
            return Err(StoreError::Limit(entity));
        }
        write.commit(change).await
    }

    async fn delete_in_instance(
        &self,
        by: By<'_>,
        place: (AccountId, &InstanceId),
        (entity, change): (Entity, Change),
        name: &str,
    ) -> Result<(), StoreError> {
        let (account, instance) = place;
        let mut write = self.write(by, account).await?;
        let table = table_of(entity);
        let sql = format!("DELETE FROM {table} WHERE account_id = $1 AND instance_id = $2 AND name = $3");
        if write.run(&sql, &[account.into(), instance.as_str().into(), name.into()]).await? == 0 {
            return Err(StoreError::NotFound(entity));
        }
        write.commit(change).await
    }
}

fn table_of(entity: Entity) -> &'static str {
    if entity == Entity::Topic { "topics" } else { "client_groups" }
}
