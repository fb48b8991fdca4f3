//! The verbs. Each file holds one verb: what it means, how it is written, what is checked and how it runs. A new verb is
//! a file and its arms here.
//!
//! A verb runs in turns: `start` when the flow comes to it, `on_event` for whatever happens while it waits. It never
//! blocks and never acts by itself: it puts out effects and says what is `Next`.

mod answer;
mod ask;
mod asks;
mod close;
mod collect;
mod consent;
mod dial;
mod emergency;
mod goto;
mod hangup;
mod http;
mod invite;
mod language;
mod lookup;
mod offer;
mod outside;
mod play;
mod priority;
mod queue;
mod record;
mod say;
mod set;
mod survey;
mod tag;
mod task;
mod transfer;
mod unavailable;
mod voicemail;
mod when;
pub(crate) mod wording;

use model::Instant;

pub(crate) use self::ask::{Asking, key};
pub(crate) use self::collect::Collecting;
pub use self::emergency::is_switch;
pub(crate) use self::queue::Queued;
pub(crate) use self::tag::TAGS;
pub(crate) use self::unavailable::{argument_hint, is_unavailable};
pub(crate) use self::voicemail::Leaving;
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
    Collect(collect::Collect),
    Consent(consent::Consent),
    Survey(survey::Survey),
    Set(set::Set),
    When(when::When),
    Goto(goto::Goto),
    Emergency(emergency::Emergency),
    Tag(tag::Tag),
    Priority(priority::Priority),
    Language(language::Language),
    Task(task::Task),
    Http(http::Http),
    Lookup(lookup::Lookup),
    Queue(queue::Queue),
    Record(record::Record),
    Voicemail(voicemail::Voicemail),
    Invite(invite::Invite),
    Dial(dial::Dial),
    Transfer(transfer::Transfer),
    Close(close::Close),
    Hangup(hangup::Hangup),
}

/// The words that begin a verb; beside them there is `->`.
pub(crate) const NAMES: [&str; 24] = [
    "answer",
    "say",
    "play",
    "ask",
    "collect",
    "consent",
    "survey",
    "set",
    "when",
    "emergency",
    "tag",
    "priority",
    "language",
    "task",
    "http",
    "lookup",
    "queue",
    "record",
    "voicemail",
    "invite",
    "dial",
    "transfer",
    "close",
    "hangup",
];

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
        "collect" => collect::Collect::parse(cursor).map(Verb::Collect),
        "consent" => consent::Consent::parse(cursor).map(Verb::Consent),
        "survey" => survey::Survey::parse(cursor).map(Verb::Survey),
        "emergency" => emergency::Emergency::parse(cursor).map(Verb::Emergency),
        "tag" => tag::Tag::parse(cursor).map(Verb::Tag),
        "priority" => priority::Priority::parse(cursor).map(Verb::Priority),
        "language" => language::Language::parse(cursor).map(Verb::Language),
        "task" => task::Task::parse(cursor).map(Verb::Task),
        "http" => http::Http::parse(cursor).map(Verb::Http),
        "lookup" => lookup::Lookup::parse(cursor).map(Verb::Lookup),
        "voicemail" => voicemail::Voicemail::parse(cursor).map(Verb::Voicemail),
        "invite" => invite::Invite::parse(cursor).map(Verb::Invite),
        "dial" => dial::Dial::parse(cursor).map(Verb::Dial),
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
    Collecting(Collecting),
    Leaving(Leaving),
    Queued(Queued),
    /// `Input::TransferEnded`.
    Transferred,
    /// The same, until then at most.
    Dialling(Instant),
    /// What somebody outside says: `Input::HttpAnswered`, `LookedUp`, `Invited` …
    Outside,
}

impl Waiting {
    /// When the verb wants to hear `Event::Timeout`.
    pub fn deadline(&self) -> Option<Instant> {
        match self {
            Waiting::Asking(asking) => asking.deadline(),
            Waiting::Queued(queued) => queued.deadline(),
            Waiting::Collecting(collecting) => collecting.deadline(),
            Waiting::Leaving(leaving) => leaving.deadline(),
            Waiting::Dialling(until) => Some(*until),
            Waiting::Answered | Waiting::Played | Waiting::Transferred | Waiting::Outside => None,
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
            Verb::Collect(_) => "collect",
            Verb::Consent(_) => "consent",
            Verb::Survey(_) => "survey",
            Verb::Set(_) => "set",
            Verb::When(_) => "when",
            Verb::Goto(_) => "goto",
            Verb::Emergency(_) => "emergency",
            Verb::Tag(_) => "tag",
            Verb::Priority(_) => "priority",
            Verb::Language(_) => "language",
            Verb::Task(_) => "task",
            Verb::Http(_) => "http",
            Verb::Lookup(_) => "lookup",
            Verb::Queue(_) => "queue",
            Verb::Record(_) => "record",
            Verb::Voicemail(_) => "voicemail",
            Verb::Invite(_) => "invite",
            Verb::Dial(_) => "dial",
            Verb::Transfer(_) => "transfer",
            Verb::Close(_) => "close",
            Verb::Hangup(_) => "hangup",
        }
    }

