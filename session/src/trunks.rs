//! Calls to numbers: which carriers they may take, one after the other.
//!
//! A call that a carrier could not carry (5xx, 408, nothing heard) goes to the next one on the same leg; what the called party
//! decided (486, 603, 404 …) is the end. Each try is a step in the journal.

use std::time::Duration;

use dialplans::{Outgoing, RouteLimits, Way};
use media::api::{Codec, Command as MediaCommand, Encryption};
use model::{Cause, Change, Ending, Instant, LegId, Now, SessionId, Side};
use sip_core::api::{
    CallIdentity, CallOptions, Diversion, OutgoingCall, RegistrationState, Target, TrunkState,
};

use crate::api::Output;
use crate::early::Early;
use crate::engine::Engine;
use crate::leg::{Role, Step};
use crate::phone;

const CUSTOMER_RING: Duration = Duration::from_secs(60);
/// A carrier that has not even said 100 by then is passed over. Four copies of the INVITE have gone out.
const SILENCE: Duration = Duration::from_secs(6);
const SECOND: Duration = Duration::from_secs(1);
/// Carriers that one call is tried through.
const MOST_TRIES: usize = 8;

/// A number that is called, and how.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Dialled {
    pub number: String,
    /// Trunks and groups, in the order in which to try them.
    via: Vec<String>,
    /// Trunks that were tried, the last of them now.
    tried: Vec<String>,
    /// The line of the routes that it goes by.
    line: Option<usize>,
    /// What our description has: empty for all.
    codecs: Vec<Codec>,
    encryption: Encryption,
    /// The trunk whose codecs our description is being made for.
    next: Option<String>,
    pub early: Early,
}

impl Dialled {
    /// The same number through this trunk alone.
    pub(crate) fn only_through(self, trunk: String) -> Dialled {
        Dialled { via: vec![trunk], ..self }
    }

    /// The trunk that it is tried through now.
    pub(crate) fn trunk(&self) -> Option<&str> {
        self.tried.last().map(String::as_str)
    }

    /// No carrier leads there: the leg ends as soon as it is tried.
    pub(crate) fn nowhere(number: &str) -> Dialled {
        Dialled {
            number: number.to_owned(),
            via: Vec::new(),
            tried: Vec::new(),
            line: None,
            codecs: Vec::new(),
            encryption: Encryption::default(),
            next: None,
            early: Early::default(),
        }
    }
}

/// Why a number is not called.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Denied {
    NoTrunk,
    Abroad,
    /// In the words of the route.
    Route(String),
    Full,
}

impl Denied {
    /// What a caller is told who would have been sent on.
    pub(crate) fn ending(&self) -> Ending {
        match self {
            Denied::NoTrunk | Denied::Full => Ending::with_status(Cause::Overload, Side::System, 503),
            Denied::Abroad | Denied::Route(_) => Ending::with_status(Cause::Refused, Side::System, 403),
        }
    }
}

impl Engine {
    /// How a number is called for a session: by the routes of the dialplan, or without any by all trunks in their order, and then
    /// not abroad.
    pub(crate) fn dial(&mut self, now: Now, id: SessionId, number: &str) -> Result<Dialled, Denied> {
        let dialled = self.way_of(id, number)?;
        if let Some(line) = dialled.line
            && !self.route_has_room(now.instant, id, number, line)
        {
            return Err(Denied::Full);
        }
        Ok(dialled)
    }

    pub(crate) fn way_of(&self, id: SessionId, number: &str) -> Result<Dialled, Denied> {
        let dialled = |via: Vec<String>, line| Dialled { via, line, ..Dialled::nowhere(number) };
        if self.trunks.is_empty() {
            return Err(Denied::NoTrunk);
        }
        if let Some(plan) = self.plan.as_ref().filter(|plan| plan.has_routes()) {
            return match plan.way(&self.outgoing(id, number, self.queue_of(id).as_deref())) {
                Some(Way::Via { trunks, line, .. }) => Ok(dialled(trunks.to_vec(), Some(line))),
                Some(Way::Deny { why }) => Err(Denied::Route(why.to_owned())),
                None => Err(Denied::Route("no route leads there".to_owned())),
            };
        }
        // Short numbers are the carrier's own and cannot be abroad.
        let abroad = number.starts_with('+') && !phone::is_domestic(&self.config.region, number);
        if abroad && !self.config.calls_abroad {
            return Err(Denied::Abroad);
        }
        Ok(dialled(self.trunks.clone(), None))
    }

