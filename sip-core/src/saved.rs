//! Registrations outlive a restart: each change of a binding that can be reached without its connection is put out, to be
//! stored, and comes back in with [`Stack::restore_binding`].

use std::net::SocketAddr;
use std::time::Duration;

use model::{Now, Timestamp};

use crate::api::{Binding, Event, Hop, Output, Transport};
use crate::dialog::address;
use crate::message::UriBuf;
use crate::registrar::Entry;
use crate::stack::Stack;
use crate::timer::Timer;

/// A registered contact as it is stored. `aor` and `contact` together tell it from all others.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SavedBinding {
    pub aor: String,
    pub username: String,
    /// A SIP URI.
    pub contact: String,
    /// `+sip.instance`, as it was written between the quotes.
    pub instance: Option<String>,
    pub reg_id: Option<u32>,
    /// Preference in thousandths.
    pub q: u16,
    /// SIP URIs, the nearest first. RFC 3327
    pub path: Vec<String>,
    pub call_id: String,
    pub cseq: u32,
    pub transport: Transport,
    pub local: SocketAddr,
    pub remote: SocketAddr,
    pub user_agent: Option<String>,
    pub expires: Timestamp,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BindingChange {
    /// New, or refreshed.
    Put(Box<SavedBinding>),
    Gone {
        aor: String,
        contact: String,
    },
}

impl Stack {
    /// Takes back what a [`BindingChange::Put`] gave out. Nothing comes of one that has expired, whose account is gone, or that is
    /// registered again already.
    pub fn restore_binding(&mut self, now: Now, saved: SavedBinding) {
        let left = saved.expires.saturating_since(now.wall).min(self.config.max_expires);
        let Ok(uri) = UriBuf::parse(saved.contact.as_bytes()) else { return };
        let known = self.registrar.of_aor(&saved.aor).any(|entry| entry.uri.get().same_as(&uri.get()));
        if left.is_zero() || known || !self.auth.knows(&saved.username, &saved.aor) {
            return;
        }
        let Ok(path) = saved.path.iter().map(|uri| UriBuf::parse(uri.as_bytes())).collect() else { return };
        let id = self.registrar.next_id();
        let SavedBinding { aor, username, contact, transport, local, remote, user_agent, q, .. } = saved;
        let hop = Hop { transport, local, remote, connection: None };
        let binding = Binding { id, aor, contact, hop, user_agent, username, q };
        let expires = now.instant + left;
        self.timers.arm(Timer::Binding(id), expires);
        self.registrar.put(Entry {
            binding: binding.clone(),
            uri,
            instance: saved.instance.map(String::into_bytes),
            reg_id: saved.reg_id,
            path,
            call_id: saved.call_id.into_bytes(),
            cseq: saved.cseq,
            expires,
        });
        // Its keep-alives are no stranger's questions. Over TCP it will come from another port than that which is known.
        if !hop.transport.is_stream() {
            self.output.push_back(Output::Authenticated { hop });
        }
        self.output.push_back(Output::Event(Event::Registered(binding)));
    }

    pub(crate) fn save_binding(&mut self, now: Now, entry: &Entry) {
        let Some(remote) = lasting_address(entry) else { return };
        let left: Duration = entry.expires.saturating_since(now.instant);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let Binding { aor, username, contact, hop, user_agent, q, .. } = entry.binding.clone();
        let saved = SavedBinding {
            aor,
            username,
            contact,
            instance: entry.instance.as_deref().map(text),
            reg_id: entry.reg_id,
            q,
            path: entry.path.iter().map(|uri| text(uri.as_bytes())).collect(),
            call_id: text(&entry.call_id),
            cseq: entry.cseq,
            transport: hop.transport,
            local: hop.local,
            remote,
            user_agent,
            expires: now.wall + left,
        };
        self.output.push_back(Output::Binding(BindingChange::Put(Box::new(saved))));
    }

    pub(crate) fn forget_binding(&mut self, entry: &Entry) {
        if lasting_address(entry).is_some() {
            let (aor, contact) = (entry.binding.aor.clone(), entry.binding.contact.clone());
            self.output.push_back(Output::Binding(BindingChange::Gone { aor, contact }));
        }
    }
}

/// Where the contact can be reached when nothing of its connection is left. `None`: nowhere.
fn lasting_address(entry: &Entry) -> Option<SocketAddr> {
    let hop = entry.binding.hop;
    match hop.transport {
        Transport::Udp => Some(hop.remote),
        // RFC 5626 §5.3: it has a flow, and is to be reached by that alone.
        Transport::Tcp if entry.reg_id.is_some() => None,
        // Behind a NAT nobody could connect to it.
        Transport::Tcp => {
            address(&entry.uri.get()).filter(|contact| contact.ip() == hop.remote.ip().to_canonical())
        }
        // RFC 7118 §5
        Transport::Tls | Transport::Ws | Transport::Wss => None,
    }
}
