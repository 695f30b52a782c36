//! What a receiver has got of one publisher: exact counts of lost, duplicated and out of order, in little memory.
//!
//! Messages of a publisher are numbered from 0. While they come in order the ledger is one number; holes are kept as
//! ranges until they are filled.

use std::collections::BTreeMap;

/// What happened to the messages of a publisher at a receiver.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Different messages that came.
    pub(crate) received: u64,
    /// Copies besides the first.
    pub(crate) duplicated: u64,
    /// First copies that came after a later message.
    pub(crate) out_of_order: u64,
    /// Never came.
    pub(crate) lost: u64,
}

impl Counts {
    /// Adds another receiver's.
    pub(crate) fn add(&mut self, other: Self) {
        self.received += other.received;
        self.duplicated += other.duplicated;
        self.out_of_order += other.out_of_order;
        self.lost += other.lost;
    }
}

/// The receipts of one publisher's messages.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ledger {
    /// The number after the highest that came.
    next: u32,
    /// Ranges below `next` that have not come: first to one past the last.
    holes: BTreeMap<u32, u32>,
    counts: Counts,
}

impl Ledger {
    /// Enters a message; whether it is its first copy.
    pub(crate) fn enter(&mut self, number: u32) -> bool {
        if number >= self.next {
            if number > self.next {
                self.holes.insert(self.next, number);
            }
            self.next = number.saturating_add(1);
        } else if self.fill(number) {
            self.counts.out_of_order += 1;
        } else {
            self.counts.duplicated += 1;
            return false;
        }
        self.counts.received += 1;
        true
    }

    /// Takes a number out of the hole that it is in; `false` when it is in none.
    fn fill(&mut self, number: u32) -> bool {
        let Some((&first, &end)) = self.holes.range(..=number).next_back() else { return false };
        if number >= end {
            return false;
        }
        self.holes.remove(&first);
        if first < number {
            self.holes.insert(first, number);
        }
        if number + 1 < end {
            self.holes.insert(number + 1, end);
        }
        true
    }

    /// The counts, when `sent` messages were sent.
    pub(crate) fn counts(&self, sent: u64) -> Counts {
        Counts { lost: sent.saturating_sub(self.counts.received), ..self.counts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(numbers: &[u32], sent: u64) -> Counts {
        let mut ledger = Ledger::default();
        for number in numbers {
            ledger.enter(*number);
        }
        ledger.counts(sent)
    }

    #[test]
    fn messages_in_order_leave_nothing_to_remember() {
        let mut ledger = Ledger::default();
        assert!((0..1000).all(|number| ledger.enter(number)));
        assert!(ledger.holes.is_empty());
        assert_eq!(ledger.counts(1000), Counts { received: 1000, ..Counts::default() });
    }

    #[test]
    fn what_never_came_is_lost_at_the_front_the_middle_and_the_end() {
        assert_eq!(after(&[1, 2, 5], 7), Counts { received: 3, lost: 4, ..Counts::default() });
    }

    #[test]
    fn a_second_copy_is_a_duplicate_and_a_late_first_copy_is_out_of_order() {
        let counts = Counts { received: 6, duplicated: 3, out_of_order: 3, lost: 0 };
        assert_eq!(after(&[0, 0, 5, 3, 2, 3, 4, 1, 5], 6), Counts { out_of_order: 4, ..counts });
    }
}
