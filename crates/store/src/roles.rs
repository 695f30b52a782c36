//! Roles: who may assume them, and what a session of theirs may last.

use sluice_model::{AccountId, RoleId, RoleName};

use crate::{Store, StoreError, row::Columns};

impl Store {
    /// ID and name of all roles of an account, for the in-memory view.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn role_names(&self, account: AccountId) -> Result<Vec<(RoleId, RoleName)>, StoreError> {
        let rows = self.all("SELECT role_id, name FROM roles WHERE account_id = $1", &[account.into()]).await?;
        let named = |row| {
            let columns = Columns { row, table: "roles" };
            Ok((columns.role("role_id")?, columns.parsed("name")?))
        };
        rows.iter().map(named).collect()
    }

    /// The number of the role of this name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn role_by_name(&self, account: AccountId, name: &RoleName) -> Result<Option<RoleId>, StoreError> {
        let sql = "SELECT role_id FROM roles WHERE account_id = $1 AND name = $2";
        let row = self.one(sql, &[account.into(), name.as_str().into()]).await?;
        row.as_ref().map(|row| Columns { row, table: "roles" }.role("role_id")).transpose()
    }

    /// The name of the role of this number.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn role_name(&self, account: AccountId, id: RoleId) -> Result<Option<RoleName>, StoreError> {
        let sql = "SELECT name FROM roles WHERE account_id = $1 AND role_id = $2";
        let number = i64::try_from(id.get()).expect("18 digits fit");
        let row = self.one(sql, &[account.into(), number.into()]).await?;
        row.as_ref().map(|row| Columns { row, table: "roles" }.parsed("name")).transpose()
    }
}
