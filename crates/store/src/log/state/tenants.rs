//! Instances by small numbers, so that a message holds four bytes of its tenant.

use ahash::AHashMap;
use sluice_model::AccountId;

/// Gives a number to each instance, and the same again. Bounded by the instances that had messages since the start.
#[derive(Debug, Default)]
pub(super) struct Tenants {
    numbers: AHashMap<AccountId, AHashMap<Box<str>, u32>>,
    next: u32,
}

impl Tenants {
    pub(super) fn number(&mut self, account: AccountId, instance: &str) -> u32 {
        let of_account = self.numbers.entry(account).or_default();
        if let Some(number) = of_account.get(instance) {
            return *number;
        }
        let number = self.next;
        self.next += 1;
        of_account.insert(instance.into(), number);
        number
    }
}
