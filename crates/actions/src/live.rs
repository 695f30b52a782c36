//! What operations ask of the live side; `broker` answers.

use bytes::Bytes;
use sluice_access::Touched;
use sluice_model::{InstanceId, TopicName, UnixMs};
use sluice_policy::{Caller, Permit};

/// How many connections and subscriptions an account has now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LiveCounts {
    /// Connected clients.
    pub connections: u64,
    /// Subscriptions of connected and stored sessions.
    pub subscriptions: u64,
}

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendFault {
    /// Parent topic absent, or the right gone by the time it was routed.
    Refused,
    /// Over the instance's limit.
    TooLarge,
    /// Ours.
    Failed,
}

/// The live side as operations see it. Each call takes the permit that it was asked for with, and the account from it.
pub trait Live: Send + Sync + 'static {
    /// Publishes by the same conductor as a PUBLISH. The permit is `mq:SendMessage` on the topic.
    ///
    /// # Errors
    /// [`SendFault`].
    fn send_message(
        &self,
        caller: &Caller,
        permit: &Permit,
        instance: &InstanceId,
        topic: TopicName,
        payload: Bytes,
        now: UnixMs,
    ) -> Result<(), SendFault>;

    /// Whether the client is connected to the permit's instance.
    fn is_online(&self, permit: &Permit, instance: &InstanceId, client: &str) -> bool;

    /// Closes the client's connection; whether there was one.
    fn close_connection(&self, permit: &Permit, instance: &InstanceId, client: &str) -> bool;

    /// Counts of the permit's account.
    fn counts(&self, permit: &Permit) -> LiveCounts;

    /// Decides again for whom a change touched.
    fn sweep(&self, touched: &Touched);
}
