//! QoS 1 messages to the client that it has not acknowledged. Source: MQTT 5.0 sections 3.3.4 and 4.9.

/// Packet identifiers in flight; nothing is held until the first.
#[derive(Debug, Default)]
pub(crate) struct Window {
    in_flight: Vec<u16>,
    last: u16,
}

impl Window {
    /// An identifier for the next message; `None` while `most` are unacknowledged.
    pub(crate) fn open(&mut self, most: u16) -> Option<u16> {
        if self.in_flight.len() >= usize::from(most) {
            return None;
        }
        // At most 100 are taken, so that a free one is near.
        loop {
            self.last = self.last.checked_add(1).unwrap_or(1);
            if !self.in_flight.contains(&self.last) {
                self.in_flight.push(self.last);
                return Some(self.last);
            }
        }
    }

    /// Takes an identifier back; whether it was in flight.
    pub(crate) fn close(&mut self, id: u16) -> bool {
        match self.in_flight.iter().position(|taken| *taken == id) {
            Some(place) => {
                self.in_flight.swap_remove(place);
                if self.in_flight.is_empty() {
                    // An idle client holds nothing.
                    self.in_flight = Vec::new();
                }
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_in_flight_are_never_given_twice() {
        let mut window = Window { in_flight: vec![1], last: u16::MAX };
        assert_eq!(window.open(2), Some(2));
        assert_eq!(window.open(2), None);
        assert!(window.close(1));
        assert!(!window.close(1));
        assert_eq!(window.open(2), Some(3));
    }
}
