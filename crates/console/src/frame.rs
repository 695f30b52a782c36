//! What every page of somebody who is signed in shows around it: who it is, and the menu with what would be refused marked.

use sluice_access::ConsoleCaller;
use sluice_actions::{
    Act, ActionContext,
    onsmqtt::{GetMqttMetaData, ListMqttInstance},
    permitted,
    ram::{
        ExplainDecision, GetAccountAlias, GetPasswordPolicy, GetSecurityPreference, ListGroups, ListPolicies,
        ListRoles, ListUsers,
    },
};

use crate::session::known;

/// Where in the menu a page stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    UserCenter,
    MqttOverview,
    MqttInstances,
    RamOverview,
    RamUsers,
    RamGroups,
    RamRoles,
    RamPolicies,
    RamGrants,
    RamWhy,
    RamSettings,
    Security,
}

/// The frame of one page.
pub(crate) struct Frame {
    pub(crate) account: String,
    pub(crate) user: String,
    pub(crate) csrf: String,
    pub(crate) place: Place,
    /// Under which this page was asked for, as the log has it.
    pub(crate) request_id: String,
    /// Something was to be done, not a page to be opened: a refusal says so.
    pub(crate) is_deed: bool,
    shut: Vec<Place>,
}

impl Frame {
    pub(crate) fn of(console: &ConsoleCaller, context: &ActionContext, place: Place, is_deed: bool) -> Self {
        Self {
            account: console.account_alias.to_string(),
            user: console.name.to_string(),
            csrf: console.csrf.clone(),
            place,
            request_id: context.request_id().to_string(),
            is_deed,
            shut: shut(context),
        }
    }

    /// Whether a page of the menu would be refused.
    pub(crate) fn is_shut(&self, place: Place) -> bool {
        self.shut.contains(&place)
    }
}

/// The pages of the menu that would be refused, asked as their operations ask. In memory alone: every page that is shown has a frame.
fn shut(context: &ActionContext) -> Vec<Place> {
    fn refused<A: Act>(context: &ActionContext) -> bool {
        known::<A>(&[]).and_then(|input| permitted(context, &input)).is_err()
    }
    let (users, groups) = (refused::<ListUsers>(context), refused::<ListGroups>(context));
    let (roles, policies) = (refused::<ListRoles>(context), refused::<ListPolicies>(context));
    // Each of the three has its own right; the page shows those that may be seen.
    let settings = refused::<GetPasswordPolicy>(context)
        && refused::<GetSecurityPreference>(context)
        && refused::<GetAccountAlias>(context);
    let asked = [
        (Place::MqttOverview, refused::<GetMqttMetaData>(context)),
        (Place::MqttInstances, ListMqttInstance::permitted(context).is_err()),
        (Place::RamSettings, settings),
        (Place::RamOverview, users && groups && roles && policies),
        (Place::RamUsers, users),
        (Place::RamGroups, groups),
        (Place::RamRoles, roles),
        (Place::RamPolicies, policies),
        (Place::RamGrants, policies),
        (Place::RamWhy, refused::<ExplainDecision>(context)),
    ];
    asked.into_iter().filter_map(|(place, refused)| refused.then_some(place)).collect()
}
