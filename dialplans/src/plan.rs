//! A dialplan that passed its checks: what the engine holds and runs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::api::{Entry, FlowRef, Source, World};
use crate::check;
use crate::diagnostic::{Diagnostic, Problem};
use crate::route::{self, Route, Way};
use crate::syntax::file;
use crate::syntax::tree::Flow;
use crate::values::Library;

/// One version of all dialplans. Never changes; runs share it.
#[derive(Debug)]
pub struct Plan {
    version: String,
    sources: Vec<Source>,
    warnings: Vec<Diagnostic>,
    entries: BTreeMap<Entry, FlowRef>,
    pub(crate) flows: Vec<Flow>,
    routes: Vec<Route>,
    pub(crate) library: Arc<Library>,
    /// The context keys that flows can rely on: empty until set.
    pub(crate) keys: BTreeSet<String>,
}

/// Reads and checks dialplans. Returns every mistake of every source at once, warnings among them, in the order of the
/// sources; a plan without errors keeps its warnings.
pub fn compile(sources: &[Source], world: &World) -> Result<Plan, Vec<Diagnostic>> {
    let (mut plan, problems) = assemble(sources, world);
    let failed = problems.iter().any(Problem::is_error);
    let diagnostics = problems.into_iter().map(|problem| problem.locate(sources)).collect();
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
    let mut routes = Vec::new();
    for (index, source) in sources.iter().enumerate() {
        let (file, mistakes) = file::parse(index, &source.text);
        problems.extend(mistakes);
        flows.extend(file.flows);
        hours.extend(file.hours);
        routes.extend(file.routes);
    }
    let complete = !problems.iter().any(Problem::is_error);
    let (entries, keys, mistakes) = check::check(&flows, &hours, &routes, complete, world);
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
        library: Library::new(hours.into_iter().map(|(name, hours)| (name.value, hours)).collect()),
        keys,
    };
    (plan, problems)
}

impl Plan {
    /// SHA-256 over the names and texts of the sources, whatever their order; lower-case hex.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The flow that serves this number or account.
    pub fn entry(&self, entry: &Entry) -> Option<FlowRef> {
        self.entries.get(entry).copied()
    }

    /// All entries, in order.
    pub fn entries(&self) -> impl Iterator<Item = (&Entry, FlowRef)> {
        self.entries.iter().map(|(entry, flow)| (entry, *flow))
    }

    /// How a number (E.164 with the plus, or a short one) is called for a queue. `None`: no route speaks of it.
    pub fn way(&self, number: &str, queue: Option<&str>) -> Option<Way<'_>> {
        route::way(&self.routes, number, queue)
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
