//! Refusals that a caller was told, each under its request ID, as they were: for whoever asks "why?" later.

use sluice_model::{AccountId, PolicyType, PolicyVersion, Principal, UnixMs};
use sluice_policy::SystemTask;

use crate::{
    Conditions, Store, StoreError,
    row::{Columns, user_number},
};

/// By whom a principal had the policy that refused it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeldBy {
    /// It was the user's own.
    User,
    /// It was a user group's.
    Group,
    /// It was the role's, or its session's.
    Role,
}

impl HeldBy {
    /// As it is kept.
    fn as_str(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::Group => "Group",
            Self::Role => "Role",
        }
    }
}

/// The statement that forbade it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedBy {
    /// The policy's name.
    pub policy: String,
    /// System or custom.
    pub policy_type: PolicyType,
    /// The version of then.
    pub version: PolicyVersion,
    /// The statement's place, from 0.
    pub statement: u32,
    /// By whom the principal had it.
    pub held_by: HeldBy,
}

/// One refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// A UUID in capitals.
    pub request_id: String,
    /// When.
    pub at: UnixMs,
    /// Who asked.
    pub principal: Principal,
    /// The user's or role's name of then; empty for the account itself and for whoever was gone. With the account as principal,
    /// the ARN of its identity provider that vouched for whoever asked.
    pub principal_name: String,
    /// The role session's name; empty without one.
    pub session_name: String,
    /// What was asked.
    pub action: String,
    /// The resource's ARN.
    pub resource: String,
    /// Where it was decided, as `PolicyType` of an `AccessDeniedDetail`; empty where no policy decided.
    pub scope: String,
    /// The statement that forbade it; none where no statement allowed it.
    pub by: Option<RefusedBy>,
    /// Condition keys that a fitting Allow asked for and the request did not have.
    pub missing_keys: Vec<String>,
    /// The condition keys that it had.
    pub conditions: Conditions,
    /// The decision in a sentence.
    pub reason: String,
}

impl Store {
    /// Keeps refusals, all or nothing. One that is there already stays as it is.
    ///
    /// # Errors
    /// [`StoreError`]; nothing was written.
    pub async fn add_refusals(&self, task: SystemTask, refusals: &[Refusal]) -> Result<(), StoreError> {
        let mut rows: Vec<&Refusal> = refusals.iter().collect();
        rows.sort_unstable_by(|one, other| one.request_id.cmp(&other.request_id));
        let mut write = self.write_to_any().await?;
        let gone = write.gone(rows.iter().map(|row| row.principal.account()).collect()).await?;
        for row in rows.into_iter().filter(|row| !gone.contains(&row.principal.account())) {
            let by = row.by.as_ref();
            let (missing, conditions) = (row.missing_keys.join("\n"), row.conditions.text());
            let binds = [
                row.principal.account().into(),
                row.request_id.as_str().into(),
                row.at.into(),
                user_number(row.principal).into(),
                row.principal_name.as_str().into(),
                row.session_name.as_str().into(),
                row.action.as_str().into(),
                row.resource.as_str().into(),
                row.scope.as_str().into(),
                by.map_or("", |by| by.policy.as_str()).into(),
                by.map_or("", |by| by.policy_type.as_str()).into(),
                by.map_or(0, |by| i64::from(by.version.0)).into(),
                by.map_or(-1, |by| i64::from(by.statement)).into(),
                by.map_or("", |by| by.held_by.as_str()).into(),
                missing.as_str().into(),
                conditions.as_str().into(),
                row.reason.as_str().into(),
            ];
            write.run(INSERT, &binds).await?;
        }
        write.commit_unseen().await?;
        tracing::debug!(task = task.as_str(), rows = refusals.len(), "refusals are written");
        Ok(())
    }

