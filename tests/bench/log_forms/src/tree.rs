//! fjall: a keyspace of messages by id, one of queue entries by queue and id, one of what is in flight, one of head cursors.
//!
//! Queues are read from their head cursor on, so that no reader walks over tombstones. Clear, ingestion and key-value separation
//! are not used.

use std::{collections::HashMap, ops::RangeInclusive, path::Path};

use bytes::Bytes;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use crate::{
    form::{Form, Found},
    group::{Group, Sink},
};

/// What the own form writes of a message beside its payload, of this message.
const MESSAGE_BYTES_MORE: usize = 90;

/// The database, open.
pub struct Tree(Group<Writer>);

#[derive(Clone)]
struct Writer {
    database: Database,
    messages: Keyspace,
    queues: Keyspace,
    in_flight: Keyspace,
    heads: Keyspace,
}

enum Record {
    Message { id: u64, queue: u64, body: Vec<u8> },
    InFlight { queue: u64, packet: u16, id: u64 },
    Acknowledged { queue: u64, packet: u16, id: u64 },
}

impl Form for Tree {
    fn open(folder: &Path, _: RangeInclusive<u64>) -> (Self, Vec<Found>) {
        let database = Database::builder(folder).manual_journal_persist(true).open().expect("a database");
        let keyspace = |name| {
            database
                .keyspace(name, || KeyspaceCreateOptions::default().manual_journal_persist(true))
                .expect("a keyspace")
        };
        let writer = Writer {
            messages: keyspace("messages"),
            queues: keyspace("queues"),
            in_flight: keyspace("in_flight"),
            heads: keyspace("heads"),
            database,
        };
        let found = writer.found();
        (Self(Group::new(writer)), found)
    }

    fn message(&self, id: u64, queue: u64, payload: &Bytes) -> u64 {
        let mut body = vec![b'x'; MESSAGE_BYTES_MORE];
        body.extend_from_slice(payload);
        self.0.add(true, |batch| batch.push(Record::Message { id, queue, body }))
    }

    fn in_flight(&self, queue: u64, packet: u16, id: u64) -> u64 {
        self.0.add(false, |batch| batch.push(Record::InFlight { queue, packet, id }))
    }

    fn acknowledged(&self, queue: u64, packet: u16, id: u64) -> u64 {
        self.0.add(false, |batch| batch.push(Record::Acknowledged { queue, packet, id }))
    }

    fn is_settled(&self, position: u64) -> bool {
        self.0.is_settled(position)
    }

    fn wait(&self, position: u64) {
        self.0.wait(position);
    }

    fn syncs(&self) -> u64 {
        self.0.syncs()
    }

    fn close(self) {
        drop(self.0.close());
    }
}

impl Sink for Writer {
    type Batch = Vec<Record>;

    fn write(&mut self, records: Vec<Record>, sync: bool) {
        let mut batch = self.database.batch();
        let mut heads = HashMap::new();
        for record in records {
            match record {
                Record::Message { id, queue, body } => {
                    batch.insert(&self.messages, id.to_be_bytes(), body);
                    batch.insert(&self.queues, pair(queue, &id.to_be_bytes()), []);
                }
                Record::InFlight { queue, packet, id } => {
                    batch.insert(&self.in_flight, pair(queue, &packet.to_be_bytes()), id.to_be_bytes());
                }
                Record::Acknowledged { queue, packet, id } => {
                    batch.remove(&self.in_flight, pair(queue, &packet.to_be_bytes()));
                    batch.remove(&self.queues, pair(queue, &id.to_be_bytes()));
                    batch.remove(&self.messages, id.to_be_bytes());
                    heads.insert(queue, id);
                }
            }
        }
        for (queue, id) in heads {
            batch.insert(&self.heads, queue.to_be_bytes(), id.to_be_bytes());
        }
        batch.commit().expect("a sound disk");
        if sync {
            self.database.persist(PersistMode::SyncData).expect("a sound disk");
        }
    }
}

impl Writer {
    /// Both trees read once, in their order: a point read for each entry would be slower.
    fn found(&self) -> Vec<Found> {
        let mut heads = HashMap::new();
        for guard in self.heads.iter() {
            let (queue, id) = guard.into_inner().expect("a sound disk");
            heads.insert(long(&queue), long(&id));
        }
        let mut queues = HashMap::new();
        for guard in self.queues.iter() {
            let entry = guard.key().expect("a sound disk");
            let (queue, id) = (long(&entry), long(&entry[8..]));
            if heads.get(&queue).is_none_or(|head| id > *head) {
                queues.insert(id, queue);
            }
        }
        let mut found = Vec::with_capacity(queues.len());
        for guard in self.messages.iter() {
            let (id, body) = guard.into_inner().expect("a sound disk");
            if let Some(queue) = queues.get(&long(&id)) {
                found.push(Found { id: long(&id), queue: *queue, bytes: body.to_vec().len() - MESSAGE_BYTES_MORE });
            }
        }
        found
    }
}

fn pair(queue: u64, rest: &[u8]) -> Vec<u8> {
    [&queue.to_be_bytes(), rest].concat()
}

fn long(bytes: &[u8]) -> u64 {
    u64::from_be_bytes(bytes[..8].try_into().expect("eight bytes"))
}
