//! What of a policy document is useless in an account: the language's warnings, with the actions and names that there are.
//!
//! A warning must not tell who asks what they may not look at: whether a name exists is told only to whoever may list or get
//! the thing by that name. Groups and roles of RAM, and names in the oldest form without an instance, are not told.

use std::{
    cell::RefCell,
    collections::{HashMap, HashSet},
};

use sluice_model::{Action, GroupId, InstanceId, PolicyName, RamEntity, Resource, UserName};
use sluice_policy::{Existing, NamedThing, Warning, warnings};

use crate::{Act, ActionContext, ActionError, catalogue::catalogue, gate, onsmqtt, ram};

/// The warnings about a permission policy that is to be saved in the caller's account; none about a document with faults.
///
/// # Errors
/// [`ActionError::Internal`] when names cannot be looked up.
pub async fn policy_warnings(context: &ActionContext, text: &str) -> Result<Vec<Warning>, ActionError> {
    let account = context.account().to_string();
    // Which names the document has is known when it has been read once.
    let asked = Names { account, told: HashMap::new(), asked: RefCell::default() };
    drop(warnings(text, catalogue(), Some(&asked)));
    let Names { account, asked, .. } = asked;
    let mut told = HashMap::new();
    for name in asked.into_inner() {
        if let Some(exists) = look_up(context, &name).await? {
            told.insert(name, exists);
        }
    }
    Ok(warnings(text, catalogue(), Some(&Names { account, told, asked: RefCell::default() })))
}

/// A [`NamedThing`] that can be looked up, kept.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Name {
    Instance(String),
    Topic(String, String),
    Group(String, String),
    User(String),
    Policy(String),
}

struct Names {
    account: String,
    told: HashMap<Name, bool>,
    asked: RefCell<HashSet<Name>>,
}

impl Existing for Names {
    fn account(&self) -> &str {
        &self.account
    }

    fn exists(&self, thing: NamedThing<'_>) -> Option<bool> {
        let name = match thing {
            NamedThing::Instance(id) => Name::Instance(id.to_owned()),
            NamedThing::Topic(id, name) => Name::Topic(id.to_owned(), name.to_owned()),
            NamedThing::Group(id, name) => Name::Group(id.to_owned(), name.to_owned()),
            NamedThing::User(name) => Name::User(name.to_owned()),
            NamedThing::Policy(name) => Name::Policy(name.to_owned()),
            NamedThing::Anywhere(_) | NamedThing::UserGroup(_) | NamedThing::Role(_) => return None,
        };
        let told = self.told.get(&name).copied();
        // What is not told does not end the search, so that a first reading asks for every name there is.
        self.asked.borrow_mut().insert(name);
        told
    }
}

/// Whether there is such a thing; `None` when the caller may not know. What cannot be a name is not there.
async fn look_up(context: &ActionContext, name: &Name) -> Result<Option<bool>, ActionError> {
    let account = context.account();
    let may = |actions: &[Action], resource: Resource| gate::may(context, actions, &resource);
    Ok(match name {
        Name::Instance(id) => {
            let Ok(id) = id.parse::<InstanceId>() else { return Ok(Some(false)) };
            sees_instance(context, &id).then(|| context.access().instance(account, &id).is_some())
        }
        Name::Topic(id, topic) => {
            let Ok(id) = id.parse::<InstanceId>() else { return Ok(Some(false)) };
            let resource = Resource::Topic(account, id.clone(), topic.as_str().into());
            let may = sees_instance(context, &id) && may(onsmqtt::ListMqttTopic::ROW.actions, resource);
            may.then(|| context.access().topic_exists(account, &id, topic))
        }
        Name::Group(id, group) => {
            let (Ok(id), Ok(group)) = (id.parse::<InstanceId>(), group.parse::<GroupId>()) else {
                return Ok(Some(false));
            };
            let resource = Resource::Group(account, id.clone(), group.clone());
            let may = sees_instance(context, &id) && may(onsmqtt::ListGroupId::ROW.actions, resource);
            may.then(|| context.access().group_exists(account, &id, &group))
        }
        Name::User(user) => {
            let Ok(user) = user.parse::<UserName>() else { return Ok(Some(false)) };
            let resource = Resource::Ram(account, RamEntity::User(user.as_str().into()));
            if !may(ram::GetUser::ROW.actions, resource) {
                return Ok(None);
            }
            Some(context.store().user(account, &user).await?.is_some())
        }
        Name::Policy(policy) => {
            let Ok(policy) = policy.parse::<PolicyName>() else { return Ok(Some(false)) };
            let resource = Resource::Ram(account, RamEntity::Policy(policy.as_str().into()));
            if !may(ram::GetPolicy::ROW.actions, resource) {
                return Ok(None);
            }
            Some(context.store().policy(account, &policy).await?.is_some())
        }
    })
}

/// Whether an instance of this ID would be a row of the caller's list.
fn sees_instance(context: &ActionContext, id: &InstanceId) -> bool {
    let resource = Resource::Instance(context.account(), id.clone());
    gate::may(context, &[Action::INSTANCE_ACCESS], &resource)
        && gate::may(context, onsmqtt::ListMqttInstance::ROW.actions, &resource)
}
