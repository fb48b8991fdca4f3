//! The way of our requests: to a hop that is known or to a name that is looked up first, and on to the next place when one fails.
//! RFC 3261 §18.1.1, RFC 3263 §4.3
//!
//! Invariants: a search ends, with places or without, by [`SEARCH_WITHIN`] at the latest; a request is tried at a bounded number of
//! places, each with a branch of its own; what shall go by TLS goes by TLS or not at all.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use model::Now;

use crate::api::{Answer, CallId, Hop, Listener, LookupId, Output, Question, Transport};
use crate::dialog::Dialog;
use crate::locate::{Abilities, DestinationHost, Place, Search, Wanted, usual_port};
use crate::message::{Builder, Method, Name, Scheme};
use crate::respond::MAX_FORWARDS;
use crate::shard::ShardId;
use crate::stack::Stack;
use crate::timer::Timer;
use crate::transaction::{ClientKey, Owner, TransactionId};

/// The largest request that goes into a datagram while the path MTU is unknown. RFC 3261 §18.1.1
pub(crate) const LARGEST_DATAGRAM: usize = 1300;
/// A place that has not answered at all by then is given up when there is another one. (Timer B alone would take longer than
/// callers wait.)
const SILENCE: Duration = Duration::from_secs(5);
const SEARCH_WITHIN: Duration = Duration::from_secs(10);
/// Searches at once; what is beyond finds nothing.
const MAX_SEARCHES: usize = 4096;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct SearchId(u64);

#[derive(Debug)]
pub(crate) struct Ways {
    last: u64,
    searches: BTreeMap<SearchId, Pending>,
    lookups: BTreeMap<LookupId, (SearchId, Question)>,
    /// What remains to be tried of requests that have been sent.
    under_way: BTreeMap<(Option<CallId>, TransactionId), (Draft, VecDeque<Step>)>,
}

impl Ways {
    pub(crate) fn new(shard: ShardId) -> Ways {
        Ways {
            last: shard.base(),
            searches: BTreeMap::new(),
            lookups: BTreeMap::new(),
            under_way: BTreeMap::new(),
        }
    }
}

#[derive(Debug)]
struct Pending {
    search: Search,
    guide: Guide,
    errand: Errand,
}

/// What a search is for.
#[derive(Debug)]
pub(crate) enum Errand {
    /// The INVITE that makes this call.
    Invite(CallId, Box<Draft>),
    /// Another request, and where it goes when nothing is found.
    Request(Owner, Box<Draft>, Option<Step>),
    /// The ACK of a 2xx.
    Ack(CallId, Box<Dialog>, u32),
}

/// A request before it has a Via, and a Contact when it needs one.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) method: Method,
    pub(crate) request: Builder,
    pub(crate) contact: Option<Contact>,
    /// Max-Forwards.
    pub(crate) forwards: u8,
}

/// What stands in our Contact beside the address.
#[derive(Clone, Debug)]
pub(crate) enum Contact {
    Here(Scheme),
    /// A user that is registered elsewhere.
    User(String),
}

/// One place to try.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Step {
    pub(crate) hop: Hop,
    /// Not to be moved to TCP, however large the request is: that was tried, or a NAT is in between.
    pub(crate) datagram: bool,
    /// Whose certificate is wanted there.
    pub(crate) tls_name: Option<Arc<str>>,
}

impl Step {
    pub(crate) fn to(hop: Hop) -> Step {
        Step { hop, datagram: false, tls_name: None }
    }
}

/// How places become hops.
#[derive(Clone, Default, Debug)]
pub(crate) struct Guide {
    /// The one listener that may be used.
    pub(crate) listener: Option<String>,
    pub(crate) tls_name: Option<Arc<str>>,
}

/// A request that is out.
pub(crate) struct Sent {
    pub(crate) transaction: TransactionId,
    pub(crate) hop: Hop,
    pub(crate) bytes: Arc<[u8]>,
}

/// Where requests of a dialog go.
enum DialogWay {
    Step(Step),
    Search(Wanted, Step),
    /// The peer asks for TLS, and we have none.
    Closed,
}

