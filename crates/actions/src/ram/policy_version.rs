//! Versions of a policy: CreatePolicyVersion, GetPolicyVersion, SetDefaultPolicyVersion, DeletePolicyVersion, ListPolicyVersions.
//!
//! Only the default version is in force; a number is never used again.

use serde::Serialize;
use sluice_access::Change;
use sluice_model::{Action, PolicyName, PolicyType, PolicyVersion};
use sluice_policy::SystemPolicy;
use sluice_store::{By, CustomPolicy, PolicyVersionRow};

use super::{policy, user::Done};
use crate::{
    Act, ActionContext, ActionError, Ask, Code, Granted, Params, Product, Row,
    operation::{optional, required},
    time::date,
};

/// A version as replies show it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct VersionReply {
    /// `v1` and up.
    pub version_id: String,
    /// Whether it is in force.
    pub is_default_version: bool,
    /// Byte for byte as given; lists of versions have it too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_document: Option<String>,
    /// When it was made.
    pub create_date: String,
}

impl VersionReply {
    fn of(version: &PolicyVersionRow) -> Self {
        Self {
            version_id: version.version.to_string(),
            is_default_version: version.is_default,
            policy_document: Some(version.document.clone()),
            create_date: date(version.created),
        }
    }

    /// The one in force, of a custom policy.
    pub(super) fn in_force(policy: CustomPolicy) -> Self {
        Self {
            version_id: policy.default_version.to_string(),
            is_default_version: true,
            policy_document: Some(policy.document),
            create_date: date(policy.version_created),
        }
    }

    pub(super) fn of_system(policy: &SystemPolicy) -> Self {
        Self {
            version_id: PolicyVersion(policy.version).to_string(),
            is_default_version: true,
            policy_document: Some(policy.document_text.to_owned()),
            create_date: policy.update_date.to_owned(),
        }
    }
}

/// `{PolicyVersion}`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct OneVersion {
    /// The version.
    pub policy_version: VersionReply,
}

/// Adds a version.
#[derive(Clone, Debug)]
pub struct CreatePolicyVersion {
    /// Of which policy.
    pub name: PolicyName,
    /// The document, valid.
    pub document: String,
    /// Puts it in force at once.
    pub set_as_default: bool,
    /// Makes room by deleting the oldest version that is not in force.
    pub rotate: bool,
}

impl Act for CreatePolicyVersion {
    const ROW: Row = Row {
        product: Product::Ram,
        name: "CreatePolicyVersion",
        actions: &[Action::of("ram:CreatePolicyVersion")],
        resource: "policy/{PolicyName}",
        parameters: &[
            required("PolicyName"),
            required("PolicyDocument"),
            optional("SetAsDefault"),
            optional("RotateStrategy"),
        ],
    };
    type Output = OneVersion;

    fn read(params: &Params) -> Result<Self, ActionError> {
        let rotate = match params.given("RotateStrategy") {
            None | Some("None") => false,
            Some("DeleteOldestNonDefaultVersionWhenLimitExceeded") => true,
            Some(_) => return Err(ActionError::invalid("RotateStrategy")),
        };
        Ok(Self {
            name: params.name("PolicyName")?,
            document: policy::document(params)?,
            set_as_default: params.boolean("SetAsDefault")?.unwrap_or(false),
            rotate,
        })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::On(policy::resource(context.account(), PolicyType::Custom, &self.name))
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<OneVersion, ActionError> {
        let permit = granted.permit()?;
        let created = context.store().create_policy_version(
            By::Permit(permit),
            context.account(),
            &self.name,
            &self.document,
            (self.set_as_default, self.rotate),
            context.now,
        );
        let version = created.await?;
        context.changed(Change::Policy(context.account(), self.name)).await;
        Ok(OneVersion {
            policy_version: VersionReply {
                version_id: version.to_string(),
                is_default_version: self.set_as_default,
                policy_document: Some(self.document),
                create_date: date(context.now),
            },
        })
    }
}

/// Shows a version with its document.
#[derive(Clone, Debug)]
pub struct GetPolicyVersion {
    /// Whose.
    pub policy_type: PolicyType,
    /// Of which policy.
    pub name: PolicyName,
    /// Which.
    pub version: PolicyVersion,
}

impl Act for GetPolicyVersion {
    const ROW: Row = Row {
        product: Product::Ram,
        name: "GetPolicyVersion",
        actions: &[Action::of("ram:GetPolicyVersion")],
        resource: "policy/{PolicyName}",
        parameters: &[required("PolicyType"), required("PolicyName"), required("VersionId")],
    };
    type Output = OneVersion;

