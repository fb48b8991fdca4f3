//! The file as it is written, key by key. Values that need more than a type are checked in `check.rs`.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

type Text = Option<Spanned<String>>;
type Number = Option<Spanned<i64>>;
type Flag = Option<Spanned<bool>>;
type List = Option<Spanned<Vec<Spanned<String>>>>;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct File {
    pub server: Server,
    pub sip: Sip,
    pub protection: super::protection::Raw,
    pub ladder: super::protection::RawLadder,
    pub trunk: Vec<Trunk>,
    pub http: Http,
    pub chat: Chat,
    pub media: Media,
    pub recording: Recording,
    pub sessions: Sessions,
    pub callback: Callback,
    pub queue: Vec<Queue>,
    pub dialplans: Dialplans,
    pub outside: Outside,
    pub prompts: Prompts,
    pub database: Database,
    pub reports: Reports,
    pub log: Log,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    pub data: Text,
    pub drain: Text,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sip {
    pub domain: Text,
    pub region: Text,
    pub calls_abroad: Flag,
    pub redirects: List,
    pub min_expires: Text,
    pub max_expires: Text,
    pub session_expires: Text,
    pub min_se: Text,
    pub digest: List,
    pub demanded: List,
    pub max_bindings: Number,
    pub max_calls: Number,
    pub shards: Number,
    pub max_connections: Number,
    pub idle_timeout: Text,
    pub max_message: Number,
    pub authorities: Text,
    pub name_servers: List,
    pub listener: Option<Vec<SipListener>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SipListener {
    #[serde(default)]
    pub name: Text,
    pub transport: Spanned<String>,
    pub listen: Spanned<String>,
    #[serde(default)]
    pub advertised: Text,
    #[serde(default)]
    pub certificate: Text,
    #[serde(default)]
    pub key: Text,
    #[serde(default)]
    pub client_authorities: Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trunk {
    pub name: Spanned<String>,
    #[serde(default)]
    pub sources: List,
    pub destination: Spanned<String>,
    #[serde(default)]
    pub transport: Text,
    #[serde(default)]
    pub tls_name: Text,
    #[serde(default)]
    pub listener: Text,
    #[serde(default)]
    pub nat: Flag,
    #[serde(default)]
    pub domain: Text,
    #[serde(default)]
    pub account: Account,
    #[serde(default)]
    pub registration: Registration,
    #[serde(default)]
    pub health: Health,
    #[serde(default)]
    pub numbers: Numbers,
    #[serde(default)]
    pub max_calls: Number,
    #[serde(default)]
    pub calls_per_second: Number,
    #[serde(default)]
    pub group: Text,
    #[serde(default)]
    pub priority: Number,
    #[serde(default)]
    pub weight: Number,
    #[serde(default)]
    pub trusted: Flag,
    #[serde(default)]
    pub assert_identity: Flag,
    #[serde(default)]
    pub from_account: Flag,
    #[serde(default)]
    pub early_media: Text,
    #[serde(default)]
    pub codecs: List,
    #[serde(default)]
    pub encryption: Text,
}

/// `[trunk.account]`
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Account {
    pub username: Text,
    pub password: Text,
    pub realm: Text,
}

/// `[trunk.registration]`
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Registration {
    pub register: Flag,
    pub user: Text,
    pub expires: Text,
}

/// `[trunk.health]`
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Health {
    pub interval: Text,
    pub down_after: Number,
    pub up_after: Number,
}

/// `[trunk.numbers]`
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Numbers {
    pub style: Text,
    pub country_code: Text,
    pub national_prefix: Text,
    pub international_prefix: Text,
    pub strip_out: Text,
    pub add_out: Text,
    pub strip_in: Text,
    pub add_in: Text,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    pub listen: Text,
    pub certificate: Text,
    pub key: Text,
    pub public_url: Text,
    pub sign_in_lifetime: Text,
    pub max_body: Number,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Chat {
    pub origins: List,
    pub accounts: List,
    pub frames_per_second: Number,
    pub connections_per_minute: Number,
    pub max_text: Number,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Media {
    pub listen: Text,
    pub advertised: Text,
    pub rtp_ports: Option<Spanned<(i64, i64)>>,
    pub webrtc_port: Number,
    pub threads: Number,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Recording {
    pub enabled: Flag,
    pub folder: Text,
    pub format: Text,
    pub channels: Number,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sessions {
    pub max_open: Number,
    pub agent_grace: Text,
    pub chat_idle: Text,
    pub code_lifetime: Text,
    pub place_kept: Text,
    pub parked: Text,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Callback {
    pub attempts: Number,
    pub retry_after: Text,
    pub after_restart: Flag,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Queue {
    pub name: Spanned<String>,
    #[serde(default)]
    pub ring_timeout: Text,
    #[serde(default)]
    pub accept_timeout: Text,
    #[serde(default)]
    pub wrap_up: Text,
    #[serde(default)]
    pub max_waiting: Number,
    #[serde(default)]
    pub strategy: Text,
    #[serde(default)]
    pub ring: Number,
    #[serde(default)]
    pub ageing: Number,
    #[serde(default)]
    pub order: Option<Spanned<Vec<Spanned<String>>>>,
    #[serde(default)]
    pub overflow: Vec<Overflow>,
    #[serde(default)]
    pub rule: Vec<QueueRule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueueRule {
    pub when: Spanned<String>,
    #[serde(default)]
    pub priority: Number,
    #[serde(default)]
    pub skills: BTreeMap<String, i64>,
    #[serde(default)]
    pub prefer: BTreeMap<String, i64>,
}

/// One of the first four says when.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Overflow {
    pub after: Text,
    pub longer_than: Number,
    pub wait_over: Text,
    pub no_agents: Option<Spanned<bool>>,
    pub to: Text,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Dialplans {
    pub folder: Text,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Outside {
    pub secrets: Text,
    pub private_hosts: Vec<Spanned<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Prompts {
    pub folder: Text,
    pub music: Text,
    pub music_start: Text,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Reports {
    pub short_abandon: Text,
    pub service_level: Text,
    pub repeat_within: Text,
    pub time_zone: Text,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Database {
    pub url: Text,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    pub filter: Text,
}
