//! Finds the machine that a message or a timer belongs to, and drops machines that are over.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{AckFor, Client, Fired, Heard, InviteClient, InviteServer, Io, Server, TransactionId};
use crate::api::{CallId, ConnectionId, Hop, MessageId, SubscriptionId};
use crate::client_auth::Asked;
use crate::keyed::{Keyed, Keys};
use crate::message::{Message, Method, text};
use crate::timer::{GIVE_UP, Timer};
use crate::trunk::TrunkId;

/// RFC 3261 §17.1.3
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct ClientKey {
    pub(crate) branch: Vec<u8>,
    pub(crate) method: Method,
}

/// RFC 3261 §17.2.3. The method of an ACK counts as INVITE.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum ServerKey {
    Cookie {
        branch: Vec<u8>,
        sent_by: Vec<u8>,
        method: Method,
    },
    /// A peer of RFC 2543 makes no branch to rely on.
    Legacy {
        uri: Vec<u8>,
        from_tag: Vec<u8>,
        call_id: Vec<u8>,
        cseq: u32,
        via: Vec<u8>,
        method: Method,
    },
}

impl ClientKey {
    pub(crate) fn of(response: &Message) -> Option<ClientKey> {
        Some(ClientKey { branch: response.via().branch()?.to_vec(), method: response.method().clone() })
    }
}

impl ServerKey {
    pub(crate) fn of(request: &Message) -> ServerKey {
        let method = match request.method() {
            Method::Ack => Method::Invite,
            other => other.clone(),
        };
        let via = request.via();
        match via.unique_branch() {
            Some(branch) => ServerKey::Cookie {
                branch: branch.to_ascii_lowercase(),
                sent_by: via.sent_by().to_ascii_lowercase(),
                method,
            },
            None => ServerKey::Legacy {
                uri: request.request_uri().map(|uri| uri.raw().to_vec()).unwrap_or_default(),
                from_tag: request.from_tag().unwrap_or_default().to_vec(),
                call_id: request.call_id().to_vec(),
                cseq: request.cseq().number,
                via: via.raw().to_vec(),
                method,
            },
        }
    }

    /// The INVITE that a CANCEL with this key is about. RFC 3261 §9.2
    pub(crate) fn cancelled(&self) -> ServerKey {
        let mut key = self.clone();
        match &mut key {
            ServerKey::Cookie { method, .. } | ServerKey::Legacy { method, .. } => *method = Method::Invite,
        }
        key
    }
}

/// What two copies of one request that took different ways have in common. RFC 3261 §8.2.2.2
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct MergeKey {
    pub(crate) from_tag: Vec<u8>,
    pub(crate) call_id: Vec<u8>,
    pub(crate) cseq: u32,
    pub(crate) method: Method,
}

impl MergeKey {
    /// Only requests outside of a dialog can be merged.
    pub(crate) fn of(request: &Message) -> Option<MergeKey> {
        if request.to_tag().is_some() {
            return None;
        }
        Some(MergeKey {
            from_tag: request.from_tag().unwrap_or_default().to_vec(),
            call_id: request.call_id().to_vec(),
            cseq: request.cseq().number,
            method: request.method().clone(),
        })
    }
}

/// What a request of ours was sent for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Owner {
    Invite(CallId),
    Reinvite(CallId),
    Cancel(CallId),
    Bye(CallId),
    Update(CallId),
    Prack(CallId),
    /// INFO or MESSAGE within a call.
    Said(CallId),
    Refer(CallId),
    /// What becomes of the peer's REFER.
    Notify(CallId),
    /// A MESSAGE outside of calls.
    Message(MessageId),
    /// A NOTIFY outside of calls.
    Subscription(SubscriptionId),
    /// Ours at a carrier.
    Register(TrunkId),
    Options(TrunkId),
}

impl Owner {
    /// The call that it was sent for, if for one.
    pub(crate) fn call(self) -> Option<CallId> {
        match self {
            Owner::Invite(call)
            | Owner::Reinvite(call)
            | Owner::Cancel(call)
            | Owner::Bye(call)
            | Owner::Update(call)
            | Owner::Prack(call)
            | Owner::Said(call)
            | Owner::Refer(call)
            | Owner::Notify(call) => Some(call),
            Owner::Message(_) | Owner::Subscription(_) | Owner::Register(_) | Owner::Options(_) => None,
        }
    }
}

#[derive(Debug)]
enum ClientMachine {
    Invite(InviteClient),
    Other(Client),
}

#[derive(Debug)]
enum ServerMachine {
    /// With the call that it belongs to.
    Invite(InviteServer, CallId),
    Other(Server),
}

#[derive(Debug)]
struct ClientEntry {
    key: ClientKey,
    owner: Owner,
    /// Challenges that were answered on the way to this request.
    tries: u8,
    machine: ClientMachine,
}

