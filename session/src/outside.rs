//! What a flow asks of the world beyond the session: outside systems, what is known of other customers, calls to be made, work
//! for people.
//!
//! Invariant: a run hears of what it asked last, and only while it is the same run.

use dialplans::api::{DialEnd, Found, HttpRequest, Input as FlowInput, LookupBy, Task};
use model::{Cause, Change, Ending, LegId, Now, SessionId, Side};

use crate::api::{Output, RequestId};
use crate::engine::Engine;
use crate::leg::Role;
use crate::phone;

/// What the shell is to find out; answered by `Input::Outside`.
#[derive(Clone, PartialEq, Debug)]
pub enum Question {
    Http(HttpRequest),
    Lookup { by: LookupBy, value: String },
}

/// What it found out.
#[derive(Clone, PartialEq, Debug)]
pub enum Findings {
    /// Status and body.
    Http(Result<(u16, String), String>),
    Lookup(Option<Found>),
}

impl Engine {
    pub(crate) fn flow_asks(&mut self, id: SessionId, question: Question) {
        let question = match question {
            // As it is known: in E.164.
            Question::Lookup { by: LookupBy::Phone, value } => {
                let value = phone::normalise(&self.config.region, &value).unwrap_or(value);
                Question::Lookup { by: LookupBy::Phone, value }
            }
            question @ (Question::Lookup { .. } | Question::Http(_)) => question,
        };
        let request = self.next_request();
        let Some(flow) = self.sessions.get_mut(&id).and_then(|session| session.flow.as_mut()) else { return };
        flow.asked = Some(request);
        self.put(Output::Outside { request, session: id, question });
    }

    pub(crate) fn outside_answers(
        &mut self,
        now: Now,
        request: RequestId,
        id: SessionId,
        findings: Findings,
    ) {
        let flow = self.sessions.get_mut(&id).and_then(|session| session.flow.as_mut());
        if flow.is_none_or(|flow| flow.asked.take_if(|asked| *asked == request).is_none()) {
            return;
        }
        let input = match findings {
            Findings::Http(Ok((status, body))) => FlowInput::HttpAnswered { status, body },
            Findings::Http(Err(why)) => FlowInput::HttpFailed { why },
            Findings::Lookup(found) => FlowInput::LookedUp { found },
        };
        self.flow_input(now, id, input);
    }

    /// The customer of a chat is to be phoned.
    pub(crate) fn flow_invites(&mut self, now: Now, id: SessionId, number: &str) {
        let visitor = self.sessions.get(&id).and_then(|session| session.chat()).map(|(_, visitor)| visitor);
        let accepted = visitor.is_some_and(|visitor| self.call_me(now, visitor, number).is_ok());
        self.flow_input(now, id, FlowInput::Invited { accepted });
    }

    pub(crate) fn flow_leaves_task(&mut self, now: Now, id: SessionId, task: Task) {
        let due = task.within.map(|time| now.after(time).wall);
        let Task { kind, queue, text, within: _ } = task;
        self.journal(now, id, Change::TaskLeft { kind, queue, text, due });
    }

    /// Whoever is being called for the caller is called no more. The flow has gone on already.
    pub(crate) fn flow_calls_off(&mut self, now: Now, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let called: Vec<LegId> = session
            .each_leg()
            .filter(|leg| !leg.is_up() && leg.role().as_ref().is_some_and(Role::is_transfer))
            .map(|leg| leg.id)
            .collect();
        self.deaf_to_transfers(id, true);
        for leg in called {
            self.hang_up(now, leg, Cause::NoAnswer, Side::Flow);
        }
        self.deaf_to_transfers(id, false);
    }

    fn deaf_to_transfers(&mut self, id: SessionId, deaf: bool) {
        if let Some(flow) = self.sessions.get_mut(&id).and_then(|session| session.flow.as_mut()) {
            flow.calling_off = deaf;
        }
    }
}

/// In the words of flows.
pub(crate) fn dial_end(ending: &Ending) -> DialEnd {
    if matches!(ending.sip_status, Some(486 | 600)) {
        DialEnd::Busy
    } else if matches!(ending.sip_status, Some(408 | 480 | 487)) || ending.cause == Cause::NoAnswer {
        DialEnd::NoAnswer
    } else {
        DialEnd::Failed
    }
}
