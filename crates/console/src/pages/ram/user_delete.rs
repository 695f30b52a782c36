//! Deletes a user with all that keeps it from being deleted: keys, logon, MFA device, groups, grants, each by its own operation, so that each
//! right is asked. All rights are asked before the first is used, so that nobody is left half deleted for want of one.

use axum::{extract::Path, response::Response};
use sluice_actions::{
    ActionContext, ActionError, Code, Whom, call,
    ram::{
        DeleteAccessKey, DeleteLoginProfile, DeleteUser, DetachPolicyFromUser, GetLoginProfile, GetUserMfaInfo,
        ListAccessKeys, ListGroupsForUser, ListPoliciesForUser, RemoveUserFromGroup, UnbindMfaDevice,
    },
    reach,
};
use sluice_model::UserName;

use super::{Form as Sent, Step, run, user::at};
use crate::{
    frame::Place,
    respond,
    session::{Posted, known},
};

/// What keeps a user from being deleted.
struct Left {
    keys: Vec<String>,
    signs_in: bool,
    has_mfa_device: bool,
    groups: Vec<String>,
    policies: Vec<(&'static str, String)>,
}

impl Left {
    async fn of(context: &ActionContext, user: &str) -> Result<Self, ActionError> {
        let named = [("UserName", user)];
        let keys = call(context, known::<ListAccessKeys>(&named)?).await?.access_keys.access_key;
        let signs_in = match call(context, known::<GetLoginProfile>(&named)?).await {
            Ok(_) => true,
            Err(ActionError::Code(Code::NoLoginProfile)) => false,
            Err(error) => return Err(error),
        };
        let has_mfa_device = match call(context, known::<GetUserMfaInfo>(&named)?).await {
            Ok(_) => true,
            Err(ActionError::Code(Code::NoUserMfaDevice)) => false,
            Err(error) => return Err(error),
        };
        let groups = call(context, known::<ListGroupsForUser>(&named)?).await?.groups.group;
        let policies = call(context, known::<ListPoliciesForUser>(&named)?).await?.policies.policy;
        Ok(Self {
            keys: keys.into_iter().map(|key| key.access_key_id).collect(),
            signs_in,
            has_mfa_device,
            groups: groups.into_iter().map(|group| group.group_name).collect(),
            policies: policies.into_iter().map(|policy| (policy.policy_type, policy.policy_name)).collect(),
        })
    }

    /// In words.
    fn lines(&self) -> Vec<String> {
        let counted = |count: usize, one: &str, several: &str| {
            let name = if count == 1 { one } else { several };
            (count > 0).then(|| format!("{count} {name}"))
        };
        let parts: Vec<String> = [
            counted(self.keys.len(), "AccessKey", "AccessKeys"),
            counted(usize::from(self.signs_in), "console logon", ""),
            counted(usize::from(self.has_mfa_device), "bound MFA device", ""),
            counted(self.groups.len(), "membership in a group", "memberships in groups"),
            counted(self.policies.len(), "grant", "grants"),
        ]
        .into_iter()
        .flatten()
        .collect();
        let first = match parts.as_slice() {
            [] => "Nothing else goes with it.".to_owned(),
            parts => format!("These go with it: {}.", parts.join(", ")),
        };
        vec![first, "Programs that use its AccessKeys stop working. It cannot be undone.".to_owned()]
    }

    /// Goes through all of it; `really` does it, else each right is asked.
    async fn remove(&self, context: &ActionContext, user: &str, really: bool) -> Result<(), ActionError> {
        let named = ("UserName", user);
        for key in &self.keys {
            run::<DeleteAccessKey>(context, &[named, ("UserAccessKeyId", key)], really).await?;
        }
        if self.signs_in {
            run::<DeleteLoginProfile>(context, &[named], really).await?;
        }
        if self.has_mfa_device {
            run::<UnbindMfaDevice>(context, &[named], really).await?;
        }
        for group in &self.groups {
            run::<RemoveUserFromGroup>(context, &[named, ("GroupName", group)], really).await?;
        }
        for (policy_type, name) in &self.policies {
            let given = [named, ("PolicyType", policy_type), ("PolicyName", name.as_str())];
            run::<DetachPolicyFromUser>(context, &given, really).await?;
        }
        run::<DeleteUser>(context, &[named], really).await
    }
}

/// Asks, then deletes.
pub(crate) async fn submit(Path(user): Path<String>, posted: Posted) -> Response {
    let Ok(name) = user.parse::<UserName>() else { return respond::not_found() };
    let context = &posted.who.context;
    let action = format!("{}/delete", at(&user));
    let back = if posted.is_confirmed() { "/console/ram/users?".to_owned() } else { at(&user) };
    let form = Sent { posted: &posted, place: Place::RamUsers, title: &user, action: &action, back: &back };
    let left = match Left::of(context, &user).await {
        Ok(left) => left,
        Err(error) => return posted.who.answer(Place::RamUsers, &user, Err(error)),
    };
    if !posted.is_confirmed() {
        let asked = match left.remove(context, &user, false).await {
            Ok(()) => reach(context, &DeleteUser { name: name.clone() }, &[Whom::User(name)]).await,
            Err(error) => Err(error),
        };
        let sheet = asked.map(|reach| {
            form.question(format!("Delete the user {user}?"), Some(reach), left.lines(), "Aware of the risk, delete")
        });
        return posted.who.answer(Place::RamUsers, &user, sheet);
    }
    let done = match left.remove(context, &user, false).await {
        Ok(()) => left.remove(context, &user, true).await,
        Err(error) => Err(error),
    };
    match form.end(done.map(|()| Step::Done("DeleteUser"))) {
        Ok(response) => response,
        Err(error) => posted.who.answer(Place::RamUsers, &user, Err(error)),
    }
}
