//! What holds for every text and every plan, tried on random ones.

use std::sync::Arc;
use std::time::Duration;

use model::{Instant, Now, Timestamp};
use proptest::prelude::*;

use crate::api::{ChannelKind, Effect, Env, FlowRef, Found, Input, QueuePlace, Source, World};
use crate::diagnostic::render;
use crate::format::format;
use crate::plan::{Plan, assemble, compile};
use crate::run::{MAX_STEPS, Run};
use crate::scenario::run_tests;
use crate::syntax::lexer::{Kind, tokens};

const DEMO: &str = include_str!("../../config/dialplans/demo.plan");

/// Pieces that a text about flows is likely to be made of.
const PIECES: &[&str] = &[
    "flow",
    "f",
    "{",
    "}",
    "entry",
    "sip",
    "\"+7495\"",
    "chat",
    "\"main\"",
    ",",
    "state",
    "a",
    "b",
    "say",
    "\"hi {x}\"",
    "voice",
    "file",
    "text",
    "skip",
    "->",
    "ask",
    "timeout",
    "7s",
    "retries",
    "2",
    "key",
    "1",
    "words",
    "label",
    "on",
    "none",
    "queue",
    "support",
    "priority",
    "-",
    "every",
    "30s",
    "after",
    "2m",
    "overflow",
    "music",
    "when",
    "customer.name",
    "==",
    "hours(\"h\")",
    "set",
    "=",
    "(",
    ")",
    "[",
    "]",
    "'x'",
    "or",
    "in",
    "transfer",
    "operator",
    "close",
    "hangup",
    "answer",
    "play",
    "hours",
    "zone",
    "\"UTC\"",
    "mon",
    "fri",
    "09:00",
    "18:00",
    "except",
    "closed",
    "2027-01-01",
    "..",
    "test",
    "via",
    "from",
    "at",
    "with",
    "expect",
    "type",
    "silence",
    "collect",
    "kind",
    "phone",
    "secret",
    "consent",
    "survey",
    "scale",
    "tag",
    "task",
    "http",
    "get",
    "\"https://a/{x}\"",
    "lookup",
    "voicemail",
    "invite",
    "dial",
    "emergency",
    "language",
    "include",
    "part",
    "prices",
    "trunk",
    "1.20",
    "cheapest",
    "route",
    "\n",
    "\"",
    "'",
    "\\",
    "//",
    "#",
    "*",
    "ё",
    "\u{1F600}",
];

fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        prop::collection::vec(prop::sample::select(PIECES), 0..60).prop_map(|pieces| pieces.join(" ")),
        (0..DEMO.len(), 0..200_usize, prop::sample::select(PIECES))
            .prop_map(|(at, length, piece)| damaged(at, length, piece)),
    ]
}

/// The demo with a part of it replaced.
fn damaged(at: usize, length: usize, piece: &str) -> String {
    let boundary = |at: usize| (at..=DEMO.len()).find(|at| DEMO.is_char_boundary(*at)).unwrap_or(DEMO.len());
    let (from, to) = (boundary(at), boundary((at + length).min(DEMO.len())));
    format!("{}{piece}{}", &DEMO[..from], &DEMO[to..])
}

/// Expressions, sound and not.
fn expressions() -> impl Strategy<Value = String> {
    let parts = [
        "customer.name",
        "session.n",
        "queue.wait",
        "queue.position",
        "now",
        "call.to",
        "customer.attributes",
        "'a'",
        "1",
        "-1",
        "9223372036854775807",
        "1.5",
        "true",
        "null",
        "[1, 2]",
        "{'a': 1}",
        "==",
        "!=",
        "<",
        "+",
        "-",
        "*",
        "/",
        "%",
        "&&",
        "||",
        "!",
        "?",
        ":",
        "(",
        ")",
        "[",
        "]",
        ".",
        "in",
        "or",
        "minutes(",
        "size(",
        "int(",
        "string(",
        "duration('1h')",
        "timestamp(",
        "hours('h')",
        "matches(",
        "has(",
        "type(",
        "r'('",
        "\\",
        "{",
        "}",
        ",",
    ];
    prop::collection::vec(prop::sample::select(parts.to_vec()), 1..14).prop_map(|parts| parts.join(" "))
}

/// Statements that can be read, whatever the checks think of them.
fn statements() -> impl Strategy<Value = String> {
    let target = || prop::sample::select(vec!["a", "b", "c", "nowhere"]);
    let way = || prop::sample::select(vec!["", "{ voice file \"p\" }", "{ voice skip }", "{ text skip }"]);
    prop_oneof![
        Just("answer".to_owned()),
        Just("hangup".to_owned()),
        way().prop_map(|way| format!("say \"{{customer.name or 'x'}}\" {way}")),
        way().prop_map(|way| format!("close \"bye\" {way}")),
        target().prop_map(|target| format!("play \"p\" {{ text -> {target} }}")),
        target().prop_map(|target| format!("-> {target}")),
        target().prop_map(|target| format!("when int(session.n) > 3 -> {target}")),
        expressions().prop_map(|value| format!("set n = ({value})")),
        Just("set n = int(session.n) + 1 or 1".to_owned()),
        (target(), target(), 0..3).prop_map(|(one, two, retries)| format!(
            "ask n \"?\" timeout 1s retries {retries} {{ text timeout 1s voice file \"p\"\n 1st key 1\n yes key 2 words \"y\" }}\n on yes -> {one}\n on none -> {two}"
        ).replace("1st", "first")),
        (target(), target()).prop_map(|(one, two)| format!(
            "queue q {{ every 1s say \"{{queue.wait}}\" {{ voice file \"p\" }}\n after 3s -> {one}\n after 5s overflow }}\n on full {{ voice -> {two} }}"
        )),
        target().prop_map(|target| format!("transfer \"100\" {{ text -> {target} }}\n on failed -> {target}")),
        others(),
    ]
}

