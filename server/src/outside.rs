//! What flows ask of outside systems and of the store: answered off the engine's thread, in bounded time and size.
//!
//! Invariants: every question is answered; nobody in a private network is asked whom the configuration does not name, whatever a
//! name resolves to (it is resolved once, and that address is connected to); nothing is redirected; no secret, and no request
//! that holds one, is logged.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use dialplans::api::{Found, HeaderValue, HttpRequest, LookupBy};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use model::{Identity, SessionId};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use session::api::{Findings, Input, Question, RequestId};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio_rustls::TlsConnector;

use crate::inbox::Inbox;
use crate::store::Store;

/// Questions that are being asked at once; more are answered with a failure.
const MOST_AT_ONCE: usize = 200;
/// As much of an answer as is read.
const MOST_READ: usize = 64 * 1024;
/// So many failures in a row, and a host is not asked for a while.
const FAILURES: u32 = 5;
const REST: Duration = Duration::from_secs(30);
/// Hosts whose failures are remembered.
const MOST_HOSTS: usize = 1_000;
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(200);
/// A name is resolved and a store answers within this.
const LOOKUP: Duration = Duration::from_secs(5);
const MOST_SECRET: u64 = 8 * 1024;

/// What the configuration says about it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Settings {
    /// A file for each secret; its name is that of the secret.
    pub secrets: PathBuf,
    /// Hosts, with their ports, that may be asked although they are in a private network.
    pub private_hosts: Vec<String>,
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Outside(Arc<Parts>);

struct Parts {
    settings: Settings,
    tls: Arc<ClientConfig>,
    store: Store,
    slots: Arc<Semaphore>,
    breakers: Mutex<BTreeMap<String, Breaker>>,
    runtime: Handle,
}

/// How a host has done.
#[derive(Clone, Copy, Default)]
struct Breaker {
    failures: u32,
    rests_until: Option<Instant>,
}

impl fmt::Debug for Outside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outside").field("settings", &self.0.settings).finish_non_exhaustive()
    }
}

impl Outside {
    /// Within a runtime, whose tasks ask.
    pub fn new(settings: Settings, tls: Arc<ClientConfig>, store: Store) -> Self {
        Self(Arc::new(Parts {
            settings,
            tls,
            store,
            slots: Arc::new(Semaphore::new(MOST_AT_ONCE)),
            breakers: Mutex::default(),
            runtime: Handle::current(),
        }))
    }

    /// The answer comes to the engine's inbox.
    pub fn ask(&self, inbox: &Inbox, request: RequestId, session: SessionId, question: Question) {
        let (outside, inbox) = (self.clone(), inbox.clone());
        self.0.runtime.spawn(async move {
            let findings = match question {
                Question::Http(http) => Findings::Http(outside.http(&http).await),
                Question::Lookup { by, value } => Findings::Lookup(outside.lookup(by, value).await),
            };
            // Refused only after the engine has stopped.
            let _ = inbox.offer(Input::Outside { request, session, findings });
        });
    }

    async fn lookup(&self, by: LookupBy, value: String) -> Option<Found> {
        let identity = match by {
            LookupBy::Phone => Identity::Phone(value),
            LookupBy::Email => Identity::Email(value.to_lowercase()),
        };
        let found = tokio::time::timeout(LOOKUP, self.0.store.customer_of(&identity)).await;
        match found {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => {
                tracing::warn!(%error, "a customer cannot be looked up");
                None
            }
            Err(_) => None,
        }
    }

    /// Status and body, or why there is none.
    pub async fn http(&self, request: &HttpRequest) -> Result<(u16, String), String> {
        let Ok(_slot) = self.0.slots.clone().try_acquire_owned() else {
            return Err("too much is being asked already".to_owned());
        };
        let target = Target::of(&request.url)?;
        self.is_well(&target.authority)?;
        let mut last = Err("it was not tried".to_owned());
        for attempt in 0..=request.retries {
            if attempt > 0 {
                tokio::time::sleep(PAUSE).await;
            }
            last = match tokio::time::timeout(request.timeout, self.once(request, &target)).await {
                Ok(answer) => answer,
                Err(_) => Err(format!("no answer within {} ms", request.timeout.as_millis())),
            };
            if matches!(last, Ok((status, _)) if status < 500) {
                break;
            }
        }
        self.note(&target.authority, matches!(last, Ok((status, _)) if status < 500));
        last
    }

