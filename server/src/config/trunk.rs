//! `[[trunk]]`: carriers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use media::api::{Codec, Encryption};
use session::api::{EarlyMedia, TrunkPolicy};
use sip_core::api::{
    Account, Destination, DestinationHost, HealthCheck, IdentityRules, Limits, NumberFormat, NumberStyle,
    Place, Prefix, Registration, Secret, Transport, Trunk,
};
use toml::Spanned;

use super::check::Check;
use super::problem::nearest;
use super::{SipListener, load, raw};

#[derive(Clone, Copy)]
enum Style {
    E164,
    Digits,
    National,
}

/// The trunks, and how the media of each are dealt with.
pub fn trunks(
    check: &mut Check<'_>,
    raw: Vec<raw::Trunk>,
    listeners: &[SipListener],
) -> (Vec<Trunk>, BTreeMap<String, TrunkPolicy>) {
    let mut names = BTreeSet::new();
    let mut trunks = Vec::new();
    let mut policies = BTreeMap::new();
    for raw in raw {
        load::unique(check, &mut names, &raw.name, "trunk");
        let name = raw.name.get_ref().clone();
        let known = [("udp", Transport::Udp), ("tcp", Transport::Tcp), ("tls", Transport::Tls)];
        let transport =
            raw.transport.as_ref().map(|written| check.choice(Some(written), Transport::Udp, &known));
        let destination: Option<Destination> =
            check.parsed(&raw.destination, "a host, with or without a port", "sip.example.org");
        let address = destination.as_ref().and_then(|destination| match destination.host {
            DestinationHost::Ip(ip) => Some(ip),
            DestinationHost::Name(_) => None,
        });
        let written = raw.sources.as_ref();
        let anybody = written.map_or(address.is_some() || destination.is_none(), |s| !s.get_ref().is_empty());
        if !anybody && raw.tls_name.is_none() {
            let span = written.map_or(raw.name.span(), Spanned::span);
            check.problem(span, "a trunk without a source is never trusted", None);
        }
        let sources = match raw.sources {
            Some(sources) => sources
                .into_inner()
                .iter()
                .filter_map(|source| check.parsed(source, "an IP address", "192.0.2.7"))
                .collect(),
            None => address.into_iter().collect(),
        };
        let account = account(check, &raw.account);
        let registration = registration(check, &raw.registration, &raw.name, account.as_ref());
        let encryption = encryption(check, raw.encryption.as_ref(), transport);
        let policy = policy(check, raw.early_media.as_ref(), raw.codecs, encryption);
        let listener = raw.listener.map(|name| listener(check, name, transport, listeners));
        let Some(destination) = destination else { continue };
        policies.insert(name.clone(), policy);
        let trunk = Trunk {
            domain: raw.domain.map(|domain| check.text(Some(domain), "")),
            registration,
            health: health(check, raw.health),
            limits: Limits {
                calls: raw.max_calls.map(|n| check.number(Some(n), 1, 1..=1_000_000)),
                calls_per_second: raw.calls_per_second.map(|n| check.number(Some(n), 1, 1..=100_000)),
            },
            place: Place {
                group: raw.group.map(|group| check.text(Some(group), "")),
                priority: check.number(raw.priority, 0, 0..=1000),
                weight: check.number(raw.weight, 1, 0..=1000),
            },
            numbers: numbers(check, raw.numbers),
            identity: IdentityRules {
                trusted: raw.trusted.is_none_or(Spanned::into_inner),
                assert: raw.assert_identity.is_some_and(Spanned::into_inner),
                from_account: from_account(check, raw.from_account, account.is_some()),
            },
            account,
            tls_name: raw.tls_name.map(|name| name.into_inner().to_ascii_lowercase()),
            listener,
            nat: raw.nat.is_some_and(Spanned::into_inner),
            ..Trunk::new(&name, sources, destination, transport)
        };
        trunks.push(trunk);
    }
    (trunks, policies)
}

