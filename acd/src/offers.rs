//! The ways in which an offer ends.

use std::time::Duration;

use model::{AgentStatus, Instant, Media, Now, OfferId, OfferOutcome, SessionId, Side};

use crate::Acd;
use crate::agent::{AgentIx, BackOff, Owned};
use crate::api::Output;
use crate::capacity::Work;
use crate::timers::Timer;
use crate::waiting::QueueIx;

/// For how long a session is kept from an agent who declined it.
const DECLINED_FOR: Duration = Duration::from_secs(10);

/// For how long an agent whose device failed gets nothing. It doubles with every further offer in a row that comes to nothing.
const FAILED_FOR: Duration = Duration::from_secs(5);

/// The same after the second such offer in a row that ended in another manner.
const REFUSED_FOR: Duration = Duration::from_secs(1);

/// It does not grow beyond this.
const LONGEST_BACK_OFF: Duration = Duration::from_secs(300);

/// Without another failure for so long, an agent's failures are forgotten.
const FORGIVEN_AFTER: Duration = Duration::from_secs(600);

/// One agent reserved for one session.
pub(crate) struct Offer {
    pub(crate) agent: AgentIx,
    pub(crate) session: SessionId,
    pub(crate) queue: QueueIx,
    pub(crate) media: Media,
    pub(crate) text: Work,
    pub(crate) deadline: Instant,
}

impl Acd {
    /// The agent owns the session from now on. False when the offer is over: the caller must undo what he did.
    pub fn accept(&mut self, now: Now, offer: OfferId) -> bool {
        let Some(session) = self.offers.get(&offer).map(|offer| offer.session) else { return false };
        let waiting = self.take(session);
        let Some(Offer { agent, queue, media, text, .. }) =
            self.end_offer(now, offer, OfferOutcome::Accepted)
        else {
            return false;
        };
        let mut changed = vec![agent];
        if let Some(waiting) = waiting {
            changed.extend(self.withdraw(now, &waiting.offers));
            let truth = now.instant - waiting.entered;
            let queue = self.queues.get_mut(waiting.queue);
            if let Some(estimate) = waiting.estimate {
                queue.estimates.judge(estimate, truth);
            }
            queue.estimates.served(now.instant, queue.staff, queue.len > 0);
        }
        if let Some(known) = self.agents.get_mut(agent) {
            known.contacts += 1;
        }
        let wrap_up = self.wrap_up_of(queue);
        let owned = Owned { media, text, wrap_up, queue: Some(queue), since: now.instant };
        changed.extend(self.own(now, agent, session, owned));
        self.agents_changed(now, &changed);
        true
    }

    /// The agent does not want it: he is set not-ready, and this session is not offered to him again for 10 s.
    pub fn decline(&mut self, now: Now, offer: OfferId) {
        let Some(Offer { agent, session, .. }) = self.end_offer(now, offer, OfferOutcome::Declined) else {
            return;
        };
        if let Some(known) = self.agents.get_mut(agent) {
            let until = now.instant + DECLINED_FOR;
            if let Some(before) = known.declined.insert(session, until) {
                self.timers.stop(before, Timer::Declined(agent, session));
            }
            self.timers.start(until, Timer::Declined(agent, session));
        }
        self.set_aside(now, agent, AgentStatus::NotReady { reason: "declined".into() });
        self.match_session(now, session);
    }

    /// The agent's device did not take it. He gets nothing for 5 s, for longer every time, until he accepts something. When it was the
    /// first time, he is tried again as soon as his device reports.
    pub fn fail(&mut self, now: Now, offer: OfferId) {
        let Some(Offer { agent, session, media, .. }) = self.end_offer(now, offer, OfferOutcome::Unreachable)
        else {
            return;
        };
        let failures = self.agents.get(agent).map_or(1, |agent| agent.failures);
        let first = failures == 1;
        self.back_off(
            now,
            agent,
            grown(FAILED_FOR, failures - 1),
            if first { media } else { Media::default() },
        );
        self.agents_changed(now, &[agent]);
        self.match_session(now, session);
    }

    pub(crate) fn time_out(&mut self, now: Now, offer: OfferId) {
        let Some(Offer { agent, session, .. }) = self.end_offer(now, offer, OfferOutcome::TimedOut) else {
            return;
        };
        self.set_aside(now, agent, AgentStatus::NotAnswering);
        self.match_session(now, session);
    }

