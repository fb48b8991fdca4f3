//! What a running dialplan asks of the outside world, what it is told, and what it may look at. One `Run` serves one
//! session on one channel.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::{Asks, Button, QueueName};

/// Which way the customer is talking to the flow. Decides how verbs are carried out.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ChannelKind {
    Voice,
    Text,
}

/// What the run wants done, in order. An effect marked *waits* is followed by nothing until its `Input` came.
#[derive(Clone, PartialEq, Debug)]
pub enum Effect {
    /// Voice only. Waits for `Input::Answered`. Put out once, before the first thing that needs an answered call;
    /// a call that the flow ends before has never been answered.
    Answer,
    /// Say something. Voice: play these prompts (file names) — waits for `Input::PlayingEnded`; a key cuts it short.
    /// Text: send `text`; does not wait.
    Say { text: String, prompts: Vec<String> },
    /// Voice only: play prompts; waits for `PlayingEnded`; a key cuts it short.
    Play { prompts: Vec<String> },
    /// Voice: play `prompts`; `PlayingEnded` starts the time to answer, keys may come at any time (the run cuts the
    /// prompts short by `StopPlaying`). Text: send `text` with `buttons`; the time to answer starts at once.
    /// Waits for `Input::Key` or `Input::Text`; the run watches the time itself, see `Run::poll_timeout`.
    Ask { text: String, prompts: Vec<String>, buttons: Vec<Button> },
    /// Stop what is being played (a key barged in). No `PlayingEnded` may follow for what was stopped.
    StopPlaying,
    /// Put the session into a queue; until `Input::Queue…` the run only speaks in between. Waits.
    /// Voice hears `music` from its start (the name of a music file).
    Queue { queue: QueueName, priority: i32, music: Option<String>, asks: Box<Asks> },
    /// Said while waiting in the queue (`every … say`); voice: over the music, which is lowered. Does not wait.
    Announce { text: String, prompts: Vec<String> },
    /// The session leaves the queue because the flow moves on (`after … -> state`); voice: the music ends.
    LeaveQueue,
    /// The session keeps its place in the queue, and the customer is called when his turn comes. Waits for
    /// `Input::Callback`.
    Callback,
    /// Voice only: to a number over a trunk, or to an operator by name. Waits for `Input::TransferEnded`.
    Transfer { to: TransferTarget },
    /// Nobody took the call in time: it is tried no more. Does not wait; no `TransferEnded` may follow.
    CancelTransfer,
    /// Text only: the customer wants to be phoned on this number. Waits for `Input::Invited`.
    InviteCall { number: String },
    /// Something that people have to do later. Does not wait.
    Task(Task),
    /// Ask an outside system. Waits for `Input::HttpAnswered` or `Input::HttpFailed`.
    Http(HttpRequest),
    /// Whose number or address is this? Waits for `Input::LookedUp`.
    Lookup { by: LookupBy, value: String },
    /// A value for the session's context (survives the run; operators see it).
    SetContext { key: String, value: String },
    /// What becomes of the recording of the session. Does not wait.
    Record(RecordingAct),
    /// Say goodbye. Text: send `text`, when there is one. Voice: play `prompts` and wait for `PlayingEnded`, when there
    /// are any. `Hangup` always follows.
    Close { text: Option<String>, prompts: Vec<String> },
    /// Voice: end the call (refuse it when it was not answered). Text: end the chat. The run is over.
    Hangup,
    /// For the timeline: this verb in this state came to this outcome.
    Trace { state: String, verb: &'static str, outcome: String },
}

/// What a flow wants of the recording of its session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RecordingAct {
    /// From now on, whatever the configuration says.
    Start,
    /// No more, not even when an operator takes it.
    Stop,
    /// Silence in it until `Resume`.
    Pause,
    Resume,
}

/// Work that a flow leaves for people, such as to call somebody back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Task {
    /// `callback`, `voicemail` and so on: a word of the flow's author.
    pub kind: String,
    pub queue: Option<QueueName>,
    pub text: String,
    /// How soon it should be done.
    pub within: Option<Duration>,
}

