//! What others write into a database that several processes share: read each second, and told beside by NOTIFY.
//!
//! Each write leaves its changes in the table `changes` with its transaction's number. A reading takes all of them from
//! the oldest transaction on that was still running at the reading before: what commits late has an old number, and is not
//! missed. What was seen already is passed over. Source: PostgreSQL 15 manual, 9.26.8 (`pg_snapshot_xmin`).

use std::{collections::HashMap, sync::Arc, time::Duration};

use sluice_model::AccountId;
use sqlx::{
    ConnectOptions, Row,
    postgres::{PgConnectOptions, PgConnection, PgListener, PgRow},
};

use crate::{
    Change, Store, StoreError,
    database::reachable,
    own_changes::{OwnChanges, Whose},
};

/// How long the table keeps a change.
const KEPT_MS: i64 = 60 * 60 * 1000;
/// Whoever has not read for so long reads everything again; changes are kept for longer.
const REACH_MS: i64 = KEPT_MS / 2;
/// How often old changes are taken out.
const PRUNE_MS: i64 = 60 * 1000;
/// How long a connection may take to open.
const CONNECT_WAIT: Duration = Duration::from_millis(1_500);

/// What a reading found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct News {
    /// What others changed, each account's in its order.
    pub changes: Vec<Change>,
    /// The changes since the reading before are not all there any more: everything is to be read again.
    pub is_gap: bool,
}

/// Reads what others write. It has a connection of its own, so that a busy pool does not delay it.
pub struct SharedChanges {
    options: PgConnectOptions,
    own: Arc<OwnChanges>,
    connection: Option<PgConnection>,
    /// The oldest transaction that was still running at the reading before.
    floor: i64,
    /// The database's time of the reading before, Unix milliseconds.
    read_at: i64,
    pruned_at: i64,
    /// What was seen from the floor on, with its transaction.
    seen: HashMap<(i64, i64, i64), i64>,
}

impl std::fmt::Debug for SharedChanges {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SharedChanges")
    }
}

impl Store {
    /// Begins to read what others write, from now on; `None` where nobody else does. `url` is the store's own. To be called
    /// before the first rows are read, so that nothing falls between.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn shared_changes(&self, url: &str) -> Result<Option<SharedChanges>, StoreError> {
        let Some(own) = self.own.clone() else { return Ok(None) };
        let options = reachable(url)?.options().application_name("sluice changes");
        let mut shared = SharedChanges {
            options,
            own,
            connection: None,
            floor: i64::MAX,
            read_at: 0,
            pruned_at: 0,
            seen: HashMap::new(),
        };
        let (floor, read_at, _) = shared.ask(i64::MAX).await?;
        (shared.floor, shared.read_at) = (floor, read_at);
        Ok(Some(shared))
    }

    /// Writes of this change that this process has committed, to be given to [`Store::put_in_force`] once they are read.
    #[must_use]
    pub fn written(&self, change: &Change) -> Written {
        Written(self.own.as_ref().map_or_else(Vec::new, |own| own.of(change)))
    }

    /// What was written is in force in this process: it is not read again.
    pub fn put_in_force(&self, written: &Written) {
        if let Some(own) = &self.own {
            own.in_force(&written.0);
        }
    }
}

/// Writes of this process.
#[derive(Debug)]
pub struct Written(Vec<(AccountId, i64, i64)>);

impl SharedChanges {
    /// Reads what others have changed since the reading before.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] and others; the next reading begins where this one did.
    pub async fn read(&mut self) -> Result<News, StoreError> {
        let (floor, read_at, rows) = self.ask(self.floor).await?;
        // A database that was brought back to an earlier state counts its transactions anew.
        let is_gap = floor < self.floor || read_at.saturating_sub(self.read_at) > REACH_MS;
        let mut news = News { is_gap, ..News::default() };
        if is_gap {
            self.seen.clear();
        }
        for row in &rows {
            let (key, transaction): (_, i64) = (
                (row.try_get("account_id")?, row.try_get("revision")?, row.try_get("place")?),
                row.try_get("transaction_id")?,
            );
            if self.seen.get(&key) == Some(&transaction) {
                continue;
            }
            let Some(account) = u64::try_from(key.0).ok().and_then(|number| AccountId::new(number).ok()) else {
                self.seen.insert(key, transaction);
                continue;
            };
            match self.own.whose((account, key.1, key.2)) {
                Whose::OursSoon => continue,
                Whose::OursDone => {}
                Whose::Foreign => news.changes.push(Change::of_words(account, row.try_get("what")?)),
            }
            self.seen.insert(key, transaction);
        }
        // What is not decided yet is asked for again, whatever has ended meanwhile.
        let undecided = rows.iter().filter_map(|row| {
            let key = (row.try_get("account_id").ok()?, row.try_get("revision").ok()?, row.try_get("place").ok()?);
            let transaction: i64 = row.try_get("transaction_id").ok()?;
            (self.seen.get(&key) != Some(&transaction)).then_some(transaction)
        });
        self.floor = undecided.min().map_or(floor, |oldest| oldest.min(floor));
        self.read_at = read_at;
        let floor = self.floor;
        self.seen.retain(|_, transaction| *transaction >= floor);
        Ok(news)
    }

