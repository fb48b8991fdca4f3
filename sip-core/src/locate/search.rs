//! RFC 3263 §4.1 and §4.2, one step after the other.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};

use super::order::by_weight;
use super::{Answer, Destination, DestinationHost, Naptr, Question, Srv};
use crate::api::Transport;
use crate::message::{Scheme, Uri};
use crate::random::Random;

/// Services that a NAPTR answer may offer, servers that their SRV answers may name, and places that come out: more are left out.
const MAX_SERVICES: usize = 6;
const MAX_SERVERS: usize = 12;
const MAX_PLACES: usize = 16;

/// What is looked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Wanted {
    pub(crate) destination: Destination,
    /// As the URI's `transport` parameter or a configuration demands.
    pub(crate) transport: Option<Transport>,
    /// A SIPS URI: nothing but TLS will do. RFC 3261 §26.2.2
    pub(crate) secure: bool,
}

/// What we can speak, the preferred first: a transport and whether over IPv4 or IPv6.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Abilities(pub(crate) Vec<(Transport, bool)>);

/// One place to try.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Place {
    pub(crate) transport: Transport,
    pub(crate) address: SocketAddr,
}

#[derive(Debug)]
pub(crate) struct Search {
    wanted: Wanted,
    abilities: Abilities,
    step: Step,
    /// To be asked still.
    questions: VecDeque<Question>,
    /// Asked and not answered, or to be asked still.
    open: BTreeSet<Question>,
}

#[derive(Debug)]
enum Step {
    /// Which transports the domain offers.
    Services {
        name: String,
    },
    /// Which servers offer them.
    Servers {
        services: Vec<Service>,
        found: BTreeMap<String, Vec<Srv>>,
        fallback: Server,
    },
    /// Where those are.
    Addresses {
        servers: Vec<Server>,
        found: BTreeMap<String, Found>,
    },
    Done(Vec<Place>),
}

#[derive(Clone, Debug)]
struct Service {
    transport: Transport,
    /// Whom the SRV question is about.
    name: String,
}

#[derive(Clone, Debug)]
struct Server {
    transport: Transport,
    name: String,
    port: u16,
}

#[derive(Default, Debug)]
struct Found {
    v4: Vec<IpAddr>,
    v6: Vec<IpAddr>,
}

impl Wanted {
    /// What a URI asks for. `None`: it is not for SIP, or we never could go there.
    pub(crate) fn of(uri: &Uri<'_>) -> Option<Wanted> {
        let secure = match uri.scheme() {
            Scheme::Sip => false,
            Scheme::Sips => true,
            Scheme::Tel | Scheme::Other => return None,
        };
        let transport = match uri.transport() {
            None => None,
            Some(name) => Some(transport_named(name)?),
        };
        // RFC 3261 §19.1.2: `maddr` overrides the host.
        let host = match uri.params().get("maddr") {
            Some(maddr) => crate::message::Host::parse(maddr).ok()?,
            None => uri.host()?,
        };
        Some(Wanted { destination: Destination::new(host, uri.port())?, transport, secure })
    }

    /// The transport that was named, as far as it is allowed to count.
    fn named_transport(&self) -> Option<Transport> {
        match (self.transport?, self.secure) {
            // RFC 3261 §26.2.2: TLS over what was named.
            (Transport::Tcp | Transport::Tls, true) => Some(Transport::Tls),
            (transport, _) => Some(transport),
        }
    }

    /// RFC 3263 §4.1
    fn usual_transport(&self) -> Transport {
        self.named_transport().unwrap_or(if self.secure { Transport::Tls } else { Transport::Udp })
    }
}

fn transport_named(name: &[u8]) -> Option<Transport> {
    let known = [(&b"udp"[..], Transport::Udp), (b"tcp", Transport::Tcp), (b"tls", Transport::Tls)];
    known.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, transport)| transport)
}

pub(crate) fn usual_port(transport: Transport) -> u16 {
    match transport {
        Transport::Udp | Transport::Tcp => 5060,
        Transport::Tls => 5061,
        // RFC 7118 §8: those of HTTP.
        Transport::Ws => 80,
        Transport::Wss => 443,
    }
}

impl Abilities {
    fn speaks(&self, transport: Transport) -> bool {
        self.0.iter().any(|(own, _)| *own == transport)
    }

