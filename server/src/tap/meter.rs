//! Figures of SIP: messages by method and status, and what the ratios of RFC 6076 are made of. `docs/metrics.md` says how.
//!
//! Invariant: what waits for its answer is bounded; a transaction is counted once, however often it is repeated.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::Instant;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use sip_core::glance::{Glance, Start};

use super::Way;

/// Requests that are waited for at once.
const MOST: usize = 65_536;
/// A request that has no final answer after this long has failed.
const PATIENCE: Duration = Duration::from_secs(240);
/// Upper bounds in seconds.
const DELAYS: [f64; 13] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 60.0];

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct Request {
    direction: &'static str,
    method: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct Response {
    direction: &'static str,
    method: &'static str,
    code: u16,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct Attempt {
    direction: &'static str,
    outcome: &'static str,
}

type Delays = Family<Attempt, Histogram, fn() -> Histogram>;

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Meter(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    requests: Family<Request, Counter>,
    responses: Family<Response, Counter>,
    registrations: Family<Attempt, Counter>,
    sessions: Family<Attempt, Counter>,
    completed: Counter<u64, AtomicU64>,
    registration_delay: Delays,
    session_delay: Delays,
    disconnect_delay: Delays,
    open: Mutex<Open>,
}

#[derive(Default, Debug)]
struct Open {
    waiting: HashMap<Key, Waiting>,
    order: VecDeque<(Instant, Key)>,
    /// Its seed is secret, so nobody can make two requests look like one.
    keys: RandomState,
}

/// Stands for Call-ID, CSeq, method, and which way the request went.
type Key = u64;

/// A request that waits for its answer.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    method: &'static str,
    way: Way,
    since: Instant,
    rang: bool,
}

impl Default for Meter {
    fn default() -> Self {
        fn delays() -> Histogram {
            Histogram::new(DELAYS)
        }
        let family = || Family::new_with_constructor(delays as fn() -> Histogram);
        Self(Arc::new(Parts {
            requests: Family::default(),
            responses: Family::default(),
            registrations: Family::default(),
            sessions: Family::default(),
            completed: Counter::default(),
            registration_delay: family(),
            session_delay: family(),
            disconnect_delay: family(),
            open: Mutex::default(),
        }))
    }
}

impl Meter {
    pub fn note(&self, now: Instant, way: Way, glance: &Glance<'_>) {
        let parts = &self.0;
        let direction = way.as_str();
        match glance.start {
            Start::Request(method) => {
                let method = known(method);
                parts.requests.get_or_create(&Request { direction, method }).inc();
                if matches!(method, "INVITE" | "REGISTER" | "BYE") {
                    // A re-INVITE is no attempt at a session.
                    if method != "INVITE" || glance.to_tag.is_none() {
                        self.began(glance, Waiting { method, way, since: now, rang: false });
                    }
                }
            }
            Start::Response(code) => {
                let method = known(glance.method);
                parts.responses.get_or_create(&Response { direction, method, code }).inc();
                if matches!(method, "INVITE" | "REGISTER" | "BYE") {
                    let asked = match way {
                        Way::In => Way::Out,
                        Way::Out => Way::In,
                    };
                    self.answered(now, glance, (method, asked), code);
                }
            }
        }
    }

    /// Adds everything to a registry.
    pub fn register(&self, registry: &mut Registry) {
        let parts = &self.0;
        registry.register("sip_requests", "SIP requests by method", parts.requests.clone());
        registry.register(
            "sip_responses",
            "SIP responses by method and status code",
            parts.responses.clone(),
        );
        registry.register(
            "sip_registration_attempts",
            "REGISTER transactions by outcome; challenges do not count",
            parts.registrations.clone(),
        );
        registry.register(
            "sip_session_attempts",
            "INVITE transactions outside of dialogs by outcome; challenges do not count",
            parts.sessions.clone(),
        );
        registry.register(
            "sip_sessions_completed",
            "Sessions that a BYE with a 2xx ended",
            parts.completed.clone(),
        );
        for (name, help, family) in [
            (
                "sip_registration_request_delay_seconds",
                "From REGISTER to its final answer",
                &parts.registration_delay,
            ),
            (
                "sip_session_request_delay_seconds",
                "From INVITE to the first 18x or the final answer",
                &parts.session_delay,
            ),
            ("sip_session_disconnect_delay_seconds", "From BYE to its final answer", &parts.disconnect_delay),
        ] {
            registry.register(name, help, family.clone());
        }
    }

    fn began(&self, glance: &Glance<'_>, request: Waiting) {
        let mut open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        let now = request.since;
        while let Some((since, oldest)) = open.order.front().copied()
            && (open.waiting.len() >= MOST || now.saturating_since(since) > PATIENCE)
        {
            open.order.pop_front();
            if let Some(waiting) = open.waiting.get(&oldest).copied()
                && waiting.since == since
            {
                open.waiting.remove(&oldest);
                self.ended(waiting.method, waiting.way, 408);
            }
        }
        let key = open.key(glance, request.method, request.way);
        let Open { waiting, order, .. } = &mut *open;
        waiting.entry(key).or_insert_with(|| {
            order.push_back((now, key));
            request
        });
    }

    fn answered(&self, now: Instant, glance: &Glance<'_>, (method, asked): (&'static str, Way), code: u16) {
        let mut open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        let key = open.key(glance, method, asked);
        let Some(waiting) = open.waiting.get_mut(&key) else { return };
        let since = waiting.since;
        if code < 200 {
            let first = code > 100 && !std::mem::replace(&mut waiting.rang, true);
            if first && method == "INVITE" {
                self.delayed(&self.0.session_delay, asked, "success", now, since);
            }
            return;
        }
        let rang = waiting.rang;
        open.waiting.remove(&key);
        if matches!(code, 401 | 407) {
            return;
        }
        let result = if code < 300 { "success" } else { "failure" };
        match method {
            "REGISTER" => self.delayed(&self.0.registration_delay, asked, result, now, since),
            "BYE" => self.delayed(&self.0.disconnect_delay, asked, result, now, since),
            // RFC 6076 §4.3: what rang has been measured when it rang.
            _ if rang => {}
            _ => self.delayed(&self.0.session_delay, asked, result, now, since),
        }
        self.ended(method, asked, code);
    }

    fn ended(&self, method: &'static str, way: Way, code: u16) {
        let direction = way.as_str();
        match method {
            "REGISTER" => {
                let outcome = if code < 300 { "registered" } else { "failed" };
                self.0.registrations.get_or_create(&Attempt { direction, outcome }).inc();
            }
            "INVITE" => {
                // RFC 6076 §4.6 to §4.8
                let outcome = match code {
                    ..300 => "established",
                    300..400 => "redirected",
                    480 | 486 | 600 | 603 => "declined",
                    408 | 500 | 503 | 504 => "ineffective",
                    487 => "cancelled",
                    _ => "failed",
                };
                self.0.sessions.get_or_create(&Attempt { direction, outcome }).inc();
            }
            _ if code < 300 => {
                self.0.completed.inc();
            }
            _ => {}
        }
    }

    fn delayed(&self, family: &Delays, way: Way, outcome: &'static str, now: Instant, since: Instant) {
        let delay = now.saturating_since(since).as_secs_f64();
        family.get_or_create(&Attempt { direction: way.as_str(), outcome }).observe(delay);
    }
}

