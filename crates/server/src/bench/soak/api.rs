//! The account's side of a soak: users, policies and keys, by signed calls.

use std::time::Instant;

use serde_json::{Value, json};

use crate::{
    bench::{
        options::{SoakArgs, Target},
        signed_calls::{CallError, SignedCalls},
    },
    cli::Product,
};

/// Why a soak could not go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SoakError {
    #[error("a soak needs --instance, --access-key-id, --access-key-secret and --pid")]
    Incomplete,
    #[error(transparent)]
    Call(#[from] CallError),
    #[error("the reply of {operation} has no {field}")]
    NoField { operation: &'static str, field: &'static str },
}

/// Signs calls as the account.
#[derive(Clone)]
pub(super) struct Api {
    calls: SignedCalls,
    instance: String,
}

/// A user of the soak.
#[derive(Clone)]
pub(super) struct User {
    pub(super) name: String,
    /// Signs in as the user.
    pub(super) target: Target,
}

/// What a soak made for itself.
#[derive(Clone)]
pub(super) struct Ground {
    pub(super) api: Api,
    /// Parent topic and group.
    pub(super) topic: String,
    pub(super) group: String,
    /// Holds its rights throughout.
    pub(super) steady: User,
    /// Loses and gets them.
    pub(super) changing: User,
}

/// What takes the rights of the changing user back, and gives them again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// Its policy is detached and attached.
    Policy,
    /// A Deny is attached and detached.
    Deny,
    /// Its key is made inactive and active.
    Key,
}

impl Change {
    pub(super) const ALL: [Self; 3] = [Self::Policy, Self::Deny, Self::Key];
}

impl Api {
    fn call(
        &self,
        product: Product,
        operation: &'static str,
        parameters: &[(&str, &str)],
    ) -> Result<(Value, Instant), SoakError> {
        Ok(self.calls.call(product, operation, parameters)?)
    }

    fn ram(&self, operation: &'static str, parameters: &[(&str, &str)]) -> Result<(Value, Instant), SoakError> {
        self.call(Product::Ram, operation, parameters)
    }

    fn new_user(&self, name: String, target: &Target, topic: &str, group: &str) -> Result<User, SoakError> {
        self.ram("CreateUser", &[("UserName", &name)])?;
        let instance = &self.instance;
        let document = json!({"Version": "1", "Statement": [{
            "Effect": "Allow",
            "Action": ["mq:MqttInstanceAccess", "mq:PUB", "mq:SUB"],
            "Resource": [
                format!("acs:mq:*:*:instance/{instance}"),
                format!("acs:mq:*:*:topic/{instance}/{topic}"),
                format!("acs:mq:*:*:groupId/{instance}/{group}"),
            ],
        }]});
        self.ram("CreatePolicy", &[("PolicyName", &name), ("PolicyDocument", &document.to_string())])?;
        self.attach("AttachPolicyToUser", &name, &name)?;
        let operation = "CreateAccessKey";
        let (reply, _) = self.ram(operation, &[("UserName", &name)])?;
        let field = |field: &'static str| {
            let text = reply.get("AccessKey").and_then(|key| key.get(field)).and_then(Value::as_str);
            text.map(str::to_owned).ok_or(SoakError::NoField { operation, field })
        };
        let target = Target {
            access_key_id: Some(field("AccessKeyId")?),
            access_key_secret: Some(field("AccessKeySecret")?),
            ..target.clone()
        };
        Ok(User { name, target })
    }

    fn attach(&self, operation: &'static str, policy: &str, user: &str) -> Result<Instant, SoakError> {
        let parameters = [("PolicyType", "Custom"), ("PolicyName", policy), ("UserName", user)];
        self.ram(operation, &parameters).map(|(_, replied)| replied)
    }
}

impl Ground {
    /// Makes topic, group, users and policies. Blocks.
    pub(super) fn make(args: &SoakArgs) -> Result<Self, SoakError> {
        let given = &args.target;
        let (Some(instance), Some(key), Some(secret)) =
            (given.instance.clone(), &given.access_key_id, &given.access_key_secret)
        else {
            return Err(SoakError::Incomplete);
        };
        let api = Api { calls: SignedCalls::new(&args.endpoint, key, secret), instance };
        let mark: String = sluice_access::random::token().chars().filter(char::is_ascii_alphanumeric).take(8).collect();
        let (topic, group) = (format!("soak{mark}"), format!("GID_soak{mark}"));
        let place = ("InstanceId", api.instance.as_str());
        api.call(Product::Onsmqtt, "CreateMqttTopic", &[place, ("Topic", &topic)])?;
        api.call(Product::Onsmqtt, "CreateGroupId", &[place, ("GroupId", &group)])?;
        let steady = api.new_user(format!("steady-{mark}"), given, &topic, &group)?;
        let changing = api.new_user(format!("changing-{mark}"), given, &topic, &group)?;
        let deny = json!({"Version": "1", "Statement": [{"Effect": "Deny", "Action": "mq:*", "Resource": "*"}]});
        let name = deny_of(&changing);
        api.ram("CreatePolicy", &[("PolicyName", &name), ("PolicyDocument", &deny.to_string())])?;
        Ok(Self { api, topic, group, steady, changing })
    }

    /// Takes the changing user's rights or gives them; when the reply was there. Blocks.
    pub(super) fn change(&self, change: Change, gives: bool) -> Result<Instant, SoakError> {
        let user = &self.changing;
        match change {
            Change::Policy => self.api.attach(attachment(gives), &user.name, &user.name),
            Change::Deny => self.api.attach(attachment(!gives), &deny_of(user), &user.name),
            Change::Key => {
                let key = user.target.access_key_id.as_deref().unwrap_or_default();
                let status = if gives { "Active" } else { "Inactive" };
                let parameters = [("UserName", user.name.as_str()), ("UserAccessKeyId", key), ("Status", status)];
                self.api.ram("UpdateAccessKey", &parameters).map(|(_, replied)| replied)
            }
        }
    }
}

fn attachment(attaches: bool) -> &'static str {
    if attaches { "AttachPolicyToUser" } else { "DetachPolicyFromUser" }
}

fn deny_of(user: &User) -> String {
    format!("{}-deny", user.name)
}
