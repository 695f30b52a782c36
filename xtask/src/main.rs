//! Checks of the source that no compiler makes. `cargo run -p xtask -- check` prints one line a violation and fails on any.

mod layers;
mod source;

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

/// One violation: where, what, and what to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Violation(pub(crate) String);

fn main() -> ExitCode {
    let mut out = std::io::stdout().lock();
    if std::env::args().nth(1).as_deref() != Some("check") {
        let _told = writeln!(std::io::stderr(), "usage: cargo run -p xtask -- check");
        return ExitCode::from(2);
    }
    match check() {
        Ok(violations) if violations.is_empty() => ExitCode::SUCCESS,
        Ok(violations) => {
            for Violation(line) in violations {
                let _told = writeln!(out, "{line}");
            }
            ExitCode::FAILURE
        }
        Err(why) => {
            let _told = writeln!(std::io::stderr(), "the check failed: {why}");
            ExitCode::FAILURE
        }
    }
}

fn check() -> Result<Vec<Violation>, String> {
    let metadata = cargo_metadata::MetadataCommand::new().no_deps().exec().map_err(|error| error.to_string())?;
    let mut violations = layers::check(&metadata);
    let root = metadata.workspace_root.as_std_path();
    for path in tracked_files(root)? {
        // A file that was deleted and not yet committed, or that is no text, has nothing to check.
        if let Ok(text) = std::fs::read_to_string(root.join(&path)) {
            violations.extend(source::check(&path, &text));
        }
    }
    Ok(violations)
}

fn tracked_files(root: &Path) -> Result<Vec<PathBuf>, String> {
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(root).output();
    let listed = listed.map_err(|error| format!("git did not start: {error}"))?;
    if !listed.status.success() {
        return Err("git cannot list the files".to_owned());
    }
    let names = String::from_utf8(listed.stdout).map_err(|error| error.to_string())?;
    Ok(names.split('\0').filter(|name| !name.is_empty()).map(PathBuf::from).collect())
}
