//! What an instance may have at most, asked before a message is taken or a connection let in.

use std::sync::{Arc, atomic::Ordering};

use metrics::counter;
use sluice_access::InstanceSettings;
use sluice_codec::ReasonCode;
use sluice_model::{Compatibility, Edition, Limits, UnixMs};

use crate::{Broker, live_instance::LiveInstance, message::Message};

/// A limit of the instance that was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OverQuota {
    #[error("the instance has as many connections as it may")]
    Connections,
    #[error("the instance has as many new connections in this second as it may")]
    Connects,
    #[error("the instance has as many messages in this second as it may")]
    Messages,
    #[error("the instance keeps as many retained messages as it may")]
    Retained,
    #[error("the client or the instance has as many subscriptions as it may")]
    Subscriptions,
}

impl OverQuota {
    /// What MQTT 5 is told.
    pub(crate) fn reason(self) -> ReasonCode {
        match self {
            Self::Connections | Self::Messages | Self::Retained | Self::Subscriptions => ReasonCode::QuotaExceeded,
            Self::Connects => ReasonCode::ConnectionRateExceeded,
        }
    }

    /// The label `limit` of the metric.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::Connects => "connects",
            Self::Messages => "messages",
            Self::Retained => "retained",
            Self::Subscriptions => "subscriptions",
        }
    }

    /// Counts the refusal.
    pub(crate) fn counted(self) -> Self {
        counter!("sluice_over_quota_total", "limit" => self.name()).increment(1);
        self
    }
}

impl Broker {
    /// The settings of an instance; `None` when it is gone.
    pub(crate) fn settings_of(&self, live: &LiveInstance) -> Option<Arc<InstanceSettings>> {
        self.access.instance(live.key.account, &live.key.instance)
    }

    /// The limits of an instance; of one that is gone those of the smallest edition, until its last connection has left.
    pub(crate) fn limits_of(&self, live: &LiveInstance) -> Limits {
        let of_none = || Limits::of(Edition::Basic, Compatibility::Strict);
        self.settings_of(live).map_or_else(of_none, |settings| settings.limits)
    }

    /// Whether the instance has room for another connection; one that takes the place of another needs none.
    pub(crate) fn has_room_for_connection(
        &self,
        live: &LiveInstance,
        limits: &Limits,
        replaces: bool,
        now: UnixMs,
    ) -> Result<(), OverQuota> {
        if !live.connects.allows(limits.connects_per_s_max, now) {
            return Err(OverQuota::Connects.counted());
        }
        if !replaces && live.connections.load(Ordering::Relaxed) >= limits.connections_max {
            return Err(OverQuota::Connections.counted());
        }
        Ok(())
    }

    /// Whether the instance takes this message, which is within its own limits.
    pub(crate) fn within_quota(&self, live: &LiveInstance, message: &Message, now: UnixMs) -> Result<(), OverQuota> {
        self.within(live, &self.limits_of(live), message, now)
    }

    /// As [`Broker::within_quota`], under limits that the caller has at hand.
    pub(crate) fn within(
        &self,
        live: &LiveInstance,
        limits: &Limits,
        message: &Message,
        now: UnixMs,
    ) -> Result<(), OverQuota> {
        if !live.messages.allows(limits.messages_per_s_max, now) {
            return Err(OverQuota::Messages.counted());
        }
        let topic = message.frame.topic().as_str();
        let is_new = message.retain && !message.frame.payload().is_empty();
        if is_new && !live.retained.has_room(topic, message.bytes, limits) {
            return Err(OverQuota::Retained.counted());
        }
        Ok(())
    }
}
