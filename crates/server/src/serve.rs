//! `sluice serve`: opens the folder, wires the rooms, runs the doors, ends them.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{FromRequestParts, Request, State, ws::WebSocketUpgrade},
    http::{HeaderMap, StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::any,
};
use sluice_access::Access;
use sluice_actions::{Services, Usage};
use sluice_broker::{Arrival, Broker};
use sluice_mqtt::Intake;
use sluice_openapi::OpenApi;
use sluice_policy::{Authority, DecisionObserver};
use sluice_store::log::{EmbeddedLog, Log};
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    account_command::Live,
    backup, certificate_watch,
    config::Config,
    data_folder::{DataFolder, FolderError},
    decisions::DecisionsWriter,
    first_start::{self, FirstStartError},
    health::{self, Readiness},
    listeners::{Listeners, ListenersError},
    master_key::Sharing,
    open_files,
    operator::{self, Operator},
    usage::Writer,
    wiring::{self, WiringError},
};

/// How long connections have to be told that the server ends.
const DRAIN_WAIT: Duration = Duration::from_secs(5);
/// How often it is looked whether all are gone.
const DRAIN_LOOK: Duration = Duration::from_millis(10);

/// Why the server did not start or did not go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error(transparent)]
    Wiring(#[from] WiringError),
    #[error(transparent)]
    FirstStart(#[from] FirstStartError),
    #[error(transparent)]
    Listeners(#[from] ListenersError),
    #[error("the metrics cannot be kept: {0}")]
    Metrics(#[from] metrics_exporter_prometheus::BuildError),
    #[error("the server failed: {0}")]
    Io(#[from] std::io::Error),
}

/// Runs until SIGTERM or SIGINT.
pub(crate) async fn run(config: Config) -> Result<(), ServeError> {
    let metrics = metrics_exporter_prometheus::PrometheusBuilder::new().install_recorder()?;
    let open_files = open_files::raise();
    let folder = DataFolder::open(&config.data_dir)?;
    // Before the database, whose schema is brought up to date: a folder of a newer program is left as it is.
    wiring::check_log(folder.log_path())?;
    let opened = wiring::open(&folder, config.database.as_ref(), config.master_key_file.as_deref()).await?;
    opened.access.allow_local_issuers(config.allow_local_issuers);
    let (log, recovered) = wiring::open_log(&folder).await?;
    let listeners = Listeners::bind(&config, open_files)?;

    let first_start = first_start::run(&opened.access).await?;
    drop(opened.turn);
    let addresses = listeners.addresses()?;
    let access = Arc::clone(&opened.access);
    let authority = Authority::observed(access.policy_source(), Arc::clone(access.seen()) as Arc<dyn DecisionObserver>);
    let broker = Broker::new(Arc::clone(&access), authority.clone(), Arc::clone(&log) as Arc<dyn Log>, recovered);
    sweep_for_others(&access, &broker);
    let usage = Usage::new(opened.store.clone(), Arc::clone(&broker), access.clock().now());
    let services = Services {
        store: opened.store.clone(),
        access: Arc::clone(&access),
        authority,
        broker: Arc::clone(&broker),
        usage: Arc::clone(&usage),
        endpoints: addresses.endpoints(),
    };
    let readiness = Readiness::default();
    let health = health::routes(readiness.clone(), Arc::clone(&log) as Arc<dyn Log>, Arc::clone(&access), metrics);
    let router = routes(&access, services, listeners.intake()).merge(health);
    let live = Live::Server { broker: Arc::clone(&broker), usage: Arc::clone(&usage) };
    operator::serve(folder.path(), operator(&config, &folder, &access, live, &log)).await?;

    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let watch = certificate_watch::run(listeners.certificates(), signal(SignalKind::hangup())?);
    let mut doors = listeners.serve(&broker, router);
    doors.http.spawn(watch);
    if let Some(others) = opened.others {
        doors.http.spawn(Arc::clone(&access).follow(others));
    }
    doors.http.spawn(Arc::clone(&broker).keep_time());
    let usage_writer = Writer::start(usage, Arc::clone(&access));
    let decisions_writer = DecisionsWriter::start(Arc::clone(&access));
    if let Some(first_start) = first_start {
        first_start.tell(&folder, &addresses.mqtt.to_string(), &addresses.http.to_string())?;
    }
    readiness.set(true);
    addresses.say_ready()?;

    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("the server ends");
    readiness.set(false);
    doors.mqtt.abort_all();
    drain(&broker).await;
    doors.http.abort_all();
    usage_writer.finish().await;
    decisions_writer.finish().await;
    close(log).await;
    opened.store.close().await;
    Ok(())
}

/// What the operator's socket is served with.
fn operator(
    config: &Config,
    folder: &DataFolder,
    access: &Arc<Access>,
    live: Live,
    log: &Arc<EmbeddedLog>,
) -> Operator {
    let key_file = config.master_key_file.as_deref();
    let is_shared = config.database.is_some();
    let backup = backup::Source::new(folder, key_file, Some(Arc::clone(log)), access.clock().clone());
    Operator {
        access: Arc::clone(access),
        live,
        master_key: folder.master_key_path(key_file),
        sharing: Sharing::of(is_shared),
        backup: backup.with_database(is_shared),
        rotation: tokio::sync::Mutex::new(()),
    }
}

/// What other processes changed, the live side decides again.
fn sweep_for_others(access: &Access, broker: &Arc<Broker>) {
    let live_side = Arc::downgrade(broker);
    access.tell_live_side(move |touched| {
        if let Some(broker) = live_side.upgrade() {
            broker.sweep(touched);
        }
    });
}

/// Writes and syncs what is left.
async fn close(log: Arc<EmbeddedLog>) {
    if let Err(why) = tokio::task::spawn_blocking(move || log.close()).await {
        tracing::error!(%why, "the message log did not end as it should");
    }
}

/// Tells every connection that the server shuts down, and waits until they are gone.
async fn drain(broker: &Broker) {
    broker.drain();
    let gone = async {
        while broker.connection_count() > 0 {
            tokio::time::sleep(DRAIN_LOOK).await;
        }
    };
    if tokio::time::timeout(DRAIN_WAIT, gone).await.is_err() {
        tracing::warn!(connections = broker.connection_count(), "some connections did not end in time");
    }
}

/// All HTTP doors.
fn routes(access: &Arc<Access>, services: Services, intake: &Arc<Intake>) -> Router {
    let upgrades = Upgrades { broker: Arc::clone(&services.broker), intake: Arc::clone(intake) };
    let api = sluice_openapi::routes(OpenApi { access: Arc::clone(access), services: services.clone() })
        .layer(from_fn_with_state(upgrades.clone(), upgrade_at_root));
    let mqtt = Router::new().route("/mqtt", any(upgrade)).with_state(upgrades);
    api.merge(mqtt).merge(console(services))
}

#[cfg(feature = "console")]
fn console(services: Services) -> Router {
    sluice_console::routes(services)
}

#[cfg(not(feature = "console"))]
fn console(_services: Services) -> Router {
    Router::new()
}

/// What a request that becomes MQTT needs.
#[derive(Clone)]
struct Upgrades {
    broker: Arc<Broker>,
    intake: Arc<Intake>,
}

/// MQTT over WebSocket on `/`, for clients that know no path.
async fn upgrade_at_root(State(upgrades): State<Upgrades>, request: Request, next: Next) -> Response {
    if !wants_upgrade(request.headers()) {
        return next.run(request).await;
    }
    upgrade(State(upgrades), request).await
}

fn wants_upgrade(headers: &HeaderMap) -> bool {
    headers.get(header::UPGRADE).is_some_and(|to| to.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

async fn upgrade(State(upgrades): State<Upgrades>, request: Request) -> Response {
    let (mut parts, _) = request.into_parts();
    let Some(arrival) = parts.extensions.get::<Arrival>().cloned() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let upgrade = match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
        Ok(upgrade) => upgrade,
        Err(refused) => return refused.into_response(),
    };
    match upgrades.intake.half_open(arrival.peer) {
        Ok(half_open) => sluice_mqtt::websocket(upgrade, upgrades.broker, arrival, half_open),
        Err(refusal) => (StatusCode::SERVICE_UNAVAILABLE, format!("{refusal}\n")).into_response(),
    }
}
