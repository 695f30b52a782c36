//! CONNECT, in the order of DESIGN section 2: client ID, who, may they, the group, and only then sessions.

use std::{
    fmt::Display,
    sync::{Arc, atomic::Ordering},
};

use bytes::BytesMut;
use sluice_access::{AuthRefusal, MqttLogin, NotLetIn, random};
use sluice_codec::{ConnAck, Connect, Packet, ReasonCode, Version, encode};
use sluice_model::{ClientId, UnixMs};
use sluice_policy::{Denied, Reason, Shown};
use sluice_router::{InstanceKey, SubscriberId};
use sluice_session::{Opening, Session, check, reason_string};
use sluice_store::log::{LogFault, Need, Ticket};

use crate::{
    Arrival, Broker, Client, Door, OpenDoor,
    held::reason_of,
    journal,
    link::Identity,
    recheck::Ended,
    refusal::{Asked, log_refused},
    takeover::Placed,
    will::{PendingWill, WillRefused},
};

/// Why a CONNECT is refused.
pub(crate) struct Refused {
    reason: ReasonCode,
    why: String,
    /// Whether the log has it already.
    logged: bool,
}

/// Refuses whoever has not proved who it is.
fn refused<T>(reason: ReasonCode, why: impl Into<String>) -> Result<T, Refused> {
    Err(Refused { reason, why: why.into(), logged: false })
}

/// A client that has said and proved who it is.
struct Identified {
    client: ClientId,
    /// Whether the server chose the ID.
    is_assigned: bool,
    login: MqttLogin,
}

impl Broker {
    /// Answers a CONNECT: the CONNACK is added to `out`; `None` when it refuses. It waits where an earlier connection of the
    /// same client must leave first.
    pub async fn connect(self: &Arc<Self>, connect: &Connect, arrival: &Arrival, out: &mut BytesMut) -> Option<Client> {
        let (connack, client) = match self.admit(connect, arrival).await {
            Ok((client, connack)) => (connack, Some(client)),
            Err(Refused { reason, why, logged }) => {
                self.meters.refused.increment(1);
                if !logged {
                    tracing::warn!(target: "sluice::denied", what = "CONNECT", peer = %arrival.peer.addr, client_id = %Shown(&connect.client_id), reason = %Shown(&why), "refused");
                }
                (refusal(connect, reason, &why), None)
            }
        };
        encode(&Packet::ConnAck(connack), connect.version, out);
        let properties = connect.properties.as_ref();
        let most = properties.and_then(|properties| properties.maximum_packet_size).unwrap_or(u32::MAX);
        if out.len() > usize::try_from(most).unwrap_or(usize::MAX) {
            // A client that cannot be answered is not a client. [MQTT-3.1.2-24]
            out.clear();
            if let Some(mut client) = client {
                client.will = None;
            }
            return None;
        }
        client
    }

