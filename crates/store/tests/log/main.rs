//! The log in a folder: what it keeps, over kills, power cuts and broken disks.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod any_record;
mod at_once;
mod basics;
mod faults;
mod model;
mod reference;
mod support;
