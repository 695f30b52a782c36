//! The listeners of DESIGN section 1: bound together, named in the ready line, served by their doors.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
    net::SocketAddr,
    sync::Arc,
};

use axum::Router;
use sluice_actions::Endpoint;
use sluice_broker::{Broker, Door};
use sluice_mqtt::{CertificateError, Certificates, ConnectionLimits, Intake, MqttListener, TrustedProxies};
use tokio::{net::TcpListener, task::JoinSet};

use crate::{config::Config, http_listener::HttpDoor};

/// Why the listeners could not be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ListenersError {
    #[error("cannot listen on {address} for {what}: {source}")]
    Bind { what: &'static str, address: SocketAddr, source: io::Error },
    #[error(transparent)]
    Certificate(#[from] CertificateError),
}

/// Bound, and not served yet.
pub(crate) struct Listeners {
    mqtt: TcpListener,
    mqtts: Option<(TcpListener, Arc<Certificates>)>,
    open_mqtt: Option<(TcpListener, Door)>,
    http: TcpListener,
    https: Option<(TcpListener, Arc<Certificates>)>,
    certificates: Option<Arc<Certificates>>,
    intake: Arc<Intake>,
}

/// The accept loops: those for MQTT end first, so that nobody comes while connections are told that the server ends.
pub(crate) struct Doors {
    pub(crate) mqtt: JoinSet<()>,
    pub(crate) http: JoinSet<()>,
}

/// Where the listeners are.
pub(crate) struct Addresses {
    pub(crate) mqtt: SocketAddr,
    mqtts: Option<SocketAddr>,
    open_mqtt: Option<SocketAddr>,
    pub(crate) http: SocketAddr,
    https: Option<SocketAddr>,
}

impl Addresses {
    /// What an instance is reached by. The open listener leads to one instance only, and is the operator's to tell. MQTT over
    /// WebSocket is on the HTTP ports.
    pub(crate) fn endpoints(&self) -> Arc<[Endpoint]> {
        let all = [
            ("mqtt", Some(self.mqtt)),
            ("mqtts", self.mqtts),
            ("ws", Some(self.http)),
            ("wss", self.https),
            ("http", Some(self.http)),
            ("https", self.https),
        ];
        let of =
            |(protocol, address): (_, Option<SocketAddr>)| Some(Endpoint { protocol, address: address?.to_string() });
        all.into_iter().filter_map(of).collect()
    }
}

impl Listeners {
    /// Reads the certificate and binds what is on. `open_files` is the process's limit.
    pub(crate) fn bind(config: &Config, open_files: u64) -> Result<Self, ListenersError> {
        let files = config.certificate.as_ref();
        let certificates = files.map(|files| Certificates::load(&files.cert, &files.key)).transpose()?.map(Arc::new);
        if certificates.is_some() && config.mqtts.is_none() && config.https.is_none() {
            tracing::warn!("a certificate is set, and neither mqtts nor https is on");
        }
        let encrypted = |what, address: Option<SocketAddr>| {
            let (Some(address), Some(certificates)) = (address, &certificates) else { return Ok(None) };
            listen(what, address).map(|listener| Some((listener, Arc::clone(certificates))))
        };
        let open = config.open.as_ref();
        let trusted = TrustedProxies::new(config.trusted_proxies.clone());
        Ok(Self {
            mqtt: listen("mqtt", config.mqtt)?,
            mqtts: encrypted("mqtts", config.mqtts)?,
            open_mqtt: open
                .map(|open| {
                    Ok::<_, ListenersError>((listen("open-mqtt", open.address)?, Door::Open(Arc::clone(&open.door))))
                })
                .transpose()?,
            http: listen("http", config.http)?,
            https: encrypted("https", config.https)?,
            intake: Intake::new(limits(open_files), trusted),
            certificates,
        })
    }

    pub(crate) fn intake(&self) -> &Arc<Intake> {
        &self.intake
    }

    pub(crate) fn certificates(&self) -> Option<Arc<Certificates>> {
        self.certificates.clone()
    }

    pub(crate) fn addresses(&self) -> io::Result<Addresses> {
        let of = |listener: Option<&TcpListener>| listener.map(TcpListener::local_addr).transpose();
        Ok(Addresses {
            mqtt: self.mqtt.local_addr()?,
            mqtts: of(self.mqtts.as_ref().map(|(listener, _)| listener))?,
            open_mqtt: of(self.open_mqtt.as_ref().map(|(listener, _)| listener))?,
            http: self.http.local_addr()?,
            https: of(self.https.as_ref().map(|(listener, _)| listener))?,
        })
    }

    /// Starts the accept loops.
    pub(crate) fn serve(self, broker: &Arc<Broker>, router: Router) -> Doors {
        let intake = &self.intake;
        let mut doors = Doors { mqtt: JoinSet::new(), http: JoinSet::new() };
        let mut mqtt = |listener, certificates, door| {
            let listener = MqttListener { listener, intake: Arc::clone(intake), certificates, door };
            doors.mqtt.spawn(listener.serve(Arc::clone(broker)));
        };
        mqtt(self.mqtt, None, Door::Signed);
        if let Some((listener, certificates)) = self.mqtts {
            mqtt(listener, Some(certificates), Door::Signed);
        }
        if let Some((listener, door)) = self.open_mqtt {
            mqtt(listener, None, door);
        }
        let http = HttpDoor::new(router);
        doors.http.spawn(http.clone().serve(self.http, Arc::clone(intake), None));
        if let Some((listener, certificates)) = self.https {
            doors.http.spawn(http.serve(listener, Arc::clone(intake), Some(certificates)));
        }
        doors
    }
}

impl Addresses {
    /// The one line that others wait for: those that are on, in the order of DESIGN section 1.
    pub(crate) fn say_ready(&self) -> io::Result<()> {
        let mut out = io::stdout().lock();
        writeln!(out, "{}", self.ready_line())?;
        out.flush()
    }

    fn ready_line(&self) -> String {
        let all = [
            ("mqtt", Some(self.mqtt)),
            ("mqtts", self.mqtts),
            ("open-mqtt", self.open_mqtt),
            ("http", Some(self.http)),
            ("https", self.https),
        ];
        all.into_iter().fold("sluice ready".to_owned(), |mut line, (name, address)| {
            if let Some(address) = address {
                // Writing to a string cannot fail.
                let _ = write!(line, " {name}={address}");
            }
            line
        })
    }
}

fn listen(what: &'static str, address: SocketAddr) -> Result<TcpListener, ListenersError> {
    sluice_mqtt::bind(address, false).map_err(|source| ListenersError::Bind { what, address, source })
}

/// The usual limits; half of the files the process may open are never taken by who has not said who they are.
fn limits(open_files: u64) -> ConnectionLimits {
    let usual = ConnectionLimits::default();
    let half_open_max = usual.half_open_max.min(u32::try_from(open_files / 2).unwrap_or(u32::MAX));
    ConnectionLimits { half_open_max, ..usual }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ready_line_names_those_that_are_on_in_the_fixed_order() {
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let mut addresses = Addresses { mqtt: at(1), mqtts: None, open_mqtt: None, http: at(4), https: None };
        assert_eq!(addresses.ready_line(), "sluice ready mqtt=127.0.0.1:1 http=127.0.0.1:4");
        addresses = Addresses { mqtts: Some(at(2)), open_mqtt: Some(at(3)), https: Some(at(5)), ..addresses };
        let all =
            "sluice ready mqtt=127.0.0.1:1 mqtts=127.0.0.1:2 open-mqtt=127.0.0.1:3 http=127.0.0.1:4 https=127.0.0.1:5";
        assert_eq!(addresses.ready_line(), all);
    }
}
