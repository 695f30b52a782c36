//! The connection to SQLite or PostgreSQL.
//!
//! On PostgreSQL several processes may share one database. Every wait for it is bounded, so that a database that is gone
//! is told and not waited for; [`crate::StoreError::Unavailable`] says so.

use std::{fmt, sync::Arc, time::Duration};

use sluice_model::AccountId;
use sqlx::{
    Any, AnyPool, AssertSqlSafe, Transaction,
    any::{AnyPoolOptions, AnyRow, install_default_drivers},
};

use crate::{
    By, Entity, PostgresUrl, StoreError, UrlFault, copy::schema_known, migrations::STEPS, own_changes::OwnChanges,
    row::account_number, write::Write,
};

/// Connections to PostgreSQL. SQLite has one: it has one writer, and management reads are short.
const POSTGRES_CONNECTIONS_MAX: u32 = 8;
/// How long PostgreSQL may take to give a connection; several requests may wait for one that is in use.
const CONNECT_WAIT: Duration = Duration::from_secs(3);
/// How long one statement may take on PostgreSQL before it counts as lost.
pub(crate) const STATEMENT_WAIT: Duration = Duration::from_secs(5);
/// How long one statement may take that reads a table of all accounts.
const WHOLE_WAIT: Duration = Duration::from_secs(61);
/// What each connection to PostgreSQL is told. A statement ends before we stop waiting for it, and a process that stands
/// still in the middle of a transaction keeps nobody else from an account.
const POSTGRES_SESSION: [&str; 4] = [
    "SET client_min_messages = 'warning'",
    "SET statement_timeout = '4500ms'",
    "SET lock_timeout = '4s'",
    "SET idle_in_transaction_session_timeout = '10s'",
];
/// FULL: a commit that was answered is on disk.
const SQLITE_SESSION: [&str; 4] = [
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA busy_timeout = 5000",
];

/// The metadata. Cloned cheaply; the clones share the connections.
#[derive(Clone)]
pub struct Store {
    pub(crate) pool: AnyPool,
    /// Where reads go that are to be of one instant; else each takes a connection.
    instant: Option<Arc<tokio::sync::Mutex<Transaction<'static, Any>>>>,
    /// What this process wrote; none where nobody else writes.
    pub(crate) own: Option<Arc<OwnChanges>>,
    /// How long one statement may take where the database is elsewhere.
    wait: Duration,
}

/// How much is read at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// What a change touched.
    Part,
    /// Every account: it may take longer.
    Whole,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Store")
    }
}

/// Whether a URL is PostgreSQL's: a database that several processes may share.
#[must_use]
pub fn is_shared(url: &str) -> bool {
    ["postgres:", "postgresql:"].iter().any(|scheme| url.starts_with(scheme))
}

/// A URL with which a connection is as safe as it says.
pub(crate) fn reachable(url: &str) -> Result<PostgresUrl, UrlFault> {
    let url: PostgresUrl = url.parse()?;
    match url.to_trust_alone() {
        Some(file) => Err(UrlFault::TrustsOthers(file.to_owned())),
        None => Ok(url),
    }
}

/// A value to bind.
pub(crate) enum Bind<'a> {
    Integer(i64),
    Text(&'a str),
}

impl From<i64> for Bind<'_> {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}
impl From<bool> for Bind<'_> {
    fn from(value: bool) -> Self {
        Self::Integer(i64::from(value))
    }
}
impl<'a> From<&'a str> for Bind<'a> {
    fn from(value: &'a str) -> Self {
        Self::Text(value)
    }
}
impl From<AccountId> for Bind<'_> {
    fn from(value: AccountId) -> Self {
        Self::Integer(account_number(value))
    }
}
impl From<sluice_model::UnixMs> for Bind<'_> {
    fn from(value: sluice_model::UnixMs) -> Self {
        Self::Integer(value.0)
    }
}

