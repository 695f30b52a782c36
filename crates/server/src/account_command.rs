//! `sluice account …`: what an operator asks of accounts, and how a change of one reaches what is live.

use std::{borrow::Cow, sync::Arc};

use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use sluice_access::{Access, AccountDraft, AccountName, ProvisionError, Provisioned, Touched};
use sluice_actions::Usage;
use sluice_broker::Broker;
use sluice_model::{AccountAlias, AccountId, NameError};
use sluice_policy::SystemTask;
use sluice_store::{
    Account, StoreError,
    log::{EmbeddedLog, Log, LogFault, Need, Record},
};

const TASK: SystemTask = SystemTask::OperatorCommand;

/// By what an operator names an account: one of the two.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Named {
    pub(crate) id: Option<String>,
    pub(crate) alias: Option<String>,
}

/// What an operator asks of accounts.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum AccountRequest {
    Create {
        alias: String,
        id: Option<String>,
    },
    List,
    Disable(Named),
    Enable(Named),
    /// `yes` repeats the account's ID.
    Delete {
        account: Named,
        yes: Option<String>,
    },
    ResetRoot(Named),
}

impl AccountRequest {
    /// Whether there may be no data before it.
    pub(crate) fn may_be_first(&self) -> bool {
        matches!(self, Self::Create { .. })
    }

    /// Whether the message log has to know of it.
    pub(crate) fn ends_messages(&self) -> bool {
        matches!(self, Self::Delete { .. })
    }
}

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AccountError {
    #[error(transparent)]
    Provision(#[from] ProvisionError),
    #[error("name the account by --id or by --alias")]
    Unnamed,
    #[error(
        "this deletes the account {account} (`{alias}`) with everything that it has, for good; say so with --yes {account}"
    )]
    Unconfirmed { account: AccountId, alias: AccountAlias },
    #[error("the account is deleted, but the usage of before could not be written: {0}")]
    Usage(StoreError),
    #[error(
        "the account is deleted, but the message log did not take it: {0}; start the server once before its ID is used again"
    )]
    Log(LogFault),
}

impl From<NameError> for AccountError {
    fn from(error: NameError) -> Self {
        Self::Provision(ProvisionError::Name(error))
    }
}

/// Where a change takes effect.
pub(crate) enum Live {
    /// In the server that runs in this process.
    Server { broker: Arc<Broker>, usage: Arc<Usage> },
    /// No server runs: the next start reads what is written; a log is there where it has to know.
    Resting(Option<Arc<EmbeddedLog>>),
}

impl Live {
    fn sweep(&self, access: &Access, touched: &Touched) -> Result<(), AccountError> {
        match self {
            Self::Server { broker, .. } => broker.sweep(touched),
            Self::Resting(None) => {}
            Self::Resting(Some(log)) => {
                for (account, instance) in &touched.instances {
                    if access.instance(*account, instance).is_none() {
                        let instance = Cow::Borrowed(instance);
                        let record = Record::InstanceDeleted { account: *account, instance };
                        log.append(&record, Need::Written).map_err(AccountError::Log)?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// The lines of DESIGN section 1: one `Name=value` each.
pub(crate) fn lines_of(account: &Provisioned) -> Vec<String> {
    vec![
        format!("AccountId={}", account.account),
        format!("Alias={}", account.alias),
        format!("LogonName={}", account.alias),
        format!("Password={}", account.password.expose_secret()),
        format!("AccessKeyId={}", account.access_key_id),
        format!("AccessKeySecret={}", account.access_key_secret.expose_secret()),
    ]
}

fn lines_with(account: &Account, status: &str) -> [String; 3] {
    [format!("AccountId={}", account.account), format!("Alias={}", account.alias), format!("Status={status}")]
}

fn status(active: bool) -> &'static str {
    if active { "Active" } else { "Disabled" }
}

/// Does it; gives the lines to print.
pub(crate) async fn answer(
    access: &Arc<Access>,
    live: &Live,
    request: AccountRequest,
) -> Result<Vec<String>, AccountError> {
    match request {
        AccountRequest::Create { alias, id } => create(access, &alias, id.as_deref()).await,
        AccountRequest::List => {
            let accounts = access.list_accounts().await?;
            Ok(accounts.iter().flat_map(|account| lines_with(account, status(account.active))).collect())
        }
        AccountRequest::Disable(account) => set_active(access, live, &account, false).await,
        AccountRequest::Enable(account) => set_active(access, live, &account, true).await,
        AccountRequest::Delete { account, yes } => delete(access, live, &account, yes.as_deref()).await,
        AccountRequest::ResetRoot(account) => {
            let account = find(access, &account).await?;
            let (provisioned, touched) = access.reset_root(TASK, &account).await?;
            live.sweep(access, &touched)?;
            Ok(lines_of(&provisioned))
        }
    }
}

async fn find(access: &Access, named: &Named) -> Result<Account, AccountError> {
    let name = match (&named.id, &named.alias) {
        (Some(id), None) => AccountName::Id(id.parse()?),
        (None, Some(alias)) => AccountName::Alias(alias.parse()?),
        _ => return Err(AccountError::Unnamed),
    };
    Ok(access.account_of(&name).await?)
}

async fn create(access: &Arc<Access>, alias: &str, id: Option<&str>) -> Result<Vec<String>, AccountError> {
    let alias: AccountAlias = alias.parse()?;
    let account: Option<AccountId> = id.map(str::parse).transpose()?;
    let draft = AccountDraft { account, alias: Some(alias), ..AccountDraft::default() };
    Ok(lines_of(&access.create_account(TASK, draft).await?))
}

async fn set_active(
    access: &Arc<Access>,
    live: &Live,
    named: &Named,
    active: bool,
) -> Result<Vec<String>, AccountError> {
    let account = find(access, named).await?;
    let touched = access.set_account_active(TASK, account.account, active).await?;
    live.sweep(access, &touched)?;
    Ok(lines_with(&account, status(active)).into())
}

async fn delete(
    access: &Arc<Access>,
    live: &Live,
    named: &Named,
    yes: Option<&str>,
) -> Result<Vec<String>, AccountError> {
    let account = find(access, named).await?;
    if yes.and_then(|yes| yes.parse().ok()) != Some(account.account) {
        return Err(AccountError::Unconfirmed { account: account.account, alias: account.alias });
    }
    let touched = access.delete_account(TASK, account.account).await?;
    live.sweep(access, &touched)?;
    if let Live::Server { usage, .. } = live {
        // What was counted for it is forgotten now, not given to whoever gets its ID next.
        usage.write(access.clock().now()).await.map_err(AccountError::Usage)?;
    }
    Ok(lines_with(&account, "Deleted").into())
}
