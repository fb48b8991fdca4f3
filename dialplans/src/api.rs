//! What a running dialplan asks of the outside world and what it is told. One `Run` serves one session on one channel.

use std::time::Duration;

use model::{Button, QueueName};

/// Which way the customer is talking to the flow. Decides how verbs are carried out.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ChannelKind {
    Voice,
    Text,
}

/// What the run wants done, in order. An effect marked *waits* is followed by nothing until its `Input` came.
#[derive(Clone, PartialEq, Debug)]
pub enum Effect {
    /// Voice only. Waits for `Input::Answered`.
    Answer,
    /// Say something. Voice: play these prompts (file names) — waits for `Input::PlayingEnded`. Text: send `text`; does not wait.
    Say { text: String, prompts: Vec<String> },
    /// Voice only: play prompts or music; waits for `PlayingEnded` unless `music`.
    Play { prompts: Vec<String> },
    /// Voice: play `prompts`, then keys may come at any time (barge-in stops the prompts). Text: send `text` with `buttons`.
    /// Waits for `Input::Key`, `Input::Text` or `Input::TimedOut` (the run sets its own timer, see `Run::poll_timeout`).
    Ask { text: String, prompts: Vec<String>, buttons: Vec<Button> },
    /// Stop what is being played (a key barged in, a state was left).
    StopPlaying,
    /// Put the session into a queue; until `Input::Queue…` the run only speaks in between. Waits.
    /// Voice hears `music` from its start (the name of a music file).
    Queue { queue: QueueName, priority: i32, music: Option<String> },
    /// Said while waiting in the queue (`every … say`); voice: music goes on afterwards. Does not wait.
    Announce { text: String, prompts: Vec<String> },
    /// The session leaves the queue because the flow moves on (`after … -> state`).
    LeaveQueue,
    /// Voice only: to a number over a trunk, or to an operator by name. Waits for `Input::TransferEnded`.
    Transfer { to: TransferTarget },
    /// A value for the session's context (survives the run; operators see it).
    SetContext { key: String, value: String },
    /// Say goodbye (text: as a message; voice: prompts, waits for PlayingEnded) and end the session's turn in the flow.
    Close { text: Option<String>, prompts: Vec<String> },
    /// Voice: end the call. Text: end the chat. The run is over.
    Hangup,
    /// For the timeline: this verb in this state came to this outcome.
    Trace { state: String, verb: &'static str, outcome: String },
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TransferTarget {
    Number(String),
    Agent(String),
}

#[derive(Clone, PartialEq, Debug)]
pub enum Input {
    Answered,
    PlayingEnded,
    Key(char),
    /// A message, or the choice of a pressed button (`Button::choice`) — the run tries both.
    Text(String),
    /// An operator took it: the run is over (it resumes nothing).
    QueueAnswered,
    QueueFull,
    TransferEnded { connected: bool },
    /// The customer left: the run is over.
    HungUp,
}
