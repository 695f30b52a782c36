//! Topic names, filters and parent topics.

use std::{str::FromStr, sync::Arc};

use crate::{
    ClientId, NameError,
    error::{ascii_name, text_name},
};

/// Most bytes of a topic on the wire: its length has two bytes. [MQTT-4.7.3-3]
pub(crate) const TOPIC_BYTES_MAX: usize = 65_535;

/// Most levels of a topic name or filter. DESIGN section 2, MQTT.
pub const LEVELS_MAX: usize = 128;

/// Levels of a topic name or filter.
#[must_use]
pub fn level_count(topic: &str) -> usize {
    topic.bytes().filter(|&b| b == b'/').count() + 1
}

/// A level-1 topic, created before use: 3 to 64 of `[0-9A-Za-z_-]`, and no name that reads as another resource's.
/// Sources: facts/apsaramq-for-mqtt.md section 1; DESIGN section 2, ARN candidates.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ParentTopic(Arc<str>);

impl ParentTopic {
    const RESERVED: [&'static str; 4] = ["instance", "topic", "groupId", "rule"];
    const RESERVED_PREFIXES: [&'static str; 4] = ["post-", "mqtt-", "GID_", "GID-"];

    /// Whether a text is such a name; cheaper than to parse it.
    #[must_use]
    pub fn is_legal(text: &str) -> bool {
        Self::check(text).is_ok()
    }

    fn check(text: &str) -> Result<(), NameError> {
        let what = "Topic";
        ascii_name(what, text, 3, 64, |b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')?;
        if Self::RESERVED.contains(&text) || Self::RESERVED_PREFIXES.iter().any(|p| text.starts_with(p)) {
            return Err(NameError::Reserved { what });
        }
        Ok(())
    }
}
text_name!(ParentTopic);

/// A topic name as published: 1 to 65,535 bytes, no wildcard, no NUL. [MQTT-3.3.2-2] [MQTT-4.7.3-1] [MQTT-4.7.3-2]
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct TopicName(Arc<str>);

impl TopicName {
    fn check(text: &str) -> Result<(), NameError> {
        let what = "Topic";
        if text.is_empty() || text.len() > TOPIC_BYTES_MAX {
            return Err(NameError::Length { what, least: 1, most: TOPIC_BYTES_MAX, unit: "bytes" });
        }
        if text.bytes().any(|b| matches!(b, b'+' | b'#' | 0)) {
            return Err(NameError::InvalidChars { what });
        }
        Ok(())
    }

    /// The first level.
    #[must_use]
    pub fn parent(&self) -> &str {
        first_level(&self.0)
    }

    /// The third level of `{parent}/p2p/{clientId}`, exactly three levels; the target of a point-to-point message.
    #[must_use]
    pub fn p2p_target(&self) -> Option<&str> {
        p2p_target(&self.0)
    }

    /// Whether a text has the form of a point-to-point topic.
    pub(crate) fn reads_as_p2p(text: &str) -> bool {
        p2p_target(text).is_some()
    }

    /// The shared text.
    #[must_use]
    pub fn shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }
}
text_name!(TopicName);

fn first_level(topic: &str) -> &str {
    let end = topic.bytes().position(|b| b == b'/').unwrap_or(topic.len());
    &topic[..end]
}

/// Looked at for every message: the second level decides, mostly at its first byte.
fn p2p_target(topic: &str) -> Option<&str> {
    let target = topic[first_level(topic).len()..].strip_prefix("/p2p/")?;
    (!target.contains('/')).then_some(target)
}

/// A topic filter as subscribed. `$share/{group}/{filter}` is taken apart. [MQTT-4.7] [MQTT-4.8.2]
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct TopicFilter {
    text: Arc<str>,
    /// Where the plain filter begins in `text`; 0 without `$share`.
    filter_from: u16,
}

impl TopicFilter {
    /// The filter as the client wrote it, `$share/…` included.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The filter that topics are matched against, without `$share/{group}/`.
    #[must_use]
    pub fn plain(&self) -> &str {
        &self.text[usize::from(self.filter_from)..]
    }

    /// The share name of a shared subscription.
    #[must_use]
    pub fn share(&self) -> Option<&str> {
        let end = usize::from(self.filter_from).checked_sub(1)?;
        self.text.get("$share/".len()..end)
    }

    /// Whether the plain filter has `+` or `#`.
    #[must_use]
    pub fn has_wildcard(&self) -> bool {
        self.plain().bytes().any(|b| b == b'+' || b == b'#')
    }

    /// The first level of the plain filter; may be a wildcard.
    #[must_use]
    pub fn parent(&self) -> &str {
        first_level(self.plain())
    }

    /// Whether this filter names the point-to-point topic of a client other than `own`: refused at SUBSCRIBE.
    #[must_use]
    pub fn names_another_p2p(&self, own: &ClientId) -> bool {
        p2p_target(self.plain()).is_some_and(|target| target != own.as_str() && target != "+" && target != "#")
    }

    /// Whether the topic name matches. `$`-topics are not matched by a leading wildcard. [MQTT-4.7.2-1]
    #[must_use]
    pub fn matches(&self, topic: &str) -> bool {
        let plain = self.plain();
        if topic.starts_with('$') && plain.starts_with(['+', '#']) {
            return false;
        }
        let mut names = topic.split('/');
        for level in plain.split('/') {
            match (level, names.next()) {
                ("#", _) => return true,
                ("+", Some(_)) => {}
                (literal, Some(name)) if literal == name => {}
                _ => return false,
            }
        }
        names.next().is_none()
    }
}

impl FromStr for TopicFilter {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let what = "TopicFilter";
        let wrong = NameError::Format { what };
        if text.is_empty() || text.len() > TOPIC_BYTES_MAX {
            return Err(NameError::Length { what, least: 1, most: TOPIC_BYTES_MAX, unit: "bytes" });
        }
        if text.contains('\0') {
            return Err(NameError::InvalidChars { what });
        }
        let mut filter_from = 0;
        if let Some(rest) = text.strip_prefix("$share/") {
            // [MQTT-4.8.2-1] [MQTT-4.8.2-2]: a share name, without wildcards, then a filter.
            let (share, filter) = rest.split_once('/').ok_or(wrong)?;
            if share.is_empty() || share.contains(['+', '#']) || filter.is_empty() {
                return Err(wrong);
            }
            filter_from = u16::try_from(text.len() - filter.len()).map_err(|_| wrong)?;
        } else if text == "$share" {
            return Err(wrong);
        }
        let plain = &text[usize::from(filter_from)..];
        let mut levels = plain.split('/').peekable();
        while let Some(level) = levels.next() {
            let last = levels.peek().is_none();
            let legal = match level {
                "#" => last, // [MQTT-4.7.1-1]
                "+" => true,
                other => !other.contains(['+', '#']), // [MQTT-4.7.1-2]
            };
            if !legal {
                return Err(wrong);
            }
        }
        Ok(Self { text: text.into(), filter_from })
    }
}

impl std::fmt::Display for TopicFilter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(text: &str) -> TopicFilter {
        text.parse().unwrap()
    }

