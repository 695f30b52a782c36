//! Log lines, to stderr.

use tracing_subscriber::EnvFilter;

use crate::cli::LogFormat;

/// Starts logging: level `info` unless `SLUICE_LOG` says otherwise.
pub(crate) fn start(format: LogFormat) {
    let filter = EnvFilter::try_from_env("SLUICE_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => builder.with_ansi(false).init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
}
