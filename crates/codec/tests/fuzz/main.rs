//! The short form of `make fuzz`: inputs bred from the corpora, the same ones in every run.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod oracle;
mod targets;

use std::collections::BTreeSet;

use rand::{RngExt, SeedableRng, rngs::SmallRng};

/// Inputs of this test, over all targets.
const EXECUTIONS: usize = 100_000;
/// Longest input, bytes.
const INPUT_BYTES_MAX: usize = 512;
/// The seed. A failure prints its input, which belongs into the corpus then.
const SEED: u64 = 4;

type Target = (&'static str, fn(&[u8]), &'static str);

const PACKETS: &str = include_str!("../../../../fuzz/corpus/packets.hex");
const CONNECTS: &str = include_str!("../../../../fuzz/corpus/connects.hex");

const TARGETS: [Target; 5] = [
    ("decode_stream", targets::decode_stream, PACKETS),
    ("round_trip", targets::round_trip, PACKETS),
    ("in_pieces", targets::in_pieces, PACKETS),
    ("in_pieces of CONNECT", targets::in_pieces, CONNECTS),
    ("first", targets::first, CONNECTS),
];

/// The inputs of a corpus: a line of hex digits each; `#` begins a remark.
fn corpus(text: &str) -> Vec<Vec<u8>> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
    let digits = lines.map(|line| line.split_whitespace().collect::<String>()).filter(|line| !line.is_empty());
    digits.map(|line| hex::decode(&line).unwrap_or_else(|error| panic!("`{line}` in the corpus: {error}"))).collect()
}

/// Changes an input a little: bits, bytes, lengths, pieces of another.
fn mutate(input: &mut Vec<u8>, others: &[Vec<u8>], random: &mut SmallRng) {
    const TELLING: [u8; 8] = [0x00, 0x01, 0x02, 0x7F, 0x80, 0xC0, 0xED, 0xFF];
    for _ in 0..random.random_range(1..=4) {
        let place = if input.is_empty() { 0 } else { random.random_range(0..input.len()) };
        match random.random_range(0..8) {
            0 if !input.is_empty() => input[place] ^= 1 << random.random_range(0..8),
            1 if !input.is_empty() => input[place] = random.random(),
            2 if !input.is_empty() => input[place] = TELLING[random.random_range(0..TELLING.len())],
            3 if !input.is_empty() => input.truncate(place),
            4 => input.insert(place, random.random()),
            5 if input.len() > 1 => {
                // A remaining length that is right again, as far as one byte says it.
                input[1] = u8::try_from((input.len() - 2).min(0x7F)).unwrap_or(0x7F);
            }
            6 => {
                let other = &others[random.random_range(0..others.len())];
                let from = random.random_range(0..=other.len());
                let most = other.len().min(from + 24);
                let piece = other[from..most].to_vec();
                input.splice(place..place, piece);
            }
            _ => {
                let other = &others[random.random_range(0..others.len())];
                input.extend_from_slice(other);
            }
        }
    }
    input.truncate(INPUT_BYTES_MAX);
}

/// Shows the input of a failure, which the panic's own message has no place for.
struct Shown<'a>(&'a str, &'a [u8]);

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{} failed on the input {}", self.0, hex::encode(self.1));
        }
    }
}

#[test]
fn a_hundred_thousand_inputs_bred_from_the_corpora_break_no_promise() {
    let mut random = SmallRng::seed_from_u64(SEED);
    for (name, target, text) in TARGETS {
        let seeds = corpus(text);
        let run = |input: &[u8]| {
            let _shown = Shown(name, input);
            target(input);
        };
        seeds.iter().for_each(|input| run(input));
        for _ in 0..EXECUTIONS / TARGETS.len() {
            let mut input = seeds[random.random_range(0..seeds.len())].clone();
            mutate(&mut input, &seeds, &mut random);
            run(&input);
        }
    }
}

#[test]
fn the_oracle_refuses_nothing_that_is_accepted_here() {
    let mut random = SmallRng::seed_from_u64(SEED);
    let seeds = corpus(PACKETS);
    let mut seen = BTreeSet::new();
    for number in 0..EXECUTIONS {
        let mut input = seeds[number % seeds.len()].clone();
        if number >= seeds.len() {
            mutate(&mut input, &seeds, &mut random);
        }
        let _shown = Shown("the oracle", &input);
        oracle::compare(&input, &mut seen);
    }
    oracle::check(&seen);
}

#[test]
fn the_corpora_hold_packets_of_every_kind() {
    let kinds = |text: &str| {
        corpus(text).iter().filter_map(|input| input.first().map(|byte| byte >> 4)).collect::<BTreeSet<_>>()
    };
    assert!((2..=15).all(|kind| kinds(PACKETS).contains(&kind)));
    assert!(kinds(CONNECTS).contains(&1));
}
