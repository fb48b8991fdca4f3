use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use ::media::play::MusicStart;
use acd::statistics::Rules;
use chrono_tz::Tz;
use session::api::RecordingFormat;
use session::callback::CallbackConfig;
use session::redirect::Redirects;
use sip_core::api::{SessionTimers, Transport};
use sip_core::digest::Algorithm;
use sip_core::shard::MOST_SHARDS;
use toml::Spanned;

use super::check::Check;
use super::problem::{Problem, Problems, nearest};
use super::{
    Certificate, Chat, Config, Dialplans, Http, Log, Media, Prompts, Recording, Reports, Server, Sessions,
    Sip, SipListener, raw,
};
use crate::outside;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// Reads and checks the file. All problems of one kind are found at once: first of syntax and key names, then of values.
pub fn load(file: &Path) -> Result<Config, Problems> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        Problems(vec![Problem {
            file: file.to_owned(),
            at: None,
            message: format!("cannot be read: {error}"),
            hint: None,
        }])
    })?;
    parse(file, &text)
}

/// Checks the text of a configuration file that lies, or would lie, at `file`.
pub fn parse(file: &Path, text: &str) -> Result<Config, Problems> {
    let raw: raw::File =
        toml::from_str(text).map_err(|error| Problems(vec![syntax_problem(file, text, &error)]))?;
    let mut check = Check::new(file, text);
    let data = check.path(raw.server.data, "../data");
    let sip = sip(&mut check, raw.sip);
    let (trunks, trunk_policies) = super::trunk::trunks(&mut check, raw.trunk, &sip.listeners);
    let (queues, queue_rules) = super::queue::queues(&mut check, raw.queue);
    let mut config = Config {
        server: Server {
            drain: check.duration(raw.server.drain, 30 * SECOND, Duration::ZERO..=HOUR),
            data: data.clone(),
        },
        sip,
        protection: super::protection::check(&mut check, raw.protection),
        ladder: super::protection::ladder(&mut check, raw.ladder),
        trunks,
        trunk_policies,
        http: http(&mut check, raw.http),
        chat: chat(&mut check, raw.chat),
        media: media(&mut check, raw.media),
        recording: Recording {
            enabled: raw.recording.enabled.is_none_or(|flag| flag.into_inner()),
            folder: match raw.recording.folder {
                None => data.join("recordings"),
                written => check.path(written, ""),
            },
            format: {
                let known = [("wav", RecordingFormat::Wav), ("opus", RecordingFormat::Opus)];
                check.choice(raw.recording.format.as_ref(), RecordingFormat::Wav, &known)
            },
            channels: check.number(raw.recording.channels, 2, 2..=3),
        },
        sessions: Sessions {
            max_open: check.number(raw.sessions.max_open, 20_000, 1..=1_000_000),
            agent_grace: check.duration(raw.sessions.agent_grace, 20 * SECOND, Duration::ZERO..=10 * MINUTE),
            chat_idle: check.duration(raw.sessions.chat_idle, 30 * MINUTE, 10 * SECOND..=7 * DAY),
            code_lifetime: check.duration(raw.sessions.code_lifetime, 10 * MINUTE, 10 * SECOND..=DAY),
            place_kept: check.duration(raw.sessions.place_kept, 2 * MINUTE, Duration::ZERO..=HOUR),
            parked: check.duration(raw.sessions.parked, 2 * MINUTE, 10 * SECOND..=HOUR),
        },
        callback: CallbackConfig {
            attempts: check.number(raw.callback.attempts, 3, 1..=20),
            retry_after: check.duration(raw.callback.retry_after, 5 * MINUTE, 10 * SECOND..=DAY),
            after_restart: raw.callback.after_restart.is_none_or(|flag| flag.into_inner()),
        },
        queues,
        queue_rules,
        dialplans: Dialplans { folder: check.path(raw.dialplans.folder, "dialplans") },
        outside: outside::Settings {
            secrets: check.path(raw.outside.secrets, "secrets"),
            private_hosts: raw.outside.private_hosts.into_iter().map(toml::Spanned::into_inner).collect(),
        },
        prompts: Prompts {
            folder: check.path(raw.prompts.folder, "prompts"),
            music: check.path(raw.prompts.music, "music"),
            music_start: {
                let known = [("each", MusicStart::Each), ("shared", MusicStart::Shared)];
                check.choice(raw.prompts.music_start.as_ref(), MusicStart::Each, &known)
            },
        },
        database: super::database::database(&mut check, raw.database, &data),
        reports: reports(&mut check, raw.reports),
        log: Log { filter: check.text(raw.log.filter, "info,symphonia=warn,rtc_dtls=error") },
        warnings: Vec::new(),
    };
    config.warnings = check.warnings;
    if check.problems.is_empty() {
        return Ok(config);
    }
    check.problems.sort_by_key(|problem| problem.at);
    Err(Problems(check.problems))
}

