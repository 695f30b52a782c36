//! Where in a text the values of a JSON document stand: from JSON pointer to line and column.
//!
//! The text is walked once, and only when there is something to say of it. It has been parsed before, so that nothing of
//! its grammar is checked here; on a text that is no JSON the walk ends where it does not understand.

use std::collections::{HashMap, HashSet};

use crate::json::child;

/// A place in a text: both from 1, the column in characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Place {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl Place {
    pub(crate) const START: Self = Self { line: 1, column: 1 };

    /// The place of a byte offset; one past the end is the end.
    pub(crate) fn of(text: &str, offset: usize) -> Self {
        let before = &text[..text.floor_char_boundary(offset)];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = before.bytes().filter(|&byte| byte == b'\n').count() + 1;
        Self { line, column: before[line_start..].chars().count() + 1 }
    }
}

/// Where one value stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spot {
    /// Byte offset of its name; of itself where it has none.
    pub(crate) name: usize,
    /// Byte offset of the value.
    pub(crate) value: usize,
    /// Whether its object has a member of this name before it.
    pub(crate) again: bool,
}

/// All values of a document by their JSON pointers, in the order of the text: a member given twice has two spots.
#[derive(Debug)]
pub(crate) struct Spots<'t> {
    text: &'t str,
    by_pointer: HashMap<String, Vec<Spot>>,
}

impl<'t> Spots<'t> {
    /// Walks a text that is valid JSON.
    pub(crate) fn of(text: &'t str) -> Self {
        let mut walk = Walk { text, at: 0, by_pointer: HashMap::new() };
        walk.value("", None, false);
        Self { text, by_pointer: walk.by_pointer }
    }

    /// The values with this pointer; none when nothing of the text has it.
    pub(crate) fn get(&self, pointer: &str) -> &[Spot] {
        self.by_pointer.get(pointer).map_or(&[], Vec::as_slice)
    }

    /// The place of the value with this pointer, or of what is nearest above it.
    pub(crate) fn value(&self, pointer: &str) -> Place {
        let mut pointer = pointer;
        loop {
            match (self.get(pointer).first(), pointer.rfind('/')) {
                (Some(spot), _) => return Place::of(self.text, spot.value),
                (None, Some(slash)) => pointer = &pointer[..slash],
                (None, None) => return Place::START,
            }
        }
    }
}

struct Walk<'t> {
    text: &'t str,
    at: usize,
    by_pointer: HashMap<String, Vec<Spot>>,
}

