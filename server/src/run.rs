//! Putting a server together, and taking it apart again.

use std::fs::{self, File};
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, OnceLock, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use ::media::play::RingTone;
use anyhow::{Context, anyhow, bail};
use axum::extract::ConnectInfo;
use axum::extract::ws::WebSocketUpgrade;
use axum::routing::get;
use model::{AgentChange, AgentStatus, Record, Side};
use serde::Serialize;
use session::api::{AdminCommand, Input};
use sip_core::api::{Listener, Transport};
use sip_core::shard::{Placement, ShardId};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::app::{App, Parts, Vitals, Wires};
use crate::clock::Clock;
use crate::commands::Commands;
use crate::config::{self, Config};
use crate::control;
use crate::engine::{self, Ports};
use crate::figures::Today;
use crate::guard::Guard;
use crate::http::{self, Web};
use crate::hub::Hub;
use crate::inbox::{Inbox, Outlet, inbox};
use crate::media;
use crate::net::{self, Network, ServerTls};
use crate::outside::Outside;
use crate::plans::{self, Plans};
use crate::secret::{ServerKey, new_token};
use crate::sip::SipPorts;
use crate::store::{Role, Store, Work, Writer, Written};
use crate::tap::Tap;
use crate::{demo, recording, shard, store};

/// Outputs that may wait for the disk before new work is refused.
const MOST_BEHIND: usize = 100_000;
const HOUSEKEEPING: Duration = Duration::from_secs(60);
const WATCH_BACKLOG: Duration = Duration::from_millis(200);
const LOOK_FOR_OVERDUE: Duration = Duration::from_millis(20);
/// How long the engine thread may take to end after a stop.
const LAST_FLUSH: Duration = Duration::from_secs(10);

/// A running server.
pub struct Running {
    pub app: App,
    pub addresses: Addresses,
    /// What to print for whoever started a demo.
    pub guide: Option<String>,
    network: Network,
    tls: Option<Arc<ServerTls>>,
    writer: Writer,
    engine: JoinHandle<()>,
    shards: Vec<JoinHandle<()>>,
    drained: watch::Receiver<bool>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
    _lock: File,
}

/// What was really bound; also written to `addresses.json` in the data folder.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Addresses {
    pub http: SocketAddr,
    pub public_url: String,
    pub sip: Vec<SipAddress>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct SipAddress {
    /// `udp`, `tcp`, `tls`, `ws` or `wss`.
    pub transport: &'static str,
    pub local: SocketAddr,
    pub advertised: String,
}

