//! What goes into the engine and what comes out of it: the whole list of effects.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use dialplans::Plan;
use media::api::{Codec, Command as MediaCommand, Encryption, Event as MediaEvent};
use model::{
    AgentId, AgentStatus, CustomerId, Entry, Evidence, Identity, Message, Quality, QueueName, Record,
    RecordingId, SessionId, VisitorId,
};
use serde::{Deserialize, Serialize};
use sip_core::api::{
    Answer, ConnectionId, Credential, Hop, LookupId, Output as SipOutput, SavedBinding, SessionTimers, Trunk,
    TrunkState, UserLimits,
};
use sip_core::digest::Algorithm;
use sip_core::inspect::{Table, Topic};
use sip_core::shard::{Order, Report, ShardId};
use utoipa::ToSchema;

use crate::callback::CallbackConfig;
pub use crate::outside::{Findings, Question};
use crate::redirect::Redirects;
use crate::view::{DeskView, QueueStatus, SessionSummary};

/// Pairs a question to the shell, or a command of the shell, with its answer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RequestId(pub u64);

#[derive(Clone, Debug)]
pub struct Config {
    pub sip: sip_core::api::Config,
    /// Region for numbers written without a country code, such as `RU`.
    pub region: String,
    /// Numbers of other countries are called also where no route allows it.
    pub calls_abroad: bool,
    /// Whose 301 and 302 are followed.
    pub redirects: Redirects,
    pub recording: RecordingConfig,
    pub callback: CallbackConfig,
    /// How long one who was cut off while he waited keeps his place.
    pub place_kept: Duration,
    /// How long a customer stays parked.
    pub parked_for: Duration,
    /// How long an operator whose device died is waited for before the session goes back to the head of its queue.
    pub agent_grace: Duration,
    /// A chat without a word for this long is closed.
    pub chat_idle: Duration,
    /// How long a chat code or a call token is valid.
    pub code_lifetime: Duration,
    /// Most open sessions; beyond it new contacts are refused as overload.
    pub max_sessions: usize,
    /// Longest text message, in characters.
    pub max_text: usize,
    pub seed: [u8; 32],
}

/// Which calls are recorded, and how.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordingConfig {
    /// Where no flow says otherwise.
    pub enabled: bool,
    /// Directory name (relative, no slash at the end) that recording file names start with.
    pub folder: String,
    pub format: RecordingFormat,
    /// 2: the customer and everybody else; 3: guests apart from operators.
    pub channels: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RecordingFormat {
    Wav,
    /// Ogg Opus.
    Opus,
}

pub enum Input {
    Packet {
        hop: Hop,
        bytes: Vec<u8>,
    },
    /// The peer has proved by its certificate which names are its own.
    ConnectionOpened {
        connection: ConnectionId,
        tls_names: Vec<String>,
    },
    ConnectionClosed(ConnectionId),
    Unreachable(Hop),
    /// What the DNS said to an `Output::Lookup`.
    LookedUp {
        lookup: LookupId,
        answer: Answer,
    },
    /// What another SIP stack tells, in its order.
    Report(Report),
    Media(MediaEvent),
    /// Answer to `Output::Resolve`.
    Resolved {
        request: RequestId,
        customer: CustomerCard,
    },
    /// Answer to `Output::Outside`.
    Outside {
        request: RequestId,
        session: SessionId,
        findings: Findings,
    },
    Visitor {
        request: RequestId,
        visitor: VisitorId,
        command: VisitorCommand,
    },
    Agent {
        request: RequestId,
        agent: AgentId,
        command: AgentCommand,
    },
    Admin(AdminCommand),
}

/// What the store knows of a customer.
#[derive(Clone, PartialEq, Debug)]
pub struct CustomerCard {
    pub customer: CustomerId,
    pub name: Option<String>,
    pub identities: Vec<Identity>,
    /// Sessions before this one.
    pub earlier_sessions: u32,
}

