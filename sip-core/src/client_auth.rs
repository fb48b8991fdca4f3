//! Challenges of carriers to our own requests, and our answers. RFC 3261 §22.2, RFC 8760 §2.4
//!
//! Invariants: only what went to a trunk that has an account is ever answered, and only for that account's realm when it names one;
//! credentials that were refused are not tried again; a request goes out three times at most to each place that it is tried at.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use model::Now;

use crate::api::{Account, Hop};
use crate::call::{Call, Exchange, Ours};
use crate::digest::{self, Algorithm};
use crate::message::{Builder, Credentials, Message, Method, Name, text};
use crate::respond::MAX_FORWARDS;
use crate::stack::Stack;
use crate::transaction::{ClientKey, Owner, TransactionId};
use crate::trunk::TrunkId;
use crate::way::{Draft, Step};

/// Answers to challenges within one request: a proxy's and a registrar's, or one and its repeat after `stale`.
const MAX_TRIES: u8 = 2;

/// A request of ours as it went out.
pub(crate) struct Asked {
    pub(crate) hop: Hop,
    pub(crate) bytes: Arc<[u8]>,
    /// How many challenges were answered on the way to it.
    pub(crate) tries: u8,
}

/// A header that carries our credentials.
pub(crate) type Proof = (Name, String);

impl Stack {
    /// Sends the request again with credentials; `others` are the places that are left for it. False: the challenge stays unanswered
    /// and is the last word.
    pub(crate) fn answer_challenge(
        &mut self,
        now: Now,
        owner: Owner,
        asked: &Asked,
        response: &Message,
        others: Option<(Draft, VecDeque<Step>)>,
    ) -> bool {
        if asked.tries >= MAX_TRIES {
            return false;
        }
        let Some(trunk) = self.challenged_trunk(owner) else { return false };
        let Some(account) = self.trunks.get(trunk).and_then(|entry| entry.settings.account.clone()) else {
            return false;
        };
        let Ok(request) = Message::parse(&asked.bytes) else { return false };
        let cnonce = self.random.tag();
        let Some(proof) = prove(&account, response, &request, &cnonce) else { return false };
        let cseq = self.next_cseq(owner, &request);
        let branch = self.random.branch();
        let forwards = request.max_forwards().unwrap_or(MAX_FORWARDS);
        let again = proved(&request, cseq, &proof);
        let again = self.complete_within(again, asked.hop, &branch, forwards).finish();
        let Ok(again) = Message::parse(&again) else { return false };
        let key = ClientKey { branch: branch.into_bytes(), method: request.method().clone() };
        let (transactions, mut io) = self.split(now);
        let id = transactions.start_client(key, owner, asked.hop, again.shared_bytes(), &mut io);
        transactions.set_tries(id, asked.tries + 1);
        self.request_renewed(owner, id, request.cseq().number, again);
        if let Some((draft, steps)) = others {
            // Another place asks for itself: what this one was told would be taken for a password that it has refused.
            let stamped = draft.contact.is_some();
            let left_out = |name| is_proof(name) || stamped && name == Name::Contact;
            let draft = Draft { request: renewed(&request, cseq, left_out), ..draft };
            self.keep_places(now, owner, id, draft, steps);
        }
        true
    }

    /// The number of a request that is sent again. Others may have gone out in its dialog meanwhile.
    fn next_cseq(&mut self, owner: Owner, request: &Message) -> u32 {
        let call = owner.call().and_then(|call| self.calls.get_mut(call));
        let used = call
            .and_then(|call| call.exchange_of(request.to_tag()))
            .map_or(0, |exchange| exchange.dialog.local_cseq);
        used.max(request.cseq().number) + 1
    }

    /// The carrier that may ask for credentials in answer to this.
    fn challenged_trunk(&self, owner: Owner) -> Option<TrunkId> {
        let of_call = |call: &Call| call.carrier.as_ref().map(|carrier| carrier.trunk);
        match owner {
            Owner::Invite(call) => self.calls.get(call).filter(|call| call.wants_answer()).and_then(of_call),
            Owner::Reinvite(call)
            | Owner::Update(call)
            | Owner::Prack(call)
            | Owner::Said(call)
            | Owner::Refer(call)
            | Owner::Notify(call) => self.calls.get(call).filter(|call| !call.ended).and_then(of_call),
            Owner::Bye(call) => self.calls.get(call).and_then(of_call),
            // RFC 3261 §22.1: a CANCEL cannot be sent again. Subscribers are our own users.
            Owner::Cancel(_) | Owner::Subscription(_) => None,
            Owner::Message(message) => self.trunks.carries(message),
            Owner::Register(trunk) | Owner::Options(trunk) => Some(trunk),
        }
    }

