//! Ways through a flow: states that nothing leads to, states that lead nowhere, and loops that never wait. Each channel is
//! walked on its own, because `on … { voice -> a  text -> b }` and the verbs themselves part the ways.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::ChannelKind;
use crate::check::Checker;
use crate::diagnostic::{Code, Problem};
use crate::syntax::tree::{Flow, State};
use crate::verb::Verb;

/// States of a round that are told by name.
const LONGEST_WAY: usize = 12;

/// Which statements are reached on which channels.
#[derive(Default)]
pub(super) struct Reach {
    steps: BTreeMap<(usize, usize), BTreeSet<ChannelKind>>,
}

impl Reach {
    pub fn channels(&self, state: usize, step: usize) -> BTreeSet<ChannelKind> {
        self.steps.get(&(state, step)).cloned().unwrap_or_default()
    }
}

/// A way from one state to another.
struct Exit {
    to: usize,
    waits: bool,
}

/// What a walk through one state found.
struct Walk {
    exits: Vec<Exit>,
    /// How many statements are reached.
    reached: usize,
    /// The state runs out of statements; with the outcomes that its last verb leaves open.
    falls_off: Option<Vec<String>>,
}

/// `misspelt`: some ways lead to states that do not exist.
pub(super) fn check(flow: &Flow, misspelt: bool, checker: &mut Checker<'_>) -> Reach {
    let mut reach = Reach::default();
    let mut reached: BTreeSet<usize> = BTreeSet::new();
    let mut loops: BTreeSet<Vec<usize>> = BTreeSet::new();
    let mut falls: BTreeMap<usize, BTreeMap<ChannelKind, Vec<String>>> = BTreeMap::new();
    let channels = flow.channels();
    for channel in channels.keys().copied() {
        let mut exits: BTreeMap<usize, Vec<Exit>> = BTreeMap::new();
        let mut open: Vec<usize> = if flow.states.is_empty() { Vec::new() } else { vec![0] };
        while let Some(index) = open.pop() {
            if exits.contains_key(&index) {
                continue;
            }
            let walk = walk(flow, &flow.states[index], channel);
            open.extend(walk.exits.iter().map(|exit| exit.to));
            for step in 0..walk.reached {
                reach.steps.entry((index, step)).or_default().insert(channel);
            }
            if let Some(outcomes) = walk.falls_off {
                falls.entry(index).or_default().insert(channel, outcomes);
            }
            exits.insert(index, walk.exits);
        }
        reached.extend(exits.keys());
        loops.extend(endless_loops(&exits));
    }
    report_falls(flow, &falls, channels.len(), checker);
    // A way that could not be read, or leads to a misspelt state, may be the one to a state that seems to have none.
    let complete = !flow.broken && !channels.is_empty() && !misspelt;
    for (index, state) in flow.states.iter().enumerate() {
        if reached.contains(&index) {
            report_unreached_text(&reach, index, state, checker);
        } else if complete && flow.state(&state.name.value) == Some(index) {
            let message = format!("nothing leads to the state `{}`", state.name.value);
            checker.problem(Problem::warning(Code::UnreachableState, state.name.span, message));
        }
    }
    for round in loops {
        report_loop(flow, &round, checker);
    }
    reach
}

fn walk(flow: &Flow, state: &State, channel: ChannelKind) -> Walk {
    let mut walk = Walk { exits: Vec::new(), reached: 0, falls_off: None };
    // Whether something was waited for on every way to here; `None`: there is no way.
    let mut arrives = Some(false);
    let mut open = Vec::new();
    for step in &state.body {
        let Some(waited) = arrives else { break };
        walk.reached += 1;
        let shape = step.verb.shape(channel);
        let mut exit = |name: &str, waits: bool| {
            walk.exits.extend(flow.state(name).map(|to| Exit { to, waits: waited || waits }));
        };
        for jump in &shape.jumps {
            exit(&jump.to.value, jump.waits);
        }
        arrives = shape.goes_on.then_some(waited);
        open.clear();
        for outcome in &shape.outcomes {
            match step.handler(outcome.to, channel) {
                Some(target) => exit(&target.value, outcome.waits),
                None => {
                    let waits = waited || outcome.waits;
                    arrives = Some(arrives.map_or(waits, |other| other && waits));
                    open.push(step.verb.wider_outcome(outcome.to).unwrap_or(outcome.to).to_owned());
                }
            }
        }
    }
    if arrives.is_some() && !state.broken {
        walk.falls_off = Some(open);
    }
    walk
}

