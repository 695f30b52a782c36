//! The same work on two forms of the message log, for docs/adr/0008-message-log.md.
//!
//! log-forms FORM FOLDER rate WAITING PAYLOAD_BYTES SECONDS | threads WAITING PAYLOAD_BYTES SECONDS | fill MESSAGES PAYLOAD_BYTES | recover | drain
//!
//! Each prints one JSON object. CPU is of the whole process, publishers in it: `rate` plays all by one thread, `threads` each by its own.

mod form;
mod group;
mod own;
mod tree;

use std::{
    collections::VecDeque,
    fs,
    os::unix::fs::MetadataExt,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use bytes::Bytes;
use form::Form;
use rustix::time::{ClockId, clock_gettime};

/// Sessions that are away, in turn.
const QUEUES: u64 = 1_000;
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Messages in flight to a client.
const WINDOW: usize = 100;
/// How long a form has to give space back after the last acknowledgement.
const SPACE_WAIT: Duration = Duration::from_secs(10);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["own", folder, ref rest @ ..] => run::<own::Own>(Path::new(folder), rest),
        ["fjall", folder, ref rest @ ..] => run::<tree::Tree>(Path::new(folder), rest),
        _ => panic!("own or fjall, a folder, and what to do"),
    }
}

fn run<F: Form>(folder: &Path, words: &[&str]) {
    let number = |at: usize| words[at].parse::<u64>().expect("a number");
    match words[0] {
        "rate" => rate::<F>(folder, number(1) as usize, number(2) as usize, Duration::from_secs(number(3))),
        "threads" => threads::<F>(folder, number(1) as usize, number(2) as usize, Duration::from_secs(number(3))),
        "fill" => fill::<F>(folder, number(1), number(2) as usize),
        "recover" => recover::<F>(folder),
        "drain" => drain::<F>(folder),
        other => panic!("unknown: {other}"),
    }
}

/// Publishers with one message each: as soon as a message is settled, its publisher sends the next. One thread plays them all.
fn rate<F: Form>(folder: &Path, waiting: usize, payload_bytes: usize, long: Duration) {
    let (form, found) = F::open(folder, 1..=QUEUES);
    assert!(found.is_empty(), "a new folder");
    let payload = Bytes::from(vec![b'x'; payload_bytes]);
    let before = Before::of(&form);
    let (mut sent, mut times, mut next) = (VecDeque::with_capacity(waiting), Vec::new(), 0);
    while before.begin.elapsed() < long {
        while sent.len() < waiting {
            next += 1;
            sent.push_back((form.message(next, 1 + next % QUEUES, &payload), Instant::now()));
        }
        form.wait(sent.front().map_or(0, |(position, _)| *position));
        let now = Instant::now();
        while let Some((_, at)) = sent.pop_front_if(|(position, _)| form.is_settled(*position)) {
            times.push(micros(now - at));
        }
    }
    before.say(&form, times);
    form.close();
}

/// The same, each publisher a thread that is woken for its acknowledgement.
fn threads<F: Form>(folder: &Path, waiting: usize, payload_bytes: usize, long: Duration) {
    let (form, found) = F::open(folder, 1..=QUEUES);
    assert!(found.is_empty(), "a new folder");
    let payload = Bytes::from(vec![b'x'; payload_bytes]);
    let before = Before::of(&form);
    let next = AtomicU64::new(0);
    let publish = || {
        let mut times = Vec::new();
        while before.begin.elapsed() < long {
            let (id, at) = (next.fetch_add(1, Ordering::Relaxed) + 1, Instant::now());
            form.wait(form.message(id, 1 + id % QUEUES, &payload));
            times.push(micros(at.elapsed()));
        }
        times
    };
    let times = std::thread::scope(|scope| {
        let all: Vec<_> = (0..waiting).map(|_| scope.spawn(publish)).collect();
        all.into_iter().flat_map(|one| one.join().expect("no publisher panics")).collect()
    });
    before.say(&form, times);
    form.close();
}

/// Where a measurement began.
struct Before {
    begin: Instant,
    cpu: f64,
    syncs: u64,
}

impl Before {
    fn of(form: &impl Form) -> Self {
        Self { begin: Instant::now(), cpu: cpu(), syncs: form.syncs() }
    }