    async fn once(&self, request: &HttpRequest, target: &Target) -> Result<(u16, String), String> {
        let address = self.resolve(target).await?;
        let stream = TcpStream::connect(address).await.map_err(|error| format!("no connection: {error}"))?;
        let _ = stream.set_nodelay(true);
        if !target.secure {
            return self.exchange(request, target, stream).await;
        }
        let name = ServerName::try_from(target.host.clone()).map_err(|_| "the host is no name".to_owned())?;
        let stream = TlsConnector::from(Arc::clone(&self.0.tls))
            .connect(name, stream)
            .await
            .map_err(|error| format!("no TLS: {error}"))?;
        self.exchange(request, target, stream).await
    }

    async fn exchange<S>(
        &self,
        request: &HttpRequest,
        target: &Target,
        stream: S,
    ) -> Result<(u16, String), String>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let http = self.request(request, target)?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| format!("no HTTP: {error}"))?;
        let serving = tokio::spawn(connection);
        let answer = async {
            let answer = sender.send_request(http).await.map_err(|error| format!("no answer: {error}"))?;
            let status = answer.status().as_u16();
            let body = Limited::new(answer.into_body(), MOST_READ)
                .collect()
                .await
                .map_err(|_| "the answer broke off, or is longer than 64 KiB".to_owned())?;
            Ok((status, String::from_utf8_lossy(&body.to_bytes()).into_owned()))
        }
        .await;
        serving.abort();
        answer
    }

    fn request(&self, request: &HttpRequest, target: &Target) -> Result<Request<Full<Bytes>>, String> {
        let mut builder = Request::builder()
            .method(request.method.as_str().to_ascii_uppercase().as_str())
            .uri(&target.path)
            .header("host", &target.authority)
            .header("user-agent", concat!("Tandem/", env!("CARGO_PKG_VERSION")))
            .header("accept", "application/json, */*;q=0.5");
        for (name, value) in &request.headers {
            let mut value = match value {
                HeaderValue::Plain(text) => hyper::header::HeaderValue::from_str(text)
                    .map_err(|_| format!("the header {name} cannot be sent"))?,
                HeaderValue::Secret(secret) => {
                    let text = self.secret(secret)?;
                    let mut value = hyper::header::HeaderValue::from_str(&text)
                        .map_err(|_| format!("the secret {secret} cannot be sent in a header"))?;
                    value.set_sensitive(true);
                    value
                }
            };
            if request.secret {
                value.set_sensitive(true);
            }
            builder = builder.header(name, value);
        }
        let body = request.body.clone().unwrap_or_default();
        builder.body(Full::new(Bytes::from(body))).map_err(|_| "the request cannot be sent".to_owned())
    }

    /// Read each time, so that a new one is used at once.
    fn secret(&self, name: &str) -> Result<String, String> {
        let known = secrets_in(&self.0.settings.secrets);
        if !known.iter().any(|known| known == name) {
            return Err(format!("there is no secret {name}"));
        }
        std::fs::read_to_string(self.0.settings.secrets.join(name))
            .map(|text| text.trim().to_owned())
            .map_err(|_| format!("the secret {name} cannot be read"))
    }

    /// The address to connect to: a public one, unless the host is allowed not to be.
    async fn resolve(&self, target: &Target) -> Result<SocketAddr, String> {
        let bare = target.host.trim_start_matches('[').trim_end_matches(']');
        let found = tokio::time::timeout(LOOKUP, tokio::net::lookup_host((bare, target.port))).await;
        let addresses: Vec<SocketAddr> = match found {
            Ok(Ok(addresses)) => addresses.collect(),
            Ok(Err(_)) | Err(_) => return Err("the host cannot be found".to_owned()),
        };
        let allowed = self
            .0
            .settings
            .private_hosts
            .iter()
            .any(|host| *host == target.authority || *host == format!("{}:{}", target.host, target.port));
        addresses
            .into_iter()
            .find(|address| allowed || is_public(address.ip()))
            .ok_or_else(|| "the host is in a private network, and not allowed in `private_hosts`".to_owned())
    }

    fn is_well(&self, host: &str) -> Result<(), String> {
        let rests = self.breakers().get(host).and_then(|breaker| breaker.rests_until);
        match rests.and_then(|until| until.checked_duration_since(Instant::now())) {
            Some(left) => {
                Err(format!("it has failed {FAILURES} times; it is not asked for {} s", left.as_secs() + 1))
            }
            None => Ok(()),
        }
    }

    fn note(&self, host: &str, well: bool) {
        let mut breakers = self.breakers();
        if well {
            breakers.remove(host);
            return;
        }
        if breakers.len() >= MOST_HOSTS && !breakers.contains_key(host) {
            return;
        }
        let breaker = breakers.entry(host.to_owned()).or_default();
        breaker.failures += 1;
        if breaker.failures >= FAILURES {
            // One is let through when the rest is over; if that fails, too, it rests again.
            breaker.failures = FAILURES - 1;
            breaker.rests_until = Some(Instant::now() + REST);
        }
    }

    fn breakers(&self) -> MutexGuard<'_, BTreeMap<String, Breaker>> {
        self.0.breakers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The names of the secrets in a folder.
