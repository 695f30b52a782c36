//! Typed values of conditions, read the same way from a policy and from a request.

use std::{cmp::Ordering, net::IpAddr};

use ipnet::{IpNet, Ipv4Net};
use jiff::Timestamp;

/// A decimal number, exact: digits are compared, not rounded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Decimal {
    negative: bool,
    /// Without leading zeros.
    whole: String,
    /// Without trailing zeros.
    fraction: String,
}

impl Decimal {
    /// `-12.50`, `+3`; no exponent.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (negative, digits) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').map_or((digits, "0"), |parts| parts);
        let legal = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !legal(whole) || !legal(fraction) {
            return None;
        }
        let whole = whole.trim_start_matches('0').to_owned();
        let fraction = fraction.trim_end_matches('0').to_owned();
        let zero = whole.is_empty() && fraction.is_empty();
        Some(Self { negative: negative && !zero, whole, fraction })
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let size = |number: &Self| (number.whole.len(), number.whole.clone(), number.fraction.clone());
        match (self.negative, other.negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => size(self).cmp(&size(other)),
            (true, true) => size(other).cmp(&size(self)),
        }
    }
}
impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// An ISO 8601 instant with `Z` or an offset, `2019-08-12T17:00:00+08:00`, in Unix milliseconds. What else the parser
/// would take (blanks, zone names) is refused, so that no date means something only here.
pub(crate) fn parse_date(text: &str) -> Option<i64> {
    let plain =
        text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b':' | b'.' | b'T' | b'Z'));
    if !plain || text.as_bytes().get(10) != Some(&b'T') {
        return None;
    }
    text.parse::<Timestamp>().ok().map(Timestamp::as_millisecond)
}

/// An instant as `acs:CurrentTime` reads as text, in whole seconds.
pub(crate) fn date_text(unix_ms: i64) -> String {
    Timestamp::from_second(unix_ms.div_euclid(1000)).map_or_else(|_| String::new(), |instant| instant.to_string())
}

/// `true` or `false`.
pub(crate) fn parse_bool(text: &str) -> Option<bool> {
    text.parse().ok()
}

/// An address; an IPv4 address in its IPv6 clothes is the IPv4 address.
pub(crate) fn parse_ip(text: &str) -> Option<IpAddr> {
    text.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

/// An address or a CIDR block, whose host bits do not count.
pub(crate) fn parse_net(text: &str) -> Option<IpNet> {
    if let Some(ip) = parse_ip(text) {
        return Some(ip.into());
    }
    let net: IpNet = text.parse().ok()?;
    // `::ffff:10.0.0.0/104` speaks of 10.0.0.0/8, and requests come with canonical addresses.
    if let (IpAddr::V4(v4), 96..) = (net.addr().to_canonical(), net.prefix_len())
        && net.addr().is_ipv6()
    {
        return Ipv4Net::new(v4, net.prefix_len() - 96).ok().map(|net| net.trunc().into());
    }
    Some(net.trunc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_compare_by_value_and_exactly() {
        let number = |text| Decimal::parse(text).unwrap();
        for (less, more) in
            [("-10", "-9"), ("-1", "0"), ("9", "10"), ("1.2", "1.25"), ("9007199254740992", "9007199254740993")]
        {
            assert!(number(less) < number(more), "{less} {more}");
        }
        for (one, other) in [("10", "10.0"), ("-0", "0"), ("+7", "007.00")] {
            assert_eq!(number(one), number(other));
        }
        for bad in ["", "-", "abc", "1e3", "1.", ".5", "0x1", " 1", "1 ", "--1", "NaN", "1.-2"] {
            assert_eq!(Decimal::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn dates_need_a_zone_and_nothing_else_around_them() {
        assert_eq!(parse_date("2019-08-12T17:00:00+08:00"), parse_date("2019-08-12T09:00:00Z"));
        assert_eq!(parse_date("1970-01-01T00:00:01.5Z"), Some(1500));
        for bad in [
            "",
            "2019-08-12",
            "2019-08-12T17:00:00",
            "2019-08-12 17:00:00Z",
            "2019-13-12T17:00:00Z",
            "yesterday",
            "2019-08-12T17:00:00+08:00[Asia/Shanghai]",
        ] {
            assert_eq!(parse_date(bad), None, "{bad}");
        }
    }

    #[test]
    fn addresses_and_blocks_meet_whatever_clothes_they_wear() {
        assert!(parse_net("::ffff:10.0.0.0/104").unwrap().contains(&parse_ip("10.1.2.3").unwrap()));
        assert!(parse_net("10.0.0.0/8").unwrap().contains(&parse_ip("::ffff:10.1.2.3").unwrap()));
        for bad in ["", "10.0.0.0/33", "10.0.0", "nohost", "010.0.0.1", "10.0.0.1/", "2001:db8::/129", "10.0.0.1 "] {
            assert_eq!(parse_net(bad), None, "{bad}");
        }
    }
}
