//! `sluice policy check` and `sluice policy test`.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// `ok` after the warnings, or each fault and exit 1; each with its JSON pointer, line and column. What exists is not known
/// here, so that resources are not looked up.
pub(crate) fn check(file: &Path, out: &mut impl Write) -> Result<ExitCode, PolicyFileError> {
    let text = read(file)?;
    if let Err(faults) = sluice_policy::check(&text) {
        for fault in faults {
            let pointer = if fault.pointer.is_empty() { "/" } else { &fault.pointer };
            writeln!(out, "{pointer}: line {}, column {}: {fault}", fault.line, fault.column)?;
        }
        return Ok(ExitCode::FAILURE);
    }
    for warning in sluice_policy::warnings(&text, sluice_actions::catalogue(), None) {
        writeln!(out, "warning: {}: line {}, column {}: {warning}", warning.pointer, warning.line, warning.column)?;
    }
    writeln!(out, "ok")?;
    Ok(ExitCode::SUCCESS)
}

/// One line a vector, the count at the end; exit 1 on any failure.
pub(crate) fn test(file: &Path, out: &mut impl Write) -> Result<ExitCode, PolicyFileError> {
    let text = read(file)?;
    let report = sluice_policy::vectors::run(&text).map_err(|error| PolicyFileError::Format(error.to_string()))?;
    for outcome in &report.outcomes {
        writeln!(out, "{outcome}")?;
    }
    writeln!(out, "{} passed, {} failed", report.passed(), report.failed())?;
    Ok(if report.failed() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn read(file: &Path) -> Result<String, PolicyFileError> {
    std::fs::read_to_string(file).map_err(|source| PolicyFileError::Unreadable { file: file.to_owned(), source })
}

/// Why a file was not looked at.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PolicyFileError {
    #[error("cannot read `{}`: {source}", file.display())]
    Unreadable { file: PathBuf, source: std::io::Error },
    #[error("cannot write the report: {0}")]
    Report(#[from] std::io::Error),
    #[error("the vectors are not in the format: {0}")]
    Format(String),
}
