//! What was asked for and decided, by principal and hour: which action on which resource, how it ended and how often.
//!
//! Several processes add up: a row is counted up where it is there already.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};
use sluice_model::{Principal, UnixMs};
use sluice_policy::SystemTask;

use crate::{
    Conditions, Store, StoreError,
    row::{Columns, user_number},
    write::Write,
};

/// Different questions of one principal in one hour that are kept.
pub const SEEN_PER_HOUR_MAX: i64 = 2_000;

/// How a decision ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SeenOutcome {
    /// Yes.
    Allowed,
    /// No, by a statement.
    ExplicitDeny,
    /// No, for lack of a statement.
    ImplicitDeny,
}

impl SeenOutcome {
    /// As it is kept.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "Allowed",
            Self::ExplicitDeny => "ExplicitDeny",
            Self::ImplicitDeny => "ImplicitDeny",
        }
    }

    fn read(columns: &Columns<'_>) -> Result<Self, StoreError> {
        let text = columns.text("outcome")?;
        let all = [Self::Allowed, Self::ExplicitDeny, Self::ImplicitDeny];
        all.into_iter().find(|one| one.as_str() == text).ok_or_else(|| columns.damaged(format!("no outcome `{text}`")))
    }
}

/// One question with its outcome, in one hour or over several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenDecision {
    /// Who asked.
    pub principal: Principal,
    /// The beginning of the hour; of the first one, where several are added up.
    pub hour: UnixMs,
    /// The names of the action; usually one.
    pub actions: Vec<String>,
    /// The resource's ARN.
    pub resource: String,
    /// How it ended.
    pub outcome: SeenOutcome,
    /// How often it was decided.
    pub times: u64,
    /// When it was decided last.
    pub last: UnixMs,
    /// The condition keys of then.
    pub conditions: Conditions,
}

impl SeenDecision {
    /// The same question with the same outcome has the same; a resource may be too long for a key.
    fn question(&self) -> String {
        let mut digest = Sha256::new();
        for part in [self.actions.join(" ").as_str(), self.resource.as_str(), self.outcome.as_str()] {
            digest.update(part.as_bytes());
            digest.update([0]);
        }
        digest.finalize().iter().take(16).fold(String::with_capacity(32), |mut text, byte| {
            let _infallible = write!(text, "{byte:02x}");
            text
        })
    }
}

impl Store {
    /// Adds to what was seen, all or nothing. Gives how many rows found no room: a principal has [`SEEN_PER_HOUR_MAX`] an hour.
    ///
    /// # Errors
    /// [`StoreError`]; nothing was written.
    pub async fn add_seen(&self, task: SystemTask, seen: &[SeenDecision]) -> Result<u64, StoreError> {
        let mut rows: Vec<_> = seen.iter().map(|one| (one.principal, one.hour, one.question(), one)).collect();
        // In one order: two processes that write the same rows at once wait for each other, and never both.
        rows.sort_unstable_by(|one, other| (one.0, one.1, &one.2).cmp(&(other.0, other.1, &other.2)));
        let mut write = self.write_to_any().await?;
        let gone = write.gone(rows.iter().map(|(principal, ..)| principal.account()).collect()).await?;
        rows.retain(|(principal, ..)| !gone.contains(&principal.account()));
        let (mut of, mut room, mut not_kept) = (None, 0, 0);
        for (principal, hour, question, row) in &rows {
            if of != Some((*principal, *hour)) {
                of = Some((*principal, *hour));
                room = SEEN_PER_HOUR_MAX - rows_of_hour(&mut write, *principal, *hour).await?;
            }
            if count_up(&mut write, question, row).await? {
                continue;
            }
            if room <= 0 {
                not_kept += 1;
                continue;
            }
            room -= 1;
            insert(&mut write, question, row).await?;
        }
        write.commit_unseen().await?;
        tracing::debug!(task = task.as_str(), rows = rows.len(), not_kept, "seen decisions are written");
        Ok(not_kept)
    }

