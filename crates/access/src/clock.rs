//! The time, as the one thing that hands it out.
//!
//! Two times: [`Clock::now`] is the wall clock's, by which policies, signatures and sign-ins are decided, whatever it does.
//! [`Clock::steady`] is the same time without the wall clock's jumps, by which sessions, messages and wills live: somebody
//! who sets the clock must not end them, nor keep them for ever. Small steps and slewing are followed by both.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use parking_lot::Mutex;
use sluice_model::UnixMs;
use tokio::sync::Notify;

/// The wall clock jumped where it moves by more than this against the time that has passed, from one look to the next.
const JUMP_MS: i64 = 5_000;
/// A smaller movement is followed once it is this large: a look costs two loads until then.
const FOLLOW_MS: i64 = 100;
/// Two readings of the passed time between which the wall clock was read must not be further apart.
const READ_MS_MAX: i64 = 100;
/// For so long after a jump a time may still be at hand that was read before it.
const SETTLE_MS: i64 = 60_000;

type Reading = Box<dyn Fn() -> i64 + Send + Sync>;

/// Gives the present; made by `server` from the system's clocks and by tests from their own.
#[derive(Clone)]
pub struct Clock(Arc<Inner>);

struct Inner {
    wall_ms: Reading,
    /// What is needed to see jumps; `None` where there are none.
    jumps: Option<Jumps>,
}

struct Jumps {
    elapsed_ms: Reading,
    on_jump: Box<dyn Fn(i64) + Send + Sync>,
    /// The wall clock less the passed time, as last followed.
    offset_ms: AtomicI64,
    /// What is taken from the wall clock for the steady time; and what was before the last jump.
    ahead_ms: AtomicI64,
    ahead_before_ms: AtomicI64,
    /// When that was, in passed time.
    jumped_at_ms: AtomicI64,
    /// A steady time of not long ago.
    lately_ms: AtomicI64,
    /// One jump is settled at a time.
    settling: Mutex<()>,
    jumped: Notify,
}

impl Clock {
    /// A clock that asks `now`, which does not jump.
    pub fn new(now: impl Fn() -> UnixMs + Send + Sync + 'static) -> Self {
        Self(Arc::new(Inner { wall_ms: Box::new(move || now().0), jumps: None }))
    }

    /// A clock that asks `now`, and sees its jumps by the milliseconds that `elapsed_ms` says have passed since whenever.
    /// `on_jump` is told each jump's milliseconds, once.
    pub fn with_jumps(
        now: impl Fn() -> UnixMs + Send + Sync + 'static,
        elapsed_ms: impl Fn() -> i64 + Send + Sync + 'static,
        on_jump: impl Fn(i64) + Send + Sync + 'static,
    ) -> Self {
        let (wall_ms, elapsed_ms): (Reading, Reading) = (Box::new(move || now().0), Box::new(elapsed_ms));
        let (wall, offset) = read(&wall_ms, &elapsed_ms);
        let jumps = Jumps {
            elapsed_ms,
            on_jump: Box::new(on_jump),
            offset_ms: AtomicI64::new(offset),
            ahead_ms: AtomicI64::new(0),
            ahead_before_ms: AtomicI64::new(0),
            jumped_at_ms: AtomicI64::new(0),
            lately_ms: AtomicI64::new(wall),
            settling: Mutex::new(()),
            jumped: Notify::new(),
        };
        Self(Arc::new(Inner { wall_ms, jumps: Some(jumps) }))
    }

    /// The present, Unix milliseconds. To be asked at least each second: what happens in between counts as one movement.
    #[must_use]
    pub fn now(&self) -> UnixMs {
        let wall = (self.0.wall_ms)();
        match &self.0.jumps {
            Some(jumps) => UnixMs(jumps.look(wall, &self.0.wall_ms)),
            None => UnixMs(wall),
        }
    }

    /// What [`Clock::now`] gave, without the jumps of the wall clock since the start. Of a time that was read just before a
    /// jump too.
    #[must_use]
    pub fn steady(&self, now: UnixMs) -> UnixMs {
        UnixMs(self.0.jumps.as_ref().map_or(now.0, |jumps| jumps.steady(now.0)))
    }

    /// What the wall clock will show at a steady time, unless it jumps until then; to show it to people.
    #[must_use]
    pub fn shown(&self, steady: UnixMs) -> UnixMs {
        match &self.0.jumps {
            Some(jumps) if steady != UnixMs::NEVER => {
                UnixMs(steady.0.saturating_add(jumps.ahead_ms.load(Ordering::Acquire)))
            }
            _ => steady,
        }
    }