    /// IPv4 or IPv6, the preferred one first.
    fn families(&self, transport: Transport) -> Vec<bool> {
        let mut families = Vec::new();
        for (own, is_v4) in &self.0 {
            if *own == transport && !families.contains(is_v4) {
                families.push(*is_v4);
            }
        }
        families
    }
}

impl Search {
    pub(crate) fn start(wanted: Wanted, abilities: Abilities) -> Search {
        let mut search = Search {
            wanted,
            abilities,
            step: Step::Done(Vec::new()),
            questions: VecDeque::new(),
            open: BTreeSet::new(),
        };
        search.begin();
        search
    }

    /// What to ask the DNS now; [`Search::answer`] wants to hear of each.
    pub(crate) fn poll_question(&mut self) -> Option<Question> {
        self.questions.pop_front()
    }

    /// Answers to what was not asked change nothing.
    pub(crate) fn answer(&mut self, question: &Question, answer: Answer, random: &mut Random) {
        if !self.open.remove(question) {
            return;
        }
        match (&mut self.step, question, answer) {
            (Step::Services { .. }, Question::Naptr(name), Answer::Naptr(records)) => {
                let services = self.offered(records);
                if !services.is_empty() {
                    let name = name.clone();
                    return self.ask_for_servers(name, services);
                }
            }
            (Step::Servers { found, .. }, Question::Srv(name), Answer::Srv(records)) => {
                found.insert(name.clone(), records);
            }
            (Step::Addresses { found, .. }, Question::A(name), Answer::A(all)) => {
                found.entry(name.clone()).or_default().v4 = all.into_iter().map(IpAddr::V4).collect();
            }
            (Step::Addresses { found, .. }, Question::Aaaa(name), Answer::Aaaa(all)) => {
                found.entry(name.clone()).or_default().v6 = all.into_iter().map(IpAddr::V6).collect();
            }
            // Nothing was found, or the answer does not fit the question.
            (Step::Services { .. } | Step::Servers { .. } | Step::Addresses { .. } | Step::Done(_), _, _) => {
            }
        }
        if self.open.is_empty() {
            self.go_on(random);
        }
    }

    /// The places in the order to be tried; `None` while something is open.
    pub(crate) fn places(&self) -> Option<&[Place]> {
        match &self.step {
            Step::Done(places) => Some(places),
            Step::Services { .. } | Step::Servers { .. } | Step::Addresses { .. } => None,
        }
    }

    fn begin(&mut self) {
        let transport = self.wanted.usual_transport();
        // RFC 3261 §26.2.2: better not at all than without TLS.
        if self.wanted.secure && !transport.is_secure() {
            return;
        }
        let Destination { host, port } = self.wanted.destination.clone();
        let name = match host {
            DestinationHost::Ip(ip) => {
                let address = SocketAddr::new(ip, port.unwrap_or(usual_port(transport)));
                if self.abilities.0.contains(&(transport, address.is_ipv4())) {
                    self.step = Step::Done(vec![Place { transport, address }]);
                }
                return;
            }
            DestinationHost::Name(name) => name,
        };
        if let Some(port) = port {
            return self.ask_for_addresses(vec![Server { transport, name, port }]);
        }
        match self.wanted.named_transport() {
            Some(transport) => match service(transport, &name) {
                Some(service) => self.ask_for_servers(name, vec![service]),
                None => self.step = Step::Done(Vec::new()),
            },
            None => {
                self.ask(Question::Naptr(name.clone()));
                self.step = Step::Services { name };
            }
        }
    }

