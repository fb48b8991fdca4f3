//! The last calls, message by message.
//!
//! Invariant: calls, messages of a call and octets of all are bounded; nothing leaves here unmasked.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::{SessionId, Timestamp};
use sip_core::api::Hop;
use sip_core::glance::{Glance, Start};

use super::mask::masked;
use super::{Bounds, Way};

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Trace(Arc<Mutex<Calls>>);

/// A message as it was seen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Noted {
    pub at: Timestamp,
    pub way: Way,
    pub hop: Hop,
    pub call_id: Arc<[u8]>,
    /// With its credentials masked, once it is out of [`Trace`].
    pub bytes: Box<[u8]>,
}

#[derive(Debug)]
struct Calls {
    bounds: Bounds,
    octets: usize,
    calls: HashMap<Arc<[u8]>, Call>,
    /// In order of their first message.
    order: VecDeque<Arc<[u8]>>,
    sessions: BTreeMap<SessionId, BTreeSet<Arc<[u8]>>>,
}

#[derive(Default, Debug)]
struct Call {
    session: Option<SessionId>,
    messages: Vec<Noted>,
    left_out: usize,
    octets: usize,
}

/// Call-ID, session, messages, first seen.
pub type Remembered = (Arc<[u8]>, Option<SessionId>, usize, Timestamp);

impl Trace {
    pub fn new(bounds: Bounds) -> Self {
        Self(Arc::new(Mutex::new(Calls {
            bounds,
            octets: 0,
            calls: HashMap::new(),
            order: VecDeque::new(),
            sessions: BTreeMap::new(),
        })))
    }

    /// Only what an INVITE has begun is kept.
    pub fn note(&self, at: Timestamp, way: Way, hop: Hop, glance: &Glance<'_>, bytes: &[u8]) {
        let mut calls = self.calls();
        if calls.bounds.calls == 0 {
            return;
        }
        if !calls.calls.contains_key(glance.call_id) {
            if glance.start != Start::Request(b"INVITE") {
                return;
            }
            let key: Arc<[u8]> = glance.call_id.into();
            calls.order.push_back(key.clone());
            calls.calls.insert(key, Call::default());
        }
        calls.add(at, way, hop, glance.call_id, bytes);
        calls.shrink();
    }

    /// This call belongs to that session.
    pub fn link(&self, session: SessionId, call_id: &str) {
        let mut calls = self.calls();
        let Calls { calls, sessions, .. } = &mut *calls;
        // The engine names calls as text; bytes that are none are not found again, which is no harm.
        let Some((key, _)) = calls.get_key_value(call_id.as_bytes()) else { return };
        let key = key.clone();
        if let Some(call) = calls.get_mut(&key) {
            call.session = Some(session);
            sessions.entry(session).or_default().insert(key);
        }
    }

    /// The messages of a session's calls, by time; how many more there were. `None`: nothing is known of it.
    pub fn of_session(&self, session: SessionId) -> Option<(Vec<Noted>, usize)> {
        let calls = self.calls();
        let keys = calls.sessions.get(&session)?;
        Some(gather(keys.iter().filter_map(|key| calls.calls.get(key))))
    }

    /// The same of one Call-ID.
    pub fn of_call(&self, call_id: &[u8]) -> Option<(Vec<Noted>, usize)> {
        let calls = self.calls();
        calls.calls.get(call_id).map(|call| gather(std::iter::once(call)))
    }

