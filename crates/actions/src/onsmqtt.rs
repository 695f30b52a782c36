//! OnsMqtt 2020-04-20: instances, topics, groups, sessions and messages.
//!
//! Source: openapi/onsmqtt-2020-04-20.json and extra.json. Every operation on an instance also needs
//! `mq:MqttInstanceAccess` there; `gate` asks it. Lists are plain arrays, times Unix milliseconds.

mod group;
mod instance;
mod instance_settings;
mod message;
mod metadata;
mod session;
mod sessions;
mod topic;
mod usage;

pub use group::{CreateGroupId, DeleteGroupId, ListGroupId};
pub use instance::{CreateMqttInstance, InstancePage, ListInstances, ListMqttInstance, MqttInstance};
pub use instance_settings::{DeleteMqttInstance, GetMqttInstance, InstanceDetail, UpdateMqttInstance};
pub use message::SendMessage;
pub use metadata::{GetMqttMetaData, MetaData};
pub use session::{CloseConnection, QuerySessionByClientId};
pub use sessions::{DeleteMqttSession, ListMqttSession, ListMqttSubscription};
pub use topic::{CreateMqttTopic, DeleteMqttTopic, ListMqttTopic, UpdateMqttTopic};
pub use usage::QueryMqttUsage;