/// A request to an outside system. The URL is `http` or `https`; values in it are escaped.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HttpRequest {
    pub method: HttpMethod,
    pub url: String,
    pub headers: Vec<(String, HeaderValue)>,
    pub body: Option<String>,
    /// For each try.
    pub timeout: Duration,
    /// Further tries after one that failed.
    pub retries: u8,
    /// Something in it must not be seen in logs.
    pub secret: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum HttpMethod {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

impl HttpMethod {
    pub const ALL: [(HttpMethod, &'static str); 5] = [
        (HttpMethod::Get, "get"),
        (HttpMethod::Post, "post"),
        (HttpMethod::Put, "put"),
        (HttpMethod::Patch, "patch"),
        (HttpMethod::Delete, "delete"),
    ];

    /// As flows write it.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(method, _)| *method == self).map_or("", |(_, name)| name)
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum HeaderValue {
    Plain(String),
    /// The secret of this name in the configuration; the flow never sees it.
    Secret(String),
}

/// What a customer is looked up by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LookupBy {
    Phone,
    Email,
}

/// What is known of a customer who was looked up.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Found {
    pub name: Option<String>,
    pub phone: Option<String>,
    pub email: Option<String>,
    /// Earlier sessions.
    pub sessions: u32,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TransferTarget {
    Number(String),
    Agent(String),
}

/// What the outside world tells the run. An input that does not fit what the run is waiting for changes nothing, except
/// that keys pressed ahead of a question are kept for it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Input {
    Answered,
    PlayingEnded,
    /// `0`–`9`, `*`, `#`, `A`–`D`.
    Key(char),
    /// A message, or the choice of a pressed button (`Button::choice`) — the run tries both.
    Text(String),
    /// An operator took it: the run is over (it resumes nothing).
    QueueAnswered,
    /// The queue did not take the session, or put it out.
    QueueFull,
    /// Whether he will be called.
    Callback {
        promised: bool,
    },
    /// The queue has waited long enough with the session; until the run leaves it, it still waits.
    QueueOverflow,
    TransferEnded {
        connected: bool,
    },
    /// Whether somebody will call him.
    Invited {
        accepted: bool,
    },
    /// The body as text, as much of it as is read.
    HttpAnswered {
        status: u16,
        body: String,
    },
    /// No answer came; why, for the timeline.
    HttpFailed {
        why: String,
    },
    LookedUp {
        found: Option<Found>,
    },
    /// The customer left: the run is over.
    HungUp,
}

/// What conditions and templates can see, as it is at the moment of the call. A fresh one is given with each input.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Env {
    pub customer: Customer,
    /// The session's context. What the run itself has set (`Effect::SetContext`) is seen by it at once and need not be
    /// in here yet.
    pub session: BTreeMap<String, String>,
    /// The place in the queue, while there is one.
    pub queue: Option<QueuePlace>,
    /// The caller's number in E.164 and the number he dialled; none on text channels or when withheld.
    pub caller: Option<String>,
    pub called: Option<String>,
    /// The switches for emergencies that are on.
    pub switches: BTreeSet<String>,
    /// How the last call to somebody ended, when that is known.
    pub dialled: Option<DialEnd>,
}

/// Why nobody took a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DialEnd {
    Busy,
    NoAnswer,
    Failed,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Customer {
    pub name: Option<String>,
    pub phone: Option<String>,
    pub email: Option<String>,
    pub attributes: BTreeMap<String, String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct QueuePlace {
    /// From 1.
    pub position: u32,
    pub waited: Duration,
    pub estimated_wait: Option<Duration>,
}

/// Where sessions come in. Numbers are compared as they stand: the caller normalises (E.164 with plus, or a short number).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Entry {
    Sip(String),
    /// The account of the web chat.
    Chat(String),
    /// Callers whom an operator of this queue has served and who are still on the line.
    After(String),
}

/// A flow of one `Plan`. Means nothing in another plan.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FlowRef(pub(crate) usize);

/// The names that exist outside dialplans; the checker refuses all others.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct World {
    pub queues: BTreeSet<String>,
    /// Prompt files, without extension.
    pub prompts: BTreeSet<String>,
    /// Music on hold, without extension.
    pub music: BTreeSet<String>,
    /// Trunks and groups of trunks that routes can name; `None` when nobody knows them here.
    pub trunks: Option<BTreeSet<String>>,
    /// Operators that calls can be transferred to, by login.
    pub operators: BTreeSet<String>,
    /// Context keys that come from elsewhere than flows (widget, API).
    pub context: BTreeSet<String>,
    /// Secrets that requests to outside systems can carry, by name.
    pub secrets: BTreeSet<String>,
}

/// One `.plan` file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Source {
    /// The file's name, as diagnostics show it.
    pub name: String,
    pub text: String,
}

// The rest of the border (see `plan.rs`, `run.rs`, `diagnostic.rs`, `scenario.rs`):
//
// pub fn compile(sources: &[Source], world: &World) -> Result<Plan, Vec<Diagnostic>>;   // diagnostics hold the warnings too
// impl Plan {                                                       // Send + Sync; keep it in an Arc
//     pub fn version(&self) -> &str;                                // sha256 of names and texts, lower-case hex
//     pub fn entry(&self, entry: &Entry) -> Option<FlowRef>;
//     pub fn entries(&self) -> impl Iterator<Item = (&Entry, FlowRef)>;
//     pub fn flow_name(&self, flow: FlowRef) -> &str;
//     pub fn warnings(&self) -> &[Diagnostic];
// }
// impl Run {
//     pub fn start(plan: Arc<Plan>, flow: FlowRef, channel: ChannelKind, now: Now, env: &Env) -> Run;
//     pub fn handle(&mut self, now: Now, input: Input, env: &Env);
//     pub fn handle_timeout(&mut self, now: Now, env: &Env);
//     pub fn poll_effect(&mut self) -> Option<Effect>;              // drain after start and after each handle
//     pub fn poll_timeout(&self) -> Option<Instant>;
//     pub fn is_over(&self) -> bool;                                // effects may still be waiting to be polled
//     pub fn flow_name(&self) -> &str;
//     pub fn state(&self) -> &str;
//     pub fn plan(&self) -> &Arc<Plan>;
// }
// pub fn run_tests(plan: &Arc<Plan>) -> TestReport;
// impl Diagnostic { severity, code, source, line, column, end_line, end_column, message, hint }
// pub fn render(diagnostics: &[Diagnostic], sources: &[Source], colour: bool) -> String;
