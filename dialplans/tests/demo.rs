//! The demo dialplan passes its checks and its own tests.

use std::sync::Arc;
use std::time::Duration;

use dialplans::api::{ChannelKind, Effect, Entry, Env, Input, QueuePlace, Source, World};
use dialplans::{Plan, Run, compile, render, run_tests};
use model::{Instant, Now, Timestamp};

fn demo() -> Arc<Plan> {
    let text = include_str!("../../config/dialplans/demo.plan");
    let sources = [Source::new("demo.plan", text)];
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let world = World {
        queues: names(&["support"]),
        prompts: names(&[
            "hello-ru",
            "hello-again-ru",
            "menu-ru",
            "unclear-ru",
            "queue-ru",
            "bye-ru",
            "closed-ru",
        ]),
        music: names(&["hold"]),
        ..World::default()
    };
    match compile(&sources, &world) {
        Ok(plan) => Arc::new(plan),
        Err(diagnostics) => panic!("{}", render(&diagnostics, &sources, false)),
    }
}

#[test]
fn demo_passes_its_own_tests() {
    let plan = demo();
    let report = run_tests(&plan);
    assert!(report.results.len() >= 6);
    let failures: Vec<_> = report.failures().cloned().collect();
    assert!(failures.is_empty(), "{}\n{report:#?}", render(&failures, plan.sources(), false));
    for coverage in &report.coverage {
        assert!(coverage.missed.is_empty(), "not tested: {:?}", coverage.missed);
    }
}

#[test]
fn demo_serves_its_numbers_and_its_chat_without_warnings() {
    let plan = demo();
    assert!(plan.warnings().is_empty(), "{:?}", plan.warnings());
    for entry in [Entry::Sip("+74950000000".into()), Entry::Sip("100".into()), Entry::Chat("main".into())] {
        let flow = plan.entry(&entry).expect("an entry");
        assert_eq!(plan.flow_name(flow), "demo");
    }
    assert_eq!(plan.entry(&Entry::Sip("101".into())), None);
    assert_eq!(plan.entries().count(), 3);
}

#[test]
fn version_depends_on_texts_and_not_on_their_order() {
    let version =
        |sources: &[Source]| compile(sources, &World::default()).expect("no flows").version().to_owned();
    let (a, b) = (Source::new("a", "// a"), Source::new("b", "// b"));
    assert_eq!(version(&[a.clone(), b.clone()]), version(&[b.clone(), a.clone()]));
    assert_ne!(version(&[a.clone(), b]), version(&[a.clone(), Source::new("b", "// c")]));
    assert_eq!(version(&[a]).len(), 64);
}

#[test]
fn demo_names_no_waiting_time_that_nobody_knows() {
    let plan = demo();
    let flow = plan.entry(&Entry::Chat("main".into())).expect("an entry");
    let mut now = Now::new(Instant::ZERO, Timestamp::from_micros(0));
    let mut env = Env::default();
    let mut run = Run::start(Arc::clone(&plan), flow, ChannelKind::Text, now, &env);
    run.handle(now, Input::Text("поддержка".into()), &env);
    for (estimated_wait, expected) in [
        (None, "Вы 4-й в очереди."),
        (Some(Duration::from_secs(150)), "Вы 4-й в очереди, ждать около 3 мин."),
    ] {
        now = now.after(Duration::from_secs(30));
        env.queue = Some(QueuePlace { position: 4, waited: Duration::from_secs(30), estimated_wait });
        run.handle_timeout(now, &env);
        let effects: Vec<Effect> = std::iter::from_fn(|| run.poll_effect()).collect();
        let announced = effects.into_iter().find_map(|effect| match effect {
            Effect::Announce { text, .. } => Some(text),
            _ => None,
        });
        assert_eq!(announced.as_deref(), Some(expected));
    }
}
