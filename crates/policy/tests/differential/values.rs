//! Values of conditions, read the slow and obvious way. Nothing of the engine is used here.

/// `*` is any run, `?` one character: the definition, by recursion.
pub(crate) fn glob(pattern: &str, text: &str) -> bool {
    fn go(pattern: &[char], text: &[char]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            // A second `*` beside the first says nothing new; without this a run of them takes forever.
            Some(('*', rest)) if rest.first() == Some(&'*') => go(rest, text),
            Some(('*', rest)) => (0..=text.len()).any(|taken| go(rest, &text[taken..])),
            Some((wanted, rest)) => {
                text.split_first().is_some_and(|(have, left)| (*wanted == '?' || wanted == have) && go(rest, left))
            }
        }
    }
    let chars = |text: &str| text.chars().collect::<Vec<_>>();
    go(&chars(pattern), &chars(text))
}

/// A decimal number in units of 10^-12; the generator writes none that does not fit.
pub(crate) fn number(text: &str) -> Option<i128> {
    let (sign, digits) = match text.chars().next()? {
        '-' => (-1, &text[1..]),
        '+' => (1, &text[1..]),
        _ => (1, text),
    };
    let mut parts = digits.split('.');
    let (whole, fraction) = (parts.next()?, parts.next());
    let plain = |part: &str| !part.is_empty() && part.chars().all(|char| char.is_ascii_digit());
    if parts.next().is_some() || !plain(whole) || !fraction.is_none_or(plain) {
        return None;
    }
    let mut units = whole.parse::<i128>().ok()? * 1_000_000_000_000;
    let mut worth = 100_000_000_000;
    for digit in fraction.unwrap_or_default().chars() {
        units += i128::from(digit.to_digit(10)?) * worth;
        worth /= 10;
    }
    Some(sign * units)
}

