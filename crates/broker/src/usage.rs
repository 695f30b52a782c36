//! What each principal uses on each instance, as the ledger in `actions` reads it.

use std::collections::HashMap;

use sluice_model::{AccountId, InstanceId, Principal};

use crate::Broker;

/// What one principal has used on one instance since the process began. Only what is open now may go down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UsageTotals {
    /// Messages accepted, by QoS.
    pub messages_in: [u64; 3],
    /// Messages handed to clients of clean sessions, by QoS.
    pub messages_out_clean: [u64; 3],
    /// Messages handed to clients of stored sessions, by QoS.
    pub messages_out_stored: [u64; 3],
    /// Messages stored for a session that could not take them at once.
    pub stored_pushes: u64,
    /// Bytes of application messages accepted.
    pub bytes_in: u64,
    /// Bytes of application messages handed to clients.
    pub bytes_out: u64,
    /// Connections now.
    pub connections: u64,
    /// Subscriptions now.
    pub subscriptions: u64,
}

/// One principal on one instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageRow {
    /// Whose instance.
    pub account: AccountId,
    /// Where.
    pub instance: InstanceId,
    /// Who.
    pub principal: Principal,
    /// What was used.
    pub totals: UsageTotals,
}

impl Broker {
    /// Every principal that has used anything of any instance.
    #[must_use]
    pub fn usage(&self) -> Vec<UsageRow> {
        let mut totals: HashMap<(AccountId, InstanceId, Principal), UsageTotals> = HashMap::new();
        self.registry.for_each(|link| {
            let key = (link.key.account, link.key.instance.clone(), link.caller.principal());
            totals.entry(key).or_default().connections += 1;
        });
        let row = |((account, instance, principal), totals)| UsageRow { account, instance, principal, totals };
        totals.into_iter().map(row).collect()
    }
}
