//! Runs tests on the real interpreter at virtual time. Everything that is played takes one second, the customer is first
//! in every queue, and the estimated wait is one minute.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use model::{Instant, Now};

use super::told::describe;
use super::{Act, Expect, Known, Scenario};
use crate::api::{ChannelKind, Effect, Entry, Env, FlowRef, Input, QueuePlace};
use crate::diagnostic::{Code, Diagnostic, Problem};
use crate::plan::Plan;
use crate::run::Run;
use crate::source::At;
use crate::syntax::tree::Flow;
use crate::verb::Waiting;

const PLAYING_TIME: Duration = Duration::from_secs(1);
const ESTIMATED_WAIT: Duration = Duration::from_secs(60);
/// Prompts in a row after which a flow counts as one that never stops talking.
const MAX_PLAYED: usize = 200;
/// Timers within one `wait` after which it is given up.
const MAX_TIMERS: usize = 20_000;

/// What came of all tests of a plan.
#[derive(Clone, PartialEq, Debug)]
pub struct TestReport {
    /// In the order of the sources.
    pub results: Vec<TestResult>,
    /// For each flow.
    pub coverage: Vec<Coverage>,
}

#[derive(Clone, PartialEq, Debug)]
pub struct TestResult {
    pub flow: String,
    pub name: String,
    /// Where and why it failed.
    pub failure: Option<Diagnostic>,
    /// What the flow did, one line for each thing.
    pub trace: Vec<String>,
}

/// Which states the tests came to, and which outcomes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Coverage {
    pub flow: String,
    pub visited: Vec<String>,
    pub missed: Vec<String>,
    /// How many outcomes of verbs can be.
    pub outcomes: usize,
    /// Those that no test came to, as `state: verb: outcome`.
    pub missed_outcomes: Vec<String>,
}

impl TestReport {
    pub fn passed(&self) -> bool {
        self.results.iter().all(|result| result.failure.is_none())
    }

    pub fn failures(&self) -> impl Iterator<Item = &Diagnostic> {
        self.results.iter().filter_map(|result| result.failure.as_ref())
    }
}

/// Runs every test of every flow.
pub fn run_tests(plan: &Arc<Plan>) -> TestReport {
    let mut report = TestReport { results: Vec::new(), coverage: Vec::new() };
    for (index, flow) in plan.flows.iter().enumerate() {
        let mut states: BTreeSet<String> = BTreeSet::new();
        let mut outcomes: BTreeSet<String> = BTreeSet::new();
        for test in &flow.tests {
            let mut stage = Stage::new(plan, FlowRef(index), flow, test);
            let failure = stage.play(test).err().map(|At { value: message, span }| {
                let message = format!("the test \"{}\" failed: {message}", test.name.value);
                Problem::error(Code::BadTest, span, message).locate(plan.sources())
            });
            states.extend(stage.states);
            outcomes.extend(stage.outcomes);
            report.results.push(TestResult {
                flow: flow.name.value.clone(),
                name: test.name.value.clone(),
                failure,
                trace: stage.trace,
            });
        }
        let all = flow.states.iter().map(|state| state.name.value.clone());
        let (visited, missed) = all.partition(|name| states.contains(name));
        let possible = outcomes_of(flow);
        report.coverage.push(Coverage {
            flow: flow.name.value.clone(),
            visited,
            missed,
            outcomes: possible.len(),
            missed_outcomes: possible.into_iter().filter(|outcome| !outcomes.contains(outcome)).collect(),
        });
    }
    report
}

/// Everything that verbs of the flow can come to on its channels, in the order of the text.
fn outcomes_of(flow: &Flow) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let mut known: BTreeSet<String> = BTreeSet::new();
    let reached: Vec<_> = flow.channels().keys().map(|channel| (*channel, reached(flow, *channel))).collect();
    for (at, state) in flow.states.iter().enumerate() {
        for step in &state.body {
            for (channel, _) in reached.iter().filter(|(_, states)| states.contains(&at)) {
                for way in step.verb.shape(*channel).outcomes {
                    let outcome = format!("{}: {}: {}", state.name.value, step.verb.name(), way.to);
                    if known.insert(outcome.clone()) {
                        all.push(outcome);
                    }
                }
            }
        }
    }
    all
}

/// The states that some way leads to on a channel.
fn reached(flow: &Flow, channel: ChannelKind) -> BTreeSet<usize> {
    let mut found: BTreeSet<usize> = BTreeSet::new();
    let mut open = vec![0];
    while let Some(at) = open.pop() {
        let Some(state) = flow.states.get(at).filter(|_| found.insert(at)) else { continue };
        for step in &state.body {
            let shape = step.verb.shape(channel);
            let jumps = shape.jumps.iter().map(|jump| &jump.to.value);
            let handled = shape.outcomes.iter().filter_map(|way| step.handler(way.to, channel));
            open.extend(jumps.chain(handled.map(|target| &target.value)).filter_map(|name| flow.state(name)));
        }
    }
    found
}

