//! The sweep after a change: whom it touches decides again; for a client that is away it is decided here.

use std::{borrow::Cow, sync::Arc};

use ahash::AHashSet;
use sluice_access::Touched;
use sluice_codec::ReasonCode;
use sluice_model::{AccountId, InstanceId, Principal, UnixMs};
use sluice_policy::Reason;
use sluice_router::InstanceKey;
use sluice_store::log::Record;

use crate::{
    Broker,
    link::{Identity, Link},
    recheck::NotSubscribed,
};

impl Broker {
    /// Has everyone whom a change touched decide again. To be called after the change is in force.
    pub fn sweep(&self, touched: &Touched) {
        let now = self.access.clock().now();
        let principals: AHashSet<_> = touched.principals.iter().copied().collect();
        let accounts: AHashSet<_> = touched.accounts.iter().copied().collect();
        let is_touched = |link: &Link| {
            let (key, client) = (&link.identity.instance.key, &link.identity.client);
            let is_here =
                |account: AccountId, instance: &InstanceId| key.account == account && key.instance == *instance;
            principals.contains(&link.identity.caller.principal())
                || accounts.contains(&key.account)
                || touched.instances.iter().any(|(account, instance)| is_here(*account, instance))
                || touched.groups.iter().any(|(account, instance, group)| {
                    is_here(*account, instance) && client.has_group() && client.group_str() == group.as_str()
                })
        };
        self.registry.for_each(|link| {
            if is_touched(&link) {
                link.decide_again();
                // A connection that leaves now finds the mark, or was away before it was set.
                if !link.is_here() && link.must_decide_again() {
                    self.decide_for_parked(&link, now);
                }
            }
        });
        for (account, instance) in &touched.instances {
            if self.access.instance(*account, instance).is_none() {
                // Its connections leave by themselves, and find it gone.
                self.instances.remove(&InstanceKey { account: *account, instance: instance.clone() });
                let instance = Cow::Borrowed(instance);
                self.journal.note(&Record::InstanceDeleted { account: *account, instance });
            }
        }
    }

    /// Decides for a session whose client is away. Attack 13.
    ///
    /// A key that is gone decides nothing: sessions belong to the principal, so that keys can be rotated, and everything is
    /// asked again when the client is back (DESIGN section 2, Session key).
    pub(crate) fn decide_for_parked(&self, link: &Arc<Link>, now: UnixMs) {
        let identity = &link.identity;
        let live = &identity.instance;
        if !self.owner_exists(identity) || self.settings_of(live).is_none() || !self.group_stands(identity) {
            let _was_there = self.end_parked(link, now);
            return;
        }
        match self.ask_instance(&identity.caller, live, now) {
            Ok(_may_be_there) => link.mute(false),
            Err(denied) if denied.reason.is_of_credential() || denied.reason == Reason::Unavailable => return,
            Err(_denied) => {
                link.mute(true);
                return;
            }
        }
        for (filter, _) in live.index.filters_of(link.id) {
            let asked = self.ask_group(identity, now).map_err(NotSubscribed::Denied);
            if let Err(refused) = asked.and_then(|_| self.ask_filter(identity, &filter, now)) {
                if refused.is_unavailable() {
                    return;
                }
                self.meters.refused.increment(1);
                let _nobody_is_told = refused.tell("subscription", self, identity, &filter);
                live.index.unsubscribe(link.id, &filter);
                self.journal.unsubscribed(link.id, &filter);
                self.forget_backlog(live, &filter);
            }
        }
    }

    /// How many connections are open now of these principals. To warn before a change; nothing is decided by it.
    #[must_use]
    pub fn count_connections(&self, principals: &[Principal]) -> usize {
        let wanted: AHashSet<_> = principals.iter().copied().collect();
        let mut count = 0;
        self.registry.for_each(|link| {
            count += usize::from(link.is_here() && wanted.contains(&link.identity.caller.principal()));
        });
        count
    }

    /// Whether the owner of a session is still there, whatever became of its keys.
    pub(crate) fn owner_exists(&self, identity: &Identity) -> bool {
        let principal = identity.caller.principal();
        matches!(principal, Principal::Account(_)) || self.access.name_of(principal).is_some()
    }

    /// Has every connection tell its client that the server shuts down (0x8B) and close.
    pub fn drain(&self) {
        self.registry.for_each(|link| link.close(ReasonCode::ServerShuttingDown));
    }
}
