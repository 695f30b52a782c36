//! What the log costs: an append without the disk, a start with a million messages, promises a second on a real folder.
//!
//! On two cores that are shared with other work, the disk as well:
//! - An append: 300 to 440 ns (four runs); the target is 1 us.
//! - A start: 1.06 to 1.22 s (two runs; before: 1.4 to 1.9 s with the messages in a hash table and a buffer for each segment); the
//!   target is 2 s.
//! - Synced messages a second, each thread waiting for each of its own, while the disk was quiet: 8,500 by 1 thread (6,100
//!   without zeros ahead), 38,000 by 8, 175,000 by 64, 203,000 by 512. While others synced as well: 600, 13,000, 123,000,
//!   83,000.
//!
//! `cargo bench -p sluice-store --bench log`. The folder is in the build's folder, so that it is on a disk and not in memory.
#![allow(clippy::unwrap_used, reason = "a bench fails by panicking")]

use std::{
    borrow::Cow,
    hint::black_box,
    io,
    path::Path,
    sync::Arc,
    thread::{self, Thread},
    time::{Duration, Instant},
};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sluice_codec::PublishFrame;
use sluice_model::{Principal, Qos, UnixMs};
use sluice_policy::Credential;
use sluice_store::log::{
    Disk, DiskFile, EmbeddedLog, Log, LogOptions, MessageId, Need, QueueId, RealDisk, Receiver, Record, SessionRecord,
    StoredCaller, StoredMessage, Ticket, Waiter, Way,
};

const PAYLOAD_BYTES: usize = 160;

/// A disk that takes everything at once and keeps nothing.
#[derive(Debug)]
struct NoDisk;
impl Disk for NoDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(Vec::new())
    }
    fn create(&self, _name: &str) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(Self))
    }
    fn open(&self, _name: &str) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(Self))
    }
    fn read(&self, _name: &str, _offset: u64, _bytes_max: usize) -> io::Result<Vec<u8>> {
        Ok(Vec::new())
    }
    fn read_whole(&self, _name: &str, into: &mut Vec<u8>) -> io::Result<()> {
        into.clear();
        Ok(())
    }
    fn rename(&self, _from: &str, _to: &str) -> io::Result<()> {
        Ok(())
    }
    fn remove(&self, _name: &str) -> io::Result<()> {
        Ok(())
    }
    fn sync_dir(&self) -> io::Result<()> {
        Ok(())
    }
    fn free_bytes(&self) -> io::Result<u64> {
        Ok(u64::MAX)
    }
}
impl DiskFile for NoDisk {
    fn write_at(&mut self, _offset: u64, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }
    fn sync_data(&mut self) -> io::Result<()> {
        Ok(())
    }
    fn set_len(&mut self, _bytes: u64) -> io::Result<()> {
        Ok(())
    }
}

/// Wakes a thread.
struct Wakes(Thread);
impl Waiter for Wakes {
    fn settled(&self) {
        self.0.unpark();
    }
}

fn wait(log: &EmbeddedLog, ticket: Ticket) {
    if !log.is_settled(ticket) {
        log.notify(ticket, Arc::new(Wakes(thread::current())));
        while !log.is_settled(ticket) {
            thread::park();
        }
    }
}

fn caller() -> StoredCaller {
    StoredCaller {
        principal: Principal::Account(sluice_testkit::account(1)),
        credential: Credential::AccessKey("LTAI0123456789abcdefghij".parse().unwrap()),
        source_ip: Some([127, 0, 0, 1].into()),
        secure_transport: false,
        mfa_present: None,
    }
}

fn session() -> Record<'static> {
    Record::Session(Cow::Owned(SessionRecord {
        session: QueueId(1),
        account: sluice_testkit::account(1),
        instance: "post-cn-bench".parse().unwrap(),
        client: "GID_Bench@@@1".parse().unwrap(),
        owner: caller(),
        version: sluice_codec::Version::V5,
        connected: UnixMs(1),
        expiry_s: u32::MAX,
        will: None,
    }))
}