fn report_falls(
    flow: &Flow,
    falls: &BTreeMap<usize, BTreeMap<ChannelKind, Vec<String>>>,
    channels: usize,
    checker: &mut Checker<'_>,
) {
    for (index, by_channel) in falls {
        let state = &flow.states[*index];
        let place = match by_channel.keys().collect::<Vec<_>>()[..] {
            [ChannelKind::Voice] if channels > 1 => " for callers",
            [ChannelKind::Text] if channels > 1 => " in chats",
            _ => "",
        };
        let outcomes: BTreeSet<&str> = by_channel.values().flatten().map(String::as_str).collect();
        let problem = match state.body.last() {
            Some(step) if !outcomes.is_empty() => {
                let names: Vec<_> = outcomes.iter().map(|name| format!("`{name}`")).collect();
                let (noun, be) = if names.len() == 1 { ("outcome", "is") } else { ("outcomes", "are") };
                let message = format!(
                    "the {noun} {} of `{}` {be} not handled{place}",
                    names.join(", "),
                    step.verb.name()
                );
                let example = outcomes.first().copied().unwrap_or_default();
                Problem::error(Code::UnhandledOutcome, step.span, message)
                    .hint(format!("add `on {example} -> state` after it, or statements to go on with"))
            }
            _ => {
                let message =
                    format!("the state `{}` ends without saying where to go on{place}", state.name.value);
                Problem::error(Code::DeadEnd, state.name.span, message)
                    .hint("end it with `-> state`, `close` or `hangup`")
            }
        };
        checker.problem(problem);
    }
}

fn report_unreached_text(reach: &Reach, index: usize, state: &State, checker: &mut Checker<'_>) {
    let first = (0..state.body.len()).find(|step| reach.channels(index, *step).is_empty());
    if let Some(at) = first
        && let Some(step) = state.body.get(at)
    {
        let before = at.checked_sub(1).and_then(|at| state.body.get(at));
        let verb = before.map_or("", |step| match &step.verb {
            Verb::Goto(_) => "->",
            verb => verb.name(),
        });
        checker.problem(
            Problem::error(
                Code::UnreachableText,
                step.span,
                format!("the flow never comes here: `{verb}` goes elsewhere"),
            )
            .hint("remove it, or put it before"),
        );
    }
}

/// Rounds of states that can be gone through without waiting, each beginning at its first state.
fn endless_loops(exits: &BTreeMap<usize, Vec<Exit>>) -> BTreeSet<Vec<usize>> {
    let mut found = BTreeSet::new();
    let mut done: BTreeSet<usize> = BTreeSet::new();
    for start in exits.keys() {
        if done.contains(start) {
            continue;
        }
        // Depth first, with the way to here and what is left to try at each of its states.
        let mut places: BTreeMap<usize, usize> = BTreeMap::from([(*start, 0)]);
        let mut way: Vec<(usize, Vec<usize>)> = vec![(*start, at_once(exits, *start))];
        while let Some((_, rest)) = way.last_mut() {
            let Some(next) = rest.pop() else {
                if let Some((state, _)) = way.pop() {
                    places.remove(&state);
                    done.insert(state);
                }
                continue;
            };
            if let Some(at) = places.get(&next).copied() {
                let mut round: Vec<usize> = way[at..].iter().map(|(state, _)| *state).collect();
                let first = round.iter().enumerate().min_by_key(|(_, state)| **state).map_or(0, |(at, _)| at);
                round.rotate_left(first);
                found.insert(round);
            } else if !done.contains(&next) {
                places.insert(next, way.len());
                way.push((next, at_once(exits, next)));
            }
        }
    }
    found
}

fn at_once(exits: &BTreeMap<usize, Vec<Exit>>, state: usize) -> Vec<usize> {
    let ways = exits.get(&state).into_iter().flatten().filter(|exit| !exit.waits);
    ways.map(|exit| exit.to).collect::<BTreeSet<_>>().into_iter().collect()
}

fn report_loop(flow: &Flow, round: &[usize], checker: &mut Checker<'_>) {
    let name = |index: &usize| flow.states[*index].name.value.as_str();
    let Some(first) = round.first() else { return };
    let mut way: Vec<&str> = round.iter().chain([first]).map(name).collect();
    if way.len() > LONGEST_WAY {
        way.splice(LONGEST_WAY / 2..way.len() - 2, ["…"]);
    }
    checker.problem(
        Problem::error(
            Code::EndlessLoop,
            flow.states[*first].name.span,
            format!("this goes round without ever waiting: {}", way.join(" -> ")),
        )
        .hint("ask something or wait in a queue on the way round, or leave it"),
    );
}