/// The verbs that ask further.
fn others() -> impl Strategy<Value = String> {
    let target = || prop::sample::select(vec!["a", "b", "c", "nowhere"]);
    let kind =
        prop::sample::select(vec!["", "kind phone", "kind digits 1 to 3 secret", "kind email retries 0"]);
    prop_oneof![
        (kind, target()).prop_map(|(kind, to)| format!(
            "collect m \"?\" {kind} {{ voice file \"p\" }}\n on none -> {to}"
        )),
        target().prop_map(|to| format!("consent recording \"?\" {{ voice file \"p\" }}\n on given -> {to}")),
        target().prop_map(|to| format!("survey s \"?\" scale 0 to 9 {{ voice file \"p\" }}\n on none -> {to}")),
        Just("voicemail \"?\" longest 2s { voice file \"p\" }".to_owned()),
        target().prop_map(|to| format!("dial \"{{session.m}}\" timeout 2s {{ text -> {to} }}\n on failed -> {to}")),
        target().prop_map(|to| format!(
            "http post \"https://example.com/{{session.m}}\" {{ body \"{{secret.m}}\"  set n = \"a\" }}\n on failed -> {to}"
        )),
        target().prop_map(|to| format!("lookup customer phone \"{{session.m}}\" {{ set n = \"name\" }}\n on missing -> {to}")),
        target().prop_map(|to| format!("invite call \"{{session.m}}\"\n on refused -> {to}")),
        target().prop_map(|to| format!("emergency -> {to}")),
        Just("tag \"x{session.n}\" task callback priority -100 language en".to_owned()),
        Just("record pause record resume record start".to_owned()),
    ]
}

fn plans() -> impl Strategy<Value = String> {
    let state = prop::collection::vec(statements(), 0..5).prop_map(|statements| statements.join("\n"));
    prop::collection::vec(state, 1..4).prop_map(|states| {
        let states: Vec<_> = states
            .iter()
            .zip(["a", "b", "c"])
            .map(|(body, name)| format!("state {name} {{\n{body}\n}}"))
            .collect();
        format!("flow f {{\nentry sip \"100\", chat \"main\"\n{}\n}}", states.join("\n"))
    })
}

#[derive(Clone, Debug)]
enum Happening {
    Input(Input),
    /// To the next timer, if there is one.
    Timer,
    Passing(Duration),
}

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    let inputs = vec![
        Input::Answered,
        Input::PlayingEnded,
        Input::Key('1'),
        Input::Key('9'),
        Input::Text("y".to_owned()),
        Input::Text(String::new()),
        Input::QueueFull,
        Input::QueueOverflow,
        Input::TransferEnded { connected: false },
        Input::HttpAnswered { status: 200, body: "{\"a\": 1}".to_owned() },
        Input::HttpAnswered { status: 404, body: String::new() },
        Input::HttpFailed { why: "x".to_owned() },
        Input::LookedUp { found: Some(Found::default()) },
        Input::LookedUp { found: None },
        Input::Invited { accepted: true },
        Input::Key('#'),
    ];
    let rare = vec![Input::QueueAnswered, Input::TransferEnded { connected: true }, Input::HungUp];
    let one = prop_oneof![
        12 => prop::sample::select(inputs).prop_map(Happening::Input),
        6 => Just(Happening::Timer),
        2 => (0..10_000_u64).prop_map(|millis| Happening::Passing(Duration::from_millis(millis))),
        1 => prop::sample::select(rare).prop_map(Happening::Input),
    ];
    prop::collection::vec(one, 0..60)
}

/// Whether a channel can do what is asked of it.
fn suits(effect: &Effect, channel: ChannelKind) -> bool {
    match (effect, channel) {
        (Effect::Answer | Effect::Play { .. } | Effect::StopPlaying, ChannelKind::Text) => false,
        (Effect::Transfer { .. } | Effect::CancelTransfer | Effect::Record(_), ChannelKind::Text) => false,
        (Effect::InviteCall { .. }, ChannelKind::Voice) => false,
        (Effect::Say { prompts, .. } | Effect::Ask { prompts, .. }, ChannelKind::Text) => prompts.is_empty(),
        (Effect::Announce { prompts, .. } | Effect::Close { prompts, .. }, ChannelKind::Text) => {
            prompts.is_empty()
        }
        (Effect::Ask { buttons, .. }, ChannelKind::Voice) => buttons.is_empty(),
        _ => true,
    }
}

