//! `[protection]`: what strangers may do, who is banned and for how long; `[ladder]`: how many calls are remembered message by
//! message.

use std::time::Duration;

use serde::Deserialize;
use sip_core::api::UserLimits;
use sip_core::border::{Limits, Rate, SCANNERS};
use toml::Spanned;

use super::check::Check;
use crate::tap::Bounds;

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);
const MOST: u32 = 1_000_000;

#[derive(Clone, PartialEq, Debug)]
pub struct Protection {
    pub limits: Limits,
    pub users: UserLimits,
    /// A new SIP request that has waited this long for the engine is answered 503.
    pub max_wait: Duration,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Raw {
    max_wait: Option<Spanned<String>>,
    stranger_rate: Option<Spanned<i64>>,
    stranger_burst: Option<Spanned<i64>>,
    stranger_options: Option<Spanned<i64>>,
    known_rate: Option<Spanned<i64>>,
    known_burst: Option<Spanned<i64>>,
    wrong_passwords: Option<Spanned<i64>>,
    probes: Option<Spanned<i64>>,
    within: Option<Spanned<String>>,
    ban: Option<Spanned<String>>,
    longest_ban: Option<Spanned<String>>,
    scanners: Option<Spanned<Vec<Spanned<String>>>>,
    user_calls: Option<Spanned<i64>>,
    user_calls_per_second: Option<Spanned<i64>>,
    user_calls_per_day: Option<Spanned<i64>>,
    denied_prefixes: Option<Spanned<Vec<Spanned<String>>>>,
    exempt: Option<Spanned<Vec<Spanned<String>>>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawLadder {
    calls: Option<Spanned<i64>>,
    messages: Option<Spanned<i64>>,
    octets: Option<Spanned<i64>>,
}

pub fn ladder(check: &mut Check<'_>, raw: RawLadder) -> Bounds {
    Bounds {
        calls: check.number(raw.calls, 1_000, 0..=1_000_000),
        messages: check.number(raw.messages, 200, 1..=10_000),
        octets: check.number(raw.octets, 16 << 20, 65_536..=1 << 32),
    }
}

pub fn check(check: &mut Check<'_>, raw: Raw) -> Protection {
    let usual = Limits::default();
    let scanners = check.list(raw.scanners, SCANNERS);
    for name in scanners.iter().filter(|name| name.get_ref().trim().len() < 3) {
        let hint = "every phone whose name holds it would be ignored: write at least three letters";
        check.problem(name.span(), "a scanner's name is too short", Some(hint.into()));
    }
    let exempt = check.list(raw.exempt, &[]);
    let limits = Limits {
        strangers: Rate {
            per_second: check.number(raw.stranger_rate, usual.strangers.per_second, 0..=MOST),
            burst: check.number(raw.stranger_burst, usual.strangers.burst, 1..=MOST),
        },
        known: Rate {
            per_second: check.number(raw.known_rate, usual.known.per_second, 0..=MOST),
            burst: check.number(raw.known_burst, usual.known.burst, 1..=MOST),
        },
        questions: check.number(raw.stranger_options, usual.questions, 0..=MOST),
        failures: check.number(raw.wrong_passwords, usual.failures, 1..=MOST),
        failures_within: check.duration(raw.within, usual.failures_within, SECOND..=DAY),
        probes: check.number(raw.probes, usual.probes, 1..=MOST),
        ban: check.duration(raw.ban, usual.ban, SECOND..=30 * DAY),
        longest_ban: check.duration(raw.longest_ban, usual.longest_ban, SECOND..=30 * DAY),
        scanners: scanners.iter().map(|name| name.get_ref().to_lowercase()).collect(),
        exempt: exempt
            .iter()
            .filter_map(|network| check.parsed(network, "an address or a network", "192.0.2.0/24"))
            .collect(),
    };
    let denied = check.list(raw.denied_prefixes, &[]);
    for prefix in denied.iter().filter(|prefix| prefix.get_ref().is_empty()) {
        check.problem(prefix.span(), "nobody could call anywhere", Some("leave it out".into()));
    }
    let users = UserLimits {
        calls: check.number(raw.user_calls, 20, 0..=10_000),
        per_second: check.number(raw.user_calls_per_second, 5, 0..=MOST),
        per_day: check.number(raw.user_calls_per_day, 5_000, 0..=MOST),
        denied: denied.into_iter().map(Spanned::into_inner).collect(),
    };
    Protection {
        limits,
        users,
        max_wait: check.duration(
            raw.max_wait,
            Duration::from_millis(150),
            Duration::from_millis(20)..=60 * SECOND,
        ),
    }
}
