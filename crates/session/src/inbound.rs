//! QoS 2 messages from the client that it has not released. Source: MQTT 5.0 section 4.3.3, method B: a message is routed
//! when its PUBLISH comes, and its identifier is remembered until PUBREL. DESIGN section 2, QoS 2.

/// Identifiers of messages that were routed and not released; nothing is held until the first.
#[derive(Debug, Default)]
pub(crate) struct Inbound(Vec<u16>);

impl Inbound {
    /// What was remembered before.
    pub(crate) fn kept(ids: Vec<u16>) -> Self {
        Self(ids)
    }

    pub(crate) fn holds(&self, id: u16) -> bool {
        self.0.contains(&id)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Remembers a message that was routed.
    pub(crate) fn remember(&mut self, id: u16) {
        if !self.holds(id) {
            self.0.push(id);
        }
    }

    /// Forgets a released message; whether it was known.
    pub(crate) fn release(&mut self, id: u16) -> bool {
        let Some(place) = self.0.iter().position(|held| *held == id) else { return false };
        self.0.swap_remove(place);
        if self.0.is_empty() {
            // An idle client holds nothing.
            self.0 = Vec::new();
        }
        true
    }
}
