//! How fast a publisher may send: closed loop (so many on their way) or open loop (when each is due).

use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use tokio::sync::Notify;

use super::run::{Phase, Run};

/// Nanoseconds of a second.
const SECOND_NS: u64 = 1_000_000_000;

/// What a publisher's receivers and the clock tell it.
pub(crate) struct Flow {
    /// First copies of its messages that came, at all receivers together.
    delivered: AtomicU64,
    /// Receivers of each message.
    fan: u64,
    /// Messages that the clock has made due; open loop.
    due: AtomicU64,
    /// Something of the above changed.
    pub(crate) wake: Notify,
}

impl Flow {
    pub(crate) fn new(fan: u64) -> Self {
        Self { delivered: AtomicU64::new(0), fan, due: AtomicU64::new(0), wake: Notify::new() }
    }

    /// A receiver has got one more; it calls [`Notify::notify_one`] on `wake` when it has taken all that came.
    pub(crate) fn delivered_one(&self) {
        self.delivered.fetch_add(1, Relaxed);
    }

    /// Messages that all receivers have, counting copies.
    pub(crate) fn delivered(&self) -> u64 {
        self.delivered.load(Relaxed) / self.fan.max(1)
    }

    pub(crate) fn due(&self) -> u64 {
        self.due.load(Relaxed)
    }
}

/// The schedule of an open loop: message k of the run is due at start + k / rate; the publishers take turns.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schedule {
    pub(crate) start_ns: u64,
    pub(crate) rate: NonZeroU32,
    pub(crate) publishers: u64,
}

impl Schedule {
    /// When a publisher's message is due, nanoseconds since the run began.
    pub(crate) fn due_ns(&self, publisher: u64, number: u64) -> u64 {
        self.due_ns_of(number * self.publishers + publisher)
    }

    fn due_ns_of(&self, message: u64) -> u64 {
        let offset = u128::from(message) * u128::from(SECOND_NS) / u128::from(self.rate.get());
        self.start_ns.saturating_add(u64::try_from(offset).unwrap_or(u64::MAX))
    }

    /// Messages of the run that are due by then.
    fn due_by(&self, now_ns: u64) -> u64 {
        let Some(elapsed) = now_ns.checked_sub(self.start_ns) else { return 0 };
        let messages = u128::from(elapsed) * u128::from(self.rate.get()) / u128::from(SECOND_NS);
        u64::try_from(messages).unwrap_or(u64::MAX) + 1
    }
}

/// Makes messages due until sending ends. A thread of its own: the runtime's timers count in milliseconds, a thread
/// sleeps to some 50 us.
pub(crate) fn keep(schedule: Schedule, flows: Vec<Arc<Flow>>, run: Arc<Run>) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let phase = run.phase();
        let mut message = 0;
        while *phase.borrow() == Phase::Send {
            let due = schedule.due_by(run.now_ns());
            while message < due {
                let turn = usize::try_from(message % schedule.publishers).expect("publishers are in memory");
                let flow = &flows[turn];
                flow.due.fetch_add(1, Relaxed);
                flow.wake.notify_one();
                message += 1;
            }
            let wait_ns = schedule.due_ns_of(message).saturating_sub(run.now_ns());
            // Never so long that the end of the run is missed.
            thread::sleep(Duration::from_nanos(wait_ns.min(SECOND_NS / 10)));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn publishers_take_turns_and_no_message_is_due_before_its_time() {
        let schedule = Schedule { start_ns: 5, rate: NonZeroU32::new(1000).unwrap(), publishers: 4 };
        assert_eq!((schedule.due_ns(0, 0), schedule.due_ns(1, 0), schedule.due_ns(0, 1)), (5, 1_000_005, 4_000_005));
        assert_eq!(schedule.due_by(4), 0);
        for message in 0..1000 {
            let due = schedule.due_ns_of(message);
            assert_eq!((schedule.due_by(due), schedule.due_by(due - 1)), (message + 1, message));
        }
    }
}
