//! Tests that stand in a flow and prove it before it is published.
//!
//! ```text
//! test "key two reaches support" via sip from "+79001112233" at "2026-11-23T10:00+03:00" with customer.name "Ivan" {
//!   expect say "Hello*"
//!   key 2
//!   expect queue support
//! }
//! ```
//!
//! The steps are `expect …`, what the customer does (`key 2`, `keys "1234#"`, `type "…"`, `silence`, `hang up`, `wait 30s`) and
//! what happens to him: `operator answers`, `queue full`; `transfer connects`, `fails`, `busy` or `unanswered`, `trunk down`;
//! `http answers 200 "{\"plan\": \"gold\"}"`, `http fails`; `lookup finds name "Ivan" sessions 3`, `lookup finds nothing`;
//! `invite accepted` or `refused`; `switch "fire" on` or `off`. An `expect` looks at what the flow did since the last one, and
//! passes over what does not fit.

mod runner;
mod simulator;
mod told;

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::DateTime;
use model::Timestamp;

pub use self::runner::{Coverage, TestReport, TestResult, run_tests};
pub use self::simulator::Simulator;
use crate::api::{ChannelKind, DialEnd, Entry, Found, RecordingAct};
use crate::check::Checker;
use crate::diagnostic::{Code, Problem};
use crate::source::{At, Span};
use crate::syntax::cursor::{Cursor, Parse};
use crate::syntax::file::wrong_number;
use crate::syntax::lexer::Kind;
use crate::syntax::tree::Flow;
use crate::verb::{TAGS, key};

/// The moment of tests that name none: Monday, 5 January 2026, 10:00 UTC.
const USUAL_MOMENT: Timestamp = Timestamp::from_micros(1_767_607_200_000_000);

#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub name: At<String>,
    channel: At<ChannelKind>,
    from: Option<At<String>>,
    to: Option<At<String>>,
    at: Timestamp,
    with: Vec<(At<Known>, String)>,
    steps: Vec<At<Act>>,
}

/// A value that is there before the flow begins.
#[derive(Clone, Debug)]
enum Known {
    Customer(At<String>),
    Attribute(String),
    Session(At<String>),
    /// A switch for emergencies that is on.
    Switch,
}

#[derive(Clone, Debug)]
enum Act {
    Expect(Expect),
    Key(char),
    Keys(String),
    Type(String),
    Silence,
    HangUp,
    Wait(Duration),
    OperatorAnswers,
    QueueFull,
    /// What becomes of the callback that was asked for.
    Callback(bool),
    TransferConnects,
    TransferFails(DialEnd),
    HttpAnswers(u16, String),
    HttpFails,
    LookupFinds(Option<Found>),
    Invite(bool),
    Switch(String, bool),
}

#[derive(Clone, Debug)]
enum Expect {
    /// Anything said: by say, ask, close or in the queue. `*` stands for any text.
    Say(String),
    Ask(String),
    Close(Option<String>),
    Play(String),
    Queue {
        name: String,
        priority: Option<i32>,
    },
    Transfer(String),
    Http(String),
    Lookup(Option<String>),
    Task(String),
    Invite(String),
    Record(RecordingAct),
    Answer,
    Set {
        key: String,
        value: String,
    },
    State(At<String>),
    Hangup,
}

const ACTS: [&str; 15] = [
    "expect", "key", "keys", "type", "silence", "hang", "wait", "operator", "queue", "transfer", "trunk",
    "http", "lookup", "invite", "switch",
];

