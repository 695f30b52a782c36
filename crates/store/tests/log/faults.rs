//! Disks that are full, cannot be written, lose syncs, have torn ends and flipped bits.

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use sluice_codec::PublishFrame;
use sluice_store::log::{
    EmbeddedLog, Log, LogFault, LogOpenError, LogOptions, MessageId, Need, QueueId, Record, Recovered, Ticket, Waiter,
};
use sluice_testkit::FaultDisk;

use crate::support::{in_flight, message, session, wait};

const SMALL: LogOptions = LogOptions { segment_bytes: 4096, reserve_bytes: 0, buffer_bytes_max: 4096 };
/// How long what happens by itself may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Default)]
struct Counted(AtomicU64);
impl Waiter for Counted {
    fn settled(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "not in time: {what}");
        thread::yield_now();
    }
}

fn open(disk: &FaultDisk, options: LogOptions) -> (Arc<EmbeddedLog>, Recovered) {
    EmbeddedLog::open(Arc::new(disk.clone()), options).unwrap()
}

fn numbers(recovered: &Recovered) -> Vec<u64> {
    recovered.messages.iter().map(|it| it.message.id.0).collect()
}

/// A log with a session 1 and messages for it, each synced by itself, and the name of their segment.
fn with_messages(disk: &FaultDisk, count: u64) -> (Arc<EmbeddedLog>, String) {
    let (log, _) = open(disk, LogOptions { segment_bytes: 1 << 20, ..SMALL });
    wait(&log, log.append(&session(1), Need::Synced).unwrap());
    for number in 1..=count {
        wait(&log, log.append(&message(number, &[1], None), Need::Synced).unwrap());
    }
    (log, disk.names().last().cloned().unwrap())
}

/// Where the payload of the nth message is in a file.
fn payload_of(disk: &FaultDisk, file: &str, nth: usize) -> usize {
    let content = disk.content(file);
    let payload = [7; 100];
    let mut places = (0..=content.len() - 100).filter(|at| content[*at..at + 100] == payload);
    places.nth(nth).unwrap()
}

#[test]
fn a_full_disk_refuses_what_has_a_need_and_recovers_by_itself() {
    let disk = FaultDisk::new();
    let (log, _) = open(&disk, SMALL);
    wait(&log, log.append(&session(1), Need::Synced).unwrap());
    disk.set_space(Some(300));
    let told = Arc::new(Counted::default());
    let mut taken = 0;
    until("the disk is full", || match log.append(&message(taken + 1, &[1], None), Need::Synced) {
        Ok(ticket) => {
            taken += 1;
            log.notify(ticket, Arc::clone(&told) as Arc<dyn Waiter>);
            false
        }
        Err(fault) => fault == LogFault::Full,
    });
    until("the fault is told", || log.fault() == Some(LogFault::Full));
    assert!(log.append(&message(1000, &[1], None), Need::Written).is_err());
    log.append(&Record::Dropped { queue: QueueId(1), message: MessageId(1) }, Need::Later).unwrap();
    let before = told.0.load(Ordering::SeqCst);
    assert!(before < taken, "{before} of {taken} were acknowledged without space");
    disk.set_space(None);
    until("it is written", || told.0.load(Ordering::SeqCst) == taken);
    until("the fault is over", || log.fault().is_none());
    wait(&log, log.append(&message(2000, &[1], None), Need::Synced).unwrap());
    let (_, found) = open(&disk.power_cut(1), SMALL);
    assert_eq!(numbers(&found), (2..=taken).chain([2000]).collect::<Vec<_>>());
}

#[test]
fn records_are_refused_before_the_last_space_is_gone() {
    let disk = FaultDisk::new();
    disk.set_space(Some(100_000));
    let (log, _) = open(&disk, LogOptions { reserve_bytes: 99_000, ..SMALL });
    wait(&log, log.append(&session(1), Need::Synced).unwrap());
    let mut number = 0;
    until("space is low", || {
        number += 1;
        log.append(&message(number, &[1], None), Need::Synced) == Err(LogFault::Full)
    });
    assert!(disk.content(&disk.names()[0]).len() < 6000, "the rest is for others");
    disk.set_space(Some(1 << 30));
    until("there is space again", || log.fault().is_none());
}

