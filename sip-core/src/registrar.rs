//! Who is where: the contacts of each address of record. RFC 3261 §10

use std::collections::{BTreeMap, BTreeSet};

use model::Instant;

use crate::api::{Binding, BindingId, ConnectionId};
use crate::message::UriBuf;

#[derive(Default, Debug)]
pub(crate) struct Registrar {
    last: u64,
    bindings: BTreeMap<BindingId, Entry>,
    by_aor: BTreeMap<String, BTreeSet<BindingId>>,
    /// Open connections on which a flow must show that it is there.
    pub(crate) watched: BTreeSet<ConnectionId>,
}

#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) binding: Binding,
    pub(crate) uri: UriBuf,
    /// `+sip.instance`: the device, whatever address it has now. RFC 5626 §4.1
    pub(crate) instance: Option<Vec<u8>>,
    /// Which of the device's ways to us it is: a flow that was granted. RFC 5626 §4.2
    pub(crate) reg_id: Option<u32>,
    /// Route of what goes to it. RFC 3327
    pub(crate) path: Vec<UriBuf>,
    /// Of the REGISTER that made or refreshed it.
    pub(crate) call_id: Vec<u8>,
    pub(crate) cseq: u32,
    pub(crate) expires: Instant,
}

impl Registrar {
    pub(crate) fn len(&self) -> usize {
        self.bindings.len()
    }

    pub(crate) fn next_id(&mut self) -> BindingId {
        self.last += 1;
        BindingId(self.last)
    }

    pub(crate) fn get(&self, id: BindingId) -> Option<&Entry> {
        self.bindings.get(&id)
    }

    pub(crate) fn of_aor(&self, aor: &str) -> impl Iterator<Item = &Entry> + use<'_> {
        self.by_aor.get(aor).into_iter().flatten().map(|id| &self.bindings[id])
    }

    /// Whom to ring for an address of record: of a device with several ways to us only the newest, the best liked first.
    pub(crate) fn to_ring(&self, aor: &str) -> Vec<&Entry> {
        let all: Vec<&Entry> = self.of_aor(aor).collect();
        let newer = |entry: &Entry| {
            all.iter().any(|other| {
                entry.reg_id.is_some()
                    && other.reg_id.is_some()
                    && other.instance == entry.instance
                    && (other.expires, other.binding.id) > (entry.expires, entry.binding.id)
            })
        };
        let mut ring: Vec<&Entry> = all.iter().copied().filter(|entry| !newer(entry)).collect();
        ring.sort_by_key(|entry| std::cmp::Reverse(entry.binding.q));
        ring
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Entry> {
        self.bindings.values()
    }

    pub(crate) fn of_connection(&self, connection: ConnectionId) -> Vec<BindingId> {
        let on_it = |entry: &&Entry| entry.binding.hop.connection == Some(connection);
        self.bindings.values().filter(on_it).map(|entry| entry.binding.id).collect()
    }

    pub(crate) fn of_username(&self, username: &str) -> Vec<BindingId> {
        let his = |entry: &&Entry| entry.binding.username == username;
        self.bindings.values().filter(his).map(|entry| entry.binding.id).collect()
    }

    /// Adds a binding, or changes the one of the same id.
    pub(crate) fn put(&mut self, entry: Entry) {
        let id = entry.binding.id;
        self.by_aor.entry(entry.binding.aor.clone()).or_default().insert(id);
        self.bindings.insert(id, entry);
    }

    pub(crate) fn remove(&mut self, id: BindingId) -> Option<Entry> {
        let entry = self.bindings.remove(&id)?;
        if let Some(ids) = self.by_aor.get_mut(&entry.binding.aor) {
            ids.remove(&id);
            if ids.is_empty() {
                self.by_aor.remove(&entry.binding.aor);
            }
        }
        Some(entry)
    }
}