    /// Prints what was measured since; `times` are of each message, in microseconds.
    fn say(&self, form: &impl Form, mut times: Vec<u64>) {
        let (seconds, messages) = (self.begin.elapsed().as_secs_f64(), times.len());
        let (cpu, syncs) = (cpu() - self.cpu, form.syncs() - self.syncs);
        times.sort_unstable();
        println!(
            r#"{{"messages_per_s": {:.0}, "cpu_us": {:.2}, "messages_per_sync": {:.1}, "syncs": {syncs}, "p50_us": {}, "p99_us": {}, "longest_us": {}}}"#,
            messages as f64 / seconds,
            cpu / messages as f64 * 1e6,
            messages as f64 / syncs as f64,
            times[messages / 2],
            times[messages * 99 / 100],
            times[messages - 1],
        );
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Messages that stay.
fn fill<F: Form>(folder: &Path, messages: u64, payload_bytes: usize) {
    let (form, _) = F::open(folder, 1..=QUEUES);
    let payload = Bytes::from(vec![b'x'; payload_bytes]);
    let (begin, cpu) = (Instant::now(), cpu());
    let last = (1..=messages).map(|id| form.message(id, 1 + id % QUEUES, &payload)).max();
    form.wait(last.unwrap_or(0));
    let (seconds, cpu) = (begin.elapsed().as_secs_f64(), self::cpu() - cpu);
    form.close();
    println!(
        r#"{{"seconds": {seconds:.2}, "cpu_us": {:.2}, "space_mib": {:.0}}}"#,
        cpu / messages as f64 * 1e6,
        space_mib(folder)
    );
}

/// From a closed folder to every waiting message in memory.
fn recover<F: Form>(folder: &Path) {
    let (begin, cpu) = (Instant::now(), cpu());
    let (form, found) = F::open(folder, 1..=QUEUES);
    let (seconds, cpu) = (begin.elapsed().as_secs_f64(), self::cpu() - cpu);
    let bytes: usize = found.iter().map(|one| one.bytes).sum();
    println!(r#"{{"messages": {}, "bytes": {bytes}, "seconds": {seconds:.2}, "cpu_s": {cpu:.2}}}"#, found.len());
    form.close();
}

/// Every client takes its queue, `WINDOW` messages at a time; then the space that is left.
fn drain<F: Form>(folder: &Path) {
    let (form, found) = F::open(folder, 1..=QUEUES);
    let messages = found.len();
    let mut queues = vec![Vec::new(); QUEUES as usize];
    for one in found {
        queues[one.queue as usize - 1].push(one.id);
    }
    let (begin, cpu, mut last) = (Instant::now(), cpu(), 0);
    let longest = queues.iter().map(Vec::len).max().unwrap_or(0);
    for from in (0..longest).step_by(WINDOW) {
        for (queue, ids) in queues.iter().enumerate() {
            let window = &ids[from.min(ids.len())..ids.len().min(from + WINDOW)];
            for (packet, id) in window.iter().enumerate() {
                form.in_flight(1 + queue as u64, packet as u16 + 1, *id);
            }
            for (packet, id) in window.iter().enumerate() {
                last = form.acknowledged(1 + queue as u64, packet as u16 + 1, *id);
            }
        }
    }
    form.wait(last);
    let (seconds, cpu) = (begin.elapsed().as_secs_f64(), self::cpu() - cpu);
    let at_once = space_mib(folder);
    std::thread::sleep(SPACE_WAIT);
    let later = space_mib(folder);
    form.close();
    println!(
        r#"{{"messages": {messages}, "messages_per_s": {:.0}, "cpu_us": {:.2}, "space_mib": {at_once:.0}, "space_mib_later": {later:.0}, "space_mib_closed": {:.0}}}"#,
        messages as f64 / seconds,
        cpu / messages as f64 * 1e6,
        space_mib(folder)
    );
}

fn cpu() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// What all files below take of the disk.
fn space_mib(folder: &Path) -> f64 {
    let entries = fs::read_dir(folder).expect("a folder").filter_map(Result::ok);
    entries
        .map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => space_mib(&entry.path()),
            _ => entry.metadata().map_or(0.0, |found| found.blocks() as f64 * 512.0 / f64::from(1 << 20)),
        })
        .sum()
}
