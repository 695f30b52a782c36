//! Reads a folder: what the log held at its end.
//!
//! Twice: first only who waits for what, then those messages that somebody waits for, whole.

use std::{collections::BTreeMap, io};

use super::{
    Disk, LogOpenError, Recovered, RecoveredMessage, RecoveredSession,
    decode::{Entry, Names},
    disk::DiskFile,
    segment::{self, Found, HEADER_BYTES, Scan},
    state::{MessageHead, Place, State},
};

/// A folder that was read.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) state: State,
    /// Bytes of each segment.
    pub(super) segments: BTreeMap<u64, u64>,
    pub(super) next_segment: u64,
    pub(super) recovered: Recovered,
    pub(super) damaged: u64,
}

/// Refuses a folder in which a later version has written. Changes nothing.
pub(super) fn check_format(disk: &dyn Disk) -> Result<(), LogOpenError> {
    for name in disk.list()?.iter().filter(|name| segment::number(name).is_some()) {
        segment::read_header(name, &disk.read(name, 0, HEADER_BYTES as usize)?)?;
    }
    Ok(())
}

/// Reads all segments and cuts off what the last one has of a batch that was not written whole.
pub(super) fn open(disk: &dyn Disk) -> Result<Opened, LogOpenError> {
    let mut numbers: Vec<u64> = disk.list()?.iter().filter_map(|name| segment::number(name)).collect();
    numbers.sort_unstable();
    let mut reading = Reading { disk, state: State::reading(), segments: BTreeMap::new(), damaged: 0 };
    let mut bytes = Vec::new();
    for number in &numbers {
        reading.segment(*number, Some(number) == numbers.last(), &mut bytes)?;
    }
    reading.state.settle();
    let recovered = reading.recovered(&mut bytes)?;
    let Reading { state, segments, damaged, .. } = reading;
    Ok(Opened { state, segments, next_segment: numbers.last().map_or(1, |last| last + 1), recovered, damaged })
}

#[derive(Debug)]
struct Reading<'d> {
    disk: &'d dyn Disk,
    state: State,
    segments: BTreeMap<u64, u64>,
    damaged: u64,
}

