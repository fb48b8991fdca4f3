//! The way of a request: what is a repeat, what belongs to a call, what a stranger may ask for.

use model::{Cause, Ending, Now};

use crate::api::{CallId, Hop, Output, Peer, Rejection};
use crate::auth::{NONCE_LIFETIME, Verdict};
use crate::message::{Host, Message, Method, Name};
use crate::respond::{REGISTRAR, Refusal, SDP, SUPPORTED};
use crate::stack::Stack;
use crate::subscription::ALLOW_EVENTS;
use crate::timer::Timer;
use crate::transaction::{AckFor, MergeKey, ServerKey};
use crate::validate;

impl Stack {
    pub(crate) fn receive_request(&mut self, now: Now, hop: Hop, request: &Message) {
        let key = ServerKey::of(request);
        if *request.method() == Method::Ack {
            return self.receive_ack(now, hop, &key, request);
        }
        let (transactions, mut io) = self.split(now);
        if transactions.on_repeat(&key, &mut io) {
            return;
        }
        if *request.method() == Method::Cancel {
            return self.receive_cancel(now, hop, &key, request);
        }
        if request.to_tag().is_some() {
            return self.receive_in_dialog(now, hop, request);
        }
        // RFC 3261 §8.2.2.2
        if MergeKey::of(request).is_some_and(|merge| self.transactions.is_merged(&merge)) {
            return self.refuse(hop, request, Refusal::new(482), None);
        }
        if let Err(refusal) = validate::target(request, hop) {
            return self.refuse(hop, request, refusal, Some(Rejection::BadRequest));
        }
        let begins = matches!(
            request.method(),
            Method::Options | Method::Subscribe | Method::Message | Method::Publish | Method::Refer
        );
        if self.draining && begins {
            return self.refuse_for_now(hop, request, Rejection::Overload);
        }
        match request.method() {
            Method::Invite => self.receive_invite(now, hop, key, request),
            Method::Register => self.receive_register(now, hop, request),
            Method::Options => {
                if self.refuses_extensions(hop, request) {
                    return;
                }
                let tag = self.auth.stateless_tag(request);
                let answer = self.capabilities(hop, request, &tag);
                self.send_stateless(hop, request, answer);
            }
            // These make sense in a dialog only.
            Method::Bye | Method::Prack | Method::Update | Method::Info | Method::Notify => {
                self.refuse(hop, request, Refusal::new(481), Some(Rejection::NotFound));
            }
            Method::Message => self.receive_message(now, hop, request),
            Method::Subscribe => self.receive_subscribe(now, hop, request),
            Method::Refer | Method::Publish => {
                self.refuse(hop, request, Refusal::new(405), None);
            }
            Method::Other(_) => self.refuse(hop, request, Refusal::new(501), None),
            Method::Ack | Method::Cancel => unreachable!("handled above"),
        }
    }

    /// Option tags that we would have to understand. RFC 3261 §8.2.2.3
    pub(crate) fn refuses_extensions(&mut self, hop: Hop, request: &Message) -> bool {
        let unsupported = match request.tokens(Name::Require) {
            Ok(tokens) => {
                let registers = *request.method() == Method::Register;
                let known = |token: &[u8]| {
                    SUPPORTED.split(", ").any(|known| known.as_bytes() == token)
                        || registers && REGISTRAR.iter().any(|known| known.as_bytes() == token)
                };
                let unknown = tokens.iter().filter(|token| !known(token)).map(<[u8]>::to_vec);
                unknown.collect::<Vec<_>>().join(&b", "[..])
            }
            Err(_) => {
                self.refuse(
                    hop,
                    request,
                    Refusal::because(400, "Bad Require Header"),
                    Some(Rejection::BadRequest),
                );
                return true;
            }
        };
        if unsupported.is_empty() {
            return false;
        }
        let tag = self.dialog_tag(request);
        let answer = self.answer_to(request, hop.remote, 420, &tag).header(Name::Unsupported, unsupported);
        self.send_stateless(hop, request, answer);
        true
    }

