//! Test doubles that no release build links.
