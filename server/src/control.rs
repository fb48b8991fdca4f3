//! The control socket: how `tandem sip …` asks the running server. One line of JSON each way, then the end.
//!
//! Invariant: only the user that the server runs as (and root) can open it, so nobody else is asked who he is.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use serde::{Deserialize, Serialize};
use sip_core::glance::{self, Start};
use sip_core::inspect::{Topic, printable};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;

use crate::app::App;
use crate::clock;
use crate::guard;
use crate::tap::Noted;

/// Longest question, and how long it and its answer may take.
const MOST: u64 = 4_096;
const WITHIN: Duration = Duration::from_secs(10);
/// Most rows of an answer that is not the engine's.
const ROWS: usize = 10_000;

#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Question {
    Dialogs,
    Transactions,
    Registrations,
    Trunks,
    /// Turns a switch for emergencies that flows look at.
    Switch {
        name: String,
        on: bool,
    },
    /// Calls that are remembered, or the messages of one.
    Trace {
        call_id: Option<String>,
    },
    Bans,
    Ban {
        address: IpAddr,
        seconds: u64,
    },
    Unban {
        address: IpAddr,
    },
}

#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    Table { columns: Vec<String>, rows: Vec<Vec<String>>, left_out: usize },
    Text { text: String },
    Error { message: String },
}

pub fn path(data: &Path) -> PathBuf {
    data.join("control.sock")
}

/// Binds. What lies there is of a server that has ended: the data folder is locked.
pub fn listen(data: &Path) -> anyhow::Result<UnixListener> {
    let path = path(data);
    // A socket is open to others between its making and the change of its mode: it is made where nobody else comes.
    let nest = data.join(".control");
    let _ = fs::remove_dir_all(&nest);
    let made = (|| {
        fs::create_dir(&nest)?;
        fs::set_permissions(&nest, fs::Permissions::from_mode(0o700))?;
        let inner = nest.join("s");
        let listener = UnixListener::bind(&inner)?;
        fs::set_permissions(&inner, fs::Permissions::from_mode(0o600))?;
        fs::rename(&inner, &path)?;
        fs::remove_dir(&nest)?;
        Ok::<_, io::Error>(listener)
    })();
    made.with_context(|| format!("cannot make the control socket {}", path.display()))
}

/// Answers for ever.
pub async fn serve(listener: UnixListener, app: App) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let app = app.clone();
                tokio::spawn(async move {
                    // Whoever asked has gone, or was too slow.
                    let _ = timeout(WITHIN, talk(stream, &app)).await;
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the control socket");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn talk(mut stream: UnixStream, app: &App) -> io::Result<()> {
    let (reader, mut writer) = stream.split();
    let mut line = String::new();
    BufReader::new(reader.take(MOST)).read_line(&mut line).await?;
    let answer = match serde_json::from_str(&line) {
        Ok(question) => answer(app, question).await,
        Err(error) => Answer::Error { message: format!("not a question: {error}") },
    };
    writer.write_all(&serde_json::to_vec(&answer)?).await?;
    writer.write_all(b"\n").await
}

async fn answer(app: &App, question: Question) -> Answer {
    let topic = match question {
        Question::Dialogs => Topic::Dialogs,
        Question::Transactions => Topic::Transactions,
        Question::Registrations => Topic::Registrations,
        Question::Trunks => Topic::Trunks,
        Question::Trace { call_id: None } => return traces(app),
        Question::Trace { call_id: Some(call_id) } => {
            return match app.tap.trace.of_call(call_id.as_bytes()) {
                Some((messages, left_out)) => Answer::Text { text: ladder(&messages, left_out) },
                None => Answer::Error { message: format!("no call {} is remembered", printable(&call_id)) },
            };
        }
        Question::Switch { name, on } => {
            return match crate::http::turn_switch(app, &name, on, "the command line").await {
                Ok(true) => Answer::Text { text: format!("{name} is {}\n", if on { "on" } else { "off" }) },
                Ok(false) => Answer::Error { message: format!("no flow looks at a switch {name}") },
                Err(error) => Answer::Error { message: error.to_string() },
            };
        }
        Question::Bans => return bans(app),
        Question::Ban { address, seconds } => {
            return if app.guard.ban(address, Duration::from_secs(seconds)) {
                Answer::Text { text: format!("{address} is banned\n") }
            } else {
                Answer::Error { message: format!("{address} is a trunk's, or exempt") }
            };
        }
        Question::Unban { address } => {
            return if app.guard.lift(address) {
                Answer::Text { text: format!("the ban of {address} is lifted\n") }
            } else {
                Answer::Error { message: format!("{address} is not banned") }
            };
        }
    };
    match app.commands.inspect(topic).await {
        Some(table) => Answer::Table {
            columns: table.columns.iter().map(ToString::to_string).collect(),
            rows: table.rows,
            left_out: table.left_out,
        },
        None => Answer::Error { message: "the engine has stopped".into() },
    }
}

fn bans(app: &App) -> Answer {
    let rows = app.guard.bans().into_iter().map(|shown| {
        vec![
            shown.ban.address.to_string(),
            guard::reason(shown.ban.reason).to_owned(),
            if shown.ban.proven { "yes" } else { "no" }.to_owned(),
            clock::rfc3339(shown.until),
            shown.ban.times.to_string(),
        ]
    });
    table(&["address", "reason", "proven", "until", "times"], rows.collect())
}

fn traces(app: &App) -> Answer {
    let rows = app.tap.trace.list(ROWS).into_iter().map(|(call_id, session, messages, at)| {
        vec![
            clock::rfc3339(at),
            messages.to_string(),
            session.map(|session| session.to_string()).unwrap_or_default(),
            printable(&String::from_utf8_lossy(&call_id)),
        ]
    });
    table(&["began", "messages", "session", "call-id"], rows.collect())
}

fn table(columns: &[&str], rows: Vec<Vec<String>>) -> Answer {
    Answer::Table { columns: columns.iter().map(ToString::to_string).collect(), rows, left_out: 0 }
}

/// The messages one after the other, whole, for a terminal.
fn ladder(messages: &[Noted], left_out: usize) -> String {
    let mut out = String::new();
    for noted in messages {
        let arrow = match noted.way {
            crate::tap::Way::In => "<-",
            crate::tap::Way::Out => "->",
        };
        let what = summary(&noted.bytes);
        out += &format!(
            "{} {arrow} {:?} {}  {what}\n",
            clock::rfc3339(noted.at),
            noted.hop.transport,
            noted.hop.remote
        );
        for line in String::from_utf8_lossy(&noted.bytes).lines() {
            out += &format!("    {}\n", printable(line));
        }
    }
    if left_out > 0 {
        out += &format!("{left_out} more were not kept\n");
    }
    out
}

/// Such as `INVITE` or `180 INVITE`.
pub fn summary(bytes: &[u8]) -> String {
    let Some(glance) = glance::glance(bytes) else { return String::new() };
    let text = match glance.start {
        Start::Request(method) => String::from_utf8_lossy(method).into_owned(),
        Start::Response(code) => format!("{code} {}", String::from_utf8_lossy(glance.method)),
    };
    printable(&text)
}
