//! Finds what would go wrong, before it is published: all of it in one run.

mod graph;
mod names;
mod types;

use std::collections::{BTreeMap, BTreeSet};

use cel::Value;
use model::Timestamp;

pub(crate) use self::names::{Checker, Keys};
use crate::api::{ChannelKind, Entry, Env, FlowRef, World};
use crate::diagnostic::{Code, Problem};
use crate::expr::Expr;
use crate::hours::Hours;
use crate::route::{self, Price, Route};
use crate::source::{At, Span};
use crate::syntax::tree::{Flow, Step, kind_of};
use crate::values::{Library, Scope};

type Entries = BTreeMap<Entry, FlowRef>;

/// Checks everything that was read; `complete` says that nothing was left out. Returns the entries and the context keys along with the problems.
pub(crate) fn check(
    flows: &[Flow],
    hours: &[(At<String>, Hours)],
    (routes, prices): (&[Route], &[Price]),
    complete: bool,
    world: &World,
) -> (Entries, BTreeSet<String>, Vec<Problem>) {
    let keys = keys(flows, world);
    let hours_names: BTreeSet<&str> = hours.iter().map(|(name, _)| name.value.as_str()).collect();

    let mut checker = Checker::new(world, &hours_names, &keys, complete);
    checker.unique("flow", flows.iter().map(|f| (f.name.value.clone(), f.name.span)));
    checker.unique("hours", hours.iter().map(|(name, _)| (name.value.clone(), name.span)));
    let entries = entries(flows, &mut checker);
    for flow in flows {
        check_flow(flow, &mut checker);
    }
    route::check(routes, prices, world.trunks.as_ref(), &mut checker);
    let problems = checker.problems;
    (entries, keys.context, problems)
}

/// What flows keep of a session, each of all of them.
fn keys(flows: &[Flow], world: &World) -> Keys {
    let mut keys = Keys { context: world.context.clone(), ..Keys::default() };
    // Keys that can have any value.
    let mut any: BTreeSet<&str> = world.context.iter().map(String::as_str).collect();
    for step in flows.iter().flat_map(|flow| &flow.states).flat_map(|state| &state.body) {
        keys.hidden.extend(step.verb.hides().map(str::to_owned));
        let known = step.verb.values();
        for key in step.verb.sets() {
            keys.context.insert(key.to_owned());
            match &known {
                Some((name, values)) if *name == key => {
                    let slot = keys.values.entry(key.to_owned()).or_default();
                    slot.extend(values.iter().map(|value| (*value).to_owned()));
                }
                Some(_) | None => {
                    any.insert(key);
                }
            }
        }
    }
    keys.values.retain(|key, _| !any.contains(key.as_str()));
    keys
}

fn entries(flows: &[Flow], checker: &mut Checker<'_>) -> Entries {
    let mut entries = Entries::new();
    let mut places: BTreeMap<&Entry, Span> = BTreeMap::new();
    for (index, flow) in flows.iter().enumerate() {
        for entry in &flow.entries {
            if let Some(first) = places.get(&entry.value) {
                let (what, name) = match &entry.value {
                    Entry::Sip(number) => ("number", number),
                    Entry::Chat(account) => ("account", account),
                    Entry::After(queue) => ("end of a conversation of the queue", queue),
                };
                checker.problem(
                    Problem::error(
                        Code::OverlappingEntries,
                        entry.span,
                        format!("the {what} `{name}` is an entry already"),
                    )
                    .related(*first, "first here"),
                );
                continue;
            }
            places.insert(&entry.value, entry.span);
            entries.insert(entry.value.clone(), FlowRef(index));
        }
    }
    entries
}

