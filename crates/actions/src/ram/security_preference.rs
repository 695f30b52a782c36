//! What users may do for themselves and how they sign in: SetSecurityPreference, GetSecurityPreference.
//!
//! Ranges, defaults and nesting: facts/ram.md section 2. What users may manage is a policy that `access` makes of this.

use serde::Serialize;
use sluice_access::Change;
use sluice_model::{Action, NetworkMasks, RamEntity, Resource, SecurityPreference, SignInSettings};
use sluice_store::By;

use crate::{Act, ActionContext, ActionError, Ask, Granted, Params, Product, Row, operation::optional};

/// Of sign-in.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct LoginProfilePreference {
    /// Whether a machine may be remembered for 7 days.
    #[serde(rename = "EnableSaveMFATicket")]
    pub enable_save_mfa_ticket: bool,
    /// Whether users may change their own password.
    pub allow_user_to_change_password: bool,
    /// Hours of a console session.
    pub login_session_duration: u32,
    /// From where, `;` between them; empty is anywhere.
    pub login_network_masks: String,
}

/// Of AccessKeys.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct AccessKeyPreference {
    /// Whether users may manage their own.
    pub allow_user_to_manage_access_keys: bool,
}

/// Of MFA devices.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct MfaPreference {
    /// Whether users may manage their own.
    #[serde(rename = "AllowUserToManageMFADevices")]
    pub allow_user_to_manage_mfa_devices: bool,
}

/// Of public keys.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct PublicKeyPreference {
    /// Kept; there are none here.
    pub allow_user_to_manage_public_keys: bool,
}

/// All of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct SecurityPreferenceReply {
    /// Of sign-in.
    pub login_profile_preference: LoginProfilePreference,
    /// Of AccessKeys.
    pub access_key_preference: AccessKeyPreference,
    /// Of MFA devices.
    #[serde(rename = "MFAPreference")]
    pub mfa_preference: MfaPreference,
    /// Of public keys.
    pub public_key_preference: PublicKeyPreference,
}

/// `{SecurityPreference}`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct OneSecurityPreference {
    /// The preference.
    pub security_preference: SecurityPreferenceReply,
}

impl OneSecurityPreference {
    fn of(preference: &SecurityPreference) -> Self {
        let security_preference = SecurityPreferenceReply {
            login_profile_preference: LoginProfilePreference {
                enable_save_mfa_ticket: preference.save_mfa_ticket,
                allow_user_to_change_password: preference.users_change_password,
                login_session_duration: preference.session_hours,
                login_network_masks: preference.masks.as_str().to_owned(),
            },
            access_key_preference: AccessKeyPreference {
                allow_user_to_manage_access_keys: preference.users_manage_access_keys,
            },
            mfa_preference: MfaPreference { allow_user_to_manage_mfa_devices: preference.users_manage_mfa_devices },
            public_key_preference: PublicKeyPreference {
                allow_user_to_manage_public_keys: preference.users_manage_public_keys,
            },
        };
        Self { security_preference }
    }
}

/// Changes the preference; what is `None` stays, empty masks are anywhere.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "as in the reply")]
pub struct SetSecurityPreference {
    pub enable_save_mfa_ticket: Option<bool>,
    pub allow_user_to_change_password: Option<bool>,
    pub allow_user_to_manage_access_keys: Option<bool>,
    pub allow_user_to_manage_mfa_devices: Option<bool>,
    pub allow_user_to_manage_public_keys: Option<bool>,
    pub login_session_duration: Option<u32>,
    pub login_network_masks: Option<NetworkMasks>,
}

impl SetSecurityPreference {
    fn change(self, preference: &mut SecurityPreference) {
        let flags = [
            (&mut preference.save_mfa_ticket, self.enable_save_mfa_ticket),
            (&mut preference.users_change_password, self.allow_user_to_change_password),
            (&mut preference.users_manage_access_keys, self.allow_user_to_manage_access_keys),
            (&mut preference.users_manage_mfa_devices, self.allow_user_to_manage_mfa_devices),
            (&mut preference.users_manage_public_keys, self.allow_user_to_manage_public_keys),
        ];
        for (place, given) in flags {
            *place = given.unwrap_or(*place);
        }
        preference.session_hours = self.login_session_duration.unwrap_or(preference.session_hours);
        if let Some(masks) = self.login_network_masks {
            preference.masks = masks;
        }
    }
}

impl Act for SetSecurityPreference {
    const ROW: Row = Row {
        product: Product::Ram,
        name: "SetSecurityPreference",
        actions: &[Action::of("ram:SetSecurityPreference")],
        resource: "*",
        parameters: &[
            optional("EnableSaveMFATicket"),
            optional("AllowUserToChangePassword"),
            optional("AllowUserToManageAccessKeys"),
            optional("AllowUserToManageMFADevices"),
            optional("AllowUserToManagePublicKeys"),
            optional("LoginSessionDuration"),
            optional("LoginNetworkMasks"),
        ],
    };
    type Output = OneSecurityPreference;

    fn read(params: &Params) -> Result<Self, ActionError> {
        let masks = params.get("LoginNetworkMasks").map(str::parse).transpose();
        Ok(Self {
            enable_save_mfa_ticket: params.boolean("EnableSaveMFATicket")?,
            allow_user_to_change_password: params.boolean("AllowUserToChangePassword")?,
            allow_user_to_manage_access_keys: params.boolean("AllowUserToManageAccessKeys")?,
            allow_user_to_manage_mfa_devices: params.boolean("AllowUserToManageMFADevices")?,
            allow_user_to_manage_public_keys: params.boolean("AllowUserToManagePublicKeys")?,
            login_session_duration: params.ranged("LoginSessionDuration", 1..=24)?,
            login_network_masks: masks.map_err(|fault| ActionError::of_name("LoginNetworkMasks", fault))?,
        })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::On(Resource::Ram(context.account(), RamEntity::All))
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<OneSecurityPreference, ActionError> {
        let (by, account) = (By::Permit(granted.permit()?), context.account());
        let change = move |settings: &mut SignInSettings| self.change(&mut settings.preference);
        let changed = context.store().change_sign_in_settings(by, account, change).await?;
        context.changed(Change::Preference(account)).await;
        Ok(OneSecurityPreference::of(&changed.preference))
    }
}

/// Shows the preference.
#[derive(Clone, Copy, Debug)]
pub struct GetSecurityPreference;

impl Act for GetSecurityPreference {
    const ROW: Row = Row {
        product: Product::Ram,
        name: "GetSecurityPreference",
        actions: &[Action::of("ram:GetSecurityPreference")],
        resource: "*",
        parameters: &[],
    };
    type Output = OneSecurityPreference;

    fn read(_params: &Params) -> Result<Self, ActionError> {
        Ok(Self)
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::On(Resource::Ram(context.account(), RamEntity::All))
    }

    async fn run(self, context: &ActionContext, _granted: Granted) -> Result<OneSecurityPreference, ActionError> {
        let settings = context.store().sign_in_settings(context.account()).await?;
        Ok(OneSecurityPreference::of(&settings.preference))
    }
}
