//! Flows: the connections that phones registered on, which lead back to them. RFC 5626
//!
//! Invariant: a contact whose flow was granted is reached by the connection that it was registered over and no other, and ends with it;
//! so does every contact over TLS or WebSocket. A plain one over TCP ends with its connection too, but may be connected to after a
//! restart (`saved`).

use std::time::Duration;

use crate::api::{BindingId, CallId, Hop, Output, Transport};
use crate::message::{Builder, Contacts, Message, Name};
use crate::respond::Refusal;
use crate::shard::{Note, ShardId};
use crate::stack::Stack;

/// How often a phone that speaks outbound shows itself on its connection. RFC 5626 §4.4.1 takes 120 s for the usual.
const FLOW_TIMER: Duration = Duration::from_secs(120);
/// What the network may add to that.
const MARGIN: Duration = Duration::from_secs(20);

/// Whether the phone registers a flow, and may. RFC 5626 §6
pub(crate) fn registers_flow(hop: Hop, request: &Message) -> Result<bool, Refusal> {
    let Ok(Contacts::List(contacts)) = request.contacts() else { return Ok(false) };
    let asks = contacts
        .iter()
        .any(|contact| contact.params().has("reg-id") && contact.params().has("+sip.instance"));
    if !asks || !speaks(request, "outbound") {
        return Ok(false);
    }
    if request.vias().is_ok_and(|vias| vias.len() == 1) {
        // RFC 5626 §4.4.2: over UDP the phone would ask by STUN whether we are there, and we do not answer that.
        return Ok(hop.transport.is_stream());
    }
    // It came through others: the one that the phone is connected to must be able to find the flow again.
    let path = request.addresses(Name::Path).unwrap_or_default();
    match path.iter().last() {
        Some(edge) if edge.uri().params().has("ob") => Ok(true),
        Some(_) | None => Err(Refusal::because(439, "First Hop Lacks Outbound Support")),
    }
}

/// Whether the sender has, or wants, this extension.
pub(crate) fn speaks(request: &Message, extension: &str) -> bool {
    [Name::Supported, Name::Require]
        .into_iter()
        .any(|name| request.tokens(name).is_ok_and(|tokens| tokens.has(extension)))
}

impl Stack {
    /// What the 200 of a REGISTER says when a flow was registered; from then on the flow must show that it is there. WebSockets have
    /// pings of their own, and a proxy in between looks after its own connection.
    pub(crate) fn grant_flow(&mut self, hop: Hop, request: &Message, answer: Builder) -> Builder {
        let answer = answer.header(Name::Require, "outbound");
        let direct = request.vias().is_ok_and(|vias| vias.len() == 1);
        match (hop.transport, hop.connection) {
            (Transport::Tcp | Transport::Tls, Some(connection)) if direct => {
                self.registrar.watched.insert(connection);
                self.output.push_back(Output::Watch { connection, silence: Some(FLOW_TIMER + MARGIN) });
                answer.header(Name::FlowTimer, FLOW_TIMER.as_secs().to_string())
            }
            (Transport::Udp | Transport::Tcp | Transport::Tls | Transport::Ws | Transport::Wss, _) => answer,
        }
    }

    /// A REGISTER has granted no flow. When none is left on its connection either, nobody has promised to show himself there.
    pub(crate) fn end_watch(&mut self, hop: Hop) {
        let watched = hop.connection.filter(|connection| self.registrar.watched.contains(connection));
        let Some(connection) = watched else { return };
        let is_flow = |id: BindingId| self.registrar.get(id).is_some_and(|entry| entry.reg_id.is_some());
        if !self.registrar.of_connection(connection).into_iter().any(is_flow) {
            self.registrar.watched.remove(&connection);
            self.output.push_back(Output::Watch { connection, silence: None });
        }
    }

    /// The proxy that a phone is connected to says that the connection is gone: so is the contact. RFC 5626 §5.3
    pub(crate) fn flow_failed(&mut self, call: CallId) {
        let binding = self.calls.get(call).and_then(|call| call.binding);
        match binding {
            Some(binding) if self.shard == ShardId::HOME => self.unregister(binding),
            Some(binding) => self.notes.push_back(Note::FlowFailed(binding)),
            None => {}
        }
    }
}