#[test]
fn a_read_only_folder_refuses_and_recovers_by_itself() {
    let disk = FaultDisk::new();
    let (log, _) = open(&disk, SMALL);
    wait(&log, log.append(&session(1), Need::Synced).unwrap());
    disk.set_read_only(true);
    let ticket = log.append(&message(1, &[1], None), Need::Synced).unwrap();
    until("the fault is told", || log.fault() == Some(LogFault::ReadOnly));
    assert!(!log.is_settled(ticket));
    assert_eq!(log.append(&message(2, &[1], None), Need::Synced), Err(LogFault::ReadOnly));
    disk.set_read_only(false);
    wait(&log, ticket);
    until("the fault is over", || log.fault().is_none());
}

#[test]
fn a_failed_sync_breaks_the_log_for_good() {
    let disk = FaultDisk::new();
    let (log, _) = open(&disk, SMALL);
    wait(&log, log.append(&session(1), Need::Synced).unwrap());
    disk.fail_sync_after(0);
    let told = Arc::new(Counted::default());
    let ticket = log.append(&message(1, &[1], None), Need::Synced).unwrap();
    log.notify(ticket, Arc::clone(&told) as Arc<dyn Waiter>);
    until("the waiter is told", || told.0.load(Ordering::SeqCst) == 1);
    // The next sync of this disk succeeds, and means nothing.
    assert_eq!((log.fault(), log.is_settled(ticket)), (Some(LogFault::Broken), false));
    for need in [Need::Later, Need::Synced] {
        assert_eq!(log.append(&message(2, &[1], None), need), Err(LogFault::Broken));
    }
    log.notify(ticket, Arc::clone(&told) as Arc<dyn Waiter>);
    assert_eq!(told.0.load(Ordering::SeqCst), 2, "who comes later is told at once");
    log.close();
    let (log, found) = open(&disk.power_cut(0), SMALL);
    assert_eq!((found.sessions.len(), log.fault()), (1, None), "what was synced before is there");
}

#[test]
fn while_a_sync_lasts_the_next_batch_forms_and_needs_one() {
    let disk = FaultDisk::new();
    let (log, _) = open(&disk, LogOptions { buffer_bytes_max: 1 << 20, ..LogOptions::default() });
    wait(&log, log.append(&session(1), Need::Synced).unwrap());
    disk.set_paused(true);
    let told = Arc::new(Counted::default());
    for number in 1..=1000 {
        let ticket = log.append(&message(number, &[1], None), Need::Synced).unwrap();
        log.notify(ticket, Arc::clone(&told) as Arc<dyn Waiter>);
    }
    let before = disk.syncs();
    disk.set_paused(false);
    until("all are told", || told.0.load(Ordering::SeqCst) == 1000);
    let syncs = disk.syncs() - before;
    assert!(syncs <= 2, "{syncs} syncs");
}

#[test]
fn what_waits_to_be_written_is_bounded() {
    let disk = FaultDisk::new();
    let (log, _) = open(&disk, SMALL);
    wait(&log, log.append(&session(1), Need::Synced).unwrap());
    disk.set_paused(true);
    let mut number = 0;
    let mut last = None;
    let mut fill = |need: Need| loop {
        number += 1;
        match log.append(&message(number, &[1], None), need) {
            Ok(ticket) => last = Some(ticket),
            Err(fault) => return (fault, number),
        }
    };
    // One batch may be with the writer.
    assert_eq!(fill(Need::Synced).0, LogFault::Full);
    let (fault, number) = fill(Need::Later);
    assert_eq!(fault, LogFault::Full);
    assert!((30..150).contains(&number), "{number} messages in twice 4 KiB and a batch");
    disk.set_paused(false);
    let ticket = Ticket { need: Need::Synced, ..last.unwrap() };
    until("what was taken is written", || log.is_settled(ticket));
    log.append(&message(1000, &[1], None), Need::Synced).unwrap();
}

#[test]
fn what_needs_nothing_is_synced_soon_all_the_same() {
    let disk = FaultDisk::new();
    let (log, _) = open(&disk, SMALL);
    for need in [Need::Later, Need::Written] {
        let ticket = log.append(&session(1), need).unwrap();
        until("it is synced", || log.is_settled(Ticket { need: Need::Synced, ..ticket }));
    }
}

