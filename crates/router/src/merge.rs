//! Overlapping subscriptions of one subscriber, made one.

use std::num::NonZeroU32;

use sluice_model::Qos;
use smallvec::SmallVec;

use crate::{
    SubscriberId,
    subscribers::{Entry, Packed},
};

/// The subscriptions of one subscriber that match one topic, as one. DESIGN section 2: overlapping subscriptions of a
/// client give one message with all their identifiers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// The highest granted QoS. [MQTT-3.3.4-2]
    pub qos: Qos,
    /// Whether any of them keeps the retain flag.
    pub retain_as_published: bool,
    /// All their identifiers, ascending, each once. [MQTT-3.3.4-4]
    pub ids: SmallVec<[u32; 4]>,
}

/// Calls `found` for each subscriber of hits in the order of subscribers, unless all of its own are `no_local` and it is
/// the publisher.
pub(crate) fn each_merged(
    hits: &[Entry],
    publisher: Option<SubscriberId>,
    mut found: impl FnMut(SubscriberId, &Merged),
) {
    for same in hits.chunk_by(|a, b| a.0 == b.0) {
        let subscriber = same[0].0;
        if let Some(merged) = merge(same, publisher == Some(subscriber)) {
            found(subscriber, &merged);
        }
    }
}

/// One subscriber's hits as one; `None` when every one is `no_local` and the subscriber is the publisher.
pub(crate) fn merge(hits: &[Entry], own: bool) -> Option<Merged> {
    let mut wanted = hits.iter().map(|hit| hit.1).filter(|o: &Packed| !(own && o.no_local));
    let first = wanted.next()?;
    let mut merged = Merged {
        qos: first.qos,
        retain_as_published: first.retain_as_published,
        ids: first.id.iter().map(|id| id.get()).collect(),
    };
    for other in wanted {
        merged.qos = merged.qos.max(other.qos);
        merged.retain_as_published |= other.retain_as_published;
        merged.ids.extend(other.id.map(NonZeroU32::get));
    }
    merged.ids.sort_unstable();
    merged.ids.dedup();
    Some(merged)
}
