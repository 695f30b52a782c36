//! libFuzzer's way into the target of this name.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| sluice_fuzz::targets::in_pieces(bytes));
