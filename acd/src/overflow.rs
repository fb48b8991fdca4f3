//! What time does to a waiting session: it asks for less, is no longer kept for one agent, or leaves its queue for another.

use std::time::Duration;

use model::{Now, QueueName, SessionId};

use crate::Acd;
use crate::api::{Output, OverflowWhen};
use crate::timers::Timer;
use crate::waiting::QueueIx;

/// Rules of one queue beyond this many never strike.
const MOST_RULES: usize = 64;

impl Acd {
    /// The session has come into its queue, and nobody may have been found for it.
    pub(crate) fn arrived(&mut self, now: Now, session: SessionId) {
        let Some(waiting) = self.queues.item(session) else { return };
        let estimate = if waiting.offers.is_empty() {
            let queue = self.queues.get(waiting.queue);
            queue.estimates.wait(queue.len, queue.staff)
        } else {
            Some(Duration::ZERO)
        };
        let waits = waiting.offers.is_empty();
        if let Some(waiting) = self.queues.item_mut(session) {
            waiting.estimate = waiting.estimate.or(estimate);
        }
        if waits {
            self.overflow(now, session, true);
        }
    }

    /// Something about its waiting is due.
    pub(crate) fn waited(&mut self, now: Now, session: SessionId) {
        let Some(waiting) = self.queues.item_mut(session) else { return };
        waiting.timer = None;
        let patient = waiting.item.preferred.is_some_and(|preferred| preferred.until > now.instant);
        self.queues.unlink(session);
        if !patient {
            self.keep_for(session, None);
        }
        self.relink(now, session);
        self.match_session(now, session);
        self.overflow(now, session, false);
        self.retime(now, session);
    }

    /// Starts the timer for what is due next.
    pub(crate) fn retime(&mut self, now: Now, session: SessionId) {
        let Some(waiting) = self.queues.item(session) else { return };
        let item = &waiting.item;
        let queue = self.queues.get(waiting.queue);
        let timeless = item.demand.stages.is_empty() && queue.config.overflow.is_empty();
        if timeless && waiting.kept_for.is_none() && waiting.timer.is_none() {
            return;
        }
        let stage = item.demand.next_stage(waiting.staged).map(|after| item.since + after);
        let patience = waiting.kept_for.and(item.preferred).map(|preferred| preferred.until);
        let rules = queue.config.overflow.iter().take(MOST_RULES).enumerate();
        // Whoever is asked may still take it: the rules wait until he does not.
        let open = |number: &usize| waiting.offers.is_empty() && waiting.struck & (1 << number) == 0;
        let leaves = rules.filter(|(number, _)| open(number)).filter_map(|(_, rule)| match rule.when {
            OverflowWhen::Waited(time) => Some((item.since + time).max(now.instant)),
            OverflowWhen::Longer(_) | OverflowWhen::WouldWait(_) | OverflowWhen::NoAgents => None,
        });
        let due = stage.into_iter().chain(patience).chain(leaves).min();
        if due == waiting.timer {
            return;
        }
        if let Some(before) = waiting.timer {
            self.timers.stop(before, Timer::Waiting(session));
        }
        if let Some(due) = due {
            self.timers.start(due, Timer::Waiting(session));
        }
        if let Some(waiting) = self.queues.item_mut(session) {
            waiting.timer = due;
        }
    }

    /// Nobody who serves these queues is signed in any more.
    pub(crate) fn nobody_is_left(&mut self, now: Now, queues: Vec<QueueIx>) {
        for queue in queues {
            let rules = &self.queues.get(queue).config.overflow;
            if !rules.iter().any(|rule| rule.when == OverflowWhen::NoAgents) {
                continue;
            }
            for session in self.in_order(now, self.queues.all_of(queue)) {
                self.overflow(now, session, false);
                self.retime(now, session);
            }
        }
    }

    /// The rules of its queue, and of the queues that these lead into. It comes into no queue twice.
    fn overflow(&mut self, now: Now, session: SessionId, mut arrives: bool) {
        while let Some((number, to)) = self.strikes(now, session, arrives) {
            let Some(waiting) = self.queues.item_mut(session) else { return };
            waiting.struck |= 1 << number;
            let queue = waiting.item.queue.clone();
            let Some(to) = to else {
                self.outputs.push_back(Output::Overflow { session, queue });
                continue;
            };
            if to == queue || waiting.left.contains(&to) {
                continue;
            }
            let Ok(ix) = self.queues.room_in(&to) else { continue };
            self.queues.unlink(session);
            self.queues.move_to(session, ix);
            let Some(waiting) = self.queues.item_mut(session) else { return };
            waiting.left.push(std::mem::replace(&mut waiting.item.queue, to.clone()));
            waiting.struck = 0;
            waiting.entered = now.instant;
            waiting.estimate = None;
            self.relink(now, session);
            self.outputs.push_back(Output::Overflowed { session, from: queue, to });
            self.match_session(now, session);
            arrives = true;
        }
    }

    /// The first rule that strikes now, and where it leads.
    fn strikes(&self, now: Now, session: SessionId, arrives: bool) -> Option<(usize, Option<QueueName>)> {
        let waiting = self.queues.item(session)?;
        // Somebody is being asked: he may still take it.
        if !waiting.offers.is_empty() {
            return None;
        }
        let queue = self.queues.get(waiting.queue);
        let strikes = |when: &OverflowWhen| match when {
            OverflowWhen::Waited(time) => now.instant - waiting.item.since >= *time,
            OverflowWhen::Longer(most) => arrives && queue.len > *most,
            OverflowWhen::WouldWait(most) => {
                let wait = queue.estimates.wait(queue.len, queue.staff);
                arrives && wait.is_some_and(|wait| wait > *most)
            }
            OverflowWhen::NoAgents => queue.signed_in == 0,
        };
        let rules = queue.config.overflow.iter().take(MOST_RULES).enumerate();
        rules
            .filter(|(number, _)| waiting.struck & (1 << number) == 0)
            .find(|(_, rule)| strikes(&rule.when))
            .map(|(number, rule)| (number, rule.to.clone()))
    }
}
