//! Roles that are linked to a cloud service: CreateServiceLinkedRole, DeleteServiceLinkedRole, GetServiceLinkedRoleTemplate.
//!
//! No cloud service lives here, so nobody assumes such a role: it is kept so that what expects it finds it. The service's
//! own policy is named and not attached. Which services there are: the vendor's pages on service-linked roles of its message
//! queues.

use serde::Serialize;
use sluice_access::{Change, random};
use sluice_model::{Action, Principal, RamEntity, Resource, RoleName};
use sluice_store::{By, Role, RoleKind};

use super::role::{OneRole, RoleReply, resource};
use crate::{
    Act, ActionContext, ActionError, Ask, Code, Granted, Params, Product, RequestId, Row, limits,
    operation::{optional, required},
    params::parsed,
};

/// The condition key that tells which service's role it is. Source: facts/ram.md section 1.5.
const SERVICE_NAME_KEY: &str = "ram:ServiceName";

/// The question on a resource, of a service that conditions may name.
fn of_service(resource: Resource, service: &str) -> Ask {
    Ask::On(resource).with(vec![(SERVICE_NAME_KEY.to_owned(), service.to_owned())])
}

/// What a service's role is like.
struct Template {
    service_name: &'static str,
    role_name: &'static str,
    system_policy: &'static str,
    /// Whether a suffix makes further roles.
    several: bool,
    description: &'static str,
}

const TEMPLATES: &[Template] = &[
    Template {
        service_name: "core-rule-engine.mqtt.aliyuncs.com",
        role_name: "AliyunServiceRoleForMqttCoreRuleEngine",
        system_policy: "AliyunServiceRolePolicyForMqttCoreRuleEngine",
        several: false,
        description: "ApsaraMQ for MQTT forwards messages with this role.",
    },
    Template {
        service_name: "tunnel.mqtt.aliyuncs.com",
        role_name: "AliyunServiceRoleForMqttTunnel",
        system_policy: "AliyunServiceRolePolicyForMqttTunnel",
        several: false,
        description: "ApsaraMQ for MQTT reaches HTTP authenticators with this role.",
    },
    Template {
        service_name: "ons.aliyuncs.com",
        role_name: "AliyunServiceRoleForOns",
        system_policy: "AliyunServiceRolePolicyForOns",
        several: false,
        description: "ApsaraMQ for RocketMQ reads metrics with this role.",
    },
    Template {
        service_name: "migration.rmq.aliyuncs.com",
        role_name: "AliyunServiceRoleForRMQMigration",
        system_policy: "AliyunServiceRolePolicyForRMQMigration",
        several: false,
        description: "ApsaraMQ for RocketMQ reaches clusters that are migrated with this role.",
    },
    Template {
        service_name: "disaster-recovery.rmq.aliyuncs.com",
        role_name: "AliyunServiceRoleForRMQDisasterRecovery",
        system_policy: "AliyunServiceRolePolicyForRMQDisasterRecovery",
        several: true,
        description: "ApsaraMQ for RocketMQ copies messages with this role.",
    },
];

/// The service's template.
fn template(params: &Params) -> Result<&'static Template, ActionError> {
    let name = params.text("ServiceName")?;
    let found = TEMPLATES.iter().find(|template| template.service_name == name);
    found.ok_or(ActionError::invalid("ServiceName"))
}

/// The service whose role a name is; no role of the account's own has such a name. A suffix comes after `_`, or after the `.`
/// that roles of an earlier release have.
fn service_of(name: &RoleName) -> &'static str {
    let is_its = |template: &&Template| {
        let suffix = name.as_str().strip_prefix(template.role_name);
        suffix.is_some_and(|suffix| suffix.is_empty() || (template.several && suffix.starts_with(['_', '.'])))
    };
    TEMPLATES.iter().find(is_its).map_or("", |template| template.service_name)
}

/// Makes the role of a service.
#[derive(Clone, Debug)]
pub struct CreateServiceLinkedRole {
    /// The service.
    pub service_name: &'static str,
    /// The role, as the service's template and the suffix name it.
    pub name: RoleName,
    /// Free text.
    pub description: String,
}

impl Act for CreateServiceLinkedRole {
    const ROW: Row = Row {
        product: Product::Ram,
        name: "CreateServiceLinkedRole",
        actions: &[Action::of("ram:CreateServiceLinkedRole")],
        resource: "the role of the service, role/AliyunServiceRoleFor…",
        parameters: &[required("ServiceName"), optional("CustomSuffix"), optional("Description")],
    };
    type Output = OneRole;

