//! REGISTER. RFC 3261 §10.3

use std::time::Duration;

use model::Now;

use crate::api::{Binding, BindingId, Event, Hop, Peer, Rejection, Transport};
use crate::flow::{registers_flow, speaks};
use crate::message::{Contacts, Message, Name, NameAddr, Scheme, UriBuf, text};
use crate::registrar::Entry;
use crate::respond::Refusal;
use crate::stack::Stack;
use crate::timer::Timer;

/// A REGISTER by whom it is allowed to.
struct Registration<'a> {
    hop: Hop,
    request: &'a Message,
    aor: &'a str,
    username: &'a str,
    path: &'a [UriBuf],
}

/// What it asks for one contact.
struct Wish {
    uri: UriBuf,
    instance: Option<Vec<u8>>,
    reg_id: Option<u32>,
    /// In thousandths.
    q: u16,
    /// Zero: remove it.
    lifetime: Duration,
}

impl Stack {
    pub(crate) fn receive_register(&mut self, now: Now, hop: Hop, request: &Message) {
        let (aor, username) = match self.identify_user(now, hop, request) {
            Some(user) => user,
            None => return,
        };
        if self.refuses_extensions(hop, request) {
            return;
        }
        // RFC 3261 §10.3 item 5: the address of record must be his own. Nobody registers for somebody else.
        if request.to().uri().user_text() != aor || request.from().uri().user_text() != aor {
            return self.refuse(hop, request, Refusal::new(403), Some(Rejection::Forbidden));
        }
        let path = match self.path_of(request) {
            Ok(path) => path,
            Err(refusal) => {
                let status = refusal.status;
                let tag = self.random.tag();
                let mut answer = self.answer_with_reason(request, hop.remote, status, refusal.reason, &tag);
                if status == 421 {
                    answer = answer.header(Name::Require, "path");
                }
                return self.respond_once(now, hop, request, status, answer);
            }
        };
        let flow = match registers_flow(hop, request) {
            Ok(flow) => flow,
            Err(refusal) => return self.refuse(hop, request, refusal, None),
        };
        let outcome = match request.contacts() {
            Ok(Contacts::Any) => self.unregister_all(request, &aor).map(|()| false),
            Ok(Contacts::List(contacts)) => {
                let asked = Registration { hop, request, aor: &aor, username: &username, path: &path };
                self.register_all(now, &asked, &contacts, flow)
            }
            Err(_) => Err(Refusal::because(400, "Bad Contact Header")),
        };
        let tag = self.random.tag();
        match outcome {
            Ok(flow) => {
                let mut answer = self.answer_to(request, hop.remote, 200, &tag);
                for entry in self.registrar.of_aor(&aor) {
                    let left = entry.expires.saturating_since(now.instant).as_secs();
                    let mut contact = [b"<", entry.uri.as_bytes(), b">"].concat();
                    if entry.binding.q != MOST_LIKED {
                        contact.extend(format!(";q=0.{:03}", entry.binding.q).bytes());
                    }
                    if let (Some(instance), Some(reg_id)) = (&entry.instance, entry.reg_id) {
                        contact.extend(b";+sip.instance=\"");
                        contact.extend(instance.iter().filter(|c| **c != b'"' && **c != b'\\'));
                        contact.extend(format!("\";reg-id={reg_id}").bytes());
                    }
                    contact.extend(format!(";expires={left}").bytes());
                    answer = answer.header(Name::Contact, contact);
                }
                // RFC 3327 §5.3
                answer = answer.copy(request, Name::Path);
                if flow {
                    answer = self.grant_flow(hop, request, answer);
                } else {
                    self.end_watch(hop);
                }
                self.respond_once(now, hop, request, 200, answer);
            }
            Err(refusal) => {
                let Refusal { status, reason } = refusal;
                let mut answer = self.answer_with_reason(request, hop.remote, status, reason, &tag);
                if status == 423 {
                    answer = answer.header(Name::MinExpires, self.config.min_expires.as_secs().to_string());
                }
                self.respond_once(now, hop, request, status, answer);
            }
        }
    }

