//! We register with a carrier, stay registered, and sign off when we go. RFC 3261 §10.2

use std::time::Duration;

use model::{Instant, Now};

use super::keep_alive::Flow;
use super::{RegistrationState, TrunkId};
use crate::api::{ConnectionId, Hop, Transport};
use crate::message::{Builder, Contacts, Message, Method, Name, UriBuf, name_addr, sip_uri};
use crate::respond::MAX_FORWARDS;
use crate::stack::Stack;
use crate::timer::Timer;
use crate::transaction::Owner;
use crate::way::{Contact, Draft};

/// The first wait after a failure; it doubles with every further one. RFC 5626 §4.5
const FIRST_WAIT: Duration = Duration::from_secs(5);
const LONGEST_WAIT: Duration = Duration::from_secs(600);
/// Whoever is told that his password is wrong and keeps coming gets banned.
const WAIT_AFTER_REFUSAL: Duration = Duration::from_secs(300);
/// What a carrier may ask us to wait (Retry-After) or to register for (Min-Expires), at most.
const MOST_ASKED_FOR: u32 = 86_400;
/// A sign-off that is not answered by then never will be.
const SIGN_OFF: Duration = Duration::from_secs(4);
const MAX_SERVICE_ROUTES: usize = 8;

pub(crate) struct Registered {
    pub(super) state: RegistrationState,
    /// One for all our REGISTERs. RFC 3261 §10.2
    call_id: String,
    pub(crate) cseq: u32,
    /// In a row.
    failures: u32,
    /// What the carrier wants at least. RFC 3261 §10.2.8
    min_expires: Duration,
    /// The connection that our calls come in by.
    connection: Option<ConnectionId>,
    /// The same as it is kept alive.
    pub(super) flow: Option<Flow>,
    /// Route of what we send. RFC 3608
    pub(crate) service_route: Vec<UriBuf>,
    /// A sign-off is under way.
    pub(super) signing_off: bool,
}

impl Default for Registered {
    fn default() -> Self {
        Self {
            state: RegistrationState::None,
            call_id: String::new(),
            cseq: 0,
            failures: 0,
            min_expires: Duration::ZERO,
            connection: None,
            flow: None,
            service_route: Vec::new(),
            signing_off: false,
        }
    }
}

impl Registered {
    fn lose_flow(&mut self) {
        (self.connection, self.flow) = (None, None);
    }
}

impl Stack {
    /// Time to register, to refresh, to try again, or to give up waiting for the answer to a sign-off.
    pub(crate) fn registration_due(&mut self, now: Now, id: TrunkId) {
        let draining = self.draining;
        let Some(entry) = self.trunks.get_mut(id) else { return };
        if entry.registered.signing_off {
            return self.signed_off(id);
        }
        if !draining && !entry.leaving {
            let wanted = entry.settings.registration.as_ref().map(|registration| registration.expires);
            let Some(wanted) = wanted else { return };
            let expires = wanted.max(entry.registered.min_expires);
            // What has failed is not better for being tried again.
            if matches!(entry.registered.state, RegistrationState::None | RegistrationState::Left) {
                entry.registered.state = RegistrationState::Asking;
            }
            return self.send_register(now, id, expires);
        }
        match entry.registered.state {
            RegistrationState::Asking | RegistrationState::Registered { .. } => {
                entry.registered.signing_off = true;
                self.timers.arm(Timer::Registration(id), now.instant + SIGN_OFF);
                self.send_register(now, id, Duration::ZERO);
            }
            RegistrationState::None | RegistrationState::Failed { .. } | RegistrationState::Left => {
                self.signed_off(id);
            }
        }
    }

    /// Whether a carrier still has to be told that we go.
    pub fn is_signing_off(&self) -> bool {
        self.draining
            && self.trunks.iter().any(|entry| {
                entry.registered.signing_off
                    || matches!(
                        entry.registered.state,
                        RegistrationState::Asking | RegistrationState::Registered { .. }
                    )
            })
    }

    /// Registrations begin or end with the next timeout.
    pub(crate) fn reconsider_registrations(&mut self) {
        let ids: Vec<TrunkId> = self
            .trunks
            .iter()
            .filter(|entry| entry.settings.registration.is_some())
            .map(|entry| entry.id)
            .collect();
        for id in ids {
            self.timers.arm(Timer::Registration(id), Instant::ZERO);
        }
    }

