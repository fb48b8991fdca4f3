//! What each verb does on both channels: `traces/*.plan` holds tests, `traces/*.trace` what the flows did in them. With
//! `UPDATE_EXPECTED=1` the latter are written anew.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dialplans::api::{Source, World};
use dialplans::{Code, TestReport, compile, render, run_tests};

fn world() -> World {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    World {
        queues: names(&["support", "sales"]),
        prompts: names(&["hello", "hello-en", "menu", "wait", "bye"]),
        music: names(&["hold"]),
        trunks: None,
        operators: names(&["anna"]),
        context: names(&["page"]),
        secrets: names(&["crm", "bank"]),
    }
}

fn run(source: Source) -> TestReport {
    let sources = [source];
    match compile(&sources, &world()) {
        Ok(plan) => run_tests(&Arc::new(plan)),
        Err(diagnostics) => panic!("{}", render(&diagnostics, &sources, false)),
    }
}

fn text(report: &TestReport) -> String {
    let mut text = String::new();
    for result in &report.results {
        let outcome = result.failure.as_ref().map_or("passed".to_owned(), |failure| failure.to_string());
        let _ =
            writeln!(text, "{}: {}: {outcome}\n  {}\n", result.flow, result.name, result.trace.join("\n  "));
    }
    text
}

#[test]
fn every_verb_does_as_written_down_on_both_channels() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/traces");
    let files = std::fs::read_dir(folder).expect("the folder of traces");
    let mut plans: Vec<PathBuf> = files.map(|file| file.expect("a file").path()).collect();
    plans.retain(|path| path.extension().is_some_and(|extension| extension == "plan"));
    plans.sort();
    let verbs: Vec<_> = plans.iter().filter_map(|path| path.file_stem()?.to_str()).collect();
    assert_eq!(
        verbs.join(" "),
        "answer ask close collect consent dial emergency goto hangup http invite language lookup play priority queue record say \
         set survey tag task transfer voicemail when"
    );
    let mut wrong = Vec::new();
    for path in plans {
        let name = path.file_name().expect("a name").to_string_lossy();
        let report = run(Source::new(name, std::fs::read_to_string(&path).expect("a text")));
        let told = text(&report);
        assert!(report.passed(), "{told}");
        let missed: Vec<_> = report.coverage.iter().flat_map(|coverage| &coverage.missed).collect();
        assert!(missed.is_empty(), "{}: states without a test: {missed:?}", path.display());
        let expected = path.with_extension("trace");
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            std::fs::write(&expected, &told).expect("written");
        } else if std::fs::read_to_string(&expected).unwrap_or_default() != told {
            wrong.push(format!("{}:\n{told}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// One test in a flow that asks, queues and transfers; the body begins on line 8.
fn failure_of(channel: &str, body: &str) -> Option<(u32, String)> {
    let text = format!(
        "flow f {{\n entry sip \"100\", chat \"main\"\n state start {{ ask a \"A?\" {{ voice file \"menu\"  b key 1 }}\n \
         on b -> q\n on none -> q }}\n state q {{ queue support on overflow -> start }}\n test \"t\" via {channel} {{\n\
         {body}\n }}\n}}\n"
    );
    let report = run(Source::new("f.plan", text));
    let [result] = &report.results[..] else { panic!("one test") };
    let failure = result.failure.as_ref()?;
    assert_eq!(failure.code, Code::BadTest);
    Some((failure.line, failure.message.clone()))
}

#[test]
fn a_failed_test_says_where_and_what_happened_instead() {
    let (line, message) = failure_of("sip", "key 1\nexpect say \"Hello*\"").expect("a failure");
    assert_eq!(line, 9);
    assert!(message.contains("expected say \"Hello*\", but the flow did: answer; ask \"A?\""), "{message}");
    assert!(message.contains("queue support priority 0"), "{message}");
}

#[test]
fn an_expectation_does_not_look_back() {
    assert_eq!(failure_of("sip", "expect ask \"A?\"\nkey 1\nexpect queue support"), None);
    let (line, message) = failure_of("sip", "expect ask \"A?\"\nexpect ask \"A?\"").expect("a failure");
    assert_eq!(line, 9);
    assert!(message.ends_with("but the flow did: nothing"), "{message}");
}

#[test]
fn steps_that_do_not_fit_the_moment_fail() {
    for (channel, body, reason) in [
        ("sip", "key 1\nkey 1", "not asking anything"),
        ("sip", "key 1\nsilence", "write `wait 30s`"),
        ("sip", "operator answers", "not in a queue"),
        ("chat", "transfer fails", "not transferring"),
        ("chat", "hang up\ntype \"b\"", "over already"),
        ("chat", "type \"b\"\nexpect state start", "the flow is in q"),
        ("chat", "type \"b\"\nexpect queue support priority 1", "expected queue support priority 1"),
    ] {
        let (_, message) = failure_of(channel, body).expect(body);
        assert!(message.contains(reason), "{body}: {message}");
    }
}