    /// Has the steady time go on from `latest` where it is behind: the wall clock was set back while nobody looked. To be
    /// called at the start, before anybody asks for the time.
    pub fn go_on_from(&self, latest: UnixMs) {
        let Some(jumps) = &self.0.jumps else { return };
        let behind = latest.0.saturating_sub(self.steady(self.now()).0);
        if behind > 0 {
            for ahead in [&jumps.ahead_ms, &jumps.ahead_before_ms] {
                ahead.fetch_sub(behind, Ordering::AcqRel);
            }
            jumps.lately_ms.store(latest.0, Ordering::Release);
        }
    }

    /// Returns after the next jump, or one that nobody was told of. Cancel safe; for one to wait.
    pub async fn jumped(&self) {
        match &self.0.jumps {
            Some(jumps) => jumps.jumped.notified().await,
            None => std::future::pending().await,
        }
    }
}

impl Jumps {
    /// Compares the wall clock with the time that has passed; gives it back, or what it is after its jump.
    fn look(&self, mut wall: i64, wall_ms: &Reading) -> i64 {
        let elapsed = (self.elapsed_ms)();
        let before = self.offset_ms.load(Ordering::Acquire);
        let moved = (wall - elapsed) - before;
        if moved.abs() > JUMP_MS {
            wall = self.settle(wall_ms);
        } else if moved.abs() > FOLLOW_MS {
            // Unless somebody settled a jump meanwhile.
            let _followed =
                self.offset_ms.compare_exchange(before, before + moved, Ordering::AcqRel, Ordering::Acquire);
        }
        let ahead = self.ahead_ms.load(Ordering::Acquire);
        if self.ahead_before_ms.load(Ordering::Acquire) != ahead
            && elapsed - self.jumped_at_ms.load(Ordering::Acquire) > SETTLE_MS
        {
            self.forget_before();
        }
        // Rarely written: it is on a line of memory that every connection reads.
        let steady = self.steady(wall);
        if steady - self.lately_ms.load(Ordering::Acquire) > FOLLOW_MS {
            self.lately_ms.store(steady, Ordering::Release);
        }
        wall
    }

    /// Takes a jump in, if there was one: whoever looked may have been held up between its two readings.
    fn settle(&self, wall_ms: &Reading) -> i64 {
        let settling = self.settling.lock();
        let (wall, offset) = read(wall_ms, &self.elapsed_ms);
        let moved = offset - self.offset_ms.load(Ordering::Acquire);
        if moved.abs() <= JUMP_MS {
            return wall;
        }
        let ahead = self.ahead_ms.load(Ordering::Acquire);
        // In this order: who reads the new one of the two has the old one beside it, or finds both the same.
        self.jumped_at_ms.store(wall - offset, Ordering::Release);
        self.ahead_before_ms.store(ahead, Ordering::Release);
        self.ahead_ms.store(ahead + moved, Ordering::Release);
        self.offset_ms.store(offset, Ordering::Release);
        drop(settling);
        (self.on_jump)(moved);
        self.jumped.notify_one();
        wall
    }

    /// Nothing that was read before the last jump is at hand any more.
    fn forget_before(&self) {
        let _settling = self.settling.lock();
        self.ahead_before_ms.store(self.ahead_ms.load(Ordering::Acquire), Ordering::Release);
    }

    fn steady(&self, wall: i64) -> i64 {
        let after = wall.saturating_sub(self.ahead_ms.load(Ordering::Acquire));
        let before = wall.saturating_sub(self.ahead_before_ms.load(Ordering::Acquire));
        if before == after {
            return after;
        }
        // Read before the jump or after it: either is right for a time that makes it the present.
        let lately = self.lately_ms.load(Ordering::Acquire);
        if before.abs_diff(lately) < after.abs_diff(lately) { before } else { after }
    }
}