/// Binds everything, restores what was open, and serves.
pub async fn start(mut config: Config, is_demo: bool) -> anyhow::Result<Running> {
    if is_demo {
        demo::prepare(&mut config)?;
    }
    let lock = take_data_folder(&config.server.data)?;
    fs::create_dir_all(&config.recording.folder)
        .with_context(|| format!("cannot make the folder {}", config.recording.folder.display()))?;
    let store = Store::open(&config.database)
        .await
        .with_context(|| format!("cannot open the database {}", config.database))?;
    if is_demo {
        demo::seed(&store, &config).await?;
    }
    let key = store.setting("server_key", new_token).await?;
    let key = ServerKey::from_hex(&key).context("the database holds a bad server_key")?;
    let clock = Clock::start();
    let tap = Tap::new(config.ladder);
    let guard =
        Guard::new(config.protection.limits.clone(), config.protection.max_wait, clock, rand::random());
    let shards = Placement::new(config.sip.shards, key.seed());
    let (inbox, outlets) = inbox(guard.clone(), shards);
    let (hub, commands) = (Hub::default(), Commands::new(inbox.clone()));
    let (drain_sender, drained) = watch::channel(false);
    let today = Today::new(config.reports.rules, config.reports.time_zone);
    let let_out = let_out(hub.clone(), commands.clone(), inbox.clone(), today.clone(), drain_sender);
    let (writer, _) = Writer::start(&store, let_out)?;
    agents_went(&store, &writer).await?;
    let listener = TcpListener::bind(config.http.listen)
        .await
        .with_context(|| format!("cannot listen for HTTP on {}", config.http.listen))?;
    let http = listener.local_addr()?;
    let tls = config.http.certificate.as_ref().map(ServerTls::load).transpose()?;
    let app = App::new(Parts {
        public_url: config.public_url(http),
        queues: RwLock::new(config.queues.clone()),
        plans: Plans::new(&config),
        config,
        clock,
        store,
        hub,
        inbox: inbox.clone(),
        commands,
        backlog: writer.backlog(),
        today,
        key,
        vitals: Vitals::default(),
        guard,
        tap,
        wires: OnceLock::new(),
    });
    std::thread::Builder::new().name("numbers".into()).spawn(session::phone::load)?;
    // Before the first packet: the inbox keeps the order.
    set_up(&app).await?;
    let network = Network::start(&app.config.sip, inbox).await?;
    app.guard.set_sender(network.sender());
    let addresses = addresses(&app, http, &network);
    let (engine, shards) = start_engine(&app, &network, &writer, outlets, &addresses).await?;

    let control = control::listen(&app.config.server.data)?;
    let web = Web::new(app.clone());
    let sip_socket = {
        let (network, transport) = (network.clone(), websocket_of(&app.config));
        get(move |ConnectInfo(peer): ConnectInfo<SocketAddr>, upgrade: WebSocketUpgrade| {
            let network = network.clone();
            async move { network.accept_websocket(upgrade, peer, http, transport) }
        })
    };
    let router = http::router(web.clone()).route("/sip", sip_socket);
    let tasks = vec![
        tokio::spawn(http::serve(listener, router, tls.clone())),
        tokio::spawn(keep_house(app.clone(), web)),
        tokio::spawn(watch_backlog(app.clone())),
        tokio::spawn(refuse_overdue(app.clone())),
        tokio::spawn(read_today(app.clone())),
        tokio::spawn(control::serve(control, app.clone())),
    ];
    write_addresses(&app.config.server.data, &addresses)?;
    let guide = is_demo.then(|| guide(&app, &addresses));
    Ok(Running { app, addresses, guide, network, tls, writer, engine, shards, drained, tasks, _lock: lock })
}

impl Running {
    /// Takes no new contacts, waits for the calls to end (at most the configured time, or until `hurry`), stops the engine
    /// and makes everything durable.
    pub async fn stop(mut self, hurry: impl Future<Output = ()>) {
        self.app.vitals.set_draining();
        self.app.commands.admin(AdminCommand::Drain);
        tokio::select! {
            _ = self.drained.wait_for(|drained| *drained) => tracing::info!("every call has ended"),
            () = tokio::time::sleep(self.app.config.server.drain) => {
                tracing::warn!("calls are still open after the time to drain");
            }
            () = hurry => tracing::warn!("told to hurry"),
        }
        self.app.commands.admin(AdminCommand::Stop);
        let (engine, shards, inbox) = (self.engine, self.shards, self.app.inbox.clone());
        let ended = tokio::task::spawn_blocking(move || {
            let ended = engine.join();
            inbox.close_shards();
            shards.into_iter().map(JoinHandle::join).fold(ended, Result::and)
        });
        if tokio::time::timeout(LAST_FLUSH, ended).await.is_err() {
            tracing::error!("the engine did not end");
        }
        if tokio::time::timeout(LAST_FLUSH, self.writer.flush()).await.is_err() {
            tracing::error!("the journal could not be written to its end");
        }
        self.network.stop();
        self.tasks.iter().for_each(tokio::task::JoinHandle::abort);
        self.app.store.close().await;
    }

    /// Reads configuration, certificates, prompts and dialplans again. What is wrong stays as it was.
    pub async fn reload(&self, file: &Path) {
        self.network.reload_certificates();
        if let Some(Err(error)) = self.tls.as_ref().map(|tls| tls.reload()) {
            tracing::error!(%error, "the certificate of HTTPS stays as it was");
        }
        match config::load(file) {
            Ok(new) => {
                warn(&new);
                if !new.queues.is_empty() {
                    self.app.commands.admin(AdminCommand::SetQueueRules(new.queue_rules));
                    self.app.set_queues(new.queues);
                }
                if !new.trunks.is_empty() {
                    self.app.guard.set_trunks(&new.trunks);
                    self.app.commands.admin(AdminCommand::SetTrunkPolicies(new.trunk_policies));
                    self.app.commands.admin(AdminCommand::SetTrunks(new.trunks));
                }
            }
            Err(problems) => tracing::error!("the configuration stays as it was:\n{problems}"),
        }
        match http::reload_now(&self.app).await {
            Ok(Ok(version)) => tracing::info!(version, "the dialplans were loaded again"),
            Ok(Err(error)) => tracing::error!("the dialplans stay as they were:\n{}", error.render(false)),
            Err(_) => tracing::error!("the dialplans stay as they were"),
        }
    }
}

