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
//! The steps are `expect …`, what the customer does (`key 2`, `type "…"`, `silence`, `hang up`, `wait 30s`) and what
//! happens to him (`operator answers`, `queue full`, `transfer fails`, `transfer connects`). An `expect` looks at what the
//! flow did since the last one, and passes over what does not fit.

mod runner;

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::DateTime;
use model::Timestamp;

pub use self::runner::{Coverage, TestReport, TestResult, run_tests};
use crate::api::{ChannelKind, Entry};
use crate::check::Checker;
use crate::diagnostic::{Code, Problem};
use crate::source::{At, Span};
use crate::syntax::cursor::{Cursor, Parse};
use crate::syntax::file::wrong_number;
use crate::syntax::lexer::Kind;
use crate::syntax::tree::Flow;
use crate::verb::key;

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
}

#[derive(Clone, Debug)]
enum Act {
    Expect(Expect),
    Key(char),
    Type(String),
    Silence,
    HangUp,
    Wait(Duration),
    OperatorAnswers,
    QueueFull,
    TransferConnects,
    TransferFails,
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
    Set {
        key: String,
        value: String,
    },
    State(At<String>),
    Hangup,
}

const ACTS: [&str; 9] = ["expect", "key", "type", "silence", "hang", "wait", "operator", "queue", "transfer"];

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
            && !flow.entries.iter().any(|entry| entry.value == self.entry(&to.value))
        {
            let message = format!("`{}` is no entry of the flow `{}`", to.value, flow.name.value);
            checker.problem(Problem::error(Code::BadTest, to.span, message));
        }
        for (known, _) in &self.with {
            match &known.value {
                Known::Customer(field) => checker.customer_field(field),
                Known::Session(key) => checker.context_key(&key.value, key.span),
                Known::Attribute(_) => {}
            }
        }
        for step in &self.steps {
            self.check_act(step, flow, checker);
        }
    }

    fn check_act(&self, step: &At<Act>, flow: &Flow, checker: &mut Checker<'_>) {
        let wrong = match (&step.value, self.channel.value) {
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
        "transfer" if cursor.eat_word("connects").is_some() => Act::TransferConnects,
        "transfer" => {
            cursor.expect_word("fails")?;
            Act::TransferFails
        }
        other => {
            let problem = Problem::error(Code::BadTest, span, format!("a test has no step `{other}`"));
            return Err(cursor.fail(problem.suggest(other, ACTS)));
        }
    })
}

fn expect(cursor: &mut Cursor<'_>) -> Parse<Expect> {
    let what = "what is expected: say, ask, close, play, queue, transfer, set, state or hangup";
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
        "transfer" => Expect::Transfer(cursor.name("a number or a login")?.value),
        "set" => {
            let key = cursor.word("the name of a value")?.value;
            cursor.expect(Kind::Equals, "`=`")?;
            Expect::Set { key, value: cursor.text("a text between quotes")?.value }
        }
        "state" => Expect::State(cursor.word("the name of a state")?),
        "hangup" => Expect::Hangup,
        other => {
            let known = ["say", "ask", "close", "play", "queue", "transfer", "set", "state", "hangup"];
            let problem = Problem::error(Code::BadTest, word.span, format!("`{other}` cannot be expected"));
            return Err(cursor.fail(problem.suggest(other, known)));
        }
    })
}