impl Scenario {
    pub fn parse(cursor: &mut Cursor<'_>) -> Parse<Scenario> {
        cursor.bump();
        let name = cursor.text("the name of the test between quotes")?;
        cursor.expect_word("via")?;
        let word = cursor.word("a channel: `sip` or `chat`")?;
        let channel = match word.value.as_str() {
            "sip" => ChannelKind::Voice,
            "chat" => ChannelKind::Text,
            other => {
                let message = format!("there is no channel `{other}` for tests");
                let problem = Problem::error(Code::UnknownChannel, word.span, message);
                return Err(cursor.fail(problem.suggest(other, ["sip", "chat"])));
            }
        };
        let channel = At::new(channel, word.span);
        let mut scenario = Scenario {
            name,
            channel,
            from: None,
            to: None,
            at: USUAL_MOMENT,
            with: Vec::new(),
            steps: Vec::new(),
        };
        loop {
            if cursor.eat_word("from").is_some() {
                scenario.from = Some(cursor.text("a number between quotes")?);
            } else if cursor.eat_word("to").is_some() {
                scenario.to = Some(cursor.text("a number between quotes")?);
            } else if cursor.eat_word("at").is_some() {
                scenario.at = moment(cursor)?;
            } else if cursor.eat_word("with").is_some() {
                scenario.with = cursor.list(known)?;
            } else {
                break;
            }
        }
        if cursor.kind() != Kind::OpenBrace {
            return Err(cursor.expected("`from`, `to`, `at`, `with` or `{`"));
        }
        // Steps that cannot be read are told; the others are worth checking.
        let _ = cursor.block("this test", |cursor| {
            let start = cursor.span();
            let act = act(cursor)?;
            scenario.steps.push(At::new(act, start.to(cursor.last_span())));
            Ok(())
        });
        Ok(scenario)
    }

    pub fn check(&self, flow: &Flow, channels: &BTreeSet<ChannelKind>, checker: &mut Checker<'_>) {
        let kind = self.channel.value;
        if !channels.contains(&kind) && !channels.is_empty() {
            let what = match kind {
                ChannelKind::Voice => "callers",
                ChannelKind::Text => "chats",
            };
            let message = format!("the flow `{}` has no entry for {what}", flow.name.value);
            checker.problem(Problem::error(Code::BadTest, self.channel.span, message));
        }
        if let (Some(from), ChannelKind::Voice) = (&self.from, kind)
            && let Some(problem) = wrong_number(from)
        {
            checker.problem(problem);
        }
        if let Some(to) = &self.to
            && !self.reaches(&to.value, flow)
        {
            let message = format!("`{}` is no entry of the flow `{}`", to.value, flow.name.value);
            checker.problem(Problem::error(Code::BadTest, to.span, message));
        }
        for (known, _) in &self.with {
            match &known.value {
                Known::Customer(field) => checker.customer_field(field),
                Known::Session(key) => checker.context_key(&key.value, key.span),
                Known::Attribute(_) | Known::Switch => {}
            }
        }
        for step in &self.steps {
            self.check_act(step, flow, checker);
        }
    }

    fn check_act(&self, step: &At<Act>, flow: &Flow, checker: &mut Checker<'_>) {
        let wrong = match (&step.value, self.channel.value) {
            (Act::Keys(keys), ChannelKind::Text) => {
                format!("there are no keys in a chat: write type \"{keys}\"")
            }
            (Act::Key(key), ChannelKind::Text) => {
                format!("there are no keys in a chat: write type \"{key}\"")
            }
            (Act::Type(_), ChannelKind::Voice) => "callers cannot type: write `key`".to_owned(),
            (Act::Expect(Expect::State(state)), _) if flow.state(&state.value).is_none() => {
                let message = format!("there is no state `{}`", state.value);
                let states = flow.states.iter().map(|state| state.name.value.as_str());
                let problem = Problem::error(Code::UnknownState, state.span, message);
                return checker.problem(problem.suggest(&state.value, states));
            }
            _ => return,
        };
        checker.problem(Problem::error(Code::BadTest, step.span, wrong));
    }

    fn entry(&self, address: &str) -> Entry {
        match self.channel.value {
            ChannelKind::Voice => Entry::Sip(address.to_owned()),
            ChannelKind::Text => Entry::Chat(address.to_owned()),
        }
    }

    /// Whether a flow with these entries can be called on that address.
    fn reaches(&self, address: &str, flow: &Flow) -> bool {
        let wanted = self.entry(address);
        flow.entries.iter().any(|entry| match (&entry.value, &wanted) {
            (Entry::Sip(pattern), Entry::Sip(number)) if pattern.ends_with('*') => {
                number.starts_with(pattern.trim_end_matches('*'))
            }
            (known, wanted) => known == wanted,
        })
    }
}

/// `"2026-11-23T10:00+03:00"`, seconds may be left out.
fn moment(cursor: &mut Cursor<'_>) -> Parse<Timestamp> {
    let text = cursor.text("a moment such as \"2026-11-23T10:00+03:00\"")?;
    let value = text.value.as_str();
    let parsed =
        DateTime::parse_from_rfc3339(value).or_else(|_| DateTime::parse_from_str(value, "%Y-%m-%dT%H:%M%:z"));
    parsed.map(|time| Timestamp::from_micros(time.timestamp_micros())).map_err(|_| {
        let message = format!("`{value}` is not a moment");
        cursor.fail(Problem::error(Code::BadTest, text.span, message).hint("write 2026-11-23T10:00+03:00"))
    })
}