    fn go_on(&mut self, random: &mut Random) {
        match std::mem::replace(&mut self.step, Step::Done(Vec::new())) {
            // RFC 3263 §4.1: without NAPTR each transport that we speak is asked for.
            Step::Services { name } => {
                let all: &[Transport] = match self.wanted.secure {
                    true => &[Transport::Tls],
                    false => &[Transport::Udp, Transport::Tcp, Transport::Tls],
                };
                let spoken = all.iter().filter(|transport| self.abilities.speaks(**transport));
                let services = spoken.filter_map(|transport| service(*transport, &name)).collect();
                self.ask_for_servers(name, services);
            }
            Step::Servers { services, mut found, fallback } => {
                let mut servers = Vec::new();
                let mut nobody_said = true;
                for Service { transport, name } in services {
                    let records = found.remove(&name).unwrap_or_default();
                    nobody_said &= records.is_empty();
                    servers.extend(
                        by_weight(records, random)
                            .into_iter()
                            .filter(|record| record.port != 0 && plain(&record.target).is_some())
                            .map(|record| Server {
                                transport,
                                port: record.port,
                                name: plain(&record.target).unwrap_or_default(),
                            }),
                    );
                }
                servers.truncate(MAX_SERVERS);
                // RFC 3263 §4.2: only when there is no SRV at all. A service that is "decidedly not there" is no reason to guess.
                if nobody_said {
                    servers.push(fallback);
                }
                self.ask_for_addresses(servers);
            }
            Step::Addresses { servers, found } => {
                let mut places = Vec::new();
                for Server { transport, name, port } in servers {
                    let Some(addresses) = found.get(&name) else { continue };
                    for is_v4 in self.abilities.families(transport) {
                        for ip in if is_v4 { &addresses.v4 } else { &addresses.v6 } {
                            let place = Place { transport, address: SocketAddr::new(*ip, port) };
                            if !places.contains(&place) {
                                places.push(place);
                            }
                        }
                    }
                }
                places.truncate(MAX_PLACES);
                self.step = Step::Done(places);
            }
            Step::Done(places) => self.step = Step::Done(places),
        }
    }

    /// What a NAPTR answer offers that we can use, the preferred first.
    fn offered(&self, mut records: Vec<Naptr>) -> Vec<Service> {
        records.sort_by_key(|record| (record.order, record.preference));
        let usable = records.into_iter().filter_map(|record| {
            let transport = match record.services.to_ascii_uppercase().as_str() {
                "SIP+D2U" => Transport::Udp,
                "SIP+D2T" => Transport::Tcp,
                "SIPS+D2T" => Transport::Tls,
                _ => return None,
            };
            let wanted = self.abilities.speaks(transport) && (transport.is_secure() || !self.wanted.secure);
            let fits = record.flags.eq_ignore_ascii_case("s");
            let name = plain(&record.replacement).filter(|_| fits && wanted)?;
            Some(Service { transport, name })
        });
        usable.take(MAX_SERVICES).collect()
    }

    fn ask_for_servers(&mut self, name: String, services: Vec<Service>) {
        let transport = services.first().map_or(self.wanted.usual_transport(), |service| service.transport);
        // RFC 3263 §4.1: when no service was found anywhere it is the usual transport.
        let transport = if services.len() == 1 { transport } else { self.wanted.usual_transport() };
        for service in &services {
            self.ask(Question::Srv(service.name.clone()));
        }
        let fallback = Server { transport, name, port: usual_port(transport) };
        if services.is_empty() {
            return self.ask_for_addresses(vec![fallback]);
        }
        self.step = Step::Servers { services, found: BTreeMap::new(), fallback };
    }

    fn ask_for_addresses(&mut self, servers: Vec<Server>) {
        let mut found = BTreeMap::new();
        for Server { transport, name, .. } in &servers {
            if let Ok(ip) = name.parse::<IpAddr>() {
                // Against RFC 2782, but it is done.
                let (v4, v6) = if ip.is_ipv4() { (vec![ip], vec![]) } else { (vec![], vec![ip]) };
                found.insert(name.clone(), Found { v4, v6 });
                continue;
            }
            for is_v4 in self.abilities.families(*transport) {
                let name = name.clone();
                self.ask(if is_v4 { Question::A(name) } else { Question::Aaaa(name) });
            }
        }
        self.step = Step::Addresses { servers, found };
        if self.open.is_empty() {
            // Nothing to ask: no server that we could reach, or addresses only. No chance is left to be drawn.
            self.go_on(&mut Random::new([0; 32]));
        }
    }

    fn ask(&mut self, question: Question) {
        if self.open.insert(question.clone()) {
            self.questions.push_back(question);
        }
    }
}

/// RFC 3263 §4.1
fn service(transport: Transport, name: &str) -> Option<Service> {
    let prefix = match transport {
        Transport::Udp => "_sip._udp",
        Transport::Tcp => "_sip._tcp",
        Transport::Tls => "_sips._tcp",
        Transport::Ws | Transport::Wss => return None,
    };
    Some(Service { transport, name: format!("{prefix}.{name}") })
}

/// A name as we ask for it. `None` for the root, which means "not here".
fn plain(name: &str) -> Option<String> {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
