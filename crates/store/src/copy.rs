//! A consistent copy of the database, beside whoever uses it.

use std::path::Path;

use sqlx::{AssertSqlSafe, ConnectOptions, Connection, any::AnyConnectOptions, any::install_default_drivers};

use crate::{StoreError, migrations::STEPS};

/// The newest schema step that this program knows.
#[must_use]
pub fn schema_known() -> i64 {
    i64::try_from(STEPS.len()).expect("few steps")
}

/// Tables whose rows sign somebody in, or spare a second factor.
const SIGNS_IN: [&str; 3] = ["console_sessions", "half_sign_ins", "mfa_tickets"];

/// Copies an SQLite database as it is at one instant into the file `to`, which is absent or empty, and gives the copy's
/// schema step. The database is not changed, its schema neither, and its users are not held up: they have other connections.
///
/// The copy is without the console's sessions and what leads to one, so that a restored one signs nobody in who has signed out since. It is
/// written, not yet synced.
///
/// # Errors
/// [`StoreError::CopyNotServed`] of a database that is not SQLite's, [`StoreError::Database`].
pub async fn copy_database(url: &str, to: &Path) -> Result<i64, StoreError> {
    if !url.starts_with("sqlite:") {
        return Err(StoreError::CopyNotServed);
    }
    let Some(target) = to.to_str() else {
        return Err(StoreError::Database(sqlx::Error::Configuration("the copy's path is not text".into())));
    };
    install_default_drivers();
    let options: AnyConnectOptions = format!("{url}?mode=rw").parse()?;
    let mut connection = options.connect().await?;
    sqlx::query("VACUUM INTO $1").bind(target).execute(&mut connection).await?;
    sqlx::query("ATTACH DATABASE $1 AS copy").bind(target).execute(&mut connection).await?;
    sqlx::query("PRAGMA copy.secure_delete = ON").execute(&mut connection).await?;
    for table in SIGNS_IN {
        let statement = format!("DELETE FROM copy.{table}");
        sqlx::query(AssertSqlSafe(statement)).execute(&mut connection).await?;
    }
    let row = sqlx::query("SELECT MAX(step) AS step FROM copy.schema_steps").fetch_one(&mut connection).await?;
    let step = sqlx::Row::try_get(&row, "step")?;
    sqlx::query("DETACH DATABASE copy").execute(&mut connection).await?;
    connection.close().await?;
    Ok(step)
}
