//! One of the further stacks, as its thread sees it.

use std::collections::VecDeque;

use model::{Cause, Ending, Instant, Now, Side};

use super::ShardId;
use crate::api::{
    Answer, BindingId, CallId, Config, ConnectionId, Counts, Credential, Event, Hop, IncomingCall, LookupId,
    Output, SessionTimers, Trunk,
};
use crate::call::Prepared;
use crate::digest::Algorithm;
use crate::inspect::{Table, Topic};
use crate::message::Name;
use crate::stack::Stack;
use crate::trunk::TrunkId;

/// What the front wants of a stack. Those about a call mean what the methods of [`Stack`] of their names do.
pub enum Order {
    /// It has been told everything that was set up: packets may come.
    Begin,
    Invite(Begun),
    Ring {
        call: CallId,
        status: u16,
        sdp: Option<Vec<u8>>,
    },
    Answer {
        call: CallId,
        sdp: Vec<u8>,
    },
    Reject {
        call: CallId,
        status: u16,
        reason: Option<String>,
    },
    HangUp {
        call: CallId,
        ending: Ending,
    },
    AcceptOffer {
        call: CallId,
        sdp: Vec<u8>,
    },
    RejectOffer {
        call: CallId,
        status: u16,
    },
    AcceptRefer {
        call: CallId,
    },
    RejectRefer {
        call: CallId,
        status: u16,
    },
    ReferProgress {
        call: CallId,
        status: u16,
    },
    /// Which call a Replaces value names, and whether it may be taken over at once.
    Find {
        question: u64,
        replaces: Vec<u8>,
        at_once: bool,
    },
    Inspect {
        question: u64,
        topic: Topic,
        most: usize,
    },
    SetCredential(Credential),
    RemoveCredential(String),
    SetTrunks(Vec<Trunk>),
    SetSessionTimers(SessionTimers),
    SetDigest(Vec<Algorithm>),
    SetDemanded(Vec<String>),
    SetKeepsMessages(bool),
    SetDraining(bool),
    /// There are as many calls as may be.
    SetFull(bool),
}

/// A call that is to begin.
pub struct Begun(pub(super) Box<Prepared>);

/// What a stack tells the front.
#[derive(Debug)]
pub enum Report {
    Incoming(Box<Arrived>),
    Event(Event),
    Found { question: u64, outcome: Result<CallId, u16> },
    Inspected { question: u64, table: Table },
    TrunkFailed(Failed),
    FlowFailed(BindingId),
}

/// A call that came, and what only its own stack knows of it.
#[derive(Debug)]
pub struct Arrived {
    pub(super) incoming: IncomingCall,
    pub(super) hop: Hop,
    pub(super) call_id: String,
    /// The Replaces value, when the call that it names is none of this stack's.
    pub(super) replaces: Option<Vec<u8>>,
}

/// A trunk that did not carry a call of ours.
#[derive(Debug)]
pub struct Failed(pub(super) TrunkId);

/// What the first stack would do itself.
pub(crate) enum Note {
    TrunkFailed(TrunkId),
    FlowFailed(BindingId),
}

#[derive(Debug)]
pub enum ShardOutput {
    /// For the shell, never an [`Output::Event`].
    Shell(Output),
    /// For the [`Front`](super::Front).
    Report(Report),
}

pub struct Shard {
    stack: Stack,
    reports: VecDeque<Report>,
}

impl Shard {
    /// `config` is the same for all of them.
    pub fn new(config: Config, id: ShardId) -> Shard {
        Shard { stack: Stack::of_shard(config, id), reports: VecDeque::new() }
    }

    pub fn handle_packet(&mut self, now: Now, hop: Hop, bytes: &[u8]) {
        self.stack.handle_packet(now, hop, bytes);
    }

    pub fn handle_connection_opened(&mut self, connection: ConnectionId, tls_names: Vec<String>) {
        self.stack.handle_connection_opened(connection, tls_names);
    }

    pub fn handle_connection_closed(&mut self, now: Now, connection: ConnectionId) {
        self.stack.handle_connection_closed(now, connection);
    }