    async fn admit(self: &Arc<Self>, connect: &Connect, arrival: &Arrival) -> Result<(Client, ConnAck), Refused> {
        let Identified { client, is_assigned, login } = self.identify(connect, arrival)?;
        let settings = login.settings;
        let key = InstanceKey { account: settings.account, instance: settings.instance.clone() };
        if arrival.sni_instance.as_ref().is_some_and(|named| *named != settings.instance) {
            let (asked, why) = (Asked::instance(&key), "TLS named another instance than CONNECT");
            let why = self.refuse_without_policy_at("CONNECT", &client, &login.caller, asked, why);
            return Err(Refused { reason: ReasonCode::NotAuthorized, why, logged: true });
        }
        let now = self.access.clock().now();
        let live = self.instances.of(&key);
        let permit = self.ask_instance(&login.caller, &live, now).map_err(|denied| {
            let why = self.refuse_at("CONNECT", &key, &client, &login.caller, &denied);
            Refused { reason: not_permitted(&denied), why, logged: true }
        })?;
        let identity = Identity {
            client: client.clone(),
            instance: Arc::clone(&live),
            caller: login.caller,
            is_stored: false,
            version: connect.version,
            connected: now,
        };
        if !self.group_stands(&identity) {
            let (asked, why) = (Asked::group(&identity), "the group does not exist");
            let why = self.refuse_without_policy("CONNECT", &identity, asked, why);
            return Err(Refused { reason: ReasonCode::ClientIdentifierNotValid, why, logged: true });
        }
        let limits = settings.limits;
        check(connect, &limits).map_err(|not| self.refuse_connect(&identity, not.reason, not.why))?;
        let will = self.check_will(connect, &identity, now)?;
        let replaces = live.sessions.get(&client).is_some_and(|held| held.is_here());
        self.has_room_for_connection(&live, &limits, replaces, now)
            .map_err(|over| self.refuse_connect(&identity, over.reason(), over))?;
        let Placed { link, present, replaced } = self.take_place(connect, &limits, identity).await?;
        live.connections.fetch_add(1, Ordering::Relaxed);
        self.meters.connections.increment(1.0);
        let assigned = is_assigned.then_some(&client);
        let is_new = present.is_none();
        let (session, connack) = Session::open(Opening { connect, limits: &limits, present, assigned });
        let mut client = Client::new(self, link, session, settings, &permit);
        // Whatever was taken away since it was asked and before a sweep could see this connection: the right, but also
        // the group or the instance, which no epoch tells. Filters of a session that is resumed are asked again too
        // (attack 13).
        if let Err(Ended { reason, told }) = client.decide_again(self.access.clock().now()) {
            client.undo(is_new, reason);
            let logged = told.is_some();
            let why = told.unwrap_or_else(|| AuthRefusal::Unavailable.to_string());
            return Err(Refused { reason, why, logged });
        }
        // A will exists only now that nothing refuses any more. Attack 3.
        client.will = will;
        if let Err(not_kept) = self.keep_session(&mut client, is_new, replaced).await {
            client.undo(is_new, not_kept.reason);
            return Err(not_kept);
        }
        for group in live.index.shares_of(client.link.id) {
            self.drain_backlog(&live, group.filter());
        }
        // What waited while the client was away, or was in flight, follows the CONNACK.
        client.link.wake();
        Ok((client, connack))
    }

    /// Writes a stored session into the log, and the end of the one before; what CONNACK says of them is true after a kill too.
    async fn keep_session(
        &self,
        client: &mut Client,
        is_new: bool,
        replaced: Option<SubscriberId>,
    ) -> Result<(), Refused> {
        let (link, need) = (Arc::clone(&client.link), client.need());
        let not_kept = |fault: LogFault| {
            log_refused("CONNECT", &link.identity, fault);
            Refused { reason: reason_of(fault), why: fault.to_string(), logged: true }
        };
        let mut ticket = match replaced {
            Some(replaced) => self.journal.ended(replaced, need).map_err(not_kept)?,
            None => None,
        };
        if link.id.is_stored() {
            let record = journal::session(&link, client.session.expiry_s(), client.will.as_deref());
            if is_new {
                ticket = Some(self.journal.may(&record, need).map_err(not_kept)?);
            } else {
                // One that goes on is not kept from its messages by a full disk. Behind what is in flight of the earlier
                // connection, it says when that is in the log.
                let asked = if client.session.has_again() { need } else { Need::Later };
                let Ticket { position, .. } = self.journal.must(&record, asked).map_err(not_kept)?;
                client.resumed = Some(Ticket { position, need });
            }
        }
        match ticket {
            Some(ticket) => self.journal.settled(ticket).await.map_err(not_kept),
            None => Ok(()),
        }
    }

    fn identify(&self, connect: &Connect, arrival: &Arrival) -> Result<Identified, Refused> {
        match &arrival.door {
            Door::Signed => self.identify_signed(connect, arrival),
            Door::Open(door) => self.identify_open(connect, arrival, door),
        }
    }

    fn identify_signed(&self, connect: &Connect, arrival: &Arrival) -> Result<Identified, Refused> {
        let Ok(client) = connect.client_id.parse::<ClientId>() else {
            return refused(ReasonCode::ClientIdentifierNotValid, "the client ID is not GroupID@@@device");
        };
        let (Some(username), Some(password)) = (&connect.username, &connect.password) else {
            return refused(ReasonCode::BadUserNameOrPassword, "a username and a password are needed");
        };
        let now = self.access.clock().now();
        let login = self.access.authenticate_mqtt(username, password, &client, arrival.peer, now);
        match login {
            Ok(login) => Ok(Identified { client, is_assigned: false, login }),
            Err(NotLetIn { why, whose: None }) => Err(not_proved(why)),
            Err(NotLetIn { why, whose: Some(caller) }) => {
                // Kept for the account whose secret was proved, so that no stranger fills it.
                let asked = Asked::named_instance(&caller, username.split('|').nth(2).unwrap_or_default());
                let told = self.refuse_without_policy_at("CONNECT", &client, &caller, asked, &why);
                Err(Refused { why: told, logged: true, ..not_proved(why) })
            }
        }
    }

