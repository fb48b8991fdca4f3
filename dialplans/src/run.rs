//! The interpreter: one session on its way through one flow of one version of the plan.
//!
//! Invariants: a run holds its plan, so a reload does not touch it; it acts only when called; between two moments it takes
//! at most [`MAX_STEPS`] steps, so a loop that never waits ends the session instead of the process; whatever happens, it
//! either waits for something or is over.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use model::{Instant, Now, QueueName};

use crate::api::{ChannelKind, Effect, Env, FlowRef, Input, RecordingAct};
use crate::plan::Plan;
use crate::syntax::tree::{Flow, Step};
use crate::values::Scope;
use crate::verb::{Event, Next, Verb, Waiting};

/// Steps without any time passing after which a run is given up.
pub const MAX_STEPS: u32 = 500;
/// Keys pressed ahead of a question that are kept.
const MAX_KEYS: usize = 32;
/// Of places in queues, either way.
const MAX_PRIORITY: i32 = 100;
/// The context key of the language that the customer is spoken to in.
pub(crate) const LANGUAGE: &str = "language";

/// A running flow. `poll_effect` until it is empty after `start` and after each call of `handle…`.
#[derive(Debug)]
pub struct Run {
    plan: Arc<Plan>,
    flow: usize,
    core: Core,
}

#[derive(Debug)]
struct Core {
    channel: ChannelKind,
    state: usize,
    step: usize,
    /// `None` only while a turn is going on and when the run is over.
    waiting: Option<Waiting>,
    answered: bool,
    over: bool,
    effects: VecDeque<Effect>,
    /// Context values that this run has set and `Env` does not hold yet.
    own: BTreeMap<String, String>,
    keys: VecDeque<char>,
    /// What `priority` says; added to that of the queue.
    priority: i32,
    /// What `collect … secret` got: never in the journal, never in the session's context.
    secrets: BTreeMap<String, String>,
    /// The flow wants silence in the recording.
    paused: bool,
    steps_left: u32,
    /// The moment that `steps_left` is for.
    moment: Instant,
}

impl Run {
    /// Begins at the flow's first state and goes on to the first thing that has to be waited for.
    pub fn start(plan: Arc<Plan>, flow: FlowRef, channel: ChannelKind, now: Now, env: &Env) -> Run {
        let mut run = Run { plan: Arc::clone(&plan), flow: flow.0, core: Core::new(channel, now) };
        match plan.flow(flow) {
            Some(flow) => run.core.go_on(&plan, flow, Next::Again, now, env),
            None => run.core.give_up("", "error: the plan has no such flow"),
        }
        run
    }

    /// Goes on where a run of an earlier process waited: in `state` of the flow named `flow`, in `queue` since `since`.
    /// `None` when the plan has no such place any more.
    pub fn resume_in_queue(
        plan: Arc<Plan>,
        (flow, state): (&str, &str),
        queue: &QueueName,
        since: Instant,
        channel: ChannelKind,
        now: Now,
    ) -> Option<Run> {
        let index = plan.flows.iter().position(|known| known.name.value == flow)?;
        let flow = &plan.flows[index];
        let state = flow.state(state)?;
        let (step, waiting) = flow.states[state].body.iter().enumerate().find_map(|(step, known)| {
            let Verb::Queue(verb) = &known.verb else { return None };
            Some((step, verb.resume(queue, since, now.instant)?))
        })?;
        let core = Core { state, step, waiting: Some(waiting), answered: true, ..Core::new(channel, now) };
        Some(Run { plan, flow: index, core })
    }

    pub fn handle(&mut self, now: Now, input: Input, env: &Env) {
        if input == Input::HungUp {
            if !self.core.over {
                let state = self.state().to_owned();
                self.core.effects.push_back(Effect::Trace {
                    state,
                    verb: "flow",
                    outcome: "hung up".to_owned(),
                });
                self.core.over = true;
                self.core.waiting = None;
            }
            return;
        }
        self.event(now, Event::Input(input), env);
    }