/// `customer.name "Ivan"`
fn known(cursor: &mut Cursor<'_>) -> Parse<(At<Known>, String)> {
    let what = "a value such as customer.name \"Ivan\"";
    if let Some(span) = cursor.eat_word("switch") {
        let name = cursor.name("the name of the switch")?;
        return Ok((At::new(Known::Switch, span), name.value));
    }
    let root = cursor.word(what)?;
    cursor.expect(Kind::Dot, what)?;
    let field = cursor.word(what)?;
    let span: Span = root.span.to(field.span);
    let known = match (root.value.as_str(), field.value.as_str()) {
        ("customer", "attributes") => {
            cursor.expect(Kind::Dot, "`.` and the name of an attribute")?;
            Known::Attribute(cursor.word("the name of an attribute")?.value)
        }
        ("customer", _) => Known::Customer(field),
        ("session", _) => Known::Session(field),
        _ => {
            let problem =
                Problem::error(Code::BadTest, span, "only values of `customer` and `session` can be given");
            return Err(cursor.fail(problem));
        }
    };
    let value = cursor.text("its value between quotes")?;
    Ok((At::new(known, span), value.value))
}

fn act(cursor: &mut Cursor<'_>) -> Parse<Act> {
    let span = cursor.span();
    let word = cursor.word("a step of the test, such as `expect` or `key`")?;
    Ok(match word.value.as_str() {
        "expect" => Act::Expect(expect(cursor)?),
        "key" => Act::Key(key(cursor)?.value),
        "keys" => {
            let keys = cursor.text("keys between quotes, such as \"1234#\"")?;
            let known = |c: char| matches!(c, '0'..='9' | '*' | '#' | 'A'..='D');
            if keys.value.is_empty() || !keys.value.chars().all(known) {
                let message = format!("`{}` are not keys", keys.value);
                return Err(cursor.fail(Problem::error(Code::BadKey, keys.span, message)));
            }
            Act::Keys(keys.value)
        }
        "type" => Act::Type(cursor.text("what is typed between quotes")?.value),
        "silence" => Act::Silence,
        "hang" => {
            cursor.expect_word("up")?;
            Act::HangUp
        }
        "wait" => Act::Wait(cursor.duration()?.value),
        "operator" => {
            cursor.expect_word("answers")?;
            Act::OperatorAnswers
        }
        "queue" => {
            cursor.expect_word("full")?;
            Act::QueueFull
        }
        "callback" if cursor.eat_word("promised").is_some() => Act::Callback(true),
        "callback" if cursor.eat_word("refused").is_some() => Act::Callback(false),
        "transfer" if cursor.eat_word("connects").is_some() => Act::TransferConnects,
        "transfer" if cursor.eat_word("busy").is_some() => Act::TransferFails(DialEnd::Busy),
        "transfer" if cursor.eat_word("unanswered").is_some() => Act::TransferFails(DialEnd::NoAnswer),
        "transfer" if cursor.eat_word("fails").is_some() => Act::TransferFails(DialEnd::Failed),
        "transfer" => return Err(cursor.expected("`connects`, `fails`, `busy` or `unanswered`")),
        "trunk" => {
            cursor.expect_word("down")?;
            Act::TransferFails(DialEnd::Failed)
        }
        "http" if cursor.eat_word("fails").is_some() => Act::HttpFails,
        "http" => {
            cursor.expect_word("answers")?;
            let status = cursor.integer("a status such as 200")?;
            let Some(code) = u16::try_from(status.value).ok().filter(|code| (100..600).contains(code)) else {
                let problem = Problem::error(Code::BadNumber, status.span, "a status is from 100 to 599");
                return Err(cursor.fail(problem));
            };
            let body = match cursor.kind() {
                Kind::Text | Kind::Unterminated => cursor.text("the answer between quotes")?.value,
                _ => String::new(),
            };
            Act::HttpAnswers(code, body)
        }
        "lookup" => {
            cursor.expect_word("finds")?;
            Act::LookupFinds(found(cursor)?)
        }
        "invite" if cursor.eat_word("accepted").is_some() => Act::Invite(true),
        "invite" => {
            cursor.expect_word("refused")?;
            Act::Invite(false)
        }
        "switch" => {
            let name = cursor.name("the name of the switch")?;
            let on = cursor.eat_word("on").is_some();
            if !on {
                cursor.expect_word("off")?;
            }
            Act::Switch(name.value, on)
        }
        other => {
            let problem = Problem::error(Code::BadTest, span, format!("a test has no step `{other}`"));
            return Err(cursor.fail(problem.suggest(other, ACTS)));
        }
    })
}

