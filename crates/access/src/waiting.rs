//! Changes that were written and wait to be put in force, an entry an account.
//!
//! Whoever comes next takes what waits of all accounts, each change once however many wait for it, and reads it back at one
//! instant. So a tenant who changes much waits for itself: of an account no more than [`CHANGES_MAX`] go at once, and the
//! change of another account goes with them.
//!
//! Never here: the store, the snapshot.

use std::collections::VecDeque;

use ahash::{AHashMap, AHashSet};
use parking_lot::Mutex;
use sluice_model::AccountId;
use tokio::sync::oneshot;

use crate::{Change, Touched};

/// Changes of an account that are read back at once, but for those that came together.
const CHANGES_MAX: usize = 4;

/// One who waits.
#[derive(Debug)]
pub(crate) struct Entry {
    /// What was written in one account; not empty.
    changes: Vec<Change>,
    done: oneshot::Sender<Touched>,
}

impl Entry {
    /// Whose turn it takes.
    pub(crate) fn account(&self) -> AccountId {
        self.changes[0].account()
    }

    pub(crate) fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// Tells whoever waits.
    ///
    /// # Errors
    /// What was to be told, when nobody waits any more.
    pub(crate) fn answer(self, touched: Touched) -> Result<(), Touched> {
        self.done.send(touched)
    }
}

/// Those who wait, as they came.
#[derive(Debug, Default)]
pub(crate) struct Waiting(Mutex<VecDeque<Entry>>);

impl Waiting {
    /// Enters what was written in an account, at least one change; the receiver is told whom it touches once it is in force.
    pub(crate) fn enter(&self, changes: Vec<Change>) -> oneshot::Receiver<Touched> {
        let (done, told) = oneshot::channel();
        self.0.lock().push_back(Entry { changes, done });
        told
    }

    /// Takes out who goes next; nobody when nobody waits. Cost: a look at each who waits.
    pub(crate) fn take(&self) -> Vec<Entry> {
        let mut going: AHashMap<AccountId, AHashSet<Change>> = AHashMap::new();
        let mut waiting = self.0.lock();
        let (taken, left) = waiting.drain(..).partition(|entry| {
            let of_account = going.entry(entry.account()).or_default();
            let goes = of_account.is_empty()
                || of_account.len() + entry.changes.len() <= CHANGES_MAX
                || entry.changes.iter().all(|change| of_account.contains(change));
            if goes {
                of_account.extend(entry.changes.iter().cloned());
            }
            goes
        });
        *waiting = left;
        taken.into()
    }
}

#[cfg(test)]
mod tests {
    use sluice_model::PolicyName;

    use super::*;

    fn account(number: u64) -> AccountId {
        AccountId::new(1_000_000_000_000_000 + number).unwrap()
    }

    fn policy(of: AccountId, number: usize) -> Change {
        let name: PolicyName = format!("p{number}").parse().unwrap();
        Change::Policy(of, name)
    }

    #[test]
    fn a_tenant_with_many_changes_does_not_hold_up_another() {
        let (busy, other, waiting) = (account(1), account(2), Waiting::default());
        let told: Vec<_> = (0..100).map(|number| waiting.enter(vec![policy(busy, number)])).collect();
        let others = waiting.enter(vec![Change::Account(other)]);
        let taken = waiting.take();
        assert_eq!(taken.iter().filter(|entry| entry.account() == busy).count(), CHANGES_MAX);
        assert_eq!(taken.last().map(Entry::account), Some(other));
        drop((told, others));
        let mut rounds = 1;
        while !waiting.take().is_empty() {
            rounds += 1;
        }
        assert_eq!(rounds, 100_usize.div_ceil(CHANGES_MAX));
    }

    #[test]
    fn the_same_change_goes_once_for_all_who_wait_for_it() {
        let (one, waiting) = (account(1), Waiting::default());
        let told: Vec<_> = (0..100).map(|number| waiting.enter(vec![policy(one, number % CHANGES_MAX)])).collect();
        assert_eq!(waiting.take().len(), 100);
        assert!(waiting.take().is_empty());
        drop(told);
    }

    #[test]
    fn what_came_together_goes_together_however_much_it_is() {
        let (one, waiting) = (account(1), Waiting::default());
        let first = waiting.enter((0..10).map(|number| policy(one, number)).collect());
        let second = waiting.enter(vec![policy(one, 3)]);
        let third = waiting.enter(vec![policy(one, 10)]);
        assert_eq!(waiting.take().len(), 2, "the second is within the first");
        assert_eq!(waiting.take().len(), 1);
        drop((first, second, third));
    }
}