impl Walk<'_> {
    fn peek(&mut self) -> Option<u8> {
        let rest = &self.text.as_bytes()[self.at..];
        self.at += rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        self.text.as_bytes().get(self.at).copied()
    }

    /// The depth is that of the parsed document, which `serde_json` bounds at 128.
    fn value(&mut self, pointer: &str, name: Option<usize>, again: bool) {
        let Some(first) = self.peek() else { return };
        let spot = Spot { name: name.unwrap_or(self.at), value: self.at, again };
        self.by_pointer.entry(pointer.to_owned()).or_default().push(spot);
        match first {
            b'{' => self.members(pointer),
            b'[' => self.places(pointer),
            b'"' => drop(self.string()),
            _ => {
                let rest = &self.text.as_bytes()[self.at..];
                let scalar = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(**byte, b'-' | b'+' | b'.');
                self.at += rest.iter().take_while(scalar).count();
            }
        }
    }

    fn members(&mut self, pointer: &str) {
        self.at += 1;
        let mut seen = HashSet::new();
        while self.peek() == Some(b'"') {
            let name_at = self.at;
            let name = self.string();
            if self.peek() != Some(b':') {
                return;
            }
            self.at += 1;
            self.value(&child(pointer, &name), Some(name_at), !seen.insert(name));
            if self.peek() == Some(b',') {
                self.at += 1;
            }
        }
        self.close(b'}');
    }

    fn places(&mut self, pointer: &str) {
        self.at += 1;
        for place in 0.. {
            if matches!(self.peek(), None | Some(b']')) {
                break;
            }
            let before = self.at;
            self.value(&child(pointer, &place.to_string()), None, false);
            if self.peek() == Some(b',') {
                self.at += 1;
            }
            if self.at == before {
                return;
            }
        }
        self.close(b']');
    }

    fn close(&mut self, bracket: u8) {
        if self.peek() == Some(bracket) {
            self.at += 1;
        }
    }

    /// The string that begins here, escapes read.
    fn string(&mut self) -> String {
        let start = self.at;
        let mut escaped = false;
        let inside = self.text.as_bytes()[start + 1..].iter().take_while(|&&byte| {
            let ends = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            !ends
        });
        self.at = (start + 1 + inside.count() + 1).min(self.text.len());
        serde_json::from_str(&self.text[start..self.at]).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use proptest::prelude::{Just, Strategy, any, prop, prop_oneof, proptest};
    use serde_json::Value;

    use super::*;

    #[test]
    fn places_count_lines_and_characters_from_one() {
        let text = "é😀\n中\"x";
        for (offset, line, column) in [(0, 1, 1), (2, 1, 2), (6, 1, 3), (7, 2, 1), (10, 2, 2), (11, 2, 3), (99, 2, 4)] {
            assert_eq!(Place::of(text, offset), Place { line, column }, "{offset}");
        }
    }

    #[test]
    fn a_member_given_twice_has_two_spots_and_its_names_are_read_through_their_escapes() {
        let text = "{\"a/b~\": 1,\n \"\\u0061/b~\" : [ [], {\"中\\\"]\":[true ,-1.5e+3]}]}";
        let spots = Spots::of(text);
        let twice = spots.get("/a~1b~0");
        assert_eq!(twice.len(), 2);
        assert_eq!(Place::of(text, twice[1].name), Place { line: 2, column: 2 });
        assert_eq!(&text[spots.get("/a~1b~0/1/中\"]/1")[0].value..][..7], "-1.5e+3");
        assert_eq!(spots.value("/a~1b~0/0/absent"), spots.value("/a~1b~0/0"));
        assert_eq!(Spots::of("").value("/x"), Place::START);
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            "[a\"\\\\/~é{,\n]{0,4}".prop_map(Value::from)
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::vec(("[a\"\\\\/~é:]{0,3}", inner), 0..5)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    fn pointers(value: &Value, pointer: &str, found: &mut Vec<String>) {
        found.push(pointer.to_owned());
        match value {
            Value::Array(values) => {
                values
                    .iter()
                    .enumerate()
                    .for_each(|(n, value)| pointers(value, &child(pointer, &n.to_string()), found));
            }
            Value::Object(members) => {
                members.iter().for_each(|(name, value)| pointers(value, &child(pointer, name), found));
            }
            _ => {}
        }
    }

    proptest! {
        #[test]
        fn what_stands_at_a_spot_is_the_value_that_its_pointer_names(value in json(), pretty in any::<bool>()) {
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
            let (spots, mut all) = (Spots::of(&text), Vec::new());
            pointers(&value, "", &mut all);
            assert_eq!(all.len(), spots.by_pointer.len());
            for pointer in all {
                let spot = spots.get(&pointer)[0];
                let mut stream = serde_json::Deserializer::from_str(&text[spot.value..]).into_iter::<Value>();
                assert_eq!(stream.next().unwrap().unwrap(), *value.pointer(&pointer).unwrap(), "{pointer} {text}");
                if spot.name != spot.value {
                    let mut stream = serde_json::Deserializer::from_str(&text[spot.name..]).into_iter::<String>();
                    assert!(child("", &stream.next().unwrap().unwrap()) == pointer[pointer.rfind('/').unwrap()..]);
                }
            }
        }

        #[test]
        fn no_text_makes_the_walk_panic_or_run_on(text in any::<String>(), near in "[\\[\\]{}\",:\\\\a1 é]{0,24}") {
            let _ = (Spots::of(&text), Spots::of(&near));
        }
    }
}
