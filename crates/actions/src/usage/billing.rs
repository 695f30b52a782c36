//! What the original would bill: messages weighted by what they cost it.

use sluice_store::UsageCounts;

/// Weight of a message by QoS 0, 1, 2. Source: facts/apsaramq-for-mqtt.md section 7.
const CLEAN: [u64; 3] = [1, 2, 5];
/// The same for a stored session. QoS 2 there is ours: the original does not serve it; it costs as QoS 1 does there.
const STORED: [u64; 3] = [1, 5, 5];
/// A message stored for a session that could not take it counts as one more push at QoS 1.
const STORED_PUSH: u64 = STORED[1];

/// The weighted messages of both directions, and the calls at one each: the sum, not the rate, so that parts add up to their
/// whole. Divided by the seconds of the hour it is the original's "messaging TPS".
pub(crate) fn billed(counts: &UsageCounts) -> u64 {
    let weighted = |messages: &[u64; 3], weights: &[u64; 3]| {
        let each = messages.iter().zip(weights).map(|(count, weight)| count.saturating_mul(*weight));
        each.fold(0, u64::saturating_add)
    };
    let parts = [
        weighted(&counts.in_clean, &CLEAN),
        weighted(&counts.in_stored, &STORED),
        weighted(&counts.out_clean, &CLEAN),
        weighted(&counts.out_stored, &STORED),
        counts.stored_pushes.saturating_mul(STORED_PUSH),
        counts.api_calls,
    ];
    parts.into_iter().fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_originals_example_comes_to_2800() {
        // 100 clients of clean sessions: each sends one message at QoS 0, two at 1, three at 2, and receives one of each.
        let counts = UsageCounts { in_clean: [100, 200, 300], out_clean: [100; 3], ..UsageCounts::default() };
        assert_eq!(billed(&counts), 2_800);
    }

    #[test]
    fn stored_sessions_and_calls_have_their_own_weights() {
        let only = |counts: UsageCounts| billed(&counts);
        assert_eq!(only(UsageCounts { out_stored: [1, 0, 0], ..UsageCounts::default() }), 1);
        assert_eq!(only(UsageCounts { out_stored: [0, 1, 0], ..UsageCounts::default() }), 5);
        assert_eq!(only(UsageCounts { in_stored: [0, 0, 1], ..UsageCounts::default() }), 5);
        assert_eq!(only(UsageCounts { stored_pushes: 1, ..UsageCounts::default() }), 5);
        assert_eq!(only(UsageCounts { api_calls: 7, bytes_in: 999, ..UsageCounts::default() }), 7);
        assert_eq!(only(UsageCounts { in_clean: [u64::MAX; 3], ..UsageCounts::default() }), u64::MAX);
    }
}
