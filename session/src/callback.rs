//! Customers who are called when their turn comes, and those whose line broke while they waited.
//!
//! Who is promised a call keeps his place without a leg: his session waits in its queue as every other, the operator's phone rings
//! for it, and when he has answered the customer is called. Not reached, he is called again after a while, from the place that he
//! had: neither ahead of those who came before him nor behind those who came later.
//! Invariants: a session with a promised call is not over; a promise ends by a call that was answered, by the customer coming
//! himself, or by the last attempt.

use std::time::Duration;

use media::api::Prompt;
use model::{AgentId, Cause, Change, Ending, Instant, LegId, Now, SessionId, Side};

use crate::engine::Engine;
use crate::leg::OwnerReason;
use crate::session::Queued;
use crate::timers::Timer;

/// Q.850 causes of a line that broke: network out of order, temporary failure, destination out of order, a timer, interworking.
const BROKEN: [u8; 5] = [38, 41, 27, 102, 127];

/// An operator who is gone while the customer's phone rings must not make it ring again at once.
const PAUSE: Duration = Duration::from_secs(10);

/// How customers are called back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CallbackConfig {
    /// How often he is called at most.
    pub attempts: u32,
    /// From one attempt to the next.
    pub retry_after: Duration,
    /// Those whose call was broken by a restart, while they waited or were served, are called back.
    pub after_restart: bool,
}

/// A call that is promised.
#[derive(Clone, Debug)]
pub(crate) struct Callback {
    pub number: String,
    /// That came to nothing because of him.
    pub attempts: u32,
    /// His place, while he is not in the queue.
    pub place: Option<Queued>,
}

/// Cut off while he waited: his place is kept for a while.
#[derive(Clone, Debug)]
pub(crate) struct CutOff {
    pub place: Queued,
    pub ending: Ending,
    pub until: Instant,
}

impl Engine {
    /// He is called when his turn comes. Only one who waits is; the number must be one that we would call. Whether he will be.
    pub(crate) fn promise_callback(&mut self, now: Now, id: SessionId, number: &str, by: Side) -> bool {
        let waits = self.sessions.get(&id).is_some_and(|s| s.queued.is_some() && s.callback.is_none());
        if !waits {
            return false;
        }
        let Ok(number) = self.number_asked_for(now, id, number) else { return false };
        self.callback_promised(now, id, number, by);
        true
    }

    /// As `promise_callback`, for a number that was asked for before.
    pub(crate) fn promise_asked_call(&mut self, now: Now, id: SessionId, number: String) {
        let waits = self.sessions.get(&id).is_some_and(|s| s.queued.is_some() && s.callback.is_none());
        if waits {
            self.callback_promised(now, id, number, Side::Customer);
        }
    }

    /// Who is served next is called for it.
    pub(crate) fn is_called_back(&self, id: SessionId) -> bool {
        self.sessions.get(&id).is_some_and(|s| s.callback.is_some() && s.customer_voice().is_none())
    }

