//! DNS for the engine: one task a question, never more than a few at once, each answered within its time.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use sip_core::api::{Answer, Naptr, Question, Srv};
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// A question that takes longer has no answer.
const WITHIN: Duration = Duration::from_secs(4);
/// One name server is given up after this long.
const ONE_TRY: Duration = Duration::from_millis(1500);
const AT_ONCE: usize = 256;
/// Answers that are remembered, and for how long at most.
const CACHE: u64 = 4096;
const LONGEST: Duration = Duration::from_secs(3600);
const LONGEST_NEGATIVE: Duration = Duration::from_secs(30);
/// Records of one answer that are looked at.
const MAX_RECORDS: usize = 64;

#[derive(Clone, Debug)]
pub(super) struct Resolver {
    resolver: Arc<TokioResolver>,
    places: Arc<Semaphore>,
}

impl Resolver {
    /// Asks `servers`, or the system's when there are none.
    pub fn new(servers: &[SocketAddr]) -> io::Result<Self> {
        let mut builder = if servers.is_empty() {
            TokioResolver::builder_tokio().map_err(io::Error::other)?
        } else {
            let servers = servers.iter().map(name_server).collect();
            let config = ResolverConfig::from_parts(None, Vec::new(), servers);
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        };
        let options = builder.options_mut();
        options.timeout = ONE_TRY;
        options.attempts = 2;
        options.cache_size = CACHE;
        options.positive_max_ttl = Some(LONGEST);
        options.negative_max_ttl = Some(LONGEST_NEGATIVE);
        let resolver = builder.build().map_err(io::Error::other)?;
        Ok(Self { resolver: Arc::new(resolver), places: Arc::new(Semaphore::new(AT_ONCE)) })
    }

    pub async fn ask(&self, question: &Question) -> Answer {
        let asked = async {
            let _place = self.places.acquire().await.ok()?;
            self.look_up(question).await
        };
        timeout(WITHIN, asked).await.ok().flatten().unwrap_or(Answer::Nothing)
    }

    async fn look_up(&self, question: &Question) -> Option<Answer> {
        let (name, kind) = match question {
            Question::Naptr(name) => (name, RecordType::NAPTR),
            Question::Srv(name) => (name, RecordType::SRV),
            Question::A(name) => (name, RecordType::A),
            Question::Aaaa(name) => (name, RecordType::AAAA),
        };
        let mut name = Name::from_utf8(name).ok()?;
        // As it stands: no search list.
        name.set_fqdn(true);
        let found = match self.resolver.lookup(name, kind).await {
            Ok(found) => found,
            Err(error) => {
                tracing::debug!(?question, %error, "the DNS has no answer");
                return None;
            }
        };
        let records = found.answers().iter().take(MAX_RECORDS).map(|record| &record.data);
        Some(match question {
            Question::Naptr(_) => Answer::Naptr(records.filter_map(naptr).collect()),
            Question::Srv(_) => Answer::Srv(records.filter_map(srv).collect()),
            Question::A(_) => Answer::A(
                records.filter_map(|data| if let RData::A(a) = data { Some(a.0) } else { None }).collect(),
            ),
            Question::Aaaa(_) => Answer::Aaaa(
                records.filter_map(|data| if let RData::AAAA(a) = data { Some(a.0) } else { None }).collect(),
            ),
        })
    }
}

fn name_server(address: &SocketAddr) -> NameServerConfig {
    let mut server = NameServerConfig::udp_and_tcp(address.ip());
    let with_port = |connection: &mut ConnectionConfig| connection.port = address.port();
    server.connections.iter_mut().for_each(with_port);
    server
}

fn naptr(data: &RData) -> Option<Naptr> {
    let RData::NAPTR(record) = data else { return None };
    Some(Naptr {
        order: record.order,
        preference: record.preference,
        flags: String::from_utf8_lossy(&record.flags).into_owned(),
        services: String::from_utf8_lossy(&record.services).into_owned(),
        replacement: record.replacement.to_ascii(),
    })
}

fn srv(data: &RData) -> Option<Srv> {
    let RData::SRV(record) = data else { return None };
    Some(Srv {
        priority: record.priority,
        weight: record.weight,
        port: record.port,
        target: record.target.to_ascii(),
    })
}
