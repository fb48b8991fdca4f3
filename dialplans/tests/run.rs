//! The interpreter as the session engine uses it.

use std::sync::Arc;
use std::time::Duration;

use dialplans::api::{ChannelKind, Customer, Effect, Entry, Env, Input, QueuePlace, Source, World};
use dialplans::{MAX_STEPS, Plan, Run, compile, render};
use model::{Button, Instant, Now, QueueName, Timestamp};

const MENU: &str = r#"
flow f {
  entry sip "100", chat "main"
  state start {
    say "Hello, {customer.name or 'friend'}" { voice file "hello" }
    play "wait" { text skip }
    ask topic "Which?" timeout 5s retries 1 {
      voice file "menu"
      text timeout 2m
      sales   key 1 words "buy" label "Sales"
      support key 2 words "help"
    }
    on sales, support -> q
    on none -> bye
  }
  state q {
    queue support priority 7 {
      voice music "hold"
      every 30s say "Number {queue.position}" { voice file "wait" }
      after 2m -> bye
    }
    on overflow -> bye
  }
  state bye { close "Bye" { voice file "bye" } }
}
"#;

fn world() -> World {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    World {
        queues: names(&["support"]),
        prompts: names(&["hello", "menu", "wait", "bye"]),
        music: names(&["hold"]),
        ..World::default()
    }
}

fn plan(text: &str) -> Arc<Plan> {
    let sources = [Source::new("f.plan", text)];
    match compile(&sources, &world()) {
        Ok(plan) => Arc::new(plan),
        Err(diagnostics) => panic!("{}", render(&diagnostics, &sources, false)),
    }
}

/// A run and its clock; effects come without traces.
struct Session {
    run: Run,
    now: Now,
    env: Env,
}

impl Session {
    fn start(plan: &Arc<Plan>, channel: ChannelKind) -> Session {
        let now = Now::new(Instant::from_micros(1_000_000), Timestamp::from_micros(1_700_000_000_000_000));
        let entry = match channel {
            ChannelKind::Voice => Entry::Sip("100".into()),
            ChannelKind::Text => Entry::Chat("main".into()),
        };
        let flow = plan.entry(&entry).expect("an entry");
        let env = Env::default();
        Session { run: Run::start(Arc::clone(plan), flow, channel, now, &env), now, env }
    }

    fn effects(&mut self) -> Vec<Effect> {
        let all = std::iter::from_fn(|| self.run.poll_effect());
        all.filter(|effect| !matches!(effect, Effect::Trace { .. })).collect()
    }

    fn input(&mut self, input: Input) -> Vec<Effect> {
        self.run.handle(self.now, input, &self.env);
        self.effects()
    }

    fn pass(&mut self, time: Duration) -> Vec<Effect> {
        self.now = self.now.after(time);
        self.run.handle_timeout(self.now, &self.env);
        self.effects()
    }

    fn timeout_in(&self) -> Option<Duration> {
        self.run.poll_timeout().map(|at| at.saturating_since(self.now.instant))
    }
}

