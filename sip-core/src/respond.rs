//! How our answers and requests look: what every one of them carries.

use std::net::SocketAddr;
use std::sync::Arc;

use model::{Ending, Now};

use crate::api::{CallId, Hop, Listener, Rejection, Transport};
use crate::call::explain;
use crate::message::{Builder, Message, Method, Name, Scheme, warning};
use crate::stack::Stack;
use crate::transaction::{ClientKey, Owner, ServerKey, TransactionId};

/// What we understand. RFC 3261 §20.5
const ALLOW: &str =
    "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, PRACK, UPDATE, REFER, SUBSCRIBE, NOTIFY, REGISTER, MESSAGE";
/// The same while nobody keeps messages.
const ALLOW_NO_MESSAGES: &str =
    "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, PRACK, UPDATE, REFER, SUBSCRIBE, NOTIFY, REGISTER";
/// The extensions that we speak: option tags of Supported, and what Require may name.
pub(crate) const SUPPORTED: &str = "100rel, timer, replaces, norefersub";
/// What Require of a REGISTER may name besides.
pub(crate) const REGISTRAR: [&str; 2] = ["path", "outbound"];
/// RFC 3261 §8.1.1.6
pub(crate) const MAX_FORWARDS: u8 = 70;
/// How many of us a call has come through. Not every B2BUA on the way counts Max-Forwards down.
pub(crate) const HOPS: &str = "X-Tandem-Hops";
pub(crate) const SDP: &str = "application/sdp";
/// The bodies in which we find a session description.
const BODIES: &str =
    "application/sdp, multipart/mixed, multipart/alternative, multipart/related, multipart/signed";

/// A final answer other than 2xx that carries nothing special.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) reason: Option<&'static str>,
}

impl Refusal {
    pub(crate) const fn new(status: u16) -> Self {
        Self { status, reason: None }
    }

    pub(crate) const fn because(status: u16, reason: &'static str) -> Self {
        Self { status, reason: Some(reason) }
    }
}

