//! `*` and `?` over text, without regular expressions.
//!
//! A pattern is cut at its `*` into segments: the first is anchored at the start, the last at the end, those between are
//! searched from left to right, each as early as it fits, which is never wrong because a `*` takes any run. A plain
//! segment is searched by `memchr`'s linear search, one with `?` by a bit-parallel automaton; nothing backtracks.
//! Source: facts/ram.md section 1.2 (`*` any run, also empty; `?` exactly one character).

use memchr::memmem::Finder;
use smallvec::{SmallVec, smallvec};

/// A compiled pattern. Compares with case.
#[derive(Debug)]
pub(crate) struct Glob {
    head: Segment,
    middles: Box<[Middle]>,
    /// `None` when the pattern has no `*`.
    tail: Option<Segment>,
}

impl Glob {
    pub(crate) fn new(pattern: &str) -> Self {
        let mut segments = pattern.split('*');
        let head = Segment::new(segments.next().unwrap_or_default());
        let tail = segments.next_back().map(Segment::new);
        let middles = segments.filter(|segment| !segment.is_empty()).map(Middle::new).collect();
        Self { head, middles, tail }
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        self.matches_to(text, std::iter::once(text.len()))
    }

    /// How every text begins that the pattern matches: what stands before its first `*` or `?`.
    pub(crate) fn literal_start(&self) -> &[u8] {
        let head = &self.head.bytes;
        &head[..head.iter().position(|&byte| byte == b'?').unwrap_or(head.len())]
    }

    /// Whether the pattern matches every text that begins with `start`: it ends in `*`, and matches `start` itself.
    pub(crate) fn takes_all_after(&self, start: &str) -> bool {
        self.tail.as_ref().is_some_and(Segment::is_empty) && self.matches(start)
    }

    /// Whether the pattern matches some text that begins with `start`.
    pub(crate) fn may_go_on_after(&self, start: &str) -> bool {
        // The first `*` takes whatever is left of `start`, and what follows it in the pattern can always be written.
        match self.head.meet(start.as_bytes()) {
            Met::Differ => false,
            Met::TextEnds => true,
            Met::SegmentEnds => self.tail.is_some(),
        }
    }

    /// Whether the pattern matches `text` up to one of `ends`, which are character boundaries in ascending order. One
    /// pass over the text, however many ends.
    pub(crate) fn matches_to(&self, text: &str, mut ends: impl Iterator<Item = usize> + Clone) -> bool {
        let bytes = text.as_bytes();
        let Some(mut at) = self.head.match_forward(bytes) else { return false };
        let Some(tail) = &self.tail else { return ends.any(|end| end == at) };
        let ends_from = |at: usize| {
            move |end: usize| end >= at && tail.match_backward(&bytes[..end]).is_some_and(|start| start >= at)
        };
        if self.middles.is_empty() {
            return ends.any(ends_from(at));
        }
        // Most patterns that do not match fail at their end, which is cheaper to look at than to search the middle.
        if !ends.clone().any(ends_from(at)) {
            return false;
        }
        for middle in &self.middles {
            let Some(end) = middle.find_end(bytes, at) else { return false };
            at = end;
        }
        ends.any(ends_from(at))
    }
}

/// Whether every text that `narrow` matches is matched by `wide`. `false` may be too careful (`?*` and `*?` are not found to
/// be one), `true` is never wrong: each character of `narrow` is matched by `wide`, a `?` by a `?` or `*`, a `*` by a `*` alone.
/// Time: the product of both lengths at most.
pub(crate) fn includes(wide: &str, narrow: &str) -> bool {
    let (wide, narrow): (Vec<char>, Vec<char>) = (wide.chars().collect(), narrow.chars().collect());
    let (mut w, mut n) = (0, 0);
    // Where to go on when what follows the last `*` of `wide` does not fit: that `*` takes one character more.
    let mut retry = None;
    while n < narrow.len() {
        if wide.get(w) == Some(&'*') {
            w += 1;
            retry = Some((w, n));
        } else if wide.get(w).is_some_and(|&char| char == narrow[n] || (char == '?' && narrow[n] != '*')) {
            w += 1;
            n += 1;
        } else if let Some((after_star, taken)) = retry {
            w = after_star;
            n = taken + 1;
            retry = Some((after_star, taken + 1));
        } else {
            return false;
        }
    }
    wide[w..].iter().all(|&char| char == '*')
}