    /// The call as routes see it.
    fn outgoing<'a>(&'a self, id: SessionId, number: &'a str, queue: Option<&'a str>) -> Outgoing<'a> {
        let caller = self.sessions.get(&id).and_then(|session| session.caller.as_deref());
        Outgoing { number, queue, caller, at: self.wall }
    }

    /// A number that is called whatever else is forbidden or full.
    pub(crate) fn is_emergency(&self, number: &str) -> bool {
        let call = Outgoing { number, queue: None, caller: None, at: self.wall };
        let way = self.plan.as_ref().and_then(|plan| plan.way(&call));
        matches!(way, Some(Way::Via { emergency: true, .. })) && !self.trunks.is_empty()
    }

    fn route_has_room(&mut self, now: Instant, id: SessionId, number: &str, line: usize) -> bool {
        let queue = self.queue_of(id);
        let call = self.outgoing(id, number, queue.as_deref());
        let limits = match self.plan.as_ref().and_then(|plan| plan.way(&call)) {
            Some(Way::Via { limits, emergency: false, .. }) => limits,
            Some(Way::Via { emergency: true, .. } | Way::Deny { .. }) | None => RouteLimits::default(),
        };
        if limits.calls.is_some_and(|most| self.calls_by(line) >= most as usize) {
            return false;
        }
        let Some(most) = limits.per_second else { return true };
        let recent = self.route_calls.entry(line).or_default();
        recent.retain(|at| now.saturating_since(*at) < SECOND);
        if recent.len() >= most as usize {
            return false;
        }
        recent.push_back(now);
        true
    }

    fn queue_of(&self, id: SessionId) -> Option<String> {
        self.sessions.get(&id)?.queue_name.as_ref().map(ToString::to_string)
    }

    fn calls_by(&self, line: usize) -> usize {
        let by_it = |(leg, id): &(&LegId, &SessionId)| {
            let leg = self.sessions.get(id).and_then(|session| session.legs.get(leg));
            let dialled = leg.and_then(|leg| leg.voice()?.dialled.as_ref());
            dialled.is_some_and(|dialled| dialled.line == Some(line))
        };
        self.legs.iter().filter(by_it).count()
    }

    /// The calls of this leg are calls of whoever asked for them.
    pub(crate) fn charge_to(&mut self, id: SessionId, leg: LegId, login: String) {
        if let Some(voice) = self.voice_of(id, leg) {
            voice.charged = Some(login);
        }
    }

    /// Tries the next carrier. When there is none the leg ends as the last one left it.
    pub(crate) fn call_through_next(&mut self, now: Now, id: SessionId, leg: LegId, last: Option<Ending>) {
        let last = last.unwrap_or(Ending::with_status(Cause::Failed, Side::Carrier, 503));
        let beside = self.call_in(id);
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let called = session.called.clone();
        // RFC 7332: a call that went round in circles ends some time.
        let options = session.forwards.map_or_else(CallOptions::default, |forwards| CallOptions {
            max_forwards: Some(forwards.saturating_sub(1)),
            hops: session.hops + 1,
            ..CallOptions::default()
        });
        let Some(voice) = session.legs.get_mut(&leg).and_then(|leg| leg.voice_mut()) else { return };
        let sent_on = voice.role == Role::TransferOut || voice.forwards > 0;
        let Some(out) = &mut voice.dialled else { return };
        let Some(sdp) = voice.local_sdp.clone() else { return };
        let names = out.via.clone();
        while out.tried.len() < MOST_TRIES {
            let candidates = self.sip.candidates(now, &names).into_iter();
            let mut untried = candidates.filter(|name| !out.tried.contains(name));
            let Some(trunk) = out.next.take().or_else(|| untried.next()) else { break };
            let policy = self.policies.get(&trunk);
            let codecs = policy.map_or(&[][..], |policy| &policy.codecs);
            let encryption = policy.map(|policy| policy.encryption).unwrap_or_default();
            if out.codecs != codecs || out.encryption != encryption {
                // Our description has to be another one first.
                out.codecs = codecs.to_vec();
                out.encryption = encryption;
                out.next = Some(trunk);
                voice.call = None;
                voice.step = Step::Preparing;
                let describe = MediaCommand::Describe { leg, codecs: codecs.to_vec(), encryption };
                return self.put(Output::Media(describe));
            }
            out.tried.push(trunk.clone());
            let diversion = called.clone().filter(|_| sent_on);
            let call = OutgoingCall {
                target: Target::Trunk { name: trunk, number: out.number.clone() },
                caller: called.clone().unwrap_or_else(|| "anonymous".to_owned()),
                caller_name: None,
                identity: CallIdentity {
                    withheld: false,
                    diversion: diversion
                        .map(|number| Diversion { number, reason: "unconditional".to_owned() }),
                },
                sdp: sdp.to_vec(),
                headers: Vec::new(),
                ring_timeout: CUSTOMER_RING,
                silence: Some(SILENCE),
                options: options.clone(),
            };
            match self.sip.invite(now, call, beside) {
                Ok(call) => {
                    if let Some(login) = &voice.charged {
                        self.sip.spent_on(login, call);
                    }
                    voice.call = Some(call);
                    voice.step = Step::Calling;
                    self.add_call(id, leg, call);
                    return;
                }
                Err(error) => tracing::warn!(%leg, %error, "cannot call through this trunk"),
            }
        }
        self.leg_ended(now, id, leg, last);
    }

    /// A call to a number has ended before it was answered. False: it is over, whoever's doing that was.
    pub(crate) fn fails_over(&mut self, now: Now, id: SessionId, leg: LegId, ending: &Ending) -> bool {
        self.note_try(
            now,
            id,
            leg,
            ending.sip_status.map_or("no answer".to_owned(), |code| code.to_string()),
        );
        let Some(voice) = self.voice_of(id, leg) else { return false };
        if voice.step != Step::Calling || voice.dialled.is_none() {
            return false;
        }
        // Another carrier may speak what this one does not.
        let carriers_fault = matches!(ending.cause, Cause::Lost | Cause::Incompatible)
            || matches!(ending.sip_status, Some(408 | 500..=599));
        if !carriers_fault {
            return false;
        }
        voice.call = None;
        self.early_over(id, leg);
        self.call_through_next(now, id, leg, Some(ending.clone()));
        true
    }

    /// One step for each try: which trunk, and what came of it.
    pub(crate) fn note_try(&mut self, now: Now, id: SessionId, leg: LegId, outcome: String) {
        let Some(voice) = self.voice_of(id, leg) else { return };
        if voice.step != Step::Calling {
            return;
        }
        let Some(trunk) = voice.dialled.as_ref().and_then(|out| out.tried.last()) else { return };
        let step = Change::Step {
            flow: "outbound".to_owned(),
            state: trunk.clone(),
            verb: "call".to_owned(),
            outcome,
        };
        self.journal(now, id, step);
    }
}

/// Says in the log how a trunk does now.
pub(crate) fn trunk_changed(state: &TrunkState) {
    let registration = match state.registration {
        RegistrationState::None => "none".to_owned(),
        RegistrationState::Asking => "asked for".to_owned(),
        RegistrationState::Registered { .. } => "registered".to_owned(),
        RegistrationState::Failed { status, .. } => format!("failed with {status}"),
        RegistrationState::Left => "given back".to_owned(),
    };
    if state.usable {
        tracing::info!(trunk = state.name, alive = state.alive, registration, "trunk is up");
    } else {
        tracing::warn!(trunk = state.name, alive = state.alive, registration, "trunk is down");
    }
}