/// A run with everything around it.
pub(super) struct Stage {
    pub run: Run,
    now: Now,
    env: Env,
    queued_since: Option<Instant>,
    /// What the flow did; `seen` of it has been looked at by an `expect`.
    done: Vec<Effect>,
    seen: usize,
    pub trace: Vec<String>,
    states: BTreeSet<String>,
    outcomes: BTreeSet<String>,
}

impl Stage {
    pub fn new(plan: &Arc<Plan>, index: FlowRef, flow: &Flow, test: &Scenario) -> Stage {
        let kind = test.channel.value;
        let mut env = Env::default();
        if kind == ChannelKind::Voice {
            let own = flow.entries.iter().find_map(|entry| match &entry.value {
                Entry::Sip(number) => Some(number.trim_end_matches('*').to_owned()),
                Entry::Chat(_) | Entry::After(_) => None,
            });
            env.caller = test.from.as_ref().map(|from| from.value.clone());
            env.called = test.to.as_ref().map(|to| to.value.clone()).or(own);
            env.customer.phone.clone_from(&env.caller);
        }
        for (known, value) in &test.with {
            match &known.value {
                Known::Customer(field) => match field.value.as_str() {
                    "name" => env.customer.name = Some(value.clone()),
                    "phone" => env.customer.phone = Some(value.clone()),
                    "email" => env.customer.email = Some(value.clone()),
                    // The checker knows no others.
                    _ => {}
                },
                Known::Attribute(name) => {
                    env.customer.attributes.insert(name.clone(), value.clone());
                }
                Known::Session(key) => {
                    env.session.insert(key.value.clone(), value.clone());
                }
                Known::Switch => {
                    env.switches.insert(value.clone());
                }
            }
        }
        let now = Now::new(Instant::ZERO, test.at);
        let run = Run::start(Arc::clone(plan), index, kind, now, &env);
        Stage {
            run,
            now,
            env,
            queued_since: None,
            done: Vec::new(),
            seen: 0,
            trace: Vec::new(),
            states: BTreeSet::new(),
            outcomes: BTreeSet::new(),
        }
    }

    /// On failure, what went wrong at which step.
    fn play(&mut self, test: &Scenario) -> Result<(), At<String>> {
        self.settle().map_err(|message| At::new(message, test.name.span))?;
        for At { value: act, span } in &test.steps {
            self.act(act).and_then(|()| self.settle()).map_err(|message| At::new(message, *span))?;
        }
        Ok(())
    }

    pub fn act(&mut self, act: &Act) -> Result<(), String> {
        match act {
            Act::Expect(expect) => return self.expect(expect),
            Act::Switch(name, on) => {
                match on {
                    true => self.env.switches.insert(name.clone()),
                    false => self.env.switches.remove(name),
                };
                return Ok(());
            }
            _ => {}
        }
        if self.run.is_over() {
            return Err("the flow is over already".to_owned());
        }
        let asking = matches!(
            self.run.waiting(),
            Some(Waiting::Asking(_) | Waiting::Collecting(_) | Waiting::Leaving(_))
        );
        let outside = matches!(self.run.waiting(), Some(Waiting::Outside));
        let queued = matches!(self.run.waiting(), Some(Waiting::Queued(_)));
        let offered = matches!(self.run.waiting(), Some(Waiting::Queued(place)) if place.offers());
        let transferred = matches!(self.run.waiting(), Some(Waiting::Transferred | Waiting::Dialling(_)));
        match act {
            Act::Key(_) | Act::Keys(_) | Act::Type(_) | Act::Silence if outside => {
                Err("the flow waits for an outside system: write what it answers, such as `http fails`"
                    .to_owned())
            }
            Act::Key(_) | Act::Keys(_) if offered => self.input(match act {
                Act::Key(key) => Input::Key(*key),
                _ => return Err("one key is enough".to_owned()),
            }),
            Act::Callback(_) if !queued => Err("the flow is not in a queue".to_owned()),
            Act::Key(_) | Act::Keys(_) | Act::Silence if !asking => {
                Err("the flow is not asking anything; to let time pass, write `wait 30s`".to_owned())
            }
            Act::OperatorAnswers | Act::QueueFull if !queued => Err("the flow is not in a queue".to_owned()),
            Act::TransferConnects | Act::TransferFails(_) if !transferred => {
                Err("the flow is not transferring anything".to_owned())
            }
            Act::HttpAnswers(..) | Act::HttpFails | Act::LookupFinds(_) | Act::Invite(_) if !outside => {
                Err("the flow asks nobody outside".to_owned())
            }
            Act::Key(key) => self.input(Input::Key(*key)),
            Act::Keys(keys) => keys.chars().try_for_each(|key| {
                self.input(Input::Key(key))?;
                self.settle()
            }),
            Act::Type(text) => self.input(Input::Text(text.clone())),
            Act::HangUp => self.input(Input::HungUp),
            Act::OperatorAnswers => self.input(Input::QueueAnswered),
            Act::QueueFull => self.input(Input::QueueFull),
            Act::Callback(promised) => self.input(Input::Callback { promised: *promised }),
            Act::TransferConnects => self.input(Input::TransferEnded { connected: true }),
            Act::TransferFails(end) => {
                self.env.dialled = Some(*end);
                self.input(Input::TransferEnded { connected: false })
            }
            Act::HttpAnswers(status, body) => {
                self.input(Input::HttpAnswered { status: *status, body: body.clone() })
            }
            Act::HttpFails => self.input(Input::HttpFailed { why: "nobody answers".to_owned() }),
            Act::LookupFinds(found) => self.input(Input::LookedUp { found: found.clone() }),
            Act::Invite(accepted) => self.input(Input::Invited { accepted: *accepted }),
            Act::Silence => {
                let deadline = self.run.poll_timeout().unwrap_or(self.now.instant);
                self.wait_until(deadline)
            }
            Act::Wait(time) => self.wait_until(self.now.instant + *time),
            Act::Expect(_) | Act::Switch(..) => Ok(()),
        }
    }

