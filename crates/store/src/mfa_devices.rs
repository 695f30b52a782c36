//! Virtual MFA devices, their seeds sealed, and whom they are bound to.

use sluice_model::{AccountId, MfaDeviceName, Principal, UnixMs, UserId, UserName};
use sluice_policy::SystemTask;

use crate::{
    By, Entity, Store, StoreError,
    by::Target,
    row::{Columns, user_number},
};

/// A virtual MFA device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MfaDevice {
    /// `acs:ram::{account}:mfa/{name}`: also the name under which the seed is sealed.
    pub serial: String,
    /// Its name.
    pub name: MfaDeviceName,
    /// The seed as base 32, sealed by `access`.
    pub sealed_seed: String,
    /// Whom it is bound to.
    pub user: Option<UserId>,
    /// Since when.
    pub activated: Option<UnixMs>,
    /// The step of 30 seconds of the last code that was taken; none of before it is taken again.
    pub last_step: i64,
    /// The digest of the console session on whose page it waits to be bound; empty of any other.
    pub page_session: String,
}

/// Who has a device, as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MfaUser {
    /// The user's number.
    pub id: UserId,
    /// The user's name.
    pub name: UserName,
    /// The name to show.
    pub display_name: String,
}

const COLUMNS: &str = "serial, name, sealed_seed, user_id, activated, last_step, page_session";

fn device(columns: &Columns<'_>) -> Result<MfaDevice, StoreError> {
    let user = if columns.integer("user_id")? == 0 { None } else { Some(columns.user("user_id")?) };
    Ok(MfaDevice {
        serial: columns.text("serial")?,
        name: columns.parsed("name")?,
        sealed_seed: columns.text("sealed_seed")?,
        user,
        activated: columns.time_if_any("activated")?,
        last_step: columns.integer("last_step")?,
        page_session: columns.text("page_session")?,
    })
}

impl Store {
    /// Keeps a new device, bound to nobody. One of a console session's page takes the place of whatever waits unbound under its
    /// name: nobody binds a seed that another session or the API has shown.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`], [`StoreError::Limit`] at `most` in the account, [`StoreError::SealedBefore`].
    pub async fn create_mfa_device(
        &self,
        by: By<'_>,
        account: AccountId,
        new: &MfaDevice,
        created: UnixMs,
        most: i64,
    ) -> Result<(), StoreError> {
        by.check(account, &Target::MfaDevice(new.name.as_str()))?;
        let mut write = self.write(by, account).await?;
        if !new.page_session.is_empty() {
            let sql = "DELETE FROM mfa_devices WHERE account_id = $1 AND name = $2 AND user_id = 0";
            write.run(sql, &[account.into(), new.name.as_str().into()]).await?;
        }
        let taken = "SELECT COUNT(*) AS n FROM mfa_devices WHERE serial = $1";
        if write.count(taken, &[new.serial.as_str().into()]).await? > 0 {
            return Err(StoreError::AlreadyExists(Entity::MfaDevice));
        }
        let sql = "SELECT COUNT(*) AS n FROM mfa_devices WHERE account_id = $1";
        if write.count(sql, &[account.into()]).await? >= most {
            return Err(StoreError::Limit(Entity::MfaDevice));
        }
        write.expect_sealed_now(&new.sealed_seed).await?;
        let sql = "INSERT INTO mfa_devices (serial, account_id, name, sealed_seed, created, user_id, activated, last_step, \
                   page_session) VALUES ($1, $2, $3, $4, $5, 0, 0, 0, $6)";
        let (serial, name, sealed) = (new.serial.as_str(), new.name.as_str(), new.sealed_seed.as_str());
        let page = new.page_session.as_str();
        let binds = [serial.into(), account.into(), name.into(), sealed.into(), created.into(), page.into()];
        write.insert(sql, &binds, Entity::MfaDevice).await?;
        write.commit_unseen().await
    }

