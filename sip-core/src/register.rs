//! REGISTER. RFC 3261 §10.3

use std::time::Duration;

use model::{Instant, Now};

use crate::api::{Binding, BindingId, Event, Hop, Peer, Rejection};
use crate::message::{Contacts, Message, Name, NameAddr, Scheme, UriBuf, text};
use crate::registrar::Entry;
use crate::respond::Refusal;
use crate::stack::Stack;
use crate::timer::Timer;

/// What a REGISTER asks for one contact.
struct Wish {
    uri: UriBuf,
    instance: Option<Vec<u8>>,
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
        // RFC 3261 §10.3 item 5: the address of record must be his own.
        if request.to().uri().user_text() != aor {
            return self.refuse(hop, request, Refusal::new(403), Some(Rejection::Forbidden));
        }
        let outcome = match request.contacts() {
            Ok(Contacts::Any) => self.unregister_all(request, &aor),
            Ok(Contacts::List(contacts)) => self.register_all(now, hop, request, &aor, &username, &contacts),
            Err(_) => Err(Refusal::because(400, "Bad Contact Header")),
        };
        let tag = self.random.tag();
        match outcome {
            Ok(()) => {
                let mut answer = self.answer_to(request, hop.remote, 200, &tag);
                for entry in self.registrar.of_aor(&aor) {
                    let left = entry.expires.saturating_since(now.instant).as_secs();
                    let expires = format!(">;expires={left}");
                    let contact = [b"<", entry.uri.as_bytes(), expires.as_bytes()].concat();
                    answer = answer.header(Name::Contact, contact);
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
        if let Some(binding) = self.registrar.remove(id) {
            self.output.push_back(crate::api::Output::Event(Event::Unregistered(binding)));
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

    /// All of them or none. RFC 3261 §10.3 item 7
    fn register_all(
        &mut self,
        now: Now,
        hop: Hop,
        request: &Message,
        aor: &str,
        username: &str,
        contacts: &[NameAddr<'_>],
    ) -> Result<(), Refusal> {
        let wishes = contacts.iter().map(|c| self.wish(request, c)).collect::<Result<Vec<_>, _>>()?;
        let entries: Vec<_> = self.registrar.of_aor(aor).collect();
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
        for wish in wishes {
            self.grant(now.instant, hop, request, aor, username, wish);
        }
        Ok(())
    }

    fn wish(&self, request: &Message, contact: &NameAddr<'_>) -> Result<Wish, Refusal> {
        if contact.uri().scheme() != Scheme::Sip {
            return Err(Refusal::because(400, "Contact Is No SIP URI"));
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
        Ok(Wish { uri: contact.uri().into(), instance, lifetime })
    }

    fn grant(&mut self, now: Instant, hop: Hop, request: &Message, aor: &str, username: &str, wish: Wish) {
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
        };
        let expires = now + wish.lifetime;
        self.timers.arm(Timer::Binding(id), expires);
        self.registrar.put(Entry {
            binding: binding.clone(),
            uri: wish.uri,
            instance: wish.instance,
            path: Vec::new(),
            call_id: request.call_id().to_vec(),
            cseq: request.cseq().number,
            expires,
        });
        if same.is_none() {
            self.output.push_back(crate::api::Output::Event(Event::Registered(binding)));
        }
    }
}

const OUT_OF_ORDER: Refusal = Refusal::because(500, "CSeq Out Of Order");

/// The same address, or the same device at another one.
fn is_about(entry: &Entry, wish: &Wish) -> bool {
    entry.uri.get().same_as(&wish.uri.get()) || (wish.instance.is_some() && entry.instance == wish.instance)
}

fn is_old(entry: &Entry, request: &Message) -> bool {
    entry.call_id == request.call_id() && request.cseq().number <= entry.cseq
}