fn check_flow(flow: &Flow, checker: &mut Checker<'_>) {
    let name = &flow.name;
    for entry in &flow.entries {
        if let Entry::After(queue) = &entry.value {
            checker.queue(&At::new(queue.clone(), entry.span));
        }
    }
    if flow.entries.is_empty() && !flow.broken {
        checker.problem(
            Problem::error(
                Code::MissingEntry,
                name.span,
                format!("nothing leads to the flow `{}`", name.value),
            )
            .hint("add an entry, such as: entry sip \"+74951234567\""),
        );
    }
    if flow.states.is_empty() && !flow.broken {
        let message = format!("the flow `{}` has no state", name.value);
        checker
            .problem(Problem::error(Code::MissingState, name.span, message).hint("add: state start { … }"));
    }
    checker.unique("state", flow.states.iter().map(|s| (s.name.value.clone(), s.name.span)));
    checker.unique("test", flow.tests.iter().map(|t| (t.name.value.clone(), t.name.span)));
    let mut misspelt = false;
    for step in flow.states.iter().flat_map(|state| &state.body) {
        check_outcomes(step, checker);
        let targets = step.on.iter().flat_map(|on| [&on.voice, &on.text]).flatten();
        for target in step.verb.targets().into_iter().chain(targets) {
            if flow.state(&target.value).is_none() {
                misspelt = true;
                if flow.lacks_parts {
                    continue;
                }
                let message = format!("there is no state `{}` in the flow `{}`", target.value, name.value);
                let states = flow.states.iter().map(|state| state.name.value.as_str());
                checker.problem(
                    Problem::error(Code::UnknownState, target.span, message).suggest(&target.value, states),
                );
            }
        }
    }
    let reach = graph::check(flow, misspelt, checker);
    for (index, state) in flow.states.iter().enumerate() {
        for (at, step) in state.body.iter().enumerate() {
            checker.visit(reach.channels(index, at));
            step.verb.check(checker, step.span);
        }
    }
    let channels: BTreeSet<ChannelKind> = flow.entries.iter().map(|entry| kind_of(&entry.value)).collect();
    for test in &flow.tests {
        test.check(flow, &channels, checker);
    }
}

/// Whether the outcomes that `on` names exist, and each is handled once.
fn check_outcomes(step: &Step, checker: &mut Checker<'_>) {
    let mut known: BTreeSet<&str> = BTreeSet::new();
    for channel in [ChannelKind::Voice, ChannelKind::Text] {
        for way in step.verb.shape(channel).outcomes {
            known.insert(way.to);
            known.extend(step.verb.wider_outcome(way.to));
        }
    }
    let handled = step.on.iter().flat_map(|on| &on.outcomes);
    for outcome in handled.clone() {
        if known.contains(outcome.value.as_str()) {
            continue;
        }
        let verb = step.verb.name();
        let problem = if known.is_empty() {
            Problem::error(Code::UnknownOutcome, outcome.span, format!("`{verb}` has no outcomes"))
                .hint("`on` follows the verb whose outcomes it handles")
        } else {
            let names: Vec<_> = known.iter().map(|name| format!("`{name}`")).collect();
            let message = format!("`{verb}` has no outcome `{}`, only {}", outcome.value, names.join(", "));
            Problem::error(Code::UnknownOutcome, outcome.span, message)
                .suggest(&outcome.value, known.iter().copied())
        };
        checker.problem(problem);
    }
    checker.unique("outcome", handled.map(|outcome| (outcome.value.clone(), outcome.span)));
}

/// What a condition that only looks at the channel comes to.
pub(crate) fn known_on(condition: &Expr, channel: ChannelKind) -> Option<bool> {
    if !condition.depends_on_channel_only() {
        return None;
    }
    let scope = Scope {
        env: &Env::default(),
        own: &BTreeMap::new(),
        keys: &BTreeSet::new(),
        secrets: &BTreeMap::new(),
        library: &Library::new(BTreeMap::new()),
        channel,
        now: Timestamp::default(),
    };
    match condition.eval(&scope) {
        Ok(Value::Bool(value)) => Some(value),
        _ => None,
    }
}
