//! The flows that are shipped, and every example of the guide: they have no mistakes, and their own tests pass.

use std::path::Path;
use std::sync::Arc;

use dialplans::api::{Source, World};
use dialplans::{Outgoing, Plan, Way, compile, format, render, run_tests};
use model::Timestamp;

fn world() -> World {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    World {
        queues: names(&["support", "sales"]),
        prompts: names(&[
            "hello",
            "menu",
            "waiting",
            "wait-or-callback",
            "your-number",
            "we-call-you",
            "not-understood",
            "closed-now",
            "out-of-order",
            "one-moment",
            "bye",
            "csat",
            "why",
            "thanks",
            "leave-a-message",
            "evacuation",
        ]),
        music: names(&["hold"]),
        trunks: Some(names(&["mts", "backup"])),
        operators: names(&["anna", "boris"]),
        context: names(&["page", "locale"]),
        secrets: names(&["crm", "bot"]),
    }
}

fn prove(name: &str, text: &str) -> Arc<Plan> {
    let sources = [Source::new(name, text)];
    let plan = match compile(&sources, &world()) {
        Ok(plan) => Arc::new(plan),
        Err(mistakes) => panic!("{}", render(&mistakes, &sources, false)),
    };
    assert!(plan.warnings().is_empty(), "{}", render(plan.warnings(), &sources, false));
    let report = run_tests(&plan);
    let failures: Vec<_> = report.failures().cloned().collect();
    assert!(failures.is_empty(), "{}", render(&failures, &sources, false));
    for coverage in &report.coverage {
        assert!(coverage.missed.is_empty(), "{name}: no test comes to {:?}", coverage.missed);
    }
    assert_eq!(format(text), text, "{name} is not laid out as `tandem dialplan fmt` does it");
    plan
}

fn shipped(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/dialplans/examples");
    std::fs::read_to_string(folder.join(name)).expect(name)
}

#[test]
fn every_shipped_flow_proves_itself() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/dialplans/examples");
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .expect("the folder")
        .map(|file| file.expect("a file").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    let expected = [
        "emergency.plan",
        "off_hours_bot.plan",
        "outbound.plan",
        "sales.plan",
        "support.plan",
        "survey.plan",
    ];
    assert_eq!(names, expected);
    for name in names {
        let plan = prove(&name, &shipped(&name));
        let report = run_tests(&plan);
        let missed: Vec<_> = report.coverage.iter().flat_map(|coverage| &coverage.missed_outcomes).collect();
        assert!(missed.is_empty(), "{name}: no test comes to {missed:#?}");
    }
}

#[test]
fn shipped_routes_lead_through_the_two_carriers() {
    let plan = prove("outbound.plan", &shipped("outbound.plan"));
    // Monday, 2026-11-23, 22:00 in Moscow.
    let at = Timestamp::from_micros(1_795_460_400_000_000);
    let way = |number, queue| match plan.way(&Outgoing { number, queue, caller: None, at }) {
        Some(Way::Via { trunks, .. }) => trunks.join(" "),
        Some(Way::Deny { why }) => why.to_owned(),
        None => String::new(),
    };
    assert_eq!(way("112", None), "mts backup");
    assert_eq!(way("+74957654321", None), "mts backup");
    assert_eq!(way("+79001112233", None), "backup mts", "mobiles cost less over the backup");
    assert_eq!(way("+79001112233", Some("sales")), "backup mts");
    assert_eq!(way("+78091234567", None), "premium numbers are not called");
    assert_eq!(way("+442071838750", None), "international calls are off");
}

#[test]
fn every_example_of_the_guide_proves_itself() {
    let guide = include_str!("../../docs/dialplans.md");
    let mut examples = 0;
    for (at, block) in guide.split("```plan\n").skip(1).enumerate() {
        let text = block.split("```").next().expect("a block");
        prove(&format!("example {}", at + 1), text);
        assert!(text.contains("test \"") || !text.contains("flow "), "example {} proves nothing", at + 1);
        examples += 1;
    }
    assert!(examples >= 7, "{examples}");
}

/// A verb that is not in the guide does not exist for a beginner.
#[test]
fn the_guide_speaks_of_every_verb() {
    let guide = include_str!("../../docs/dialplans.md");
    for verb in [
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
    ] {
        assert!(guide.contains(&format!("| `{verb}")), "{verb}");
    }
}
