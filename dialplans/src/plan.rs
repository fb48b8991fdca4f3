//! A dialplan that passed its checks: what the engine holds and runs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::api::{Entry, FlowRef, Source, World};
use crate::check;
use crate::diagnostic::{Diagnostic, Problem};
use crate::include;
use crate::route::{self, Outgoing, Price, Route, Way};
use crate::source::Lines;
use crate::syntax::file;
use crate::syntax::tree::Flow;
use crate::values::Library;
use crate::verb::Verb;

/// One version of all dialplans. Never changes; runs share it.
#[derive(Debug)]
pub struct Plan {
    version: String,
    sources: Vec<Source>,
    warnings: Vec<Diagnostic>,
    entries: BTreeMap<Entry, FlowRef>,
    pub(crate) flows: Vec<Flow>,
    routes: Vec<Route>,
    prices: Vec<Price>,
    pub(crate) library: Arc<Library>,
    /// The context keys that flows can rely on: empty until set.
    pub(crate) keys: BTreeSet<String>,
    /// Prompts that exist.
    pub(crate) prompts: BTreeSet<String>,
}

/// Reads and checks dialplans. Returns every mistake of every source at once, warnings among them, in the order of the
/// sources; a plan without errors keeps its warnings.
pub fn compile(sources: &[Source], world: &World) -> Result<Plan, Vec<Diagnostic>> {
    let (mut plan, problems) = assemble(sources, world);
    let failed = problems.iter().any(Problem::is_error);
    let lines = Lines::of(sources);
    let diagnostics = problems.into_iter().map(|problem| problem.locate_in(sources, &lines)).collect();
    if failed {
        return Err(diagnostics);
    }
    plan.warnings = diagnostics;
    Ok(plan)
}

/// The plan as far as it could be read, whatever the checks say.
pub(crate) fn assemble(sources: &[Source], world: &World) -> (Plan, Vec<Problem>) {
    let mut problems = Vec::new();
    let mut flows = Vec::new();
    let mut hours = Vec::new();
    let (mut routes, mut prices) = (Vec::new(), Vec::new());
    let (mut parts, mut includes) = (Vec::new(), Vec::new());
    for (index, source) in sources.iter().enumerate() {
        let (file, mistakes) = file::parse(index, &source.text);
        problems.extend(mistakes);
        flows.extend(file.flows);
        hours.extend(file.hours);
        routes.extend(file.routes);
        prices.extend(file.prices);
        parts.extend(file.parts);
        includes.push(file.includes);
    }
    include::check_files(sources, &includes, &mut problems);
    include::put_parts(&mut flows, &parts, &mut problems);
    let complete = !problems.iter().any(Problem::is_error);
    let (entries, keys, mistakes) = check::check(&flows, &hours, (&routes, &prices), complete, world);
    problems.extend(mistakes);
    problems.sort_by_key(|problem| problem.span);
    problems.dedup();
    let plan = Plan {
        version: version_of(sources),
        sources: sources.to_vec(),
        warnings: Vec::new(),
        entries,
        flows,
        routes,
        prices,
        library: Library::new(hours.into_iter().map(|(name, hours)| (name.value, hours)).collect()),
        keys,
        prompts: world.prompts.clone(),
    };
    (plan, problems)
}

impl Plan {
    /// SHA-256 over the names and texts of the sources, whatever their order; lower-case hex.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The flow that serves this number or account: of the entry that names it, else of the longest pattern that it fits.
    pub fn entry(&self, entry: &Entry) -> Option<FlowRef> {
        let by_pattern = || {
            let Entry::Sip(number) = entry else { return None };
            let fitting = self.entries.iter().filter_map(|(known, flow)| match known {
                Entry::Sip(pattern) => {
                    let start = pattern.strip_suffix('*')?;
                    number.starts_with(start).then_some((start.len(), *flow))
                }
                Entry::Chat(_) | Entry::After(_) => None,
            });
            fitting.max_by_key(|(length, _)| *length).map(|(_, flow)| flow)
        };
        self.entries.get(entry).copied().or_else(by_pattern)
    }

    /// All entries, in order.
    pub fn entries(&self) -> impl Iterator<Item = (&Entry, FlowRef)> {
        self.entries.iter().map(|(entry, flow)| (entry, *flow))
    }

    /// How a number is called. `None`: no route speaks of it.
    pub fn way(&self, call: &Outgoing<'_>) -> Option<Way<'_>> {
        route::way(&self.routes, &self.prices, &self.library.hours, call)
    }

    /// The switches for emergencies that flows look at, with the flows that do.
    pub fn switches(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        let mut switches: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for flow in &self.flows {
            let own = flow.name.value.as_str();
            for step in flow.states.iter().flat_map(|state| &state.body) {
                if let Verb::Emergency(verb) = &step.verb {
                    let name = verb.switch.as_ref().map_or(own, |switch| &switch.value);
                    switches.entry(name).or_default().insert(own);
                }
            }
        }
        switches
    }

    /// Whether there is any route.
    pub fn has_routes(&self) -> bool {
        !self.routes.is_empty()
    }

    /// Empty for a flow of another plan.
    pub fn flow_name(&self, flow: FlowRef) -> &str {
        self.flow(flow).map_or("", |flow| &flow.name.value)
    }

    pub fn warnings(&self) -> &[Diagnostic] {
        &self.warnings
    }

    /// The texts that the plan was made of.
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    pub(crate) fn flow(&self, flow: FlowRef) -> Option<&Flow> {
        self.flows.get(flow.0)
    }
}

fn version_of(sources: &[Source]) -> String {
    let mut sorted: Vec<&Source> = sources.iter().collect();
    sorted.sort_by(|a, b| (&a.name, &a.text).cmp(&(&b.name, &b.text)));
    let mut hash = Sha256::new();
    for source in sorted {
        for part in [&source.name, &source.text] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
    }
    hex::encode(hash.finalize())
}

/// A plan is shared between threads.
const _: fn() = || {
    fn shared<T: Send + Sync>() {}
    shared::<Plan>();
};