/// One server for one data folder.
fn take_data_folder(data: &Path) -> anyhow::Result<File> {
    fs::create_dir_all(data).with_context(|| format!("cannot make the folder {}", data.display()))?;
    let path = data.join("tandem.lock");
    let lock = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    if lock.try_lock().is_err() {
        bail!("another server is running on {}", data.display());
    }
    Ok(lock)
}

/// What follows a commit, in order.
fn let_out(
    hub: Hub,
    commands: Commands,
    inbox: Inbox,
    today: Today,
    drained: watch::Sender<bool>,
) -> impl FnMut(Written) + Send + 'static {
    move |written| match written {
        Written::Record(record) => {
            today.add(&record);
            match record {
                Record::Session(entry) => hub.entry_written(&entry),
                // The desk and the floor show it.
                Record::Agent(_) => {}
            }
        }
        Written::Resolved { request, customer } => {
            // Refused only when the engine has stopped.
            let _ = inbox.offer(Input::Resolved { request, customer });
        }
        Written::Reply { request, result } => commands.answered(request, result),
        Written::ToVisitor { visitor, event } => hub.to_visitor(visitor, event),
        Written::ToAgent { agent, event } => hub.to_agent(agent, event),
        Written::Drained => {
            drained.send_replace(true);
        }
    }
}

/// Whoever was signed in when the server ended is so no more, since its last sign of life.
async fn agents_went(store: &Store, writer: &Writer) -> anyhow::Result<()> {
    let statuses = store.agent_statuses().await?;
    let at = store.last_sign_of_life().await?.unwrap_or_else(crate::clock::wall);
    for (agent, status, _) in statuses {
        if status != AgentStatus::SignedOut {
            let change = AgentChange { agent, at, status: AgentStatus::SignedOut, by: Side::System };
            writer.write(Work::Journal(Record::Agent(change)));
        }
    }
    writer.flush().await;
    Ok(())
}

/// What was written today before this start belongs to today's figures.
async fn read_today(app: App) {
    while let Err(error) = app.today.catch_up(&app.store).await {
        tracing::error!(%error, "today's figures could not be read; they are tried again");
        tokio::time::sleep(HOUSEKEEPING).await;
    }
}

