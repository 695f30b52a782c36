//! Dates as RAM writes them.

use sluice_model::UnixMs;

/// `2015-01-23T12:33:18Z`: UTC, whole seconds. Source: facts/ram.md section 3.1.
pub(crate) fn date(at: UnixMs) -> String {
    jiff::Timestamp::from_second(at.0.div_euclid(1000)).unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_have_whole_seconds() {
        assert_eq!(date(UnixMs(1_422_016_398_999)), "2015-01-23T12:33:18Z");
        assert_eq!(date(UnixMs(i64::MAX)), "1970-01-01T00:00:00Z");
    }
}