/// Whether no text is matched by both, as their starts before any `*` or `?` show. `false` may be too careful.
pub(crate) fn are_apart(one: &str, other: &str) -> bool {
    let literal = |pattern: &str| pattern.find(['*', '?']).map(|at| pattern[..at].to_owned());
    match (literal(one), literal(other)) {
        (None, None) => one != other,
        (None, Some(start)) => !one.starts_with(&start),
        (Some(start), None) => !other.starts_with(&start),
        (Some(one), Some(other)) => !one.starts_with(&other) && !other.starts_with(&one),
    }
}

/// A run of a pattern without `*`.
#[derive(Debug)]
struct Segment {
    bytes: Box<[u8]>,
    has_any: bool,
}

impl Segment {
    fn new(text: &str) -> Self {
        Self { bytes: text.as_bytes().into(), has_any: text.contains('?') }
    }

    /// Where the segment ends when it begins at the start of `text`.
    fn match_forward(&self, text: &[u8]) -> Option<usize> {
        if !self.has_any {
            // Names share long beginnings, so their last byte tells most of them apart (measured: a third of the time).
            let length = self.bytes.len();
            let fits = length == 0
                || (text.get(length - 1) == self.bytes.last() && text[..length - 1] == self.bytes[..length - 1]);
            return fits.then_some(length);
        }
        let mut at = 0;
        for &wanted in &self.bytes {
            let &have = text.get(at)?;
            if wanted == b'?' {
                at += 1;
                at += continuations(&text[at..]);
            } else if wanted == have {
                at += 1;
            } else {
                return None;
            }
        }
        Some(at)
    }

    fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Lays the segment and `text` side by side from their starts.
    fn meet(&self, text: &[u8]) -> Met {
        let mut at = 0;
        for &wanted in &self.bytes {
            let Some(&have) = text.get(at) else { return Met::TextEnds };
            at += 1;
            if wanted == b'?' {
                at += continuations(&text[at..]);
            } else if wanted != have {
                return Met::Differ;
            }
        }
        if at == text.len() { Met::TextEnds } else { Met::SegmentEnds }
    }

    /// Where the segment begins when it ends at the end of `text`.
    fn match_backward(&self, text: &[u8]) -> Option<usize> {
        if !self.has_any {
            let fits = self.bytes.is_empty() || (text.last() == self.bytes.last() && text.ends_with(&self.bytes));
            return fits.then(|| text.len() - self.bytes.len());
        }
        let mut at = text.len();
        for &wanted in self.bytes.iter().rev() {
            at = at.checked_sub(1)?;
            if wanted == b'?' {
                while at > 0 && is_continuation(text[at]) {
                    at -= 1;
                }
            } else if wanted != text[at] {
                return None;
            }
        }
        Some(at)
    }
}

/// How a segment and a text end when laid side by side.
enum Met {
    /// They differ somewhere.
    Differ,
    /// The text ends first, or both end.
    TextEnds,
    /// The segment ends first.
    SegmentEnds,
}

fn is_continuation(byte: u8) -> bool {
    byte & 0b1100_0000 == 0b1000_0000
}

fn continuations(text: &[u8]) -> usize {
    text.iter().take_while(|&&byte| is_continuation(byte)).count()
}

/// A run between two `*`.
#[derive(Debug)]
enum Middle {
    Plain(Box<Finder<'static>>),
    Any(Automaton),
}

impl Middle {
    fn new(text: &str) -> Self {
        if text.contains('?') {
            Self::Any(Automaton::new(text.as_bytes()))
        } else {
            Self::Plain(Box::new(Finder::new(text).into_owned()))
        }
    }

