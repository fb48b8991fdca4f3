//! A flow as states and ways between them, for those who draw it.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;

use crate::api::{ChannelKind, Entry};
use crate::plan::Plan;
use crate::source::Lines;
use crate::syntax::tree::Flow;

#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Graph {
    pub flow: String,
    /// As `sip +74951234567`, `chat main`, `after support`.
    pub entries: Vec<String>,
    /// The first one is where the flow begins.
    pub states: Vec<StateNode>,
    pub ways: Vec<WayEdge>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct StateNode {
    pub name: String,
    /// Where it is written: the file, and the line from 1.
    pub source: String,
    pub line: u32,
    /// Its verbs, in order.
    pub verbs: Vec<&'static str>,
    /// Somebody may be sent away from here for good: an operator has him, or the contact is over.
    pub ends: bool,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct WayEdge {
    pub from: String,
    pub to: String,
    /// What leads there: `ask: sales`, `when`, `->` …
    pub why: String,
    /// `voice`, `text`, or both.
    pub channels: Vec<&'static str>,
}

/// All flows of a plan, in the order of their texts.
pub fn graphs(plan: &Plan) -> Vec<Graph> {
    let lines = Lines::of(plan.sources());
    plan.flows.iter().map(|flow| graph(plan, flow, &lines)).collect()
}

fn graph(plan: &Plan, flow: &Flow, lines: &Lines<'_>) -> Graph {
    let channels = flow.channels();
    let mut ways: Vec<WayEdge> = Vec::new();
    let mut known: BTreeMap<(String, String, String), usize> = BTreeMap::new();
    let mut states = Vec::new();
    for state in &flow.states {
        let mut ends = false;
        for step in &state.body {
            let verb = step.verb.name();
            ends |= matches!(verb, "queue" | "transfer" | "dial" | "close" | "hangup");
            for channel in channels.keys().copied() {
                let shape = step.verb.shape(channel);
                let jumps = shape.jumps.iter().map(|jump| {
                    let why = if verb == "goto" { "->".to_owned() } else { verb.to_owned() };
                    (jump.to.value.as_str(), why)
                });
                let handled = shape.outcomes.iter().filter_map(|outcome| {
                    let target = step.handler(outcome.to, channel)?;
                    Some((target.value.as_str(), format!("{verb}: {}", outcome.to)))
                });
                for (to, why) in jumps.chain(handled) {
                    let key = (state.name.value.clone(), to.to_owned(), why.clone());
                    let at = *known.entry(key).or_insert_with(|| {
                        ways.push(WayEdge {
                            from: state.name.value.clone(),
                            to: to.to_owned(),
                            why,
                            channels: Vec::new(),
                        });
                        ways.len() - 1
                    });
                    let name = channel_name(channel);
                    if let Some(way) = ways.get_mut(at)
                        && !way.channels.contains(&name)
                    {
                        way.channels.push(name);
                    }
                }
            }
        }
        let source = plan.sources().get(state.name.span.source);
        states.push(StateNode {
            name: state.name.value.clone(),
            source: source.map(|source| source.name.clone()).unwrap_or_default(),
            line: lines.place(state.name.span.source, state.name.span.start).0,
            verbs: state.body.iter().map(|step| step.verb.name()).collect(),
            ends,
        });
    }
    let entries = flow.entries.iter().map(|entry| match &entry.value {
        Entry::Sip(number) => format!("sip {number}"),
        Entry::Chat(account) => format!("chat {}", account.replace(['"', '\\'], "'")),
        Entry::After(queue) => format!("after {}", queue.replace(['"', '\\'], "'")),
    });
    Graph { flow: flow.name.value.clone(), entries: entries.collect(), states, ways }
}

fn channel_name(channel: ChannelKind) -> &'static str {
    match channel {
        ChannelKind::Voice => "voice",
        ChannelKind::Text => "text",
    }
}

impl Graph {
    /// For Mermaid: `flowchart TD …`.
    pub fn mermaid(&self) -> String {
        let mut text = format!("%% {}\nflowchart TD\n", self.flow);
        let at = |name: &str| self.states.iter().position(|state| state.name == name).unwrap_or_default();
        for (index, entry) in self.entries.iter().enumerate() {
            let _ = writeln!(text, "  e{index}([\"{entry}\"]) --> s0");
        }
        for (index, state) in self.states.iter().enumerate() {
            let (open, close) = if state.ends { ("([", "])") } else { ("[", "]") };
            let _ = writeln!(text, "  s{index}{open}\"{}\"{close}", state.name);
        }
        for way in &self.ways {
            let only = match way.channels[..] {
                [one] if self.entries_on_both() => format!(" ({one})"),
                _ => String::new(),
            };
            let label = if way.why == "->" { only.trim().to_owned() } else { format!("{}{only}", way.why) };
            let label = if label.is_empty() { String::new() } else { format!("|\"{label}\"|") };
            let _ = writeln!(text, "  s{} -->{label} s{}", at(&way.from), at(&way.to));
        }
        text
    }

    /// For Graphviz: `digraph …`.
    pub fn dot(&self) -> String {
        let mut text = format!("digraph \"{}\" {{\n  rankdir=TB\n  node [shape=box]\n", self.flow);
        if let Some(first) = self.states.first() {
            for entry in &self.entries {
                let _ =
                    writeln!(text, "  \"{entry}\" [shape=plaintext]\n  \"{entry}\" -> \"{}\"", first.name);
            }
        }
        for state in self.states.iter().filter(|state| state.ends) {
            let _ = writeln!(text, "  \"{}\" [shape=box style=rounded]", state.name);
        }
        for way in &self.ways {
            let _ = writeln!(text, "  \"{}\" -> \"{}\" [label=\"{}\"]", way.from, way.to, way.why);
        }
        text.push_str("}\n");
        text
    }

    fn entries_on_both(&self) -> bool {
        let chat = |entry: &String| entry.starts_with("chat ");
        self.entries.iter().any(chat) && !self.entries.iter().all(chat)
    }
}
