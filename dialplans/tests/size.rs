//! Long plans: what a plan costs grows as its text does.

use dialplans::api::{Source, World};
use dialplans::{Severity, compile};

/// Flows of fifty states; a state has five lines.
fn plan(states: usize, misspelt: bool) -> Vec<Source> {
    let mut text = String::new();
    for at in 0..states {
        if at % 50 == 0 {
            let close = if at == 0 { "" } else { "}\n" };
            text.push_str(&format!("{close}flow f{at} {{\n  entry chat \"c{at}\"\n"));
        }
        let next = if at % 50 == 49 { at - 49 } else { at + 1 };
        let to = if misspelt { format!("t{next}") } else { format!("s{next}") };
        text.push_str(&format!(
            "  state s{at} {{\n    say \"Hello, {{customer.name or 'you'}}: {{session.k{at}}}\"\n    ask q{at} \"?\" {{ a }} on a -> {to}\n    set k{at} = customer.name + \"x\"\n    \
             when session.k{at} == \"x\" && queue.position > 1 -> {to}\n    -> {to}\n  }}\n"
        ));
    }
    text.push('}');
    vec![Source::new("long.plan", text)]
}

#[test]
fn a_plan_of_ten_thousand_lines_is_checked() {
    let sources = plan(1_500, false);
    assert!(sources[0].text.lines().count() > 10_000);
    let plan = compile(&sources, &World::default()).expect("no mistakes");
    assert_eq!(plan.entries().count(), 30);
}

#[test]
fn thousands_of_mistakes_are_told() {
    let sources = plan(2_000, true);
    let mistakes = compile(&sources, &World::default()).expect_err("mistakes");
    let errors = mistakes.iter().filter(|mistake| mistake.severity == Severity::Error).count();
    assert!(errors >= 6_000, "{errors}");
}