    /// The end of the leftmost occurrence at or after `from`.
    fn find_end(&self, text: &[u8], from: usize) -> Option<usize> {
        match self {
            Self::Plain(finder) => finder.find(&text[from..]).map(|at| from + at + finder.needle().len()),
            Self::Any(automaton) => automaton.find_end(&text[from..]).map(|end| from + end),
        }
    }
}

type Words = SmallVec<[u64; 2]>;

/// Shift-and: bit i is set while the first i + 1 pattern bytes match up to here. Time: text bytes times pattern bytes / 64.
#[derive(Debug)]
struct Automaton {
    length: usize,
    /// Bits of `?`.
    any: Words,
    /// Bits of each byte that the pattern has, by byte.
    masks: Box<[(u8, Words)]>,
}

impl Automaton {
    fn new(pattern: &[u8]) -> Self {
        let words = pattern.len().div_ceil(64);
        let mut any: Words = smallvec![0; words];
        let mut masks: Vec<(u8, Words)> = Vec::new();
        for (place, &byte) in pattern.iter().enumerate() {
            let bit = 1_u64 << (place % 64);
            if byte == b'?' {
                any[place / 64] |= bit;
                continue;
            }
            let index = match masks.binary_search_by_key(&byte, |(have, _)| *have) {
                Ok(index) => index,
                Err(index) => {
                    masks.insert(index, (byte, smallvec![0; words]));
                    index
                }
            };
            masks[index].1[place / 64] |= bit;
        }
        Self { length: pattern.len(), any, masks: masks.into() }
    }