    /// A request goes on under another number than `before`.
    fn request_renewed(&mut self, owner: Owner, id: TransactionId, before: u32, request: Message) {
        let cseq = request.cseq().number;
        match owner {
            Owner::Invite(call)
            | Owner::Reinvite(call)
            | Owner::Update(call)
            | Owner::Prack(call)
            | Owner::Said(call)
            | Owner::Refer(call)
            | Owner::Notify(call)
            | Owner::Bye(call) => {
                let Some(call) = self.calls.get_mut(call) else { return };
                if *request.method() == Method::Invite
                    && let Some(carrier) = &mut call.carrier
                {
                    carrier.proofs = proofs_of(&request);
                }
                if matches!(owner, Owner::Invite(_)) {
                    call.invite_renewed(id, request);
                } else if let Some(Exchange { dialog, ours, .. }) = call.exchange_of(request.to_tag()) {
                    dialog.local_cseq = cseq;
                    match ours {
                        Ours::Sent(asked) if asked.cseq == before && asked.method == *request.method() => {
                            asked.cseq = cseq;
                        }
                        Ours::Sent(_) | Ours::Waiting(_) | Ours::None => {}
                    }
                }
            }
            Owner::Cancel(_) | Owner::Message(_) | Owner::Subscription(_) => {}
            Owner::Register(trunk) => {
                if let Some(entry) = self.trunks.get_mut(trunk) {
                    entry.registered.cseq = cseq;
                }
            }
            Owner::Options(_) => {}
        }
    }
}

/// What the ACK of a 2xx must carry, too. RFC 3261 §13.2.2.4
fn proofs_of(invite: &Message) -> Vec<Proof> {
    invite
        .headers()
        .filter(|header| is_proof(header.id))
        .map(|header| (header.id, text(header.value)))
        .collect()
}

/// Answers the strongest challenge that we can. `None` when there is none for us, or ours was refused before.
fn prove(account: &Account, response: &Message, request: &Message, cnonce: &str) -> Option<Proof> {
    let (asks, proves) = match response.status()? {
        401 => (Name::WwwAuthenticate, Name::Authorization),
        407 => (Name::ProxyAuthenticate, Name::ProxyAuthorization),
        _ => return None,
    };
    let is_for_us = |challenge: &Credentials<'_>| {
        account
            .realm
            .as_ref()
            .is_none_or(|realm| challenge.get("realm").is_some_and(|r| *r == *realm.as_bytes()))
    };
    let refused = |challenge: &Credentials<'_>| {
        let stale = challenge.get("stale").is_some_and(|stale| stale.eq_ignore_ascii_case(b"true"));
        !stale && request.credentials(proves).any(|sent| sent.get("realm") == challenge.get("realm"))
    };
    let uri = text(request.request_uri()?.raw());
    let asked = digest::Request { method: request.method(), uri: &uri, body: request.body() };
    let login = digest::Login { username: &account.username, password: account.password.reveal() };
    let mut best: Option<(Algorithm, String)> = None;
    for challenge in response.credentials(asks).filter(is_for_us) {
        if refused(&challenge) {
            return None;
        }
        let Some(algorithm) = Algorithm::of(&challenge) else { continue };
        if best.as_ref().is_some_and(|(known, _)| *known >= algorithm) {
            continue;
        }
        if let Some(answer) = digest::respond(&challenge, &asked, &login, cnonce, 1) {
            best = Some((algorithm, answer));
        }
    }
    best.map(|(_, answer)| (proves, answer))
}

/// The same request with the next number and credentials; Via, Max-Forwards and User-Agent are still to be added. RFC 3261 §22.2
fn proved(request: &Message, cseq: u32, proof: &Proof) -> Builder {
    let again = renewed(request, cseq, |name| name == proof.0);
    // What another realm asked for stays.
    keep_other_realms(again, request, proof).header(proof.0, &proof.1)
}

fn is_proof(name: Name) -> bool {
    matches!(name, Name::Authorization | Name::ProxyAuthorization)
}

/// The same request with the next number, less what is `left_out` and what every request gets anew.
fn renewed(request: &Message, cseq: u32, left_out: impl Fn(Name) -> bool) -> Builder {
    let uri = request.request_uri().map(|uri| uri.raw().to_vec()).unwrap_or_default();
    let mut again = Builder::request(request.method(), &uri);
    let ids: BTreeSet<Name> = request.headers().map(|header| header.id).collect();
    for id in ids {
        again = match id {
            Name::Via
            | Name::MaxForwards
            | Name::UserAgent
            | Name::CSeq
            | Name::ContentType
            | Name::ContentLength
            | Name::Other => again,
            id if left_out(id) => again,
            id => again.copy(request, id),
        };
    }
    for header in request.headers().filter(|header| header.id == Name::Other) {
        if let Ok(more) = again.clone().extension(&text(header.name), &text(header.value)) {
            again = more;
        }
    }
    let content_type = request.header(Name::ContentType).map(text).unwrap_or_default();
    again
        .header(Name::CSeq, [cseq.to_string().as_bytes(), b" ", request.method().as_bytes()].concat())
        .body(&content_type, request.body())
}

fn keep_other_realms(mut again: Builder, request: &Message, (name, answer): &Proof) -> Builder {
    let ours = Credentials::parse(answer.as_bytes()).ok();
    let realm = ours.as_ref().and_then(|ours| ours.get("realm"));
    for header in request.headers().filter(|header| header.id == *name) {
        let kept = Credentials::parse(header.value).is_ok_and(|sent| sent.get("realm") != realm);
        if kept {
            again = again.header(*name, header.value);
        }
    }
    again
}