    pub(crate) fn unregister(&mut self, id: BindingId) {
        self.timers.disarm(Timer::Binding(id));
        if let Some(entry) = self.registrar.remove(id) {
            self.forget_binding(&entry);
            self.output.push_back(crate::api::Output::Event(Event::Unregistered(entry.binding)));
        }
    }

    /// Address of record and username. A trunk's address is no reason to let it register.
    fn identify_user(&mut self, now: Now, hop: Hop, request: &Message) -> Option<(String, String)> {
        match self.identify_by_digest(now, hop, request)? {
            (Peer::User { aor, username }, false) => Some((aor, username)),
            (Peer::User { .. } | Peer::Trunk { .. }, _) => {
                self.refuse(hop, request, Refusal::new(403), Some(Rejection::Forbidden));
                None
            }
        }
    }

    fn unregister_all(&mut self, request: &Message, aor: &str) -> Result<(), Refusal> {
        // RFC 3261 §10.2.2
        if request.expires() != Ok(Some(0)) {
            return Err(Refusal::because(400, "Contact * Needs Expires 0"));
        }
        let entries: Vec<_> = self.registrar.of_aor(aor).collect();
        if entries.iter().any(|entry| is_old(entry, request)) {
            return Err(OUT_OF_ORDER);
        }
        let ids: Vec<_> = entries.iter().map(|entry| entry.binding.id).collect();
        ids.into_iter().for_each(|id| self.unregister(id));
        Ok(())
    }

    /// The proxies between us and the phone, the nearest to us first. RFC 3327
    fn path_of(&self, request: &Message) -> Result<Vec<UriBuf>, Refusal> {
        let Ok(path) = request.addresses(Name::Path) else {
            return Err(Refusal::because(400, "Bad Path Header"));
        };
        if path.is_empty() {
            return Ok(Vec::new());
        }
        if !speaks(request, "path") {
            return Err(Refusal::new(421));
        }
        if path.len() > MAX_PATH {
            return Err(Refusal::because(400, "Path Too Long"));
        }
        Ok(path.iter().map(|hop| UriBuf::from(hop.uri())).collect())
    }