    fn find_end(&self, text: &[u8]) -> Option<usize> {
        let mut state: Words = smallvec![0; self.any.len()];
        let last = self.length - 1;
        for (place, &byte) in text.iter().enumerate() {
            let continues = is_continuation(byte);
            let mask = self.masks.binary_search_by_key(&byte, |(have, _)| *have).ok().map(|index| &self.masks[index].1);
            let mut carry = 1;
            for (word, bits) in state.iter_mut().enumerate() {
                let shifted = (*bits << 1) | carry;
                carry = *bits >> 63;
                let literal = mask.map_or(0, |mask| mask[word]);
                // A `?` takes a character's first byte as a step and stays for the rest of its bytes.
                let one = if continues { *bits & self.any[word] } else { shifted & self.any[word] };
                *bits = (shifted & literal) | one;
            }
            if state[last / 64] >> (last % 64) & 1 == 1 {
                let end = place + 1;
                return Some(end + continuations(&text[end..]));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop, proptest};

    use super::*;

    /// The definition, exponential and obvious.
    fn naive(pattern: &[char], text: &[char]) -> bool {
        match (pattern.first(), text.first()) {
            (None, None) => true,
            (Some('*'), _) => naive(&pattern[1..], text) || (!text.is_empty() && naive(pattern, &text[1..])),
            (Some('?'), Some(_)) => naive(&pattern[1..], &text[1..]),
            (Some(wanted), Some(have)) => wanted == have && naive(&pattern[1..], &text[1..]),
            (Some(_), None) | (None, Some(_)) => false,
        }
    }

    fn both(pattern: &str, text: &str) -> (bool, bool) {
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        (Glob::new(pattern).matches(text), naive(&chars(pattern), &chars(text)))
    }

    proptest! {
        #[test]
        fn glob_agrees_with_its_definition(
            pattern in prop::collection::vec(prop::sample::select(vec!['a', 'b', '/', 'é', '中', '*', '?', '?']), 0..9),
            text in prop::collection::vec(prop::sample::select(vec!['a', 'b', '/', 'é', '中', '😀']), 0..12),
        ) {
            let (pattern, text): (String, String) = (pattern.into_iter().collect(), text.into_iter().collect());
            let (ours, reference) = both(&pattern, &text);
            assert_eq!(ours, reference, "{pattern} {text}");
        }

        #[test]
        fn a_match_up_to_some_end_is_a_match_of_that_prefix(
            pattern in "[ab/*?]{0,7}",
            text in "[ab/é]{0,12}",
        ) {
            let ends: Vec<usize> = text.match_indices('/').map(|(at, _)| at).chain([text.len()]).collect();
            let one_by_one = ends.iter().any(|&end| Glob::new(&pattern).matches(&text[..end]));
            assert_eq!(Glob::new(&pattern).matches_to(&text, ends.iter().copied()), one_by_one, "{pattern} {text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_said_of_all_longer_texts_holds_for_each(
            pattern in "[ab/é*?]{0,7}",
            start in "[ab/é]{0,4}",
            more in "[ab/é]{0,6}",
        ) {
            let glob = Glob::new(&pattern);
            let matches = glob.matches(&(start.clone() + &more));
            assert!(!glob.takes_all_after(&start) || matches, "{pattern} {start} {more}");
            assert!(glob.may_go_on_after(&start) || !matches, "{pattern} {start} {more}");
        }
    }

    proptest! {
        #[test]
        fn what_is_said_of_two_patterns_holds_for_every_text(
            wide in "[ab*?]{0,6}",
            narrow in "[ab*?]{0,6}",
            texts in prop::collection::vec("[abé]{0,6}", 12),
        ) {
            let (is_wide, is_narrow) = (Glob::new(&wide), Glob::new(&narrow));
            let (included, apart) = (includes(&wide, &narrow), are_apart(&wide, &narrow));
            for text in texts {
                let (by_wide, by_narrow) = (is_wide.matches(&text), is_narrow.matches(&text));
                assert!(!(included && by_narrow) || by_wide, "{wide} {narrow} {text}");
                assert!(!(apart && by_wide && by_narrow), "{wide} {narrow} {text}");
            }
        }
    }

    #[test]
    fn a_pattern_includes_what_each_of_its_signs_takes() {
        for (wide, narrow, expected) in [
            ("*", "", true),
            ("*", "a?*", true),
            ("a*", "ab*c", true),
            ("a*c", "abcbc", true),
            ("a?", "a*", false),
            ("?", "*", false),
            ("a*b*", "a*", false),
            ("**", "*", true),
            ("*b", "*ab", true),
            ("*ab", "*b", false),
            ("é?", "éx", true),
        ] {
            assert_eq!(includes(wide, narrow), expected, "{wide} {narrow}");
        }
        assert!(are_apart("mq:pub", "mq:s*") && !are_apart("mq:*", "mq:pub") && !are_apart("*b", "a*"));
    }

    #[test]
    fn a_pattern_goes_on_after_a_start_that_it_does_not_contradict() {
        for (pattern, start, all, some) in [
            ("*", "a/", true, true),
            ("a*", "a/", true, true),
            ("a/?*", "a/", false, true),
            ("a/b", "a/", false, true),
            ("a/", "a/", false, true),
            ("a", "a/", false, false),
            ("b*", "a/", false, false),
            ("?/*", "a/", true, true),
            ("*b", "a/", false, true),
        ] {
            let glob = Glob::new(pattern);
            assert_eq!((glob.takes_all_after(start), glob.may_go_on_after(start)), (all, some), "{pattern} {start}");
        }
    }

    #[test]
    fn segments_longer_than_a_word_match_across_its_border() {
        let text = "x".repeat(300) + "a" + &"b".repeat(150) + "c";
        for (pattern, expected) in [
            ("*a".to_owned() + &"?".repeat(150) + "c*", true),
            ("*a".to_owned() + &"?".repeat(149) + "c*", false),
            ("*?".to_owned() + &"b".repeat(150) + "?*", true),
            ("*?".to_owned() + &"b".repeat(151) + "?*", false),
        ] {
            assert_eq!(Glob::new(&pattern).matches(&text), expected, "{pattern}");
        }
    }

    #[test]
    fn the_longest_topic_against_the_worst_patterns_stays_linear() {
        // A backtracking matcher needs 10^8 steps for the second and does not end for the first.
        let text = "a".repeat(65_535);
        for pattern in ["*a".repeat(3_000) + "b", "*".to_owned() + &"a".repeat(3_000) + "?b*", "*?".repeat(3_000) + "b"]
        {
            assert!(!Glob::new(&pattern).matches(&text));
        }
    }

    #[test]
    fn a_dot_and_other_signs_are_ordinary_characters() {
        assert!(!Glob::new("mq:P.B").matches("mq:PUB"));
        assert!(Glob::new("a[b](c)+^$").matches("a[b](c)+^$"));
        assert!(!Glob::new("?").matches(""));
        assert!(Glob::new("*").matches("") && Glob::new("").matches("") && Glob::new("**").matches("x"));
        assert!(!Glob::new("ab*ba").matches("aba"));
    }
}