    /// The carrier may have lost us: registered again at once.
    pub(crate) fn register_anew(&mut self, now: Now, id: TrunkId) {
        let jitter = Duration::from_millis(self.random.between(100, 1000));
        if let Some(entry) = self.trunks.get(id)
            && entry.settings.registration.is_some()
            && !entry.registered.signing_off
        {
            self.timers.arm(Timer::Registration(id), now.instant + jitter);
        }
    }

    pub(crate) fn registrations_lost_with(&mut self, now: Now, connection: ConnectionId) {
        let lost: Vec<TrunkId> = self
            .trunks
            .iter()
            .filter(|entry| entry.registered.connection == Some(connection))
            .map(|entry| entry.id)
            .collect();
        for id in lost {
            if let Some(entry) = self.trunks.get_mut(id) {
                entry.registered.lose_flow();
            }
            self.register_anew(now, id);
        }
    }

    fn send_register(&mut self, now: Now, id: TrunkId, expires: Duration) {
        let Some(entry) = self.trunks.get(id) else { return };
        let Some(registration) = entry.settings.registration.clone() else { return };
        let settings = entry.settings.clone();
        let Ok(goal) = self.goal_of(&settings) else {
            return self.registration_failed(now, id, 503, None);
        };
        if entry.registered.call_id.is_empty() {
            let (call_id, cseq) = (self.random.call_id(), self.random.cseq());
            if let Some(entry) = self.trunks.get_mut(id) {
                (entry.registered.call_id, entry.registered.cseq) = (call_id, cseq);
            }
        }
        let Some(entry) = self.trunks.get_mut(id) else { return };
        entry.registered.cseq += 1;
        let (call_id, cseq) = (entry.registered.call_id.clone(), entry.registered.cseq);
        let host = settings.host();
        let record = sip_uri(Some(&registration.user), &host);
        let tag = self.random.tag();
        let request = Builder::request(&Method::Register, &settings.uri(None))
            .header(Name::From, name_addr(None, &record, Some(&tag)))
            .header(Name::To, name_addr(None, &record, None))
            .header(Name::CallId, call_id)
            .header(Name::CSeq, format!("{cseq} REGISTER"))
            .header(Name::Expires, expires.as_secs().to_string());
        let contact = Some(Contact::User(registration.user));
        let draft = Draft { method: Method::Register, request, contact, forwards: MAX_FORWARDS };
        self.start_towards(now, Owner::Register(id), draft, goal);
    }

    pub(crate) fn register_answered(
        &mut self,
        now: Now,
        id: TrunkId,
        hop: Hop,
        status: u16,
        response: &Message,
    ) {
        let Some(entry) = self.trunks.get_mut(id) else { return };
        // An answer to what a newer REGISTER has overtaken says nothing any more.
        if status < 200 || response.cseq().number != entry.registered.cseq {
            return;
        }
        if entry.registered.signing_off {
            return self.signed_off(id);
        }
        match status {
            200..=299 => self.registered(now, id, hop, response),
            423 => {
                let least = response.min_expires().ok().flatten().unwrap_or(0).min(MOST_ASKED_FOR);
                let least = Duration::from_secs(least.into());
                let wanted = entry.settings.registration.as_ref().map(|r| r.expires).unwrap_or_default();
                if least <= wanted.max(entry.registered.min_expires) {
                    return self.registration_failed(now, id, status, None);
                }
                entry.registered.min_expires = least;
                self.send_register(now, id, least);
            }
            _ => {
                let after = response
                    .header(Name::RetryAfter)
                    .and_then(|value| {
                        let digits = value.split(|c| !c.is_ascii_digit()).next()?;
                        std::str::from_utf8(digits).ok()?.parse::<u32>().ok()
                    })
                    .map(|seconds| Duration::from_secs(seconds.clamp(1, MOST_ASKED_FOR).into()));
                self.registration_failed(now, id, status, after);
            }
        }
    }