impl Open {
    fn key(&self, glance: &Glance<'_>, method: &str, way: Way) -> Key {
        self.keys.hash_one((glance.call_id, glance.cseq, method, way))
    }
}

/// A label for every method there is, and one for all that there are not: strangers cannot make labels.
fn known(method: &[u8]) -> &'static str {
    const METHODS: [&str; 14] = [
        "INVITE",
        "ACK",
        "BYE",
        "CANCEL",
        "REGISTER",
        "OPTIONS",
        "INFO",
        "PRACK",
        "UPDATE",
        "REFER",
        "NOTIFY",
        "SUBSCRIBE",
        "MESSAGE",
        "PUBLISH",
    ];
    METHODS.iter().find(|name| name.as_bytes() == method).copied().unwrap_or("other")
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use sip_core::glance::glance;

    use super::*;

    struct Bench {
        meter: Meter,
        at: u64,
    }

    impl Bench {
        fn new() -> Self {
            Self { meter: Meter::default(), at: 1_000_000 }
        }

        fn ask(&mut self, way: Way, method: &str, call: &str) {
            self.note(way, &format!("{method} sip:a SIP/2.0\r\nCall-ID: {call}\r\nCSeq: 1 {method}\r\n\r\n"));
        }

        fn answer(&mut self, way: Way, code: u16, method: &str, call: &str) {
            self.note(way, &format!("SIP/2.0 {code} X\r\nCall-ID: {call}\r\nCSeq: 1 {method}\r\n\r\n"));
        }

        fn note(&mut self, way: Way, text: &str) {
            let glance = glance(text.as_bytes()).expect("a message");
            self.meter.note(Instant::from_micros(self.at), way, &glance);
            self.at += 30_000;
        }

        fn text(&self) -> String {
            let mut registry = Registry::default();
            self.meter.register(&mut registry);
            let mut out = String::new();
            encode(&mut out, &registry).expect("text");
            out
        }

        #[track_caller]
        fn says(&self, line: &str) {
            let text = self.text();
            assert!(text.lines().any(|have| have == line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn attempts_and_delays_follow_rfc_6076() {
        let mut bench = Bench::new();
        bench.ask(Way::In, "INVITE", "a");
        bench.ask(Way::In, "INVITE", "a");
        bench.answer(Way::Out, 100, "INVITE", "a");
        bench.answer(Way::Out, 180, "INVITE", "a");
        bench.answer(Way::Out, 200, "INVITE", "a");
        bench.answer(Way::Out, 200, "INVITE", "a");
        bench.ask(Way::Out, "BYE", "a");
        bench.answer(Way::In, 200, "BYE", "a");
        for (call, code) in [("b", 486), ("c", 503), ("d", 302), ("e", 404), ("f", 401)] {
            bench.ask(Way::Out, "INVITE", call);
            bench.answer(Way::In, code, "INVITE", call);
        }
        bench.ask(Way::In, "REGISTER", "r");
        bench.answer(Way::Out, 401, "REGISTER", "r");
        bench.ask(Way::In, "REGISTER", "r");
        bench.answer(Way::Out, 200, "REGISTER", "r");
        bench.says("sip_session_attempts_total{direction=\"in\",outcome=\"established\"} 1");
        for outcome in ["declined", "ineffective", "redirected", "failed"] {
            bench.says(&format!("sip_session_attempts_total{{direction=\"out\",outcome=\"{outcome}\"}} 1"));
        }
        bench.says("sip_sessions_completed_total 1");
        bench.says("sip_registration_attempts_total{direction=\"in\",outcome=\"registered\"} 1");
        bench.says("sip_requests_total{direction=\"in\",method=\"INVITE\"} 2");
        bench.says("sip_responses_total{direction=\"out\",method=\"INVITE\",code=\"200\"} 2");
        bench.says("sip_session_request_delay_seconds_sum{direction=\"in\",outcome=\"success\"} 0.09");
        bench.says("sip_session_disconnect_delay_seconds_count{direction=\"out\",outcome=\"success\"} 1");
        bench.says("sip_registration_request_delay_seconds_bucket{le=\"0.05\",direction=\"in\",outcome=\"success\"} 1");
    }

    #[test]
    fn what_is_never_answered_has_failed_and_takes_bounded_room() {
        let mut bench = Bench::new();
        bench.ask(Way::Out, "INVITE", "a");
        bench.at += 300_000_000;
        bench.ask(Way::Out, "INVITE", "b");
        bench.says("sip_session_attempts_total{direction=\"out\",outcome=\"ineffective\"} 1");
        for n in 0..MOST + 100 {
            bench.ask(Way::In, "REGISTER", &n.to_string());
        }
        let open = bench.meter.0.open.lock().expect("no panic");
        assert!(open.waiting.len() <= MOST && open.order.len() <= MOST);
    }

    #[test]
    fn strangers_make_no_labels() {
        let mut bench = Bench::new();
        (0..100).for_each(|n| bench.ask(Way::In, &format!("METHOD{n}"), "a"));
        bench.says("sip_requests_total{direction=\"in\",method=\"other\"} 100");
    }
}
