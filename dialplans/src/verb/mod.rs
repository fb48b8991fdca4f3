//! The verbs. Each file holds one verb: what it means, how it is written, what is checked and how it runs. A new verb is
//! a file and its arms here.
//!
//! A verb runs in turns: `start` when the flow comes to it, `on_event` for whatever happens while it waits. It never
//! blocks and never acts by itself: it puts out effects and says what is `Next`.

mod answer;
mod ask;
mod asks;
mod close;
mod goto;
mod hangup;
mod play;
mod queue;
mod record;
mod say;
mod set;
mod transfer;
mod unavailable;
mod when;
pub(crate) mod wording;

use model::Instant;

pub(crate) use self::ask::{Asking, key};
pub(crate) use self::queue::Queued;
pub(crate) use self::unavailable::{argument_hint, is_unavailable};
use crate::api::{ChannelKind, Input};
use crate::check::Checker;
use crate::run::Turn;
use crate::source::Span;
use crate::syntax::cursor::{Cursor, Parse};
use crate::syntax::tree::Target;

#[derive(Clone, Debug)]
pub(crate) enum Verb {
    Answer(answer::Answer),
    Say(say::Say),
    Play(play::Play),
    Ask(ask::Ask),
    Set(set::Set),
    When(when::When),
    Goto(goto::Goto),
    Queue(queue::Queue),
    Record(record::Record),
    Transfer(transfer::Transfer),
    Close(close::Close),
    Hangup(hangup::Hangup),
}

/// The words that begin a verb (`->` is the twelfth).
pub(crate) const NAMES: [&str; 11] =
    ["answer", "say", "play", "ask", "set", "when", "queue", "record", "transfer", "close", "hangup"];

/// Whether a word begins a verb of the language, available or not.
pub(crate) fn is_known(word: &str) -> bool {
    NAMES.contains(&word) || is_unavailable(word)
}

/// Reads a verb whose first word is current. `None`: no verb begins with it.
pub(crate) fn parse(cursor: &mut Cursor<'_>) -> Option<Parse<Verb>> {
    let verb = match cursor.slice() {
        "answer" => answer::Answer::parse(cursor).map(Verb::Answer),
        "say" => say::Say::parse(cursor).map(Verb::Say),
        "play" => play::Play::parse(cursor).map(Verb::Play),
        "ask" => ask::Ask::parse(cursor).map(Verb::Ask),
        "set" => set::Set::parse(cursor).map(Verb::Set),
        "when" => when::When::parse(cursor).map(Verb::When),
        "->" => goto::Goto::parse(cursor).map(Verb::Goto),
        "queue" => queue::Queue::parse(cursor).map(Verb::Queue),
        "record" => record::Record::parse(cursor).map(Verb::Record),
        "transfer" => transfer::Transfer::parse(cursor).map(Verb::Transfer),
        "close" => close::Close::parse(cursor).map(Verb::Close),
        "hangup" => hangup::Hangup::parse(cursor).map(Verb::Hangup),
        word if is_unavailable(word) => Err(unavailable::refuse(cursor)),
        _ => return None,
    };
    Some(verb)
}

/// What a verb waits for.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Waiting {
    /// `Input::Answered`; then the verb starts again.
    Answered,
    /// `Input::PlayingEnded`.
    Played,
    Asking(Asking),
    Queued(Queued),
    /// `Input::TransferEnded`.
    Transferred,
}

impl Waiting {
    /// When the verb wants to hear `Event::Timeout`.
    pub fn deadline(&self) -> Option<Instant> {
        match self {
            Waiting::Asking(asking) => asking.deadline(),
            Waiting::Queued(queued) => queued.deadline(),
            Waiting::Answered | Waiting::Played | Waiting::Transferred => None,
        }
    }
}

#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Event {
    Input(Input),
    Timeout,
}

/// How the flow goes on after a verb's turn.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Next<'p> {
    Continue,
    /// The same verb from its start.
    Again,
    Goto(&'p str),
    /// To wherever the `on` of the step says, or on with the next statement.
    Outcome(&'p str),
    Wait(Waiting),
    Over,
}

/// How a verb can go on, as the checker sees it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shape<'p> {
    /// States that the verb itself jumps to.
    pub jumps: Vec<Way<&'p Target>>,
    pub outcomes: Vec<Way<&'p str>>,
    /// Whether the next statement may follow without an outcome.
    pub goes_on: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Way<T> {
    pub to: T,
    /// Something is waited for on this way: the customer, an operator, a time. Talking is not waiting.
    pub waits: bool,
}

impl Shape<'_> {
    /// A verb that does its work and goes on.
    pub const PLAIN: Shape<'static> = Shape { jumps: Vec::new(), outcomes: Vec::new(), goes_on: true };
    /// A verb after which nothing comes.
    pub const ENDING: Shape<'static> = Shape { jumps: Vec::new(), outcomes: Vec::new(), goes_on: false };
}

