//! The dialplan at work: its effects become prompts, messages and places in queues; what the customer does goes back to it.

use std::sync::Arc;

use dialplans::api::{
    ChannelKind, Customer, Effect, Entry as FlowEntry, Env, FlowRef, Input as FlowInput, QueuePlace,
    TransferTarget,
};
use dialplans::{Plan, Run};
use media::api::{Command as MediaCommand, Prompt};
use model::{Asks, Author, Cause, Change, Ending, Left, LegId, Now, PlaybackId, QueueName, SessionId, Side};

use crate::api::Output;
use crate::engine::Engine;
use crate::leg::Step;
use crate::outside::{Question, dial_end};
use crate::session::{FlowRun, Queued};
use crate::timers::Timer;

impl Engine {
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn start_flow(
        &mut self,
        now: Now,
        id: SessionId,
        leg: LegId,
        plan: Arc<Plan>,
        flow: FlowRef,
        channel: ChannelKind,
        caller: Option<String>,
        called: Option<String>,
    ) {
        let name = plan.flow_name(flow).to_owned();
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.caller = caller;
        session.called = called;
        let env = self.flow_env(now, id);
        let run = Run::start(plan, flow, channel, now, &env);
        if let Some(session) = self.sessions.get_mut(&id) {
            session.flow = Some(FlowRun::new(run, name, leg));
        }
        self.pump_flow(now, id);
    }

    pub(crate) fn flow_input(&mut self, now: Now, id: SessionId, input: FlowInput) {
        let env = self.flow_env(now, id);
        let Some(flow) = self.sessions.get_mut(&id).and_then(|session| session.flow.as_mut()) else { return };
        if flow.calling_off && matches!(input, FlowInput::TransferEnded { .. }) {
            return;
        }
        flow.run.handle(now, input, &env);
        self.pump_flow(now, id);
    }

    /// The customer left the flow's leg. The flow learns it and is over; whether the session is, others decide.
    pub(crate) fn flow_hung_up(&mut self, now: Now, id: SessionId) {
        let env = self.flow_env(now, id);
        let Some(mut flow) = self.sessions.get_mut(&id).and_then(|session| session.flow.take()) else {
            return;
        };
        flow.run.handle(now, FlowInput::HungUp, &env);
        while let Some(effect) = flow.run.poll_effect() {
            if let Effect::Trace { state, verb, outcome } = effect {
                let flow = flow.name.clone();
                self.journal(now, id, Change::Step { flow, state, verb: verb.to_owned(), outcome });
            }
        }
    }

    /// A chat that nobody serves any more gets the flow of its entry. Whether there is one.
    pub(crate) fn serve_chat_by_flow(&mut self, now: Now, id: SessionId) -> bool {
        let Some(session) = self.sessions.get(&id) else { return false };
        let (Some((leg, _)), Some(account)) = (session.chat(), session.chat_account.clone()) else {
            return false;
        };
        let Some(plan) = self.plan.clone() else { return false };
        let Some(flow) = plan.entry(&FlowEntry::Chat(account)) else { return false };
        self.start_flow(now, id, leg, plan, flow, ChannelKind::Text, None, None);
        true
    }

    /// A chat that has waited through a restart gets its flow back, in the state whose queue it is in. Without it (the plan has
    /// changed) it keeps its place, and only what the flow would have said is left out.
    pub(crate) fn resume_flow(&mut self, now: Now, id: SessionId, flow: String, state: &str) {
        let Some(session) = self.sessions.get(&id) else { return };
        let (Some((leg, _)), Some(place)) = (session.chat(), &session.queued) else { return };
        let Some(plan) = self.plan.clone() else { return };
        let at = (flow.as_str(), state);
        let run = Run::resume_in_queue(plan, at, &place.queue, place.since, ChannelKind::Text, now);
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.flow = run.map(|run| FlowRun::new(run, flow, leg));
        self.pump_flow(now, id);
    }

    pub(crate) fn flow_timeout(&mut self, now: Now, id: SessionId) {
        let env = self.flow_env(now, id);
        let Some(flow) = self.sessions.get_mut(&id).and_then(|session| session.flow.as_mut()) else { return };
        if flow.run.poll_timeout().is_none_or(|at| at > now.instant) {
            return;
        }
        flow.run.handle_timeout(now, &env);
        self.pump_flow(now, id);
    }

    fn pump_flow(&mut self, now: Now, id: SessionId) {
        loop {
            let Some(flow) = self.sessions.get_mut(&id).and_then(|session| session.flow.as_mut()) else {
                return;
            };
            match flow.run.poll_effect() {
                Some(effect) => self.flow_effect(now, id, effect),
                None => break,
            }
        }
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Some(flow) = &session.flow else { return };
        if flow.run.is_over() {
            session.flow = None;
            let nobody =
                session.owner.is_none() && session.queued.is_none() && session.talking_partner().is_none();
            if nobody && session.ended.is_none() {
                self.end_session(now, id, Ending::new(Cause::Completed, Side::Flow));
            }
        } else if let Some(at) = flow.run.poll_timeout() {
            self.timers.set(at, Timer::Flow(id));
        }
    }

