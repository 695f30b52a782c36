//! Names and limits of MQTT and RAM, parsed once at a door and held as types from there on.
//!
//! Owns: identifiers, topic names and filters, actions, resources, times and their limits.
//! Never here: I/O, async, clocks, randomness, and the question who may.
//!
//! Invariant: a value of a type of this room has passed its syntax rules, so that no room behind a door checks a
//! name again. The tenant ([`AccountId`]) is a field of every key, never a prefix of a string.

mod account;
mod action;
mod client;
mod error;
mod instance;
mod limits;
mod names;
mod qos;
mod resource;
mod time;
mod topic;

pub use account::{AccountAlias, AccountId, Principal, RoleId, UserId};
pub use action::{Action, Service};
pub use client::{ClientId, GroupId};
pub use error::NameError;
pub use instance::{Compatibility, DenyAction, Durability, Edition, InstanceId, InstanceName, OfflineRetention};
pub use limits::Limits;
pub use names::{
    AccessKeyId, PolicyName, PolicyType, PolicyVersion, ProviderName, RoleName, RoleSessionName, Tag, TagKey, TagValue,
    UserGroupId, UserGroupName, UserName,
};
pub use qos::Qos;
pub use resource::{RamEntity, Resource};
pub use time::UnixMs;
pub use topic::{LEVELS_MAX, ParentTopic, TopicFilter, TopicName, level_count};