    /// To be called at or after `poll_timeout`; earlier does nothing.
    pub fn handle_timeout(&mut self, now: Now, env: &Env) {
        if self.poll_timeout().is_some_and(|deadline| deadline <= now.instant) {
            self.event(now, Event::Timeout, env);
        }
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        self.core.waiting.as_ref().and_then(Waiting::deadline)
    }

    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.core.effects.pop_front()
    }

    /// No input changes anything any more. Effects may still be waiting to be polled.
    pub fn is_over(&self) -> bool {
        self.core.over
    }

    pub fn flow_name(&self) -> &str {
        self.plan.flow(FlowRef(self.flow)).map_or("", |flow| &flow.name.value)
    }

    /// The name of the state that the run is in.
    pub fn state(&self) -> &str {
        self.plan
            .flow(FlowRef(self.flow))
            .and_then(|flow| flow.states.get(self.core.state))
            .map_or("", |state| &state.name.value)
    }

    pub fn channel(&self) -> ChannelKind {
        self.core.channel
    }

    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// What the run is waiting for, for the test runner.
    pub(crate) fn waiting(&self) -> Option<&Waiting> {
        self.core.waiting.as_ref()
    }

    fn event(&mut self, now: Now, event: Event, env: &Env) {
        let plan = Arc::clone(&self.plan);
        let Some(flow) = plan.flow(FlowRef(self.flow)) else { return };
        let Some(waiting) = self.core.waiting.take() else { return };
        // What the session's context already holds may have been changed by others since.
        self.core.own.retain(|key, _| !env.session.contains_key(key));
        if waiting == Waiting::Answered && event == Event::Input(Input::Answered) {
            self.core.answered = true;
        }
        let Some(step) = self.core.current(flow) else {
            return self.core.give_up("", "error: the run was in no state");
        };
        let next = step.verb.on_event(waiting, event, &mut self.core.turn(&plan, flow, step, now, env));
        self.core.go_on(&plan, flow, next, now, env);
    }
}

impl Core {
    fn new(channel: ChannelKind, now: Now) -> Core {
        Core {
            channel,
            state: 0,
            step: 0,
            waiting: None,
            answered: false,
            over: false,
            effects: VecDeque::new(),
            own: BTreeMap::new(),
            keys: VecDeque::new(),
            priority: 0,
            secrets: BTreeMap::new(),
            paused: false,
            steps_left: MAX_STEPS,
            moment: now.instant,
        }
    }

    /// Carries out `next`, and whatever comes after it, until something has to be waited for.
    fn go_on<'p>(&mut self, plan: &'p Plan, flow: &'p Flow, mut next: Next<'p>, now: Now, env: &Env) {
        if now.instant > self.moment {
            self.moment = now.instant;
            self.steps_left = MAX_STEPS;
        }
        loop {
            match next {
                Next::Again => {}
                Next::Continue => self.step += 1,
                Next::Wait(waiting) => {
                    self.waiting = Some(waiting);
                    return;
                }
                Next::Over => {
                    self.over = true;
                    return;
                }
                Next::Outcome(outcome) => {
                    let step = self.current(flow);
                    let target = step.and_then(|step| step.handler(outcome, self.channel));
                    if let Some(step) = step {
                        self.turn(plan, flow, step, now, env).trace(outcome);
                    }
                    match target {
                        Some(target) => {
                            next = Next::Goto(&target.value);
                            continue;
                        }
                        None => self.step += 1,
                    }
                }
                Next::Goto(name) => match flow.state(name) {
                    Some(state) => {
                        self.state = state;
                        self.step = 0;
                    }
                    None => {
                        return self.give_up(self.name(flow), &format!("error: there is no state {name}"));
                    }
                },
            }
            let Some(step) = self.current(flow) else {
                return self.give_up(self.name(flow), "error: the state ends without saying where to go on");
            };
            if self.steps_left == 0 {
                return self
                    .give_up(self.name(flow), "error: the flow goes round without waiting for anything");
            }
            self.steps_left -= 1;
            next = step.verb.start(&mut self.turn(plan, flow, step, now, env));
        }
    }

    fn current<'p>(&self, flow: &'p Flow) -> Option<&'p Step> {
        flow.states.get(self.state)?.body.get(self.step)
    }

    fn name<'p>(&self, flow: &'p Flow) -> &'p str {
        flow.states.get(self.state).map_or("", |state| &state.name.value)
    }

    fn give_up(&mut self, state: &str, why: &str) {
        self.effects.push_back(Effect::Trace {
            state: state.to_owned(),
            verb: "flow",
            outcome: why.to_owned(),
        });
        self.effects.push_back(Effect::Hangup);
        self.waiting = None;
        self.over = true;
    }

    fn turn<'a>(
        &'a mut self,
        plan: &'a Plan,
        flow: &'a Flow,
        step: &Step,
        now: Now,
        env: &'a Env,
    ) -> Turn<'a> {
        let state = self.name(flow);
        Turn { core: self, plan, flow, state, verb: step.verb.name(), env, now }
    }
}

