//! Checks that keep the rooms apart, and the files small.
fn main() {}
