//! Virtual MFA devices: CreateVirtualMFADevice, ListVirtualMFADevices, DeleteVirtualMFADevice, BindMFADevice, UnbindMFADevice,
//! GetUserMFAInfo.
//!
//! A seed leaves the room once, in the reply of CreateVirtualMFADevice. Binding needs no right on the device: two of its codes
//! prove who has it.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use sluice_access::{BindError, Enrolment, audit_own_sign_in, is_code, page_session};
use sluice_model::{AccountId, Action, MfaDeviceName, Principal, RamEntity, Resource, UserName};
use sluice_policy::Credential;
use sluice_store::{By, MfaDevice, MfaUser};

use super::user::{self, Done};
use crate::{
    Act, ActionContext, ActionError, Ask, Code, Fault, Granted, Params, Product, Row, operation::required, time::date,
};

fn resource(account: AccountId, name: &str) -> Resource {
    Resource::Ram(account, RamEntity::MfaDevice(name.into()))
}

/// A device as it is named: `acs:ram::{account}:mfa/{name}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SerialNumber {
    account: AccountId,
    name: MfaDeviceName,
}

impl SerialNumber {
    /// Of an account's device.
    #[must_use]
    pub fn new(account: AccountId, name: MfaDeviceName) -> Self {
        Self { account, name }
    }

    /// A text that can be no device's names one that is not there.
    fn read(params: &Params) -> Result<Self, ActionError> {
        let text = params.text("SerialNumber")?;
        let parts: Vec<&str> = text.splitn(5, ':').collect();
        let read = match parts[..] {
            ["acs", "ram", "" | "*", account, device] => {
                account.parse().ok().zip(device.strip_prefix("mfa/").and_then(|name| name.parse().ok()))
            }
            _ => None,
        };
        read.map(|(account, name)| Self { account, name }).ok_or_else(|| Code::NoMfaDevice.into())
    }

    /// The device; another account's is not there.
    async fn find(&self, context: &ActionContext) -> Result<MfaDevice, ActionError> {
        if self.account != context.account() {
            return Err(Code::NoMfaDevice.into());
        }
        let device = context.store().mfa_device(self.account, &self.name).await?;
        device.ok_or_else(|| Code::NoMfaDevice.into())
    }
}

/// A new device with its seed: the one time that it is shown.
#[derive(Serialize)]
pub struct NewMfaDevice {
    /// Names it.
    #[serde(rename = "SerialNumber")]
    pub serial_number: String,
    /// The seed.
    #[serde(rename = "Base32StringSeed")]
    pub base32_string_seed: String,
    /// The seed as a picture: a PNG in base 64.
    #[serde(rename = "QRCodePNG")]
    pub qr_code_png: String,
}

impl fmt::Debug for NewMfaDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewMfaDevice").field("serial_number", &self.serial_number).finish_non_exhaustive()
    }
}

/// `{VirtualMFADevice}`.
#[derive(Debug, Serialize)]
pub struct CreatedMfaDevice {
    /// The device.
    #[serde(rename = "VirtualMFADevice")]
    pub device: NewMfaDevice,
}

/// Makes a device, bound to nobody.
#[derive(Clone, Debug)]
pub struct CreateVirtualMfaDevice {
    /// Its name.
    pub name: MfaDeviceName,
}

impl Act for CreateVirtualMfaDevice {
    const ROW: Row = Row {
        product: Product::Ram,
        name: "CreateVirtualMFADevice",
        actions: &[Action::of("ram:CreateVirtualMFADevice")],
        resource: "mfa/{VirtualMFADeviceName}",
        parameters: &[required("VirtualMFADeviceName")],
    };
    type Output = CreatedMfaDevice;

    fn read(params: &Params) -> Result<Self, ActionError> {
        Ok(Self { name: params.name("VirtualMFADeviceName")? })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::On(resource(context.account(), self.name.as_str()))
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<CreatedMfaDevice, ActionError> {
        let by = By::Permit(granted.permit()?);
        let page = page_session(&context.caller, &self.name);
        let made = context.access().create_mfa_device(by, context.account(), &self.name, page, context.now).await?;
        let Enrolment { device, seed, qr_code_png } = made;
        let shown = |text: &SecretString| text.expose_secret().to_owned();
        let device = NewMfaDevice {
            serial_number: device.serial,
            base32_string_seed: shown(&seed),
            qr_code_png: shown(&qr_code_png),
        };
        Ok(CreatedMfaDevice { device })
    }
}

/// Who has a device.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct MfaUserReply {
    /// 18 digits.
    pub user_id: String,
    /// The name.
    pub user_name: String,
    /// The name to show.
    pub display_name: String,
}

