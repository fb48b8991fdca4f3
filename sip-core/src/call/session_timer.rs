//! Session timers: whoever was agreed on shows from time to time that he is still there. RFC 4028
//!
//! Invariants: an interval is never below 90 s, whatever the peer says; only the final answer to an INVITE, or to an UPDATE within an
//! answered call, arms anything.

use std::time::Duration;

use model::{Cause, Ending, Now};

use super::Call;
use super::exchange::{Ask, lists};
use crate::api::{CallId, SessionTimers};
use crate::message::{Builder, Message, Name, Refresher};
use crate::stack::Stack;
use crate::timer::Timer;

/// RFC 4028 §4: the default of Min-SE, and its lowest value.
const LOWEST: Duration = Duration::from_secs(90);
/// A peer that asks for more cannot be meant seriously.
const HIGHEST: Duration = Duration::from_secs(86_400);
/// The session ends this long before its interval does, so that the BYE comes in time. RFC 4028 §10
const MARGIN: Duration = Duration::from_secs(32);

/// What one dialog has agreed on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct SessionTimer {
    agreed: Option<Agreed>,
    /// The highest minimum that anybody on the way has asked for.
    min: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Agreed {
    interval: Duration,
    /// We refresh.
    ours: bool,
}

/// The Session-Expires of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Asked {
    interval: Duration,
    /// Who shall refresh: whoever sent the request (`uac`)?
    by_client: Option<bool>,
}

impl SessionTimer {
    /// Takes over what a 422 asks for. False when that cannot be done.
    pub(crate) fn raise(&mut self, refusal: &Message) -> bool {
        match min_se(refusal).filter(|min| *min > self.min && *min <= HIGHEST) {
            Some(min) => {
                self.min = min;
                true
            }
            None => false,
        }
    }

    /// The headers of an INVITE or UPDATE of ours that refreshes. RFC 4028 §7.1, §7.4
    pub(crate) fn ask(&self, request: Builder, policy: SessionTimers) -> Builder {
        let min = self.min.max(policy.min).max(LOWEST);
        let interval = self.agreed.map_or(policy.expires, |agreed| agreed.interval).max(min);
        let refresher = match self.agreed {
            None => "",
            Some(Agreed { ours: true, .. }) => ";refresher=uac",
            Some(Agreed { ours: false, .. }) => ";refresher=uas",
        };
        request
            .header(Name::SessionExpires, format!("{}{refresher}", interval.as_secs()))
            .header(Name::MinSe, min.as_secs().to_string())
    }
}

impl Stack {
    /// How long sessions may go without a sign of life, and what we accept at least. At the start 30 minutes and 90 seconds.
    pub fn set_session_timers(&mut self, timers: SessionTimers) {
        let min = timers.min.clamp(LOWEST, HIGHEST);
        self.session_timers = SessionTimers { expires: timers.expires.clamp(min, HIGHEST), min };
    }

    /// The Min-SE of a 422, when the peer asks for sooner refreshes than we want. RFC 4028 §9
    pub(crate) fn interval_too_small(&self, request: &Message) -> Option<String> {
        let asked = session_expires(request)?;
        // Who does not know the extension would not know what to make of the answer.
        (lists(request, Name::Supported, "timer") && asked.interval < self.session_timers.min)
            .then(|| self.session_timers.min.as_secs().to_string())
    }