/// Set-up that the shell loads and changes at run time. None of it resets anybody.
pub enum AdminCommand {
    SetAgent(AgentSetup),
    RemoveAgent(AgentId),
    SetCredential(Credential),
    RemoveCredential {
        username: String,
    },
    SetTrunks(Vec<Trunk>),
    /// What media the trunks of these names may carry, and when.
    SetTrunkPolicies(BTreeMap<String, TrunkPolicy>),
    /// How long calls may go without a sign of life.
    SetSessionTimers(SessionTimers),
    /// What phones are challenged for, the preferred first; none changes nothing.
    SetDigest(Vec<Algorithm>),
    /// Extensions that callers must have.
    SetDemanded(Vec<String>),
    /// What one user may do at most.
    SetUserLimits(UserLimits),
    SetQueues(Vec<acd::api::QueueConfig>),
    /// What sessions gain that fulfil a condition, by queue.
    SetQueueRules(BTreeMap<QueueName, Vec<QueueRule>>),
    SetPlan(Arc<Plan>),
    /// The switches for emergencies that are on; all others are off.
    SetSwitches(BTreeSet<String>),
    /// A phone that was registered before a restart. After agents and credentials.
    RestoreBinding(Box<SavedBinding>),
    /// A text session from before a restart, or a call that the restart broke (ended at once).
    Restore(Box<RestoredSession>),
    /// What is alive in SIP, for a person; answered by `Output::Inspected`.
    Inspect {
        request: RequestId,
        topic: Topic,
    },
    /// How every trunk does; answered by `Output::Trunks`.
    Trunks {
        request: RequestId,
    },
    /// Everything is set up. Only where there are several SIP stacks it makes a difference.
    Begin,
    /// A supervisor (his id and name) pauses the recording of a session, or lets it go on; answered by `Output::Reply`.
    PauseRecording {
        request: RequestId,
        session: SessionId,
        paused: bool,
        by: (AgentId, String),
    },
    /// No new contacts; `Output::Drained` when the last call has ended (chats survive a restart).
    Drain,
    /// Ends everything now.
    Stop,
}

/// How the media of one carrier are dealt with.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TrunkPolicy {
    pub early_media: EarlyMedia,
    /// What may be spoken with it, the preferred first. Empty: whatever both sides know, as it prefers.
    pub codecs: Vec<Codec>,
    pub encryption: Encryption,
}

/// What becomes of media that a carrier sends before the called party answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum EarlyMedia {
    /// Whoever waits for the answer hears them.
    #[default]
    Pass,
    /// He hears our ring-back.
    Ignore,
}

#[derive(Clone, PartialEq, Debug)]
pub struct AgentSetup {
    pub agent: AgentId,
    /// The SIP user part and sign-in name.
    pub login: String,
    pub name: String,
    pub queues: Vec<QueueName>,
    pub capacity: acd::api::Capacity,
    pub routing: Routing,
    /// Of his phones; browsers are always encrypted.
    pub encryption: Encryption,
}

pub use crate::agents::{QueueRule, Routing, WorkKind};

/// An open session as the journal has it: all its entries in order, with its customer.
pub struct RestoredSession {
    pub customer: CustomerCard,
    pub entries: Vec<Entry>,
    /// How long the recordings are whose end the journal does not have. Those that are not here are empty.
    pub recorded: BTreeMap<RecordingId, Duration>,
}

/// From the chat widget. Every command is answered by one `Output::Reply`.
#[derive(Clone, PartialEq, Debug)]
pub enum VisitorCommand {
    /// The widget connected (first or again). `identities` beyond the visitor's own were typed by him.
    Hello {
        account: String,
        name: Option<String>,
        identities: Vec<Identity>,
        page: Option<String>,
        locale: Option<String>,
    },
    /// Opens the session when there is none.
    Send {
        external_id: String,
        text: String,
        account: String,
    },
    Typing {
        on: bool,
    },
    Delivered {
        up_to: u64,
    },
    Read {
        up_to: u64,
    },
    /// Talk from the browser: the reply carries a one-time SIP credential.
    Talk,
    /// Phone me on this number.
    CallMe {
        phone: String,
    },
    /// The code that the operator told on the call.
    Code {
        code: String,
    },
    /// The customer closes the chat.
    Close,
    /// The last of his sockets went away. No reply.
    Gone,
}