/// One that a `[[sip.listener]]` has, for the transport that the trunk wants.
fn listener(
    check: &mut Check<'_>,
    name: Spanned<String>,
    transport: Option<Transport>,
    listeners: &[SipListener],
) -> String {
    let known: BTreeSet<&str> = listeners.iter().filter_map(|listener| listener.name.as_deref()).collect();
    let text = name.get_ref().as_str();
    let mut named = listeners.iter().filter(|listener| listener.name.as_deref() == Some(text)).peekable();
    if named.peek().is_none() {
        let hint = match nearest(text, known.iter().copied()) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None if known.is_empty() => "give a [[sip.listener]] a `name`".to_owned(),
            None => format!("one of: {}", Vec::from_iter(known).join(", ")),
        };
        check.problem(name.span(), format!("there is no [[sip.listener]] named `{text}`"), Some(hint));
    } else if let Some(wanted) = transport
        && !named.any(|listener| listener.transport == wanted)
    {
        let message = format!("the listener `{text}` is not for the `transport` of this trunk");
        check.problem(name.span(), message, None);
    }
    name.into_inner()
}

fn policy(
    check: &mut Check<'_>,
    early_media: Option<&Spanned<String>>,
    codecs: Option<Spanned<Vec<Spanned<String>>>>,
    encryption: Encryption,
) -> TrunkPolicy {
    let ways = [("pass", EarlyMedia::Pass), ("ignore", EarlyMedia::Ignore)];
    let known = [
        ("PCMA", Codec::Pcma),
        ("PCMU", Codec::Pcmu),
        ("G722", Codec::G722),
        ("OPUS", Codec::Opus),
        ("G729", Codec::G729),
    ];
    let early_media = check.choice(early_media, EarlyMedia::Pass, &ways);
    if let Some(none) = codecs.as_ref().filter(|codecs| codecs.get_ref().is_empty()) {
        let hint = "leave `codecs` out to allow all".to_owned();
        check.problem(none.span(), "nothing could be spoken without a codec", Some(hint));
    }
    let mut chosen = Vec::new();
    for name in codecs.map(Spanned::into_inner).unwrap_or_default() {
        // As SDP has it, in any case.
        let upper = Spanned::new(name.span(), name.get_ref().to_ascii_uppercase());
        let is_known = known.iter().any(|(known, _)| known == upper.get_ref());
        let codec = check.choice(Some(if is_known { &upper } else { &name }), Codec::Pcma, &known);
        if is_known && chosen.contains(&codec) {
            check.problem(name.span(), format!("`{}` stands here twice", name.get_ref()), None);
        }
        chosen.push(codec);
    }
    TrunkPolicy { early_media, codecs: chosen, encryption }
}

/// The keys travel within the signalling: without TLS whoever can read one can read the other.
fn encryption(
    check: &mut Check<'_>,
    written: Option<&Spanned<String>>,
    transport: Option<Transport>,
) -> Encryption {
    let rules = [
        ("refused", Encryption::Refused),
        ("accepted", Encryption::Accepted),
        ("offered", Encryption::Offered),
        ("required", Encryption::Required),
        ("required_dtls", Encryption::RequiredDtls),
    ];
    let encryption = check.choice(written, Encryption::default(), &rules);
    if let Some(written) = written
        && matches!(encryption, Encryption::Offered | Encryption::Required)
        && transport != Some(Transport::Tls)
    {
        let hint = "add transport = \"tls\"".to_owned();
        check.warning(written.span(), "without TLS the keys of the calls can be read on the way", Some(hint));
    }
    encryption
}

fn account(check: &mut Check<'_>, raw: &raw::Account) -> Option<Account> {
    let (username, password) = match (&raw.username, &raw.password) {
        (Some(username), Some(password)) => (username, password),
        (Some(username), None) => {
            let hint = "add password = \"file:/etc/tandem/carrier.password\"";
            check.problem(username.span(), "this account has no password", Some(hint.to_owned()));
            return None;
        }
        (None, Some(password)) => {
            check.problem(password.span(), "a password without a `username` is of no use", None);
            return None;
        }
        (None, None) => return None,
    };
    let found = secret(check, password)?;
    if found.is_empty() {
        check.problem(password.span(), "the password is empty", None);
    }
    let username = check.text(Some(username.clone()), "");
    let realm = raw.realm.clone().map(|realm| check.text(Some(realm), ""));
    Some(Account { username, password: Secret::new(found), realm })
}

/// `file:PATH`, `env:NAME`, or the password itself. No message shows it.
fn secret(check: &mut Check<'_>, written: &Spanned<String>) -> Option<String> {
    let text = written.get_ref();
    if let Some(path) = text.strip_prefix("file:") {
        let path = check.path(Some(Spanned::new(written.span(), path.to_owned())), "");
        return match std::fs::read_to_string(&path) {
            Ok(text) => Some(text.trim_end_matches(['\r', '\n']).to_owned()),
            Err(error) => {
                let message = format!("the password file `{}` cannot be read: {error}", path.display());
                check.problem(written.span(), message, None);
                None
            }
        };
    }
    if let Some(name) = text.strip_prefix("env:") {
        let value = std::env::var(name).ok();
        if value.is_none() {
            check.problem(written.span(), format!("there is no environment variable `{name}`"), None);
        }
        return value;
    }
    Some(text.clone())
}

