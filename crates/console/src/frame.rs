//! What every page of somebody who is signed in shows around it.

use sluice_access::ConsoleCaller;

/// Where in the menu a page stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    UserCenter,
    MqttOverview,
    MqttInstances,
    RamSettings,
    Security,
}

/// The frame of one page.
pub(crate) struct Frame {
    pub(crate) account: String,
    pub(crate) user: String,
    pub(crate) csrf: String,
    pub(crate) place: Place,
}

impl Frame {
    pub(crate) fn of(console: &ConsoleCaller, place: Place) -> Self {
        Self {
            account: console.account_alias.to_string(),
            user: console.name.to_string(),
            csrf: console.csrf.clone(),
            place,
        }
    }
}
