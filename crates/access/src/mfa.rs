//! The second factor: codes of six digits from a seed and the time, RFC 6238 with SHA-1 and steps of 30 seconds.
//!
//! Codes are compared in constant time, and all steps that may be are always tried. Source: facts/ram.md section 2, MFA.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use png::{BitDepth, ColorType, Encoder};
use qrcode::{Color, QrCode};
use rand::RngExt;
use secrecy::{ExposeSecret, SecretString};
use sluice_model::{AccountId, MfaDeviceName, Principal, UnixMs, UserId};
use sluice_policy::{Caller, Credential, SystemTask};
use sluice_store::{By, Entity, MfaDevice, StoreError};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use totp_rs::{Builder, Secret, Totp};

use crate::{Access, ConsoleCaller, Peer, SEALINGS_MAX, SealError, audit};

/// Virtual MFA devices of an account. Source: facts/ram.md section 3.3.
pub const MFA_DEVICES_MAX: i64 = 1_000;
/// 160 bits, as RFC 4226 recommends.
const SEED_BYTES: usize = 20;
const STEP_MS: i64 = 30_000;
/// Steps of clocks apart, either way, at sign-in.
const SIGN_IN_STEPS_APART: i64 = 1;
/// How many steps ago the earlier of two codes may be: it is typed before the later one is there.
const BIND_STEPS_AGO: i64 = 3;
/// Pixels of one module of the QR code, and modules of white around it.
const MODULE_PIXELS: usize = 5;
const QUIET_MODULES: usize = 4;

/// Whether a text has the form of a code.
#[must_use]
pub fn is_code(text: &str) -> bool {
    text.len() == 6 && text.bytes().all(|b| b.is_ascii_digit())
}

/// Why a device was not bound.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The two are not one after the other of this device, near now, or were used before.
    #[error("the codes are not two that follow each other")]
    WrongCodes,
    /// The user has a device, or the device a user.
    #[error("the user has a device already, or the device is somebody's")]
    Taken,
    /// The seed does not open.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The database refused or failed.
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for BindError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::AlreadyExists(Entity::MfaCode) => Self::WrongCodes,
            StoreError::AlreadyExists(_) => Self::Taken,
            other => Self::Store(other),
        }
    }
}

/// A device with its seed in the clear: for whoever is to enter it into the app. Not `Debug`.
pub struct Enrolment {
    /// The device.
    pub device: MfaDevice,
    /// The seed, base 32.
    pub seed: SecretString,
    /// The same as a picture for the app's camera: a PNG in base 64.
    pub qr_code_png: SecretString,
}

/// The number of a device's codes.
fn step_of(now: UnixMs) -> i64 {
    now.0.div_euclid(STEP_MS)
}

fn totp(seed: &SecretString) -> Option<Totp> {
    let secret = Secret::try_from_base32(seed.expose_secret()).ok()?;
    Some(Builder::new().with_secret(secret).build_noncompliant())
}

/// Whether this is the code of a step.
fn is_code_of(totp: &Totp, step: i64, code: &str) -> Choice {
    let seconds = u64::try_from(step.saturating_mul(STEP_MS / 1000)).unwrap_or_default();
    totp.generate(seconds).to_string().as_bytes().ct_eq(code.as_bytes())
}

/// The latest step near now and later than `after` that the code is of. The time taken does not tell which.
fn step_of_code(seed: &SecretString, code: &str, (after, now): (i64, UnixMs)) -> Option<i64> {
    let (totp, present) = (totp(seed)?, step_of(now));
    let mut found = i64::MIN;
    for step in present - SIGN_IN_STEPS_APART..=present + SIGN_IN_STEPS_APART {
        let is_late_enough = Choice::from(u8::from(step > after));
        found.conditional_assign(&step, is_code_of(&totp, step, code) & is_late_enough);
    }
    (found != i64::MIN).then_some(found)
}

/// The step of the later of two codes that follow each other.
fn step_of_two(seed: &SecretString, codes: [&str; 2], now: UnixMs) -> Option<i64> {
    let (totp, present) = (totp(seed)?, step_of(now));
    let mut found = i64::MIN;
    for first in present - BIND_STEPS_AGO..=present {
        let both = is_code_of(&totp, first, codes[0]) & is_code_of(&totp, first + 1, codes[1]);
        found.conditional_assign(&(first + 1), both);
    }
    (found != i64::MIN).then_some(found)
}