fn message() -> StoredMessage<'static> {
    let payload = vec![7; PAYLOAD_BYTES].into();
    let to = QueueId(1);
    let receiver =
        Receiver { queue: to, qos: Qos::AtLeastOnce, retain: false, way: Way::Subscribed, identifiers: Vec::new() };
    StoredMessage {
        id: MessageId(0),
        account: sluice_testkit::account(1),
        instance: Cow::Owned("post-cn-bench".parse().unwrap()),
        frame: Cow::Owned(PublishFrame::kept("bench/topic/1".parse().unwrap(), payload, bytes::Bytes::new(), None)),
        qos: Qos::AtLeastOnce,
        retain: false,
        accepted: UnixMs(1_700_000_000_000),
        publisher: Cow::Owned(caller()),
        is_sent_by_operation: false,
        publisher_session: Some(QueueId(1)),
        cause: None,
        receivers: Cow::Owned(vec![receiver]),
    }
}

/// Appends so many messages from a number on; their content is the same.
fn append(log: &EmbeddedLog, record: &mut Record<'_>, from: u64, count: u64, need: Need) -> Option<Ticket> {
    let mut last = None;
    for number in from..from + count {
        if let Record::Message(message) = record {
            message.id = MessageId(number);
        }
        // Full while the writer is behind.
        last = loop {
            match log.append(record, need) {
                Ok(ticket) => break Some(ticket),
                Err(_) => thread::yield_now(),
            }
        };
    }
    last
}

fn appending(criterion: &mut Criterion) {
    let (log, _) = EmbeddedLog::open(Arc::new(NoDisk), LogOptions::default()).unwrap();
    log.append(&session(), Need::Later).unwrap();
    let mut record = Record::Message(message());
    let mut next = 1;
    criterion.bench_function("append of a message of 160 bytes to one receiver", |bencher| {
        bencher.iter_custom(|iterations| {
            let mut taken = Duration::ZERO;
            let mut left = iterations;
            while left > 0 {
                let count = left.min(1000);
                let begun = Instant::now();
                append(&log, &mut record, next, count, Need::Later);
                taken += begun.elapsed();
                for number in next..next + count {
                    log.forget(MessageId(number));
                }
                next += count;
                left -= count;
            }
            taken
        });
    });
}

fn filled(folder: &Path, messages: u64) {
    let disk = Arc::new(RealDisk::new(folder).unwrap());
    let (log, _) = EmbeddedLog::open(disk, LogOptions::default()).unwrap();
    log.append(&session(), Need::Later).unwrap();
    append(&log, &mut Record::Message(message()), 1, messages, Need::Later);
    log.close();
}

fn recovering(criterion: &mut Criterion) {
    const MESSAGES: u64 = 1_000_000;
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    filled(folder.path(), MESSAGES);
    let mut group = criterion.benchmark_group("start");
    group.sample_size(10).throughput(Throughput::Elements(MESSAGES));
    group.bench_function("with 1,000,000 messages of 160 bytes", |bencher| {
        bencher.iter_custom(|iterations| {
            let mut taken = Duration::ZERO;
            for _ in 0..iterations {
                let disk = Arc::new(RealDisk::new(folder.path()).unwrap());
                let begun = Instant::now();
                let (log, found) = EmbeddedLog::open(disk, LogOptions::default()).unwrap();
                taken += begun.elapsed();
                assert_eq!(found.messages.len() as u64, MESSAGES);
                drop(black_box(found));
                drop(log);
            }
            taken
        });
    });
    group.finish();
}

fn promising(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("synced messages of 160 bytes");
    group.sample_size(10).measurement_time(Duration::from_secs(4));
    for threads in [1, 8, 64, 512] {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let disk = Arc::new(RealDisk::new(folder.path()).unwrap());
        let (log, _) = EmbeddedLog::open(disk, LogOptions::default()).unwrap();
        log.append(&session(), Need::Later).unwrap();
        let mut next = 1;
        group.throughput(Throughput::Elements(threads));
        group.bench_function(BenchmarkId::new("threads that wait for each", threads), |bencher| {
            bencher.iter_custom(|iterations| {
                let begun = Instant::now();
                thread::scope(|scope| {
                    for thread in 0..threads {
                        let log = &log;
                        let from = next + thread * iterations;
                        scope.spawn(move || {
                            let mut record = Record::Message(message());
                            for number in from..from + iterations {
                                let ticket = append(log, &mut record, number, 1, Need::Synced);
                                wait(log, ticket.unwrap());
                                log.forget(MessageId(number));
                            }
                        });
                    }
                });
                next += threads * iterations;
                begun.elapsed()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, appending, recovering, promising);
criterion_main!(benches);