/// The wall clock, and what it is ahead of the passed time; read at the same moment.
fn read(wall_ms: &Reading, elapsed_ms: &Reading) -> (i64, i64) {
    loop {
        let before = elapsed_ms();
        let wall = wall_ms();
        if elapsed_ms() - before <= READ_MS_MAX {
            return (wall, wall - before);
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_700_000_000_000;
    const HOUR: i64 = 3_600_000;

    /// A clock whose times a test moves.
    struct Fake {
        clock: Clock,
        /// The wall clock less the passed time.
        ahead: Arc<AtomicI64>,
        elapsed: Arc<AtomicI64>,
        told: Arc<Mutex<Vec<i64>>>,
    }

    fn fake() -> Fake {
        let (ahead, elapsed) = (Arc::new(AtomicI64::new(START)), Arc::new(AtomicI64::new(77)));
        let told = Arc::new(Mutex::new(Vec::new()));
        let (wall, passed, tell) =
            ((Arc::clone(&ahead), Arc::clone(&elapsed)), Arc::clone(&elapsed), Arc::clone(&told));
        let clock = Clock::with_jumps(
            move || UnixMs(wall.0.load(Ordering::Relaxed) + wall.1.load(Ordering::Relaxed)),
            move || passed.load(Ordering::Relaxed),
            move |moved| tell.lock().push(moved),
        );
        Fake { clock, ahead, elapsed, told }
    }

    #[test]
    fn a_jump_moves_the_wall_clock_and_not_the_steady_time() {
        let Fake { clock, ahead, elapsed, told } = fake();
        let start = clock.now();
        assert_eq!(clock.steady(start), start);
        for jump in [HOUR, -HOUR, -3 * HOUR, 2 * HOUR] {
            let (wall, steady) = (clock.now(), clock.steady(clock.now()));
            ahead.fetch_add(jump, Ordering::Relaxed);
            elapsed.fetch_add(10, Ordering::Relaxed);
            assert_eq!(clock.now().0, wall.0 + jump + 10);
            assert_eq!(clock.steady(clock.now()).0, steady.0 + 10);
            assert_eq!(clock.shown(clock.steady(clock.now())), clock.now());
        }
        assert_eq!(*told.lock(), [HOUR, -HOUR, -3 * HOUR, 2 * HOUR]);
        assert_eq!(clock.shown(UnixMs::NEVER), UnixMs::NEVER);
    }

    #[test]
    fn a_time_read_just_before_a_jump_is_what_it_was() {
        let Fake { clock, ahead, elapsed, .. } = fake();
        for jump in [HOUR, -HOUR] {
            let read_before = clock.now();
            let steady = clock.steady(read_before);
            ahead.fetch_add(jump, Ordering::Relaxed);
            let _sees_it = clock.now();
            assert_eq!(clock.steady(read_before), steady);
            assert_eq!(clock.steady(clock.now()), steady);
            // Long afterwards, also where nobody looked all the time, as in a process that was stopped.
            elapsed.fetch_add(HOUR, Ordering::Relaxed);
            assert_eq!(clock.steady(clock.now()).0, steady.0 + HOUR);
        }
    }

    #[test]
    fn slewing_and_small_steps_are_followed_however_far_they_lead() {
        let Fake { clock, ahead, elapsed, told } = fake();
        for _ in 0..10_000 {
            ahead.fetch_add(1_000, Ordering::Relaxed);
            elapsed.fetch_add(1_000, Ordering::Relaxed);
            let now = clock.now();
            assert_eq!(clock.steady(now), now);
        }
        ahead.fetch_sub(JUMP_MS, Ordering::Relaxed);
        assert_eq!(clock.steady(clock.now()), clock.now());
        assert!(told.lock().is_empty());
    }

    #[test]
    fn the_steady_time_goes_on_from_the_latest_that_is_known() {
        let Fake { clock, ahead, elapsed, told } = fake();
        let start = clock.now();
        clock.go_on_from(UnixMs(start.0 - HOUR));
        assert_eq!(clock.steady(clock.now()), start);
        clock.go_on_from(UnixMs(start.0 + HOUR));
        assert_eq!(clock.steady(clock.now()).0, start.0 + HOUR);
        ahead.fetch_add(HOUR, Ordering::Relaxed);
        elapsed.fetch_add(5, Ordering::Relaxed);
        assert_eq!(clock.steady(clock.now()).0, start.0 + HOUR + 5);
        assert_eq!(*told.lock(), [HOUR]);
    }

    #[tokio::test]
    async fn a_jump_is_told_to_who_waits() {
        let Fake { clock, ahead, .. } = fake();
        ahead.fetch_add(HOUR, Ordering::Relaxed);
        let _sees_it = clock.now();
        clock.jumped().await;
    }
}