fn sip(check: &mut Check<'_>, raw: raw::Sip) -> Sip {
    let listeners = match raw.listener {
        None => [Transport::Udp, Transport::Tcp]
            .map(|transport| SipListener {
                name: None,
                transport,
                listen: loopback(5060),
                advertised: None,
                certificate: None,
            })
            .into(),
        Some(listeners) => listeners.into_iter().filter_map(|raw| sip_listener(check, raw)).collect(),
    };
    let region = raw.region.clone();
    let sip = Sip {
        domain: check.text(raw.domain, "127.0.0.1"),
        region: check.text(raw.region, "RU"),
        calls_abroad: raw.calls_abroad.is_some_and(Spanned::into_inner),
        redirects: redirects(check, raw.redirects),
        listeners,
        min_expires: check.duration(raw.min_expires, 30 * SECOND, SECOND..=HOUR),
        max_expires: check.duration(raw.max_expires, HOUR, MINUTE..=DAY),
        session_timers: session_timers(check, raw.session_expires, raw.min_se),
        digest: digest(check, raw.digest),
        demanded: demanded(check, raw.demanded),
        max_bindings: check.number(raw.max_bindings, 10, 1..=1_000),
        max_calls: check.number(raw.max_calls, 4_000, 1..=1_000_000),
        shards: check.number(raw.shards, 0, 0..=MOST_SHARDS),
        max_connections: check.number(raw.max_connections, 10_000, 1..=1_000_000),
        idle_timeout: check.duration(raw.idle_timeout, 70 * MINUTE, 10 * SECOND..=DAY),
        max_message: check.number(raw.max_message, 65_536, 1_024..=1_048_576),
        authorities: raw.authorities.map(|path| check.path(Some(path), "")),
        name_servers: check
            .list(raw.name_servers, &[])
            .iter()
            .filter_map(|server| check.parsed(server, "an address and port", "192.0.2.53:53"))
            .collect(),
    };
    if let Some(region) = region
        && region.get_ref().parse::<phonenumber::country::Id>().is_err()
    {
        let message = format!("`{}` is not a region", region.get_ref());
        check.problem(region.span(), message, Some("two capital letters of ISO 3166, such as \"RU\"".into()));
    }
    sip
}

/// RFC 4028 §4: nobody has to refresh more often than every 90 s.
fn session_timers(
    check: &mut Check<'_>,
    expires: Option<Spanned<String>>,
    min: Option<Spanned<String>>,
) -> SessionTimers {
    let (default, least) = (SessionTimers::default(), 90 * SECOND);
    let written = expires.as_ref().or(min.as_ref()).map(Spanned::span);
    let timers = SessionTimers {
        expires: check.duration(expires, default.expires, least..=DAY),
        min: check.duration(min, default.min, least..=HOUR),
    };
    if let Some(span) = written.filter(|_| timers.expires < timers.min) {
        check.problem(span, "`session_expires` is less than `min_se`", None);
    }
    timers
}

fn digest(check: &mut Check<'_>, written: Option<Spanned<Vec<Spanned<String>>>>) -> Vec<Algorithm> {
    let known = [("sha-256", Algorithm::Sha256), ("md5", Algorithm::Md5)];
    let span = written.as_ref().map_or(0..0, Spanned::span);
    let names = check.list(written, &known.map(|(name, _)| name));
    let digest: Vec<Algorithm> =
        names.iter().map(|name| check.choice(Some(name), Algorithm::Md5, &known)).collect();
    if !digest.contains(&Algorithm::Md5) {
        check.problem(span, "the console's own phone knows only \"md5\"", Some("add \"md5\"".into()));
    }
    digest
}

fn redirects(check: &mut Check<'_>, written: Option<Spanned<Vec<Spanned<String>>>>) -> Redirects {
    let operators = Redirects { operators: true, trunks: false };
    let known = [("operators", operators), ("trunks", Redirects { operators: false, trunks: true })];
    let names = check.list(written, &[]);
    names.iter().fold(Redirects::default(), |all, name| {
        let one = check.choice(Some(name), Redirects::default(), &known);
        Redirects { operators: all.operators || one.operators, trunks: all.trunks || one.trunks }
    })
}