    /// The keys of the session's context that the verb fills.
    pub fn sets(&self) -> Vec<&str> {
        match self {
            Verb::Ask(ask) => vec![&ask.name.value],
            Verb::Collect(collect) => collect.sets().into_iter().collect(),
            Verb::Consent(consent) => vec![consent.key()],
            Verb::Survey(survey) => vec![&survey.name.value],
            Verb::Set(set) => vec![&set.name.value],
            Verb::Tag(_) => vec![TAGS],
            Verb::Language(_) => vec![crate::run::LANGUAGE],
            Verb::Http(http) => http.sets().collect(),
            Verb::Lookup(lookup) => lookup.sets().collect(),
            Verb::Voicemail(_) => vec![voicemail::VOICEMAIL],
            Verb::Answer(_) | Verb::Say(_) | Verb::Play(_) | Verb::When(_) | Verb::Goto(_) => Vec::new(),
            Verb::Emergency(_) | Verb::Priority(_) | Verb::Task(_) | Verb::Queue(_) => Vec::new(),
            Verb::Record(_) | Verb::Invite(_) | Verb::Dial(_) | Verb::Transfer(_) => Vec::new(),
            Verb::Close(_) | Verb::Hangup(_) => Vec::new(),
        }
    }

    /// The value that it keeps in secret.
    pub fn hides(&self) -> Option<&str> {
        match self {
            Verb::Collect(collect) => collect.hides(),
            _ => None,
        }
    }

    /// The only values that the context key can have which the verb fills, when they are known.
    pub fn values(&self) -> Option<(&str, Vec<&str>)> {
        match self {
            Verb::Ask(ask) => Some((&ask.name.value, ask.values().collect())),
            Verb::Consent(consent) => Some((consent.key(), vec!["given", "refused"])),
            Verb::Survey(survey) => Some((&survey.name.value, survey.values().collect())),
            _ => None,
        }
    }