impl Reading<'_> {
    fn segment(&mut self, number: u64, is_last: bool, bytes: &mut Vec<u8>) -> Result<(), LogOpenError> {
        let name = segment::name(number);
        self.disk.read_whole(&name, bytes)?;
        let bytes = bytes.as_slice();
        self.segments.insert(number, bytes.len() as u64);
        let Some(salt) = segment::read_header(&name, bytes)? else {
            let is_unwritten = bytes.iter().all(|byte| *byte == 0) || (bytes.len() as u64) < HEADER_BYTES;
            if is_last && is_unwritten {
                // Begun, and nothing was in it: a header is synced before a record is written behind it.
                self.disk.remove(&name)?;
            } else {
                // Kept aside, for whoever wants to look: cleaning would remove it.
                self.damage(&name, 0, bytes.len());
                self.disk.rename(&name, &format!("{name}.damaged"))?;
            }
            self.disk.sync_dir()?;
            self.segments.remove(&number);
            return Ok(());
        };
        let mut scan = Scan::new(bytes, salt);
        while let Some((at, found)) = scan.next() {
            match found {
                Found::Entry(entry, length) => self.entry(entry, number, length),
                Found::Damage(length) if !is_last || is_synced_behind(bytes, salt, at, scan.at) => {
                    self.damage(&name, at, length);
                }
                Found::Damage(length) => {
                    tracing::warn!(
                        file = name,
                        offset = at,
                        length,
                        "cut off what was not written whole when the server ended"
                    );
                    scan.at = at;
                    break;
                }
            }
        }
        if is_last {
            // What was written when the process was killed may not be on disk yet, and is believed from now on.
            let mut file = self.disk.open(&name)?;
            cut(&mut *file, scan.at, bytes.len())?;
            file.sync_data()?;
            self.disk.sync_dir()?;
            self.segments.insert(number, scan.at as u64);
        }
        Ok(())
    }

    fn entry(&mut self, entry: Entry<'_>, segment: u64, length: usize) {
        let place = Place { segment, bytes: u32::try_from(length).unwrap_or(u32::MAX) };
        match entry {
            Entry::Mark { .. } => {}
            Entry::Numbers { last_queue, last_message, latest } => self.state.numbers(last_queue, last_message, latest),
            Entry::Record(record) => self.state.apply(&record, place),
            Entry::Returned { session, id, message, receiver } => {
                self.state.waits_again(session, id, message, *receiver);
            }
            Entry::Session(whole) => self.state.whole_session(*whole, place),
            Entry::Message(view) => {
                let (id, account, instance) = (view.id, view.account, view.instance);
                let head = MessageHead { id, account, instance, accepted: view.accepted, cause: view.cause };
                // A receiver that cannot be read is one that no version writes: the checksum was right.
                let queues = view.receivers().map_while(Result::ok).map(|receiver| receiver.queue);
                self.state.message(&head, queues, place);
            }
        }
    }

    fn damage(&mut self, file: &str, offset: usize, length: usize) {
        self.damaged += 1;
        tracing::error!(
            file,
            offset,
            length,
            "the message log is damaged here; what stood there is lost, the rest is read"
        );
    }

    /// What is left, with the messages whole.
    fn recovered(&self, buffer: &mut Vec<u8>) -> Result<Recovered, LogOpenError> {
        let state = &self.state;
        let mut recovered = Recovered {
            sessions: Vec::new(),
            shares: Vec::new(),
            messages: Vec::new(),
            last_queue: state.last_queue,
            last_message: state.last_message,
            latest: state.latest,
        };
        for (record, it) in state.sessions() {
            recovered.sessions.push(RecoveredSession {
                record: record.clone(),
                left: it.left,
                subscriptions: it.subscriptions.values().cloned().collect(),
                in_flight: it.in_flight_in_order(),
                remembered: it.remembered.iter().copied().collect(),
            });
        }
        for it in state.shares() {
            let (instance, filter) = (it.instance.clone(), it.filter.clone());
            recovered.shares.push(super::RecoveredShare { share: it.share, account: it.account, instance, filter });
        }
        let mut names = Names::default();
        recovered.messages.reserve(usize::try_from(state.messages.count()).unwrap_or(0));
        for number in self.segments.keys() {
            if state.messages.live_in(*number).messages > 0 {
                self.disk.read_whole(&segment::name(*number), buffer)?;
                self.messages(*number, buffer, &mut names, &mut recovered.messages)?;
            }
        }
        recovered.messages.sort_by_key(|it| it.message.id);
        Ok(recovered)
    }

    fn messages(
        &self,
        number: u64,
        bytes: &[u8],
        names: &mut Names,
        messages: &mut Vec<RecoveredMessage>,
    ) -> Result<(), LogOpenError> {
        let name = segment::name(number);
        let Some(salt) = segment::read_header(&name, bytes)? else { return Ok(()) };
        let mut scan = Scan::new(bytes, salt);
        while let Some((at, found)) = scan.next() {
            let Found::Entry(Entry::Message(view), length) = found else { continue };
            let Some(known) = self.state.messages.get(view.id).filter(|it| it.segment() == number) else { continue };
            let Ok(mut message) = view.message(names) else {
                tracing::error!(file = name, offset = at, length, "a message of the log cannot be read");
                continue;
            };
            let receivers = message.receivers.to_mut();
            receivers.retain(|receiver| known.waits(receiver.queue.0));
            receivers.extend_from_slice(self.state.messages.returned_of(view.id));
            receivers.sort_by_key(|receiver| receiver.queue);
            message.cause = None;
            messages.push(RecoveredMessage { message });
        }
        Ok(())
    }
}

/// Whether a mark behind a damaged place says that it was synced: then it was whole once, and what follows counts.
fn is_synced_behind(bytes: &[u8], salt: u64, damaged: usize, from: usize) -> bool {
    let mut scan = Scan::new(bytes, salt);
    scan.at = from;
    std::iter::from_fn(|| scan.next()).any(|(_, found)| match found {
        Found::Entry(Entry::Mark { synced_to }, _) => synced_to > damaged as u64,
        _ => false,
    })
}

fn cut(file: &mut dyn DiskFile, at: usize, length: usize) -> io::Result<()> {
    if at < length { file.set_len(at as u64) } else { Ok(()) }
}