impl Stack {
    /// What the DNS said to an [`Output::Lookup`]. Each wants its answer, be it that there is none.
    pub fn handle_answer(&mut self, now: Now, lookup: LookupId, answer: Answer) {
        let Some((id, question)) = self.ways.lookups.remove(&lookup) else { return };
        if let Some(mut pending) = self.ways.searches.remove(&id) {
            pending.search.answer(&question, answer, &mut self.random);
            self.search_on(now, id, pending);
        }
        self.settle();
    }

    pub(crate) fn search(&mut self, now: Now, wanted: Wanted, mut guide: Guide, errand: Errand) {
        if guide.tls_name.is_none()
            && let DestinationHost::Name(name) = &wanted.destination.host
        {
            guide.tls_name = Some(Arc::from(name.as_str()));
        }
        let abilities = self.abilities(guide.listener.as_deref());
        self.ways.last += 1;
        let id = SearchId(self.ways.last);
        if self.ways.searches.len() >= MAX_SEARCHES {
            return self.found(now, &guide, errand, &[]);
        }
        self.timers.arm(Timer::Search(id), now.instant + SEARCH_WITHIN);
        self.search_on(now, id, Pending { search: Search::start(wanted, abilities), guide, errand });
    }

    pub(crate) fn search_timed_out(&mut self, now: Now, id: SearchId) {
        self.ways.lookups.retain(|_, (of, _)| *of != id);
        if let Some(Pending { guide, errand, .. }) = self.ways.searches.remove(&id) {
            self.found(now, &guide, errand, &[]);
        }
    }

    fn search_on(&mut self, now: Now, id: SearchId, mut pending: Pending) {
        while let Some(question) = pending.search.poll_question() {
            self.ways.last += 1;
            let lookup = LookupId(self.ways.last);
            self.ways.lookups.insert(lookup, (id, question.clone()));
            self.output.push_back(Output::Lookup { lookup, question });
        }
        let Some(places) = pending.search.places().map(<[Place]>::to_vec) else {
            self.ways.searches.insert(id, pending);
            return;
        };
        self.timers.disarm(Timer::Search(id));
        self.found(now, &pending.guide, pending.errand, &places);
    }

    fn found(&mut self, now: Now, guide: &Guide, errand: Errand, places: &[Place]) {
        let mut steps: VecDeque<Step> =
            places.iter().filter_map(|place| self.step_to(*place, guide)).collect();
        match errand {
            Errand::Invite(call, draft) => self.invite_located(now, call, *draft, steps),
            Errand::Request(owner, draft, fallback) => {
                if steps.is_empty() {
                    steps.extend(fallback);
                }
                if self.send_along(now, owner, *draft, steps).is_none() {
                    self.request_failed(now, owner, 503);
                }
            }
            Errand::Ack(call, dialog, cseq) => {
                let step = steps.pop_front().unwrap_or(Step::to(dialog.next_hop()));
                self.send_ack(call, &dialog, cseq, step);
            }
        }
    }

    /// Sends a request to the first of these places; the others are for later. `None`: there is no place.
    pub(crate) fn send_along(
        &mut self,
        now: Now,
        owner: Owner,
        draft: Draft,
        mut steps: VecDeque<Step>,
    ) -> Option<Sent> {
        let mut step = steps.pop_front()?;
        let branch = self.random.branch();
        let mut bytes = self.stamp(&draft, step.hop, &branch);
        // RFC 3261 §18.1.1: too large for a datagram. If TCP is refused it is tried as one all the same.
        if bytes.len() > LARGEST_DATAGRAM
            && !step.datagram
            && let Some(hop) = self.over_tcp(step.hop)
        {
            let datagram = Step { datagram: true, ..step.clone() };
            steps.push_front(datagram);
            step.hop = hop;
            bytes = self.stamp(&draft, hop, &branch);
        }
        let Step { hop, tls_name, .. } = step;
        self.expect(hop, tls_name.as_deref());
        let bytes: Arc<[u8]> = Arc::from(bytes);
        let key = ClientKey { branch: branch.into_bytes(), method: draft.method.clone() };
        let (transactions, mut io) = self.split(now);
        let transaction = transactions.start_client(key, owner, hop, Arc::clone(&bytes), &mut io);
        self.keep_places(now, owner, transaction, draft, steps);
        Some(Sent { transaction, hop, bytes })
    }