/// Everything that the engine must know before its first packet, sessions from before a restart last.
async fn set_up(app: &App) -> anyhow::Result<()> {
    app.commands.admin(AdminCommand::SetQueues(app.queues()));
    app.commands.admin(AdminCommand::SetQueueRules(app.config.queue_rules.clone()));
    app.guard.set_trunks(&app.config.trunks);
    app.commands.admin(AdminCommand::SetTrunkPolicies(app.config.trunk_policies.clone()));
    app.commands.admin(AdminCommand::SetTrunks(app.config.trunks.clone()));
    app.commands.admin(AdminCommand::SetSessionTimers(app.config.sip.session_timers));
    app.commands.admin(AdminCommand::SetUserLimits(app.config.protection.users.clone()));
    app.commands.admin(AdminCommand::SetDigest(app.config.sip.digest.clone()));
    app.commands.admin(AdminCommand::SetDemanded(app.config.sip.demanded.clone()));
    let users = app.users_by_id().await?;
    for user in users.values().filter(|user| user.has_phone()) {
        app.set_agent(user);
    }
    if users.is_empty() {
        tracing::warn!("nobody can sign in yet: `tandem add-user` adds the first administrator");
    }
    for device in app.store.devices().await? {
        if let Some(user) = users.get(&device.user).filter(|user| user.has_phone()) {
            if device.realm != app.config.sip.domain {
                tracing::warn!(
                    device.username,
                    "the desk phone's password must be set anew: the SIP domain changed"
                );
            }
            app.open_device(user, &device);
        }
    }
    for sign_in in app.store.sign_ins().await? {
        match users.get(&sign_in.user) {
            Some(user) if !app.is_expired(&sign_in) => {
                if user.has_phone() {
                    app.open_softphone(user, &sign_in.token_hash);
                }
            }
            _ => app.store.remove_sign_in(&sign_in.token_hash).await?,
        }
    }
    let operators = users.values().filter(|user| user.is(Role::Operator)).map(|user| user.login.clone());
    let world = plans::world(&app.config, &app.queues(), operators);
    app.commands.admin(AdminCommand::SetSwitches(app.store.switches().await?));
    match app.plans.reload(&world) {
        Ok(loaded) => app.commands.admin(AdminCommand::SetPlan(loaded.plan)),
        Err(error) => bail!("{error}\n{}", error.render(false)),
    }
    for saved in app.store.bindings(crate::clock::wall()).await? {
        app.commands.admin(AdminCommand::RestoreBinding(Box::new(saved)));
    }
    let open = app.store.open_sessions().await?;
    if !open.is_empty() {
        tracing::info!(sessions = open.len(), "taking up the sessions from before the restart");
    }
    for mut session in open {
        for (recording, file) in recording::cut(&session.entries) {
            let length = recording::file(&app.config.recording.folder, Path::new(file))
                .and_then(|path| recording::mend(&path).ok());
            session.recorded.insert(recording, length.unwrap_or_default());
        }
        app.commands.admin(AdminCommand::Restore(Box::new(session)));
    }
    app.commands.admin(AdminCommand::Begin);
    Ok(())
}

async fn start_engine(
    app: &App,
    network: &Network,
    writer: &store::Writer,
    outlets: Vec<Outlet>,
    addresses: &Addresses,
) -> anyhow::Result<(JoinHandle<()>, Vec<JoinHandle<()>>)> {
    let library = http::read_prompts(app).await?;
    let events = app.inbox.clone();
    let seed = u64::from_le_bytes(rand::random());
    let ringback = match app.config.sip.region.as_str() {
        "US" | "CA" => RingTone::NORTH_AMERICA,
        _ => RingTone::EUROPE,
    };
    let media = media::start(
        &app.config.media,
        (ringback, app.config.prompts.music_start),
        app.clock,
        seed,
        library,
        move |event| {
            // Refused only when the engine has stopped.
            let _ = events.offer(Input::Media(event));
        },
    )?;
    let media = Arc::new(media);
    let wires = Wires { network: network.clone(), media: Arc::downgrade(&media) };
    let first = app.wires.set(wires);
    first.map_err(|_| anyhow!("a server is started once"))?;
    let sip = || {
        let (guard, tap, vitals) = (app.guard.clone(), app.tap.clone(), app.vitals.clone());
        SipPorts::new(app.clock, network.clone(), guard, tap, vitals, writer.clone())
    };
    let ports = Ports {
        sip: sip(),
        inbox: app.inbox.clone(),
        media,
        writer: writer.clone(),
        vitals: app.vitals.clone(),
        commands: app.commands.clone(),
        tap: app.tap.clone(),
        outside: Outside::new(app.config.outside.clone(), net::public_clients()?, app.store.clone()),
    };
    let folder = app.config.recording.folder.clone();
    let config = engine_config(app, network, addresses.http);
    let mut outlets = outlets.into_iter();
    let engines = outlets.next().context("the inbox has a lane for the engine")?;
    let shards = (1..)
        .map(ShardId)
        .zip(outlets)
        .map(|(id, outlet)| {
            let ports = shard::Ports { sip: sip(), inbox: app.inbox.clone(), vitals: app.vitals.clone() };
            shard::spawn(id, config.sip.clone(), app.clock, outlet, ports)
        })
        .collect::<Result<_, _>>()?;
    Ok((engine::spawn(config, app.clock, engines, folder, ports)?, shards))
}