    /// The outcome whose handler also serves `outcome`.
    pub fn wider_outcome(&self, outcome: &str) -> Option<&'static str> {
        match self {
            Verb::Queue(_) if outcome == queue::FULL => Some(queue::OVERFLOW),
            // A queue may put somebody out whose flow has no more to say about it.
            Verb::Queue(_) if outcome == queue::OVERFLOW => Some(queue::FULL),
            Verb::Dial(_) if matches!(outcome, dial::BUSY | dial::NO_ANSWER) => Some(dial::FAILED),
            Verb::Http(_) if outcome == http::MISSING => Some(http::FAILED),
            _ => None,
        }
    }

    /// Checks everything within the verb for the channels on which the flow comes to it.
    pub fn check(&self, checker: &mut Checker<'_>, at: Span) {
        match self {
            Verb::Answer(_) | Verb::Hangup(_) | Verb::Goto(_) | Verb::Record(_) => {}
            Verb::Emergency(_) | Verb::Priority(_) => {}
            Verb::Say(say) => say.check(checker),
            Verb::Play(play) => play.check(checker, at),
            Verb::Ask(ask) => ask.check(checker),
            Verb::Collect(collect) => collect.check(checker),
            Verb::Consent(consent) => consent.check(checker),
            Verb::Survey(survey) => survey.check(checker),
            Verb::Set(set) => set.check(checker),
            Verb::When(when) => when.check(checker),
            Verb::Tag(tag) => tag.check(checker),
            Verb::Language(language) => language.check(checker),
            Verb::Task(task) => task.check(checker),
            Verb::Http(http) => http.check(checker),
            Verb::Lookup(lookup) => lookup.check(checker),
            Verb::Queue(queue) => queue.check(checker),
            Verb::Voicemail(voicemail) => voicemail.check(checker),
            Verb::Invite(invite) => invite.check(checker),
            Verb::Dial(dial) => dial.check(checker, at),
            Verb::Transfer(transfer) => transfer.check(checker, at),
            Verb::Close(close) => close.check(checker),
        }
    }

    pub fn shape(&self, channel: ChannelKind) -> Shape<'_> {
        match self {
            Verb::Answer(_) | Verb::Say(_) | Verb::Set(_) | Verb::Record(_) => Shape::PLAIN,
            Verb::Tag(_) | Verb::Priority(_) | Verb::Language(_) | Verb::Task(_) => Shape::PLAIN,
            Verb::Play(play) => play.shape(channel),
            Verb::Ask(ask) => ask.shape(channel),
            Verb::Collect(collect) => collect.shape(channel),
            Verb::Consent(consent) => consent.shape(channel),
            Verb::Survey(survey) => survey.shape(channel),
            Verb::When(when) => when.shape(channel),
            Verb::Goto(goto) => goto.shape(),
            Verb::Emergency(emergency) => emergency.shape(),
            Verb::Http(http) => http.shape(),
            Verb::Lookup(lookup) => lookup.shape(),
            Verb::Queue(queue) => queue.shape(),
            Verb::Voicemail(voicemail) => voicemail.shape(channel),
            Verb::Invite(invite) => invite.shape(channel),
            Verb::Dial(dial) => dial.shape(channel),
            Verb::Transfer(transfer) => transfer.shape(channel),
            Verb::Close(_) | Verb::Hangup(_) => Shape::ENDING,
        }
    }

    /// All states that the verb names, on whatever channel.
    pub fn targets(&self) -> Vec<&Target> {
        match self {
            Verb::Play(play) => play.targets(),
            Verb::Ask(ask) => ask.targets(),
            Verb::Collect(collect) => collect.targets(),
            Verb::Consent(consent) => consent.targets(),
            Verb::Survey(survey) => survey.targets(),
            Verb::When(when) => vec![&when.target],
            Verb::Goto(goto) => vec![&goto.target],
            Verb::Emergency(emergency) => emergency.targets(),
            Verb::Queue(queue) => queue.targets(),
            Verb::Dial(dial) => dial.targets(),
            Verb::Transfer(transfer) => transfer.targets(),
            Verb::Answer(_) | Verb::Say(_) | Verb::Set(_) | Verb::Record(_) => Vec::new(),
            Verb::Tag(_) | Verb::Priority(_) | Verb::Language(_) | Verb::Task(_) => Vec::new(),
            Verb::Http(_) | Verb::Lookup(_) | Verb::Voicemail(_) | Verb::Invite(_) => Vec::new(),
            Verb::Close(_) | Verb::Hangup(_) => Vec::new(),
        }
    }

    pub fn start<'p>(&'p self, turn: &mut Turn<'_>) -> Next<'p> {
        match self {
            Verb::Answer(answer) => answer.start(turn),
            Verb::Say(say) => say.start(turn),
            Verb::Play(play) => play.start(turn),
            Verb::Ask(ask) => ask.start(turn),
            Verb::Collect(collect) => collect.start(turn),
            Verb::Consent(consent) => consent.start(turn),
            Verb::Survey(survey) => survey.start(turn),
            Verb::Set(set) => set.start(turn),
            Verb::When(when) => when.start(turn),
            Verb::Goto(goto) => goto.start(turn),
            Verb::Emergency(emergency) => emergency.start(turn),
            Verb::Tag(tag) => tag.start(turn),
            Verb::Priority(priority) => priority.start(turn),
            Verb::Language(language) => language.start(turn),
            Verb::Task(task) => task.start(turn),
            Verb::Http(http) => http.start(turn),
            Verb::Lookup(lookup) => lookup.start(turn),
            Verb::Queue(queue) => queue.start(turn),
            Verb::Record(record) => record.start(turn),
            Verb::Voicemail(voicemail) => voicemail.start(turn),
            Verb::Invite(invite) => invite.start(turn),
            Verb::Dial(dial) => dial.start(turn),
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
            (Verb::Consent(consent), Waiting::Asking(asking)) => consent.on_event(asking, event, turn),
            (Verb::Survey(survey), Waiting::Asking(asking)) => survey.on_event(asking, event, turn),
            (Verb::Collect(collect), Waiting::Collecting(all)) => collect.on_event(all, event, turn),
            (Verb::Voicemail(voicemail), Waiting::Leaving(at)) => voicemail.on_event(at, event, turn),
            (Verb::Queue(queue), Waiting::Queued(queued)) => queue.on_event(queued, event, turn),
            (Verb::Http(http), waiting) => http.on_event(waiting, event, turn),
            (Verb::Lookup(lookup), waiting) => lookup.on_event(waiting, event, turn),
            (Verb::Invite(invite), waiting) => invite.on_event(waiting, event),
            (Verb::Dial(dial), Waiting::Dialling(until)) => dial.on_event(until, event, turn),
            (Verb::Transfer(transfer), waiting) => transfer.on_event(waiting, event, turn),
            (Verb::Close(close), waiting) => close.on_event(waiting, event, turn),
            // The others never wait, so no event finds them waiting.
            (_, waiting) => Next::Wait(waiting),
        }
    }
}
