//! Takes out what nobody is to have any more, a part at a time: what expired or made room while its receivers are away, and
//! retained messages that expired. Its space comes back.

use std::sync::Arc;

use parking_lot::Mutex;
use sluice_model::{Limits, TopicFilter, UnixMs};

use crate::{
    Broker,
    link::Link,
    live_instance::LiveInstance,
    message::{Message, Waiting},
    retained::Slice,
};

/// How often a part is looked at, milliseconds: all sessions within about a minute.
const EVERY_MS: i64 = 1_000;
/// Retained messages that are looked at in one go, in slices.
const RETAINED_SLICES: usize = 64;

/// Where the next look begins.
#[derive(Debug, Default)]
pub(crate) struct Tidying(Mutex<Progress>);

#[derive(Debug, Default)]
struct Progress {
    last: Option<UnixMs>,
    part: usize,
}

impl Tidying {
    /// The part whose turn it is, if it is time.
    fn next_part(&self, steady: UnixMs, parts: usize) -> Option<usize> {
        let mut progress = self.0.lock();
        if progress.last.is_some_and(|last| steady.0 - last.0 < EVERY_MS) {
            return None;
        }
        progress.last = Some(steady);
        progress.part = (progress.part + 1) % parts;
        Some(progress.part)
    }
}

impl Broker {
    /// Looks at the next part.
    pub(crate) fn tidy(&self, now: UnixMs) {
        let steady = self.steady(now);
        let Some(part) = self.tidying.next_part(steady, self.registry.parts()) else { return };
        self.registry.for_part(part, |link| self.tidy_session(&link, steady));
        for live in self.instances.all() {
            let limits = self.limits_of(&live);
            self.tidy_backlogs(&live, &limits, steady);
            self.tidy_retained(&live, steady);
        }
    }

    fn tidy_session(&self, link: &Arc<Link>, steady: UnixMs) {
        if link.is_here() || !link.id.is_stored() {
            return;
        }
        let live = &link.identity.instance;
        let limits = self.limits_of(live);
        let is_over = |waiting: &Waiting| waiting.is_given_up() || has_expired(&waiting.message, &limits, steady);
        for waiting in link.with_outbox(|outbox| outbox.take_over(is_over)) {
            self.count_over(live, waiting.is_given_up());
            self.journal.dropped(live, &waiting, link.id);
        }
    }

    fn tidy_backlogs(&self, live: &LiveInstance, limits: &Limits, steady: UnixMs) {
        let given_up = |message: &Message| message.stored.as_ref().is_some_and(|stored| stored.is_given_up());
        let is_over = |message: &Message| given_up(message) || has_expired(message, limits, steady);
        for (filter, held) in live.with_backlogs(|backlogs| backlogs.take_over(is_over)) {
            self.count_over(live, given_up(&held.message));
            self.share_is_done(live, &filter, &held.message);
        }
    }

    fn tidy_retained(&self, live: &LiveInstance, steady: UnixMs) {
        let all: TopicFilter = "#".parse().expect("a filter");
        for _ in 0..RETAINED_SLICES {
            let after = live.retained.tidied_to();
            let Slice { expired, resume_after, .. } = live.retained.next(&all, after.as_deref(), steady);
            for message in &expired {
                self.count_over(live, false);
                self.forget_retained(live, message);
            }
            let is_end = resume_after.is_none();
            live.retained.set_tidied_to(resume_after);
            if is_end {
                return;
            }
        }
    }

    fn count_over(&self, live: &LiveInstance, given_up: bool) {
        if !given_up {
            live.stock.count_expired();
            self.meters.expired.increment(1);
        }
    }
}

fn has_expired(message: &Message, limits: &Limits, steady: UnixMs) -> bool {
    message.is_expired(steady) || message.has_waited_too_long(limits, steady)
}