#[derive(Debug)]
struct ServerEntry {
    key: ServerKey,
    merge: Option<MergeKey>,
    machine: ServerMachine,
}

#[derive(Debug)]
pub(crate) struct Transactions {
    last: u64,
    clients: BTreeMap<TransactionId, ClientEntry>,
    by_branch: Keyed<ClientKey, TransactionId>,
    by_call: BTreeSet<(CallId, TransactionId)>,
    servers: BTreeMap<TransactionId, ServerEntry>,
    by_key: Keyed<ServerKey, TransactionId>,
    merged: Keyed<MergeKey, TransactionId>,
    /// Calls whose client transactions have ended since the stack last asked.
    released: Vec<CallId>,
}

impl Transactions {
    pub(crate) fn new(keys: &Keys) -> Self {
        Self {
            last: 0,
            clients: BTreeMap::new(),
            by_branch: Keyed::with_hasher(keys.clone()),
            by_call: BTreeSet::new(),
            servers: BTreeMap::new(),
            by_key: Keyed::with_hasher(keys.clone()),
            merged: Keyed::with_hasher(keys.clone()),
            released: Vec::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.clients.len() + self.servers.len()
    }

    /// For a person: the side, the method, the branch.
    pub(crate) fn list(&self) -> impl Iterator<Item = Vec<String>> + use<'_> {
        let clients = self.clients.values().map(|entry| ("client", &entry.key.method, &entry.key.branch));
        let servers = self.servers.values().map(|entry| match &entry.key {
            ServerKey::Cookie { branch, method, .. } => ("server", method, branch),
            ServerKey::Legacy { method, via, .. } => ("server", method, via),
        });
        clients
            .chain(servers)
            .map(|(side, method, branch)| vec![side.to_owned(), text(method.as_bytes()), text(branch)])
    }

    // Client side

    pub(crate) fn start_client(
        &mut self,
        key: ClientKey,
        owner: Owner,
        hop: Hop,
        request: Arc<[u8]>,
        io: &mut Io<'_>,
    ) -> TransactionId {
        let id = self.next_id();
        let machine = match owner {
            Owner::Invite(_) | Owner::Reinvite(_) => {
                ClientMachine::Invite(InviteClient::start(id, hop, request, io))
            }
            Owner::Cancel(_)
            | Owner::Bye(_)
            | Owner::Update(_)
            | Owner::Prack(_)
            | Owner::Said(_)
            | Owner::Refer(_)
            | Owner::Notify(_)
            | Owner::Message(_)
            | Owner::Subscription(_)
            | Owner::Register(_)
            | Owner::Options(_) => ClientMachine::Other(Client::start(id, hop, request, io)),
        };
        self.by_branch.insert(key.clone(), id);
        if let Some(call) = owner.call() {
            self.by_call.insert((call, id));
        }
        self.clients.insert(id, ClientEntry { key, owner, tries: 0, machine });
        id
    }

    /// The request as it went out, with the challenges answered so far.
    pub(crate) fn asked(&self, id: TransactionId) -> Option<Asked> {
        let entry = self.clients.get(&id)?;
        let (hop, bytes) = match &entry.machine {
            ClientMachine::Invite(machine) => (machine.hop(), machine.request()),
            ClientMachine::Other(machine) => (machine.hop(), machine.request()),
        };
        Some(Asked { hop, bytes: Arc::clone(bytes), tries: entry.tries })
    }

    pub(crate) fn set_tries(&mut self, id: TransactionId, tries: u8) {
        if let Some(entry) = self.clients.get_mut(&id) {
            entry.tries = tries;
        }
    }

    pub(crate) fn find_client(&self, key: &ClientKey) -> Option<(TransactionId, Owner)> {
        let id = *self.by_branch.get(key)?;
        Some((id, self.clients[&id].owner))
    }

    /// `ack` makes the ACK of a refused INVITE out of the INVITE's bytes.
    pub(crate) fn on_response(
        &mut self,
        id: TransactionId,
        status: u16,
        ack: impl FnOnce(&[u8]) -> Option<Arc<[u8]>>,
        io: &mut Io<'_>,
    ) -> Heard {
        let Some(entry) = self.clients.get_mut(&id) else { return Heard::Absorbed };
        let heard = match &mut entry.machine {
            ClientMachine::Invite(machine) => {
                let request = Arc::clone(machine.request());
                machine.on_response(status, || ack(&request), io)
            }
            ClientMachine::Other(machine) => machine.on_response(status, io),
        };
        self.reap_client(id);
        heard
    }

    pub(crate) fn invite_client(&self, id: TransactionId) -> Option<&InviteClient> {
        match &self.clients.get(&id)?.machine {
            ClientMachine::Invite(machine) => Some(machine),
            ClientMachine::Other(_) => None,
        }
    }

