//! How many files the process may have open; each connection is one.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Raises the soft limit to the hard one, and gives it.
///
/// A system that does not let us stays as it is, and says so.
pub(crate) fn raise() -> u64 {
    let mut limit = getrlimit(Resource::Nofile);
    let before = limit.current;
    limit.current = limit.maximum;
    if before != limit.maximum
        && let Err(error) = setrlimit(Resource::Nofile, limit)
    {
        tracing::warn!(%error, ?before, "the limit of open files could not be raised");
        limit.current = before;
    }
    // None is no limit.
    let files = limit.current.unwrap_or(u64::MAX);
    tracing::info!(files, before = before.unwrap_or(u64::MAX), "the limit of open files");
    files
}
