//! What is sealed under the master key: which columns, under which key, and all of it sealed anew at once.
//!
//! A sealed text begins with the mark of its key, opaque here. The table `sealing` has the mark of the key in use: a text that
//! was sealed under another is refused, so that nothing is written under a key that is about to go.
//!
//! Invariant: [`SEALED_COLUMNS`] is every column that holds sealed texts; their names begin with `sealed_`. A test compares it
//! with the schema.

use sluice_policy::SystemTask;

use crate::{Store, StoreError, row::Columns, write::Write};

/// A column of sealed texts; an empty text is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SealedColumn {
    /// The table.
    pub table: &'static str,
    /// The column, named `sealed_…`.
    pub column: &'static str,
    /// SQL of the row's name, for which the text was sealed; best a column with an index.
    pub of: &'static str,
}

/// Every one.
pub const SEALED_COLUMNS: &[SealedColumn] = &[
    SealedColumn { table: "access_keys", column: "sealed_secret", of: "key_id" },
    SealedColumn { table: "mfa_devices", column: "sealed_seed", of: "serial" },
];

/// One text sealed anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resealed {
    /// Where it is.
    pub column: SealedColumn,
    /// The row's name.
    pub of: String,
    /// The new text.
    pub sealed: String,
}

/// Everything sealed anew, not committed yet; nobody can write a sealed text meanwhile. Dropped, it leaves nothing.
pub struct Resealing {
    write: Write,
    /// What changes.
    pub resealed: Vec<Resealed>,
}

impl std::fmt::Debug for Resealing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resealing").field("resealed", &self.resealed.len()).finish_non_exhaustive()
    }
}

impl Resealing {
    /// Makes it so. Others who share the database have the texts of before in memory, which open under the key of before.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn commit(self) -> Result<Vec<Resealed>, StoreError> {
        self.write.commit_unseen().await?;
        Ok(self.resealed)
    }
}

const MARK: &str = "SELECT mark FROM sealing WHERE one = 1";

impl Store {
    /// The mark of the key in use; `None` before the first start under a program that knows marks.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn sealing_mark(&self) -> Result<Option<String>, StoreError> {
        let row = self.one(MARK, &[]).await?;
        row.as_ref().map(|row| Columns { row, table: "sealing" }.text("mark")).transpose()
    }

    /// Says for the first time which key is in use; changes nothing when that was said before.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn begin_sealing(&self, task: SystemTask, mark: &str) -> Result<(), StoreError> {
        tracing::debug!(task = task.as_str(), "the master key in use is written down");
        let mut write = self.write_to_any().await?;
        let sql = "INSERT INTO sealing (one, mark) VALUES (1, $1) ON CONFLICT (one) DO NOTHING";
        write.run(sql, &[mark.into()]).await?;
        write.commit_unseen().await
    }

    /// Seals anew whatever does not begin with `mark`, and makes that the mark in use. `anew` is given a row's name and text,
    /// and says why where it cannot.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] with what `anew` said, naming the row; [`StoreError::Database`].
    pub async fn reseal(
        &self,
        task: SystemTask,
        mark: &str,
        anew: impl Fn(&str, &str) -> Result<String, String> + Send,
    ) -> Result<Resealing, StoreError> {
        tracing::info!(task = task.as_str(), "a system task seals everything anew");
        let mut write = self.write_to_any().await?;
        let sql = "INSERT INTO sealing (one, mark) VALUES (1, $1) ON CONFLICT (one) DO UPDATE SET mark = excluded.mark";
        write.run(sql, &[mark.into()]).await?;
        let mut resealed = Vec::new();
        for column in SEALED_COLUMNS {
            let SealedColumn { table, column: name, of } = column;
            let sql = format!("SELECT {of} AS sealed_for, {name} AS sealed FROM {table} WHERE {name} <> ''");
            for row in write.all(&sql, &[]).await? {
                let columns = Columns { row: &row, table };
                let (row_name, sealed) = (columns.text("sealed_for")?, columns.text("sealed")?);
                if !sealed.starts_with(mark) {
                    let anew =
                        anew(&row_name, &sealed).map_err(|why| columns.damaged(format!("`{row_name}`: {why}")))?;
                    let sql = format!("UPDATE {table} SET {name} = $1 WHERE {of} = $2 AND {name} = $3");
                    write.run(&sql, &[anew.as_str().into(), row_name.as_str().into(), sealed.as_str().into()]).await?;
                    resealed.push(Resealed { column: *column, of: row_name, sealed: anew });
                }
            }
        }
        Ok(Resealing { write, resealed })
    }
}

impl Write {
    /// Refuses a text that is sealed under another key than the one in use, and keeps that one in use until the commit. To be
    /// called before rows with sealed texts are locked.
    pub(crate) async fn expect_sealed_now(&mut self, sealed: &str) -> Result<(), StoreError> {
        self.run("UPDATE sealing SET mark = mark WHERE one = 1", &[]).await?;
        let Some(row) = self.one(MARK, &[]).await? else { return Ok(()) };
        let mark = Columns { row: &row, table: "sealing" }.text("mark")?;
        if sealed.starts_with(&mark) { Ok(()) } else { Err(StoreError::SealedBefore) }
    }
}