/// A device as a list shows it; one that is bound to nobody has a serial number only.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct MfaDeviceReply {
    /// Names it.
    pub serial_number: String,
    /// Since when it is bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activate_date: Option<String>,
    /// To whom.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<MfaUserReply>,
}

impl MfaDeviceReply {
    fn of((device, user): (MfaDevice, Option<MfaUser>)) -> Self {
        let user = user.map(|user| MfaUserReply {
            user_id: user.id.to_string(),
            user_name: user.name.to_string(),
            display_name: user.display_name,
        });
        Self { serial_number: device.serial, activate_date: device.activated.map(date), user }
    }
}

/// `{VirtualMFADevice: []}`.
#[derive(Debug, Serialize)]
pub struct MfaDevices {
    /// The devices.
    #[serde(rename = "VirtualMFADevice")]
    pub device: Vec<MfaDeviceReply>,
}

/// `{VirtualMFADevices}`.
#[derive(Debug, Serialize)]
pub struct MfaDeviceList {
    /// The devices.
    #[serde(rename = "VirtualMFADevices")]
    pub devices: MfaDevices,
}

/// Lists all devices of the account by name; there are at most 1,000, and the operation has no pages.
#[derive(Clone, Copy, Debug)]
pub struct ListVirtualMfaDevices;

impl Act for ListVirtualMfaDevices {
    const ROW: Row = Row {
        product: Product::Ram,
        name: "ListVirtualMFADevices",
        actions: &[Action::of("ram:ListVirtualMFADevices")],
        resource: "mfa/*",
        parameters: &[],
    };
    type Output = MfaDeviceList;

    fn read(_params: &Params) -> Result<Self, ActionError> {
        Ok(Self)
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::On(resource(context.account(), "*"))
    }

    async fn run(self, context: &ActionContext, _granted: Granted) -> Result<MfaDeviceList, ActionError> {
        let devices = context.store().mfa_devices(context.account()).await?;
        Ok(MfaDeviceList { devices: MfaDevices { device: devices.into_iter().map(MfaDeviceReply::of).collect() } })
    }
}

/// Deletes a device that is bound to nobody.
#[derive(Clone, Debug)]
pub struct DeleteVirtualMfaDevice {
    /// Which.
    pub serial: SerialNumber,
}

impl Act for DeleteVirtualMfaDevice {
    const ROW: Row = Row {
        product: Product::Ram,
        name: "DeleteVirtualMFADevice",
        actions: &[Action::of("ram:DeleteVirtualMFADevice")],
        resource: "mfa/{the name in SerialNumber}",
        parameters: &[required("SerialNumber")],
    };
    type Output = Done;

    fn read(params: &Params) -> Result<Self, ActionError> {
        Ok(Self { serial: SerialNumber::read(params)? })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::On(resource(context.account(), self.serial.name.as_str()))
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<Done, ActionError> {
        let by = By::Permit(granted.permit()?);
        let device = self.serial.find(context).await?;
        context.store().delete_mfa_device(by, context.account(), &device.name).await?;
        Ok(Done {})
    }
}

/// Binds a device to a user; from the next sign-in on, its code is asked.
#[derive(Clone)]
pub struct BindMfaDevice {
    /// To whom.
    pub name: UserName,
    /// Which.
    pub serial: SerialNumber,
    /// Two codes that follow each other.
    pub codes: [String; 2],
}

impl fmt::Debug for BindMfaDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BindMfaDevice").field("name", &self.name).finish_non_exhaustive()
    }
}

fn code(params: &Params, name: &'static str) -> Result<String, ActionError> {
    let text = params.text(name)?;
    // The vendor's code names both parameters as one.
    let fault = ActionError::Invalid { name: "AuthenticationCode", fault: Fault::Format };
    if is_code(text) { Ok(text.to_owned()) } else { Err(fault) }
}

impl Act for BindMfaDevice {
    const ROW: Row = Row {
        product: Product::Ram,
        name: "BindMFADevice",
        actions: &[Action::of("ram:BindMFADevice")],
        resource: "user/{UserName}",
        parameters: &[
            required("UserName"),
            required("SerialNumber"),
            required("AuthenticationCode1"),
            required("AuthenticationCode2"),
        ],
    };
    type Output = Done;

