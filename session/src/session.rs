//! One session as the engine keeps it while it lives. Its journal numbering is kept here, so that no change goes unnumbered.

use std::collections::{BTreeMap, VecDeque};

use dialplans::Run;
use media::api::Member;
use model::{
    AgentId, Asks, Change, Ending, Entry, Instant, LegId, Media, Medium, Message, Now, OfferId, Party,
    QueueName, SessionId, Timestamp, VisitorId,
};

use crate::api::{CustomerCard, RequestId};
use crate::callback::{Callback, CutOff};
use crate::leg::{Leg, Line, Role};
use crate::park::Parked;
use crate::recording::Recording;
use crate::transfer::Transfer;
use crate::view::{LegView, SessionState, SessionView};

/// Latest messages that are kept at hand.
const TRANSCRIPT: usize = 50;
/// Most recent sender's ids of messages that are remembered to recognise repeats.
const REMEMBERED_MESSAGES: usize = 512;

pub(crate) struct Session {
    pub id: SessionId,
    pub customer: CustomerCard,
    pub opened: Timestamp,
    pub seq: u64,
    pub legs: BTreeMap<LegId, Box<Leg>>,
    pub context: BTreeMap<String, String>,
    pub flow: Option<FlowRun>,
    /// The numbers of the call that the flow serves.
    pub caller: Option<String>,
    pub called: Option<String>,
    pub queued: Option<Queued>,
    /// The queue it is or last was in.
    pub queue_name: Option<QueueName>,
    /// One for each operator who is asked for him.
    pub offers: Vec<LiveOffer>,
    pub owner: Option<AgentId>,
    /// The owner's device died; until when he is waited for.
    pub owner_lost_until: Option<Instant>,
    /// Whoever serves the customer is sending him on.
    pub transfer: Option<Transfer>,
    /// How the last call ended that was to take the customer over.
    pub transfer_ended: Option<Ending>,
    /// Where he is parked.
    pub parked: Option<Parked>,
    /// What is left of Max-Forwards, and through how many of us the customer's call has come.
    pub forwards: Option<u8>,
    pub hops: u8,
    /// The owner had muted himself on the device that died.
    pub owner_was_muted: bool,
    pub recording: Recording,
    /// Of whoever served the customer last, and of those from whom he was taken.
    pub wrap_ups: Vec<WrapUp>,
    /// Who hears whom, while more are in the conversation than two.
    pub room: Vec<Member>,
    pub ended: Option<Ending>,
    /// A call to this number starts as soon as the operator is on the line.
    pub call_when_owner_is_up: Option<String>,
    /// Whom the operator wants to ask as soon as he is on the line.
    pub ask_when_owner_is_up: Option<String>,
    /// The customer waits while others talk.
    pub aside: bool,
    /// The customer asked to be phoned on this number; the session has no owner yet.
    pub call_when_owned: Option<String>,
    /// He is called when his turn comes.
    pub callback: Option<Callback>,
    /// He was cut off while he waited.
    pub cut_off: Option<CutOff>,
    /// The account of the web chat that the chat came in by.
    pub chat_account: Option<String>,
    /// The live one-time account to talk, and the live code of the chat.
    pub token: Option<String>,
    pub code: Option<String>,
    /// The latest messages, for a session that this one may become part of.
    pub transcript: VecDeque<Message>,
    /// Where in the queue the customer was last told to be.
    pub told_position: usize,
    pub calls_asked_for: u32,
    /// The flow after the contact has had him.
    pub had_after: bool,
    pub was_answered: bool,
    pub last_word: Instant,
    /// How far the customer's device and the operator have the conversation.
    pub delivered_up_to: u64,
    pub read_by_customer: u64,
    pub read_by_agent: u64,
    repeats: Repeats,
}

/// The dialplan at work.
pub(crate) struct FlowRun {
    pub run: Run,
    pub name: String,
    /// The leg it talks to.
    pub leg: LegId,
    /// What it asked outside last, while there is no answer.
    pub asked: Option<RequestId>,
    /// Calls are being called off that it has given up already.
    pub calling_off: bool,
}

