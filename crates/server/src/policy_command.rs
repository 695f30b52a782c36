//! `sluice policy check` and `sluice policy test`.

use std::{io::Write, path::Path, process::ExitCode};

/// `ok`, or each fault with its JSON pointer and exit 1.
pub(crate) fn check(file: &Path, out: &mut impl Write) -> std::io::Result<ExitCode> {
    let text = std::fs::read_to_string(file)?;
    match sluice_policy::check(&text) {
        Ok(()) => {
            writeln!(out, "ok")?;
            Ok(ExitCode::SUCCESS)
        }
        Err(faults) => {
            for fault in faults {
                writeln!(out, "{fault}")?;
            }
            Ok(ExitCode::FAILURE)
        }
    }
}