    fn read(params: &Params) -> Result<Self, ActionError> {
        let template = template(params)?;
        let name = match params.given("CustomSuffix") {
            None => template.role_name.to_owned(),
            Some(_) if !template.several => return Err(Code::SuffixNotAllowed.into()),
            Some(suffix) => format!("{}_{suffix}", template.role_name),
        };
        let name = parsed("CustomSuffix", &name)?;
        let description = params.limited("Description", limits::DESCRIPTION_CHARACTERS_MAX)?;
        let description = description.filter(|text| !text.is_empty());
        // The vendor's: what one service has once is described by the service.
        if description.is_some() && !template.several {
            return Err(ActionError::invalid("Description"));
        }
        let description = description.unwrap_or_else(|| template.description.to_owned());
        Ok(Self { service_name: template.service_name, name, description })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        of_service(resource(context.account(), &self.name), self.service_name)
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<OneRole, ActionError> {
        let (permit, account) = (granted.permit()?, context.account());
        let trust_document = serde_json::json!({
            "Statement": [{
                "Action": "sts:AssumeRole",
                "Effect": "Allow",
                "Principal": { "Service": [self.service_name] },
            }],
            "Version": "1",
        });
        let new = Role {
            id: random::role_id(),
            name: self.name,
            description: self.description,
            trust_document: trust_document.to_string(),
            session_s_max: limits::SESSION_S_DEFAULT,
            allow_console_login: false,
            service_name: self.service_name.to_owned(),
            created: context.now,
            updated: context.now,
        };
        context.store().create_role(By::Permit(permit), account, &new, limits::ROLES_MAX).await?;
        context.changed(Change::Principal(Principal::Role(account, new.id))).await;
        Ok(OneRole { role: RoleReply::of_linked(account, new) })
    }
}

/// Deletes the role of a service. The original does it in the background; here it is done when it is answered.
#[derive(Clone, Debug)]
pub struct DeleteServiceLinkedRole {
    /// The role.
    pub name: RoleName,
}

/// `{DeletionTaskId}`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Deletion {
    /// `task/acs-service-role/{service}/{role}/{UUID}`.
    pub deletion_task_id: String,
}

impl Act for DeleteServiceLinkedRole {
    const ROW: Row = Row {
        product: Product::Ram,
        name: "DeleteServiceLinkedRole",
        actions: &[Action::of("ram:DeleteServiceLinkedRole")],
        resource: "role/{RoleName}",
        parameters: &[required("RoleName")],
    };
    type Output = Deletion;

    fn read(params: &Params) -> Result<Self, ActionError> {
        Ok(Self { name: params.name("RoleName")? })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        let resource = resource(context.account(), &self.name);
        match service_of(&self.name) {
            "" => Ask::On(resource),
            service => of_service(resource, service),
        }
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<Deletion, ActionError> {
        let (by, account) = (By::Permit(granted.permit()?), context.account());
        let id = context.store().delete_role(by, account, &self.name, RoleKind::ServiceLinked).await?;
        context.changed(Change::Principal(Principal::Role(account, id))).await;
        let task = RequestId::random().as_str().to_ascii_lowercase();
        let deletion_task_id = format!("task/acs-service-role/{}/{}/{task}", service_of(&self.name), self.name);
        Ok(Deletion { deletion_task_id })
    }
}

/// Shows what a service's role is like.
#[derive(Clone, Debug)]
pub struct GetServiceLinkedRoleTemplate {
    /// The service.
    pub service_name: &'static str,
}

/// `{ServiceLinkedRoleTemplate}`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct OneTemplate {
    /// The template.
    pub service_linked_role_template: TemplateReply,
}

/// A template as its reply shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct TemplateReply {
    /// Whether a suffix makes further roles.
    pub multiple_roles_allowed: bool,
    /// In each language.
    pub role_descriptions: RoleDescriptions,
    /// The role's name, before a suffix.
    pub role_name_prefix: &'static str,
    /// The service.
    pub service_name: &'static str,
    /// What the service attaches to it.
    pub system_policy_name: &'static str,
}

/// `{RoleDescription: []}`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct RoleDescriptions {
    /// The descriptions.
    pub role_description: Vec<RoleDescription>,
}

/// A description in one language.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct RoleDescription {
    /// The text.
    pub description: &'static str,
    /// `en`.
    pub language: &'static str,
}

impl Act for GetServiceLinkedRoleTemplate {
    const ROW: Row = Row {
        product: Product::Ram,
        name: "GetServiceLinkedRoleTemplate",
        actions: &[Action::of("ram:GetServiceLinkedRoleTemplate")],
        resource: "role/*",
        parameters: &[required("ServiceName")],
    };
    type Output = OneTemplate;

    fn read(params: &Params) -> Result<Self, ActionError> {
        Ok(Self { service_name: template(params)?.service_name })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        let all = Resource::Ram(context.account(), RamEntity::Role("*".into()));
        of_service(all, self.service_name)
    }

    async fn run(self, _context: &ActionContext, _granted: Granted) -> Result<OneTemplate, ActionError> {
        let template = TEMPLATES.iter().find(|template| template.service_name == self.service_name);
        let template = template.ok_or(ActionError::invalid("ServiceName"))?;
        let role_description = vec![RoleDescription { description: template.description, language: "en" }];
        Ok(OneTemplate {
            service_linked_role_template: TemplateReply {
                multiple_roles_allowed: template.several,
                role_descriptions: RoleDescriptions { role_description },
                role_name_prefix: template.role_name,
                service_name: template.service_name,
                system_policy_name: template.system_policy,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_names_a_role_that_no_account_can_make_and_that_finds_its_service() {
        for template in TEMPLATES {
            let name: RoleName = template.role_name.parse().unwrap();
            assert!(name.is_linked());
            assert_eq!(service_of(&name), template.service_name);
            for separator in ['_', '.'] {
                let suffixed = service_of(&format!("{}{separator}a", template.role_name).parse().unwrap());
                assert_eq!(suffixed, if template.several { template.service_name } else { "" });
            }
        }
    }
}