    /// The refusal of a request of this account.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn refusal(&self, account: AccountId, request_id: &str) -> Result<Option<Refusal>, StoreError> {
        let sql = "SELECT * FROM refusals WHERE account_id = $1 AND request_id = $2";
        let row = self.one(sql, &[account.into(), request_id.into()]).await?;
        row.as_ref().map(|row| read(&Columns { row, table: "refusals" })).transpose()
    }

    /// Forgets all but the newest `most` of an account, and all but the newest `most_plain` of those that no policy decided;
    /// gives the rows forgotten.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn trim_refusals(&self, account: AccountId, (most, most_plain): (u32, u32)) -> Result<u64, StoreError> {
        let mut write = self.write_to_any().await?;
        // SQLite has no OFFSET without a LIMIT.
        let binds = |most: u32| [account.into(), i64::from(u32::MAX).into(), i64::from(most).into()];
        let rows = write.run(TRIM_PLAIN, &binds(most_plain)).await? + write.run(TRIM, &binds(most)).await?;
        write.commit_unseen().await?;
        Ok(rows)
    }

    /// Forgets all but the newest `most` of a principal; gives the rows forgotten.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn trim_refusals_of(&self, principal: Principal, most: u32) -> Result<u64, StoreError> {
        let mut write = self.write_to_any().await?;
        let (account, of) = (principal.account().into(), user_number(principal).into());
        let rows = write.run(TRIM_OF, &[account, of, i64::from(u32::MAX).into(), i64::from(most).into()]).await?;
        write.commit_unseen().await?;
        Ok(rows)
    }

    /// Forgets refusals of before `before`; gives the rows forgotten.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn forget_refusals(&self, task: SystemTask, before: UnixMs) -> Result<u64, StoreError> {
        let mut write = self.write_to_any().await?;
        let rows = write.run("DELETE FROM refusals WHERE refused < $1", &[before.into()]).await?;
        write.commit_unseen().await?;
        tracing::info!(task = task.as_str(), rows, "old refusals are forgotten");
        Ok(rows)
    }
}

const TRIM: &str = "DELETE FROM refusals WHERE account_id = $1 AND request_id IN (SELECT request_id FROM refusals \
     WHERE account_id = $1 ORDER BY refused DESC, request_id LIMIT $2 OFFSET $3)";
const TRIM_OF: &str = "DELETE FROM refusals WHERE account_id = $1 AND request_id IN (SELECT request_id FROM refusals \
     WHERE account_id = $1 AND user_id = $2 ORDER BY refused DESC, request_id LIMIT $3 OFFSET $4)";
const TRIM_PLAIN: &str = "DELETE FROM refusals WHERE account_id = $1 AND request_id IN (SELECT request_id FROM refusals \
     WHERE account_id = $1 AND scope = '' ORDER BY refused DESC, request_id LIMIT $2 OFFSET $3)";

const INSERT: &str = "INSERT INTO refusals (account_id, request_id, refused, user_id, principal_name, session_name, \
     action, resource, scope, policy_name, policy_type, policy_version, statement, held_by, missing_keys, conditions, \
     reason) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17) \
     ON CONFLICT (account_id, request_id) DO NOTHING";

fn read(columns: &Columns<'_>) -> Result<Refusal, StoreError> {
    let missing = columns.text("missing_keys")?;
    let by = match columns.integer("statement")? {
        -1 => None,
        _ => Some(RefusedBy {
            policy: columns.text("policy_name")?,
            policy_type: columns.parsed("policy_type")?,
            version: columns.version("policy_version")?,
            statement: columns.small("statement")?,
            held_by: held_by(columns)?,
        }),
    };
    Ok(Refusal {
        request_id: columns.text("request_id")?,
        at: columns.time("refused")?,
        principal: columns.principal()?,
        principal_name: columns.text("principal_name")?,
        session_name: columns.text("session_name")?,
        action: columns.text("action")?,
        resource: columns.text("resource")?,
        scope: columns.text("scope")?,
        by,
        missing_keys: missing.lines().map(str::to_owned).collect(),
        conditions: Conditions::read(columns, &columns.text("conditions")?)?,
        reason: columns.text("reason")?,
    })
}

fn held_by(columns: &Columns<'_>) -> Result<HeldBy, StoreError> {
    let text = columns.text("held_by")?;
    let all = [HeldBy::User, HeldBy::Group, HeldBy::Role];
    all.into_iter().find(|one| one.as_str() == text).ok_or_else(|| columns.damaged(format!("`{text}` holds nothing")))
}