/// What a verb may see and do in its turn.
pub(crate) struct Turn<'a> {
    core: &'a mut Core,
    plan: &'a Plan,
    flow: &'a Flow,
    state: &'a str,
    verb: &'static str,
    env: &'a Env,
    pub now: Now,
}

impl Turn<'_> {
    pub fn channel(&self) -> ChannelKind {
        self.core.channel
    }

    pub fn put(&mut self, mut effect: Effect) {
        match &mut effect {
            Effect::Queue { priority, .. } => {
                *priority = (*priority + self.core.priority).clamp(-MAX_PRIORITY, MAX_PRIORITY);
            }
            Effect::Record(RecordingAct::Pause) => self.core.paused = true,
            Effect::Record(RecordingAct::Resume) => self.core.paused = false,
            _ => {}
        }
        self.core.effects.push_back(effect);
    }

    /// Added to the priority of the queues that follow.
    pub fn set_priority(&mut self, priority: i32) {
        self.core.priority = priority;
    }

    /// Whether the flow has paused the recording.
    pub fn is_paused(&self) -> bool {
        self.core.paused
    }

    pub fn keep_secret(&mut self, name: &str, value: String) {
        self.core.secrets.insert(name.to_owned(), value);
    }

    /// A value of the session's context, as the flow sees it.
    pub fn value(&self, key: &str) -> Option<&str> {
        self.core.own.get(key).or_else(|| self.env.session.get(key)).map(String::as_str)
    }

    pub fn env(&self) -> &Env {
        self.env
    }

    pub fn flow_name(&self) -> &str {
        &self.flow.name.value
    }

    /// The prompt in the customer's language, when there is one: `hello-en` for `hello`.
    pub fn in_his_language(&self, prompt: &str) -> String {
        let other = self.value(LANGUAGE).map(|language| format!("{prompt}-{language}"));
        other.filter(|other| self.plan.prompts.contains(other)).unwrap_or_else(|| prompt.to_owned())
    }

    pub fn trace(&mut self, outcome: &str) {
        let effect =
            Effect::Trace { state: self.state.to_owned(), verb: self.verb, outcome: outcome.to_owned() };
        self.put(effect);
    }

    /// Puts out `Answer` when the call has not been answered; the verb then waits for that.
    pub fn must_answer(&mut self) -> bool {
        if !self.core.answered {
            self.put(Effect::Answer);
        }
        !self.core.answered
    }

    pub fn set(&mut self, key: &str, value: String) {
        self.core.own.insert(key.to_owned(), value.clone());
        self.put(Effect::SetContext { key: key.to_owned(), value });
    }

    pub fn keep_key(&mut self, key: char) {
        if self.core.keys.len() < MAX_KEYS {
            self.core.keys.push_back(key);
        }
    }

    /// The keys that were pressed ahead; none are kept afterwards.
    pub fn take_keys(&mut self) -> Vec<char> {
        self.core.keys.drain(..).collect()
    }

    pub fn scope(&self) -> Scope<'_> {
        Scope {
            env: self.env,
            own: &self.core.own,
            keys: &self.plan.keys,
            library: &self.plan.library,
            secrets: &self.core.secrets,
            channel: self.core.channel,
            now: self.now.wall,
        }
    }
}
