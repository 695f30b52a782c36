//! The targets of the fuzzer: the same ones that the codec's own test runs for a while.

#[path = "../../crates/codec/tests/fuzz/targets.rs"]
pub mod targets;