pub(crate) fn query<'q>(sql: &'q str, binds: &'q [Bind<'q>]) -> sqlx::query::Query<'q, Any, sqlx::any::AnyArguments> {
    // Every text is a constant of this room; values are bound.
    let mut query = sqlx::query(AssertSqlSafe(sql));
    for bind in binds {
        query = match bind {
            Bind::Integer(value) => query.bind(*value),
            Bind::Text(value) => query.bind((*value).to_owned()),
        };
    }
    query
}

impl Store {
    /// Opens `sqlite://PATH` (made when absent) or `postgres://…` ([`PostgresUrl`]) and brings its schema up to date.
    ///
    /// # Errors
    /// [`StoreError::Url`], [`StoreError::TooNew`] when a newer program has opened it, [`StoreError::Database`].
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        install_default_drivers();
        let is_shared = is_shared(url);
        let url = if is_shared { reachable(url)?.expose().to_owned() } else { format!("{url}?mode=rwc") };
        let session: &'static [&'static str] = if is_shared { &POSTGRES_SESSION } else { &SQLITE_SESSION };
        let mut options = AnyPoolOptions::new().max_connections(if is_shared { POSTGRES_CONNECTIONS_MAX } else { 1 });
        if is_shared {
            options = options.acquire_timeout(CONNECT_WAIT);
        }
        let pool = options
            .after_connect(move |connection, _| {
                Box::pin(async move {
                    for statement in session {
                        sqlx::query(*statement).execute(&mut *connection).await?;
                    }
                    Ok(())
                })
            })
            .connect(&url)
            .await?;
        let own = is_shared.then(OwnChanges::default).map(Arc::new);
        let store = Self { pool, instant: None, own, wait: STATEMENT_WAIT };
        store.migrate(!is_shared).await?;
        Ok(store)
    }

    /// Closes the connections; what was committed is on disk.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    async fn migrate(&self, sqlite: bool) -> Result<(), StoreError> {
        let known = schema_known();
        let mut transaction = self.pool.begin().await?;
        if !sqlite {
            // Two programs that open an empty database at once take turns; SQLite has one writer anyway.
            let lock = "SELECT pg_advisory_xact_lock(hashtext('sluice schema'))::text";
            // The first of two may have much to do.
            for statement in ["SET LOCAL statement_timeout = 0", "SET LOCAL lock_timeout = 0", lock] {
                sqlx::query(statement).execute(&mut *transaction).await?;
            }
        }
        sqlx::query("CREATE TABLE IF NOT EXISTS schema_steps (step BIGINT PRIMARY KEY)")
            .execute(&mut *transaction)
            .await?;
        let row =
            sqlx::query("SELECT COALESCE(MAX(step), 0) AS step FROM schema_steps").fetch_one(&mut *transaction).await?;
        let found: i64 = sqlx::Row::try_get(&row, "step")?;
        if found > known {
            return Err(StoreError::TooNew { found, known });
        }
        let name = if sqlite { "TEXT" } else { "TEXT COLLATE \"C\"" };
        for (index, step) in STEPS.iter().enumerate().skip(usize::try_from(found).unwrap_or(0)) {
            for statement in step.replace("{name}", name).split(';') {
                sqlx::query(AssertSqlSafe(statement)).execute(&mut *transaction).await?;
            }
            let number = i64::try_from(index + 1).expect("few steps");
            sqlx::query("INSERT INTO schema_steps (step) VALUES ($1)").bind(number).execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// The same rows for reading, all as they are at one instant, until the value is dropped. A write goes past it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn at_one_instant(&self, extent: Extent) -> Result<Self, StoreError> {
        let mut transaction = self.begin().await?;
        let is_whole = extent == Extent::Whole;
        if self.own.is_some() {
            // SQLite's transactions are so anyway.
            let is_one = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY";
            let may_take_long = is_whole.then_some("SET LOCAL statement_timeout = '60s'");
            for statement in [is_one].into_iter().chain(may_take_long) {
                self.bounded(sqlx::query(statement).execute(&mut *transaction)).await?;
            }
        }
        let wait = if is_whole { WHOLE_WAIT } else { self.wait };
        Ok(Self { instant: Some(Arc::new(tokio::sync::Mutex::new(transaction))), wait, ..self.clone() })
    }

    /// Waits for its turn to be the one process that starts on this database; the turn ends when the value is dropped.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn starting_turn(&self) -> Result<StartingTurn, StoreError> {
        if self.own.is_none() {
            // The folder's lock is held already.
            return Ok(StartingTurn { _transaction: None });
        }
        let mut transaction = self.begin().await?;
        for statement in [
            "SET LOCAL idle_in_transaction_session_timeout = 0",
            "SET LOCAL statement_timeout = 0",
            "SET LOCAL lock_timeout = 0",
            "SELECT pg_advisory_xact_lock(hashtext('sluice start'))::text",
        ] {
            sqlx::query(statement).execute(&mut *transaction).await?;
        }
        Ok(StartingTurn { _transaction: Some(transaction) })
    }

    pub(crate) async fn all(&self, sql: &str, binds: &[Bind<'_>]) -> Result<Vec<AnyRow>, StoreError> {
        match &self.instant {
            None => self.bounded(query(sql, binds).fetch_all(&self.pool)).await,
            Some(instant) => {
                let mut transaction = instant.lock().await;
                self.bounded(query(sql, binds).fetch_all(&mut **transaction)).await
            }
        }
    }

    pub(crate) async fn one(&self, sql: &str, binds: &[Bind<'_>]) -> Result<Option<AnyRow>, StoreError> {
        match &self.instant {
            None => self.bounded(query(sql, binds).fetch_optional(&self.pool)).await,
            Some(instant) => {
                let mut transaction = instant.lock().await;
                self.bounded(query(sql, binds).fetch_optional(&mut **transaction)).await
            }
        }
    }

    /// Begins a write in an account; the writers of one account take turns, so that a limit counted in a transaction
    /// still holds when it commits. A permit has to hold when it does, too.
    pub(crate) async fn write(&self, by: By<'_>, account: AccountId) -> Result<Write, StoreError> {
        self.write_by_each(&[by], account).await
    }

    /// The same of what needs several permits, or none.
    pub(crate) async fn write_by_each(&self, by: &[By<'_>], account: AccountId) -> Result<Write, StoreError> {
        let mut write = self.write_to_any().await?;
        by.iter().for_each(|by| write.demand(*by));
        let sql = "UPDATE accounts SET revision = revision + 1 WHERE account_id = $1 RETURNING revision";
        match write.one(sql, &[account.into()]).await? {
            Some(row) => write.revision = sqlx::Row::try_get(&row, "revision")?,
            None => return Err(StoreError::NotFound(Entity::Account)),
        }
        Ok(write)
    }

    /// Begins a write that is no account's, or a new one's.
    pub(crate) async fn write_to_any(&self) -> Result<Write, StoreError> {
        Ok(Write::new(self.begin().await?, self.own.clone()))
    }

    async fn begin(&self) -> Result<Transaction<'static, Any>, StoreError> {
        self.bounded(self.pool.begin()).await
    }

    async fn bounded<T>(&self, work: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, StoreError> {
        bounded(self.own.as_ref().map(|_| self.wait), work).await
    }
}

/// The turn of the one process that starts.
#[must_use]
#[derive(Debug)]
pub struct StartingTurn {
    _transaction: Option<Transaction<'static, Any>>,
}

/// Waits for a database; not longer than `wait`, where there is one.
pub(crate) async fn bounded<T>(
    wait: Option<Duration>,
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, StoreError> {
    let Some(wait) = wait else { return Ok(work.await?) };
    match tokio::time::timeout(wait, work).await {
        Ok(done) => Ok(done?),
        Err(_) => Err(StoreError::Unavailable("it did not answer in time".to_owned())),
    }
}