    fn read(params: &Params) -> Result<Self, ActionError> {
        Ok(Self {
            name: params.name("UserName")?,
            serial: SerialNumber::read(params)?,
            codes: [code(params, "AuthenticationCode1")?, code(params, "AuthenticationCode2")?],
        })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::On(user::resource(context.account(), &self.name))
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<Done, ActionError> {
        let permit = granted.permit()?;
        let user = user::find(context, permit, &self.name).await?;
        let device = self.serial.find(context).await?;
        if context.store().mfa_device_of(context.account(), user.id).await?.is_some() {
            return Err(Code::UserMfaDeviceExists.into());
        }
        if device.user.is_some() {
            return Err(Code::MfaDeviceIsTaken.into());
        }
        let of = (context.account(), user.id, self.name.as_str());
        let codes = [self.codes[0].as_str(), self.codes[1].as_str()];
        let bound = context.access().bind_mfa_device(By::Permit(permit), of, &device, codes, context.now).await;
        bound.map_err(|error| match error {
            BindError::WrongCodes => Code::WrongAuthenticationCode.into(),
            // Looked at before; somebody was faster.
            BindError::Taken => Code::UserMfaDeviceExists.into(),
            BindError::Store(error) => error.into(),
            BindError::Seal(error) => {
                tracing::error!(serial = device.serial, %error, "a stored seed does not open");
                ActionError::Internal
            }
        })?;
        let principal = Principal::User(context.account(), user.id);
        audit_own_sign_in("MFABind", principal, context.caller.source_ip(), self.name.as_str());
        Ok(Done {})
    }
}

/// `{MFADevice: {SerialNumber}}`.
#[derive(Debug, Serialize)]
pub struct UnboundMfaDevice {
    /// The device.
    #[serde(rename = "MFADevice")]
    pub device: UnboundMfaDeviceReply,
}

/// Which it was.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct UnboundMfaDeviceReply {
    /// Names it; it is still there.
    pub serial_number: String,
}

/// Frees a user's device; machines that were remembered are forgotten, and console sessions that it opened end, but the one in
/// which its user does it.
#[derive(Clone, Debug)]
pub struct UnbindMfaDevice {
    /// Whose.
    pub name: UserName,
}

impl Act for UnbindMfaDevice {
    const ROW: Row = Row {
        product: Product::Ram,
        name: "UnbindMFADevice",
        actions: &[Action::of("ram:UnbindMFADevice")],
        resource: "user/{UserName}",
        parameters: &[required("UserName")],
    };
    type Output = UnboundMfaDevice;

    fn read(params: &Params) -> Result<Self, ActionError> {
        Ok(Self { name: params.name("UserName")? })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::On(user::resource(context.account(), &self.name))
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<UnboundMfaDevice, ActionError> {
        let permit = granted.permit()?;
        let user = user::find(context, permit, &self.name).await?;
        let of = (context.account(), user.id, self.name.as_str());
        let principal = Principal::User(context.account(), user.id);
        let keep = match context.caller.credential() {
            Credential::Console(digest) if context.caller.principal() == principal => Some(&**digest),
            _ => None,
        };
        let serial_number = context.store().unbind_mfa_device(By::Permit(permit), of, keep).await?;
        audit_own_sign_in("MFAUnbind", principal, context.caller.source_ip(), self.name.as_str());
        Ok(UnboundMfaDevice { device: UnboundMfaDeviceReply { serial_number } })
    }
}

/// `{MFADevice: {SerialNumber, Type}}`.
#[derive(Debug, Serialize)]
pub struct UserMfaInfo {
    /// The device.
    #[serde(rename = "MFADevice")]
    pub device: UserMfaDevice,
}

/// A user's device.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct UserMfaDevice {
    /// Names it.
    pub serial_number: String,
    /// `VMFA`: others are not served.
    pub r#type: &'static str,
}

/// Shows which device a user has.
#[derive(Clone, Debug)]
pub struct GetUserMfaInfo {
    /// Who.
    pub name: UserName,
}

impl Act for GetUserMfaInfo {
    const ROW: Row = Row {
        product: Product::Ram,
        name: "GetUserMFAInfo",
        actions: &[Action::of("ram:GetUserMFAInfo")],
        resource: "user/{UserName}",
        parameters: &[required("UserName")],
    };
    type Output = UserMfaInfo;

    fn read(params: &Params) -> Result<Self, ActionError> {
        Ok(Self { name: params.name("UserName")? })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::On(user::resource(context.account(), &self.name))
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<UserMfaInfo, ActionError> {
        let user = user::find(context, granted.permit()?, &self.name).await?;
        let device = context.store().mfa_device_of(context.account(), user.id).await?;
        let device = device.ok_or(Code::NoUserMfaDevice)?;
        Ok(UserMfaInfo { device: UserMfaDevice { serial_number: device.serial, r#type: "VMFA" } })
    }
}
