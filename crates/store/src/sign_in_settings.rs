//! An account's password policy and security preference, one row; an account without it has the defaults.

use sluice_model::{AccountId, PasswordPolicy, SecurityPreference, SignInSettings};

use crate::{By, Change, Store, StoreError, by::Target, row::Columns, write::Write};

const COLUMNS: &str = "characters_min, lower_case, upper_case, numbers, symbols, hard_expiry, age_days_max, \
     reuse_prevention, login_attempts_max, save_mfa_ticket, users_change_password, users_manage_access_keys, \
     users_manage_mfa_devices, users_manage_public_keys, session_hours, network_masks";

/// All rows, for whoever reads all accounts at once.
pub(crate) fn select() -> String {
    format!("SELECT account_id, {COLUMNS} FROM sign_in_settings")
}

pub(crate) fn settings(columns: &Columns<'_>) -> Result<SignInSettings, StoreError> {
    Ok(SignInSettings {
        password: PasswordPolicy {
            characters_min: columns.small("characters_min")?,
            lower_case: columns.flag("lower_case")?,
            upper_case: columns.flag("upper_case")?,
            numbers: columns.flag("numbers")?,
            symbols: columns.flag("symbols")?,
            hard_expiry: columns.flag("hard_expiry")?,
            age_days_max: columns.small("age_days_max")?,
            reuse_prevention: columns.small("reuse_prevention")?,
            login_attempts_max: columns.small("login_attempts_max")?,
        },
        preference: SecurityPreference {
            save_mfa_ticket: columns.flag("save_mfa_ticket")?,
            users_change_password: columns.flag("users_change_password")?,
            users_manage_access_keys: columns.flag("users_manage_access_keys")?,
            users_manage_mfa_devices: columns.flag("users_manage_mfa_devices")?,
            users_manage_public_keys: columns.flag("users_manage_public_keys")?,
            session_hours: columns.small("session_hours")?,
            masks: columns.parsed("network_masks")?,
        },
    })
}

impl Store {
    /// What an account demands of passwords and sign-in.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn sign_in_settings(&self, account: AccountId) -> Result<SignInSettings, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM sign_in_settings WHERE account_id = $1");
        let row = self.one(&sql, &[account.into()]).await?;
        let read = row.as_ref().map(|row| settings(&Columns { row, table: "sign_in_settings" })).transpose()?;
        Ok(read.unwrap_or_default())
    }

    /// Changes it: what the closure leaves alone stays, also of what somebody else changes at the same time. Where machines are
    /// not remembered any more, those that were are forgotten.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn change_sign_in_settings(
        &self,
        by: By<'_>,
        account: AccountId,
        change: impl FnOnce(&mut SignInSettings) + Send,
    ) -> Result<SignInSettings, StoreError> {
        by.check(account, &Target::Account)?;
        let mut write = self.write(by, account).await?;
        let sql = format!("SELECT {COLUMNS} FROM sign_in_settings WHERE account_id = $1");
        let row = write.one(&sql, &[account.into()]).await?;
        let read = row.as_ref().map(|row| settings(&Columns { row, table: "sign_in_settings" })).transpose()?;
        let before = read.unwrap_or_default();
        let mut next = before.clone();
        change(&mut next);
        put(&mut write, account, &next).await?;
        if !next.preference.save_mfa_ticket {
            write.run("DELETE FROM mfa_tickets WHERE account_id = $1", &[account.into()]).await?;
        }
        if next.preference == before.preference {
            // Of passwords nobody keeps anything in memory.
            write.commit_unseen().await?;
        } else {
            write.commit(Change::Preference(account)).await?;
        }
        Ok(next)
    }
}

async fn put(write: &mut Write, account: AccountId, next: &SignInSettings) -> Result<(), StoreError> {
    let (password, preference) = (&next.password, &next.preference);
    write.run("DELETE FROM sign_in_settings WHERE account_id = $1", &[account.into()]).await?;
    let sql = format!(
        "INSERT INTO sign_in_settings (account_id, {COLUMNS}) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)"
    );
    let binds = [
        account.into(),
        i64::from(password.characters_min).into(),
        password.lower_case.into(),
        password.upper_case.into(),
        password.numbers.into(),
        password.symbols.into(),
        password.hard_expiry.into(),
        i64::from(password.age_days_max).into(),
        i64::from(password.reuse_prevention).into(),
        i64::from(password.login_attempts_max).into(),
        preference.save_mfa_ticket.into(),
        preference.users_change_password.into(),
        preference.users_manage_access_keys.into(),
        preference.users_manage_mfa_devices.into(),
        preference.users_manage_public_keys.into(),
        i64::from(preference.session_hours).into(),
        preference.masks.as_str().into(),
    ];
    write.run(&sql, &binds).await.map(drop)
}