    /// The next reading finds a gap: what was read is not in force.
    pub fn forget(&mut self) {
        self.floor = i64::MAX;
    }

    /// Takes out changes that nobody asks for any more, now and then.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn prune(&mut self) -> Result<(), StoreError> {
        if self.read_at.saturating_sub(self.pruned_at) < PRUNE_MS {
            return Ok(());
        }
        self.pruned_at = self.read_at;
        let before = self.read_at - KEPT_MS;
        let mut connection = self.connect().await?;
        sqlx::query("DELETE FROM changes WHERE written < $1").bind(before).execute(&mut connection).await?;
        self.connection = Some(connection);
        Ok(())
    }

    /// Listens for notices of others' writes.
    #[must_use]
    pub fn listener(&self) -> Listener {
        Listener { options: self.options.clone(), own: Arc::clone(&self.own), listening: None }
    }

    /// The oldest running transaction, the time, and the changes from `floor` on.
    async fn ask(&mut self, floor: i64) -> Result<(i64, i64, Vec<PgRow>), StoreError> {
        let sql = "SELECT instant.floor, instant.now, changes.account_id, changes.revision, changes.place, changes.what, \
                   changes.transaction_id FROM (SELECT \
                   CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS TEXT) AS BIGINT) AS floor, \
                   CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT) AS now) AS instant \
                   LEFT JOIN changes ON changes.transaction_id >= $1 \
                   ORDER BY changes.account_id, changes.revision, changes.place";
        // A reading that is given up, or fails, takes its connection with it.
        let mut connection = self.connect().await?;
        let mut rows = sqlx::query(sql).bind(floor).fetch_all(&mut connection).await?;
        self.connection = Some(connection);
        let first = rows.first().ok_or(StoreError::Database(sqlx::Error::RowNotFound))?;
        let (floor, now) = (first.try_get("floor")?, first.try_get("now")?);
        rows.retain(|row| row.try_get::<Option<i64>, _>("account_id").is_ok_and(|account| account.is_some()));
        Ok((floor, now, rows))
    }

    async fn connect(&mut self) -> Result<PgConnection, StoreError> {
        if let Some(connection) = self.connection.take() {
            return Ok(connection);
        }
        connect(&self.options).await
    }
}

async fn connect(options: &PgConnectOptions) -> Result<PgConnection, StoreError> {
    match tokio::time::timeout(CONNECT_WAIT, options.connect()).await {
        Ok(connection) => Ok(connection?),
        Err(_) => Err(StoreError::Unavailable("it did not answer in time".to_owned())),
    }
}

/// Hears of others' writes at once. What it misses is found by the next reading.
pub struct Listener {
    options: PgConnectOptions,
    own: Arc<OwnChanges>,
    listening: Option<PgListener>,
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Listener")
    }
}

impl Listener {
    /// Returns when another process has written. Cancel safe, but for a notice that is found by the next reading.
    ///
    /// # Errors
    /// [`StoreError`]: it does not listen now; to be called again after a while.
    pub async fn heard(&mut self) -> Result<(), StoreError> {
        loop {
            let listening = match &mut self.listening {
                Some(listening) => listening,
                None => self.listening.insert(listen(&self.options).await?),
            };
            match listening.recv().await {
                Ok(notice) if notice.payload() == self.own.process() => {}
                Ok(_) => return Ok(()),
                Err(error) => {
                    self.listening = None;
                    return Err(error.into());
                }
            }
        }
    }
}

async fn listen(options: &PgConnectOptions) -> Result<PgListener, StoreError> {
    // One connection, kept: a notice may come after hours.
    let pool = sqlx::postgres::PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(CONNECT_WAIT)
        .max_lifetime(None)
        .idle_timeout(None)
        .connect_lazy_with(options.clone());
    let mut listening = PgListener::connect_with(&pool).await?;
    listening.listen("sluice_changes").await?;
    Ok(listening)
}