    /// All of them or none; says whether a flow is among those that stay. RFC 3261 §10.3 item 7
    fn register_all(
        &mut self,
        now: Now,
        asked: &Registration<'_>,
        contacts: &[NameAddr<'_>],
        flow: bool,
    ) -> Result<bool, Refusal> {
        let request = asked.request;
        let wishes = contacts
            .iter()
            .map(|contact| self.wish(asked.hop.transport, request, contact, flow))
            .collect::<Result<Vec<_>, _>>()?;
        let entries: Vec<_> = self.registrar.of_aor(asked.aor).collect();
        let mut fresh = 0;
        for wish in &wishes {
            let meant: Vec<_> = entries.iter().filter(|entry| is_about(entry, wish)).collect();
            if meant.iter().any(|entry| is_old(entry, request)) {
                return Err(OUT_OF_ORDER);
            }
            fresh += usize::from(meant.is_empty() && !wish.lifetime.is_zero());
        }
        if fresh > 0 && entries.len() + fresh > self.config.max_bindings {
            return Err(Refusal::because(403, "Too Many Contacts"));
        }
        let granted = wishes.iter().any(|wish| wish.reg_id.is_some() && !wish.lifetime.is_zero());
        for wish in wishes {
            self.grant(now, asked, wish);
        }
        Ok(granted)
    }

    fn wish(
        &self,
        transport: Transport,
        request: &Message,
        contact: &NameAddr<'_>,
        flow: bool,
    ) -> Result<Wish, Refusal> {
        match contact.uri().scheme() {
            Scheme::Sip => {}
            // RFC 3261 §26.2.2: what came without TLS cannot be reached by TLS alone.
            Scheme::Sips if transport.is_secure() => {}
            Scheme::Sips => return Err(Refusal::because(400, "SIPS Contact Without TLS")),
            Scheme::Tel | Scheme::Other => return Err(Refusal::because(400, "Contact Is No SIP URI")),
        }
        // RFC 3261 §10.2.1.1: what is malformed or absent means the default.
        let general = request.expires().ok().flatten();
        let lifetime = match contact.expires().or(general) {
            Some(seconds) => Duration::from_secs(seconds.into()).min(self.config.max_expires),
            None => self.config.max_expires,
        };
        if !lifetime.is_zero() && lifetime < self.config.min_expires {
            return Err(Refusal::new(423));
        }
        let instance = contact.params().unquoted("+sip.instance").map(|id| id.into_owned());
        // RFC 5626 §6: without an instance, or a flow that we grant, it says nothing.
        let reg_id = contact
            .params()
            .get("reg-id")
            .and_then(|id| std::str::from_utf8(id).ok()?.parse().ok())
            .filter(|id| *id > 0 && flow && instance.is_some());
        Ok(Wish {
            uri: contact.uri().into(),
            instance,
            reg_id,
            q: contact.q().unwrap_or(MOST_LIKED),
            lifetime,
        })
    }

    fn grant(&mut self, now: Now, asked: &Registration<'_>, wish: Wish) {
        let &Registration { hop, request, aor, username, path } = asked;
        let mut same = None;
        let meant: Vec<BindingId> = self
            .registrar
            .of_aor(aor)
            .filter(|entry| is_about(entry, &wish))
            .map(|entry| {
                let refreshed = entry.uri.get().same_as(&wish.uri.get())
                    && entry.binding.hop.connection == hop.connection
                    && entry.binding.hop.transport == hop.transport;
                if refreshed && !wish.lifetime.is_zero() {
                    same = Some(entry.binding.id);
                }
                entry.binding.id
            })
            .collect();
        meant.into_iter().filter(|id| Some(*id) != same).for_each(|id| self.unregister(id));
        if wish.lifetime.is_zero() {
            return;
        }
        let id = same.unwrap_or_else(|| self.registrar.next_id());
        let binding = Binding {
            id,
            aor: aor.to_owned(),
            contact: text(wish.uri.as_bytes()),
            hop,
            user_agent: request.text(Name::UserAgent),
            username: username.to_owned(),
            q: wish.q,
        };
        let expires = now.instant + wish.lifetime;
        self.timers.arm(Timer::Binding(id), expires);
        let entry = Entry {
            binding: binding.clone(),
            uri: wish.uri,
            instance: wish.instance,
            reg_id: wish.reg_id,
            path: path.to_vec(),
            call_id: request.call_id().to_vec(),
            cseq: request.cseq().number,
            expires,
        };
        self.save_binding(now, &entry);
        self.registrar.put(entry);
        if same.is_none() {
            self.output.push_back(crate::api::Output::Event(Event::Registered(binding)));
        }
    }
}

/// What a contact without `q` counts as, in thousandths.
const MOST_LIKED: u16 = 1000;
const MAX_PATH: usize = 8;
const OUT_OF_ORDER: Refusal = Refusal::because(500, "CSeq Out Of Order");

/// The same address, or the same device (and the same of its ways to us, if it has several) at another one. RFC 5626 §6
fn is_about(entry: &Entry, wish: &Wish) -> bool {
    let other_way = entry.reg_id.is_some() && wish.reg_id.is_some() && entry.reg_id != wish.reg_id;
    let same_device = wish.instance.is_some() && entry.instance == wish.instance;
    let same_address = entry.uri.get().same_as(&wish.uri.get());
    (same_device || same_address) && !other_way
}

fn is_old(entry: &Entry, request: &Message) -> bool {
    entry.call_id == request.call_id() && request.cseq().number <= entry.cseq
}