    /// The open listener's clients are named by themselves, or by the server. DESIGN section 1.
    fn identify_open(&self, connect: &Connect, arrival: &Arrival, door: &OpenDoor) -> Result<Identified, Refused> {
        let is_assigned = connect.client_id.is_empty();
        // [MQTT-3.1.3-7, -8]: MQTT 3.1.1 names only a clean session, MQTT 3.1 none.
        let may_be_named = match connect.version {
            Version::V3_1 => false,
            Version::V3_1_1 => connect.clean,
            Version::V5 => true,
        };
        if is_assigned && !may_be_named {
            return refused(ReasonCode::ClientIdentifierNotValid, "the client ID is empty");
        }
        let named = if is_assigned { Ok(random::client_id()) } else { ClientId::ungrouped(&connect.client_id) };
        let client = named.or_else(|fault| refused(ReasonCode::ClientIdentifierNotValid, fault.to_string()))?;
        let login = self.access.authenticate_open(&door.instance, &door.user, arrival.peer).map_err(not_proved)?;
        Ok(Identified { client, is_assigned, login })
    }

    /// Refuses what no policy decides, on the instance.
    pub(crate) fn refuse_connect(&self, identity: &Identity, reason: ReasonCode, why: impl Display) -> Refused {
        let asked = Asked::instance(&identity.instance.key);
        let why = self.refuse_without_policy("CONNECT", identity, asked, why);
        Refused { reason, why, logged: true }
    }

    /// Attack 1: a will needs its right from the beginning.
    fn check_will(
        &self,
        connect: &Connect,
        identity: &Identity,
        now: UnixMs,
    ) -> Result<Option<Box<PendingWill>>, Refused> {
        let Some(will) = PendingWill::of(connect) else { return Ok(None) };
        match self.may_publish_will(&identity.caller, &identity.instance, &will, now) {
            Ok(_may_be_said) => Ok(Some(will)),
            Err(not @ WillRefused::NoTopic) => {
                let asked = Asked::publish(&identity.instance.key, will.frame.topic().as_str());
                let why = self.refuse_without_policy("CONNECT with a will", identity, asked, not);
                Err(Refused { reason: ReasonCode::NotAuthorized, why, logged: true })
            }
            Err(WillRefused::Denied(denied)) => {
                let why = self.refuse("CONNECT with a will", identity, &denied);
                Err(Refused { reason: not_permitted(&denied), why, logged: true })
            }
        }
    }
}

impl Client {
    /// A CONNECT is refused after its session was entered: a new one ends, and nobody hears of its will.
    fn undo(&mut self, is_new: bool, reason: ReasonCode) {
        self.will = None;
        if is_new {
            self.link.close_and_end(reason);
        }
    }
}

/// What a refusal is called in a CONNACK.
fn not_permitted(denied: &Denied) -> ReasonCode {
    if denied.reason == Reason::Unavailable { ReasonCode::ServerUnavailable } else { ReasonCode::NotAuthorized }
}

fn not_proved(refusal: AuthRefusal) -> Refused {
    let reason = match refusal {
        AuthRefusal::NoInstance | AuthRefusal::DisabledAccount | AuthRefusal::SourceNotAllowed => {
            ReasonCode::NotAuthorized
        }
        // DESIGN section 1: the open listener refuses until its user exists (3, 0x88).
        AuthRefusal::SealedSecret | AuthRefusal::NoListenerUser | AuthRefusal::Unavailable => {
            ReasonCode::ServerUnavailable
        }
        _ => ReasonCode::BadUserNameOrPassword,
    };
    Refused { reason, why: refusal.to_string(), logged: false }
}

fn refusal(connect: &Connect, reason: ReasonCode, why: &str) -> ConnAck {
    let properties = connect.properties.as_ref();
    let most = properties.and_then(|properties| properties.maximum_packet_size).unwrap_or(u32::MAX);
    let properties = if connect.version.is_v5() { reason_string(why, most) } else { None };
    ConnAck { session_present: false, reason, properties }
}