#[test]
fn a_torn_last_record_is_cut_off() {
    for bytes in [1, 13, 90] {
        let disk = FaultDisk::new();
        let (_log, file) = with_messages(&disk, 3);
        let disk = disk.kill();
        let mut content = disk.content(&file);
        let end = payload_of(&disk, &file, 2) + 100;
        content.truncate(end - bytes);
        // The file was longer: the disk had the length, not the content.
        content.resize(end + 600, 0);
        disk.put(&file, content);
        let (log, found) = open(&disk, SMALL);
        assert_eq!((numbers(&found), log.figures().damaged), (vec![1, 2], 0));
        assert!(disk.content(&file).len() < end - 100, "the torn record is not read again");
        wait(&log, log.append(&message(4, &[1], None), Need::Synced).unwrap());
        assert_eq!(numbers(&open(&disk.power_cut(3), SMALL).1), [1, 2, 4]);
    }
}

/// What `tracing` was told.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<u8>>>);
impl io::Write for Told {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn open_and_listen(disk: &FaultDisk) -> (Arc<EmbeddedLog>, Recovered, String) {
    let told = Told::default();
    let writer = told.clone();
    let listener = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let (log, found) = tracing::subscriber::with_default(listener, || open(disk, SMALL));
    let text = String::from_utf8(told.0.lock().unwrap().clone()).unwrap();
    (log, found, text)
}

#[test]
fn a_flipped_bit_costs_its_record_and_is_named() {
    // In the payload, in the frame's length, in the frame's check; 44 bytes stand between the frame and a payload or more.
    let disk = FaultDisk::new();
    let (log, file) = with_messages(&disk, 3);
    log.close();
    let content = disk.content(&file);
    let second = payload_of(&disk, &file, 1);
    let first_end = payload_of(&disk, &file, 0) + 100;
    for at in [second + 50, first_end, second - 20] {
        let disk = FaultDisk::new();
        disk.put(&file, content.clone());
        disk.flip_bit(&file, at, 3);
        for _ in 0..2 {
            let (log, found, told) = open_and_listen(&disk);
            if at == first_end {
                // The mark in front of the record was hit, and no message.
                assert_eq!((numbers(&found), log.figures().damaged), (vec![1, 2, 3], 1));
            } else {
                assert_eq!((numbers(&found), log.figures().damaged), (vec![1, 3], 1), "{at}");
            }
            assert!(told.contains(&format!("file=\"{file}\" offset=")) && told.contains(" length="), "{told}");
        }
    }
}

#[test]
fn a_flipped_bit_in_a_header_costs_nothing_and_two_cost_the_segment() {
    let disk = FaultDisk::new();
    let (log, file) = with_messages(&disk, 2);
    log.close();
    let (log, _) = open(&disk, SMALL);
    wait(&log, log.append(&session(2), Need::Synced).unwrap());
    log.close();
    for at in [0, 9, 25, 40, 63] {
        let disk = disk.copy();
        disk.flip_bit(&file, at, 0);
        let (log, found) = open(&disk, SMALL);
        assert_eq!((numbers(&found), log.figures().damaged), (vec![1, 2], 0), "{at}");
    }
    let disk = disk.copy();
    disk.flip_bit(&file, 0, 0);
    disk.flip_bit(&file, 40, 0);
    let (log, found, told) = open_and_listen(&disk);
    assert_eq!((found.sessions.len(), found.messages.len(), log.figures().damaged), (1, 0, 1));
    assert!(told.contains(&format!("file=\"{file}\" offset=0")), "{told}");
    assert!(disk.names().contains(&format!("{file}.damaged")), "it is kept aside");
}

#[test]
fn a_later_format_is_refused_politely_and_left_alone() {
    let disk = FaultDisk::new();
    let (log, file) = with_messages(&disk, 2);
    log.close();
    let mut content = disk.content(&file);
    (content[8], content[40]) = (3, 3);
    disk.put(&file, content.clone());
    let why = EmbeddedLog::open(Arc::new(disk.clone()), SMALL).unwrap_err();
    assert!(matches!(why, LogOpenError::TooNew { found: 3, known: 2, .. }), "{why}");
    assert!(why.to_string().contains("format 3") && why.to_string().contains("please"), "{why}");
    assert_eq!((disk.names().len(), disk.content(&file)), (1, content));
}

#[test]
fn space_comes_back_when_messages_are_over() {
    let disk = FaultDisk::new();
    let (log, _) = open(&disk, LogOptions { buffer_bytes_max: 1 << 20, ..SMALL });
    log.append(&session(1), Need::Later).unwrap();
    for number in 1..=2000 {
        let id = (number % 60_000) as u16 + 1;
        log.append(&message(number, &[1], None), Need::Synced).unwrap();
        log.append(&in_flight(1, id, number), Need::Later).unwrap();
        // What is only written may be lost with the power at the end.
        let need = if number % 50 == 0 { Need::Synced } else { Need::Written };
        let ticket = log.append(&Record::Acknowledged { session: QueueId(1), id }, need).unwrap();
        if need == Need::Synced {
            wait(&log, ticket);
        }
    }
    until("the space is back", || log.figures().segment_bytes < 3 * 4096);
    assert_eq!(log.figures().messages, 0);
    until("the files are gone", || disk.names().len() <= 3);
    let (_, found) = open(&disk.power_cut(5), SMALL);
    assert_eq!((found.sessions.len(), found.messages.len(), found.last_message), (1, 0, 2000));
}

#[test]
fn a_record_that_is_larger_than_a_segment_has_one_of_its_own() {
    let disk = FaultDisk::new();
    let (log, _) = open(&disk, SMALL);
    log.append(&session(1), Need::Later).unwrap();
    for number in 1..=3 {
        let Record::Message(mut large) = message(number, &[1], None) else { panic!("a message") };
        let payload = vec![number as u8; 100_000].into();
        let topic = large.frame.topic().clone();
        large.frame = std::borrow::Cow::Owned(PublishFrame::kept(topic, payload, bytes::Bytes::new(), None));
        wait(&log, log.append(&Record::Message(large), Need::Synced).unwrap());
    }
    for number in [1, 2] {
        log.append(&Record::Dropped { queue: QueueId(1), message: MessageId(number) }, Need::Later).unwrap();
    }
    wait(&log, log.append(&message(4, &[1], None), Need::Synced).unwrap());
    until("two are cleaned away", || log.figures().segment_bytes < 150_000);
    let (_, found) = open(&disk.power_cut(9), SMALL);
    let payloads: Vec<_> = found.messages.iter().map(|it| it.message.frame.payload().len()).collect();
    assert_eq!((numbers(&found), payloads), (vec![3, 4], vec![100_000, 100]));
}

#[test]
fn many_starts_do_not_leave_many_files() {
    let mut disk = FaultDisk::new();
    for number in 1..=100 {
        let (log, _) = open(&disk, SMALL);
        wait(&log, log.append(&session(number), Need::Synced).unwrap());
        drop(log);
        disk = disk.power_cut(number);
    }
    let (log, found) = open(&disk, SMALL);
    assert_eq!(found.sessions.len(), 100);
    until("the oldest are joined", || disk.names().len() < 40);
    drop(log);
}

#[test]
fn a_copy_holds_what_was_appended_before_it() {
    let disk = FaultDisk::new();
    let (log, _) = open(&disk, LogOptions { buffer_bytes_max: 1 << 20, ..SMALL });
    log.append(&session(1), Need::Later).unwrap();
    let folder = tempfile::tempdir().unwrap();
    thread::scope(|scope| {
        for number in 1..=200 {
            log.append(&message(number, &[1], None), Need::Later).unwrap();
        }
        // Goes on while it is copied.
        let after = scope.spawn(|| {
            for number in 201..=400 {
                log.append(&message(number, &[1], None), Need::Later).unwrap();
            }
        });
        let copied = log.copy_into(folder.path()).unwrap();
        after.join().unwrap();
        assert!(copied.len() > 4, "{copied:?}");
        for it in &copied {
            let content = std::fs::read(folder.path().join(&it.name)).unwrap();
            assert_eq!(content.len() as u64, it.bytes);
        }
    });
    let copy = sluice_store::log::RealDisk::new(folder.path()).unwrap();
    let (again, found) = EmbeddedLog::open(Arc::new(copy), SMALL).unwrap();
    let numbers = numbers(&found);
    assert_eq!(again.figures().damaged, 0);
    assert!(numbers.len() >= 200 && numbers.iter().copied().eq(1..=numbers.len() as u64), "{numbers:?}");
    disk.set_read_only(true);
    log.append(&message(1000, &[1], None), Need::Later).unwrap();
    let other = tempfile::tempdir().unwrap();
    assert!(log.copy_into(other.path()).is_err(), "a segment that cannot be ended is not copied");
}