    /// The INVITE of ours that has this branch and is not done with.
    pub(crate) fn sent_invite(&self, branch: &[u8]) -> Option<&[u8]> {
        let key = ClientKey { branch: branch.to_vec(), method: Method::Invite };
        let id = *self.by_branch.get(&key)?;
        self.invite_client(id).map(|machine| machine.request().as_ref())
    }

    /// A cancelled INVITE is not waited for longer than this. RFC 3261 §9.1
    pub(crate) fn limit_cancelled(&mut self, id: TransactionId, io: &mut Io<'_>) {
        io.arm(Timer::Cancelled(id), GIVE_UP);
    }

    pub(crate) fn has_clients(&self, call: CallId) -> bool {
        self.clients_of(call).next().is_some()
    }

    /// Drops every request of a call, whatever state it is in.
    pub(crate) fn stop_clients(&mut self, call: CallId, io: &mut Io<'_>) {
        let ids: Vec<_> = self.clients_of(call).collect();
        for id in ids {
            self.stop_client(id, io);
        }
    }

    pub(crate) fn stop_client(&mut self, id: TransactionId, io: &mut Io<'_>) {
        let Some(entry) = self.clients.get_mut(&id) else { return };
        match &mut entry.machine {
            ClientMachine::Invite(machine) => machine.stop(io),
            ClientMachine::Other(machine) => machine.stop(io),
        }
        self.reap_client(id);
    }

    /// Requests that still wait for an answer over a hop that `matches`.
    pub(crate) fn waiting_clients(&self, matches: impl Fn(&Hop) -> bool) -> Vec<(TransactionId, Owner)> {
        let waits = |entry: &ClientEntry| match &entry.machine {
            ClientMachine::Invite(machine) => machine.is_waiting() && matches(&machine.hop()),
            ClientMachine::Other(machine) => machine.is_waiting() && matches(&machine.hop()),
        };
        self.clients.iter().filter(|(_, entry)| waits(entry)).map(|(id, entry)| (*id, entry.owner)).collect()
    }

    pub(crate) fn owned_by(&self, owner: Owner) -> Vec<TransactionId> {
        self.clients.iter().filter(|(_, entry)| entry.owner == owner).map(|(id, _)| *id).collect()
    }

    /// Whose request this is, if nobody has answered it at all.
    pub(crate) fn unanswered(&self, id: TransactionId) -> Option<Owner> {
        let entry = self.clients.get(&id)?;
        let unanswered = match &entry.machine {
            ClientMachine::Invite(machine) => machine.is_waiting() && !machine.is_proceeding(),
            ClientMachine::Other(machine) => machine.is_waiting(),
        };
        unanswered.then_some(entry.owner)
    }

    pub(crate) fn take_released(&mut self) -> Vec<CallId> {
        std::mem::take(&mut self.released)
    }

    // Server side

    pub(crate) fn start_invite_server(
        &mut self,
        key: ServerKey,
        merge: Option<MergeKey>,
        hop: Hop,
        call: CallId,
    ) -> TransactionId {
        let id = self.next_id();
        let machine = ServerMachine::Invite(InviteServer::start(id, hop), call);
        self.insert_server(id, key, merge, machine);
        id
    }

    pub(crate) fn start_server(
        &mut self,
        key: ServerKey,
        merge: Option<MergeKey>,
        hop: Hop,
    ) -> TransactionId {
        let id = self.next_id();
        self.insert_server(id, key, merge, ServerMachine::Other(Server::start(id, hop)));
        id
    }

    /// Whether the request is a repeat; then it has been dealt with.
    pub(crate) fn on_repeat(&mut self, key: &ServerKey, io: &mut Io<'_>) -> bool {
        let Some(id) = self.by_key.get(key) else { return false };
        match self.servers.get_mut(id).map(|entry| &mut entry.machine) {
            Some(ServerMachine::Invite(machine, _)) => machine.on_repeat(io),
            Some(ServerMachine::Other(machine)) => machine.on_repeat(io),
            None => {}
        }
        true
    }

    pub(crate) fn is_merged(&self, merge: &MergeKey) -> bool {
        self.merged.contains_key(merge)
    }

    /// The INVITE under this key, whether it still has no final answer, and its call.
    pub(crate) fn find_invite(&self, key: &ServerKey) -> Option<(TransactionId, bool, CallId)> {
        let id = self.by_key.get(key)?;
        match &self.servers[id].machine {
            ServerMachine::Invite(machine, call) => Some((*id, machine.is_proceeding(), *call)),
            ServerMachine::Other(_) => None,
        }
    }

