//! Group commit for fjall, as the own log does it: one thread takes all that waits, writes it, syncs it once if anybody
//! needs that, and says up to where it is settled. While it syncs, the next batch forms.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

/// Records that nobody waits for are written within this time.
const LATER: Duration = Duration::from_millis(100);
/// So many wait for the writer at most; who adds more waits itself.
const RECORDS_WAITING_MAX: u64 = 65_536;

/// Where batches go.
pub trait Sink: Send + 'static {
    /// What waits to be written.
    type Batch: Default + Send;

    /// Writes a batch, and syncs it if asked.
    fn write(&mut self, batch: Self::Batch, sync: bool);
}

/// The waiting batch and its writer.
pub struct Group<S: Sink> {
    shared: Arc<Shared<S::Batch>>,
    writer: Option<JoinHandle<S>>,
}

struct Shared<B> {
    state: Mutex<State<B>>,
    work: Condvar,
    settled: Condvar,
}

#[derive(Default)]
struct State<B> {
    batch: B,
    appended: u64,
    needed: u64,
    settled: u64,
    syncs: u64,
    closed: bool,
}

impl<S: Sink> Group<S> {
    pub fn new(mut sink: S) -> Self {
        let shared =
            Arc::new(Shared { state: Mutex::new(State::default()), work: Condvar::new(), settled: Condvar::new() });
        let of_writer = Arc::clone(&shared);
        let writer = std::thread::spawn(move || {
            of_writer.write_all(&mut sink);
            sink
        });
        Self { shared, writer: Some(writer) }
    }

    /// Adds a record; its position. A `sync` has the writer woken.
    pub fn add(&self, sync: bool, put: impl FnOnce(&mut S::Batch)) -> u64 {
        let mut state = self.shared.lock();
        while state.appended - state.settled >= RECORDS_WAITING_MAX {
            self.shared.work.notify_one();
            state = self.shared.settled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        put(&mut state.batch);
        state.appended += 1;
        if sync {
            state.needed = state.appended;
            self.shared.work.notify_one();
        }
        state.appended
    }

    pub fn is_settled(&self, position: u64) -> bool {
        self.shared.lock().settled >= position
    }

    /// Waits until this position is settled.
    pub fn wait(&self, position: u64) {
        let mut state = self.shared.lock();
        while state.settled < position {
            state = self.shared.settled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Syncs asked of the sink.
    pub fn syncs(&self) -> u64 {
        self.shared.lock().syncs
    }

    /// Writes and syncs what waits; the sink.
    pub fn close(mut self) -> S {
        {
            let mut state = self.shared.lock();
            state.closed = true;
            self.shared.work.notify_one();
        }
        self.writer.take().expect("taken only here").join().expect("the writer does not panic")
    }
}

impl<B: Default + Send> Shared<B> {
    fn lock(&self) -> MutexGuard<'_, State<B>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_all<S: Sink<Batch = B>>(&self, sink: &mut S) {
        let mut state = self.lock();
        loop {
            let idle = |state: &mut State<B>| {
                state.needed <= state.settled && !state.closed && state.appended - state.settled < RECORDS_WAITING_MAX
            };
            if idle(&mut state) {
                state = self.work.wait_timeout(state, LATER).unwrap_or_else(PoisonError::into_inner).0;
            }
            if state.appended == state.settled {
                if state.closed {
                    return;
                }
                continue;
            }
            let (batch, up_to) = (std::mem::take(&mut state.batch), state.appended);
            let sync = state.needed > state.settled || state.closed;
            drop(state);
            sink.write(batch, sync);
            state = self.lock();
            state.settled = up_to;
            state.syncs += u64::from(sync);
            self.settled.notify_all();
        }
    }
}