fn demanded(check: &mut Check<'_>, written: Option<Spanned<Vec<Spanned<String>>>>) -> Vec<String> {
    let known = [("100rel", "100rel"), ("timer", "timer")];
    let names = check.list(written, &[]);
    names.iter().map(|name| check.choice(Some(name), "timer", &known).to_owned()).collect()
}

fn sip_listener(check: &mut Check<'_>, raw: raw::SipListener) -> Option<SipListener> {
    let known =
        [("udp", Transport::Udp), ("tcp", Transport::Tcp), ("tls", Transport::Tls), ("wss", Transport::Wss)];
    let transport = check.choice(Some(&raw.transport), Transport::Udp, &known);
    if let Some(advertised) = &raw.advertised
        && !is_host_and_port(advertised.get_ref())
    {
        let message = format!("`{}` is not a host and port", advertised.get_ref());
        check.problem(advertised.span(), message, Some("write it like \"sip.example.org:5060\"".into()));
    }
    let listen: Option<SocketAddr> = check.parsed(&raw.listen, "an address and port", "127.0.0.1:5060");
    if listen.is_some_and(|listen| listen.ip().is_unspecified()) && raw.advertised.is_none() {
        let hint = "set `advertised` to the host and port that peers reach";
        check.problem(raw.listen.span(), "peers cannot be told this address", Some(hint.into()));
    }
    let certificate = certificate(check, raw.certificate, raw.key, raw.client_authorities);
    match (transport.is_secure(), &certificate) {
        (true, None) => {
            let hint = "set `certificate` and `key` to PEM files";
            check.problem(raw.transport.span(), "TLS needs a certificate", Some(hint.into()));
        }
        (false, Some(_)) => {
            check.problem(raw.transport.span(), "a certificate is for \"tls\" and \"wss\" only", None);
        }
        (true, Some(_)) | (false, None) => {}
    }
    Some(SipListener {
        name: raw.name.map(Spanned::into_inner),
        transport,
        listen: listen?,
        advertised: raw.advertised.map(Spanned::into_inner),
        certificate,
    })
}

/// `None` when nothing of it was written. Half of it is a problem.
fn certificate(
    check: &mut Check<'_>,
    certificate: Option<Spanned<String>>,
    key: Option<Spanned<String>>,
    client_authorities: Option<Spanned<String>>,
) -> Option<Certificate> {
    match (certificate, key) {
        (Some(certificate), Some(key)) => Some(Certificate {
            certificate: check.path(Some(certificate), ""),
            key: check.path(Some(key), ""),
            client_authorities: client_authorities.map(|path| check.path(Some(path), "")),
        }),
        (None, None) => {
            if let Some(lone) = client_authorities {
                check.problem(lone.span(), "`certificate` and `key` are missing", None);
            }
            None
        }
        (Some(half), None) | (None, Some(half)) => {
            check.problem(half.span(), "`certificate` and `key` belong together", None);
            None
        }
    }
}

fn http(check: &mut Check<'_>, raw: raw::Http) -> Http {
    let listen = match &raw.listen {
        None => loopback(8080),
        Some(written) => {
            check.parsed(written, "an address and port", "127.0.0.1:8080").unwrap_or(loopback(8080))
        }
    };
    let public_url = raw.public_url.map(|url| {
        if !url.get_ref().starts_with("http://") && !url.get_ref().starts_with("https://") {
            let message = format!("`{}` is not an http or https address", url.get_ref());
            check.problem(url.span(), message, Some("write it like \"https://help.example.org\"".into()));
        }
        url.into_inner().trim_end_matches('/').to_owned()
    });
    Http {
        listen,
        certificate: certificate(check, raw.certificate, raw.key, None),
        public_url,
        sign_in_lifetime: check.duration(raw.sign_in_lifetime, 12 * HOUR, 5 * MINUTE..=30 * DAY),
        max_body: check.number(raw.max_body, 1_048_576, 16_384..=67_108_864),
    }
}

fn chat(check: &mut Check<'_>, raw: raw::Chat) -> Chat {
    let origins = check.list(raw.origins, &[]);
    for origin in &origins {
        let text = origin.get_ref();
        let is_origin = text.split_once("://").is_some_and(|(scheme, host)| {
            matches!(scheme, "http" | "https") && !host.is_empty() && !host.contains('/')
        });
        if text != "*" && !is_origin {
            let hint = "write it like \"https://shop.example.org\", without a path, or \"*\" for any";
            check.problem(origin.span(), format!("`{text}` is not an origin"), Some(hint.into()));
        }
    }
    Chat {
        origins: origins.into_iter().map(|origin| origin.into_inner()).collect(),
        accounts: check
            .list(raw.accounts, &["main"])
            .into_iter()
            .map(|account| account.into_inner())
            .collect(),
        frames_per_second: check.number(raw.frames_per_second, 10, 1..=1_000),
        connections_per_minute: check.number(raw.connections_per_minute, 60, 1..=1_000_000),
        max_text: check.number(raw.max_text, 4_000, 1..=8_000),
    }
}