impl Verb {
    pub fn name(&self) -> &'static str {
        match self {
            Verb::Answer(_) => "answer",
            Verb::Say(_) => "say",
            Verb::Play(_) => "play",
            Verb::Ask(_) => "ask",
            Verb::Set(_) => "set",
            Verb::When(_) => "when",
            Verb::Goto(_) => "goto",
            Verb::Queue(_) => "queue",
            Verb::Record(_) => "record",
            Verb::Transfer(_) => "transfer",
            Verb::Close(_) => "close",
            Verb::Hangup(_) => "hangup",
        }
    }

    /// The session's context key that the verb fills.
    pub fn sets(&self) -> Option<&str> {
        match self {
            Verb::Ask(ask) => Some(&ask.name.value),
            Verb::Set(set) => Some(&set.name.value),
            Verb::Answer(_) | Verb::Say(_) | Verb::Play(_) | Verb::When(_) | Verb::Goto(_) => None,
            Verb::Queue(_) | Verb::Record(_) | Verb::Transfer(_) | Verb::Close(_) | Verb::Hangup(_) => None,
        }
    }

    /// The outcome whose handler also serves `outcome`.
    pub fn wider_outcome(&self, outcome: &str) -> Option<&'static str> {
        match self {
            Verb::Queue(_) if outcome == queue::FULL => Some(queue::OVERFLOW),
            // A queue may put somebody out whose flow has no more to say about it.
            Verb::Queue(_) if outcome == queue::OVERFLOW => Some(queue::FULL),
            _ => None,
        }
    }

    /// Checks everything within the verb for the channels on which the flow comes to it.
    pub fn check(&self, checker: &mut Checker<'_>, at: Span) {
        match self {
            Verb::Answer(_) | Verb::Hangup(_) | Verb::Goto(_) | Verb::Record(_) => {}
            Verb::Say(say) => say.check(checker),
            Verb::Play(play) => play.check(checker, at),
            Verb::Ask(ask) => ask.check(checker),
            Verb::Set(set) => set.check(checker),
            Verb::When(when) => when.check(checker),
            Verb::Queue(queue) => queue.check(checker),
            Verb::Transfer(transfer) => transfer.check(checker, at),
            Verb::Close(close) => close.check(checker),
        }
    }

    pub fn shape(&self, channel: ChannelKind) -> Shape<'_> {
        match self {
            Verb::Answer(_) | Verb::Say(_) | Verb::Set(_) | Verb::Record(_) => Shape::PLAIN,
            Verb::Play(play) => play.shape(channel),
            Verb::Ask(ask) => ask.shape(channel),
            Verb::When(when) => when.shape(channel),
            Verb::Goto(goto) => goto.shape(),
            Verb::Queue(queue) => queue.shape(),
            Verb::Transfer(transfer) => transfer.shape(channel),
            Verb::Close(_) | Verb::Hangup(_) => Shape::ENDING,
        }
    }

    /// All states that the verb names, on whatever channel.
    pub fn targets(&self) -> Vec<&Target> {
        match self {
            Verb::Play(play) => play.targets(),
            Verb::Ask(ask) => ask.targets(),
            Verb::When(when) => vec![&when.target],
            Verb::Goto(goto) => vec![&goto.target],
            Verb::Queue(queue) => queue.targets(),
            Verb::Transfer(transfer) => transfer.targets(),
            Verb::Answer(_) | Verb::Say(_) | Verb::Set(_) | Verb::Record(_) => Vec::new(),
            Verb::Close(_) | Verb::Hangup(_) => Vec::new(),
        }
    }

    pub fn start<'p>(&'p self, turn: &mut Turn<'_>) -> Next<'p> {
        match self {
            Verb::Answer(answer) => answer.start(turn),
            Verb::Say(say) => say.start(turn),
            Verb::Play(play) => play.start(turn),
            Verb::Ask(ask) => ask.start(turn),
            Verb::Set(set) => set.start(turn),
            Verb::When(when) => when.start(turn),
            Verb::Goto(goto) => goto.start(turn),
            Verb::Queue(queue) => queue.start(turn),
            Verb::Record(record) => record.start(turn),
            Verb::Transfer(transfer) => transfer.start(turn),
            Verb::Close(close) => close.start(turn),
            Verb::Hangup(hangup) => hangup.start(turn),
        }
    }

    /// Something happened while the verb waited; one that does not concern it makes it wait on.
    pub fn on_event<'p>(&'p self, waiting: Waiting, event: Event, turn: &mut Turn<'_>) -> Next<'p> {
        if waiting == Waiting::Answered {
            return match event {
                Event::Input(Input::Answered) => Next::Again,
                Event::Input(_) | Event::Timeout => Next::Wait(waiting),
            };
        }
        match (self, waiting) {
            (Verb::Say(_) | Verb::Play(_), waiting) => wording::on_event(waiting, event, turn),
            (Verb::Ask(ask), Waiting::Asking(asking)) => ask.on_event(asking, event, turn),
            (Verb::Queue(queue), Waiting::Queued(queued)) => queue.on_event(queued, event, turn),
            (Verb::Transfer(transfer), waiting) => transfer.on_event(waiting, event, turn),
            (Verb::Close(close), waiting) => close.on_event(waiting, event, turn),
            // The others never wait, so no event finds them waiting.
            (_, waiting) => Next::Wait(waiting),
        }
    }
}