    /// The places where a request that is out goes when it is not served.
    pub(crate) fn keep_places(
        &mut self,
        now: Now,
        owner: Owner,
        transaction: TransactionId,
        draft: Draft,
        steps: VecDeque<Step>,
    ) {
        if !steps.is_empty() {
            self.timers.arm(Timer::Silent(transaction), now.instant + SILENCE);
            self.ways.under_way.insert((owner.call(), transaction), (draft, steps));
        }
    }

    /// RFC 3263 §4.3: the place did not serve this request; the next one gets it. False when there is none.
    pub(crate) fn try_next(&mut self, now: Now, id: TransactionId, owner: Owner) -> bool {
        let Some((draft, steps)) = self.arrived(id, owner) else { return false };
        match owner {
            Owner::Invite(call) => {
                let wanted = self.is_still_wanted(call);
                if wanted {
                    self.invite_located(now, call, draft, steps);
                }
                wanted
            }
            Owner::Reinvite(_)
            | Owner::Bye(_)
            | Owner::Update(_)
            | Owner::Prack(_)
            | Owner::Said(_)
            | Owner::Refer(_)
            | Owner::Notify(_)
            | Owner::Subscription(_)
            | Owner::Message(_)
            | Owner::Register(_)
            | Owner::Options(_) => self.send_along(now, owner, draft, steps).is_some(),
            Owner::Cancel(_) => false,
        }
    }

    /// A request needs no other place any more.
    pub(crate) fn arrived(&mut self, id: TransactionId, owner: Owner) -> Option<(Draft, VecDeque<Step>)> {
        self.timers.disarm(Timer::Silent(id));
        self.ways.under_way.remove(&(owner.call(), id))
    }

    pub(crate) fn has_other_place(&self, call: CallId, id: TransactionId) -> bool {
        self.ways.under_way.contains_key(&(Some(call), id))
    }

    /// Nothing at all was heard of a request for a while.
    pub(crate) fn place_is_silent(&mut self, now: Now, id: TransactionId) {
        if let Some(owner) = self.transactions.unanswered(id) {
            self.fail_request(now, id, owner, 408);
        }
    }

    /// A request outside of calls is not wanted any more, wherever it is.
    pub(crate) fn withdraw(&mut self, now: Now, owner: Owner) {
        let of_it = |pending: &Pending| matches!(&pending.errand, Errand::Request(of, ..) if *of == owner);
        let searches = &self.ways.searches;
        let found: Vec<_> =
            searches.iter().filter(|(_, pending)| of_it(pending)).map(|(id, _)| *id).collect();
        for id in found {
            self.timers.disarm(Timer::Search(id));
            self.ways.searches.remove(&id);
            self.ways.lookups.retain(|_, (of, _)| *of != id);
        }
        for id in self.transactions.owned_by(owner) {
            self.arrived(id, owner);
            let (transactions, mut io) = self.split(now);
            transactions.stop_client(id, &mut io);
        }
    }

    pub(crate) fn forget_ways(&mut self, call: CallId) {
        let all = (Some(call), TransactionId(0))..=(Some(call), TransactionId(u64::MAX));
        let ids: Vec<_> = self.ways.under_way.range(all).map(|(key, _)| *key).collect();
        for key in ids {
            self.timers.disarm(Timer::Silent(key.1));
            self.ways.under_way.remove(&key);
        }
    }

    /// A request within a dialog, in a transaction of its own.
    pub(crate) fn start_in_dialog(
        &mut self,
        now: Now,
        owner: Owner,
        method: Method,
        dialog: &Dialog,
        request: Builder,
    ) {
        let draft = Draft { method, request, contact: None, forwards: MAX_FORWARDS };
        match self.dialog_way(dialog) {
            DialogWay::Step(step) => {
                self.send_along(now, owner, draft, VecDeque::from([step]));
            }
            DialogWay::Search(wanted, fallback) => {
                let errand = Errand::Request(owner, Box::new(draft), Some(fallback));
                self.search(now, wanted, Guide::default(), errand);
            }
            DialogWay::Closed => self.request_failed(now, owner, 503),
        }
    }

