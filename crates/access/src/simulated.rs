//! Questions that nobody asks in earnest: how the engine would decide for a principal under given conditions.
//!
//! The [`Caller`] that the engine reads stays in here: it was never proved and must reach no authority.

use std::{fmt, net::IpAddr, sync::Arc};

use sluice_model::{Action, InstanceId, Principal, Resource, TopicFilter, UnixMs};
use sluice_policy::{Caller, Context, Credential, Decision, PolicySet, Request, Standing, covers, decide_standing};
use sluice_store::Conditions;

/// A condition key whose value cannot be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{key}` cannot be `{value}`")]
pub struct BadCondition {
    /// The key.
    pub key: String,
    /// Its value.
    pub value: String,
}

/// Who would ask, and with what marks.
pub struct Standpoint {
    caller: Caller,
    name: Arc<str>,
    context: Context,
}

impl fmt::Debug for Standpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Standpoint({})", self.caller.principal())
    }
}

impl Standpoint {
    /// A principal at `now`, or at the time that `acs:CurrentTime` says. Keys are compared without case; of the keys that
    /// every request has, the source address and MFA are absent unless given, and the transport is not secure.
    ///
    /// # Errors
    /// [`BadCondition`].
    pub fn of(
        principal: Principal,
        name: Arc<str>,
        conditions: &Conditions,
        now: UnixMs,
    ) -> Result<Self, BadCondition> {
        let (mut source_ip, mut secure, mut mfa) = (None, false, None);
        let mut context = Context::only_asking_at(now);
        for (key, values) in &conditions.0 {
            let value = values.first().map(String::as_str).unwrap_or_default();
            let bad = || BadCondition { key: key.clone(), value: value.to_owned() };
            let lower = key.to_ascii_lowercase();
            let known =
                ["acs:sourceip", "acs:securetransport", "acs:mfapresent", "acs:currenttime", "acs:principalarn"];
            if known.contains(&lower.as_str()) && values.len() != 1 {
                return Err(bad());
            }
            match lower.as_str() {
                "acs:sourceip" => source_ip = Some(value.parse::<IpAddr>().map_err(|_| bad())?),
                "acs:securetransport" => secure = truth(value).ok_or_else(bad)?,
                "acs:mfapresent" => mfa = Some(truth(value).ok_or_else(bad)?),
                "acs:currenttime" => {
                    let at = value.parse::<jiff::Timestamp>().map_err(|_| bad())?;
                    context.now = UnixMs(at.as_millisecond());
                }
                // Who asks is said by the principal.
                "acs:principalarn" => {}
                _ => {
                    let values = values.iter().map(|value| Arc::from(value.as_str())).collect();
                    context.keys.push((lower.into(), values));
                }
            }
        }
        let caller = Caller::authenticated(principal, Credential::Listener, source_ip, secure, mfa);
        Ok(Self { caller, name, context })
    }

    /// The same at another time.
    #[must_use]
    pub fn at(mut self, now: UnixMs) -> Self {
        self.context.now = now;
        self
    }

    /// How it would be decided for whoever stands so in its account.
    #[must_use]
    pub fn decide(&self, standing: &Standing, actions: &[Action], resource: &Resource) -> Decision {
        decide_standing(&self.request(actions, resource), standing)
    }

    /// Whether the policies allow everything that a filter can match.
    #[must_use]
    pub fn covers(&self, policies: &PolicySet, action: &Action, instance: &InstanceId, filter: &TopicFilter) -> bool {
        let resource = Resource::Instance(self.caller.principal().account(), instance.clone());
        covers(&self.request(std::slice::from_ref(action), &resource), instance, filter, policies)
    }

    fn request<'a>(&'a self, actions: &'a [Action], resource: &'a Resource) -> Request<'a> {
        Request { caller: &self.caller, name: &self.name, actions, resource, context: &self.context, trust: None }
    }
}

fn truth(text: &str) -> Option<bool> {
    match text {
        _ if text.eq_ignore_ascii_case("true") => Some(true),
        _ if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}