pub fn secrets_in(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<String> = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.metadata().is_ok_and(|data| data.is_file() && data.len() <= MOST_SECRET))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| !name.starts_with('.'))
        .collect();
    names.sort();
    names
}

/// Where a request goes.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Target {
    secure: bool,
    host: String,
    port: u16,
    /// As in the address: with the port, where it has one.
    authority: String,
    /// With the query.
    path: String,
}

impl Target {
    fn of(url: &str) -> Result<Target, String> {
        let uri: Uri = url.parse().map_err(|_| "this is not an address".to_owned())?;
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err("the address is neither http nor https".to_owned()),
        };
        let authority = uri.authority().ok_or_else(|| "the address has no host".to_owned())?;
        if authority.as_str().contains('@') {
            return Err("a name and a password do not belong into an address".to_owned());
        }
        Ok(Target {
            secure,
            host: authority.host().to_owned(),
            port: authority.port_u16().unwrap_or(if secure { 443 } else { 80 }),
            authority: authority.as_str().to_owned(),
            path: uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
        })
    }
}

/// Reachable by everybody: no address of a private network, of this machine or of a special use (RFC 6890).
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let special = matches!((a, b, c), (0 | 10 | 127 | 240..=255, ..))
        || matches!((a, b), (100, 64..=127) | (169, 254) | (172, 16..=31) | (192, 168) | (198, 18 | 19))
        || matches!((a, b, c), (192, 0, 0 | 2) | (198, 51, 100) | (203, 0, 113));
    !special && !ip.is_multicast()
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let segments = ip.segments();
    match segments {
        // Addresses that hold one of version 4: mapped, NAT64, 6to4.
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            is_public_v4(v4_of(high, low))
        }
        [0x2002, high, low, ..] => is_public_v4(v4_of(high, low)),
        // Global unicast is 2000::/3; documentation and Teredo are none of it.
        [first, second, ..] => {
            (0x2000..0x4000).contains(&first) && !(first == 0x2001 && matches!(second, 0 | 0xdb8))
        }
    }
}

fn v4_of(high: u16, low: u16) -> Ipv4Addr {
    let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
    Ipv4Addr::new(a, b, c, d)
}

#[cfg(test)]
mod tests;