    /// The ACK of a 2xx, to wherever the dialog says.
    pub(crate) fn ack_in_dialog(&mut self, now: Now, call: CallId, dialog: &Dialog, cseq: u32) {
        match self.dialog_way(dialog) {
            DialogWay::Step(step) => self.send_ack(call, dialog, cseq, step),
            DialogWay::Search(wanted, fallback) => {
                // Until the name is known a repeat of the 2xx must find an ACK, or it would look like a second phone.
                self.make_ack(call, dialog, cseq, fallback.hop);
                let errand = Errand::Ack(call, Box::new(dialog.clone()), cseq);
                self.search(now, wanted, Guide::default(), errand);
            }
            DialogWay::Closed => {
                self.make_ack(call, dialog, cseq, dialog.next_hop());
            }
        }
    }

    fn send_ack(&mut self, call: CallId, dialog: &Dialog, cseq: u32, step: Step) {
        self.expect(step.hop, step.tls_name.as_deref());
        let bytes = self.make_ack(call, dialog, cseq, step.hop);
        self.transmit(step.hop, bytes);
    }

    fn dialog_way(&self, dialog: &Dialog) -> DialogWay {
        let usual = dialog.next_hop();
        let datagram = dialog.is_behind_nat();
        let step = Step { hop: usual, datagram, tls_name: None };
        let Some(wanted) = dialog.wanted() else { return DialogWay::Step(step) };
        let closed = wanted.secure && !self.config.listeners.iter().any(|l| l.transport == Transport::Tls);
        let DestinationHost::Ip(ip) = wanted.destination.host else {
            return if closed { DialogWay::Closed } else { DialogWay::Search(wanted, step) };
        };
        // An address: only the transport may be another one than before.
        let transport = match (wanted.transport, wanted.secure) {
            (_, true) => Transport::Tls,
            (Some(transport), false) => transport,
            (None, false) => usual.transport,
        };
        if transport == usual.transport {
            return DialogWay::Step(step);
        }
        let address = SocketAddr::new(ip, wanted.destination.port.unwrap_or(usual_port(transport)));
        match self.step_to(Place { transport, address }, &Guide::default()) {
            Some(step) => DialogWay::Step(step),
            None if closed => DialogWay::Closed,
            None => DialogWay::Step(step),
        }
    }

    pub(crate) fn step_to(&self, place: Place, guide: &Guide) -> Option<Step> {
        let Place { transport, address } = place;
        let listener = self.listener(transport, address, guide.listener.as_deref())?;
        let hop = Hop { transport, local: listener.local, remote: address, connection: None };
        let tls_name = guide.tls_name.clone().filter(|_| transport == Transport::Tls);
        Some(Step { hop, datagram: false, tls_name })
    }

    /// Our own listener that speaks this transport to this address; the named one, when one is named.
    fn listener(&self, transport: Transport, remote: SocketAddr, name: Option<&str>) -> Option<&Listener> {
        self.config.listeners.iter().find(|listener| {
            listener.transport == transport
                && listener.local.is_ipv4() == remote.is_ipv4()
                && name.is_none_or(|name| listener.name.as_deref() == Some(name))
        })
    }

    fn over_tcp(&self, hop: Hop) -> Option<Hop> {
        if hop.transport != Transport::Udp {
            return None;
        }
        let listener = self.listener(Transport::Tcp, hop.remote, None)?;
        Some(Hop { transport: Transport::Tcp, local: listener.local, ..hop })
    }

    fn abilities(&self, listener: Option<&str>) -> Abilities {
        let usable = self.config.listeners.iter().filter(|own| {
            !own.transport.is_websocket() && listener.is_none_or(|name| own.name.as_deref() == Some(name))
        });
        Abilities(usable.map(|own| (own.transport, own.local.is_ipv4())).collect())
    }

    fn stamp(&self, draft: &Draft, hop: Hop, branch: &str) -> Vec<u8> {
        let request = draft.request.clone();
        let request = match &draft.contact {
            Some(Contact::Here(scheme)) => request.header(Name::Contact, self.contact_as(hop, *scheme)),
            Some(Contact::User(user)) => request.header(Name::Contact, self.contact_of(user, hop)),
            None => request,
        };
        self.complete_within(request, hop, branch, draft.forwards).finish()
    }

    /// Tells the shell whose certificate it must find.
    fn expect(&mut self, hop: Hop, name: Option<&str>) {
        if let (Transport::Tls, None, Some(name)) = (hop.transport, hop.connection, name) {
            self.output.push_back(Output::Expect { remote: hop.remote, name: name.to_owned() });
        }
    }
}
