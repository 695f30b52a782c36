//! What of a policy document is useless in an account: the language's warnings, with the actions and names that there are.
//!
//! A warning must not tell who asks what they may not look at: whether a name exists is told only to whoever may list or get
//! the thing by that name. Names in the oldest form, which has no instance, are not told.

use std::{
    cell::RefCell,
    collections::{HashMap, HashSet},
};

use sluice_model::{Action, GroupId, InstanceId, PolicyName, RamEntity, Resource, RoleName, UserGroupName, UserName};
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
    UserGroup(String),
    Role(String),
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
            NamedThing::UserGroup(name) => Name::UserGroup(name.to_owned()),
            NamedThing::Role(name) => Name::Role(name.to_owned()),
            NamedThing::Policy(name) => Name::Policy(name.to_owned()),
            NamedThing::Anywhere(_) => return None,
        };
        let told = self.told.get(&name).copied();
        // What is not told does not end the search, so that a first reading asks for every name there is.
        self.asked.borrow_mut().insert(name);
        told
    }
}

/// Whether there is such a thing; `None` when the caller may not know. What cannot be a name is not there.
async fn look_up(context: &ActionContext, name: &Name) -> Result<Option<bool>, ActionError> {
    match name {
        Name::Instance(..) | Name::Topic(..) | Name::Group(..) => Ok(look_up_mqtt(context, name)),
        Name::User(..) | Name::UserGroup(..) | Name::Role(..) | Name::Policy(..) => look_up_ram(context, name).await,
    }
}

/// Things of an instance, which are in memory.
fn look_up_mqtt(context: &ActionContext, name: &Name) -> Option<bool> {
    let (Name::Instance(id) | Name::Topic(id, _) | Name::Group(id, _)) = name else { return None };
    let Ok(id) = id.parse::<InstanceId>() else { return Some(false) };
    if !sees_instance(context, &id) {
        return None;
    }
    let (account, access) = (context.account(), context.access());
    match name {
        Name::Topic(_, topic) => {
            let resource = Resource::Topic(account, id.clone(), topic.as_str().into());
            let may = gate::may(context, onsmqtt::ListMqttTopic::ROW.actions, &resource);
            may.then(|| access.topic_exists(account, &id, topic))
        }
        Name::Group(_, group) => {
            let Ok(group) = group.parse::<GroupId>() else { return Some(false) };
            let resource = Resource::Group(account, id.clone(), group.clone());
            let may = gate::may(context, onsmqtt::ListGroupId::ROW.actions, &resource);
            may.then(|| access.group_exists(account, &id, &group))
        }
        _ => Some(access.instance(account, &id).is_some()),
    }
}

/// Things of RAM, which are looked up in the store.
async fn look_up_ram(context: &ActionContext, name: &Name) -> Result<Option<bool>, ActionError> {
    let (account, store) = (context.account(), context.store());
    let may = |actions: &[Action], entity: RamEntity| gate::may(context, actions, &Resource::Ram(account, entity));
    let exists = match name {
        Name::User(text) if !may(ram::GetUser::ROW.actions, RamEntity::User(text.as_str().into())) => return Ok(None),
        Name::UserGroup(text) if !may(ram::GetGroup::ROW.actions, RamEntity::Group(text.as_str().into())) => {
            return Ok(None);
        }
        Name::Role(text) if !may(ram::GetRole::ROW.actions, RamEntity::Role(text.as_str().into())) => return Ok(None),
        Name::Policy(text) if !may(ram::GetPolicy::ROW.actions, RamEntity::Policy(text.as_str().into())) => {
            return Ok(None);
        }
        Name::User(text) => match text.parse::<UserName>() {
            Ok(user) => store.user(account, &user).await?.is_some(),
            Err(_) => false,
        },
        Name::UserGroup(text) => match text.parse::<UserGroupName>() {
            Ok(group) => store.user_group(account, &group).await?.is_some(),
            Err(_) => false,
        },
        Name::Role(text) => match text.parse::<RoleName>() {
            Ok(role) => store.role(account, &role).await?.is_some(),
            Err(_) => false,
        },
        Name::Policy(text) => match text.parse::<PolicyName>() {
            Ok(policy) => store.policy(account, &policy).await?.is_some(),
            Err(_) => false,
        },
        _ => return Ok(None),
    };
    Ok(Some(exists))
}

/// Whether an instance of this ID would be a row of the caller's list.
fn sees_instance(context: &ActionContext, id: &InstanceId) -> bool {
    let resource = Resource::Instance(context.account(), id.clone());
    gate::may(context, &[Action::INSTANCE_ACCESS], &resource)
        && gate::may(context, onsmqtt::ListMqttInstance::ROW.actions, &resource)
}