    /// Option tags that a caller has to understand: those of [`Stack::set_demanded_extensions`]. Browsers are let off: they speak by
    /// what our own console and widget bring along (JsSIP), which names no 100rel.
    pub(crate) fn misses_extensions(&mut self, hop: Hop, request: &Message) -> bool {
        if hop.transport.is_websocket() {
            return false;
        }
        let Some(extension) = validate::demanded(request, &self.demanded) else { return false };
        let tag = self.auth.stateless_tag(request);
        let answer = self.answer_to(request, hop.remote, 421, &tag).header(Name::Require, extension);
        self.send_stateless(hop, request, answer);
        true
    }

    /// The answer to OPTIONS. RFC 3261 §11.2
    pub(crate) fn capabilities(&self, hop: Hop, request: &Message, tag: &str) -> crate::message::Builder {
        self.answer_to(request, hop.remote, 200, tag)
            .header(Name::Contact, self.contact(hop))
            .header(Name::Supported, SUPPORTED)
            .header(Name::Allow, self.allow())
            .header(Name::AllowEvents, ALLOW_EVENTS)
            .header(Name::Accept, SDP)
            .header(Name::AcceptEncoding, "identity")
            .header(Name::AcceptLanguage, "en")
    }

    /// Whom we take the sender for. `None`: he has been answered already. Second: his credential is used up with this call.
    pub(crate) fn identify(&mut self, now: Now, hop: Hop, request: &Message) -> Option<(Peer, bool)> {
        if let Some(name) = self.trunk_of(hop, request) {
            return Some((Peer::Trunk { name }, false));
        }
        self.identify_by_digest(now, hop, request)
    }

    pub(crate) fn identify_by_digest(
        &mut self,
        now: Now,
        hop: Hop,
        request: &Message,
    ) -> Option<(Peer, bool)> {
        let credential = match self.auth.check(now, hop, request) {
            Verdict::Accepted(credential) => credential,
            Verdict::Challenge { stale } => {
                let tag = self.auth.stateless_tag(request);
                let answer = self.answer_to(request, hop.remote, 401, &tag);
                let answer = self.auth.challenge(now, stale, hop, request, answer);
                self.send_stateless(hop, request, answer);
                self.rejected(hop, Rejection::Unauthenticated);
                return None;
            }
            Verdict::Forbidden => {
                self.refuse(hop, request, Refusal::new(403), Some(Rejection::WrongPassword));
                return None;
            }
            Verdict::Malformed => {
                let refusal = Refusal::because(400, "Bad Authorization Header");
                self.refuse(hop, request, refusal, Some(Rejection::BadRequest));
                return None;
            }
        };
        self.output.push_back(Output::Authenticated { hop });
        if !self.timers.is_armed(Timer::Nonce) {
            self.timers.arm(Timer::Nonce, now.instant + NONCE_LIFETIME);
        }
        Some((Peer::User { aor: credential.aor, username: credential.username }, credential.one_time))
    }

    /// A carrier is known by its address, unless it claims to be one of us.
    pub(crate) fn trunk_of(&self, hop: Hop, request: &Message) -> Option<String> {
        if hop.transport.is_websocket() {
            return None;
        }
        let source = hop.remote.ip().to_canonical();
        let proved = hop.connection.and_then(|connection| self.tls_names.get(&connection));
        let trunk = self.trunks.iter().map(|entry| &entry.settings).find(|trunk| {
            let by_name = |wanted: &String| proved.is_some_and(|names| names.contains(wanted));
            trunk.sources.iter().any(|ip| ip.to_canonical() == source)
                || trunk.tls_name.as_ref().is_some_and(by_name)
        })?;
        let from = request.from().uri();
        let at_home = match from.host() {
            Some(Host::Name(name)) => name.eq_ignore_ascii_case(self.config.domain.as_bytes()),
            Some(Host::Ip(ip)) => self.config.domain.parse() == Ok(ip),
            None => false,
        };
        let is_ours = at_home && self.auth.is_own_user(&from.user_text());
        (!is_ours).then(|| trunk.name.clone())
    }

