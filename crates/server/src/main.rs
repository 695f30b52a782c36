//! The binary: configuration, wiring, signals, health, metrics and the command line.
//!
//! Way in: [`main`] parses a command; `serve` opens the folder, wires the rooms and runs the doors.
//! Never here: a rule, a query or a check of permission. This is the one place that reads the system's clock and makes
//! the `Authority`.

mod account_command;
mod api_command;
mod backup;
mod bench;
mod certificate_watch;
mod cli;
mod config;
mod data_folder;
mod database_url;
mod decisions;
mod first_start;
mod health;
mod http_listener;
mod listeners;
mod log;
mod manifest;
mod master_key;
mod open_files;
mod operator;
mod policy_command;
mod private;
mod refused_head;
mod restore;
mod serve;
mod usage;
mod watched_body;
mod wiring;

use std::{fmt::Display, io::Write, process::ExitCode};

use clap::{CommandFactory, Parser};

use account_command::{AccountRequest, Named};
use cli::{AccountCommand, Cli, Command, MasterKeyCommand, PolicyCommand, Shell};
use database_url::NotStartedAgain;
use operator::OperatorError;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A wrong configuration or command line.
const EXIT_USAGE: u8 = 2;

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(code) => code,
        Err(failure) => {
            complain(&failure.text);
            ExitCode::from(failure.code)
        }
    }
}

/// Says why on stderr; when even that cannot be written there is nobody to tell.
fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "sluice: {text}");
}

/// Why the process ends otherwise than well.
struct Failure {
    text: String,
    code: u8,
}

impl Failure {
    fn of(error: impl Display) -> Self {
        Self { text: error.to_string(), code: 1 }
    }

    fn of_operator(error: OperatorError) -> Self {
        match error {
            OperatorError::Trust(error) => Self::of_trust(error),
            OperatorError::Database(_) => Self::usage(error),
            _ => Self::of(error),
        }
    }

    fn of_trust(error: NotStartedAgain) -> Self {
        if error.is_of_configuration() { Self::usage(error) } else { Self::of(error) }
    }

    fn usage(error: impl Display) -> Self {
        Self { text: error.to_string(), code: EXIT_USAGE }
    }
}

fn run(command: Command) -> Result<ExitCode, Failure> {
    let mut out = std::io::stdout().lock();
    match command {
        Command::Serve(args) => {
            drop(out);
            let file = args.config.clone();
            let config = config::Config::load(args).map_err(Failure::usage)?;
            database_url::trust_its_authorities(config.database.as_ref(), file.as_deref())
                .map_err(Failure::of_trust)?;
            log::start(config.log_format);
            runtime()?.block_on(serve::run(config)).map_err(Failure::of)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Account(command) => account(command, &mut out),
        Command::MasterKey(MasterKeyCommand::Rotate { place }) => {
            runtime()?.block_on(operator::rotate_master_key(&place, &mut out)).map_err(Failure::of_operator)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Backup { dir, place } => {
            runtime()?.block_on(operator::backup(&place, &dir, &mut out)).map_err(Failure::of)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Restore { dir, place } => {
            place.embedded("restore").map_err(Failure::of)?;
            let lines = restore::run(&dir, &place.data_dir).map_err(Failure::of)?;
            print(&lines, &mut out).map_err(Failure::of)
        }
        Command::Api(args) => api_command::run(&args, jiff::Timestamp::now(), &mut out).map_err(Failure::of),
        Command::MqttLogin(args) => mqtt_login(&args, &mut out).map_err(Failure::of),
        Command::Policy(PolicyCommand::Check { file }) => policy_command::check(&file, &mut out).map_err(Failure::of),
        Command::Policy(PolicyCommand::Test { file }) => policy_command::test(&file, &mut out).map_err(Failure::of),
        Command::Bench(command) => bench::run(&command, &mut out).map_err(Failure::of),
        Command::Completions { shell } => {
            completions(shell, &mut out);
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn account(command: AccountCommand, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let named = |which: cli::Which| Named { id: which.id, alias: which.alias };
    let (place, request) = match command {
        AccountCommand::Create { alias, id, place } => (place, AccountRequest::Create { alias, id }),
        AccountCommand::List { place } => (place, AccountRequest::List),
        AccountCommand::Disable { account, place } => (place, AccountRequest::Disable(named(account))),
        AccountCommand::Enable { account, place } => (place, AccountRequest::Enable(named(account))),
        AccountCommand::Delete { account, yes, place } => {
            (place, AccountRequest::Delete { account: named(account), yes })
        }
        AccountCommand::ResetRoot { account, place } => (place, AccountRequest::ResetRoot(named(account))),
    };
    runtime()?.block_on(operator::run(&place, request, out)).map_err(Failure::of_operator)?;
    Ok(ExitCode::SUCCESS)
}

fn completions(shell: Shell, out: &mut impl Write) {
    let shell = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    clap_complete::generate(shell, &mut Cli::command(), "sluice", out);
}

fn print(lines: &[String], out: &mut impl Write) -> std::io::Result<ExitCode> {
    for line in lines {
        writeln!(out, "{line}")?;
    }
    Ok(ExitCode::SUCCESS)
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::of)
}

fn mqtt_login(args: &cli::MqttLoginArgs, out: &mut impl Write) -> std::io::Result<ExitCode> {
    let secret = args.access_key_secret.as_str().into();
    let token = args.security_token.as_deref().filter(|token| !token.is_empty());
    let token = token.map(|token| format!("|{token}")).unwrap_or_default();
    writeln!(out, "Username=Signature|{}|{}{token}", args.access_key_id, args.instance)?;
    writeln!(out, "Password={}", sluice_access::mqtt_password(&secret, &args.client_id))?;
    Ok(ExitCode::SUCCESS)
}
