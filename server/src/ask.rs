//! `tandem sip …`: asks the running server over its control socket and prints what it says.
#![allow(clippy::print_stdout, reason = "printing is what a command line does")]

use std::io::{Read, Write};
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use serde_json::{Map, Value};

use crate::config;
use crate::control::{self, Answer, Question};

const WITHIN: Duration = Duration::from_secs(15);

#[derive(Subcommand)]
pub enum SipCommand {
    /// Calls that are alive
    Dialogs(Common),
    /// Transactions that are alive
    Transactions(Common),
    /// Registered contacts
    Registrations(Common),
    /// Carriers
    Trunks(Common),
    /// The last calls, or every message of one
    Trace {
        /// Its Call-ID
        #[arg(long)]
        call: Option<String>,
        #[command(flatten)]
        common: Common,
    },
    /// Addresses that are banned
    Bans(Common),
    /// Ban an address
    Ban {
        address: IpAddr,
        /// For how long, such as 1h
        #[arg(long = "for", default_value = "1h", value_parser = humantime::parse_duration)]
        span: Duration,
        #[command(flatten)]
        common: Common,
    },
    /// Lift the ban of an address
    Unban {
        address: IpAddr,
        #[command(flatten)]
        common: Common,
    },
}

#[derive(Args)]
pub struct Common {
    #[arg(long)]
    config: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(command: SipCommand) -> anyhow::Result<ExitCode> {
    let (question, common) = match command {
        SipCommand::Dialogs(common) => (Question::Dialogs, common),
        SipCommand::Transactions(common) => (Question::Transactions, common),
        SipCommand::Registrations(common) => (Question::Registrations, common),
        SipCommand::Trunks(common) => (Question::Trunks, common),
        SipCommand::Trace { call, common } => (Question::Trace { call_id: call }, common),
        SipCommand::Bans(common) => (Question::Bans, common),
        SipCommand::Ban { address, span, common } => {
            (Question::Ban { address, seconds: span.as_secs() }, common)
        }
        SipCommand::Unban { address, common } => (Question::Unban { address }, common),
    };
    let config = config::load(&common.config)?;
    match ask(&config.server.data, &question)? {
        Answer::Table { columns, rows, left_out } => {
            print!("{}", if common.json { json(&columns, &rows) } else { aligned(&columns, &rows) });
            if left_out > 0 {
                eprintln!("{left_out} more are not shown");
            }
        }
        Answer::Text { text } if common.json => println!("{}", Value::String(text)),
        Answer::Text { text } => print!("{text}"),
        Answer::Error { message } => bail!(message),
    }
    Ok(ExitCode::SUCCESS)
}

pub fn ask(data: &Path, question: &Question) -> anyhow::Result<Answer> {
    let path = control::path(data);
    let mut stream =
        UnixStream::connect(&path).with_context(|| format!("no server answers at {}", path.display()))?;
    stream.set_read_timeout(Some(WITHIN))?;
    let mut line = serde_json::to_vec(question)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).context("the server did not answer")?;
    serde_json::from_str(&answer).context("the server is of another version")
}

/// Columns as wide as their widest cell, two spaces apart.
fn aligned(columns: &[String], rows: &[Vec<String>]) -> String {
    let lines = || std::iter::once(columns).chain(rows.iter().map(Vec::as_slice));
    let width = |n: usize| lines().filter_map(|row| row.get(n)).map(|c| c.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let mut out = String::new();
    for row in lines() {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        out += cells.join("  ").trim_end();
        out.push('\n');
    }
    out
}

/// A list of objects, a line each.
fn json(columns: &[String], rows: &[Vec<String>]) -> String {
    let object = |row: &Vec<String>| {
        let pairs = columns.iter().cloned().zip(row.iter().cloned().map(Value::String));
        Value::Object(pairs.collect::<Map<_, _>>()).to_string()
    };
    format!("[{}]\n", rows.iter().map(object).collect::<Vec<_>>().join(",\n "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_aligned_and_json_is_json() {
        let text = |cells: &[&str]| cells.iter().map(ToString::to_string).collect::<Vec<_>>();
        let (columns, rows) =
            (text(&["user", "peer"]), vec![text(&["anna", "udp"]), text(&["владимир", "\"tcp\""])]);
        assert_eq!(aligned(&columns, &rows), "user      peer\nanna      udp\nвладимир  \"tcp\"\n");
        let value: Value = serde_json::from_str(&json(&columns, &rows)).unwrap();
        assert_eq!(value[1]["peer"], "\"tcp\"");
        assert_eq!(json(&columns, &[]), "[]\n");
    }
}
