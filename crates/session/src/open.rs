//! The answer to CONNECT: what is refused because it is not served, and what is agreed.

use sluice_codec::{ConnAck, Connect, Properties, ReasonCode, Version};
use sluice_model::{ClientId, Limits};

use crate::{
    Session, SessionState,
    agreed::Agreed,
    aliases::{InboundAliases, OutboundAliases},
};

/// Why a CONNECT is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Refusal {
    /// The code of MQTT 5; MQTT 3 gets the nearest of its own.
    pub reason: ReasonCode,
    /// For the log and the reason string.
    pub why: &'static str,
}

/// Refuses what a CONNECT asks for and the instance does not serve, before any session is looked at.
///
/// A will is not sent silently into nothing: where wills are not served, CONNECT with one is refused (MQTT 3 has no code for it
/// and gets 3).
///
/// # Errors
/// [`Refusal`].
pub fn check(connect: &Connect, limits: &Limits) -> Result<(), Refusal> {
    let properties = connect.properties.as_deref();
    if properties.is_some_and(|properties| properties.authentication_method.is_some()) {
        // [MQTT-4.12.0-1]
        let why = "enhanced authentication is not served";
        return Err(Refusal { reason: ReasonCode::BadAuthenticationMethod, why });
    }
    let Some(will) = &connect.will else { return Ok(()) };
    if !limits.serves_wills {
        let reason = if will.retain { ReasonCode::RetainNotSupported } else { ReasonCode::ImplementationSpecificError };
        return Err(Refusal { reason, why: "wills are not served" });
    }
    if will.retain && !limits.serves_retained {
        // [MQTT-3.2.2-13]
        let why = "retained messages are not served";
        return Err(Refusal { reason: ReasonCode::RetainNotSupported, why });
    }
    if !limits.admits_topic(&will.topic) {
        let why = "the will's topic is too long or has too many levels";
        return Err(Refusal { reason: ReasonCode::TopicNameInvalid, why });
    }
    if will.payload.len() > usize::try_from(limits.payload_bytes_max).unwrap_or(usize::MAX) {
        return Err(Refusal { reason: ReasonCode::PacketTooLarge, why: "the will's payload is too large" });
    }
    Ok(())
}

/// What a permitted CONNECT opens.
#[derive(Debug)]
pub struct Opening<'c, H> {
    /// The packet.
    pub connect: &'c Connect,
    /// The instance's.
    pub limits: &'c Limits,
    /// Of the stored session that is resumed; `None` begins a new one.
    pub present: Option<SessionState<H>>,
    /// The client ID that the server chose. [MQTT-3.1.3-7]
    pub assigned: Option<&'c ClientId>,
}

impl<H> Session<H> {
    /// Answers a CONNECT that was authenticated, permitted and [checked](check).
    #[must_use]
    pub fn open(opening: Opening<'_, H>) -> (Self, ConnAck) {
        let Opening { connect, limits, present, assigned } = opening;
        let agreed = Agreed::of(connect, limits);
        // MQTT 3.1 has no such flag: the byte is reserved.
        let session_present = present.is_some() && connect.version != Version::V3_1;
        let properties = connect.version.is_v5().then(|| Box::new(announce(connect, limits, &agreed, assigned)));
        let offered = connect.properties.as_ref().and_then(|properties| properties.topic_alias_maximum).unwrap_or(0);
        let state = present.unwrap_or_default();
        let session = Self {
            agreed,
            aliases_in: InboundAliases::default(),
            aliases_out: OutboundAliases::of(offered.min(limits.topic_alias_maximum)),
            inbound: state.inbound,
            outbound: state.outbound.on_new_connection(),
        };
        (session, ConnAck { session_present, reason: ReasonCode::Success, properties })
    }
}

/// What the server announces. [MQTT5 3.2.2.3]
fn announce(connect: &Connect, limits: &Limits, agreed: &Agreed, assigned: Option<&ClientId>) -> Properties {
    let asked = connect.properties.as_ref().and_then(|properties| properties.session_expiry_interval).unwrap_or(0);
    let refuse = |serves: bool| (!serves).then_some(false);
    Properties {
        // [MQTT-3.2.2-15 to -18]: what is absent is served as the specification's default.
        session_expiry_interval: (agreed.session_expiry_s != asked).then_some(agreed.session_expiry_s),
        receive_maximum: Some(limits.receive_maximum),
        retain_available: refuse(limits.serves_retained),
        maximum_packet_size: Some(limits.packet_bytes_max),
        assigned_client_identifier: assigned.map(|client| client.as_str().into()),
        topic_alias_maximum: Some(limits.topic_alias_maximum),
        shared_subscription_available: refuse(limits.serves_shared),
        server_keep_alive: (agreed.keep_alive_s != connect.keep_alive).then_some(agreed.keep_alive_s),
        ..Properties::default()
    }
}
