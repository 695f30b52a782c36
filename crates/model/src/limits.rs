//! The limits of an instance, in one table: what its compatibility serves, narrowed by what its edition buys.
//!
//! Sources: DESIGN section 2, MQTT; facts/apsaramq-for-mqtt.md sections 4 and 7. An unlimited number is `u32::MAX` or
//! `u64::MAX`: nothing is capped until an edition or the original's gaps say so. The whole table, edition by compatibility,
//! is `tests/limits.txt`.

use crate::{Compatibility, Edition, OfflineRetention, TopicFilter, TopicName, level_count};

/// What an instance and its clients may have at most.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Connected clients of the instance.
    pub connections_max: u32,
    /// CONNECTs of the instance in one second.
    pub connects_per_s_max: u32,
    /// Messages published to the instance in one second, operations included.
    pub messages_per_s_max: u32,
    /// Subscriptions of all clients of the instance.
    pub subscriptions_max: u32,
    /// Parent topics of the instance.
    pub parent_topics_max: u32,
    /// Groups of the instance.
    pub groups_max: u32,
    /// Retained messages of the instance.
    pub retained_messages_max: u32,
    /// Bytes of the retained messages of the instance.
    pub retained_bytes_max: u64,
    /// Subscriptions of a client.
    pub client_subscriptions_max: u32,
    /// QoS 1 and 2 messages that a client may have unacknowledged, and the most that it is sent unacknowledged.
    pub receive_maximum: u16,
    /// Topic aliases, each way.
    pub topic_alias_maximum: u16,
    /// Messages that wait for a session.
    pub queue_messages_max: u32,
    /// Bytes of the messages that wait for a session.
    pub queue_bytes_max: u64,
    /// Messages that wait for the sessions of the instance, all together; the oldest goes first.
    pub offline_messages_max: u32,
    /// How long a message waits for a session, seconds.
    pub offline_retention_s: u32,
    /// Of more messages than these that waited for a client, it gets so many at once when it is back, and as many each 5
    /// seconds. 0: all at once.
    pub offline_batch_messages: u32,
    /// Longest keep-alive of MQTT 5, seconds; a longer one, and none, are set to it. 0: as asked.
    pub keep_alive_s_max: u16,
    /// Shortest session expiry that is not 0, seconds; a shorter one is raised to it.
    pub session_expiry_s_min: u32,
    /// Longest session expiry, seconds; `u32::MAX` is without end.
    pub session_expiry_s_max: u32,
    /// A packet with its fixed header, bytes.
    pub packet_bytes_max: u32,
    /// The application's bytes of a message.
    pub payload_bytes_max: u32,
    /// A topic name, bytes.
    pub topic_bytes_max: u16,
    /// Levels of a topic name or filter.
    pub topic_levels_max: u16,
    /// Whether retained messages are served.
    pub serves_retained: bool,
    /// Whether wills are served.
    pub serves_wills: bool,
    /// Whether shared subscriptions are served.
    pub serves_shared: bool,
    /// Whether a stored session may subscribe at QoS 2.
    pub serves_stored_qos2: bool,
}

/// Sluice's own limits. DESIGN section 2: roomy, with no cap on rates and connections.
const EXTENDED: Limits = Limits {
    connections_max: u32::MAX,
    connects_per_s_max: u32::MAX,
    messages_per_s_max: u32::MAX,
    subscriptions_max: u32::MAX,
    parent_topics_max: 10_000,
    groups_max: 10_000,
    retained_messages_max: 1_000_000,
    retained_bytes_max: 1024 * 1024 * 1024,
    client_subscriptions_max: 1_000,
    receive_maximum: 100,
    topic_alias_maximum: 30,
    queue_messages_max: 100_000,
    queue_bytes_max: 64 * 1024 * 1024,
    // The original's, until the instance has a setting of its own: see [`Limits::keeping`].
    offline_messages_max: OfflineRetention::DEFAULT.messages_max,
    offline_retention_s: OfflineRetention::DEFAULT.seconds,
    offline_batch_messages: 0,
    keep_alive_s_max: 0,
    session_expiry_s_min: 0,
    session_expiry_s_max: u32::MAX,
    packet_bytes_max: 1024 * 1024,
    payload_bytes_max: 1024 * 1024,
    topic_bytes_max: u16::MAX,
    topic_levels_max: 128,
    serves_retained: true,
    serves_wills: true,
    serves_shared: true,
    serves_stored_qos2: true,
};

/// The original's limits and gaps. Documented in facts/apsaramq-for-mqtt.md section 4, except where a line says "ours".
const STRICT: Limits = Limits {
    parent_topics_max: 25,
    // The product serves neither; a limit of 0 says it in numbers too.
    retained_messages_max: 0,
    retained_bytes_max: 0,
    client_subscriptions_max: 30,
    receive_maximum: u16::MAX,
    topic_alias_maximum: 30,
    // The original keeps 1,000,000 for all sessions of an instance together, so that one session may have them all. The
    // bytes are ours.
    queue_messages_max: 1_000_000,
    offline_batch_messages: 30,
    keep_alive_s_max: 8 * 60,
    session_expiry_s_min: 10 * 60,
    session_expiry_s_max: 2_147_483_647,
    packet_bytes_max: 128 * 1024,
    payload_bytes_max: 64 * 1024,
    // The limits page says 64 with all levels, a comment in a demo 128. 64, so that a test run finds what the page forbids;
    // point-to-point topics are exempt, see [`Limits::admits_topic`].
    topic_bytes_max: 64,
    serves_retained: false,
    serves_wills: false,
    serves_shared: false,
    serves_stored_qos2: false,
    // Groups, levels, and what an edition buys: no number is documented, ours.
    ..EXTENDED
};