    /// Agrees on a timer with whoever sent this request, and says so in our 2xx. RFC 4028 §9, table 2
    pub(crate) fn grant_timer(
        &mut self,
        now: Now,
        id: CallId,
        request: &Message,
        mut answer: Builder,
    ) -> Builder {
        let policy = self.session_timers;
        let Some(exchange) = self.calls.live_mut(id).and_then(Call::exchange_mut) else { return answer };
        let timer = &mut exchange.timer;
        let knows = lists(request, Name::Supported, "timer");
        let asked = session_expires(request).filter(|asked| asked.interval >= LOWEST);
        timer.min = timer.min.max(min_se(request).unwrap_or(LOWEST).min(HIGHEST));
        let before = timer.agreed;
        timer.agreed = match (knows, asked) {
            (false, None) => None,
            // A proxy asks for it: the refreshing is left to us.
            (false, Some(asked)) => Some(Agreed { interval: asked.interval.min(HIGHEST), ours: true }),
            (true, asked) => {
                // RFC 4028 §9: what was asked for may be lowered, but not below the minimum, and never raised.
                let interval = match asked {
                    Some(asked) => asked.interval.min(policy.expires.max(timer.min)),
                    None => policy.expires.max(timer.min),
                };
                let as_before = before.is_some_and(|agreed| agreed.ours);
                let ours = !asked.and_then(|asked| asked.by_client).unwrap_or(!as_before);
                Some(Agreed { interval, ours })
            }
        };
        if let Some(Agreed { interval, ours }) = timer.agreed {
            let refresher = if ours { "uas" } else { "uac" };
            let value = format!("{};refresher={refresher}", interval.as_secs());
            answer = answer.header(Name::SessionExpires, value);
            if knows {
                answer = answer.header(Name::Require, "timer");
            }
        }
        self.arm_session(now, id);
        answer
    }

    /// The peer's 2xx to our INVITE or UPDATE says what was agreed on. RFC 4028 §7.2
    pub(crate) fn timer_granted(&mut self, now: Now, id: CallId, response: &Message) {
        let Some(exchange) = self.calls.live_mut(id).and_then(Call::exchange_mut) else { return };
        exchange.timer.agreed = session_expires(response).map(|asked| Agreed {
            interval: asked.interval.clamp(LOWEST, HIGHEST),
            ours: asked.by_client.unwrap_or(true),
        });
        self.arm_session(now, id);
    }

    fn arm_session(&mut self, now: Now, id: CallId) {
        let agreed =
            self.calls.live_mut(id).and_then(Call::exchange_mut).and_then(|exchange| exchange.timer.agreed);
        self.timers.disarm(Timer::Refresh(id));
        self.timers.disarm(Timer::Expired(id));
        let Some(Agreed { interval, ours }) = agreed else { return };
        self.timers.arm(Timer::Expired(id), now.instant + (interval - MARGIN.min(interval / 3)));
        if ours {
            self.timers.arm(Timer::Refresh(id), now.instant + interval / 2);
        }
    }

    /// Half of the interval is over. RFC 4028 §10
    pub(crate) fn refresh_session(&mut self, now: Now, id: CallId) {
        let Some(exchange) = self.calls.live_mut(id).and_then(Call::exchange_mut) else { return };
        let Some(agreed) = exchange.timer.agreed else { return };
        // An offer that waits for its turn does as well.
        exchange.queued.get_or_insert(Ask::Refresh);
        // When the answer is a refusal, there is time for one more try before the session expires.
        self.timers.arm(Timer::Refresh(id), now.instant + agreed.interval / 4);
        self.ask_queued(now, id);
    }

    /// No refresh came, or none of ours got through.
    pub(crate) fn session_expired(&mut self, now: Now, id: CallId) {
        let Some(call) = self.calls.live_mut(id) else { return };
        let by = call.far.lost;
        let Some(dialog) = call.dialog().cloned() else { return };
        self.stop_waiting_for_ack(id);
        let ending = Ending::with_status(Cause::Lost, by, 408);
        self.send_bye(now, id, dialog, &ending);
        self.end(now, id, ending);
    }
}

/// What cannot be read is not heard.
fn session_expires(message: &Message) -> Option<Asked> {
    let asked = message.session_expires().ok()??;
    Some(Asked {
        interval: Duration::from_secs(u64::from(asked.seconds)),
        by_client: asked.refresher.map(|refresher| refresher == Refresher::Uac),
    })
}

fn min_se(message: &Message) -> Option<Duration> {
    message.min_se().ok()?.map(|seconds| Duration::from_secs(u64::from(seconds)))
}