    fn callback_promised(&mut self, now: Now, id: SessionId, number: String, by: Side) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.callback = Some(Callback { number: number.clone(), attempts: 0, place: None });
        self.journal(now, id, Change::CallbackPromised { number, by });
        self.customer_media_changed(now, id);
    }

    /// He came himself, or is being served: nobody needs to call him.
    pub(crate) fn callback_withdrawn(&mut self, now: Now, id: SessionId) {
        let Some(callback) = self.sessions.get_mut(&id).and_then(|session| session.callback.take()) else {
            return;
        };
        self.journal(now, id, Change::CallbackWithdrawn);
        let idle = self.sessions.get(&id).is_some_and(|s| s.queued.is_none() && s.owner.is_none());
        if let Some(place) = callback.place.filter(|_| idle)
            && !self.improve_place(now, id, place)
        {
            return self.nobody_serves(now, id);
        }
        self.customer_media_changed(now, id);
    }

    /// An operator has taken a session whose customer is to be called. Whether he is being called now.
    pub(crate) fn make_callback(&mut self, now: Now, id: SessionId, agent: AgentId) -> bool {
        let Some(session) = self.sessions.get(&id) else { return false };
        let Some(callback) = session.callback.as_ref().filter(|_| session.customer_voice().is_none()) else {
            return false;
        };
        let number = callback.number.clone();
        match self.customers_number(id, &number) {
            Ok(_) => {}
            Err(refused) if refused.code == "no_trunk" => {
                self.callback_failed(now, id, None);
                return true;
            }
            Err(_) => {
                self.callback_refused(now, id);
                return true;
            }
        }
        let Some(session) = self.sessions.get(&id) else { return true };
        let his = session.agent_voice_legs().find(|leg| leg.is_up()).map(|leg| leg.id);
        match his {
            Some(leg) => {
                self.play(now, id, leg, vec![Prompt::Ringback], true);
                self.phone_customer(now, id, number);
            }
            None => {
                if let Some(session) = self.sessions.get_mut(&id) {
                    session.call_when_owner_is_up = Some(number);
                }
                if self.ring_owner(now, id, agent, OwnerReason::Escalation) == 0 {
                    self.callback_failed(now, id, None);
                }
            }
        }
        true
    }

    /// This number is not called, whatever was promised.
    fn callback_refused(&mut self, now: Now, id: SessionId) {
        let most = self.config.callback.attempts;
        if let Some(callback) = self.sessions.get_mut(&id).and_then(|session| session.callback.as_mut()) {
            callback.attempts = most;
        }
        self.callback_failed(now, id, Some(Ending::new(Cause::Refused, Side::System)));
    }

    /// He has answered.
    pub(crate) fn callback_reached(&mut self, now: Now, id: SessionId) {
        let promised = self.sessions.get_mut(&id).and_then(|session| session.callback.take());
        if promised.is_some() {
            self.journal(now, id, Change::CallbackTried { reached: true, again: None });
        }
    }

    /// The call did not come about. `ending` of the customer's side; none when it was not his doing, and he goes back to his place
    /// soon.
    pub(crate) fn callback_failed(&mut self, now: Now, id: SessionId, ending: Option<Ending>) {
        let Some(session) = self.sessions.get_mut(&id).filter(|session| session.ended.is_none()) else {
            return;
        };
        session.call_when_owner_is_up = None;
        let owner = session.owner.take();
        let Some(callback) = session.callback.as_mut() else { return };
        // What the way to him cannot carry is no attempt of his.
        let ours = |ending: &Ending| {
            matches!(ending.cause, Cause::Failed | Cause::Overload | Cause::Restarted)
                || ending.sip_status.is_some_and(|status| (500..600).contains(&status))
        };
        let counts = ending.as_ref().is_some_and(|ending| !ours(ending));
        callback.attempts += u32::from(counts);
        let over = counts && callback.attempts >= self.config.callback.attempts;
        let wait = if ending.is_some() { self.config.callback.retry_after } else { PAUSE };
        let legs: Vec<LegId> = session.agent_voice_legs().map(|leg| leg.id).collect();
        for leg in legs {
            self.hang_up(now, leg, Cause::Replaced, Side::System);
        }
        self.acd.release(now, id);
        if let Some(owner) = owner {
            self.journal(now, id, Change::OwnerChanged { agent: None });
            self.show_desk(owner);
        }
        match ending {
            Some(ending) if over => {
                self.journal(now, id, Change::CallbackTried { reached: false, again: None });
                if let Some(session) = self.sessions.get_mut(&id) {
                    session.callback = None;
                }
                self.customer_media_changed(now, id);
                let writes = self.sessions.get(&id).is_some_and(|session| session.chat().is_some());
                if writes && self.serve_chat_by_flow(now, id) {
                    self.visitor_state(now, id);
                } else {
                    self.end_session(now, id, ending);
                }
            }
            Some(_) => {
                let again = Some(now.wall + wait);
                self.journal(now, id, Change::CallbackTried { reached: false, again });
                self.timers.set(now.instant + wait, Timer::Callback(id));
            }
            None => self.timers.set(now.instant + wait, Timer::Callback(id)),
        }
    }

    /// His next attempt is due: he is back in the place that he had.
    pub(crate) fn callback_due(&mut self, now: Now, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let idle = session.ended.is_none() && session.queued.is_none() && session.owner.is_none();
        let Some(callback) = session.callback.as_mut().filter(|_| idle) else { return };
        let Some(place) = callback.place.take() else { return };
        if self.improve_place(now, id, place.clone()) {
            return;
        }
        // The queue is full just now. He came before those who fill it.
        if let Some(callback) = self.sessions.get_mut(&id).and_then(|session| session.callback.as_mut()) {
            callback.place = Some(place);
        }
        self.timers.set(now.instant + self.config.callback.retry_after, Timer::Callback(id));
    }

    /// The place of a session whose customer is to be called is his for the next attempt, too.
    pub(crate) fn keep_place(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let place = session.queued.clone();
        if let Some(callback) = session.callback.as_mut() {
            callback.place = place;
        }
    }

    // --- those who were cut off ---

    /// The line of one who waits broke. Whether his place is kept until he comes again.
    pub(crate) fn cut_off(&mut self, now: Now, id: SessionId, ending: &Ending) -> bool {
        let broke = match ending.cause {
            Cause::Lost | Cause::MediaTimeout => true,
            _ => ending.q850.is_some_and(|cause| BROKEN.contains(&cause)),
        };
        let kept_for = self.config.place_kept;
        let Some(session) = self.sessions.get_mut(&id) else { return false };
        let known = session.customer.phone().is_some() && session.media().is_empty();
        if !broke || !known || kept_for.is_zero() || session.owner.is_some() {
            return false;
        }
        let Some(place) = session.queued.take() else { return false };
        let until = now.instant + kept_for;
        session.cut_off = Some(CutOff { place, ending: ending.clone(), until });
        // To the journal he waits all the time.
        self.acd.remove(now, id);
        self.timers.set(until, Timer::CutOff(id));
        true
    }

    /// He is back: his place is his again.
    pub(crate) fn back_in_place(&mut self, now: Now, id: SessionId) {
        let Some(CutOff { place, .. }) =
            self.sessions.get_mut(&id).and_then(|session| session.cut_off.take())
        else {
            return;
        };
        if !self.improve_place(now, id, place) {
            self.nobody_serves(now, id);
        }
    }

    pub(crate) fn cut_off_for_good(&mut self, now: Now, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let due = session.cut_off.as_ref().filter(|cut_off| cut_off.until <= now.instant);
        if let Some(CutOff { ending, .. }) = due.cloned().filter(|_| session.media().is_empty()) {
            self.end_session(now, id, ending);
        }
    }
}