    fn input(&mut self, input: Input) -> Result<(), String> {
        self.refresh_queue();
        self.run.handle(self.now, input, &self.env);
        Ok(())
    }

    fn wait_until(&mut self, end: Instant) -> Result<(), String> {
        for _ in 0..MAX_TIMERS {
            match self.run.poll_timeout() {
                Some(deadline) if deadline <= end => {
                    self.pass(deadline.saturating_since(self.now.instant));
                    self.run.handle_timeout(self.now, &self.env);
                    self.settle()?;
                }
                _ => {
                    self.pass(end.saturating_since(self.now.instant));
                    return Ok(());
                }
            }
        }
        Err("too much happens in this time".to_owned())
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now.after(time);
        self.refresh_queue();
    }

    fn refresh_queue(&mut self) {
        self.env.queue = self.queued_since.map(|since| QueuePlace {
            position: 1,
            waited: self.now.instant.saturating_since(since),
            estimated_wait: Some(ESTIMATED_WAIT),
        });
    }

    /// Answers and lets play, until the flow waits for somebody.
    pub fn settle(&mut self) -> Result<(), String> {
        self.collect();
        for _ in 0..MAX_PLAYED {
            let input = match self.run.waiting() {
                Some(Waiting::Answered) => Input::Answered,
                Some(Waiting::Played) => Input::PlayingEnded,
                Some(Waiting::Asking(asking)) if asking.deadline().is_none() => Input::PlayingEnded,
                Some(Waiting::Collecting(all)) if all.deadline().is_none() => Input::PlayingEnded,
                Some(Waiting::Leaving(leaving)) if leaving.deadline().is_none() => Input::PlayingEnded,
                Some(
                    Waiting::Asking(_)
                    | Waiting::Collecting(_)
                    | Waiting::Leaving(_)
                    | Waiting::Queued(_)
                    | Waiting::Transferred
                    | Waiting::Dialling(_)
                    | Waiting::Outside,
                )
                | None => return Ok(()),
            };
            if input == Input::PlayingEnded {
                self.pass(PLAYING_TIME);
            }
            self.run.handle(self.now, input, &self.env);
            self.collect();
        }
        Err("the flow never stops talking".to_owned())
    }

    fn collect(&mut self) {
        self.states.insert(self.run.state().to_owned());
        while let Some(effect) = self.run.poll_effect() {
            match &effect {
                Effect::SetContext { key, value } => {
                    self.env.session.insert(key.clone(), value.clone());
                }
                Effect::Queue { .. } => self.queued_since = Some(self.now.instant),
                Effect::LeaveQueue => self.queued_since = None,
                Effect::Trace { state, verb, outcome } => {
                    self.states.insert(state.clone());
                    self.outcomes.insert(format!("{state}: {verb}: {outcome}"));
                }
                _ => {}
            }
            self.trace.push(describe(&effect));
            self.done.push(effect);
        }
        self.refresh_queue();
    }

    fn expect(&mut self, expect: &Expect) -> Result<(), String> {
        if let Expect::State(state) = expect {
            let current = self.run.state();
            return if current == state.value {
                Ok(())
            } else {
                Err(format!("expected the state {}, but the flow is in {current}", state.value))
            };
        }
        let rest = self.done.get(self.seen..).unwrap_or_default();
        if let Some(at) = rest.iter().position(|effect| expect.fits(effect)) {
            self.seen += at + 1;
            return Ok(());
        }
        let happened: Vec<String> =
            rest.iter().filter(|effect| !matches!(effect, Effect::Trace { .. })).map(describe).collect();
        let instead = if happened.is_empty() { "nothing".to_owned() } else { happened.join("; ") };
        Err(format!("expected {expect}, but the flow did: {instead}"))
    }
}
