//! In a real folder: what is appended is there when it is opened again.

use std::{path::Path, sync::Arc};

use sluice_model::UnixMs;
use sluice_store::log::{Cause, EmbeddedLog, Log, LogOptions, MessageId, Need, QueueId, RealDisk, Record, Recovered};

use crate::support::{in_flight, message, receiver, session, wait};

fn open(folder: &Path) -> (Arc<EmbeddedLog>, Recovered) {
    let disk = RealDisk::new(&folder.join("log")).expect("a folder");
    EmbeddedLog::open(Arc::new(disk), LogOptions::default()).expect("a log")
}

#[test]
fn what_was_synced_is_there_when_the_folder_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let (log, nothing) = open(folder.path());
    assert!(nothing.sessions.is_empty() && nothing.messages.is_empty() && nothing.latest.is_none());
    for number in [1, 2] {
        log.append(&session(number), Need::Synced).unwrap();
    }
    let cause = Cause::ExactlyOnce { session: QueueId(2), id: 9 };
    for (number, queues, cause) in [(1, &[1, 2][..], None), (2, &[1], Some(cause)), (3, &[0, 7], None), (4, &[1], None)]
    {
        log.append(&message(number, queues, cause), Need::Synced).unwrap();
    }
    for record in [in_flight(1, 5, 2), in_flight(1, 4, 1), Record::Acknowledged { session: QueueId(1), id: 5 }] {
        log.append(&record, Need::Later).unwrap();
    }
    let ticket = log.append(&session(1), Need::Synced).unwrap();
    wait(&log, ticket);
    assert_eq!(log.figures().messages, 3);
    log.close();
    assert!(log.append(&session(3), Need::Later).is_err());

    let (again, found) = open(folder.path());
    assert_eq!((found.last_queue, found.last_message, found.latest), (7, 4, Some(UnixMs(2000))));
    let numbers: Vec<_> = found.messages.iter().map(|it| it.message.id.0).collect();
    assert_eq!(numbers, [1, 3, 4]);
    let waiting: Vec<Vec<u64>> =
        found.messages.iter().map(|it| it.message.receivers.iter().map(|to| to.queue.0).collect()).collect();
    assert_eq!(waiting, [vec![2], vec![0], vec![1]]);
    let first = &found.sessions[0];
    assert_eq!((first.in_flight.len(), first.in_flight[0].id), (1, 4));
    assert_eq!(first.in_flight[0].message, Some((MessageId(1), receiver(1))));
    assert_eq!(found.sessions[1].remembered, [9]);
    assert_eq!(again.figures().damaged, 0);
}

#[test]
fn a_waiter_of_many_threads_is_told_each() {
    let folder = tempfile::tempdir().unwrap();
    let (log, _) = open(folder.path());
    log.append(&session(1), Need::Later).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let log = &log;
            scope.spawn(move || {
                for turn in 0..50 {
                    let need = if turn % 2 == 0 { Need::Synced } else { Need::Written };
                    let ticket = log.append(&message(1 + thread * 50 + turn, &[1], None), need).unwrap();
                    wait(log, ticket);
                }
            });
        }
    });
    let figures = log.figures();
    assert_eq!(figures.messages, 400);
    assert!(figures.syncs <= 400 + 10, "{figures:?}");
    log.close();
    assert_eq!(open(folder.path()).1.messages.len(), 400);
}
