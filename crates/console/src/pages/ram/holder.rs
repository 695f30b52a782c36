//! Who can have a policy: users, groups and roles, and the operations of each.

use sluice_actions::{
    Act, ActionContext, ActionError, Reach, Whom, call,
    ram::{
        AttachPolicyToGroup, AttachPolicyToRole, AttachPolicyToUser, DetachPolicyFromGroup, DetachPolicyFromRole,
        DetachPolicyFromUser, Entities, Kind, OfGroup, OfRole, OfUser,
    },
    reach,
};
use sluice_model::RamEntity;

use super::{Step, missing, missing_on, step};
use crate::session::{Posted, known};

/// A kind of those who can have a policy.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum HolderKind {
    User,
    Group,
    Role,
}

impl HolderKind {
    pub(super) const ALL: [Self; 3] = [Self::User, Self::Group, Self::Role];

    /// For a person.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::Group => "Group",
            Self::Role => "Role",
        }
    }

    /// In a form and in addresses.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Group => "group",
            Self::Role => "role",
        }
    }

    pub(super) fn of(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.key() == key)
    }

    /// The parameter that names one.
    pub(super) fn parameter(self) -> &'static str {
        match self {
            Self::User => OfUser::PARAMETER,
            Self::Group => OfGroup::PARAMETER,
            Self::Role => OfRole::PARAMETER,
        }
    }

    /// The operation that takes a policy away.
    pub(super) fn detaching(self) -> &'static str {
        match self {
            Self::User => DetachPolicyFromUser::ROW.name,
            Self::Group => DetachPolicyFromGroup::ROW.name,
            Self::Role => DetachPolicyFromRole::ROW.name,
        }
    }

    /// Whom a change of its policies touches; `None` for a name that none can have.
    pub(super) fn whom(self, name: &str) -> Option<Whom> {
        match self {
            Self::User => name.parse().ok().map(Whom::User),
            Self::Group => name.parse().ok().map(Whom::Group),
            Self::Role => name.parse().ok().map(Whom::Role),
        }
    }

    pub(super) async fn attach(self, context: &ActionContext, given: &[(&str, &str)]) -> Result<(), ActionError> {
        match self {
            Self::User => call(context, known::<AttachPolicyToUser>(given)?).await.map(drop),
            Self::Group => call(context, known::<AttachPolicyToGroup>(given)?).await.map(drop),
            Self::Role => call(context, known::<AttachPolicyToRole>(given)?).await.map(drop),
        }
    }

    /// Whom an attachment would touch.
    pub(super) async fn reach(
        self,
        context: &ActionContext,
        given: &[(&str, &str)],
        whom: &[Whom],
    ) -> Result<Reach, ActionError> {
        match self {
            Self::User => reach(context, &known::<AttachPolicyToUser>(given)?, whom).await,
            Self::Group => reach(context, &known::<AttachPolicyToGroup>(given)?, whom).await,
            Self::Role => reach(context, &known::<AttachPolicyToRole>(given)?, whom).await,
        }
    }

    pub(super) async fn detach(
        self,
        posted: &Posted,
        given: &[(&str, &str)],
        whom: &[Whom],
    ) -> Result<Step, ActionError> {
        match self {
            Self::User => step::<DetachPolicyFromUser>(posted, given, whom).await,
            Self::Group => step::<DetachPolicyFromGroup>(posted, given, whom).await,
            Self::Role => step::<DetachPolicyFromRole>(posted, given, whom).await,
        }
    }

    /// The action that is missing to attach anything to `name`, `*` of all; a policy may still be refused by itself.
    pub(super) fn cannot_attach(self, context: &ActionContext, name: &str) -> Option<String> {
        match self {
            Self::User => missing_on::<AttachPolicyToUser>(context, RamEntity::User(name.into())),
            Self::Group => missing_on::<AttachPolicyToGroup>(context, RamEntity::Group(name.into())),
            Self::Role => missing_on::<AttachPolicyToRole>(context, RamEntity::Role(name.into())),
        }
    }

    /// The action that is missing to attach a policy to anybody of the kind.
    pub(super) fn cannot_attach_policy(self, context: &ActionContext, policy: &RamEntity) -> Option<String> {
        match self {
            Self::User => missing_on::<AttachPolicyToUser>(context, policy.clone()),
            Self::Group => missing_on::<AttachPolicyToGroup>(context, policy.clone()),
            Self::Role => missing_on::<AttachPolicyToRole>(context, policy.clone()),
        }
    }

    pub(super) fn cannot_detach(self, context: &ActionContext, given: &[(&str, &str)]) -> Option<String> {
        match self {
            Self::User => missing::<DetachPolicyFromUser>(context, given),
            Self::Group => missing::<DetachPolicyFromGroup>(context, given),
            Self::Role => missing::<DetachPolicyFromRole>(context, given),
        }
    }
}

/// Somebody with a policy.
pub(super) struct Holder {
    pub(super) kind: HolderKind,
    pub(super) name: String,
    pub(super) since: String,
}

impl Holder {
    /// Its page.
    pub(super) fn page(&self) -> String {
        format!("/console/ram/{}s/{}", self.kind.key(), self.name)
    }
}

/// Everyone with a policy.
pub(super) fn holders(entities: Entities) -> Vec<Holder> {
    let users = entities.users.user.into_iter().map(|one| (HolderKind::User, one.user_name, one.attach_date));
    let groups = entities.groups.group.into_iter().map(|one| (HolderKind::Group, one.group_name, one.attach_date));
    let roles = entities.roles.role.into_iter().map(|one| (HolderKind::Role, one.role_name, one.attach_date));
    users.chain(groups).chain(roles).map(|(kind, name, since)| Holder { kind, name, since }).collect()
}
