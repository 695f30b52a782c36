//! `sluice serve`: opens the folder, wires the rooms, runs the doors, ends them.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{ConnectInfo, FromRequestParts, Request, State, ws::WebSocketUpgrade},
    http::{HeaderMap, header},
    middleware::{Next, from_fn, from_fn_with_state},
    response::Response,
    routing::any,
};
use sluice_access::{Access, Peer};
use sluice_actions::{Endpoint, Services, Usage};
use sluice_broker::Broker;
use sluice_openapi::OpenApi;
use sluice_policy::Authority;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

use crate::{
    config::Config,
    data_folder::{DataFolder, FolderError},
    first_start::{self, FirstStartError},
    health::{self, Readiness},
    operator,
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
    #[error("cannot listen on {address} for {what}: {source}")]
    Listen { what: &'static str, address: SocketAddr, source: std::io::Error },
    #[error("the metrics cannot be kept: {0}")]
    Metrics(#[from] metrics_exporter_prometheus::BuildError),
    #[error("the server failed: {0}")]
    Io(#[from] std::io::Error),
}

/// Runs until SIGTERM or SIGINT.
pub(crate) async fn run(config: Config) -> Result<(), ServeError> {
    let metrics = metrics_exporter_prometheus::PrometheusBuilder::new().install_recorder()?;
    let folder = DataFolder::open(&config.data_dir)?;
    let opened = wiring::open(&folder, config.master_key_file.as_deref()).await?;
    let mqtt = listen("mqtt", config.mqtt).await?;
    let http = listen("http", config.http).await?;
    let (mqtt_address, http_address) = (mqtt.local_addr()?, http.local_addr()?);

    let first_start = first_start::run(&opened.access).await?;
    let access = Arc::clone(&opened.access);
    let authority = Authority::new(access.policy_source());
    let broker = Broker::new(Arc::clone(&access), authority.clone());
    let usage = Usage::new(opened.store.clone(), Arc::clone(&broker), access.clock().now());
    let services = Services {
        store: opened.store.clone(),
        access: Arc::clone(&access),
        authority,
        broker: Arc::clone(&broker),
        usage: Arc::clone(&usage),
        endpoints: endpoints(mqtt_address, http_address),
    };
    let readiness = Readiness::default();
    let router = routes(&access, services).merge(health::routes(readiness.clone(), metrics)).layer(from_fn(know_peer));
    operator::serve(folder.path(), Arc::clone(&access)).await?;

    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let usage_writer = Writer::start(usage, access.clock().clone());
    let mqtt_door = tokio::spawn(sluice_mqtt::serve(mqtt, Arc::clone(&broker)));
    let mut http_door =
        tokio::spawn(
            async move { axum::serve(http, router.into_make_service_with_connect_info::<SocketAddr>()).await },
        );
    if let Some(first_start) = first_start {
        first_start.tell(&folder, &mqtt_address.to_string(), &http_address.to_string())?;
    }
    readiness.set(true);
    say_ready(mqtt_address, http_address)?;

    let ended = tokio::select! {
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
        ended = &mut http_door => Err(ended.map_or_else(std::io::Error::other, |ended| {
            ended.err().unwrap_or_else(|| std::io::Error::other("the HTTP listener ended"))
        })),
    };
    tracing::info!("the server ends");
    readiness.set(false);
    mqtt_door.abort();
    drain(&broker).await;
    http_door.abort();
    usage_writer.finish().await;
    opened.store.close().await;
    Ok(ended?)
}

async fn listen(what: &'static str, address: SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address).await.map_err(|source| ServeError::Listen { what, address, source })
}

/// What listens, as GetMqttInstance shows it. MQTT over WebSocket is on the HTTP port.
fn endpoints(mqtt: SocketAddr, http: SocketAddr) -> Arc<[Endpoint]> {
    let of = |protocol, address: SocketAddr| Endpoint { protocol, address: address.to_string() };
    Arc::new([of("mqtt", mqtt), of("ws", http), of("http", http)])
}

/// The one line that others wait for. DESIGN section 1.
fn say_ready(mqtt: SocketAddr, http: SocketAddr) -> std::io::Result<()> {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    writeln!(out, "sluice ready mqtt={mqtt} http={http}")?;
    out.flush()
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
fn routes(access: &Arc<Access>, services: Services) -> Router {
    let broker = Arc::clone(&services.broker);
    let api = sluice_openapi::routes(OpenApi { access: Arc::clone(access), services: services.clone() })
        .layer(from_fn_with_state(Arc::clone(&broker), upgrade_at_root));
    let mqtt = Router::new().route("/mqtt", any(upgrade)).with_state(broker);
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

/// Puts into each request where it came from; the doors read nothing else of it.
async fn know_peer(ConnectInfo(address): ConnectInfo<SocketAddr>, mut request: Request, next: Next) -> Response {
    request.extensions_mut().insert(Peer { addr: address.ip().to_canonical(), secure: false });
    next.run(request).await
}

/// MQTT over WebSocket on `/`, for clients that know no path.
async fn upgrade_at_root(State(broker): State<Arc<Broker>>, request: Request, next: Next) -> Response {
    if !wants_upgrade(request.headers()) {
        return next.run(request).await;
    }
    upgrade(State(broker), request).await
}

fn wants_upgrade(headers: &HeaderMap) -> bool {
    headers.get(header::UPGRADE).is_some_and(|to| to.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

async fn upgrade(State(broker): State<Arc<Broker>>, request: Request) -> Response {
    use axum::response::IntoResponse;
    let (mut parts, _) = request.into_parts();
    let Some(peer) = parts.extensions.get::<Peer>().copied() else {
        return axum::http::StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
        Ok(upgrade) => sluice_mqtt::websocket(upgrade, broker, peer),
        Err(refused) => refused.into_response(),
    }
}