    fn flow_effect(&mut self, now: Now, id: SessionId, effect: Effect) {
        match effect {
            Effect::Answer => self.flow_answer(now, id),
            Effect::Say { text, prompts } => {
                if self.flow_speaks(id) {
                    self.play_files(now, id, prompts);
                } else {
                    self.say(now, id, Author::Flow, text, Vec::new(), None);
                }
            }
            Effect::Play { prompts } => self.play_files(now, id, prompts),
            Effect::Ask { text, prompts, buttons } => {
                if self.flow_speaks(id) {
                    self.play_files(now, id, prompts);
                } else {
                    self.say(now, id, Author::Flow, text, buttons, None);
                }
            }
            Effect::StopPlaying => {
                if let Some(leg) = self.flow_leg(id) {
                    self.stop_playing(id, leg);
                }
            }
            Effect::Queue { queue, priority, music, asks } => {
                self.flow_queue(now, id, queue, priority, music, asks);
            }
            Effect::Announce { text, prompts } => self.announce(now, id, text, prompts),
            Effect::LeaveQueue => {
                self.acd.remove(now, id);
                self.dequeued(now, id, Left::Overflowed);
                if let Some(leg) = self.flow_leg(id) {
                    self.stop_playing(id, leg);
                }
            }
            Effect::Transfer { to } => {
                if let Some(session) = self.sessions.get_mut(&id) {
                    session.transfer_ended = None;
                }
                let started = match &to {
                    TransferTarget::Number(number) => self.transfer_to_number(now, id, number).is_some(),
                    TransferTarget::Agent(login) => self.transfer_to_agent(now, id, login),
                };
                if !started {
                    self.flow_input(now, id, FlowInput::TransferEnded { connected: false });
                }
            }
            Effect::CancelTransfer => self.flow_calls_off(now, id),
            Effect::InviteCall { number } => self.flow_invites(now, id, &number),
            Effect::Task(task) => self.flow_leaves_task(now, id, task),
            Effect::Http(request) => self.flow_asks(id, Question::Http(request)),
            Effect::Lookup { by, value } => self.flow_asks(id, Question::Lookup { by, value }),
            Effect::SetContext { key, value } => self.set_context(now, id, key, value, true),
            Effect::Close { text, prompts } => {
                if self.flow_speaks(id) {
                    if !prompts.is_empty() {
                        self.play_files(now, id, prompts);
                    }
                } else if let Some(text) = text {
                    self.say(now, id, Author::Flow, text, Vec::new(), None);
                }
            }
            Effect::Record(act) => self.flow_records(now, id, act),
            Effect::Callback => {
                let number = self.sessions.get(&id).and_then(|session| {
                    session.caller.clone().or_else(|| session.customer.phone().map(str::to_owned))
                });
                let promised =
                    number.is_some_and(|number| self.promise_callback(now, id, &number, Side::Customer));
                self.flow_input(now, id, FlowInput::Callback { promised });
            }
            // He goes, and his place stays.
            Effect::Hangup if self.sessions.get(&id).is_some_and(|session| session.callback.is_some()) => {
                self.flow_lets_go(now, id);
            }
            Effect::Hangup => {
                if let Some(session) = self.sessions.get_mut(&id) {
                    session.flow = None;
                }
                self.end_session(now, id, Ending::new(Cause::Completed, Side::Flow));
            }
            Effect::Trace { state, verb, outcome } => {
                let Some(flow) = self.sessions.get(&id).and_then(|session| session.flow.as_ref()) else {
                    return;
                };
                let flow = flow.name.clone();
                self.journal(now, id, Change::Step { flow, state, verb: verb.to_owned(), outcome });
            }
        }
    }

    /// The flow has nothing more to do with the customer, who is to be called.
    fn flow_lets_go(&mut self, now: Now, id: SessionId) {
        let Some(flow) = self.sessions.get_mut(&id).and_then(|session| session.flow.take()) else { return };
        if self
            .sessions
            .get(&id)
            .is_some_and(|session| session.chat().is_some_and(|(leg, _)| leg == flow.leg))
        {
            self.close_chat(now, id, Ending::new(Cause::Completed, Side::Flow));
        } else {
            self.hang_up(now, flow.leg, Cause::Completed, Side::Flow);
        }
    }

    pub(crate) fn flow_env(&self, now: Now, id: SessionId) -> Env {
        let Some(session) = self.sessions.get(&id) else { return Env::default() };
        let queue = self.acd.place(now, id).map(|place| QueuePlace {
            position: u32::try_from(place.position).unwrap_or(u32::MAX),
            waited: place.waited,
            estimated_wait: place.estimated_wait,
        });
        Env {
            customer: Customer {
                name: session.customer.name.clone(),
                phone: session.customer.phone().map(str::to_owned),
                email: session.customer.email().map(str::to_owned),
                attributes: Default::default(),
            },
            session: session.context.clone(),
            queue,
            caller: session.caller.clone(),
            called: session.called.clone(),
            switches: self.switches.clone(),
            dialled: session.transfer_ended.as_ref().map(dial_end),
        }
    }