fn prompts(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn asked() -> Effect {
    Effect::Ask { text: "Which?".into(), prompts: prompts(&["menu"]), buttons: Vec::new() }
}

fn queued() -> Effect {
    Effect::Queue {
        queue: QueueName::new("support"),
        priority: 7,
        music: Some("hold".into()),
        asks: Default::default(),
    }
}

fn topic(value: &str) -> Effect {
    Effect::SetContext { key: "topic".into(), value: value.into() }
}

/// A caller who has heard everything up to the question.
fn caller_at_the_question() -> Session {
    let mut session = Session::start(&plan(MENU), ChannelKind::Voice);
    assert_eq!(session.effects(), [Effect::Answer]);
    let hello = Effect::Say { text: "Hello, friend".into(), prompts: prompts(&["hello"]) };
    assert_eq!(session.input(Input::Answered), [hello]);
    assert_eq!(session.input(Input::PlayingEnded), [Effect::Play { prompts: prompts(&["wait"]) }]);
    assert_eq!(session.input(Input::PlayingEnded), [asked()]);
    session
}

#[test]
fn call_is_answered_once_and_every_prompt_waits_for_the_one_before() {
    let mut session = caller_at_the_question();
    assert_eq!(session.input(Input::Key('2')), [Effect::StopPlaying, topic("support"), queued()]);
    assert_eq!(session.run.state(), "q");
    assert_eq!(session.run.flow_name(), "f");
}

#[test]
fn time_to_answer_begins_when_the_prompt_has_ended() {
    let mut session = caller_at_the_question();
    assert_eq!(session.timeout_in(), None);
    session.pass(Duration::from_secs(60));
    assert!(session.input(Input::PlayingEnded).is_empty());
    assert_eq!(session.timeout_in(), Some(Duration::from_secs(5)));
    assert!(session.pass(Duration::from_millis(4_999)).is_empty());
    assert_eq!(session.pass(Duration::from_millis(1)), [asked()], "asked again");
    session.input(Input::PlayingEnded);
    let bye = Effect::Close { text: Some("Bye".into()), prompts: prompts(&["bye"]) };
    assert_eq!(session.pass(Duration::from_secs(5)), [bye]);
    assert_eq!(session.input(Input::PlayingEnded), [Effect::Hangup]);
    assert!(session.run.is_over());
}

#[test]
fn key_after_the_prompt_stops_nothing() {
    let mut session = caller_at_the_question();
    session.input(Input::PlayingEnded);
    assert_eq!(session.input(Input::Key('1')), [topic("sales"), queued()]);
}

#[test]
fn keys_pressed_ahead_cut_the_greeting_short_and_answer_the_question() {
    let mut session = Session::start(&plan(MENU), ChannelKind::Voice);
    session.effects();
    session.input(Input::Answered);
    let after_key = session.input(Input::Key('2'));
    assert_eq!(after_key, [Effect::StopPlaying, Effect::Play { prompts: prompts(&["wait"]) }]);
    assert_eq!(session.input(Input::PlayingEnded), [topic("support"), queued()]);
}

#[test]
fn wrong_key_pressed_ahead_does_not_count_as_a_try() {
    let mut session = Session::start(&plan(MENU), ChannelKind::Voice);
    session.effects();
    session.input(Input::Answered);
    session.input(Input::Key('9'));
    assert_eq!(session.input(Input::PlayingEnded), [asked()]);
    assert_eq!(session.input(Input::Key('9')), [Effect::StopPlaying, asked()], "the only retry");
    assert_eq!(session.input(Input::Key('1')), [Effect::StopPlaying, topic("sales"), queued()]);
}

#[test]
fn chat_gets_texts_and_buttons_without_waiting_for_anything_but_an_answer() {
    let mut session = Session::start(&plan(MENU), ChannelKind::Text);
    let buttons = vec![
        Button { choice: "sales".into(), label: "Sales".into() },
        Button { choice: "support".into(), label: "Help".into() },
    ];
    assert_eq!(
        session.effects(),
        [
            Effect::Say { text: "Hello, friend".into(), prompts: Vec::new() },
            Effect::Ask { text: "Which?".into(), prompts: Vec::new(), buttons },
        ]
    );
    assert_eq!(session.timeout_in(), Some(Duration::from_secs(120)));
    assert_eq!(session.input(Input::Text("I need HELP".into())), [topic("support"), queued()]);
}

#[test]
fn inputs_that_do_not_fit_change_nothing() {
    let mut session = caller_at_the_question();
    let odd = [
        Input::Answered,
        Input::Text("buy".into()),
        Input::QueueAnswered,
        Input::QueueFull,
        Input::QueueOverflow,
        Input::TransferEnded { connected: true },
    ];
    for input in odd {
        assert!(session.input(input).is_empty());
    }
    assert_eq!(session.run.state(), "start");
    session.input(Input::Key('1'));
    assert!(session.input(Input::PlayingEnded).is_empty());
    assert!(session.input(Input::Key('1')).is_empty());
    assert_eq!(session.run.state(), "q");
}

#[test]
fn waiting_customer_is_told_his_place_of_that_moment() {
    let mut session = caller_at_the_question();
    session.input(Input::Key('1'));
    for position in [3, 2] {
        let waited = Duration::from_secs(30);
        session.env.queue = Some(QueuePlace { position, waited, estimated_wait: None });
        let text = format!("Number {position}");
        assert_eq!(session.pass(waited), [Effect::Announce { text, prompts: prompts(&["wait"]) }]);
    }
    let left = session.pass(Duration::from_secs(60));
    let bye = Effect::Close { text: Some("Bye".into()), prompts: prompts(&["bye"]) };
    assert_eq!(left, [Effect::LeaveQueue, bye]);
}

#[test]
fn late_wake_up_announces_once() {
    let mut session = caller_at_the_question();
    session.input(Input::Key('1'));
    assert_eq!(session.pass(Duration::from_secs(95)).len(), 1);
    assert_eq!(session.timeout_in(), Some(Duration::from_secs(25)), "the two minutes");
}

#[test]
fn run_is_over_when_an_operator_takes_it() {
    let mut session = caller_at_the_question();
    session.input(Input::Key('1'));
    assert!(session.input(Input::QueueAnswered).is_empty());
    assert!(session.run.is_over());
    assert_eq!(session.run.poll_timeout(), None);
    assert!(session.pass(Duration::from_secs(600)).is_empty());
}

#[test]
fn customer_may_leave_at_any_moment() {
    for inputs in 0..5 {
        let mut session = Session::start(&plan(MENU), ChannelKind::Voice);
        let script = [Input::Answered, Input::PlayingEnded, Input::PlayingEnded, Input::Key('1')];
        for input in script.into_iter().take(inputs) {
            session.input(input);
        }
        session.effects();
        session.run.handle(session.now, Input::HungUp, &session.env);
        assert!(session.run.is_over());
        assert_eq!(session.run.poll_timeout(), None);
        let trace = session.run.poll_effect();
        assert!(matches!(&trace, Some(Effect::Trace { outcome, .. }) if outcome == "hung up"), "{trace:?}");
        assert!(session.input(Input::HungUp).is_empty(), "said once");
        assert_eq!(session.run.poll_effect(), None);
    }
}

#[test]
fn hanging_up_at_once_refuses_the_call_unanswered() {
    let mut session =
        Session::start(&plan("flow f { entry sip \"100\" state s { hangup } }"), ChannelKind::Voice);
    assert_eq!(session.effects(), [Effect::Hangup]);
    assert!(session.run.is_over());
}

#[test]
fn flow_that_goes_round_as_fast_as_the_world_answers_ends_with_an_error() {
    // A full queue answers at once, and so does this world; time stands still.
    let text = "flow f { entry chat \"main\" state a { ask x \"?\" { b } on b, none -> a } }";
    let mut session = Session::start(&plan(text), ChannelKind::Text);
    let mut rounds = 0;
    while !session.run.is_over() {
        session.input(Input::Text("b".into()));
        rounds += 1;
        assert!(rounds <= MAX_STEPS, "never ends");
    }
    assert_eq!(rounds, MAX_STEPS);
    let mut patient = Session::start(&plan(text), ChannelKind::Text);
    for _ in 0..2 * MAX_STEPS {
        patient.pass(Duration::from_millis(1));
        patient.input(Input::Text("b".into()));
    }
    assert!(!patient.run.is_over(), "time passes");
}

#[test]
fn run_keeps_its_version_whatever_is_published_later() {
    let old = plan(MENU);
    let mut session = Session::start(&old, ChannelKind::Text);
    let version = old.version().to_owned();
    let new = plan("flow f { entry chat \"main\" state s { hangup } }");
    drop(old);
    assert_ne!(new.version(), version);
    session.effects();
    assert_eq!(session.input(Input::Text("sales".into())), [topic("sales"), queued()]);
    assert_eq!(session.run.plan().version(), version);
}

#[test]
fn values_set_by_the_run_are_seen_at_once_and_yield_to_newer_ones() {
    let text = "flow f { entry chat \"main\"\n state s { set a = \"1\" say \"{session.a}\"\n ask x \"{session.a}?\" { b }\n \
                on b, none -> t }\n state t { say \"{session.a}{session.x}\" close } }";
    let mut session = Session::start(&plan(text), ChannelKind::Text);
    let texts = |effects: Vec<Effect>| -> Vec<String> {
        let texts = effects.into_iter().filter_map(|effect| match effect {
            Effect::Say { text, .. } | Effect::Ask { text, .. } => Some(text),
            _ => None,
        });
        texts.collect()
    };
    let first = session.effects();
    assert_eq!(texts(first), ["1", "1?"]);
    session.env.session.insert("a".into(), "2".into());
    let second = session.input(Input::Text("b".into()));
    assert_eq!(texts(second), ["2b"]);
}

#[test]
fn customer_is_called_by_the_name_that_is_known_at_the_moment() {
    let text = "flow f { entry chat \"main\"\n state s { ask x \"{customer.name or 'You'}?\" retries 1 { b }\n on b, none -> t }\n \
                state t { close \"Bye {customer.name}\" } }";
    let mut session = Session::start(&plan(text), ChannelKind::Text);
    let first = session.effects();
    assert!(matches!(&first[..], [Effect::Ask { text, .. }] if text == "You?"), "{first:?}");
    session.env.customer = Customer { name: Some("Anna".into()), ..Customer::default() };
    let last = session.input(Input::Text("b".into()));
    assert!(last.contains(&Effect::Close { text: Some("Bye Anna".into()), prompts: Vec::new() }), "{last:?}");
}
