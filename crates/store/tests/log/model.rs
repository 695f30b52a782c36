//! Whatever is appended, and whenever the power goes: what is recovered is what was so at some point that is not before the
//! last record that was promised. Segments are tiny, so that cleaning never rests.

use std::sync::Arc;

use sluice_store::log::{EmbeddedLog, Log, LogOptions, MessageId, Need, Record, Recovered, Ticket};
use sluice_testkit::{FaultDisk, Random};

use crate::{
    any_record::AnyRecord,
    reference::{self, Reference},
    support::wait,
};

const OPTIONS: LogOptions = LogOptions { segment_bytes: 4096, reserve_bytes: 0, buffer_bytes_max: 1 << 20 };

/// What was appended since the log was opened.
struct Epoch {
    log: Arc<EmbeddedLog>,
    /// At the beginning, and now.
    before: Reference,
    now: Reference,
    taken: Vec<(Record<'static>, Ticket)>,
}

fn open(disk: &FaultDisk, seed: u64) -> (Arc<EmbeddedLog>, Recovered) {
    let (log, recovered) = EmbeddedLog::open(Arc::new(disk.clone()), OPTIONS).unwrap();
    assert_eq!(log.figures().damaged, 0, "seed {seed}");
    (log, recovered)
}

impl Epoch {
    fn run(&mut self, any: &mut AnyRecord, disk: &FaultDisk) {
        if any.random.once_in(4) {
            disk.write_short(any.random.number());
        }
        let is_short_of_space = any.random.once_in(4);
        if is_short_of_space {
            disk.set_space(Some(any.random.below(6000)));
        }
        for _ in 0..any.random.below(250) {
            let record = any.next(&self.now);
            let need = [Need::Later, Need::Written, Need::Synced][any.random.below(3) as usize];
            // A record that was refused is none.
            let Ok(ticket) = self.log.append(&record, need) else { continue };
            self.now.apply(&record);
            self.taken.push((record, ticket));
            if any.random.once_in(12) && !is_short_of_space {
                wait(&self.log, ticket);
            }
            if any.random.once_in(4) {
                self.forget(any);
            }
        }
        disk.set_space(None);
    }

    /// As a broker does when the last who waited for a message is done with it.
    fn forget(&self, any: &mut AnyRecord) {
        let live = self.now.live();
        let over = self.now.messages.keys().filter(|id| !live.contains_key(*id));
        let over: Vec<MessageId> = over.copied().collect();
        if !over.is_empty() {
            self.log.forget(over[any.random.below(over.len() as u64) as usize]);
        }
    }

    /// Records that a client was promised something for, in front.
    fn promised(&self, need: Need) -> usize {
        let is_settled = |ticket: &Ticket| self.log.is_settled(Ticket { position: ticket.position, need });
        self.taken.iter().rposition(|(_, ticket)| is_settled(ticket)).map_or(0, |last| last + 1)
    }

    /// The state that was recovered, which is one of those from the promised one on.
    fn state_of(self, recovered: &Recovered, promised: usize, seed: u64) -> Reference {
        let found = reference::lines(recovered);
        // Numbers that were given are never given again, also when nothing is left of them.
        for (record, _) in &self.taken[..promised] {
            let (queue, message) = match record {
                Record::Session(it) => (it.session.0, 0),
                Record::Share { share, .. } => (share.0, 0),
                Record::Message(it) => (0, it.id.0),
                _ => (0, 0),
            };
            assert!(queue <= recovered.last_queue && message <= recovered.last_message, "seed {seed}: {record:?}");
        }
        let mut state = self.before;
        for (index, (record, _)) in self.taken.iter().enumerate() {
            if index >= promised && state.lines() == found {
                return state;
            }
            state.apply(record);
        }
        let expected = state.lines();
        let more: Vec<_> = found.iter().filter(|line| !expected.contains(line)).collect();
        let less: Vec<_> = expected.iter().filter(|line| !found.contains(line)).collect();
        assert!(
            expected == found,
            "seed {seed}: none of the states from {promised} of {} on; against the last, more: {more:#?}, less: {less:#?}",
            self.taken.len()
        );
        state
    }
}

/// Gives how many segments were cleaned.
fn run(seed: u64, epochs: u64) -> u64 {
    let mut any = AnyRecord::new(seed);
    let mut disk = FaultDisk::new();
    let mut state = Reference::default();
    let (mut last_queue, mut last_message) = (0, 0);
    for _ in 0..epochs {
        let (log, recovered) = open(&disk, seed);
        assert!(recovered.last_queue >= last_queue && recovered.last_message >= last_message, "seed {seed}");
        (last_queue, last_message) = (recovered.last_queue, recovered.last_message);
        let lost: Vec<_> =
            state.lines().into_iter().filter(|line| !reference::lines(&recovered).contains(line)).collect();
        assert!(reference::lines(&recovered) == state.lines(), "seed {seed}: opened again without {lost:#?}");
        assert_eq!(log.figures().messages, state.live().len() as u64, "seed {seed}");
        let mut epoch = Epoch { log, before: state.clone(), now: state, taken: Vec::new() };
        epoch.run(&mut any, &disk);
        let (promised, after) = match any.random.below(5) {
            0 => {
                epoch.log.close();
                (epoch.taken.len(), disk.kill())
            }
            1 | 2 => (epoch.promised(Need::Written), disk.kill()),
            _ => (epoch.promised(Need::Synced), disk.power_cut(any.random.number())),
        };
        disk = after;
        let (log, recovered) = open(&disk, seed);
        state = epoch.state_of(&recovered, promised, seed);
        // What was recovered is promised from now on, even if the power goes at once.
        drop(log);
        if any.random.once_in(2) {
            disk = disk.power_cut(any.random.number());
        }
    }
    // Numbers begin with 1, and only cleaning takes one away.
    disk.names().first().and_then(|name| name[..8].parse::<u64>().ok()).map_or(0, |first| first - 1)
}

#[test]
fn what_is_recovered_was_so_and_holds_all_that_was_promised() {
    let of_environment = |name: &str| std::env::var(name).ok().and_then(|number| number.parse().ok());
    // To look again at a failure, whose message has its seed, and to look further.
    let again: Option<u64> = of_environment("SLUICE_LOG_SEED");
    let runs = if again.is_some() { 1 } else { of_environment("SLUICE_LOG_RUNS").unwrap_or(30) };
    let mut seeds = Random::new(runs);
    let mut cleaned = 0;
    for _ in 0..runs {
        cleaned += run(again.unwrap_or_else(|| seeds.number()), 12);
    }
    assert!(cleaned > 10 * runs, "{cleaned} segments cleaned in {runs} runs");
}
