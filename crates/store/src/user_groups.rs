//! Groups of RAM users: their members inherit what is attached to them.

use std::collections::HashMap;

use sluice_model::{AccountId, PolicyName, PolicyType, UserGroupId, UserId};

use crate::{Store, StoreError, attachments::attached_policy, row::Columns};

/// The policies of each member of a group, its own and those of its groups, each once.
pub type PoliciesOfMembers = HashMap<UserId, Vec<(PolicyType, PolicyName)>>;

impl Store {
    /// The members of a group.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn group_members(&self, account: AccountId, group: &UserGroupId) -> Result<Vec<UserId>, StoreError> {
        let sql = "SELECT user_id FROM group_members WHERE account_id = $1 AND group_id = $2";
        let rows = self.all(sql, &[account.into(), group.as_str().into()]).await?;
        rows.iter().map(|row| Columns { row, table: "group_members" }.user("user_id")).collect()
    }
    /// What each member of a group has, its own policies and those of all its groups, for the in-memory view.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn policies_of_members(
        &self,
        account: AccountId,
        group: &UserGroupId,
    ) -> Result<PoliciesOfMembers, StoreError> {
        let members = self.group_members(account, group).await?;
        let mut by_member: PoliciesOfMembers = members.into_iter().map(|user| (user, Vec::new())).collect();
        let sql = "SELECT m.user_id, a.policy_type, a.policy_name FROM group_members m \
                   JOIN policy_attachments a ON a.account_id = m.account_id AND a.holder_kind = 'User' \
                   AND a.holder_id = CAST(m.user_id AS TEXT) WHERE m.account_id = $1 AND m.group_id = $2 \
                   UNION SELECT m.user_id, a.policy_type, a.policy_name FROM group_members m \
                   JOIN group_members o ON o.account_id = m.account_id AND o.user_id = m.user_id \
                   JOIN policy_attachments a ON a.account_id = o.account_id AND a.holder_kind = 'Group' \
                   AND a.holder_id = o.group_id WHERE m.account_id = $1 AND m.group_id = $2";
        for row in self.all(sql, &[account.into(), group.as_str().into()]).await? {
            let columns = Columns { row: &row, table: "policy_attachments" };
            by_member.entry(columns.user("user_id")?).or_default().push(attached_policy(&columns)?);
        }
        Ok(by_member)
    }
}
