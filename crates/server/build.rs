//! Tells the program its version, with the commit where it is built from this repository's own git.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

fn main() {
    let version = env!("CARGO_PKG_VERSION");
    let commit = commit().map(|commit| format!(" ({commit})")).unwrap_or_default();
    println!("cargo::rustc-env=SLUICE_VERSION={version}{commit}");
    println!("cargo::rerun-if-changed=build.rs");
}

/// What git prints; `None` where there is no git, or no repository.
fn git(arguments: &[&str]) -> Option<String> {
    let done = Command::new("git").args(arguments).output().ok().filter(|done| done.status.success())?;
    Some(String::from_utf8(done.stdout).ok()?.trim().to_owned())
}

/// The commit, unless the repository around us is another's.
fn commit() -> Option<String> {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().ok()?;
    let top = PathBuf::from(git(&["rev-parse", "--show-toplevel"])?).canonicalize().ok()?;
    if top != ours {
        return None;
    }
    // Written at each commit and each change of branch.
    let written = PathBuf::from(git(&["rev-parse", "--path-format=absolute", "--git-path", "logs/HEAD"])?);
    if written.exists() {
        println!("cargo::rerun-if-changed={}", written.display());
    }
    git(&["rev-parse", "--short=12", "HEAD"])
}
