//! `include`: a flow takes the states of a `part` as its own, and a file names others that it needs.
//!
//! ```text
//! include "shared/goodbye.plan"
//!
//! part goodbye { state bye { close "Bye" } }
//! flow support { entry chat "main"  include goodbye  state start { -> bye } }
//! ```
//!
//! Bounds: nothing includes itself, however far away; a flow has at most 10,000 states, parts lie within
//! each other at most 32 deep.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::Source;
use crate::diagnostic::{Code, Problem};
use crate::source::{At, Span};
use crate::syntax::file;
use crate::syntax::tree::{Flow, Part};

/// States of one flow, included ones among them.
const MOST_STATES: usize = 10_000;
/// Parts within parts.
const DEEPEST: usize = 32;

/// The files that a source needs, as written: for whoever reads files.
pub fn included(text: &str) -> Vec<String> {
    let (file, _) = file::parse(0, text);
    file.includes.into_iter().map(|name| name.value).collect()
}

/// Whether the files that are named are there, and none needs itself.
pub(crate) fn check_files(sources: &[Source], includes: &[Vec<At<String>>], problems: &mut Vec<Problem>) {
    let index: BTreeMap<&str, usize> =
        sources.iter().enumerate().map(|(at, s)| (s.name.as_str(), at)).collect();
    let found = |from: usize, name: &str| {
        let folder =
            sources.get(from).and_then(|source| source.name.rsplit_once('/')).map(|(folder, _)| folder);
        let beside = folder.map(|folder| format!("{folder}/{name}"));
        beside.and_then(|beside| index.get(beside.as_str())).or_else(|| index.get(name)).copied()
    };
    let mut ways: Vec<Vec<(usize, Span)>> = Vec::new();
    for (from, names) in includes.iter().enumerate() {
        let mut targets = Vec::new();
        for name in names {
            match found(from, &name.value) {
                Some(to) => targets.push((to, name.span)),
                None => {
                    let message = format!("there is no file `{}`", name.value);
                    let names = sources.iter().map(|source| source.name.as_str());
                    problems.push(
                        Problem::error(Code::BadInclude, name.span, message).suggest(&name.value, names),
                    );
                }
            }
        }
        ways.push(targets);
    }
    // Each round is told where it closes.
    let mut done: BTreeSet<usize> = BTreeSet::new();
    for start in 0..ways.len() {
        let mut way: Vec<(usize, usize)> = vec![(start, 0)];
        while let Some((at, next)) = way.last_mut() {
            let Some((to, span)) = ways[*at].get(*next).copied() else {
                done.insert(*at);
                way.pop();
                continue;
            };
            *next += 1;
            if let Some(from) = way.iter().position(|(on_way, _)| *on_way == to) {
                let names: Vec<&str> = way[from..]
                    .iter()
                    .map(|(at, _)| *at)
                    .chain([to])
                    .filter_map(|at| sources.get(at).map(|source| source.name.as_str()))
                    .collect();
                let message = format!("the file includes itself: {}", names.join(" -> "));
                problems.push(Problem::error(Code::BadInclude, span, message));
            } else if !done.contains(&to) {
                way.push((to, 0));
            }
        }
    }
}

/// Gives each flow the states of the parts that it includes.
pub(crate) fn put_parts(flows: &mut [Flow], parts: &[Part], problems: &mut Vec<Problem>) {
    let mut by_name: BTreeMap<&str, &Part> = BTreeMap::new();
    for part in parts {
        if let Some(first) = by_name.get(part.name.value.as_str()) {
            let message = format!("the part `{}` is there twice", part.name.value);
            let problem = Problem::error(Code::DuplicateName, part.name.span, message);
            problems.push(problem.related(first.name.span, "first here"));
        } else {
            by_name.insert(&part.name.value, part);
        }
    }
    let mut used: BTreeSet<&str> = BTreeSet::new();
    for flow in flows.iter_mut() {
        let mut taken: BTreeSet<String> = BTreeSet::new();
        let includes = std::mem::take(&mut flow.includes);
        for include in &includes {
            take(flow, include, &by_name, &mut Vec::new(), &mut taken, problems);
        }
        used.extend(by_name.keys().filter(|name| taken.contains(**name)));
        flow.includes = includes;
    }
    for flow in flows.iter_mut() {
        flow.index();
    }
    let misspelt = flows.iter().any(|flow| flow.lacks_parts);
    for (name, part) in by_name.iter().filter(|_| !misspelt) {
        if !used.contains(name) {
            let message = format!("no flow includes the part `{name}`");
            problems.push(Problem::warning(Code::UnreachableState, part.name.span, message));
        }
    }
}

fn take(
    flow: &mut Flow,
    include: &At<String>,
    parts: &BTreeMap<&str, &Part>,
    way: &mut Vec<String>,
    taken: &mut BTreeSet<String>,
    problems: &mut Vec<Problem>,
) {
    let Some(part) = parts.get(include.value.as_str()) else {
        let message = format!("there is no part `{}`", include.value);
        let problem = Problem::error(Code::UnknownPart, include.span, message);
        problems.push(problem.suggest(&include.value, parts.keys().copied()));
        flow.broken = true;
        flow.lacks_parts = true;
        return;
    };
    if let Some(from) = way.iter().position(|name| *name == include.value) {
        let names: Vec<&str> =
            way[from..].iter().map(String::as_str).chain([include.value.as_str()]).collect();
        let message = format!("the part includes itself: {}", names.join(" -> "));
        problems.push(Problem::error(Code::BadInclude, include.span, message));
        return;
    }
    // Taken on another way already.
    if !taken.insert(include.value.clone()) {
        return;
    }
    let full = flow.states.len() + part.states.len() > MOST_STATES;
    if full || way.len() == DEEPEST {
        let message = match full {
            true => format!("a flow has at most {MOST_STATES} states"),
            false => format!("parts lie within parts at most {DEEPEST} deep"),
        };
        problems.push(Problem::error(Code::BadInclude, include.span, message));
        return;
    }
    flow.broken |= part.broken;
    flow.states.extend(part.states.iter().cloned());
    way.push(include.value.clone());
    for inner in &part.includes {
        take(flow, inner, parts, way, taken, problems);
    }
    way.pop();
}