    /// What a principal asked for since the hour `from`: each question once, the most frequent first, at most `most`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn seen(&self, principal: Principal, from: UnixMs, most: u32) -> Result<Vec<SeenDecision>, StoreError> {
        // The conditions of the last time: behind a time of 13 digits, the greatest text is the latest.
        let sql = "SELECT actions, resource, outcome, CAST(SUM(times) AS BIGINT) AS times, MIN(hour) AS hour, \
                   MAX(last_seen) AS last_seen, MAX(CAST(last_seen AS TEXT) || conditions) AS latest \
                   FROM seen_decisions WHERE account_id = $1 AND user_id = $2 AND hour >= $3 \
                   GROUP BY question, actions, resource, outcome ORDER BY times DESC, resource, actions LIMIT $4";
        let binds = [principal.account().into(), user_number(principal).into(), from.into(), i64::from(most).into()];
        let rows = self.all(sql, &binds).await?;
        rows.iter().map(|row| read(principal, &Columns { row, table: "seen_decisions" })).collect()
    }

    /// Forgets what was seen in hours that began before `before`; gives the rows forgotten.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn forget_seen(&self, task: SystemTask, before: UnixMs) -> Result<u64, StoreError> {
        let mut write = self.write_to_any().await?;
        let rows = write.run("DELETE FROM seen_decisions WHERE hour < $1", &[before.into()]).await?;
        write.commit_unseen().await?;
        tracing::info!(task = task.as_str(), rows, "old seen decisions are forgotten");
        Ok(rows)
    }
}

async fn rows_of_hour(write: &mut Write, principal: Principal, hour: UnixMs) -> Result<i64, StoreError> {
    let sql = "SELECT COUNT(*) AS n FROM seen_decisions WHERE account_id = $1 AND user_id = $2 AND hour = $3";
    write.count(sql, &[principal.account().into(), user_number(principal).into(), hour.into()]).await
}

/// Whether the row was there.
async fn count_up(write: &mut Write, question: &str, row: &SeenDecision) -> Result<bool, StoreError> {
    let conditions = row.conditions.text();
    let sql = "UPDATE seen_decisions SET times = times + $5, \
               conditions = CASE WHEN last_seen > $6 THEN conditions ELSE $7 END, \
               last_seen = CASE WHEN last_seen > $6 THEN last_seen ELSE $6 END \
               WHERE account_id = $1 AND user_id = $2 AND hour = $3 AND question = $4";
    let binds = [
        row.principal.account().into(),
        user_number(row.principal).into(),
        row.hour.into(),
        question.into(),
        times(row).into(),
        row.last.into(),
        conditions.as_str().into(),
    ];
    Ok(write.run(sql, &binds).await? > 0)
}

async fn insert(write: &mut Write, question: &str, row: &SeenDecision) -> Result<(), StoreError> {
    let (actions, conditions) = (row.actions.join(" "), row.conditions.text());
    // Another process may have written it between the look and this.
    let sql = "INSERT INTO seen_decisions (account_id, user_id, hour, question, actions, resource, outcome, times, \
               last_seen, conditions) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
               ON CONFLICT (account_id, user_id, hour, question) DO UPDATE SET \
               times = seen_decisions.times + excluded.times";
    let binds = [
        row.principal.account().into(),
        user_number(row.principal).into(),
        row.hour.into(),
        question.into(),
        actions.as_str().into(),
        row.resource.as_str().into(),
        row.outcome.as_str().into(),
        times(row).into(),
        row.last.into(),
        conditions.as_str().into(),
    ];
    write.run(sql, &binds).await.map(drop)
}

fn times(row: &SeenDecision) -> i64 {
    i64::try_from(row.times).unwrap_or(i64::MAX)
}

fn read(principal: Principal, columns: &Columns<'_>) -> Result<SeenDecision, StoreError> {
    let latest = columns.text("latest")?;
    let conditions = latest.find('{').map(|at| &latest[at..]).unwrap_or_default();
    Ok(SeenDecision {
        principal,
        hour: columns.time("hour")?,
        actions: columns.text("actions")?.split(' ').map(str::to_owned).collect(),
        resource: columns.text("resource")?,
        outcome: SeenOutcome::read(columns)?,
        times: u64::try_from(columns.integer("times")?).map_err(|error| columns.damaged(error))?,
        last: columns.time("last_seen")?,
        conditions: Conditions::read(columns, conditions)?,
    })
}
