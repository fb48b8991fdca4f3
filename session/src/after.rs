//! After the contact: the flow that an `entry after "queue"` leads to begins for a caller who is still on the line when the operator
//! who served him from that queue hangs up. The operator is free at once, with his wrap-up.
//!
//! Invariant: it begins once in a session at most, so nobody goes round between operators and surveys.

use dialplans::api::{ChannelKind, Entry as FlowEntry};
use model::{Cause, Change, Ending, LegId, Now, SessionId, Side};

use crate::engine::Engine;

impl Engine {
    /// Whether such a flow has him now.
    pub(crate) fn flow_after_contact(
        &mut self,
        now: Now,
        id: SessionId,
        customer: LegId,
        ending: &Ending,
    ) -> bool {
        let Some(session) = self.sessions.get(&id) else { return false };
        let done = ending.cause == Cause::HungUp && ending.by == Side::Agent;
        if !done || session.had_after || session.flow.is_some() || session.owner.is_none() {
            return false;
        }
        let Some(queue) = session.queue_name.clone() else { return false };
        let Some(plan) = self.plan.clone() else { return false };
        let Some(flow) = plan.entry(&FlowEntry::After(queue.to_string())) else { return false };
        let (caller, called) = (session.caller.clone(), session.called.clone());
        let Some(session) = self.sessions.get_mut(&id) else { return false };
        session.had_after = true;
        let owner = session.owner.take();
        self.acd.finish(now, id);
        if let Some(owner) = owner {
            self.journal(now, id, Change::OwnerChanged { agent: None });
            self.show_desk(owner);
        }
        self.end_aside(now, id);
        self.start_flow(now, id, customer, plan, flow, ChannelKind::Voice, caller, called);
        true
    }
}
