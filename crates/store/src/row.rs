//! Columns to typed values.

use std::{fmt::Display, str::FromStr};

use sluice_model::{AccountId, Principal, RoleId, UnixMs, UserId};
use sqlx::{Row, any::AnyRow};

use crate::StoreError;

/// Reads the columns of one table's row.
pub(crate) struct Columns<'r> {
    pub(crate) row: &'r AnyRow,
    pub(crate) table: &'static str,
}

impl Columns<'_> {
    pub(crate) fn text(&self, column: &str) -> Result<String, StoreError> {
        self.row.try_get::<String, _>(column).map_err(|error| self.damaged(error))
    }

    pub(crate) fn integer(&self, column: &str) -> Result<i64, StoreError> {
        self.row.try_get::<i64, _>(column).map_err(|error| self.damaged(error))
    }

    /// A number that fits 32 bits.
    pub(crate) fn small(&self, column: &str) -> Result<u32, StoreError> {
        u32::try_from(self.integer(column)?).map_err(|error| self.damaged(error))
    }

    pub(crate) fn flag(&self, column: &str) -> Result<bool, StoreError> {
        match self.integer(column)? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(self.damaged(format!("`{column}` is {other}, neither 0 nor 1"))),
        }
    }

    pub(crate) fn time(&self, column: &str) -> Result<UnixMs, StoreError> {
        Ok(UnixMs(self.integer(column)?))
    }

    /// Zero means never.
    pub(crate) fn time_if_any(&self, column: &str) -> Result<Option<UnixMs>, StoreError> {
        let at = self.time(column)?;
        Ok((at.0 != 0).then_some(at))
    }

    pub(crate) fn parsed<T>(&self, column: &str) -> Result<T, StoreError>
    where
        T: FromStr,
        T::Err: Display,
    {
        self.text(column)?.parse().map_err(|error: T::Err| self.damaged(error))
    }

    pub(crate) fn account(&self) -> Result<AccountId, StoreError> {
        let number = u64::try_from(self.integer("account_id")?).map_err(|error| self.damaged(error))?;
        AccountId::new(number).map_err(|error| self.damaged(error))
    }

    pub(crate) fn user(&self, column: &str) -> Result<UserId, StoreError> {
        let number = u64::try_from(self.integer(column)?).map_err(|error| self.damaged(error))?;
        UserId::new(number).map_err(|error| self.damaged(error))
    }

    pub(crate) fn role(&self, column: &str) -> Result<RoleId, StoreError> {
        let number = u64::try_from(self.integer(column)?).map_err(|error| self.damaged(error))?;
        RoleId::new(number).map_err(|error| self.damaged(error))
    }

    /// `account_id` and `user_id`, where 0 is the account itself and a role's number stands for the role.
    pub(crate) fn principal(&self) -> Result<Principal, StoreError> {
        let account = self.account()?;
        match self.integer("user_id")? {
            0 => Ok(Principal::Account(account)),
            _ => match self.role("user_id") {
                Ok(role) => Ok(Principal::Role(account, role)),
                Err(_) => Ok(Principal::User(account, self.user("user_id")?)),
            },
        }
    }

    pub(crate) fn version(&self, column: &str) -> Result<sluice_model::PolicyVersion, StoreError> {
        let number = u32::try_from(self.integer(column)?).map_err(|error| self.damaged(error))?;
        Ok(sluice_model::PolicyVersion(number))
    }

    pub(crate) fn damaged(&self, fault: impl Display) -> StoreError {
        StoreError::Damaged { table: self.table, fault: fault.to_string() }
    }
}

/// The number under which an account is kept.
pub(crate) fn account_number(account: AccountId) -> i64 {
    i64::try_from(account.get()).expect("16 digits fit")
}

/// The number under which a principal's own rows are kept: 0 is the account itself. Users and roles have numbers of their own.
pub(crate) fn user_number(principal: Principal) -> i64 {
    match principal {
        Principal::Account(_) => 0,
        Principal::User(_, user) => i64::try_from(user.get()).expect("18 digits fit"),
        Principal::Role(_, role) => i64::try_from(role.get()).expect("18 digits fit"),
    }
}