/// From an operator's desk. Every command is answered by one `Output::Reply`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum AgentCommand {
    /// The desk is open somewhere (its event stream is connected). Text reachability hangs on it.
    #[serde(skip)]
    DeskOpened,
    #[serde(skip)]
    DeskClosed,
    SetStatus {
        status: AgentStatus,
    },
    /// Accept an offer. For a call it asks the ringing device to answer is not needed: the device answers itself (SIP 200).
    Accept {
        offer: model::OfferId,
    },
    Decline {
        offer: model::OfferId,
    },
    Send {
        session: SessionId,
        external_id: String,
        text: String,
    },
    Typing {
        session: SessionId,
        on: bool,
    },
    Read {
        session: SessionId,
        up_to: u64,
    },
    /// Ends the operator's call leg and the customer's: hangs up.
    HangUp {
        session: SessionId,
    },
    /// Escalate chat → call: phone the customer on this number (or his known one), and ring the operator.
    CallCustomer {
        session: SessionId,
        phone: Option<String>,
    },
    /// Escalate chat → call: invite the customer to talk from his browser (a button appears in his widget).
    InviteToTalk {
        session: SessionId,
    },
    /// Escalate call → chat: a short code (in the reply) that the customer types on the page.
    OfferChat {
        session: SessionId,
    },
    /// Closes the chat side; the session ends when nothing else is open.
    CloseChat {
        session: SessionId,
    },
    FinishWrapUp {
        session: SessionId,
        disposition: Option<String>,
        note: Option<String>,
    },
    SetCustomerName {
        session: SessionId,
        name: String,
    },
    /// Pause the recording, or let it go on: what is said in between is silence in it.
    PauseRecording {
        session: SessionId,
        paused: bool,
    },
    /// Asks somebody, by an operator's login, a queue or a phone number, while the customer waits with music. About a customer who
    /// writes it is my phone that rings first. `Aside` with false lets the customer in, `LeaveConference` hands him over, and
    /// `RemoveParty` ends it.
    Consult {
        session: SessionId,
        to: String,
    },
    /// The customer waits with music and hears nobody, or is talked to again.
    Aside {
        session: SessionId,
        aside: bool,
    },
    /// I go on with the call on another device: my other phones ring, or this number.
    MoveCall {
        session: SessionId,
        to: Option<String>,
    },
    /// Whoever is consulted joins the conversation with the customer.
    Conference {
        session: SessionId,
    },
    /// Calls somebody into the conversation: an operator's login, a queue (one of its operators who is free), or a phone number.
    AddParty {
        session: SessionId,
        to: String,
    },
    /// Hangs up one who was called into the conversation.
    RemoveParty {
        session: SessionId,
        leg: model::LegId,
    },
    /// Nobody hears the customer, or one who was called into the conversation.
    MuteParty {
        session: SessionId,
        leg: model::LegId,
        muted: bool,
    },
    /// The others go on without me.
    LeaveConference {
        session: SessionId,
    },
    /// A supervisor comes into the conversation, or is in it in another manner from now on. His phone is rung.
    #[serde(skip)]
    Supervise {
        session: SessionId,
        mode: model::Supervision,
    },
    #[serde(skip)]
    StopSupervising {
        session: SessionId,
    },
    /// The supervisor who is in the conversation serves the customer from now on, and whoever did is out of it.
    #[serde(skip)]
    TakeOver {
        session: SessionId,
    },
    /// Take a session that waits in one of my queues, whatever its place: it is offered to me.
    Pick {
        session: SessionId,
    },
    /// A supervisor gives an operator a session that waits.
    #[serde(skip)]
    Push {
        session: SessionId,
        to: AgentId,
    },
    /// Mute my own microphone toward customer and recording (the server's side of the mute key).
    Mute {
        session: SessionId,
        muted: bool,
    },
}

