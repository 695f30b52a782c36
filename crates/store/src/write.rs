//! One transaction that writes, and what it tells the processes that share the database.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use sluice_model::AccountId;
use sluice_policy::Epoch;
use sqlx::{Any, Transaction, any::AnyRow};

use crate::{
    By, Change, Entity, StoreError,
    database::{Bind, STATEMENT_WAIT, bounded, query},
    own_changes::OwnChanges,
};

/// The place of a transaction's change among those of its revision: it has one.
const PLACE: i64 = 0;

/// One transaction. Dropped without [`commit`](Self::commit), it leaves nothing.
pub(crate) struct Write {
    transaction: Transaction<'static, Any>,
    /// Where others share the database: what this process wrote.
    own: Option<Arc<OwnChanges>>,
    /// The account's own count of its writes, taken under its row's lock: without a gap and in the order of commits.
    pub(crate) revision: i64,
    /// The states of the policies that permitted it, which they must have at the commit too.
    permitted: Vec<Epoch>,
}

impl Write {
    pub(crate) fn new(transaction: Transaction<'static, Any>, own: Option<Arc<OwnChanges>>) -> Self {
        Self { transaction, own, revision: 0, permitted: Vec::new() }
    }

    /// A permit has to hold at the commit; a task always does.
    pub(crate) fn demand(&mut self, by: By<'_>) {
        if let By::Permit(permit) = by {
            self.permitted.push(permit.epoch().clone());
        }
    }

    fn wait(&self) -> Option<Duration> {
        self.own.as_ref().map(|_| STATEMENT_WAIT)
    }

    /// Runs a statement; gives the rows touched.
    pub(crate) async fn run(&mut self, sql: &str, binds: &[Bind<'_>]) -> Result<u64, StoreError> {
        let done = bounded(self.wait(), query(sql, binds).execute(&mut *self.transaction)).await?;
        Ok(done.rows_affected())
    }

    /// Inserts a row; `taken` when a unique name is.
    pub(crate) async fn insert(&mut self, sql: &str, binds: &[Bind<'_>], taken: Entity) -> Result<(), StoreError> {
        self.change(sql, binds, taken).await.map(drop)
    }

    /// Runs a statement that may give a name twice; gives the rows touched.
    pub(crate) async fn change(&mut self, sql: &str, binds: &[Bind<'_>], taken: Entity) -> Result<u64, StoreError> {
        match self.run(sql, binds).await {
            Err(StoreError::Database(sqlx::Error::Database(error))) if error.is_unique_violation() => {
                Err(StoreError::AlreadyExists(taken))
            }
            done => done,
        }
    }

    pub(crate) async fn one(&mut self, sql: &str, binds: &[Bind<'_>]) -> Result<Option<AnyRow>, StoreError> {
        bounded(self.wait(), query(sql, binds).fetch_optional(&mut *self.transaction)).await
    }

    pub(crate) async fn all(&mut self, sql: &str, binds: &[Bind<'_>]) -> Result<Vec<AnyRow>, StoreError> {
        bounded(self.wait(), query(sql, binds).fetch_all(&mut *self.transaction)).await
    }

    /// Those of these accounts that are not there any more; the others stay until the commit. For what is written late: what
    /// is still to be written of a deleted account is forgotten with it. In the order of their IDs, so that no two wait for
    /// each other.
    pub(crate) async fn gone(&mut self, accounts: BTreeSet<AccountId>) -> Result<BTreeSet<AccountId>, StoreError> {
        let sql = "UPDATE accounts SET revision = revision WHERE account_id = $1";
        let mut gone = BTreeSet::new();
        for account in accounts {
            if self.run(sql, &[account.into()]).await? == 0 {
                gone.insert(account);
            }
        }
        Ok(gone)
    }

    /// The single number that a counting query gives.
    pub(crate) async fn count(&mut self, sql: &str, binds: &[Bind<'_>]) -> Result<i64, StoreError> {
        let row = bounded(self.wait(), query(sql, binds).fetch_one(&mut *self.transaction)).await?;
        Ok(sqlx::Row::try_get(&row, "n")?)
    }

    /// Commits, and in the same transaction tells those who share the database what to read again. `change` is the one
    /// that whoever wrote puts in force in its own process.
    pub(crate) async fn commit(mut self, change: Change) -> Result<(), StoreError> {
        let Some(own) = self.own.clone() else { return self.commit_unseen().await };
        // An account that was deleted and made again counts its writes anew. The statement's own time is the database's: the clocks of those who share it may differ.
        let sql = "INSERT INTO changes (account_id, revision, place, what, transaction_id, written) \
                   VALUES ($1, $2, $3, $4, CAST(CAST(pg_current_xact_id() AS TEXT) AS BIGINT), \
                   CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)) \
                   ON CONFLICT (account_id, revision, place) DO UPDATE SET what = excluded.what, \
                   transaction_id = excluded.transaction_id, written = excluded.written \
                   RETURNING CAST(pg_notify('sluice_changes', $5) AS TEXT)";
        let (words, revision) = (change.words(), self.revision);
        let binds =
            [change.account().into(), revision.into(), PLACE.into(), words.as_str().into(), own.process().into()];
        self.run(sql, &binds).await?;
        let changes = std::slice::from_ref(&change);
        own.write(revision, changes);
        let done = self.commit_unseen().await;
        if done.is_err() {
            // It may have been written all the same; then it is read back as another's.
            own.forget(revision, changes);
        }
        done
    }

    /// Commits what nobody keeps in memory: usage, console sessions, wrong passwords.
    pub(crate) async fn commit_unseen(self) -> Result<(), StoreError> {
        // Whoever was asked before it waited for a hash or for the account's turn may not be allowed any more.
        if !self.permitted.iter().all(Epoch::is_current) {
            return Err(StoreError::PermitOutdated);
        }
        bounded(self.wait(), self.transaction.commit()).await
    }
}