/// Days from 1970-01-01, counted one year and one month at a time.
fn days(year: i64, month: usize, day: i64) -> i64 {
    let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let months = |year: i64| [31, if leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut days = 0;
    for passed in 1970..year {
        days += months(passed).iter().sum::<i64>();
    }
    days + months(year)[..month - 1].iter().sum::<i64>() + day - 1
}

/// `2026-01-31T17:00:00.250+08:00` in Unix milliseconds, from 1970 on.
pub(crate) fn date(text: &str) -> Option<i64> {
    let digits = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let sign_at = |at: usize, sign: char| text[at..].starts_with(sign);
    if text.len() < 20 || !text.is_ascii() {
        return None;
    }
    if !(sign_at(4, '-') && sign_at(7, '-') && sign_at(10, 'T') && sign_at(13, ':') && sign_at(16, ':')) {
        return None;
    }
    let (year, month, day) = (digits(0, 4)?, digits(5, 7)?, digits(8, 10)?);
    let (hour, minute, second) = (digits(11, 13)?, digits(14, 16)?, digits(17, 19)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let (mut rest, mut milliseconds) = (&text[19..], 0);
    if let Some(fraction) = rest.strip_prefix('.') {
        let end = fraction.find(|char: char| !char.is_ascii_digit())?;
        milliseconds = format!("{:0<3}", &fraction[..end]).get(..3)?.parse::<i64>().ok()?;
        rest = &fraction[end..];
    }
    let offset_minutes = match rest.chars().next()? {
        'Z' if rest.len() == 1 => 0,
        sign @ ('+' | '-') => {
            let (hours, minutes) = rest[1..].split_once(':')?;
            let offset = hours.parse::<i64>().ok()? * 60 + minutes.parse::<i64>().ok()?;
            if sign == '-' { -offset } else { offset }
        }
        _ => return None,
    };
    let minutes = days(year, usize::try_from(month).ok()?, day) * 1440 + hour * 60 + minute - offset_minutes;
    Some((minutes * 60 + second) * 1000 + milliseconds)
}

/// Unix milliseconds as `2026-01-31T17:00:00Z`, the fraction left out.
pub(crate) fn date_text(unix_ms: i64) -> String {
    let seconds = unix_ms.div_euclid(1000);
    let (day_number, of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let mut year = 1970;
    while days(year + 1, 1, 1) <= day_number {
        year += 1;
    }
    let mut month = 12;
    while days(year, month, 1) > day_number {
        month -= 1;
    }
    let day = day_number - days(year, month, 1) + 1;
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", of_day / 3600, of_day / 60 % 60, of_day % 60)
}

/// An address: its family, its bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Address {
    V4(u32),
    V6(u128),
}

const MAPPED: u128 = 0xffff << 32;

fn v4(text: &str) -> Option<u32> {
    let parts: Vec<&str> = text.split('.').collect();
    if parts.len() != 4 {
        return None;
    }
    let mut bits = 0;
    for part in parts {
        let plain = !part.is_empty() && part.chars().all(|char| char.is_ascii_digit());
        if !plain || (part.len() > 1 && part.starts_with('0')) {
            return None;
        }
        bits = bits << 8 | u32::from(part.parse::<u8>().ok()?);
    }
    Some(bits)
}

/// Eight groups of hexadecimal digits, a run of zero groups as `::`, the last two perhaps as an IPv4 address.
fn v6(text: &str) -> Option<u128> {
    let groups = |text: &str| -> Option<Vec<u16>> {
        let mut found = Vec::new();
        for group in text.split(':').filter(|_| !text.is_empty()) {
            if group.contains('.') {
                let bits = v4(group)?;
                found.extend([(bits >> 16) as u16, bits as u16]);
            } else if (1..=4).contains(&group.len()) {
                found.push(u16::from_str_radix(group, 16).ok()?);
            } else {
                return None;
            }
        }
        Some(found)
    };
    let all = match text.split_once("::") {
        Some((before, after)) => {
            let (before, after) = (groups(before)?, groups(after)?);
            let zeros = 8_usize.checked_sub(before.len() + after.len()).filter(|&zeros| zeros > 0)?;
            [before, vec![0; zeros], after].concat()
        }
        None => groups(text)?,
    };
    (all.len() == 8).then(|| all.iter().fold(0, |bits, &group| bits << 16 | u128::from(group)))
}

/// An address; `::ffff:10.0.0.1` is `10.0.0.1`.
pub(crate) fn address(text: &str) -> Option<Address> {
    if let Some(bits) = v4(text) {
        return Some(Address::V4(bits));
    }
    let bits = v6(text)?;
    Some(if bits >> 32 == 0xffff { Address::V4(bits as u32) } else { Address::V6(bits) })
}

/// Whether an address is the other one, or in that block.
pub(crate) fn within(block: &str, inside: Address) -> Option<bool> {
    let Some((base, length)) = block.split_once('/') else { return Some(address(block)? == inside) };
    let length: u32 = length.parse().ok()?;
    // Both families as bits of IPv6; an IPv4 block is 96 bits longer.
    let (base, length) = match v4(base) {
        Some(bits) => (MAPPED | u128::from(bits), length + 96),
        None => (v6(base)?, length),
    };
    let speaks_of_v4 = length >= 96 && base >> 32 == 0xffff;
    let same_start = |bits: u128| length == 0 || (bits ^ base) >> (128 - length) == 0;
    Some(match inside {
        Address::V4(bits) => speaks_of_v4 && same_start(MAPPED | u128::from(bits)),
        Address::V6(bits) => !speaks_of_v4 && same_start(bits),
    })
}

#[test]
fn the_obvious_readings_are_right_where_it_is_easy_to_be_wrong() {
    assert!(glob("a*b?c*", "axxbzc") && !glob("a?", "a") && glob("**", ""));
    assert_eq!((number("-1.50"), number("1."), number("--1")), (Some(-1_500_000_000_000), None, None));
    assert_eq!(date("1970-01-02T00:00:00.5+01:00"), Some(86_400_500 - 3_600_000));
    assert_eq!(date("2024-03-01T00:00:00Z").map(|at| at / 86_400_000), Some(19_783));
    assert_eq!(date_text(1_709_251_199_999), "2024-02-29T23:59:59Z");
    assert_eq!(address("::ffff:10.0.0.1"), Some(Address::V4(0x0a00_0001)));
    assert_eq!(address("2001:db8::1"), Some(Address::V6(0x2001_0db8 << 96 | 1)));
    assert_eq!(within("::ffff:10.0.0.0/104", Address::V4(0x0a01_0203)), Some(true));
    assert_eq!(within("::/0", Address::V4(1)), Some(false));
    assert_eq!(within("10.0.0.0/9", Address::V4(0x0a80_0000)), Some(false));
}
