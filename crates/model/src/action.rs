//! What is asked: `service:Operation`.

use std::{borrow::Cow, fmt};

use crate::NameError;

/// The services whose actions Sluice serves.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Service {
    /// ApsaraMQ for MQTT; shared by the vendor with RocketMQ.
    Mq,
    /// Resource Access Management.
    Ram,
    /// Security Token Service.
    Sts,
}

impl Service {
    /// The RAM code, the first part of an action and the second of an ARN.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Mq => "mq",
            Self::Ram => "ram",
            Self::Sts => "sts",
        }
    }
}

/// One RAM action, `mq:PUB`. Compared without case. Source: facts/ram.md section 1.2.
#[derive(Clone, Debug)]
pub struct Action(Cow<'static, str>);

impl Action {
    /// `mq:MqttInstanceAccess`, the precondition of everything on an instance.
    pub const INSTANCE_ACCESS: Self = Self::of("mq:MqttInstanceAccess");
    /// `mq:PUB`, to publish with a client.
    pub const PUB: Self = Self::of("mq:PUB");
    /// `mq:SUB`, to subscribe with a client, on the topic and on the group.
    pub const SUB: Self = Self::of("mq:SUB");
    /// `mq:SendMessage`, to publish by the API.
    pub const SEND_MESSAGE: Self = Self::of("mq:SendMessage");

    /// An action of our own tables.
    #[must_use]
    pub const fn of(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }

    /// An action named by a caller, as in a simulation.
    ///
    /// # Errors
    /// [`NameError::Format`] without a service prefix.
    pub fn parse(name: &str) -> Result<Self, NameError> {
        match name.split_once(':') {
            Some((service, operation)) if !service.is_empty() && !operation.is_empty() => {
                Ok(Self(Cow::Owned(name.to_owned())))
            }
            _ => Err(NameError::Format { what: "Action" }),
        }
    }

    /// The action as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PartialEq for Action {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}
impl Eq for Action {}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
