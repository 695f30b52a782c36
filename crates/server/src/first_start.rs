//! The first start on an empty folder: one account, one instance. DESIGN section 1.

use std::{
    io::{IsTerminal, Write},
    sync::Arc,
};

use secrecy::ExposeSecret;
use sluice_access::{Access, AccountDraft, ProvisionError, Provisioned};
use sluice_model::{InstanceId, NameError};
use sluice_policy::SystemTask;

use crate::data_folder::{DataFolder, FolderError};

/// Why the first start failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FirstStartError {
    #[error("`{variable}` is wrong: {source}")]
    Variable { variable: &'static str, source: NameError },
    #[error("`{0}` is not text")]
    NotText(&'static str),
    #[error("`{0}` is too short")]
    TooShort(&'static str),
    #[error(transparent)]
    Provision(#[from] ProvisionError),
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error("cannot print the first start's secrets: {0}")]
    Print(#[from] std::io::Error),
}

/// What was made.
pub(crate) struct FirstStart {
    account: Provisioned,
    instance: InstanceId,
}

fn text(variable: &'static str) -> Result<Option<String>, FirstStartError> {
    match std::env::var(variable) {
        Ok(value) if value.is_empty() => Ok(None),
        Ok(value) => Ok(Some(value)),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err(FirstStartError::NotText(variable)),
    }
}

fn parsed<T: std::str::FromStr<Err = NameError>>(variable: &'static str) -> Result<Option<T>, FirstStartError> {
    let parse = |value: String| value.parse().map_err(|source| FirstStartError::Variable { variable, source });
    text(variable)?.map(parse).transpose()
}

/// A secret of at least `least` characters.
fn secret(variable: &'static str, least: usize) -> Result<Option<secrecy::SecretString>, FirstStartError> {
    match text(variable)? {
        Some(value) if value.chars().count() < least => Err(FirstStartError::TooShort(variable)),
        value => Ok(value.map(Into::into)),
    }
}

/// Makes the account and the instance when the folder has no account yet.
pub(crate) async fn run(access: &Arc<Access>) -> Result<Option<FirstStart>, FirstStartError> {
    if !access.list_accounts().await?.is_empty() {
        return Ok(None);
    }
    let draft = AccountDraft {
        account: parsed("SLUICE_ACCOUNT_ID")?,
        alias: parsed("SLUICE_ACCOUNT_ALIAS")?,
        password: secret("SLUICE_ROOT_PASSWORD", 8)?,
        access_key_id: parsed("SLUICE_ROOT_ACCESS_KEY_ID")?,
        access_key_secret: secret("SLUICE_ROOT_ACCESS_KEY_SECRET", 8)?,
        instance: Some(parsed("SLUICE_INSTANCE_ID")?.unwrap_or_else(sluice_access::random::instance_id)),
    };
    let instance = draft.instance.clone().expect("set two lines above");
    let account = access.create_account(SystemTask::FirstStart, draft).await?;
    Ok(Some(FirstStart { account, instance }))
}

impl FirstStart {
    /// Prints the secrets once on a terminal, else writes them to the folder and prints where.
    pub(crate) fn tell(&self, folder: &DataFolder, mqtt: &str, http: &str) -> Result<(), FirstStartError> {
        let mut lines = crate::account_command::lines_of(&self.account);
        lines.push(format!("InstanceId={}", self.instance));
        lines.push(format!("Console=http://{http}/console/"));
        let mut out = std::io::stdout().lock();
        if out.is_terminal() {
            writeln!(out, "{}\n\n{}", lines.join("\n"), self.paste(mqtt, http))?;
        } else {
            let path = folder.write_first_start(&format!("{}\n\n{}", lines.join("\n"), self.paste(mqtt, http)))?;
            writeln!(out, "first start: the account's names and secrets are in {}", path.display())?;
        }
        Ok(())
    }

    /// Three commands that a reader can paste to see a message arrive.
    fn paste(&self, mqtt: &str, http: &str) -> String {
        let (host, port) = mqtt.rsplit_once(':').unwrap_or((mqtt, "1883"));
        let (key, secret) = (&self.account.access_key_id, self.account.access_key_secret.expose_secret());
        let (instance, client) = (&self.instance, "GID_demo@@@1");
        let login = sluice_access::mqtt_password(&self.account.access_key_secret, client);
        let program = std::env::current_exe().map_or_else(|_| "sluice".to_owned(), |path| path.display().to_string());
        let api = format!(
            "SLUICE_ENDPOINT=http://{http} SLUICE_ACCESS_KEY_ID={key} SLUICE_ACCESS_KEY_SECRET={secret} {program} api onsmqtt"
        );
        format!(
            "See a message arrive. Make a group and a topic:\n\
             {api} CreateGroupId InstanceId={instance} GroupId=GID_demo && {api} CreateMqttTopic InstanceId={instance} Topic=demo\n\
             Subscribe:\n\
             mosquitto_sub -h {host} -p {port} -i {client} -u 'Signature|{key}|{instance}' -P '{login}' -q 1 -t demo/#\n\
             And, in another terminal, publish:\n\
             {api} SendMessage InstanceId={instance} MqttTopic=demo/hello Payload=hello"
        )
    }
}
