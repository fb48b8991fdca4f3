//! The command line. Exit codes: 0 all is well; 1 something is wrong with what was given; 2 it was called wrongly.
#![allow(clippy::print_stdout, reason = "printing is what a command line does")]

use std::io::{BufRead, IsTerminal, stderr, stdin};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use acd::api::Capacity;
use anyhow::{Context, bail};
use clap::{Parser, Subcommand, ValueEnum};
use model::AgentId;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::ask::{self, SipCommand};
use crate::config;
use crate::dialplan::DialplanCommand;
use crate::secret::hash_password;
use crate::store::{Encryption, Role, Store, User};
use crate::{clock, dialplan, http, run};

#[derive(Parser)]
#[command(name = "tandem", version, about = "A contact-centre server: calls and chats as one conversation")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server until Ctrl-C or SIGTERM; SIGHUP reloads queues, trunks and dialplans
    Run {
        #[arg(long)]
        config: PathBuf,
        /// Add people, phones, a queue and a trunk to try it with; only while nothing listens to other machines
        #[arg(long)]
        demo: bool,
    },
    /// Check the configuration file
    CheckConfig {
        #[arg(long)]
        config: PathBuf,
    },
    /// Check, test, format and draw dialplans, talk to them, turn their switches
    #[command(subcommand)]
    Dialplan(DialplanCommand),
    /// Look into the running server's SIP
    #[command(subcommand)]
    Sip(SipCommand),
    /// Print the OpenAPI description of the HTTP API
    Openapi,
    /// Add a user; the password is read from the first line of standard input
    AddUser {
        #[arg(long)]
        config: PathBuf,
        #[arg(long)]
        login: String,
        #[arg(long)]
        name: String,
        #[arg(long = "role", required = true)]
        roles: Vec<RoleName>,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum RoleName {
    Operator,
    Supervisor,
    Admin,
}

pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        Command::Run { config, demo } => run_server(&config, demo),
        Command::CheckConfig { config } => check_config(&config),
        Command::Dialplan(command) => dialplan::run(command),
        Command::Sip(command) => ask::run(command),
        Command::Openapi => {
            println!("{}", http::openapi());
            Ok(ExitCode::SUCCESS)
        }
        Command::AddUser { config, login, name, roles } => add_user(&config, &login, &name, &roles),
    };
    done.unwrap_or_else(|error| {
        eprintln!("{error:#}");
        ExitCode::FAILURE
    })
}

fn run_server(file: &Path, is_demo: bool) -> anyhow::Result<ExitCode> {
    let config = config::load(file)?;
    let filter = EnvFilter::try_new(&config.log.filter)
        .with_context(|| format!("{}: `filter` in [log]", file.display()))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stderr)
        .with_ansi(stderr().is_terminal())
        .init();
    run::warn(&config);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let running = run::start(config, is_demo).await?;
        println!("Tandem {} is running at {}", env!("CARGO_PKG_VERSION"), running.addresses.public_url);
        if let Some(guide) = &running.guide {
            print!("{guide}");
        }
        println!("Ctrl-C ends it.");
        loop {
            tokio::select! {
                _ = interrupt.recv() => break,
                _ = terminate.recv() => break,
                _ = hangup.recv() => running.reload(file).await,
            }
        }
        println!("Waiting for calls to end; Ctrl-C again ends them.");
        running
            .stop(async {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
            })
            .await;
        Ok(ExitCode::SUCCESS)
    })
}

fn check_config(file: &Path) -> anyhow::Result<ExitCode> {
    let config = config::load(file)?;
    EnvFilter::try_new(&config.log.filter)
        .with_context(|| format!("{}: `filter` in [log]", file.display()))?;
    for warning in &config.warnings {
        println!("warning: {warning}");
    }
    println!("{} is well", file.display());
    Ok(ExitCode::SUCCESS)
}

fn add_user(file: &Path, login: &str, name: &str, roles: &[RoleName]) -> anyhow::Result<ExitCode> {
    let config = config::load(file)?;
    if !http::is_login(login) {
        bail!("`{login}` is not a sign-in name: 1 to 32 of a-z, 0-9, `.`, `_` and `-`");
    }
    let mut password = String::new();
    stdin().lock().read_line(&mut password)?;
    let password = password.trim_end_matches(['\r', '\n']);
    if !(8..=256).contains(&password.len()) {
        bail!("the password has 8 to 256 bytes, on the first line of standard input");
    }
    let at = clock::wall();
    let user = User {
        id: AgentId::new(at, rand::random()),
        login: login.to_owned(),
        name: name.to_owned(),
        password_hash: Some(hash_password(password)),
        roles: roles.iter().map(|role| role.role()).collect(),
        queues: config.queues.iter().map(|queue| queue.name.clone()).collect(),
        capacity: Capacity { voice: 1, chat: 3 },
        locale: "en".to_owned(),
        encryption: Encryption::default(),
        routing: Default::default(),
    };
    std::fs::create_dir_all(&config.server.data)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let added = runtime.block_on(async {
        let store = Store::open(&config.database).await?;
        store.add_user(&user, at).await
    })?;
    if !added {
        bail!("there is a user `{login}` already");
    }
    println!("{login} was added; a server that is running knows him after its next start");
    Ok(ExitCode::SUCCESS)
}

impl RoleName {
    fn role(self) -> Role {
        match self {
            RoleName::Operator => Role::Operator,
            RoleName::Supervisor => Role::Supervisor,
            RoleName::Admin => Role::Admin,
        }
    }
}