    fn flow_leg(&self, id: SessionId) -> Option<LegId> {
        self.sessions.get(&id)?.flow.as_ref().map(|flow| flow.leg)
    }

    /// Whether the flow talks to a call (else it writes).
    fn flow_speaks(&self, id: SessionId) -> bool {
        let Some(session) = self.sessions.get(&id) else { return false };
        session
            .flow
            .as_ref()
            .is_some_and(|flow| session.legs.get(&flow.leg).is_some_and(|leg| leg.voice().is_some()))
    }

    fn flow_answer(&mut self, now: Now, id: SessionId) {
        let Some(leg) = self.flow_leg(id) else { return };
        self.answer_customer(now, id, leg);
    }

    fn play_files(&mut self, now: Now, id: SessionId, prompts: Vec<String>) {
        let Some(leg) = self.flow_leg(id) else { return };
        if prompts.is_empty() {
            self.flow_input(now, id, FlowInput::PlayingEnded);
            return;
        }
        let what = prompts.into_iter().map(|name| Prompt::File(name.into())).collect();
        self.play(now, id, leg, what, false);
    }

    fn flow_queue(
        &mut self,
        now: Now,
        id: SessionId,
        queue: QueueName,
        priority: i32,
        music: Option<String>,
        asks: Box<Asks>,
    ) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let since_wall = now.wall;
        let place = Queued { queue: queue.clone(), priority, since: now.instant, since_wall, music, asks };
        session.queue_name = Some(queue);
        session.queued = Some(place.clone());
        self.waiting.insert(id);
        self.journal_place(now, id, place.clone());
        if self.enqueue(now, id, &place).is_err() {
            self.dequeued(now, id, Left::Refused);
            self.flow_input(now, id, FlowInput::QueueFull);
            return;
        }
        self.play_waiting(now, id);
        self.visitor_state(now, id);
    }

    fn announce(&mut self, now: Now, id: SessionId, text: String, prompts: Vec<String>) {
        if self.flow_speaks(id) {
            if prompts.is_empty() {
                return;
            }
            let Some(leg) = self.flow_leg(id) else { return };
            let mut what: Vec<Prompt> = prompts.into_iter().map(|name| Prompt::File(name.into())).collect();
            if self.voice_of(id, leg).is_none_or(|voice| voice.playback.is_none()) {
                what.push(self.waiting_music(id));
                return self.play(now, id, leg, what, false);
            }
            // Over the music; nobody waits for its end.
            let playback = PlaybackId::new(now.wall, self.random());
            self.put(Output::Media(MediaCommand::Announce { leg, playback, what }));
        } else {
            self.say(now, id, Author::Flow, text, Vec::new(), None);
        }
    }

    fn waiting_music(&self, id: SessionId) -> Prompt {
        let music = self.sessions.get(&id).and_then(|session| session.queued.as_ref()?.music.clone());
        Prompt::Music(music.as_deref().unwrap_or("hold").into())
    }

    /// Music for a customer on the phone who waits.
    pub(crate) fn play_waiting(&mut self, now: Now, id: SessionId) {
        let music = self.waiting_music(id);
        let leg =
            self.sessions.get(&id).and_then(|session| session.customer_voice()).filter(|leg| leg.is_up());
        if let Some(leg) = leg.map(|leg| leg.id) {
            self.play(now, id, leg, vec![music], true);
        }
    }

    pub(crate) fn play(&mut self, now: Now, id: SessionId, leg: LegId, what: Vec<Prompt>, repeat: bool) {
        let playback = PlaybackId::new(now.wall, self.random());
        let Some(voice) = self.voice_of(id, leg) else { return };
        if voice.step != Step::Up {
            return;
        }
        voice.playback = Some(playback);
        self.put(Output::Media(MediaCommand::Play { leg, playback, what, repeat }));
    }

    pub(crate) fn stop_playing(&mut self, id: SessionId, leg: LegId) {
        let Some(voice) = self.voice_of(id, leg) else { return };
        if voice.playback.take().is_some() {
            self.put(Output::Media(MediaCommand::StopPlaying { leg }));
        }
    }

    pub(crate) fn playing_ended(&mut self, now: Now, leg: LegId, playback: PlaybackId) {
        let Some(id) = self.legs.get(&leg).copied() else { return };
        let Some(voice) = self.voice_of(id, leg) else { return };
        if voice.playback != Some(playback) {
            return;
        }
        voice.playback = None;
        if self.flow_leg(id) == Some(leg) {
            self.flow_input(now, id, FlowInput::PlayingEnded);
        }
    }

    pub(crate) fn set_context(
        &mut self,
        now: Now,
        id: SessionId,
        key: String,
        value: String,
        overwrite: bool,
    ) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if !overwrite && session.context.contains_key(&key) {
            return;
        }
        session.context.insert(key.clone(), value.clone());
        self.journal(now, id, Change::ContextSet { key, value });
    }
}
