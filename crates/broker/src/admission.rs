//! CONNECT, in the order of DESIGN section 2: client ID, who, may they, the group, and only then sessions.

use std::sync::Arc;

use bytes::BytesMut;
use sluice_access::{AuthRefusal, MqttLogin, Peer};
use sluice_codec::{ConnAck, Connect, Packet, ReasonCode, encode};
use sluice_model::{Action, ClientId, Resource, UnixMs};
use sluice_policy::{Caller, Context, Permit};
use sluice_session::{Session, reason_string};

use crate::{
    Arrival, Broker, Client,
    link::{Link, SessionKey},
    refusal::{Shown, log_denied},
};

/// Why a CONNECT is refused.
struct Refused {
    reason: ReasonCode,
    why: String,
    /// Whether the log has it already.
    logged: bool,
}

fn refused<T>(reason: ReasonCode, why: impl Into<String>) -> Result<T, Refused> {
    Err(Refused { reason, why: why.into(), logged: false })
}

impl Broker {
    /// Answers a CONNECT: the CONNACK is added to `out`; `None` when it refuses.
    pub fn connect(self: &Arc<Self>, connect: &Connect, arrival: &Arrival, out: &mut BytesMut) -> Option<Client> {
        let (connack, client) = match self.admit(connect, arrival.peer) {
            Ok((client, connack)) => (connack, Some(client)),
            Err(Refused { reason, why, logged }) => {
                self.meters.refused.increment(1);
                if !logged {
                    tracing::warn!(target: "sluice::denied", what = "CONNECT", peer = %arrival.peer.addr, client_id = %Shown(&connect.client_id), reason = why, "refused");
                }
                (refusal(connect, reason, &why), None)
            }
        };
        encode(&Packet::ConnAck(connack), connect.version, out);
        client
    }

    fn admit(self: &Arc<Self>, connect: &Connect, peer: Peer) -> Result<(Client, ConnAck), Refused> {
        let Ok(client) = connect.client_id.parse::<ClientId>() else {
            return refused(ReasonCode::ClientIdentifierNotValid, "the client ID is not GroupID@@@device");
        };
        let login = self.authenticate(connect, &client, peer)?;
        let now = self.access.clock().now();
        let permit = self.permit_instance(&login, &client, now)?;
        let place = (login.settings.account, &login.settings.instance);
        if !client.group().is_some_and(|group| self.access.group_exists(place.0, place.1, &group)) {
            return refused(ReasonCode::ClientIdentifierNotValid, "the group does not exist");
        }
        let (session, connack) = match Session::open(connect) {
            Ok(opened) => opened,
            Err(not_served) => return refused(not_served.reason, not_served.why),
        };
        let key = SessionKey { account: place.0, instance: place.1.clone(), client };
        let link = Arc::new(Link::new(self.next_id(), key, login.caller.clone(), session.version(), now));
        self.take_place(&link, now)?;
        self.meters.connections.increment(1.0);
        let instance_key = link.key.instance_key();
        let mut client = Client {
            broker: Arc::clone(self),
            session,
            settings: login.settings,
            index: self.router.instance(&instance_key),
            instance_key,
            cache: sluice_access::DecisionCache::default(),
            valid_until: permit.valid_until(),
            instance_grant: permit.remember(),
            group_grant: None,
            last_held_back: None,
            link,
        };
        // Whatever was taken away since it was asked and before a sweep could see this connection: the right, but also
        // the group or the instance, which no epoch tells.
        match client.decide_again(now) {
            Ok(()) => Ok((client, connack)),
            Err(reason) => refused(reason, "the right vanished during CONNECT"),
        }
    }

    fn authenticate(&self, connect: &Connect, client: &ClientId, peer: Peer) -> Result<MqttLogin, Refused> {
        let (Some(username), Some(password)) = (&connect.username, &connect.password) else {
            return refused(ReasonCode::BadUserNameOrPassword, "a username and a password are needed");
        };
        self.access.authenticate_mqtt(username, password, client, peer).map_err(|refusal| {
            let reason = match refusal {
                AuthRefusal::NoInstance => ReasonCode::NotAuthorized,
                AuthRefusal::SealedSecret => ReasonCode::ServerUnavailable,
                _ => ReasonCode::BadUserNameOrPassword,
            };
            Refused { reason, why: refusal.to_string(), logged: false }
        })
    }

    fn permit_instance(&self, login: &MqttLogin, client: &ClientId, now: UnixMs) -> Result<Permit, Refused> {
        let (account, instance) = (login.settings.account, login.settings.instance.clone());
        let resource = Resource::Instance(account, instance.clone());
        let asked = self.authority.authorize(&login.caller, &Action::INSTANCE_ACCESS, &resource, &Context::at(now));
        asked.map_err(|denied| {
            let key = SessionKey { account, instance, client: client.clone() };
            log_denied("CONNECT", &key, &login.caller, &denied);
            Refused { reason: ReasonCode::NotAuthorized, why: denied.to_string(), logged: true }
        })
    }

    /// Enters the connection under its key. The owner takes over from itself; another principal only with `mq:SUB` on the
    /// group, from one without.
    fn take_place(&self, link: &Arc<Link>, now: UnixMs) -> Result<(), Refused> {
        let mut expected: Option<Arc<Link>> = None;
        loop {
            match self.registry.enter(link, expected.as_ref()) {
                Ok(()) => {
                    if let Some(old) = expected {
                        old.close(ReasonCode::SessionTakenOver);
                    }
                    return Ok(());
                }
                Err(held) => {
                    let same_owner = held.caller.principal() == link.caller.principal();
                    let outranks = || {
                        self.holds_group(&link.caller, &link.key, now)
                            && !self.holds_group(&held.caller, &link.key, now)
                    };
                    if !same_owner && !outranks() {
                        return refused(ReasonCode::NotAuthorized, "the client ID is in use by another principal");
                    }
                    expected = Some(held);
                }
            }
        }
    }

    fn holds_group(&self, caller: &Caller, key: &SessionKey, now: UnixMs) -> bool {
        // The open listener knows no groups.
        let Some(group) = key.client.group() else { return false };
        let resource = Resource::Group(key.account, key.instance.clone(), group);
        self.authority.authorize(caller, &Action::SUB, &resource, &Context::at(now)).is_ok()
    }
}

fn refusal(connect: &Connect, reason: ReasonCode, why: &str) -> ConnAck {
    let most = connect.properties.as_ref().and_then(|properties| properties.maximum_packet_size).unwrap_or(u32::MAX);
    let properties = if connect.version.is_v5() { reason_string(why, most) } else { None };
    ConnAck { session_present: false, reason, properties }
}