impl Stack {
    pub(crate) fn allow(&self) -> &'static str {
        if self.keeps_messages { ALLOW } else { ALLOW_NO_MESSAGES }
    }

    /// Begins an answer. `tag` goes into To when there is none.
    pub(crate) fn answer_to(&self, request: &Message, source: SocketAddr, status: u16, tag: &str) -> Builder {
        self.answer_with_reason(request, source, status, None, tag)
    }

    pub(crate) fn answer_with_reason(
        &self,
        request: &Message,
        source: SocketAddr,
        status: u16,
        reason: Option<&str>,
        tag: &str,
    ) -> Builder {
        let tag = (status > 100).then_some(tag);
        let answer =
            request.response(status, reason, source, tag).header(Name::Server, &self.config.server_name);
        match status {
            405 | 501 => answer.header(Name::Allow, self.allow()),
            // RFC 3261 §21.4.13
            415 => answer.header(Name::Accept, BODIES).header(Name::AcceptEncoding, "identity"),
            // RFC 3261 §21.4.26: why. We refuse descriptions for their formats.
            488 | 606 => {
                answer.header(Name::Warning, warning(305, &self.config.domain, "Incompatible media format"))
            }
            _ => answer,
        }
    }

    /// Refuses a request without keeping anything: its repeats get the same answer again. RFC 3261 §8.2.7
    pub(crate) fn refuse(&mut self, hop: Hop, request: &Message, refusal: Refusal, why: Option<Rejection>) {
        let tag = self.auth.stateless_tag(request);
        let answer = self.answer_with_reason(request, hop.remote, refusal.status, refusal.reason, &tag);
        self.send_stateless(hop, request, answer);
        if let Some(why) = why {
            self.rejected(hop, why);
        }
    }

    pub(crate) fn send_stateless(&mut self, hop: Hop, request: &Message, answer: Builder) {
        self.transmit(reply_hop(hop, request), Arc::from(answer.finish()));
    }

    /// Answers a request other than INVITE finally, in a transaction that catches its repeats.
    pub(crate) fn respond_once(
        &mut self,
        now: Now,
        hop: Hop,
        request: &Message,
        status: u16,
        answer: Builder,
    ) {
        let id = self.open_transaction(hop, request);
        self.respond(now, id, status, answer);
    }

    /// A transaction for a request other than INVITE.
    pub(crate) fn open_transaction(&mut self, hop: Hop, request: &Message) -> TransactionId {
        let (key, hop) = (ServerKey::of(request), reply_hop(hop, request));
        self.transactions.start_server(key, crate::transaction::MergeKey::of(request), hop)
    }

    pub(crate) fn respond(&mut self, now: Now, id: TransactionId, status: u16, answer: Builder) {
        let bytes = Arc::from(answer.finish());
        let (transactions, mut io) = self.split(now);
        transactions.respond(id, status, bytes, &mut io);
    }

    /// Sends the CANCEL of an INVITE; the two share a branch. RFC 3261 §9.1
    pub(crate) fn start_cancel(&mut self, now: Now, call: CallId, hop: Hop, invite: &Message, why: &Ending) {
        let branch = invite.via().branch().unwrap_or_default().to_vec();
        let key = ClientKey { branch, method: Method::Cancel };
        let bytes = Arc::from(explain(cancel_of(invite), why).finish());
        let (transactions, mut io) = self.split(now);
        transactions.start_client(key, Owner::Cancel(call), hop, bytes, &mut io);
    }

    pub(crate) fn complete(&self, request: Builder, hop: Hop, branch: &str) -> Builder {
        self.complete_within(request, hop, branch, MAX_FORWARDS)
    }

    /// The same for a request that may not go as far as it likes.
    pub(crate) fn complete_within(&self, request: Builder, hop: Hop, branch: &str, forwards: u8) -> Builder {
        let transport = hop.transport.via_name();
        // RFC 3581 §3; it does no harm on streams, where it means nothing.
        let via = format!("SIP/2.0/{transport} {};branch={branch};rport", self.advertised(hop));
        request
            .header(Name::Via, via)
            .header(Name::MaxForwards, forwards.to_string())
            .header(Name::UserAgent, &self.config.server_name)
    }

    /// Where the peer reaches us, as a Contact value.
    pub(crate) fn contact(&self, hop: Hop) -> String {
        self.contact_as(hop, Scheme::Sip)
    }

    /// The same in an answer: what was asked for by SIPS stays SIPS. RFC 3261 §12.1.1
    pub(crate) fn contact_for(&self, hop: Hop, request: &Message) -> String {
        let sips = request.request_uri().is_some_and(|uri| uri.scheme() == Scheme::Sips)
            || request
                .record_routes()
                .is_ok_and(|routes| routes.first().is_some_and(|route| route.uri().scheme() == Scheme::Sips));
        self.contact_as(hop, if sips { Scheme::Sips } else { Scheme::Sip })
    }

    pub(crate) fn contact_as(&self, hop: Hop, scheme: Scheme) -> String {
        if scheme == Scheme::Sips && hop.transport == Transport::Tls {
            return format!("<sips:{}>", self.advertised(hop));
        }
        let transport = match hop.transport {
            Transport::Udp => "",
            Transport::Tcp => ";transport=tcp",
            Transport::Tls => ";transport=tls",
            // RFC 7118 §5.2 knows one value for both.
            Transport::Ws | Transport::Wss => ";transport=ws",
        };
        format!("<sip:{}{transport}>", self.advertised(hop))
    }

    pub(crate) fn advertised(&self, hop: Hop) -> &str {
        let exact = |l: &&Listener| l.transport == hop.transport && l.local == hop.local;
        let family = |l: &&Listener| l.transport == hop.transport && l.local.is_ipv4() == hop.local.is_ipv4();
        let alike = |l: &&Listener| l.transport == hop.transport;
        let listeners = &self.config.listeners;
        let found = listeners.iter().find(exact);
        let found = found.or_else(|| listeners.iter().find(family));
        let found = found.or_else(|| listeners.iter().find(alike));
        found.map_or(self.config.domain.as_str(), |listener| listener.advertised.as_str())
    }
}

/// Where answers to a request go. RFC 3261 §18.2.2, RFC 3581 §4
pub(crate) fn reply_hop(hop: Hop, request: &Message) -> Hop {
    let via = request.via();
    match hop.transport {
        Transport::Udp if via.rport().is_none() => {
            Hop { remote: SocketAddr::new(hop.remote.ip(), via.port().unwrap_or(5060)), ..hop }
        }
        Transport::Udp | Transport::Tcp | Transport::Tls | Transport::Ws | Transport::Wss => hop,
    }
}

/// RFC 3261 §17.1.1.3. `None` when the INVITE holds so much of its peer's (routes, mostly) that we could not read it ourselves.
pub(crate) fn ack_of_refusal(invite: &[u8], response: &Message) -> Option<Arc<[u8]>> {
    let invite = Message::parse(invite).ok()?;
    let ack = again(&invite, Method::Ack).header(Name::To, response.to().raw());
    Some(Arc::from(ack.finish()))
}

fn cancel_of(invite: &Message) -> Builder {
    again(invite, Method::Cancel).copy(invite, Name::To)
}

/// A request on the way of an INVITE; To is still to be added.
fn again(invite: &Message, method: Method) -> Builder {
    let uri = invite.request_uri().expect("an INVITE is a request");
    let cseq = [invite.cseq().number.to_string().as_bytes(), b" ", method.as_bytes()].concat();
    Builder::request(&method, uri.raw())
        .header(Name::Via, invite.via().raw())
        .copy(invite, Name::Route)
        .header(Name::MaxForwards, "70")
        .copy(invite, Name::From)
        .copy(invite, Name::CallId)
        .header(Name::CSeq, cseq)
        .copy(invite, Name::UserAgent)
}