    fn receive_ack(&mut self, now: Now, hop: Hop, key: &ServerKey, ack: &Message) {
        let (transactions, mut io) = self.split(now);
        match transactions.on_ack(key, &mut io) {
            Some(AckFor::Transaction) => return,
            Some(AckFor::User) | None => {}
        }
        if let Some(call) = self.calls.find(ack) {
            return self.acknowledged(now, call, ack);
        }
        // The ACK of a refusal that left nothing behind.
        let ours = self.auth.stateless_tag(ack);
        if ack.to_tag() != Some(ours.as_bytes()) {
            self.rejected(hop, Rejection::StrayAck);
        }
    }

    /// RFC 3261 §9.2
    fn receive_cancel(&mut self, now: Now, hop: Hop, key: &ServerKey, cancel: &Message) {
        let Some((invite, pending, call)) = self.transactions.find_invite(&key.cancelled()) else {
            return self.refuse(hop, cancel, Refusal::new(481), Some(Rejection::NotFound));
        };
        let tag = self.calls.get(call).map_or_else(|| self.random.tag(), |call| call.local_tag.clone());
        let answer = self.answer_to(cancel, hop.remote, 200, &tag);
        self.respond_once(now, hop, cancel, 200, answer);
        if !pending {
            return;
        }
        if self.cancel_offer(now, call, invite) {
            return;
        }
        let Some(by) = self.calls.get(call).map(|call| call.far.side) else { return };
        self.refuse_incoming(now, call, 487, None);
        let q850 = crate::call::q850_in(cancel);
        self.end(now, call, Ending::with_status(Cause::Cancelled, by, 487).and_q850(q850));
    }

    fn receive_in_dialog(&mut self, now: Now, hop: Hop, request: &Message) {
        let Some(id) = self.calls.find(request) else {
            if let Some(subscription) = self.subscriptions.find(request) {
                return self.receive_resubscribe(now, hop, subscription, request);
            }
            return self.refuse(hop, request, Refusal::new(481), Some(Rejection::NotFound));
        };
        if self.refuses_extensions(hop, request) {
            return;
        }
        // RFC 3261 §12.2.2
        if !self.calls.advance_cseq(id, request) {
            return self.refuse(hop, request, Refusal::because(500, "CSeq Out Of Order"), None);
        }
        match request.method() {
            Method::Bye => self.receive_bye(now, hop, id, request),
            Method::Invite => self.receive_reinvite(now, hop, id, request),
            Method::Update => self.receive_update(now, hop, id, request),
            Method::Prack => self.receive_prack(now, hop, id, request),
            Method::Info => self.receive_info(now, hop, id, request),
            Method::Message => self.receive_message_in(now, hop, id, request),
            Method::Refer => self.receive_refer(now, hop, id, request),
            Method::Notify => self.receive_notify(now, hop, id, request),
            Method::Options => {
                let answer = self.capabilities(hop, request, &self.dialog_tag(request));
                self.respond_once(now, hop, request, 200, answer);
            }
            Method::Other(_) => self.refuse_once(now, hop, request, 501),
            Method::Register | Method::Subscribe | Method::Publish => {
                self.refuse_once(now, hop, request, 405)
            }
            Method::Ack | Method::Cancel => unreachable!("handled above"),
        }
    }

    pub(crate) fn refuse_once(&mut self, now: Now, hop: Hop, request: &Message, status: u16) {
        let answer = self.answer_to(request, hop.remote, status, &self.dialog_tag(request));
        self.respond_once(now, hop, request, status, answer);
    }

    fn receive_info(&mut self, now: Now, hop: Hop, call: CallId, request: &Message) {
        let content_type = match request.content_type() {
            Ok(content_type) => content_type.map(|content_type| content_type.media_type()),
            Err(_) => return self.refuse_once(now, hop, request, 400),
        };
        self.refuse_once(now, hop, request, 200);
        if let (Some(content_type), false) = (content_type, request.body().is_empty()) {
            let body = request.body().to_vec();
            self.emit(call, crate::api::Event::Info { call, content_type, body });
        }
    }

    /// The tag that To has already, or that a stateless answer puts there.
    fn dialog_tag(&self, request: &Message) -> String {
        self.auth.stateless_tag(request)
    }
}