fn registration(
    check: &mut Check<'_>,
    raw: &raw::Registration,
    trunk: &Spanned<String>,
    account: Option<&Account>,
) -> Option<Registration> {
    let expires = check.duration(
        raw.expires.clone(),
        Duration::from_secs(600),
        Duration::from_secs(60)..=Duration::from_secs(86_400),
    );
    let wanted = raw.register.as_ref().is_some_and(|register| *register.get_ref());
    if !wanted {
        return None;
    }
    let Some(account) = account else {
        let message = format!("`{}` cannot register without an account", trunk.get_ref());
        let span = raw.register.as_ref().map_or(trunk.span(), Spanned::span);
        check.problem(span, message, Some("add `[trunk.account]` with `username` and `password`".to_owned()));
        return None;
    };
    let user = raw.user.clone().map(|user| check.text(Some(user), ""));
    Some(Registration { user: user.unwrap_or_else(|| account.username.clone()), expires })
}

fn health(check: &mut Check<'_>, raw: raw::Health) -> Option<HealthCheck> {
    let down_after = check.number(raw.down_after, 3, 1..=100);
    let up_after = check.number(raw.up_after, 2, 1..=100);
    if raw.interval.as_ref().is_none_or(|interval| interval.get_ref() == "off") {
        return None;
    }
    let interval = check.duration(
        raw.interval,
        Duration::from_secs(30),
        Duration::from_millis(500)..=Duration::from_secs(3600),
    );
    Some(HealthCheck { interval, down_after, up_after })
}

fn numbers(check: &mut Check<'_>, raw: raw::Numbers) -> NumberFormat {
    let choices = [("e164", Style::E164), ("digits", Style::Digits), ("national", Style::National)];
    let style = match check.choice(raw.style.as_ref(), Style::E164, &choices) {
        Style::E164 => NumberStyle::E164,
        Style::Digits => NumberStyle::Digits,
        Style::National => {
            if raw.country_code.is_none()
                && let Some(written) = &raw.style
            {
                let hint = "add `country_code`, such as \"7\"".to_owned();
                check.problem(written.span(), "national numbers need to know their country", Some(hint));
            }
            NumberStyle::National {
                country: digits(check, raw.country_code, ""),
                trunk_prefix: digits(check, raw.national_prefix, ""),
                international_prefix: digits(check, raw.international_prefix, "00"),
            }
        }
    };
    NumberFormat {
        style,
        out: Prefix { strip: prefix(check, raw.strip_out), add: prefix(check, raw.add_out) },
        incoming: Prefix { strip: prefix(check, raw.strip_in), add: prefix(check, raw.add_in) },
    }
}

fn digits(check: &mut Check<'_>, value: Option<Spanned<String>>, default: &str) -> String {
    let Some(value) = value else { return default.to_owned() };
    let text = value.get_ref();
    if text.len() > 8 || !text.bytes().all(|c| c.is_ascii_digit()) {
        check.problem(value.span(), format!("`{text}` is not a prefix of digits"), None);
    }
    value.into_inner()
}

fn prefix(check: &mut Check<'_>, value: Option<Spanned<String>>) -> String {
    let Some(value) = value else { return String::new() };
    let text = value.get_ref();
    let fine = |c: u8| c.is_ascii_alphanumeric() || b"+*#-._".contains(&c);
    if text.len() > 32 || !text.bytes().all(fine) {
        let hint = "letters, digits and + * # - . _, 32 at most".to_owned();
        check.problem(value.span(), format!("`{text}` is not a prefix of numbers"), Some(hint));
    }
    value.into_inner()
}

fn from_account(check: &mut Check<'_>, value: Option<Spanned<bool>>, has_account: bool) -> bool {
    let Some(value) = value else { return false };
    if *value.get_ref() && !has_account {
        let hint = "add `[trunk.account]` with `username` and `password`".to_owned();
        check.problem(value.span(), "there is no account to take the name of", Some(hint));
    }
    value.into_inner()
}