    pub fn handle_unreachable(&mut self, now: Now, hop: Hop) {
        self.stack.handle_unreachable(now, hop);
    }

    pub fn handle_answer(&mut self, now: Now, lookup: LookupId, answer: Answer) {
        self.stack.handle_answer(now, lookup, answer);
    }

    pub fn handle_order(&mut self, now: Now, order: Order) {
        let stack = &mut self.stack;
        match order {
            Order::Begin => {}
            Order::Invite(Begun(prepared)) => {
                let call = prepared.id;
                if stack.begin_call(now, *prepared).is_err() {
                    let ending = Ending::new(Cause::Failed, Side::System);
                    self.reports.push_back(Report::Event(Event::Ended { call, ending }));
                }
            }
            Order::Ring { call, status, sdp } => stack.ring(now, call, status, sdp),
            Order::Answer { call, sdp } => stack.answer(now, call, sdp),
            Order::Reject { call, status, reason } => stack.reject(now, call, status, reason.as_deref()),
            Order::HangUp { call, ending } => stack.hangup_because(now, call, ending),
            Order::AcceptOffer { call, sdp } => stack.accept_offer(now, call, sdp),
            Order::RejectOffer { call, status } => stack.reject_offer(now, call, status),
            Order::AcceptRefer { call } => stack.accept_refer(now, call),
            Order::RejectRefer { call, status } => stack.reject_refer(now, call, status),
            Order::ReferProgress { call, status } => stack.refer_progress(now, call, status),
            Order::Find { question, replaces, at_once } => {
                let outcome = stack.find_for(&replaces, at_once);
                self.reports.push_back(Report::Found { question, outcome });
            }
            Order::Inspect { question, topic, most } => {
                let table = stack.inspect(now, topic, most);
                self.reports.push_back(Report::Inspected { question, table });
            }
            Order::SetCredential(credential) => stack.set_credential(credential),
            Order::RemoveCredential(username) => stack.remove_credential(&username),
            Order::SetTrunks(trunks) => stack.set_trunks(trunks),
            Order::SetSessionTimers(timers) => stack.set_session_timers(timers),
            Order::SetDigest(algorithms) => stack.set_digest_algorithms(algorithms),
            Order::SetDemanded(extensions) => stack.set_demanded_extensions(extensions),
            Order::SetKeepsMessages(keeps) => stack.set_keeps_messages(keeps),
            Order::SetDraining(draining) => stack.set_draining(draining),
            Order::SetFull(full) => stack.full = full,
        }
    }

    pub fn handle_timeout(&mut self, now: Now) {
        self.stack.handle_timeout(now);
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        self.stack.poll_timeout()
    }

    /// To be drained after every `handle_*`.
    pub fn poll_output(&mut self) -> Option<ShardOutput> {
        if let Some(note) = self.stack.notes.pop_front() {
            return Some(ShardOutput::Report(match note {
                Note::TrunkFailed(trunk) => Report::TrunkFailed(Failed(trunk)),
                Note::FlowFailed(binding) => Report::FlowFailed(binding),
            }));
        }
        if let Some(output) = self.stack.poll_output() {
            return Some(match output {
                Output::Event(Event::Incoming(incoming)) => ShardOutput::Report(self.arrived(incoming)),
                Output::Event(event) => ShardOutput::Report(Report::Event(event)),
                other => ShardOutput::Shell(other),
            });
        }
        self.reports.pop_front().map(ShardOutput::Report)
    }

    pub fn counts(&self) -> Counts {
        self.stack.counts()
    }

    fn arrived(&self, incoming: IncomingCall) -> Report {
        let call = self.stack.calls.get(incoming.call).expect("a call outlives its first event");
        let dialog = call.dialog().expect("who is called has one dialog");
        let replaces = call.invite.header(Name::Replaces).filter(|_| incoming.replaces.is_none());
        Report::Incoming(Box::new(Arrived {
            hop: dialog.hop,
            call_id: crate::message::text(call.invite.call_id()),
            replaces: replaces.map(<[u8]>::to_vec),
            incoming,
        }))
    }
}