    fn read(params: &Params) -> Result<Self, ActionError> {
        Ok(Self {
            policy_type: params.required_word("PolicyType")?,
            name: params.name("PolicyName")?,
            version: params.name("VersionId")?,
        })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::On(policy::resource(context.account(), self.policy_type, &self.name))
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<OneVersion, ActionError> {
        let policy_version = match self.policy_type {
            PolicyType::System => {
                let policy = policy::find_system(&self.name)?;
                if policy.version != self.version.0 {
                    return Err(Code::NoPolicyVersion.into());
                }
                VersionReply::of_system(policy)
            }
            PolicyType::Custom => {
                policy::find_custom(context, granted.permit()?, &self.name).await?;
                let versions = context.store().policy_versions(context.account(), &self.name).await?;
                let version = versions.iter().find(|row| row.version == self.version);
                VersionReply::of(version.ok_or(Code::NoPolicyVersion)?)
            }
        };
        Ok(OneVersion { policy_version })
    }
}

/// Puts another version in force.
#[derive(Clone, Debug)]
pub struct SetDefaultPolicyVersion {
    /// Of which policy.
    pub name: PolicyName,
    /// Which.
    pub version: PolicyVersion,
}

impl Act for SetDefaultPolicyVersion {
    const ROW: Row = Row {
        product: Product::Ram,
        name: "SetDefaultPolicyVersion",
        actions: &[Action::of("ram:SetDefaultPolicyVersion")],
        resource: "policy/{PolicyName}",
        parameters: &[required("PolicyName"), required("VersionId")],
    };
    type Output = Done;

    fn read(params: &Params) -> Result<Self, ActionError> {
        Ok(Self { name: params.name("PolicyName")?, version: params.name("VersionId")? })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::On(policy::resource(context.account(), PolicyType::Custom, &self.name))
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<Done, ActionError> {
        let permit = granted.permit()?;
        let (store, account) = (context.store(), context.account());
        store.set_default_policy_version(By::Permit(permit), account, &self.name, self.version, context.now).await?;
        context.changed(Change::Policy(context.account(), self.name)).await;
        Ok(Done {})
    }
}

/// Deletes a version that is not in force.
#[derive(Clone, Debug)]
pub struct DeletePolicyVersion {
    /// Of which policy.
    pub name: PolicyName,
    /// Which.
    pub version: PolicyVersion,
}

impl Act for DeletePolicyVersion {
    const ROW: Row = Row {
        product: Product::Ram,
        name: "DeletePolicyVersion",
        actions: &[Action::of("ram:DeletePolicyVersion")],
        resource: "policy/{PolicyName}",
        parameters: &[required("PolicyName"), required("VersionId")],
    };
    type Output = Done;

    fn read(params: &Params) -> Result<Self, ActionError> {
        Ok(Self { name: params.name("PolicyName")?, version: params.name("VersionId")? })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::On(policy::resource(context.account(), PolicyType::Custom, &self.name))
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<Done, ActionError> {
        let permit = granted.permit()?;
        let account = context.account();
        context.store().delete_policy_version(By::Permit(permit), account, &self.name, self.version).await?;
        context.changed(Change::Policy(context.account(), self.name)).await;
        Ok(Done {})
    }
}

/// Lists the versions of a policy.
#[derive(Clone, Debug)]
pub struct ListPolicyVersions {
    /// Whose.
    pub policy_type: PolicyType,
    /// Of which policy.
    pub name: PolicyName,
}

/// `{PolicyVersions: {PolicyVersion: []}}`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct VersionList {
    /// The versions.
    pub policy_versions: Versions,
}

/// `{PolicyVersion: []}`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Versions {
    /// By number.
    pub policy_version: Vec<VersionReply>,
}

impl Act for ListPolicyVersions {
    const ROW: Row = Row {
        product: Product::Ram,
        name: "ListPolicyVersions",
        actions: &[Action::of("ram:ListPolicyVersions")],
        resource: "policy/{PolicyName}",
        parameters: &[required("PolicyType"), required("PolicyName")],
    };
    type Output = VersionList;

    fn read(params: &Params) -> Result<Self, ActionError> {
        Ok(Self { policy_type: params.required_word("PolicyType")?, name: params.name("PolicyName")? })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::On(policy::resource(context.account(), self.policy_type, &self.name))
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<VersionList, ActionError> {
        let policy_version = match self.policy_type {
            PolicyType::System => vec![VersionReply::of_system(policy::find_system(&self.name)?)],
            PolicyType::Custom => {
                policy::find_custom(context, granted.permit()?, &self.name).await?;
                let versions = context.store().policy_versions(context.account(), &self.name).await?;
                versions.iter().map(VersionReply::of).collect()
            }
        };
        Ok(VersionList { policy_versions: Versions { policy_version } })
    }
}
