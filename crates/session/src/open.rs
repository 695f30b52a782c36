//! The answer to CONNECT: what is agreed, and what is refused because it is not served.

use sluice_codec::{ConnAck, Connect, Properties, ReasonCode};

use crate::{PACKET_BYTES_MAX, RECEIVE_MAXIMUM, Session, TOPIC_ALIAS_MAXIMUM};

/// Why a CONNECT is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Refusal {
    /// The code of MQTT 5; MQTT 3 gets the nearest of its own.
    pub reason: ReasonCode,
    /// For the log and the reason string.
    pub why: &'static str,
}

/// Refuses what a CONNECT asks for and is not served, before anything is agreed.
///
/// A will is not sent silently into nothing: CONNECT with one is refused (MQTT 3 has no code for it and gets 3).
pub(crate) fn check(connect: &Connect) -> Result<(), Refusal> {
    let properties = connect.properties.as_deref();
    if properties.is_some_and(|properties| properties.authentication_method.is_some()) {
        let why = "enhanced authentication is not served";
        return Err(Refusal { reason: ReasonCode::BadAuthenticationMethod, why });
    }
    if let Some(will) = &connect.will {
        let reason = if will.retain { ReasonCode::RetainNotSupported } else { ReasonCode::ImplementationSpecificError };
        return Err(Refusal { reason, why: "wills are not served" });
    }
    Ok(())
}

/// What the server announces. [MQTT5 3.2.2.3]
pub(crate) fn announce(connect: &Connect) -> ConnAck {
    let asked_expiry = connect.properties.as_ref().and_then(|properties| properties.session_expiry_interval);
    let properties = connect.version.is_v5().then(|| {
        Box::new(Properties {
            // Sessions end with their connection.
            session_expiry_interval: asked_expiry.filter(|seconds| *seconds > 0).map(|_| 0),
            receive_maximum: Some(RECEIVE_MAXIMUM),
            maximum_qos: Some(1),
            retain_available: Some(false),
            maximum_packet_size: Some(u32::try_from(PACKET_BYTES_MAX).expect("1 MiB")),
            topic_alias_maximum: Some(TOPIC_ALIAS_MAXIMUM),
            shared_subscription_available: Some(false),
            ..Properties::default()
        })
    });
    ConnAck { session_present: false, reason: ReasonCode::Success, properties }
}

impl Session {
    /// Answers a CONNECT that was authenticated and permitted.
    ///
    /// # Errors
    /// [`Refusal`] of what is not served.
    pub fn open(connect: &Connect) -> Result<(Self, ConnAck), Refusal> {
        check(connect)?;
        let properties = connect.properties.as_deref();
        let of = |get: fn(&Properties) -> Option<u32>| properties.and_then(get);
        let receive_maximum = of(|p| p.receive_maximum.map(u32::from))
            .map_or(RECEIVE_MAXIMUM, |most| u16::try_from(most).unwrap_or(RECEIVE_MAXIMUM));
        let session = Self::agreed(
            connect.version,
            connect.keep_alive,
            receive_maximum.min(RECEIVE_MAXIMUM),
            of(|p| p.maximum_packet_size).unwrap_or(u32::MAX),
            properties.and_then(|p| p.request_problem_information).unwrap_or(true),
        );
        Ok((session, announce(connect)))
    }
}
