//! Documents to start from: what MQTT needs most often, each with names to put in place of its own.

/// A document to start from.
pub(super) struct Scenario {
    /// In an address.
    pub(super) key: &'static str,
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) document: &'static str,
}

/// The scenario of a key.
pub(super) fn find(key: &str) -> Option<&'static Scenario> {
    SCENARIOS.iter().find(|scenario| scenario.key == key)
}

/// What is offered.
pub(super) static SCENARIOS: &[Scenario] = &[
    Scenario {
        key: "publisher",
        name: "Publisher on a topic tree",
        about: "Connects to one instance and publishes to one parent topic and all below it.",
        document: r#"{
  "Version": "1",
  "Statement": [
    {
      "Effect": "Allow",
      "Action": "mq:MqttInstanceAccess",
      "Resource": "acs:mq:*:*:instance/mqtt-cn-INSTANCE"
    },
    {
      "Effect": "Allow",
      "Action": "mq:PUB",
      "Resource": [
        "acs:mq:*:*:topic/mqtt-cn-INSTANCE/TOPIC",
        "acs:mq:*:*:topic/mqtt-cn-INSTANCE/TOPIC/*"
      ]
    }
  ]
}"#,
    },
    Scenario {
        key: "subscriber",
        name: "Subscriber of a topic with a group",
        about: "Connects with client IDs of one group and subscribes to one topic and all below it.",
        document: r#"{
  "Version": "1",
  "Statement": [
    {
      "Effect": "Allow",
      "Action": "mq:MqttInstanceAccess",
      "Resource": "acs:mq:*:*:instance/mqtt-cn-INSTANCE"
    },
    {
      "Effect": "Allow",
      "Action": "mq:SUB",
      "Resource": [
        "acs:mq:*:*:groupId/mqtt-cn-INSTANCE/GID_GROUP",
        "acs:mq:*:*:topic/mqtt-cn-INSTANCE/TOPIC",
        "acs:mq:*:*:topic/mqtt-cn-INSTANCE/TOPIC/*"
      ]
    }
  ]
}"#,
    },
    Scenario {
        key: "console",
        name: "Read-only console",
        about: "Sees instances, topics, groups and sessions here, and changes nothing.",
        document: r#"{
  "Version": "1",
  "Statement": [
    {
      "Effect": "Allow",
      "Action": [
        "mq:MqttMetaData",
        "mq:MqttInstanceAccess",
        "mq:Get*",
        "mq:List*",
        "mq:Query*"
      ],
      "Resource": "*"
    }
  ]
}"#,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_is_a_valid_document() {
        for scenario in SCENARIOS {
            let given = [("PolicyName", "a"), ("PolicyDocument", scenario.document)];
            assert!(crate::session::known::<sluice_actions::ram::CreatePolicy>(&given).is_ok(), "{}", scenario.name);
            assert!(find(scenario.key).is_some());
        }
    }
}
