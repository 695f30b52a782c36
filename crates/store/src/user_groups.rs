//! Groups of RAM users: their members inherit what is attached to them.

use std::collections::HashMap;

use sluice_model::{AccountId, UserGroupId, UserId};

use crate::{Store, StoreError, row::Columns};

/// The groups that each user of an account is in.
pub type Memberships = HashMap<UserId, Vec<UserGroupId>>;

impl Store {
    /// Who is in which group, for the in-memory view.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn memberships(&self, account: AccountId) -> Result<Memberships, StoreError> {
        let mut by_user = Memberships::new();
        for row in
            self.all("SELECT user_id, group_id FROM group_members WHERE account_id = $1", &[account.into()]).await?
        {
            let columns = Columns { row: &row, table: "group_members" };
            by_user.entry(columns.user("user_id")?).or_default().push(columns.parsed("group_id")?);
        }
        Ok(by_user)
    }

    /// The members of a group.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn group_members(&self, account: AccountId, group: &UserGroupId) -> Result<Vec<UserId>, StoreError> {
        let sql = "SELECT user_id FROM group_members WHERE account_id = $1 AND group_id = $2";
        let rows = self.all(sql, &[account.into(), group.as_str().into()]).await?;
        rows.iter().map(|row| Columns { row, table: "group_members" }.user("user_id")).collect()
    }
}