    #[test]
    fn filters_match_as_the_standard_says() {
        for (pattern, topic, expected) in [
            ("a/b", "a/b", true),
            ("a/b", "a/b/c", false),
            ("a/#", "a", true),
            ("a/#", "a/b/c", true),
            ("+/b", "a/b", true),
            ("+", "a/b", false),
            ("+/+", "/a", true),
            ("#", "$SYS/x", false),
            ("+/x", "$SYS/x", false),
            ("$SYS/#", "$SYS/x", true),
            ("a/+", "a", false),
            ("a/+/c", "a//c", true),
            ("$share/g/a/+", "a/b", true),
        ] {
            assert_eq!(filter(pattern).matches(topic), expected, "{pattern} {topic}");
        }
    }

    #[test]
    fn malformed_filters_are_refused() {
        for bad in [
            "",
            "a#",
            "a/#/b",
            "a+",
            "a/+b",
            "$share",
            "$share/",
            "$share/g",
            "$share/g/",
            "$share//a",
            "$share/+/a",
            "a\0",
        ] {
            assert!(bad.parse::<TopicFilter>().is_err(), "{bad}");
        }
        let shared = filter("$share/g/a/b");
        assert_eq!((shared.share(), shared.plain()), (Some("g"), "a/b"));
        assert_eq!((filter("a/b").share(), filter("a/b").plain()), (None, "a/b"));
    }

    #[test]
    fn p2p_topics_have_exactly_three_levels() {
        let target = |t: &str| t.parse::<TopicName>().unwrap().p2p_target().map(str::to_owned);
        assert_eq!(target("p/p2p/GID_x@@@1").as_deref(), Some("GID_x@@@1"));
        assert_eq!(target("p/p2p"), None);
        assert_eq!(target("p/p2p/a/b"), None);
        assert_eq!(target("p/q/p2p/a"), None);
    }

    #[test]
    fn a_subscription_to_anothers_p2p_topic_is_seen() {
        let own: ClientId = "GID_Test@@@1".parse().unwrap();
        assert!(filter("p/p2p/GID_Test@@@2").names_another_p2p(&own));
        assert!(filter("+/p2p/GID_Test@@@2").names_another_p2p(&own));
        assert!(filter("$share/g/p/p2p/GID_Test@@@2").names_another_p2p(&own));
        assert!(!filter("p/p2p/GID_Test@@@1").names_another_p2p(&own));
        assert!(!filter("p/p2p/+").names_another_p2p(&own));
    }

    #[test]
    fn parent_topics_refuse_names_that_read_as_other_resources() {
        assert!("Topic_1".parse::<ParentTopic>().is_ok());
        for bad in [
            "ab", "instance", "topic", "groupId", "rule", "post-x1", "mqtt-x", "GID_abc", "GID-abc", "a/b", "a+b",
            "a%b",
        ] {
            assert!(bad.parse::<ParentTopic>().is_err(), "{bad}");
        }
    }
}
