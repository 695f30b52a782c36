//! MQTT over TCP and TLS.

use std::sync::Arc;

use sluice_broker::{Arrival, Broker, Door};
use tokio::net::TcpListener;

use crate::{
    connection,
    gate::ConnectionLimits,
    intake::{Intake, Stream, TakenIn},
    proxy_protocol::TrustedProxies,
    tls::{Certificates, Inner},
    tls_transport::TlsTransport,
};

/// Serves MQTT over TCP with the limits that are usual and no trusted proxy, until it is dropped.
pub async fn serve(listener: TcpListener, broker: Arc<Broker>) {
    let intake = Intake::new(ConnectionLimits::default(), TrustedProxies::default());
    MqttListener { listener, intake, certificates: None, door: Door::Signed }.serve(broker).await;
}

/// One listener for MQTT.
#[derive(Debug)]
pub struct MqttListener {
    /// Bound.
    pub listener: TcpListener,
    /// What it shares with the other listeners.
    pub intake: Arc<Intake>,
    /// TLS, or none.
    pub certificates: Option<Arc<Certificates>>,
    /// How clients are let in.
    pub door: Door,
}

impl MqttListener {
    /// Accepts connections until it is dropped; each gets a task of its own.
    pub async fn serve(self, broker: Arc<Broker>) {
        let tls = self.certificates.map(|certificates| (certificates, Inner::Mqtt));
        let door = self.door;
        let serve = move |taken_in: TakenIn| {
            let TakenIn { stream, peer, sni_instance, half_open } = taken_in;
            let arrival = Arrival { peer, door: door.clone(), sni_instance };
            let broker = Arc::clone(&broker);
            match stream {
                Stream::Tcp(stream) => tokio::spawn(connection::run(stream, broker, arrival, half_open)),
                Stream::Tls(stream) => {
                    tokio::spawn(connection::run(TlsTransport::new(*stream), broker, arrival, half_open))
                }
            };
        };
        self.intake.run(self.listener, tls, serve).await;
    }
}