/// The PNG of a QR code of the text, in base 64.
fn qr_code_png(text: &str) -> Option<String> {
    let code = QrCode::new(text.as_bytes()).ok()?;
    let (width, modules) = (code.width(), code.to_colors());
    let pixels = (width + 2 * QUIET_MODULES) * MODULE_PIXELS;
    let is_dark = |x: usize, y: usize| {
        let (x, y) = ((x / MODULE_PIXELS).checked_sub(QUIET_MODULES), (y / MODULE_PIXELS).checked_sub(QUIET_MODULES));
        let inside = x.zip(y).filter(|(x, y)| *x < width && *y < width);
        inside.is_some_and(|(x, y)| modules[y * width + x] == Color::Dark)
    };
    let grey = (0..pixels * pixels).map(|at| if is_dark(at % pixels, at / pixels) { 0 } else { u8::MAX });
    let side = u32::try_from(pixels).ok()?;
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, side, side);
    encoder.set_color(ColorType::Grayscale);
    encoder.set_depth(BitDepth::Eight);
    let mut writer = encoder.write_header().ok()?;
    writer.write_image_data(&grey.collect::<Vec<u8>>()).ok()?;
    writer.finish().ok()?;
    Some(STANDARD.encode(file))
}

fn enrolment(account: AccountId, device: MfaDevice, seed: SecretString) -> Enrolment {
    let (name, text) = (device.name.as_str(), seed.expose_secret());
    let uri =
        format!("otpauth://totp/Sluice:{name}@{account}?secret={text}&issuer=Sluice&algorithm=SHA1&digits=6&period=30");
    let qr_code_png = qr_code_png(&uri).expect("some 150 bytes fit a QR code, and a vector takes all of a PNG");
    Enrolment { device, seed, qr_code_png: qr_code_png.into() }
}

/// The digest of the console session that makes a device on its own page: the one under the caller's own ID.
#[must_use]
pub fn page_session<'a>(caller: &'a Caller, name: &MfaDeviceName) -> Option<&'a str> {
    match (caller.principal(), caller.credential()) {
        (Principal::User(_, user), Credential::Console(digest)) if *name == own_device_name(user) => Some(digest),
        _ => None,
    }
}

/// The name of the device that the console makes for a user: no other user's name grants it.
#[must_use]
pub fn own_device_name(user: UserId) -> MfaDeviceName {
    user.to_string().parse().expect("18 digits are a legal name")
}

impl Access {
    /// Makes a device with a new seed, bound to nobody; `page` is the [`page_session`] of whoever makes it, and only that session
    /// is shown the seed again.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`], [`StoreError::Limit`] at [`MFA_DEVICES_MAX`].
    ///
    /// # Panics
    /// Never: a seed fits a QR code.
    pub async fn create_mfa_device(
        &self,
        by: By<'_>,
        account: AccountId,
        name: &MfaDeviceName,
        page: Option<&str>,
        now: UnixMs,
    ) -> Result<Enrolment, StoreError> {
        let bytes: [u8; SEED_BYTES] = rand::rng().random();
        let seed: SecretString = Secret::new(Box::new(bytes)).to_base32().into();
        let serial = format!("acs:ram::{account}:mfa/{name}");
        let mut device = MfaDevice {
            serial,
            name: name.clone(),
            sealed_seed: String::new(),
            user: None,
            activated: None,
            last_step: 0,
            page_session: page.unwrap_or_default().to_owned(),
        };
        let mut made = Err(StoreError::SealedBefore);
        for _ in 0..SEALINGS_MAX {
            device.sealed_seed = self.master_key.load().seal(&device.serial, &seed);
            made = self.store.create_mfa_device(by, account, &device, now, MFA_DEVICES_MAX).await;
            if !matches!(made, Err(StoreError::SealedBefore)) {
                break;
            }
            self.follow_master_key().await?;
        }
        made?;
        Ok(enrolment(account, device, seed))
    }

    fn seed_of(&self, device: &MfaDevice) -> Result<SecretString, SealError> {
        self.master_key.load().open(&device.serial, &device.sealed_seed)
    }

    /// Binds a device to a user on proof of two codes that follow each other; both count as used.
    ///
    /// # Errors
    /// [`BindError`].
    pub async fn bind_mfa_device(
        &self,
        by: By<'_>,
        user: (AccountId, UserId, &str),
        device: &MfaDevice,
        codes: [&str; 2],
        now: UnixMs,
    ) -> Result<(), BindError> {
        let step = step_of_two(&self.seed_of(device)?, codes, now).ok_or(BindError::WrongCodes)?;
        Ok(self.store.bind_mfa_device(by, user, device, step, now).await?)
    }

    /// Takes a code at sign-in, once: whether it is right and was not used before.
    pub(crate) async fn take_code(
        &self,
        task: SystemTask,
        user: (AccountId, UserId),
        device: &MfaDevice,
        code: &str,
        now: UnixMs,
    ) -> Result<bool, StoreError> {
        let seed = match self.seed_of(device) {
            Ok(seed) => seed,
            Err(error) => {
                tracing::error!(serial = device.serial, %error, "a stored seed does not open");
                return Ok(false);
            }
        };
        match step_of_code(&seed, code, (device.last_step, now)) {
            Some(step) => self.store.take_mfa_step(task, user, &device.serial, step).await,
            None => Ok(false),
        }
    }

