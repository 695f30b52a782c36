//! Wills: asked at CONNECT, and again when they are published. Source: MQTT 5.0 section 3.1.2.5.

use sluice_access::TopicAction;
use sluice_codec::{Connect, PublishFrame};
use sluice_model::{Action, Qos, Resource, UnixMs};
use sluice_policy::{Caller, Context, Denied, Permit};
use sluice_store::log::{Cause, StoredWill};

use crate::{
    Broker,
    conductor::Proof,
    journal::queue,
    link::Link,
    live_instance::LiveInstance,
    message::{Message, Origin},
    refusal::{Asked, log_refused},
    wake::Wakes,
};

/// A will that is not published yet.
#[derive(Debug)]
pub(crate) struct PendingWill {
    pub(crate) frame: PublishFrame,
    pub(crate) qos: Qos,
    pub(crate) retain: bool,
    /// Seconds after the connection's end. [MQTT-3.1.3-9]
    pub(crate) delay_s: u32,
    /// When it is to be published, in steady time, once the connection has ended.
    pub(crate) at: UnixMs,
}

impl PendingWill {
    pub(crate) fn of(connect: &Connect) -> Option<Box<Self>> {
        let will = connect.will.as_ref()?;
        let mut properties = will.properties.clone();
        let delay_s = properties.as_mut().and_then(|properties| properties.will_delay_interval.take()).unwrap_or(0);
        let frame = PublishFrame::new(will.topic.clone(), will.payload.clone(), properties);
        Some(Box::new(Self { frame, qos: will.qos, retain: will.retain, delay_s, at: UnixMs::NEVER }))
    }

    /// One from before the start.
    pub(crate) fn of_before(will: StoredWill, at: UnixMs) -> Box<Self> {
        let StoredWill { frame, qos, retain, delay_s } = will;
        Box::new(Self { frame, qos, retain, delay_s, at })
    }
}

/// Why a will may not be published.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WillRefused {
    #[error("the will's parent topic does not exist")]
    NoTopic,
    #[error(transparent)]
    Denied(Box<Denied>),
}

impl Broker {
    /// Whether a caller may have this will now; asked at CONNECT (attack 1) and when it is published (attack 2).
    pub(crate) fn may_publish_will(
        &self,
        caller: &Caller,
        live: &LiveInstance,
        will: &PendingWill,
        now: UnixMs,
    ) -> Result<Permit, WillRefused> {
        let (account, instance) = (live.key.account, &live.key.instance);
        let topic = will.frame.topic();
        if !self.may_name(caller, live, topic.as_str()) {
            return Err(WillRefused::NoTopic);
        }
        let resource = Resource::Topic(account, instance.clone(), topic.shared());
        let asked = self.authority.authorize(caller, &Action::PUB, &resource, &Context::at(now));
        asked.map_err(|denied| WillRefused::Denied(Box::new(denied)))
    }

    /// Publishes the will of a session whose connection ended, if its owner still may.
    pub(crate) fn publish_will(&self, link: &Link, will: PendingWill, now: UnixMs) {
        let (live, caller) = (&*link.identity.instance, &link.identity.caller);
        let instance = Resource::Instance(live.key.account, live.key.instance.clone());
        let asked = self
            .authority
            .authorize(caller, &Action::INSTANCE_ACCESS, &instance, &Context::at(now))
            .map_err(|denied| WillRefused::Denied(Box::new(denied)))
            .and_then(|_may_be_there| self.may_publish_will(caller, live, &will, now));
        let permit = match asked {
            Ok(permit) => permit,
            Err(refused) => {
                self.meters.refused.increment(1);
                refused.tell(self, link, &will);
                return;
            }
        };
        let PendingWill { frame, qos, retain, .. } = will;
        let topic = frame.topic().shared();
        let origin = Origin::new(caller.clone(), TopicAction::Publish, Some(link.id), Some(permit.remember()));
        let message = Message::new(frame, qos, retain, self.steady(now), origin);
        if let Err(over) = self.within_quota(live, &message, now) {
            let asked = Asked::publish(&live.key, &topic);
            let _nobody_is_told = self.refuse_without_policy("will", &link.identity, asked, over);
            return;
        }
        // With the message, the log knows that the will is done: a restart does not publish it again.
        let cause = link.id.is_stored().then(|| Cause::Will(queue(link.id)));
        let routed =
            self.route(&Proof::Permit(&permit), live, message, (cause, self.need(live)), &mut Wakes::default());
        match routed {
            Ok(_nobody_waits_for_it) => self.meters.accepted.increment(1),
            Err(fault) => log_refused("will", &link.identity, fault),
        }
    }
}

impl WillRefused {
    /// Logs and keeps it; the client has left.
    fn tell(&self, broker: &Broker, link: &Link, will: &PendingWill) {
        match self {
            Self::NoTopic => {
                let asked = Asked::publish(&link.identity.instance.key, will.frame.topic().as_str());
                drop(broker.refuse_without_policy("will", &link.identity, asked, self));
            }
            Self::Denied(denied) => drop(broker.refuse("will", &link.identity, denied)),
        }
    }
}