impl FlowRun {
    pub fn new(run: Run, name: String, leg: LegId) -> FlowRun {
        FlowRun { run, name, leg, asked: None, calling_off: false }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Queued {
    pub queue: QueueName,
    pub priority: i32,
    pub since: Instant,
    pub since_wall: Timestamp,
    pub music: Option<String>,
    pub asks: Box<Asks>,
}

#[derive(Clone, Debug)]
pub(crate) struct LiveOffer {
    pub offer: OfferId,
    pub agent: AgentId,
    pub queue: QueueName,
    pub media: Media,
    pub deadline: Timestamp,
    /// Whether any of the agent's devices refused it.
    pub refused: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct WrapUp {
    pub agent: AgentId,
    pub until: Timestamp,
}

/// Messages by their sender's id, the latest only.
#[derive(Default)]
struct Repeats {
    by_id: BTreeMap<String, (u64, Timestamp)>,
    order: VecDeque<String>,
}

impl Session {
    pub fn new(now: Now, id: SessionId, customer: CustomerCard) -> Self {
        Self {
            id,
            customer,
            opened: now.wall,
            seq: 0,
            legs: BTreeMap::new(),
            context: BTreeMap::new(),
            flow: None,
            caller: None,
            called: None,
            queued: None,
            queue_name: None,
            offers: Vec::new(),
            owner: None,
            owner_lost_until: None,
            transfer: None,
            transfer_ended: None,
            parked: None,
            forwards: None,
            hops: 0,
            owner_was_muted: false,
            recording: Recording::default(),
            wrap_ups: Vec::new(),
            room: Vec::new(),
            ended: None,
            call_when_owner_is_up: None,
            ask_when_owner_is_up: None,
            aside: false,
            call_when_owned: None,
            callback: None,
            cut_off: None,
            chat_account: None,
            token: None,
            code: None,
            transcript: VecDeque::new(),
            told_position: 0,
            calls_asked_for: 0,
            had_after: false,
            was_answered: false,
            last_word: now.instant,
            delivered_up_to: 0,
            read_by_customer: 0,
            read_by_agent: 0,
            repeats: Repeats::default(),
        }
    }

    pub fn next_entry(&mut self, now: Now, change: Change) -> Entry {
        self.seq += 1;
        Entry { session: self.id, seq: self.seq, at: now.wall, change }
    }

    pub fn media(&self) -> Media {
        let mut media = Media { voice: self.callback.is_some(), ..Media::default() };
        for leg in self.each_leg().filter(|leg| leg.is_customer()) {
            match leg.medium {
                Medium::Voice => media.voice = true,
                Medium::Chat => media.chat = true,
            }
        }
        media
    }

    pub fn customer_voice(&self) -> Option<&Leg> {
        self.each_leg().find(|leg| leg.is_customer() && leg.medium == Medium::Voice)
    }

    /// His own call, or ours to him that he has answered.
    pub fn customer_call(&self) -> Option<&Leg> {
        let ours_rings = |leg: &Leg| leg.role() == Some(Role::CustomerOut) && !leg.is_up();
        self.each_leg().find(|leg| leg.is_customer() && leg.medium == Medium::Voice && !ours_rings(leg))
    }

    /// The operator's or the outside party's leg that the customer talks to, once it is up.
    pub fn talking_partner(&self) -> Option<&Leg> {
        self.each_leg().find(|leg| !leg.is_customer() && !leg.is_beside() && leg.is_up())
    }

    pub fn each_leg(&self) -> impl Iterator<Item = &Leg> {
        self.legs.values().map(Box::as_ref)
    }

    /// The legs of operators who serve him.
    pub fn agent_voice_legs(&self) -> impl Iterator<Item = &Leg> {
        self.each_leg().filter(|leg| matches!(leg.party, Party::Agent { .. }) && !leg.is_beside())
    }

    pub fn chat(&self) -> Option<(LegId, VisitorId)> {
        self.each_leg().find_map(|leg| match leg.line {
            Line::Chat(visitor) => Some((leg.id, visitor)),
            Line::Voice(_) => None,
        })
    }

    pub fn repeat_of(&self, external_id: &str) -> Option<(u64, Timestamp)> {
        self.repeats.by_id.get(external_id).copied()
    }

    /// The latest messages by their senders' ids.
    pub fn latest_messages(&self, most: usize) -> impl Iterator<Item = (&str, u64, Timestamp)> {
        let order = &self.repeats.order;
        order.iter().skip(order.len().saturating_sub(most)).filter_map(|external_id| {
            let (seq, at) = self.repeat_of(external_id)?;
            Some((external_id.as_str(), seq, at))
        })
    }

    pub fn keep_message(&mut self, message: Message) {
        if self.transcript.len() >= TRANSCRIPT {
            self.transcript.pop_front();
        }
        self.transcript.push_back(message);
    }

    pub fn remember_message(&mut self, external_id: String, seq: u64, at: Timestamp) {
        if self.repeats.order.len() >= REMEMBERED_MESSAGES
            && let Some(oldest) = self.repeats.order.pop_front()
        {
            self.repeats.by_id.remove(&oldest);
        }
        self.repeats.order.push_back(external_id.clone());
        self.repeats.by_id.insert(external_id, (seq, at));
    }

    /// Nothing of it is left to do: it may be forgotten.
    pub fn is_over(&self) -> bool {
        self.ended.is_some()
            && self.legs.is_empty()
            && self.recording.running.is_none()
            && self.recording.closing == 0
            && self.wrap_ups.is_empty()
    }

    pub fn offer(&self, offer: OfferId) -> Option<&LiveOffer> {
        self.offers.iter().find(|live| live.offer == offer)
    }

    pub fn state(&self) -> SessionState {
        if self.owner.is_none() && !self.wrap_ups.is_empty() {
            SessionState::WrapUp
        } else if self.owner_lost_until.is_some() {
            SessionState::AgentLost
        } else if self.owner.is_some() {
            SessionState::Active
        } else if !self.offers.is_empty() {
            SessionState::Offered
        } else if self.queued.is_some() || self.callback.is_some() || self.cut_off.is_some() {
            SessionState::Waiting
        } else {
            SessionState::Flow
        }
    }

    pub fn wrap_up_of(&self, agent: AgentId) -> Option<WrapUp> {
        self.wrap_ups.iter().copied().find(|wrap_up| wrap_up.agent == agent)
    }

    /// As this operator sees it, who owns it or wraps it up.
    pub fn view(&self, agent: AgentId) -> SessionView {
        let wrap_up = self.wrap_up_of(agent).filter(|_| self.owner != Some(agent));
        // Ids of one moment have no order.
        let mut legs: Vec<LegView> = self.each_leg().map(leg_view).collect();
        legs.sort_by_key(|leg| leg.part);
        SessionView {
            session: self.id,
            customer: self.customer.view(),
            context: self.context.clone(),
            opened: self.opened,
            queue: self.queue_name.clone(),
            state: if wrap_up.is_some() { SessionState::WrapUp } else { self.state() },
            legs,
            recording: self.recording.running.is_some(),
            recording_paused: self.recording.paused,
            aside: self.aside,
            parked: self.parked.map(|parked| parked.slot.to_string()),
            callback: self.callback.as_ref().map(|callback| callback.number.clone()),
            wrap_up_until: wrap_up.map(|wrap_up| wrap_up.until),
            last_seq: self.seq,
        }
    }
}

fn leg_view(leg: &Leg) -> LegView {
    let voice = leg.voice();
    LegView {
        quality: voice.and_then(|voice| voice.quality).map(|(now, _)| now),
        trouble: voice.and_then(|voice| voice.trouble),
        leg: leg.id,
        medium: leg.medium,
        party: leg.party.clone(),
        address: leg.address.clone(),
        part: leg.part(),
        state: leg.state,
        held: leg.held,
        muted: leg.muted,
        since: leg.since,
    }
}