    /// An account's device of this name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn mfa_device(&self, account: AccountId, name: &MfaDeviceName) -> Result<Option<MfaDevice>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM mfa_devices WHERE account_id = $1 AND name = $2");
        let row = self.one(&sql, &[account.into(), name.as_str().into()]).await?;
        row.as_ref().map(|row| device(&Columns { row, table: "mfa_devices" })).transpose()
    }

    /// The device that is bound to a user.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn mfa_device_of(&self, account: AccountId, user: UserId) -> Result<Option<MfaDevice>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM mfa_devices WHERE account_id = $1 AND user_id = $2");
        let number = user_number(Principal::User(account, user));
        let row = self.one(&sql, &[account.into(), number.into()]).await?;
        row.as_ref().map(|row| device(&Columns { row, table: "mfa_devices" })).transpose()
    }

    /// An account's devices by name, with who has them.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn mfa_devices(&self, account: AccountId) -> Result<Vec<(MfaDevice, Option<MfaUser>)>, StoreError> {
        let sql = "SELECT d.serial, d.name, d.sealed_seed, d.user_id, d.activated, d.last_step, d.page_session, \
                   COALESCE(u.name, '') AS user_name, COALESCE(u.display_name, '') AS display_name \
                   FROM mfa_devices d LEFT JOIN users u ON u.account_id = d.account_id AND u.user_id = d.user_id \
                   WHERE d.account_id = $1 ORDER BY d.name";
        let rows = self.all(sql, &[account.into()]).await?;
        let one = |row| {
            let columns = Columns { row, table: "mfa_devices" };
            let device = device(&columns)?;
            let user = match device.user {
                None => None,
                Some(id) => Some(MfaUser {
                    id,
                    name: columns.parsed("user_name")?,
                    display_name: columns.text("display_name")?,
                }),
            };
            Ok((device, user))
        };
        rows.iter().map(one).collect()
    }

    /// Deletes a device that is bound to nobody.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Conflict`] while it is bound.
    pub async fn delete_mfa_device(
        &self,
        by: By<'_>,
        account: AccountId,
        name: &MfaDeviceName,
    ) -> Result<(), StoreError> {
        by.check(account, &Target::MfaDevice(name.as_str()))?;
        let mut write = self.write(by, account).await?;
        let sql = "DELETE FROM mfa_devices WHERE account_id = $1 AND name = $2 AND user_id = 0";
        let binds = [account.into(), name.as_str().into()];
        if write.run(sql, &binds).await? == 0 {
            let there = "SELECT COUNT(*) AS n FROM mfa_devices WHERE account_id = $1 AND name = $2";
            let is_there = write.count(there, &binds).await? > 0;
            let bound = StoreError::Conflict(Entity::MfaBinding);
            return Err(if is_there { bound } else { StoreError::NotFound(Entity::MfaDevice) });
        }
        write.commit_unseen().await
    }

    /// Binds a device to a user; `step` is that of the later of the two codes that proved the seed that `device` holds.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] of user or device, [`StoreError::AlreadyExists`]: of the user's binding, of the device's, and of
    /// the code, also when the device has another seed by now.
    pub async fn bind_mfa_device(
        &self,
        by: By<'_>,
        (account, id, user_name): (AccountId, UserId, &str),
        device: &MfaDevice,
        step: i64,
        now: UnixMs,
    ) -> Result<(), StoreError> {
        let number = user_number(Principal::User(account, id));
        let mut write = self.write_user(by, (account, number, user_name)).await?;
        let has = "SELECT COUNT(*) AS n FROM mfa_devices WHERE account_id = $1 AND user_id = $2";
        if write.count(has, &[account.into(), number.into()]).await? > 0 {
            return Err(StoreError::AlreadyExists(Entity::MfaBinding));
        }
        let serial = device.serial.as_str();
        let sql = "SELECT user_id, last_step, sealed_seed FROM mfa_devices WHERE account_id = $1 AND serial = $2";
        let row = write.one(sql, &[account.into(), serial.into()]).await?;
        let row = row.ok_or(StoreError::NotFound(Entity::MfaDevice))?;
        let columns = Columns { row: &row, table: "mfa_devices" };
        if columns.integer("user_id")? != 0 {
            return Err(StoreError::AlreadyExists(Entity::MfaDeviceBinding));
        }
        if columns.integer("last_step")? >= step || columns.text("sealed_seed")? != device.sealed_seed {
            return Err(StoreError::AlreadyExists(Entity::MfaCode));
        }
        let sql =
            "UPDATE mfa_devices SET user_id = $1, activated = $2, last_step = $3, page_session = '' WHERE serial = $4";
        write.run(sql, &[number.into(), now.into(), step.into(), serial.into()]).await?;
        write.commit_unseen().await
    }

    /// Frees a user's device; machines that were remembered for it, and sign-ins that wait for its code, are forgotten, and
    /// console sessions that it opened end. One goes on, whose digest `keep` is, and counts as one without MFA from now on.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] of user or binding.
    pub async fn unbind_mfa_device(
        &self,
        by: By<'_>,
        (account, id, user_name): (AccountId, UserId, &str),
        keep: Option<&str>,
    ) -> Result<String, StoreError> {
        let number = user_number(Principal::User(account, id));
        let mut write = self.write_user(by, (account, number, user_name)).await?;
        let sql =
            "UPDATE mfa_devices SET user_id = 0, activated = 0 WHERE account_id = $1 AND user_id = $2 RETURNING serial";
        let binds = [account.into(), number.into()];
        let row = write.one(sql, &binds).await?.ok_or(StoreError::NotFound(Entity::MfaBinding))?;
        let serial = Columns { row: &row, table: "mfa_devices" }.text("serial")?;
        write.forget_second_factors(account, number).await?;
        write.end_mfa_sessions(account, number, keep).await?;
        write.commit_unseen().await?;
        Ok(serial)
    }

    /// Takes a code's step, once: whether it was later than every one taken before, of the device that the user has.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn take_mfa_step(
        &self,
        task: SystemTask,
        (account, user): (AccountId, UserId),
        serial: &str,
        step: i64,
    ) -> Result<bool, StoreError> {
        let principal = Principal::User(account, user);
        tracing::debug!(task = task.as_str(), %principal, "a code is taken");
        let mut write = self.write(By::Task(task), account).await?;
        let sql = "UPDATE mfa_devices SET last_step = $1 WHERE serial = $2 AND account_id = $3 AND user_id = $4 AND last_step < $1";
        let binds = [step.into(), serial.into(), account.into(), user_number(principal).into()];
        let taken = write.run(sql, &binds).await? == 1;
        write.commit_unseen().await?;
        Ok(taken)
    }
}