    /// He gets nothing until somebody sets him ready.
    fn set_aside(&mut self, now: Now, agent: AgentIx, status: AgentStatus) {
        if let Some(id) = self.agents.get(agent).map(|agent| agent.id) {
            self.set_status(now, id, status, Side::System);
        }
    }

    pub(crate) fn end_back_off(&mut self, now: Now, agent: AgentIx) {
        let Some(known) = self.agents.get_mut(agent) else { return };
        known.back_off = None;
        known.idle_from(now);
        self.agents_changed(now, &[agent]);
    }

    pub(crate) fn forget_declined(&mut self, now: Now, agent: AgentIx, session: SessionId) {
        let Some(known) = self.agents.get_mut(agent) else { return };
        known.declined.remove(&session);
        self.match_agent(now, agent);
    }

    /// Frees the agent and the session of each other. Neither is matched anew: the caller knows what else changes.
    pub(crate) fn end_offer(&mut self, now: Now, id: OfferId, outcome: OfferOutcome) -> Option<Offer> {
        let offer = self.offers.remove(&id)?;
        self.timers.stop(offer.deadline, Timer::Offer(id));
        self.queues.unlink(offer.session);
        if let Some(waiting) = self.queues.item_mut(offer.session) {
            waiting.offers.retain(|ringing| *ringing != id);
            waiting.direct = false;
        }
        self.queues.link(offer.session);
        let agent = self.agents.get_mut(offer.agent)?;
        agent.offer = None;
        let (agent, session) = (agent.id, offer.session);
        self.outputs.push_back(Output::OfferEnded { offer: id, agent, session, outcome });
        self.count_failure(now, offer.agent, outcome);
        Some(offer)
    }

    /// Ends offers because nobody is wanted any more. Returns whom that frees.
    pub(crate) fn withdraw(&mut self, now: Now, offers: &[OfferId]) -> Vec<AgentIx> {
        let ended = offers.iter().filter_map(|offer| self.end_offer(now, *offer, OfferOutcome::Withdrawn));
        ended.map(|offer| offer.agent).collect()
    }

    /// Whoever lets offers come to nothing, in whatever manner, is asked at ever longer intervals: nobody makes an INVITE storm.
    fn count_failure(&mut self, now: Now, ix: AgentIx, outcome: OfferOutcome) {
        let Some(agent) = self.agents.get_mut(ix) else { return };
        match outcome {
            OfferOutcome::Accepted => agent.failures = 0,
            OfferOutcome::Withdrawn => {}
            OfferOutcome::Declined
            | OfferOutcome::TimedOut
            | OfferOutcome::Unreachable
            | OfferOutcome::AgentLeft => {
                if now.instant - agent.failed_at > FORGIVEN_AFTER {
                    agent.failures = 0;
                }
                agent.failed_at = now.instant;
                agent.failures = agent.failures.saturating_add(1);
                if agent.failures >= 2 {
                    let pause = grown(REFUSED_FOR, agent.failures - 2);
                    self.back_off(now, ix, pause, Media::default());
                }
            }
        }
    }

    /// He gets nothing for so long.
    fn back_off(&mut self, now: Now, ix: AgentIx, pause: Duration, ends_with: Media) {
        let Some(agent) = self.agents.get_mut(ix) else { return };
        let until = now.instant + pause;
        if let Some(before) = agent.back_off.replace(BackOff { until, ends_with }) {
            self.timers.stop(before.until, Timer::BackOff(ix));
        }
        self.timers.start(until, Timer::BackOff(ix));
    }

    /// Whether whoever is asked may not be asked for it any more. Out of turn anybody may.
    pub(crate) fn is_unfit(&self, id: OfferId) -> bool {
        let Some(offer) = self.offers.get(&id) else { return false };
        let Some(waiting) = self.queues.item(offer.session) else { return false };
        !waiting.direct
            && waiting.kept_for != Some(offer.agent)
            && !self.is_skilled(offer.session, offer.agent)
    }
}

/// Doubled so many times.
fn grown(pause: Duration, times: u32) -> Duration {
    pause.saturating_mul(1_u32.checked_shl(times).unwrap_or(u32::MAX)).min(LONGEST_BACK_OFF)
}