fn media(check: &mut Check<'_>, raw: raw::Media) -> Media {
    let localhost = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let mut address = |value: Option<Spanned<String>>, default: IpAddr| match value {
        None => default,
        Some(written) => check.parsed(&written, "an IP address", "192.0.2.7").unwrap_or(default),
    };
    let written = raw.advertised.clone().or(raw.listen.clone());
    let listen = address(raw.listen, localhost);
    let advertised = address(raw.advertised, listen);
    if advertised.is_unspecified() {
        let span = written.map_or(0..0, |written| written.span());
        let hint = "set `advertised` in [media] to the address that phones and browsers reach";
        check.problem(span, format!("`{advertised}` cannot be advertised"), Some(hint.into()));
    }
    let rtp_ports = match raw.rtp_ports {
        None => (20_000, 29_999),
        Some(written) => {
            let (first, last) = *written.get_ref();
            match (u16::try_from(first), u16::try_from(last)) {
                (Ok(first), Ok(last)) if first >= 1_024 && last > first => (first, last),
                _ => {
                    let message = format!("{first} to {last} is not a range of ports");
                    let hint = "two numbers from 1024 to 65535, the smaller first: [20000, 29999]";
                    check.problem(written.span(), message, Some(hint.into()));
                    (20_000, 29_999)
                }
            }
        }
    };
    Media {
        listen,
        advertised,
        rtp_ports,
        webrtc_port: check.number(raw.webrtc_port, 8_443, 0..=65_500),
        threads: check.number(raw.threads, 1, 1..=64),
    }
}

fn reports(check: &mut Check<'_>, raw: raw::Reports) -> Reports {
    let usual = Rules::default();
    let rules = Rules {
        short_abandon: check.duration(raw.short_abandon, usual.short_abandon, Duration::ZERO..=5 * MINUTE),
        service_level: check.duration(raw.service_level, usual.service_level, SECOND..=HOUR),
        repeat_within: check.duration(raw.repeat_within, usual.repeat_within, MINUTE..=30 * DAY),
    };
    let mut time_zone = Tz::UTC;
    if let Some(written) = raw.time_zone {
        match written.get_ref().parse() {
            Ok(zone) => time_zone = zone,
            Err(_) => {
                let hint = "write it like \"Europe/Moscow\"";
                let message = format!("`{}` is not a time zone", written.get_ref());
                check.problem(written.span(), message, Some(hint.into()));
            }
        }
    }
    Reports { rules, time_zone }
}

pub(super) fn unique(
    check: &mut Check<'_>,
    names: &mut BTreeSet<String>,
    name: &Spanned<String>,
    what: &str,
) {
    let text = name.get_ref();
    let well_formed =
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
    if !well_formed {
        let hint = "use letters, digits, `_`, `-` and `.`";
        check.problem(name.span(), format!("`{text}` is not a name of a {what}"), Some(hint.into()));
    } else if !names.insert(text.clone()) {
        check.problem(name.span(), format!("there are two {what}s named `{text}`"), None);
    }
}

/// serde names the unknown key and the known ones in its message; the nearest one makes the hint.
fn syntax_problem(file: &Path, text: &str, error: &toml::de::Error) -> Problem {
    let message = error.message().trim().to_owned();
    let mut quoted = message.split('`').skip(1).step_by(2);
    let hint = if message.starts_with("unknown field") {
        let wrong = quoted.next().unwrap_or("");
        let known: Vec<&str> = quoted.collect();
        Some(match nearest(wrong, known.iter().copied()) {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!("known here: {}", known.join(", ")),
        })
    } else {
        None
    };
    let message = match message.split_once(", expected") {
        Some((first, _)) if first.starts_with("unknown field") => first.replacen("field", "key", 1),
        _ => {
            message.replace("expected i64", "expected a whole number").replace("missing field", "missing key")
        }
    };
    match error.span() {
        Some(span) => Problem::spanned(file, text, span, message, hint),
        None => Problem { file: file.to_owned(), at: None, message, hint },
    }
}

fn is_host_and_port(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && !host.contains([' ', '/', '@']) && port.parse::<u16>().is_ok()
    })
}

const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}