impl Limits {
    /// The limits of an instance of this edition and compatibility.
    #[must_use]
    pub const fn of(edition: Edition, compatibility: Compatibility) -> Self {
        let served = match compatibility {
            Compatibility::Extended => EXTENDED,
            Compatibility::Strict => STRICT,
        };
        match edition {
            // Its smallest documented size is 1,000 connections. The others are ours: as many subscriptions as 1,000 of the
            // original's clients may have, a message a second each, and all of them back within ten seconds.
            Edition::Basic => Self {
                connections_max: 1_000,
                connects_per_s_max: 100,
                messages_per_s_max: 1_000,
                subscriptions_max: 30_000,
                ..served
            },
            // Its largest documented size is 2,000,000 connections.
            Edition::Platinum => Self { connections_max: 2_000_000, ..served },
            // Sizes of Professional are not documented and Serverless has none; the default edition is without a cap.
            // DESIGN section 2, Defaults.
            Edition::Professional | Edition::Serverless => served,
        }
    }

    /// These limits with the instance's own setting of what waits for clients that are away.
    #[must_use]
    pub const fn keeping(self, retention: OfflineRetention) -> Self {
        Self { offline_messages_max: retention.messages_max, offline_retention_s: retention.seconds, ..self }
    }

    /// Whether a topic name is short and flat enough. A point-to-point topic is exempt from the length: with a client ID of
    /// 64 characters it could not fit the original's 64 bytes (facts/apsaramq-for-mqtt.md section 4).
    #[must_use]
    pub fn admits_topic(&self, topic: &TopicName) -> bool {
        topic.p2p_target().is_some() || self.admits(topic.as_str())
    }

    /// Whether a filter, without its `$share/{group}/`, is short and flat enough.
    #[must_use]
    pub fn admits_filter(&self, filter: &TopicFilter) -> bool {
        self.admits(filter.plain()) || TopicName::reads_as_p2p(filter.plain())
    }

    fn admits(&self, text: &str) -> bool {
        text.len() <= usize::from(self.topic_bytes_max) && level_count(text) <= usize::from(self.topic_levels_max)
    }

    /// Every limit under its name in `GetMqttInstance`, in the order of the fields. [`Limits::UNLIMITED`] says that there is
    /// no such limit; whether something is served is 1 or 0.
    #[must_use]
    pub fn named(&self) -> [(&'static str, i64); 27] {
        [
            ("ConnectionsMax", capped(self.connections_max)),
            ("ConnectsPerSecondMax", capped(self.connects_per_s_max)),
            ("MessagesPerSecondMax", capped(self.messages_per_s_max)),
            ("SubscriptionsMax", capped(self.subscriptions_max)),
            ("ParentTopicsMax", capped(self.parent_topics_max)),
            ("GroupsMax", capped(self.groups_max)),
            ("RetainedMessagesMax", capped(self.retained_messages_max)),
            ("RetainedBytesMax", i64::try_from(self.retained_bytes_max).unwrap_or(Self::UNLIMITED)),
            ("ClientSubscriptionsMax", capped(self.client_subscriptions_max)),
            ("ReceiveMaximum", self.receive_maximum.into()),
            ("TopicAliasMaximum", self.topic_alias_maximum.into()),
            ("QueueMessagesMax", capped(self.queue_messages_max)),
            ("QueueBytesMax", i64::try_from(self.queue_bytes_max).unwrap_or(Self::UNLIMITED)),
            ("OfflineMessagesMax", self.offline_messages_max.into()),
            ("OfflineRetentionSeconds", self.offline_retention_s.into()),
            (
                "OfflineBatchMessages",
                if self.offline_batch_messages == 0 { Self::UNLIMITED } else { self.offline_batch_messages.into() },
            ),
            (
                "KeepAliveSecondsMax",
                if self.keep_alive_s_max == 0 { Self::UNLIMITED } else { self.keep_alive_s_max.into() },
            ),
            ("SessionExpirySecondsMin", self.session_expiry_s_min.into()),
            ("SessionExpirySecondsMax", capped(self.session_expiry_s_max)),
            ("PacketBytesMax", capped(self.packet_bytes_max)),
            ("PayloadBytesMax", capped(self.payload_bytes_max)),
            ("TopicBytesMax", self.topic_bytes_max.into()),
            ("TopicLevelsMax", self.topic_levels_max.into()),
            ("ServesRetained", self.serves_retained.into()),
            ("ServesWills", self.serves_wills.into()),
            ("ServesShared", self.serves_shared.into()),
            ("ServesStoredQos2", self.serves_stored_qos2.into()),
        ]
    }

    /// How [`Limits::named`] says that there is no limit.
    pub const UNLIMITED: i64 = -1;
}

fn capped(limit: u32) -> i64 {
    if limit == u32::MAX { Limits::UNLIMITED } else { limit.into() }
}