pub enum Output {
    /// What the SIP stack wants of the network, the store and the border; never an event.
    Sip(SipOutput),
    /// For another SIP stack: [`sip_core::shard::Shard::handle_order`].
    Order {
        shard: ShardId,
        order: Order,
    },
    /// The Call-ID of a call of this session.
    SipCall {
        session: SessionId,
        call_id: String,
    },
    /// How a voice leg was that has ended, and the trunk that it went through.
    Sounded {
        trunk: Option<String>,
        quality: Quality,
    },
    /// Answer to `AdminCommand::Inspect`.
    Inspected {
        request: RequestId,
        table: Table,
    },
    /// Answer to `AdminCommand::Trunks`, in the order of the configuration.
    Trunks {
        request: RequestId,
        states: Vec<TrunkState>,
    },
    Media(MediaCommand),
    /// Find the customer of these identities, or make him (also for an empty list); answered by `Input::Resolved`. The
    /// customer of the first identity that is known is taken; identities that nobody has yet are linked to him; those of
    /// other customers stay theirs.
    Resolve {
        request: RequestId,
        identities: Vec<(Identity, Evidence)>,
        name: Option<String>,
    },
    /// A flow wants to know something; answered by `Input::Outside`, always, and in bounded time.
    Outside {
        request: RequestId,
        session: SessionId,
        question: Question,
    },
    /// To be durable before any later `Reply`, `ToVisitor` or `ToAgent` is let out.
    Journal(Record),
    Reply {
        request: RequestId,
        result: Result<Reply, Refusal>,
    },
    ToVisitor {
        visitor: VisitorId,
        event: VisitorEvent,
    },
    /// `None`: everybody who is signed in to a console.
    ToAgent {
        agent: Option<AgentId>,
        event: AgentEvent,
    },
    Drained,
}

#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum Reply {
    Done,
    /// The message stands in the session's journal at `seq` (also for a repeat of one that stood there already).
    Accepted {
        session: SessionId,
        seq: u64,
        at: model::Timestamp,
    },
    /// The visitor's open session, if any.
    Welcome {
        session: Option<SessionId>,
        state: VisitorState,
    },
    CallToken {
        uri: String,
        username: String,
        password: String,
        expires_in_seconds: u64,
    },
    ChatCode {
        code: String,
        expires_in_seconds: u64,
    },
}

/// A command that was not carried out, for the one who gave it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Refusal {
    /// Stable and short, such as `not_yours`, `unknown_session`, `offer_over`, `too_long`.
    pub code: &'static str,
    pub message: String,
    /// The field that is wrong, when one is.
    pub field: Option<&'static str>,
}

/// What the widget is shown.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum VisitorEvent {
    Message {
        session: SessionId,
        seq: u64,
        at: model::Timestamp,
        message: Message,
    },
    /// The operator is writing.
    Typing {
        on: bool,
    },
    /// How far the operator has read.
    Read {
        up_to: u64,
    },
    State {
        session: Option<SessionId>,
        state: VisitorState,
    },
    /// The operator asks the customer to talk from the browser.
    TalkInvitation,
}

#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum VisitorState {
    /// No open session.
    Idle,
    /// With the flow.
    Flow,
    Waiting {
        position: usize,
    },
    With {
        name: String,
        in_call: bool,
    },
    Closed,
}

/// What the console is shown, beside REST.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum AgentEvent {
    /// The whole desk of this operator, whenever anything on it changed.
    Desk {
        desk: DeskView,
    },
    /// A journal entry of a session on this desk (and, for supervisors, of every session), after it became durable.
    Entry {
        entry: Entry,
    },
    Typing {
        session: SessionId,
        on: bool,
    },
    /// Queues and open sessions, at most once a second, to everybody.
    Floor {
        queues: Vec<QueueStatus>,
        sessions: Vec<SessionSummary>,
    },
}

/// Only used by tests and metrics: what is alive.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    pub sessions: usize,
    pub legs: usize,
    pub offers: usize,
    pub waiting: usize,
    pub pending_resolves: usize,
    /// Customers who are parked, and operators whom a colleague asks something.
    pub parked: usize,
    pub consulted: usize,
    pub sip: sip_core::api::Counts,
}

// The engine itself (see `engine.rs`):
//
// impl Engine {
//     pub fn new(now: Now, config: Config) -> Engine;
//     pub fn handle(&mut self, now: Now, input: Input);
//     pub fn handle_timeout(&mut self, now: Now);
//     pub fn poll_output(&mut self) -> Option<Output>;
//     pub fn poll_timeout(&self) -> Option<Instant>;
//     pub fn counts(&self) -> Counts;
// }