/// Plays a plan that need not have passed its checks, and looks after each step whether the run still keeps its word.
fn play(plan: &Arc<Plan>, channel: ChannelKind, happenings: &[Happening]) -> Result<(), TestCaseError> {
    let mut now = Now::new(Instant::ZERO, Timestamp::from_micros(1_700_000_000_000_000));
    let mut env = Env::default();
    let mut run = Run::start(Arc::clone(plan), FlowRef(0), channel, now, &env);
    for happening in happenings {
        let mut effects = 0;
        while let Some(effect) = run.poll_effect() {
            effects += 1;
            prop_assert!(suits(&effect, channel), "{channel:?} cannot do {effect:?}");
            if let Effect::SetContext { key, value } = effect {
                env.session.insert(key, value);
            }
        }
        prop_assert!(effects <= 3 * MAX_STEPS as usize + 10, "{effects} effects at once");
        prop_assert_eq!(run.waiting().is_none(), run.is_over());
        if run.is_over() {
            prop_assert_eq!(run.poll_timeout(), None);
        }
        match happening {
            Happening::Input(input) => run.handle(now, input.clone(), &env),
            Happening::Timer => {
                if let Some(deadline) = run.poll_timeout() {
                    now = now.after(deadline.saturating_since(now.instant));
                    run.handle_timeout(now, &env);
                    prop_assert!(
                        run.poll_timeout().is_none_or(|next| next > now.instant),
                        "it wakes up for nothing"
                    );
                }
            }
            Happening::Passing(time) => {
                now = now.after(*time);
                run.handle_timeout(now, &env);
            }
        }
        env.queue = Some(QueuePlace { position: 1, waited: Duration::ZERO, estimated_wait: None });
    }
    Ok(())
}

fn world() -> World {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    World { queues: names(&["support"]), prompts: names(&["p"]), ..World::default() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_the_compiler_panic_and_every_mistake_has_a_place(text in texts()) {
        let sources = [Source::new("x.plan", text.clone())];
        if let Err(diagnostics) = compile(&sources, &world()) {
            prop_assert!(!diagnostics.is_empty());
            let lines = text.matches('\n').count() as u32 + 1;
            for diagnostic in &diagnostics {
                prop_assert!((1..=lines).contains(&diagnostic.line) && diagnostic.column >= 1);
                prop_assert!((diagnostic.end_line, diagnostic.end_column) >= (diagnostic.line, diagnostic.column));
            }
            render(&diagnostics, &sources, false);
        }
    }

    #[test]
    fn no_expression_makes_anything_panic(expression in expressions(), happenings in happenings()) {
        let text = format!("flow f {{ entry chat \"main\"\n state a {{ set n = {expression}\n say \"{{{}}}\"\n ask x \"?\" {{ y }}\n on y, none -> a }} }}",
            expression.replace('"', "'"));
        let sources = [Source::new("x.plan", text)];
        let (plan, _) = assemble(&sources, &world());
        play(&Arc::new(plan), ChannelKind::Text, &happenings)?;
    }

    #[test]
    fn no_plan_makes_a_run_panic_or_go_round_in_no_time(text in plans(), happenings in happenings(), voice in any::<bool>()) {
        let channel = if voice { ChannelKind::Voice } else { ChannelKind::Text };
        let (plan, _) = assemble(&[Source::new("x.plan", text)], &world());
        prop_assert_eq!(plan.flows.len(), 1);
        play(&Arc::new(plan), channel, &happenings)?;
    }

    #[test]
    fn a_formatted_text_means_the_same_keeps_its_comments_and_is_formatted(text in texts()) {
        let formatted = format(&text);
        prop_assert_eq!(&format(&formatted), &formatted);
        // Only white space differs, and what is on a line stays on one of its own.
        let words = |text: &str| -> Vec<(bool, String)> {
            let mut starts_line = true;
            let mut words = Vec::new();
            for token in tokens(text) {
                match token.kind {
                    Kind::Newline => starts_line = true,
                    Kind::Space => {}
                    _ => {
                        words.push((starts_line, text[token.start..token.end].trim_end().to_owned()));
                        starts_line = false;
                    }
                }
            }
            words
        };
        prop_assert_eq!(words(&formatted), words(&text));
    }

    #[test]
    fn tests_of_any_plan_come_to_an_end(text in plans(), steps in prop::collection::vec(prop::sample::select(vec![
        "key 1", "silence", "wait 10m", "queue full", "transfer fails", "keys \"12#\"", "http fails", "lookup finds nothing", "expect say \"*\"", "hang up", "operator answers",
    ]), 0..12)) {
        let test = format!("test \"t\" via sip {{\n{}\n}}\n}}", steps.join("\n"));
        let text = format!("{}{test}", text.strip_suffix('}').unwrap_or_default());
        let (plan, _) = assemble(&[Source::new("x.plan", text)], &world());
        let report = run_tests(&Arc::new(plan));
        prop_assert!(report.results.len() <= 1);
    }
}
