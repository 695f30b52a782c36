//! MQTT over TCP.

use std::{sync::Arc, time::Duration};

use sluice_access::Peer;
use sluice_broker::{Arrival, Broker};
use tokio::net::TcpListener;

use crate::connection;

/// After a failed accept (no file descriptors left), before the next: the listener must not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Accepts connections until it is dropped; each gets a task of its own.
pub async fn serve(listener: TcpListener, broker: Arc<Broker>) {
    loop {
        match listener.accept().await {
            Ok((stream, address)) => {
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "a connection ended at once");
                    continue;
                }
                let peer = Peer { addr: address.ip().to_canonical(), secure: false };
                tokio::spawn(connection::run(stream, Arc::clone(&broker), Arrival::signed(peer)));
            }
            Err(error) => {
                tracing::error!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
