//! What holds for every text: shared by the corpus's test and the fuzz target.

use std::sync::Arc;

use dialplans::api::{Source, World};
use dialplans::{compile, format, graphs, render, run_tests};

pub fn text(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let formatted = format(&text);
    assert_eq!(format(&formatted), formatted, "formatted twice");
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let world = World {
        queues: names(&["support"]),
        prompts: names(&["hello"]),
        music: names(&["hold"]),
        operators: names(&["anna"]),
        secrets: names(&["crm"]),
        ..World::default()
    };
    let told = |text: &str| match compile(&[Source::new("x.plan", text)], &world) {
        Ok(plan) => {
            let plan = Arc::new(plan);
            run_tests(&plan);
            for graph in graphs(&plan) {
                let _ = (graph.mermaid(), graph.dot());
            }
            plan.warnings().iter().map(|warning| (warning.code, warning.message.clone())).collect::<Vec<_>>()
        }
        Err(mistakes) => {
            render(&mistakes, &[Source::new("x.plan", text)], false);
            mistakes.iter().map(|mistake| (mistake.code, mistake.message.clone())).collect()
        }
    };
    // Laying a text out changes nothing about what is right and wrong in it.
    assert_eq!(told(&formatted), told(&text), "formatted it is another plan");
}
