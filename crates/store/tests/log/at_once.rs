//! Many threads append, each for a session of its own, and the power goes in the middle: each session is as it was at some
//! point of its own that is not before its last promise.

use std::{sync::Arc, thread};

use sluice_store::log::{EmbeddedLog, Log, LogOptions, MessageId, Need, QueueId, Record, Recovered, Ticket};
use sluice_testkit::{FaultDisk, Random};

use crate::{
    reference::{self, Reference},
    support::{in_flight, message, session, told},
};

const OPTIONS: LogOptions = LogOptions { segment_bytes: 4096, reserve_bytes: 0, buffer_bytes_max: 1 << 20 };
const THREADS: u64 = 4;
/// Messages of a session have numbers above its number times this.
const APART: u64 = 1_000_000;

/// What one thread appended.
struct Trace {
    session: u64,
    taken: Vec<(Record<'static>, Ticket)>,
    /// Records in front for which a sync was waited.
    promised: usize,
}

impl Trace {
    /// `None` when the power is off.
    fn take(&mut self, log: &EmbeddedLog, record: Record<'static>, need: Need) -> Option<Ticket> {
        let ticket = log.append(&record, need).ok()?;
        self.taken.push((record, ticket));
        Some(ticket)
    }

    /// Appends until the power goes, or long enough.
    fn run(&mut self, log: &EmbeddedLog, seed: u64) -> Option<()> {
        let mut random = Random::new(seed);
        let session_id = QueueId(self.session);
        self.take(log, session(self.session), Need::Later)?;
        for next in 1..150 {
            let id = 1 + random.below(20) as u16;
            let number = self.session * APART + next;
            let ticket = self.take(log, message(number, &[self.session], None), Need::Synced)?;
            if random.once_in(4) {
                wait_or_end(log, ticket)?;
                self.promised = self.taken.len();
            }
            if random.once_in(2) {
                self.take(log, in_flight(self.session, id, number), Need::Later)?;
            }
            if random.once_in(2) {
                self.take(log, Record::Acknowledged { session: session_id, id }, Need::Later)?;
            }
            if random.once_in(3) {
                let message = MessageId(self.session * APART + 1 + random.below(next));
                self.take(log, Record::Dropped { queue: session_id, message }, Need::Written)?;
            }
        }
        Some(())
    }

    /// Whether what was recovered of the session was so.
    fn explains(&self, recovered: &Recovered) -> bool {
        let is_mine = |line: &String| {
            line.starts_with(&format!("message {}", self.session))
                || line.contains(&format!("QueueId({})", self.session))
        };
        let found: Vec<_> = reference::lines(recovered).into_iter().filter(is_mine).collect();
        let mut state = Reference::default();
        let mut is_found = self.promised == 0 && found.is_empty();
        for (index, (record, _)) in self.taken.iter().enumerate() {
            state.apply(record);
            is_found |= !is_found && index + 1 >= self.promised && state.lines() == found;
        }
        is_found
    }
}

fn wait_or_end(log: &EmbeddedLog, ticket: Ticket) -> Option<()> {
    told(log, ticket);
    log.is_settled(ticket).then_some(())
}

#[test]
fn each_session_is_as_it_was_when_the_power_went_while_many_appended() {
    let mut promised = 0;
    for seed in 0..20 {
        let disk = FaultDisk::new();
        let (log, _) = EmbeddedLog::open(Arc::new(disk.clone()), OPTIONS).unwrap();
        let syncs = 5 + Random::new(seed).below(150);
        let (traces, after) = thread::scope(|scope| {
            let threads: Vec<_> = (1..=THREADS)
                .map(|session| {
                    let log = &log;
                    scope.spawn(move || {
                        let mut trace = Trace { session, taken: Vec::new(), promised: 0 };
                        trace.run(log, seed * 10 + session);
                        trace
                    })
                })
                .collect();
            while disk.syncs() < syncs && threads.iter().any(|thread| !thread.is_finished()) {
                thread::yield_now();
            }
            let after = disk.power_cut(seed);
            // A folder that cannot be written is tried again and again, and they wait.
            log.close();
            let traces: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
            (traces, after)
        });
        let (log, recovered) = EmbeddedLog::open(Arc::new(after), OPTIONS).unwrap();
        assert_eq!(log.figures().damaged, 0, "seed {seed}");
        for trace in traces {
            promised += trace.promised;
            assert!(
                trace.explains(&recovered),
                "seed {seed}: session {} was never so after {} of {} records: {:#?}",
                trace.session,
                trace.promised,
                trace.taken.len(),
                reference::lines(&recovered)
            );
        }
    }
    assert!(promised > 1000, "{promised} records promised");
}
