//! `/healthz`, `/readyz` and `/metrics`.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use axum::{Router, http::StatusCode, routing::get};
use metrics_exporter_prometheus::PrometheusHandle;
use sluice_access::Access;
use sluice_store::log::{Log, LogFault};

/// Whether the server takes work: true from the ready line until SIGTERM.
#[derive(Clone, Debug, Default)]
pub(crate) struct Readiness(Arc<AtomicBool>);

impl Readiness {
    /// Says whether work is taken from now on.
    pub(crate) fn set(&self, ready: bool) {
        self.0.store(ready, Ordering::Release);
    }

    fn get(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Whether work is taken, and why not, or which work is not. A log that is full or cannot be written heals by itself, and
/// reads, management and live messages go on meanwhile; one that is broken acknowledges nothing until the next start.
fn ready(is_serving: bool, is_cut_off: bool, fault: Option<LogFault>) -> (StatusCode, String) {
    match fault {
        _ if !is_serving => (StatusCode::SERVICE_UNAVAILABLE, "not serving\n".to_owned()),
        _ if is_cut_off => (StatusCode::SERVICE_UNAVAILABLE, "not serving: the database cannot be read\n".to_owned()),
        None => (StatusCode::OK, "serving\n".to_owned()),
        Some(broken @ LogFault::Broken) => (StatusCode::SERVICE_UNAVAILABLE, format!("not serving: {broken}\n")),
        Some(heals) => (StatusCode::OK, format!("serving, but nothing that must be kept is taken: {heals}\n")),
    }
}

/// The three routes for whoever watches the process.
pub(crate) fn routes(
    readiness: Readiness,
    log: Arc<dyn Log>,
    access: Arc<Access>,
    metrics: PrometheusHandle,
) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "alive\n" }))
        .route("/readyz", get(move || async move { ready(readiness.get(), access.is_cut_off(), log.fault()) }))
        .route("/metrics", get(move || async move { metrics.render() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_log_is_not_ready_and_one_that_heals_says_what_it_does_not_take() {
        assert_eq!(ready(true, false, None), (StatusCode::OK, "serving\n".to_owned()));
        assert_eq!(ready(false, false, None).0, StatusCode::SERVICE_UNAVAILABLE);
        let (status, told) = ready(true, true, None);
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(told.contains("database"), "{told}");
        let (status, told) = ready(true, false, Some(LogFault::Broken));
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(told.contains("could not be synced"), "{told}");
        for (fault, why) in [(LogFault::Full, "is full"), (LogFault::ReadOnly, "cannot be written")] {
            let (status, told) = ready(true, false, Some(fault));
            assert_eq!(status, StatusCode::OK);
            assert!(told.starts_with("serving, but") && told.contains(why), "{told}");
            assert_eq!(ready(false, false, Some(fault)).0, StatusCode::SERVICE_UNAVAILABLE);
        }
    }
}
