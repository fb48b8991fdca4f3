//! The command line. Exit codes: 0 all is well; 1 something is wrong with what was given; 2 it was called wrongly.
#![allow(clippy::print_stdout, reason = "printing is what a command line does")]

use std::io::{BufRead, IsTerminal, stderr, stdin};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use acd::api::Capacity;
use anyhow::{Context, bail};
use clap::{Parser, Subcommand, ValueEnum};
use dialplans::api::{Source, World};
use model::AgentId;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::ask::{self, SipCommand};
use crate::config::{self, Config, Database};
use crate::secret::hash_password;
use crate::store::{Encryption, Role, Store, User};
use crate::{clock, demo, http, plans, run};

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
    /// Check and test dialplans
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

#[derive(Subcommand)]
enum DialplanCommand {
    /// Look for mistakes
    Check(DialplanFiles),
    /// Look for mistakes and run the tests in the dialplans
    Test(DialplanFiles),
}

#[derive(clap::Args)]
struct DialplanFiles {
    /// `.plan` files, or folders of them
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Where queues, prompts and operators are taken from; `tandem.toml` beside the dialplans or above them when absent
    #[arg(long)]
    config: Option<PathBuf>,
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
        Command::Dialplan(DialplanCommand::Check(files)) => dialplans(&files, false),
        Command::Dialplan(DialplanCommand::Test(files)) => dialplans(&files, true),
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

fn dialplans(given: &DialplanFiles, with_tests: bool) -> anyhow::Result<ExitCode> {
    let sources = read_sources(&given.files)?;
    let world = world(given)?;
    let colour = stderr().is_terminal();
    let plan = match dialplans::compile(&sources, &world) {
        Ok(plan) => Arc::new(plan),
        Err(diagnostics) => {
            eprint!("{}", dialplans::render(&diagnostics, &sources, colour));
            return Ok(ExitCode::FAILURE);
        }
    };
    eprint!("{}", dialplans::render(plan.warnings(), &sources, colour));
    if !with_tests {
        println!("{} files, {} warnings", sources.len(), plan.warnings().len());
        return Ok(ExitCode::SUCCESS);
    }
    let report = dialplans::run_tests(&plan);
    let mut failed = 0;
    for result in &report.results {
        let Some(failure) = &result.failure else { continue };
        failed += 1;
        eprintln!("failed: flow {}, test {:?}", result.flow, result.name);
        eprint!("{}", dialplans::render(std::slice::from_ref(failure), &sources, colour));
        for line in &result.trace {
            eprintln!("    {line}");
        }
    }
    for coverage in report.coverage.iter().filter(|coverage| !coverage.missed.is_empty()) {
        eprintln!("flow {}: no test comes to {}", coverage.flow, coverage.missed.join(", "));
    }
    println!("{} passed, {failed} failed", report.results.len() - failed);
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn read_sources(files: &[PathBuf]) -> anyhow::Result<Vec<Source>> {
    let mut sources = Vec::new();
    for path in files {
        if path.is_dir() {
            let found =
                plans::read_folder(path).with_context(|| format!("cannot read {}", path.display()))?;
            if found.is_empty() {
                bail!("there is no .plan file in {}", path.display());
            }
            sources.extend(found);
        } else {
            let text =
                std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            sources.push(Source { name: path.display().to_string(), text });
        }
    }
    Ok(sources)
}

/// The names that exist: of the given configuration, or of the nearest one above the dialplans.
fn world(given: &DialplanFiles) -> anyhow::Result<World> {
    let nearest = || {
        let start = given.files.first()?.canonicalize().ok()?;
        start.ancestors().map(|folder| folder.join("tandem.toml")).find(|file| file.is_file())
    };
    let Some(file) = given.config.clone().or_else(nearest) else {
        bail!("there is no tandem.toml beside the dialplans or above them: name one by --config FILE");
    };
    let config = config::load(&file)?;
    let operators = operators(&config)?;
    Ok(plans::world(&config, &config.queues, operators))
}

/// Logins of operators, when there is a database already; those of the demo otherwise.
fn operators(config: &Config) -> anyhow::Result<Vec<String>> {
    if matches!(&config.database, Database::Sqlite(file) if !file.is_file()) {
        return Ok(demo::operators());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let store = Store::open(&config.database).await?;
        let users = store.users().await?;
        Ok(users.into_iter().filter(|user| user.is(Role::Operator)).map(|user| user.login).collect())
    })
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
