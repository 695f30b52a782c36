//! Topic aliases that the client names. Source: MQTT 5.0 section 3.3.2.3.4.

use sluice_codec::ReasonCode;
use sluice_model::TopicName;

use crate::{TOPIC_ALIAS_MAXIMUM, Violation};

/// Alias to topic; nothing is held until the first alias.
#[derive(Debug, Default)]
pub(crate) struct Aliases(Option<Box<[Option<TopicName>; TOPIC_ALIAS_MAXIMUM as usize]>>);

impl Aliases {
    /// The topic of a PUBLISH; an alias that comes with a topic stands for it from now on.
    pub(crate) fn resolve(&mut self, topic: Option<TopicName>, alias: Option<u16>) -> Result<TopicName, Violation> {
        let unknown = |why| Violation { reason: ReasonCode::TopicAliasInvalid, why };
        let Some(alias) = alias else { return topic.ok_or(Violation::protocol("a PUBLISH without a topic")) };
        let place = usize::from(alias).checked_sub(1).filter(|place| *place < usize::from(TOPIC_ALIAS_MAXIMUM));
        let place = place.ok_or(unknown("the topic alias is 0 or over the maximum"))?;
        match topic {
            Some(topic) => {
                let table = self.0.get_or_insert_with(|| Box::new([const { None }; TOPIC_ALIAS_MAXIMUM as usize]));
                table[place] = Some(topic.clone());
                Ok(topic)
            }
            None => self
                .0
                .as_ref()
                .and_then(|table| table[place].clone())
                // [MQTT5 3.3.2.3.4]: an alias that was never named is a protocol error.
                .ok_or(Violation::protocol("the topic alias was never named")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_stands_for_the_topic_that_it_came_with_last() {
        let mut aliases = Aliases::default();
        let topic: TopicName = "a/b".parse().unwrap();
        assert_eq!(aliases.resolve(None, Some(1)).unwrap_err().reason, ReasonCode::ProtocolError);
        assert_eq!(aliases.resolve(Some(topic.clone()), Some(30)), Ok(topic.clone()));
        assert_eq!(aliases.resolve(None, Some(30)), Ok(topic.clone()));
        let other: TopicName = "c".parse().unwrap();
        assert_eq!(aliases.resolve(Some(other.clone()), Some(30)), Ok(other.clone()));
        assert_eq!(aliases.resolve(None, Some(30)), Ok(other));
        for bad in [0, 31, u16::MAX] {
            assert_eq!(
                aliases.resolve(Some(topic.clone()), Some(bad)).unwrap_err().reason,
                ReasonCode::TopicAliasInvalid
            );
        }
    }
}
