//! The connection to SQLite or PostgreSQL.

use sluice_model::AccountId;
use sqlx::{
    Any, AnyPool, AssertSqlSafe, Transaction,
    any::{AnyPoolOptions, AnyRow, install_default_drivers},
};

use crate::{Entity, StoreError, copy::schema_known, migrations::STEPS, row::account_number};

/// Connections to PostgreSQL. SQLite has one: it has one writer, and management reads are short.
const POSTGRES_CONNECTIONS_MAX: u32 = 8;

/// The metadata. Cloned cheaply; the clones share the connections.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) pool: AnyPool,
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

fn query<'q>(sql: &'q str, binds: &'q [Bind<'q>]) -> sqlx::query::Query<'q, Any, sqlx::any::AnyArguments> {
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
    /// Opens `sqlite://PATH` (made when absent) or `postgres://…` and brings its schema up to date.
    ///
    /// # Errors
    /// [`StoreError::TooNew`] when a newer program has opened it, [`StoreError::Database`].
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        install_default_drivers();
        let sqlite = url.starts_with("sqlite:");
        let url = if sqlite { format!("{url}?mode=rwc") } else { url.to_owned() };
        let connections = if sqlite { 1 } else { POSTGRES_CONNECTIONS_MAX };
        let pool = AnyPoolOptions::new()
            .max_connections(connections)
            .after_connect(move |connection, _| {
                Box::pin(async move {
                    if sqlite {
                        // FULL: a commit that was answered is on disk.
                        for pragma in [
                            "PRAGMA journal_mode = WAL",
                            "PRAGMA synchronous = FULL",
                            "PRAGMA foreign_keys = ON",
                            "PRAGMA busy_timeout = 5000",
                        ] {
                            sqlx::query(pragma).execute(&mut *connection).await?;
                        }
                    }
                    Ok(())
                })
            })
            .connect(&url)
            .await?;
        let store = Self { pool };
        store.migrate(sqlite).await?;
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
            sqlx::query(lock).execute(&mut *transaction).await?;
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

    pub(crate) async fn all(&self, sql: &str, binds: &[Bind<'_>]) -> Result<Vec<AnyRow>, StoreError> {
        Ok(query(sql, binds).fetch_all(&self.pool).await?)
    }

    pub(crate) async fn one(&self, sql: &str, binds: &[Bind<'_>]) -> Result<Option<AnyRow>, StoreError> {
        Ok(query(sql, binds).fetch_optional(&self.pool).await?)
    }

    /// Begins a write in an account; the writers of one account take turns, so that a limit counted in a transaction
    /// still holds when it commits.
    pub(crate) async fn write(&self, account: AccountId) -> Result<Write, StoreError> {
        let mut write = Write(self.pool.begin().await?);
        let touched =
            write.run("UPDATE accounts SET revision = revision + 1 WHERE account_id = $1", &[account.into()]).await?;
        if touched == 0 { Err(StoreError::NotFound(Entity::Account)) } else { Ok(write) }
    }
}

/// One transaction. Dropped without [`commit`](Self::commit), it leaves nothing.
pub(crate) struct Write(pub(crate) Transaction<'static, Any>);

impl Write {
    /// Runs a statement; gives the rows touched.
    pub(crate) async fn run(&mut self, sql: &str, binds: &[Bind<'_>]) -> Result<u64, StoreError> {
        Ok(query(sql, binds).execute(&mut *self.0).await?.rows_affected())
    }

    /// Inserts a row; `taken` when a unique name is.
    pub(crate) async fn insert(&mut self, sql: &str, binds: &[Bind<'_>], taken: Entity) -> Result<(), StoreError> {
        self.change(sql, binds, taken).await.map(drop)
    }

    /// Runs a statement that may give a name twice; gives the rows touched.
    pub(crate) async fn change(&mut self, sql: &str, binds: &[Bind<'_>], taken: Entity) -> Result<u64, StoreError> {
        match query(sql, binds).execute(&mut *self.0).await {
            Ok(done) => Ok(done.rows_affected()),
            Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Err(StoreError::AlreadyExists(taken)),
            Err(error) => Err(error.into()),
        }
    }

    pub(crate) async fn one(&mut self, sql: &str, binds: &[Bind<'_>]) -> Result<Option<AnyRow>, StoreError> {
        Ok(query(sql, binds).fetch_optional(&mut *self.0).await?)
    }

    /// The single number that a counting query gives.
    pub(crate) async fn count(&mut self, sql: &str, binds: &[Bind<'_>]) -> Result<i64, StoreError> {
        let row = query(sql, binds).fetch_one(&mut *self.0).await?;
        Ok(sqlx::Row::try_get(&row, "n")?)
    }

    /// Refuses unless the account's user of this number has this name: a permit names the user, a row its number.
    pub(crate) async fn expect_user(&mut self, account: AccountId, number: i64, name: &str) -> Result<(), StoreError> {
        let sql = "SELECT COUNT(*) AS n FROM users WHERE account_id = $1 AND user_id = $2 AND name = $3";
        let found = self.count(sql, &[account.into(), number.into(), name.into()]).await?;
        if found == 0 { Err(StoreError::NotFound(Entity::User)) } else { Ok(()) }
    }

    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        Ok(self.0.commit().await?)
    }
}
