//! The configuration file: every key, its type and its default. `config/tandem.toml` shows them all.

mod check;
mod database;
mod load;
mod problem;
mod protection;
mod queue;
mod raw;
mod trunk;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ::media::play::MusicStart;
use acd::api::QueueConfig;
use acd::statistics::Rules;
use chrono_tz::Tz;
use model::QueueName;
use session::api::{QueueRule, RecordingFormat, TrunkPolicy};
use session::callback::CallbackConfig;
use session::redirect::Redirects;
use sip_core::api::{SessionTimers, Transport, Trunk};
use sip_core::digest::Algorithm;

use crate::outside;
use crate::tap::Bounds;

pub use database::{Database, PostgresUrl};
pub use load::{load, parse};
pub use problem::{Problem, Problems};
pub use protection::Protection;

/// A configuration that has been checked: nothing in here can be out of range. Paths are absolute or relative to the
/// working directory (already joined with the file's own folder).
#[derive(Clone, PartialEq, Debug)]
pub struct Config {
    pub server: Server,
    pub sip: Sip,
    pub protection: Protection,
    /// How much is remembered of calls, message by message.
    pub ladder: Bounds,
    pub trunks: Vec<Trunk>,
    /// Of every trunk, by its name.
    pub trunk_policies: BTreeMap<String, TrunkPolicy>,
    pub http: Http,
    pub chat: Chat,
    pub media: Media,
    pub recording: Recording,
    pub sessions: Sessions,
    pub callback: CallbackConfig,
    pub queues: Vec<QueueConfig>,
    /// What sessions gain in each queue, by conditions.
    pub queue_rules: BTreeMap<QueueName, Vec<QueueRule>>,
    pub dialplans: Dialplans,
    /// What flows may ask of outside systems.
    pub outside: outside::Settings,
    pub prompts: Prompts,
    pub database: Database,
    pub reports: Reports,
    pub log: Log,
    /// What works, but hardly as it was meant.
    pub warnings: Vec<Problem>,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Server {
    /// Where everything that the server writes lives.
    pub data: PathBuf,
    /// How long a stop waits for the sessions to end.
    pub drain: Duration,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Sip {
    /// Our host in URIs and the digest realm.
    pub domain: String,
    /// ISO 3166 region of numbers that are written without a country code.
    pub region: String,
    /// Numbers of other countries are called also where no route allows it.
    pub calls_abroad: bool,
    /// Whose 301 and 302 are followed.
    pub redirects: Redirects,
    pub listeners: Vec<SipListener>,
    pub min_expires: Duration,
    pub max_expires: Duration,
    /// How long calls may go without a sign of life.
    pub session_timers: SessionTimers,
    /// What phones are challenged for, the preferred first.
    pub digest: Vec<Algorithm>,
    /// Extensions that callers must have: others get 421.
    pub demanded: Vec<String>,
    pub max_bindings: usize,
    pub max_calls: usize,
    /// Threads that the calls are spread over beside the engine's own.
    pub shards: u8,
    /// Open TCP and WebSocket connections, all together.
    pub max_connections: usize,
    /// A TCP or WebSocket connection that says nothing for this long is closed.
    pub idle_timeout: Duration,
    /// Octets of one SIP message.
    pub max_message: usize,
    /// PEM file of authorities that we believe besides the system's when we connect by TLS.
    pub authorities: Option<PathBuf>,
    /// Empty: the system's.
    pub name_servers: Vec<SocketAddr>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SipListener {
    /// By which trunks name it.
    pub name: Option<String>,
    /// Anything but WebSocket without TLS, which comes in over HTTP.
    pub transport: Transport,
    pub listen: SocketAddr,
    /// `host:port` as peers shall see it; the listening address when absent.
    pub advertised: Option<String>,
    /// Always there for TLS and WSS.
    pub certificate: Option<Certificate>,
}

/// PEM files.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Certificate {
    /// Our own first, then whoever signed it.
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// Whose signatures on the certificates of clients we believe. Without it none are asked for.
    pub client_authorities: Option<PathBuf>,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Http {
    pub listen: SocketAddr,
    /// HTTPS when there is one.
    pub certificate: Option<Certificate>,
    /// How browsers reach us, without a slash at the end. `http://` (or `https://`) and the listening address when absent.
    pub public_url: Option<String>,
    /// How long a sign-in lasts without being used.
    pub sign_in_lifetime: Duration,
    /// Octets of one request body.
    pub max_body: usize,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Chat {
    /// Origins of pages that may carry the widget; `*` lets any.
    pub origins: Vec<String>,
    pub accounts: Vec<String>,
    /// Frames that one widget may send in a second.
    pub frames_per_second: u32,
    /// New widget connections from one address in a minute.
    pub connections_per_minute: u32,
    /// Longest text message, in characters.
    pub max_text: usize,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Media {
    /// What sockets are bound to.
    pub listen: IpAddr,
    /// What our SDP and ICE candidates name.
    pub advertised: IpAddr,
    /// First and last port of plain RTP.
    pub rtp_ports: (u16, u16),
    /// One UDP port for all browsers of a media thread; thread n takes this port plus n. 0: any.
    pub webrtc_port: u16,
    pub threads: usize,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Recording {
    pub enabled: bool,
    pub folder: PathBuf,
    pub format: RecordingFormat,
    /// 2 or 3.
    pub channels: usize,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Sessions {
    pub max_open: usize,
    pub agent_grace: Duration,
    pub chat_idle: Duration,
    pub code_lifetime: Duration,
    /// How long one who was cut off while he waited keeps his place.
    pub place_kept: Duration,
    /// How long a customer stays parked.
    pub parked: Duration,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Dialplans {
    /// Every `*.plan` file in here is loaded.
    pub folder: PathBuf,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Prompts {
    pub folder: PathBuf,
    pub music: PathBuf,
    pub music_start: MusicStart,
}

/// How figures are counted.
#[derive(Clone, PartialEq, Debug)]
pub struct Reports {
    pub rules: Rules,
    /// Whose clocks say when a day begins.
    pub time_zone: Tz,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Log {
    /// In the syntax of `tracing_subscriber::EnvFilter`.
    pub filter: String,
}

impl Config {
    /// The address that browsers and people are told, given the HTTP address that was really bound.
    pub fn public_url(&self, http: SocketAddr) -> String {
        let scheme = if self.http.certificate.is_some() { "https" } else { "http" };
        self.http.public_url.clone().unwrap_or_else(|| format!("{scheme}://{http}"))
    }

    /// The listeners that can be reached from other machines.
    pub fn open_listeners(&self) -> Vec<String> {
        let mut open: Vec<String> = Vec::new();
        for listener in &self.sip.listeners {
            if !listener.listen.ip().is_loopback() {
                open.push(format!("sip {}", listener.listen));
            }
        }
        if !self.http.listen.ip().is_loopback() {
            open.push(format!("http {}", self.http.listen));
        }
        if !self.media.listen.is_loopback() {
            open.push(format!("media {}", self.media.listen));
        }
        open
    }
}