    /// The device that waits to be bound in this session: the one under the user's own ID that the session made, or makes now
    /// when `make` says so. One of another session or of the API is never shown: somebody else may know its seed.
    ///
    /// # Errors
    /// [`BindError`]; [`BindError::Taken`] when it is bound.
    pub async fn own_enrolment(
        &self,
        console: &ConsoleCaller,
        make: bool,
        now: UnixMs,
    ) -> Result<Option<Enrolment>, BindError> {
        let Principal::User(account, user) = console.caller.principal() else { return Ok(None) };
        let name = own_device_name(user);
        let page = page_session(&console.caller, &name);
        match self.store.mfa_device(account, &name).await? {
            Some(device) if device.user.is_some() => Err(BindError::Taken),
            Some(device) if page == Some(device.page_session.as_str()) => {
                let seed = self.seed_of(&device)?;
                Ok(Some(enrolment(account, device, seed)))
            }
            _ if make => {
                let by = By::Task(SystemTask::ConsoleSessions);
                Ok(Some(self.create_mfa_device(by, account, &name, page, now).await?))
            }
            _ => Ok(None),
        }
    }

    /// Binds the device of [`Access::own_enrolment`] where sign-in demands one: no right is asked, as for a password that must be
    /// changed.
    ///
    /// # Errors
    /// [`BindError`].
    pub async fn bind_as_demanded(
        &self,
        console: &ConsoleCaller,
        peer: Peer,
        codes: [&str; 2],
        now: UnixMs,
    ) -> Result<(), BindError> {
        let principal = console.caller.principal();
        let (Principal::User(account, user), true) = (principal, console.must_bind_mfa) else {
            return Err(StoreError::NotFound(Entity::MfaDevice).into());
        };
        let name = own_device_name(user);
        let page = page_session(&console.caller, &name);
        let device = self.store.mfa_device(account, &name).await?;
        let device = match device {
            Some(device) if device.user.is_some() => return Err(BindError::Taken),
            // These are codes of a seed that this session's page shows no more.
            Some(device) if page == Some(device.page_session.as_str()) => device,
            _ => return Err(BindError::WrongCodes),
        };
        let by = By::Task(SystemTask::ConsoleSessions);
        self.bind_mfa_device(by, (account, user, &console.name), &device, codes, now).await?;
        audit::own_sign_in("MFABind", principal, Some(peer.addr), &Arc::clone(&console.name));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The seed of RFC 6238, appendix B, in base 32.
    const SEED: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

    fn at(seconds: i64) -> UnixMs {
        UnixMs(seconds * 1000)
    }

    #[test]
    fn codes_are_those_of_rfc_6238() {
        // Appendix B has eight digits; the last six are ours.
        for (seconds, code) in
            [(59, "287082"), (1_111_111_109, "081804"), (1_234_567_890, "005924"), (20_000_000_000, "353130")]
        {
            assert_eq!(step_of_code(&SEED.into(), code, (0, at(seconds))), Some(seconds / 30));
        }
    }

    #[test]
    fn a_code_is_near_now_and_later_than_the_last_one() {
        let (seed, seconds) = (SEED.into(), 1_111_111_109);
        let step = seconds / 30;
        for (apart, is_near) in [(-60, false), (-30, true), (0, true), (30, true), (60, false)] {
            let found = step_of_code(&seed, "081804", (0, at(seconds + apart)));
            assert_eq!(found, is_near.then_some(step), "{apart}");
        }
        assert_eq!(step_of_code(&seed, "081804", (step - 1, at(seconds))), Some(step));
        assert_eq!(step_of_code(&seed, "081804", (step, at(seconds))), None);
        for wrong in ["081805", "81804", "0818040", ""] {
            assert_eq!(step_of_code(&seed, wrong, (0, at(seconds))), None);
        }
    }

    #[test]
    fn two_codes_bind_in_their_order_alone() {
        let (seed, now) = (SecretString::from(SEED), at(1_111_111_109));
        let totp = totp(&seed).unwrap();
        let code = |steps: i64| totp.generate(u64::try_from(1_111_111_109 + 30 * steps).unwrap()).to_string();
        for first in -3..=0 {
            let found = step_of_two(&seed, [&code(first), &code(first + 1)], now);
            assert_eq!(found, Some(step_of(now) + first + 1));
        }
        for (first, second) in [(0, 0), (1, 0), (-2, 0), (1, 2), (-4, -3)] {
            assert_eq!(step_of_two(&seed, [&code(first), &code(second)], now), None, "{first} {second}");
        }
    }

    #[test]
    fn a_qr_code_is_a_png() {
        let png = STANDARD.decode(qr_code_png("otpauth://totp/x?secret=y").unwrap()).unwrap();
        assert!(png.starts_with(b"\x89PNG\r\n"));
    }
}