    /// The calls that are remembered, the newest first.
    pub fn list(&self, most: usize) -> Vec<Remembered> {
        let calls = self.calls();
        let newest = calls.order.iter().rev().take(most);
        newest
            .filter_map(|key| {
                let call = calls.calls.get(key)?;
                let count = call.messages.len() + call.left_out;
                Some((key.clone(), call.session, count, call.messages.first()?.at))
            })
            .collect()
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Calls {
    fn add(&mut self, at: Timestamp, way: Way, hop: Hop, call_id: &[u8], bytes: &[u8]) {
        let Some((key, _)) = self.calls.get_key_value(call_id) else { return };
        let key = key.clone();
        let Some(call) = self.calls.get_mut(call_id) else { return };
        // One call may not push all others out.
        let share = self.bounds.octets / 4;
        if call.messages.len() >= self.bounds.messages || call.octets + bytes.len() > share {
            call.left_out += 1;
            return;
        }
        call.octets += bytes.len();
        self.octets += bytes.len();
        call.messages.push(Noted { at, way, hop, call_id: key, bytes: bytes.into() });
    }

    fn shrink(&mut self) {
        while self.order.len() > self.bounds.calls || self.octets > self.bounds.octets {
            let Some(oldest) = self.order.pop_front() else { return };
            let Some(call) = self.calls.remove(&oldest) else { continue };
            self.octets -= call.octets;
            if let Some(session) = call.session
                && let Some(keys) = self.sessions.get_mut(&session)
            {
                keys.remove(&oldest);
                if keys.is_empty() {
                    self.sessions.remove(&session);
                }
            }
        }
    }
}

fn gather<'a>(calls: impl Iterator<Item = &'a Call>) -> (Vec<Noted>, usize) {
    let mut messages = Vec::new();
    let mut left_out = 0;
    for call in calls {
        left_out += call.left_out;
        messages.extend(call.messages.iter().map(|noted| {
            let bytes = masked(&noted.bytes).into();
            Noted { bytes, ..noted.clone() }
        }));
    }
    messages.sort_by_key(|noted| noted.at);
    (messages, left_out)
}

#[cfg(test)]
pub(super) mod tests {
    use sip_core::api::Transport;
    use sip_core::glance::glance;

    use super::*;

    pub fn hop(transport: Transport) -> Hop {
        let address = |text: &str| text.parse().expect("an address");
        Hop {
            transport,
            local: address("127.0.0.1:5060"),
            remote: address("203.0.113.7:5062"),
            connection: None,
        }
    }

    pub fn invite(call_id: &str) -> String {
        format!(
            "INVITE sip:a SIP/2.0\r\nCall-ID: {call_id}\r\nCSeq: 1 INVITE\r\nAuthorization: Digest x\r\n\r\n"
        )
    }

    pub fn note(trace: &Trace, at: i64, text: &str) {
        let glance = glance(text.as_bytes()).expect("a message");
        trace.note(Timestamp(at), Way::In, hop(Transport::Udp), &glance, text.as_bytes());
    }

    #[test]
    fn a_call_is_remembered_and_found_by_its_session_with_its_credentials_masked() {
        let trace = Trace::new(Bounds { calls: 10, messages: 10, octets: 100_000 });
        let session = SessionId::new(Timestamp(1), [1; 10]);
        note(&trace, 1, &invite("a"));
        note(&trace, 2, &invite("b"));
        note(&trace, 3, &invite("a").replace("INVITE", "BYE"));
        note(&trace, 4, &invite("c").replace("INVITE", "REGISTER"));
        trace.link(session, "a");
        trace.link(session, "b");
        let (messages, left_out) = trace.of_session(session).expect("a ladder");
        assert_eq!(messages.iter().map(|noted| noted.at.0).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(left_out, 0);
        assert!(messages.iter().all(|noted| !String::from_utf8_lossy(&noted.bytes).contains("Digest")));
        assert_eq!(trace.of_call(b"b").expect("a ladder").0.len(), 1);
        assert_eq!(trace.of_call(b"c"), None, "a registration is no call");
        assert_eq!(trace.list(10).len(), 2);
    }

    #[test]
    fn calls_messages_and_octets_are_bounded() {
        let trace = Trace::new(Bounds { calls: 3, messages: 2, octets: 100_000 });
        let session = SessionId::new(Timestamp(1), [1; 10]);
        for n in 0..100 {
            let call_id = format!("call-{n}");
            (0..5).for_each(|_| note(&trace, n, &invite(&call_id)));
            trace.link(session, &call_id);
        }
        assert_eq!(trace.list(100).len(), 3);
        assert_eq!(trace.of_call(b"call-99").map(|(kept, left_out)| (kept.len(), left_out)), Some((2, 3)));
        assert_eq!(trace.of_session(session).map(|(kept, _)| kept.len()), Some(6));
        let small = Trace::new(Bounds { calls: 1_000, messages: 1_000, octets: 4_000 });
        (0..1_000).for_each(|n| note(&small, n, &invite(&format!("call-{}", n % 50))));
        let calls = small.calls();
        assert!(calls.octets <= 4_000);
        assert_eq!(calls.octets, calls.calls.values().map(|call| call.octets).sum::<usize>());
    }
}