fn engine_config(app: &App, network: &Network, http: SocketAddr) -> session::api::Config {
    let config = &app.config;
    let listener = |name, transport, local, advertised: &str| Listener {
        name,
        transport,
        local,
        advertised: advertised.into(),
    };
    let mut listeners: Vec<Listener> = network
        .bound()
        .iter()
        .map(|bound| listener(bound.name.clone(), bound.transport, bound.local, &bound.advertised))
        .collect();
    listeners.push(listener(None, websocket_of(config), http, &host_of(&app.public_url)));
    session::api::Config {
        sip: sip_core::api::Config {
            domain: config.sip.domain.clone(),
            server_name: format!("Tandem/{}", env!("CARGO_PKG_VERSION")),
            listeners,
            min_expires: config.sip.min_expires,
            max_expires: config.sip.max_expires,
            max_bindings: config.sip.max_bindings,
            max_calls: config.sip.max_calls,
            shards: config.sip.shards,
            seed: app.key.seed(),
        },
        region: config.sip.region.clone(),
        calls_abroad: config.sip.calls_abroad,
        redirects: config.sip.redirects,
        recording: session::api::RecordingConfig {
            enabled: config.recording.enabled,
            folder: recording::PREFIX.to_owned(),
            format: config.recording.format,
            channels: config.recording.channels,
        },
        callback: config.callback,
        place_kept: config.sessions.place_kept,
        parked_for: config.sessions.parked,
        agent_grace: config.sessions.agent_grace,
        chat_idle: config.sessions.chat_idle,
        code_lifetime: config.sessions.code_lifetime,
        max_sessions: config.sessions.max_open,
        max_text: config.chat.max_text,
        seed: app.key.seed(),
    }
}

fn addresses(app: &App, http: SocketAddr, network: &Network) -> Addresses {
    let mut sip: Vec<SipAddress> = network
        .bound()
        .iter()
        .map(|bound| SipAddress {
            transport: match bound.transport {
                Transport::Udp => "udp",
                Transport::Tcp => "tcp",
                Transport::Tls => "tls",
                Transport::Ws => "ws",
                Transport::Wss => "wss",
            },
            local: bound.local,
            advertised: bound.advertised.clone(),
        })
        .collect();
    let transport = if app.config.http.certificate.is_some() { "wss" } else { "ws" };
    sip.push(SipAddress { transport, local: http, advertised: host_of(&app.public_url) });
    Addresses { http, public_url: app.public_url.clone(), sip }
}

/// What the route for SIP on the HTTP listener is.
fn websocket_of(config: &Config) -> Transport {
    if config.http.certificate.is_some() { Transport::Wss } else { Transport::Ws }
}

fn host_of(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest).to_owned()
}

fn write_addresses(data: &Path, addresses: &Addresses) -> anyhow::Result<()> {
    let path = data.join("addresses.json");
    let mut file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    serde_json::to_writer_pretty(&mut file, addresses)?;
    writeln!(file)?;
    Ok(())
}

fn guide(app: &App, addresses: &Addresses) -> String {
    let sip = addresses.sip.first().map_or_else(String::new, |address| address.advertised.clone());
    let numbers = app.plans.current().map_or_else(Vec::new, |loaded| {
        loaded
            .plan
            .entries()
            .filter_map(|(entry, _)| match entry {
                dialplans::api::Entry::Sip(number) => Some(number.clone()),
                dialplans::api::Entry::Chat(_) | dialplans::api::Entry::After(_) => None,
            })
            .collect()
    });
    demo::guide(&app.config, &addresses.public_url, &sip, &numbers)
}

async fn keep_house(app: App, web: Web) {
    let mut tick = tokio::time::interval(HOUSEKEEPING);
    loop {
        tick.tick().await;
        web.tidy();
        app.guard.tidy();
        if let Err(error) = app.expire_sign_ins().await {
            tracing::error!(%error, "old sign-ins could not be ended");
        }
    }
}

/// Whoever begins something hears from us in time, even when the engine is stuck.
async fn refuse_overdue(app: App) {
    let mut tick = tokio::time::interval(LOOK_FOR_OVERDUE);
    loop {
        tick.tick().await;
        app.inbox.refuse_overdue();
    }
}

/// New work is refused while the journal is too far behind.
async fn watch_backlog(app: App) {
    let mut tick = tokio::time::interval(WATCH_BACKLOG);
    loop {
        tick.tick().await;
        app.inbox.hold(app.backlog.waiting() > MOST_BEHIND);
    }
}

/// Says what in the configuration works, but hardly as it was meant.
pub fn warn(config: &Config) {
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
}
