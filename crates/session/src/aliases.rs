//! Topic aliases of both directions. Source: MQTT 5.0 sections 3.3.2.3.4 and 3.1.2.11.5.

use sluice_codec::{OutgoingAlias, ReasonCode};
use sluice_model::TopicName;

use crate::Violation;

/// Alias to topic, as the client names them; nothing is held until the first.
#[derive(Debug, Default)]
pub(crate) struct InboundAliases(Vec<Option<TopicName>>);

impl InboundAliases {
    /// The topic of a PUBLISH; an alias that comes with a topic stands for it from now on. At most `most` aliases.
    pub(crate) fn resolve(
        &mut self,
        topic: Option<TopicName>,
        alias: Option<u16>,
        most: u16,
    ) -> Result<TopicName, Violation> {
        let Some(alias) = alias else { return topic.ok_or(Violation::protocol("a PUBLISH without a topic")) };
        if alias == 0 || alias > most {
            // [MQTT-3.3.2-8, -9]
            let why = "the topic alias is 0 or over the maximum";
            return Err(Violation { reason: ReasonCode::TopicAliasInvalid, why });
        }
        let place = usize::from(alias) - 1;
        match topic {
            Some(topic) => {
                if self.0.len() <= place {
                    self.0.resize(place + 1, None);
                }
                self.0[place] = Some(topic.clone());
                Ok(topic)
            }
            // [MQTT5 3.3.2.3.4]: an alias that was never named is a protocol error.
            None => {
                let known = self.0.get(place).and_then(Clone::clone);
                known.ok_or(Violation::protocol("the topic alias was never named"))
            }
        }
    }
}

/// Topic to alias, as the server names them: the first topics of the connection get one and keep it.
#[derive(Debug)]
pub(crate) struct OutboundAliases {
    most: u16,
    topics: Vec<TopicName>,
}

impl OutboundAliases {
    pub(crate) fn of(most: u16) -> Self {
        Self { most, topics: Vec::new() }
    }

    /// The alias to write with a message, if the topic has one or there is room for one. The alias is only known to the
    /// client once its message was written: [`OutboundAliases::written`] must follow.
    pub(crate) fn of_topic(&self, topic: &TopicName) -> Option<OutgoingAlias> {
        if self.most == 0 {
            return None;
        }
        let known = self.topics.iter().position(|known| known == topic);
        let place = known.unwrap_or(self.topics.len());
        let alias = u16::try_from(place + 1).ok().filter(|alias| *alias <= self.most)?;
        Some(OutgoingAlias { alias, names_topic: known.is_none() })
    }

    /// A message with this alias was written.
    pub(crate) fn written(&mut self, alias: Option<OutgoingAlias>, topic: &TopicName) {
        if alias.is_some_and(|alias| alias.names_topic) {
            self.topics.push(topic.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_stands_for_the_topic_that_it_came_with_last() {
        let mut aliases = InboundAliases::default();
        let topic: TopicName = "a/b".parse().unwrap();
        assert_eq!(aliases.resolve(None, Some(1), 30).unwrap_err().reason, ReasonCode::ProtocolError);
        assert_eq!(aliases.resolve(Some(topic.clone()), Some(30), 30), Ok(topic.clone()));
        assert_eq!(aliases.resolve(None, Some(30), 30), Ok(topic.clone()));
        let other: TopicName = "c".parse().unwrap();
        assert_eq!(aliases.resolve(Some(other.clone()), Some(30), 30), Ok(other.clone()));
        assert_eq!(aliases.resolve(None, Some(30), 30), Ok(other));
        for bad in [0, 31, u16::MAX] {
            let refused = aliases.resolve(Some(topic.clone()), Some(bad), 30).unwrap_err();
            assert_eq!(refused.reason, ReasonCode::TopicAliasInvalid);
        }
    }

    #[test]
    fn the_first_topics_get_an_alias_and_keep_it_mqtt_3_1_2_26() {
        let topic = |text: &str| -> TopicName { text.parse().unwrap() };
        let mut aliases = OutboundAliases::of(1);
        let first = aliases.of_topic(&topic("a"));
        assert_eq!(first, Some(OutgoingAlias { alias: 1, names_topic: true }));
        // Not written: it is named again.
        assert_eq!(aliases.of_topic(&topic("b")), Some(OutgoingAlias { alias: 1, names_topic: true }));
        aliases.written(first, &topic("a"));
        assert_eq!(aliases.of_topic(&topic("a")), Some(OutgoingAlias { alias: 1, names_topic: false }));
        assert_eq!(aliases.of_topic(&topic("b")), None);
        // [MQTT-3.1.2-27]: a client that offers none gets none.
        assert_eq!(OutboundAliases::of(0).of_topic(&topic("a")), None);
    }
}