    /// `None`: no INVITE transaction has this key.
    pub(crate) fn on_ack(&mut self, key: &ServerKey, io: &mut Io<'_>) -> Option<AckFor> {
        let id = *self.by_key.get(key)?;
        let ServerMachine::Invite(machine, _) = &mut self.servers.get_mut(&id)?.machine else { return None };
        let whom = machine.on_ack(io);
        self.reap_server(id);
        Some(whom)
    }

    pub(crate) fn respond(&mut self, id: TransactionId, status: u16, bytes: Arc<[u8]>, io: &mut Io<'_>) {
        let Some(entry) = self.servers.get_mut(&id) else { return };
        match &mut entry.machine {
            ServerMachine::Invite(machine, _) => machine.respond(status, bytes, io),
            ServerMachine::Other(machine) => machine.respond(bytes, io),
        }
        self.reap_server(id);
    }

    /// Where the answers of this transaction go.
    pub(crate) fn server_hop(&self, id: TransactionId) -> Option<Hop> {
        Some(match &self.servers.get(&id)?.machine {
            ServerMachine::Invite(machine, _) => machine.hop(),
            ServerMachine::Other(machine) => machine.hop(),
        })
    }

    /// Drops the transactions whose answers can no longer be delivered; tells the calls of unanswered INVITEs.
    pub(crate) fn drop_servers_of(&mut self, connection: ConnectionId, io: &mut Io<'_>) -> Vec<CallId> {
        let mut unanswered = Vec::new();
        let mut over = Vec::new();
        for (id, entry) in &mut self.servers {
            match &mut entry.machine {
                ServerMachine::Invite(machine, call) if machine.hop().connection == Some(connection) => {
                    if machine.is_proceeding() {
                        unanswered.push(*call);
                    }
                    machine.stop(io);
                    over.push(*id);
                }
                ServerMachine::Other(machine) if machine.hop().connection == Some(connection) => {
                    machine.stop(io);
                    over.push(*id);
                }
                ServerMachine::Invite(..) | ServerMachine::Other(_) => {}
            }
        }
        over.into_iter().for_each(|id| self.reap_server(id));
        unanswered
    }

    /// Hands a timer to its machine. Tells whose request nobody answered.
    pub(crate) fn on_timer(
        &mut self,
        id: TransactionId,
        timer: Timer,
        io: &mut Io<'_>,
    ) -> Option<(TransactionId, Owner)> {
        if let Some(entry) = self.clients.get_mut(&id) {
            let owner = entry.owner;
            let fired = match &mut entry.machine {
                ClientMachine::Invite(machine) => machine.on_timer(timer, io),
                ClientMachine::Other(machine) => machine.on_timer(timer, io),
            };
            self.reap_client(id);
            return (fired == Fired::TimedOut).then_some((id, owner));
        }
        match self.servers.get_mut(&id).map(|entry| &mut entry.machine) {
            Some(ServerMachine::Invite(machine, _)) => machine.on_timer(timer, io),
            Some(ServerMachine::Other(machine)) => machine.on_timer(timer, io),
            None => {}
        }
        self.reap_server(id);
        None
    }

    fn next_id(&mut self) -> TransactionId {
        self.last += 1;
        TransactionId(self.last)
    }

    fn clients_of(&self, call: CallId) -> impl Iterator<Item = TransactionId> + '_ {
        let all = (call, TransactionId(0))..=(call, TransactionId(u64::MAX));
        self.by_call.range(all).map(|(_, id)| *id)
    }

    fn insert_server(
        &mut self,
        id: TransactionId,
        key: ServerKey,
        merge: Option<MergeKey>,
        machine: ServerMachine,
    ) {
        self.by_key.insert(key.clone(), id);
        if let Some(merge) = &merge {
            self.merged.insert(merge.clone(), id);
        }
        self.servers.insert(id, ServerEntry { key, merge, machine });
    }

    fn reap_client(&mut self, id: TransactionId) {
        let over = self.clients.get(&id).is_some_and(|entry| match &entry.machine {
            ClientMachine::Invite(machine) => machine.is_over(),
            ClientMachine::Other(machine) => machine.is_over(),
        });
        if !over {
            return;
        }
        if let Some(entry) = self.clients.remove(&id) {
            self.by_branch.remove(&entry.key);
            if let Some(call) = entry.owner.call() {
                self.by_call.remove(&(call, id));
                self.released.push(call);
            }
        }
    }

    fn reap_server(&mut self, id: TransactionId) {
        let over = self.servers.get(&id).is_some_and(|entry| match &entry.machine {
            ServerMachine::Invite(machine, _) => machine.is_over(),
            ServerMachine::Other(machine) => machine.is_over(),
        });
        if !over {
            return;
        }
        if let Some(entry) = self.servers.remove(&id) {
            self.by_key.remove(&entry.key);
            if let Some(merge) = entry.merge {
                self.merged.remove(&merge);
            }
        }
    }
}
