//! All that the in-memory view is made of, of one account or of every account: one query a table, however many accounts.

use sluice_model::{
    AccountId, GroupId, InstanceId, ParentTopic, PolicyName, PolicyType, PolicyVersion, SecurityPreference,
    UserGroupId, UserId, UserName,
};
use sqlx::any::AnyRow;

use crate::{
    AccessKey, Account, Holder, Instance, KeyPolicy, Role, Store, StoreError, access_key_policies,
    accounts::{self, account},
    attachments::attached_policy,
    database::Bind,
    instances::{self, instance},
    keys::{self, key},
    roles::{self, role},
    row::Columns,
    sign_in_settings,
};

/// The rows, in no order.
#[derive(Debug, Default)]
pub struct Whole {
    /// The accounts.
    pub accounts: Vec<Account>,
    /// Their users.
    pub users: Vec<(AccountId, UserId, UserName)>,
    /// What their users may do for themselves, of accounts that said so.
    pub preferences: Vec<(AccountId, SecurityPreference)>,
    /// Users who have a console sign-in.
    pub sign_ins: Vec<(AccountId, UserId)>,
    /// Who is in which group.
    pub members: Vec<(AccountId, UserId, UserGroupId)>,
    /// The roles.
    pub roles: Vec<(AccountId, Role)>,
    /// The keys of accounts and users.
    pub keys: Vec<AccessKey>,
    /// From where keys may be used, where that is said.
    pub key_policies: Vec<KeyPolicy>,
    /// Which policies hang on whom.
    pub attachments: Vec<(AccountId, Holder, (PolicyType, PolicyName))>,
    /// The version in force of each custom policy that hangs on somebody, with its document.
    pub policies: Vec<(AccountId, PolicyName, PolicyVersion, String)>,
    /// The instances.
    pub instances: Vec<Instance>,
    /// Their parent topics.
    pub topics: Vec<(AccountId, InstanceId, ParentTopic)>,
    /// Their groups.
    pub groups: Vec<(AccountId, InstanceId, GroupId)>,
}

const POLICIES: &str = "SELECT p.account_id, p.name, p.default_version, v.document FROM policies p \
    JOIN policy_versions v ON v.account_id = p.account_id AND v.policy_name = p.name AND v.version = p.default_version \
    WHERE EXISTS (SELECT 1 FROM policy_attachments a WHERE a.account_id = p.account_id AND a.policy_type = 'Custom' \
    AND a.policy_name = p.name)";

impl Store {
    /// Reads all of them; of one account when it is given. To be asked [`Store::at_one_instant`].
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn whole(&self, of: Option<AccountId>) -> Result<Whole, StoreError> {
        Ok(Whole {
            accounts: self
                .table("accounts", &format!("SELECT {} FROM accounts", accounts::COLUMNS), of, account)
                .await?,
            users: self
                .table("users", "SELECT account_id, user_id, name FROM users", of, |row| {
                    Ok((row.account()?, row.user("user_id")?, row.parsed("name")?))
                })
                .await?,
            preferences: self
                .table("sign_in_settings", &sign_in_settings::select(), of, |row| {
                    Ok((row.account()?, sign_in_settings::settings(row)?.preference))
                })
                .await?,
            sign_ins: self
                .table("login_profiles", "SELECT account_id, user_id FROM login_profiles", of, |row| {
                    Ok((row.account()?, row.user("user_id")?))
                })
                .await?,
            members: self
                .table("group_members", "SELECT account_id, user_id, group_id FROM group_members", of, |row| {
                    Ok((row.account()?, row.user("user_id")?, row.parsed("group_id")?))
                })
                .await?,
            roles: self
                .table("roles", &format!("SELECT {} FROM roles", roles::COLUMNS), of, |row| {
                    Ok((row.account()?, role(row)?))
                })
                .await?,
            keys: self.table("access_keys", &format!("SELECT {} FROM access_keys", keys::COLUMNS), of, key).await?,
            key_policies: self
                .table("access_key_policies", access_key_policies::SELECT, of, access_key_policies::key_policy)
                .await?,
            attachments: self
                .table(
                    "policy_attachments",
                    "SELECT account_id, holder_kind, holder_id, policy_type, policy_name FROM policy_attachments",
                    of,
                    |row| Ok((row.account()?, Holder::read(row)?, attached_policy(row)?)),
                )
                .await?,
            policies: self.policies_in_force(of).await?,
            instances: self
                .table("instances", &format!("SELECT {} FROM instances", instances::COLUMNS), of, instance)
                .await?,
            topics: self.table("topics", "SELECT account_id, instance_id, name FROM topics", of, in_instance).await?,
            groups: self
                .table("client_groups", "SELECT account_id, instance_id, name FROM client_groups", of, in_instance)
                .await?,
        })
    }

    async fn policies_in_force(
        &self,
        of: Option<AccountId>,
    ) -> Result<Vec<(AccountId, PolicyName, PolicyVersion, String)>, StoreError> {
        let sql = if of.is_some() { format!("{POLICIES} AND p.account_id = $1") } else { POLICIES.to_owned() };
        let rows = self.all(&sql, &binds(of)).await?;
        let policy = |row: &AnyRow| {
            let row = Columns { row, table: "policies" };
            Ok((row.account()?, row.parsed("name")?, row.version("default_version")?, row.text("document")?))
        };
        rows.iter().map(policy).collect()
    }

    /// The rows of a table that has an `account_id`.
    async fn table<T>(
        &self,
        table: &'static str,
        select: &str,
        of: Option<AccountId>,
        read: impl Fn(&Columns<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let sql = if of.is_some() { format!("{select} WHERE account_id = $1") } else { select.to_owned() };
        let rows = self.all(&sql, &binds(of)).await?;
        rows.iter().map(|row| read(&Columns { row, table })).collect()
    }
}

fn binds(of: Option<AccountId>) -> Vec<Bind<'static>> {
    of.into_iter().map(Bind::from).collect()
}

fn in_instance<T>(row: &Columns<'_>) -> Result<(AccountId, InstanceId, T), StoreError>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    Ok((row.account()?, row.parsed("instance_id")?, row.parsed("name")?))
}