    pub(crate) fn registration_failed(
        &mut self,
        now: Now,
        id: TrunkId,
        status: u16,
        after: Option<Duration>,
    ) {
        let Some(entry) = self.trunks.get_mut(id) else { return };
        if entry.registered.signing_off {
            return self.signed_off(id);
        }
        let doubled = FIRST_WAIT * 2u32.pow(entry.registered.failures.min(10));
        entry.registered.failures += 1;
        let wait = match status {
            401 | 403 | 404 | 407 => doubled.max(WAIT_AFTER_REFUSAL),
            _ => doubled,
        };
        let wait = wait.min(LONGEST_WAIT);
        // Between a half and the whole, so that not all come back at once.
        let half = u64::try_from(wait.as_millis() / 2).unwrap_or(u64::MAX);
        let jittered = Duration::from_millis(half + self.random.between(0, half));
        let again = now.instant + after.unwrap_or(jittered).max(jittered);
        self.timers.arm(Timer::Registration(id), again);
        let Some(entry) = self.trunks.get_mut(id) else { return };
        let before =
            std::mem::replace(&mut entry.registered.state, RegistrationState::Failed { status, again });
        entry.registered.lose_flow();
        if !matches!(before, RegistrationState::Failed { status: told, .. } if told == status) {
            self.tell_trunk(id);
        }
    }

    fn registered(&mut self, now: Now, id: TrunkId, hop: Hop, response: &Message) {
        let Some(entry) = self.trunks.get(id) else { return };
        let Some(registration) = entry.settings.registration.clone() else { return };
        let asked = registration.expires.max(entry.registered.min_expires);
        let contact = UriBuf::parse(&self.contact_uri_of(&registration.user, hop)).ok();
        let ours = match response.contacts() {
            Ok(Contacts::List(contacts)) => contacts
                .into_iter()
                .find(|c| contact.as_ref().is_some_and(|own| own.get().same_as(&c.uri())))
                .and_then(|contact| contact.expires()),
            Ok(Contacts::Any) | Err(_) => None,
        };
        let granted = ours
            .or(response.expires().ok().flatten())
            .map_or(asked, |seconds| Duration::from_secs(seconds.into()).min(asked));
        if granted.is_zero() {
            return self.registration_failed(now, id, 400, None);
        }
        let routes = response.addresses(Name::ServiceRoute).unwrap_or_default();
        let routes = routes.iter().take(MAX_SERVICE_ROUTES).map(|route| UriBuf::from(route.uri())).collect();
        let part = u32::try_from(self.random.between(750, 880)).unwrap_or(800);
        self.timers.arm(Timer::Registration(id), now.instant + granted * part / 1000);
        let Some(entry) = self.trunks.get_mut(id) else { return };
        let registered = &mut entry.registered;
        registered.failures = 0;
        registered.service_route = routes;
        registered.connection = hop.connection;
        let until = now.instant + granted;
        let before = std::mem::replace(&mut registered.state, RegistrationState::Registered { until });
        self.flow_registered(now, id, hop, response);
        if !matches!(before, RegistrationState::Registered { .. }) {
            self.tell_trunk(id);
        }
    }

    fn signed_off(&mut self, id: TrunkId) {
        self.timers.disarm(Timer::Registration(id));
        let Some(entry) = self.trunks.get_mut(id) else { return };
        entry.registered.signing_off = false;
        entry.registered.lose_flow();
        if entry.registered.state != RegistrationState::None {
            entry.registered.state = RegistrationState::Left;
        }
        if entry.leaving {
            self.trunks.list.retain(|entry| entry.id != id);
        }
    }

    /// Our Contact at a carrier.
    pub(crate) fn contact_of(&self, user: &str, hop: Hop) -> Vec<u8> {
        name_addr(None, &self.contact_uri_of(user, hop), None)
    }

    fn contact_uri_of(&self, user: &str, hop: Hop) -> Vec<u8> {
        let transport = match hop.transport {
            Transport::Udp => "",
            Transport::Tcp => ";transport=tcp",
            Transport::Tls => ";transport=tls",
            Transport::Ws | Transport::Wss => ";transport=ws",
        };
        sip_uri(Some(user), &format!("{}{transport}", self.advertised(hop)))
    }
}
