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
                writeln!(out, "{}: {fault}", if fault.pointer.is_empty() { "/" } else { &fault.pointer })?;
            }
            Ok(ExitCode::FAILURE)
        }
    }
}

/// One line a vector, the count at the end; exit 1 on any failure.
pub(crate) fn test(file: &Path, out: &mut impl Write) -> Result<ExitCode, TestError> {
    let text = std::fs::read_to_string(file)?;
    let report = sluice_policy::vectors::run(&text).map_err(|error| TestError::Format(error.to_string()))?;
    for outcome in &report.outcomes {
        writeln!(out, "{outcome}")?;
    }
    writeln!(out, "{} passed, {} failed", report.passed(), report.failed())?;
    Ok(if report.failed() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Why vectors could not be run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TestError {
    #[error("cannot read the vectors or write the report: {0}")]
    Io(#[from] std::io::Error),
    #[error("the vectors are not in the format: {0}")]
    Format(String),
}
