//! Whether a carrier is there: OPTIONS at an interval, with hysteresis.

use std::time::Duration;

use model::Now;

use super::TrunkId;
use crate::message::{Builder, Method, Name, Scheme, name_addr, sip_uri};
use crate::respond::{MAX_FORWARDS, SDP};
use crate::stack::Stack;
use crate::timer::Timer;
use crate::transaction::Owner;
use crate::way::{Contact, Draft};

#[derive(Default)]
pub(crate) struct Health {
    /// An OPTIONS is under way.
    asking: bool,
    pub(super) alive: Option<bool>,
    /// Answers, or failures, in a row, that speak against `alive`.
    against: u32,
}

impl Stack {
    pub(crate) fn health_due(&mut self, now: Now, id: TrunkId) {
        let Some(entry) = self.trunks.get_mut(id) else { return };
        let Some(check) = entry.settings.health.clone() else { return };
        // What was not answered within the interval will not be.
        if std::mem::take(&mut entry.health.asking) {
            self.withdraw(now, Owner::Options(id));
            self.health_heard(now, id, false);
        }
        // Not all trunks at the same moment.
        let tenth = u64::try_from(check.interval.as_millis() / 10).unwrap_or(0);
        let interval = check.interval + Duration::from_millis(self.random.between(0, tenth));
        self.timers.arm(Timer::Health(id), now.instant + interval);
        let Some(settings) = self.trunks.get(id).map(|entry| entry.settings.clone()) else { return };
        let Ok(goal) = self.goal_of(&settings) else { return self.health_heard(now, id, false) };
        let from = sip_uri(None, &self.config.domain);
        let (tag, call_id) = (self.random.tag(), self.random.call_id());
        let request = Builder::request(&Method::Options, &settings.uri(None))
            .header(Name::From, name_addr(None, &from, Some(&tag)))
            .header(Name::To, name_addr(None, &settings.uri(None), None))
            .header(Name::CallId, call_id)
            .header(Name::CSeq, "1 OPTIONS")
            .header(Name::Accept, SDP);
        if let Some(entry) = self.trunks.get_mut(id) {
            entry.health.asking = true;
        }
        let contact = Some(Contact::Here(Scheme::Sip));
        let draft = Draft { method: Method::Options, request, contact, forwards: MAX_FORWARDS };
        self.start_towards(now, Owner::Options(id), draft, goal);
    }

    /// Whoever can refuse is alive; 408 and 503 are what a proxy says when nobody is there.
    pub(crate) fn options_answered(&mut self, now: Now, id: TrunkId, status: u16) {
        if status < 200 {
            return;
        }
        if let Some(entry) = self.trunks.get_mut(id) {
            entry.health.asking = false;
        }
        self.health_heard(now, id, !matches!(status, 408 | 503));
    }

    fn health_heard(&mut self, now: Now, id: TrunkId, alive: bool) {
        let Some(entry) = self.trunks.get_mut(id) else { return };
        let Some(check) = &entry.settings.health else { return };
        let health = &mut entry.health;
        if health.alive == Some(alive) {
            health.against = 0;
            return;
        }
        health.against += 1;
        let enough = match (health.alive, alive) {
            // The first answer of all needs no second.
            (None, true) => 1,
            (Some(_), true) => check.up_after,
            (_, false) => check.down_after,
        };
        if health.against < enough {
            return;
        }
        health.against = 0;
        let recovered = health.alive.replace(alive) == Some(false);
        self.tell_trunk(id);
        if recovered {
            // It, or the way to it, was gone; so may be what it knew of us.
            self.register_anew(now, id);
        }
    }
}
