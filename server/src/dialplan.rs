//! `tandem dialplan …`: check, test, format, draw, talk to and switch dialplans.
#![allow(clippy::print_stdout, reason = "printing is what a command line does")]

use std::io::{BufRead, IsTerminal, Write, stderr, stdin, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::{Subcommand, ValueEnum};
use dialplans::api::{Entry, Source, World};
use dialplans::{Plan, Simulator, TestReport};
use model::Timestamp;

use crate::ask;
use crate::config::{self, Config, Database};
use crate::control::{Answer, Question};
use crate::store::{Role, Store};
use crate::{clock, demo, plans};

#[derive(Subcommand)]
pub enum DialplanCommand {
    /// Look for mistakes
    Check(DialplanFiles),
    /// Look for mistakes and run the tests in the dialplans; the last line is `passed: …` or `FAILED: …`
    Test(DialplanFiles),
    /// Lay the files out as they should stand
    Fmt {
        /// `.plan` files, or folders of them
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Change nothing; fail when a file would be changed
        #[arg(long)]
        check: bool,
    },
    /// Draw the flows
    Graph {
        #[command(flatten)]
        files: DialplanFiles,
        #[arg(long, value_enum, default_value_t = Drawing::Mermaid)]
        format: Drawing,
        /// Only this flow
        #[arg(long)]
        flow: Option<String>,
    },
    /// Talk to a flow: press keys, or write to it
    Simulate {
        #[command(flatten)]
        files: DialplanFiles,
        /// The number that is called
        #[arg(long, conflicts_with = "chat")]
        sip: Option<String>,
        /// The account of the web chat that is written to
        #[arg(long)]
        chat: Option<String>,
        /// When, such as 2026-11-23T10:00:00+03:00; now when absent
        #[arg(long)]
        at: Option<String>,
    },
    /// Turn a switch for emergencies of the running server
    Emergency {
        /// The switch, or the flow that has no other name for it
        name: String,
        to: Turn,
        #[arg(long)]
        config: PathBuf,
    },
}

#[derive(clap::Args)]
pub struct DialplanFiles {
    /// `.plan` files, or folders of them
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Where queues, prompts and operators are taken from; `tandem.toml` beside the dialplans or above them when absent
    #[arg(long)]
    config: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum Drawing {
    Mermaid,
    Dot,
    Json,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum Turn {
    On,
    Off,
}

pub fn run(command: DialplanCommand) -> anyhow::Result<ExitCode> {
    match command {
        DialplanCommand::Check(files) => {
            let (plan, sources) = match compile(&files)? {
                Some(compiled) => compiled,
                None => return Ok(ExitCode::FAILURE),
            };
            println!("{} files, {} warnings", sources.len(), plan.warnings().len());
            Ok(ExitCode::SUCCESS)
        }
        DialplanCommand::Test(files) => match compile(&files)? {
            Some((plan, sources)) => Ok(told(&dialplans::run_tests(&plan), &sources)),
            None => {
                println!("FAILED: there are mistakes, so no test was run");
                Ok(ExitCode::FAILURE)
            }
        },
        DialplanCommand::Fmt { files, check } => format(&files, check),
        DialplanCommand::Graph { files, format, flow } => match compile(&files)? {
            Some((plan, _)) => draw(&plan, format, flow.as_deref()),
            None => Ok(ExitCode::FAILURE),
        },
        DialplanCommand::Simulate { files, sip, chat, at } => match compile(&files)? {
            Some((plan, _)) => simulate(&plan, sip, chat, at.as_deref()),
            None => Ok(ExitCode::FAILURE),
        },
        DialplanCommand::Emergency { name, to, config } => {
            let data = config::load(&config)?.server.data;
            match ask::ask(&data, &Question::Switch { name, on: matches!(to, Turn::On) })? {
                Answer::Text { text } => print!("{text}"),
                Answer::Error { message } => bail!("{message}"),
                Answer::Table { .. } => bail!("the server is of another version"),
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// What was compiled of the files, mistakes and warnings being told; `None` when there are mistakes.
fn compile(given: &DialplanFiles) -> anyhow::Result<Option<(Arc<Plan>, Vec<Source>)>> {
    let sources = read_sources(&given.files)?;
    let world = world(given)?;
    let colour = stderr().is_terminal();
    Ok(match dialplans::compile(&sources, &world) {
        Ok(plan) => {
            eprint!("{}", dialplans::render(plan.warnings(), &sources, colour));
            Some((Arc::new(plan), sources))
        }
        Err(diagnostics) => {
            eprint!("{}", dialplans::render(&diagnostics, &sources, colour));
            None
        }
    })
}

fn told(report: &TestReport, sources: &[Source]) -> ExitCode {
    let colour = stderr().is_terminal();
    let mut failed = 0;
    for result in &report.results {
        let Some(failure) = &result.failure else { continue };
        failed += 1;
        eprintln!("failed: flow {}, test {:?}", result.flow, result.name);
        eprint!("{}", dialplans::render(std::slice::from_ref(failure), sources, colour));
        for line in &result.trace {
            eprintln!("    {line}");
        }
    }
    for coverage in &report.coverage {
        let states = coverage.visited.len() + coverage.missed.len();
        println!(
            "flow {}: tests come to {} of {states} states and {} of {} outcomes",
            coverage.flow,
            coverage.visited.len(),
            coverage.outcomes - coverage.missed_outcomes.len(),
            coverage.outcomes
        );
        if !coverage.missed.is_empty() {
            println!("  no test comes to the states {}", coverage.missed.join(", "));
        }
        for outcome in &coverage.missed_outcomes {
            println!("  no test comes to {outcome}");
        }
    }
    let passed = report.results.len() - failed;
    if failed == 0 {
        println!("passed: {passed} tests");
        ExitCode::SUCCESS
    } else {
        println!("FAILED: {failed} of {} tests", report.results.len());
        ExitCode::FAILURE
    }
}

fn format(files: &[PathBuf], check: bool) -> anyhow::Result<ExitCode> {
    let mut changed = 0;
    for path in plans::files_of(files)? {
        let text =
            std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let formatted = dialplans::format(&text);
        if formatted == text {
            continue;
        }
        changed += 1;
        println!("{}", path.display());
        if !check {
            std::fs::write(&path, formatted).with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    Ok(if check && changed > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn draw(plan: &Plan, format: Drawing, flow: Option<&str>) -> anyhow::Result<ExitCode> {
    let mut graphs = dialplans::graphs(plan);
    if let Some(flow) = flow {
        graphs.retain(|graph| graph.flow == flow);
        if graphs.is_empty() {
            bail!("there is no flow {flow}");
        }
    }
    match format {
        Drawing::Json => println!("{}", serde_json::to_string_pretty(&graphs)?),
        Drawing::Mermaid => graphs.iter().for_each(|graph| print!("{}", graph.mermaid())),
        Drawing::Dot => graphs.iter().for_each(|graph| print!("{}", graph.dot())),
    }
    Ok(ExitCode::SUCCESS)
}

fn simulate(
    plan: &Arc<Plan>,
    sip: Option<String>,
    chat: Option<String>,
    at: Option<&str>,
) -> anyhow::Result<ExitCode> {
    let entry = match (sip, chat) {
        (Some(number), None) => Entry::Sip(number),
        (None, Some(account)) => Entry::Chat(account),
        _ => match plan.entries().next() {
            Some((entry, _)) => entry.clone(),
            None => bail!("there is no flow that could be called"),
        },
    };
    let at = match at {
        None => clock::wall(),
        Some(text) => {
            let time = humantime::parse_rfc3339_weak(text.trim_end_matches('Z'))
                .with_context(|| format!("`{text}` is not a moment: write 2026-11-23T10:00:00Z"))?;
            let since = time.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
        }
    };
    let Some(mut simulator) = Simulator::new(plan, &entry, at) else {
        bail!("no flow serves {entry:?}");
    };
    println!("{}", help(&entry));
    let mut lines = stdin().lock().lines();
    loop {
        for line in simulator.news() {
            println!("  {line}");
        }
        if simulator.is_over() {
            println!("The flow is over.");
            return Ok(ExitCode::SUCCESS);
        }
        print!("{}> ", simulator.state());
        stdout().flush()?;
        let Some(line) = lines.next().transpose()? else { return Ok(ExitCode::SUCCESS) };
        if line.trim().is_empty() {
            continue;
        }
        if let Err(problem) = simulator.step(&line) {
            println!("  {problem}");
        }
    }
}

fn help(entry: &Entry) -> &'static str {
    match entry {
        Entry::Sip(_) | Entry::After(_) => {
            "You are a caller. Keys: 1, 23#. Time: silence, wait 30s. Others: operator answers, queue full, transfer fails, \
             http answers 200 \"{}\". hang up ends it."
        }
        Entry::Chat(_) => {
            "You are in a chat: write. Time: silence, wait 30s. Others: operator answers, queue full, \
             http answers 200 \"{}\". hang up ends it."
        }
    }
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
            let folder = path.parent().unwrap_or(Path::new("")).to_owned();
            let mut found = vec![Source { name: path.display().to_string(), text }];
            plans::read_included(&folder, &folder.display().to_string(), &mut found);
            sources.extend(found);
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