/// `nothing`, or `name "Ivan" phone "+7…" email "…" sessions 3`, each if it is there.
fn found(cursor: &mut Cursor<'_>) -> Parse<Option<Found>> {
    if cursor.eat_word("nothing").is_some() {
        return Ok(None);
    }
    let mut found = Found::default();
    let mut any = false;
    loop {
        let slot = match cursor.slice() {
            "name" => &mut found.name,
            "phone" => &mut found.phone,
            "email" => &mut found.email,
            "sessions" => {
                cursor.bump();
                let sessions = cursor.integer("how often he was here")?;
                found.sessions = u32::try_from(sessions.value).unwrap_or(0);
                any = true;
                continue;
            }
            _ if any => return Ok(Some(found)),
            _ => return Err(cursor.expected("`nothing`, `name`, `phone`, `email` or `sessions`")),
        };
        cursor.bump();
        *slot = Some(cursor.text("its value between quotes")?.value);
        any = true;
    }
}

fn expect(cursor: &mut Cursor<'_>) -> Parse<Expect> {
    let what = "what is expected: say, ask, close, play, queue, transfer, dial, http, lookup, task, invite, record, tag, set, \
                state, answer or hangup";
    let word = cursor.word(what)?;
    Ok(match word.value.as_str() {
        "say" => Expect::Say(cursor.text("a text between quotes")?.value),
        "ask" => Expect::Ask(cursor.text("a text between quotes")?.value),
        "close" if cursor.kind() == Kind::Text => Expect::Close(Some(cursor.text("a text")?.value)),
        "close" => Expect::Close(None),
        "play" => Expect::Play(cursor.text("the name of a prompt between quotes")?.value),
        "queue" => {
            let name = cursor.name("the name of a queue")?.value;
            let priority = match cursor.eat_word("priority") {
                Some(_) => Some(cursor.integer("a number")?.value),
                None => None,
            };
            Expect::Queue { name, priority }
        }
        "transfer" | "dial" => Expect::Transfer(cursor.name("a number or a login")?.value),
        "http" => Expect::Http(cursor.text("the address between quotes")?.value),
        "lookup" => Expect::Lookup(match cursor.kind() {
            Kind::Text => Some(cursor.text("what is looked up")?.value),
            _ => None,
        }),
        "task" => Expect::Task(cursor.word("the kind of the task")?.value),
        "invite" => Expect::Invite(cursor.text("the number between quotes")?.value),
        "tag" => Expect::Set { key: TAGS.to_owned(), value: cursor.text("the tags between quotes")?.value },
        "answer" => Expect::Answer,
        "record" => {
            let act = match cursor.slice() {
                "start" => RecordingAct::Start,
                "stop" => RecordingAct::Stop,
                "pause" => RecordingAct::Pause,
                "resume" => RecordingAct::Resume,
                _ => return Err(cursor.expected("`start`, `stop`, `pause` or `resume`")),
            };
            cursor.bump();
            Expect::Record(act)
        }
        "set" => {
            let key = cursor.word("the name of a value")?.value;
            cursor.expect(Kind::Equals, "`=`")?;
            Expect::Set { key, value: cursor.text("a text between quotes")?.value }
        }
        "state" => Expect::State(cursor.word("the name of a state")?),
        "hangup" => Expect::Hangup,
        other => {
            let known = [
                "say", "ask", "close", "play", "queue", "transfer", "dial", "http", "lookup", "task",
                "invite", "record", "tag", "set", "state", "answer", "hangup",
            ];
            let problem = Problem::error(Code::BadTest, word.span, format!("`{other}` cannot be expected"));
            return Err(cursor.fail(problem.suggest(other, known)));
        }
    })
}
