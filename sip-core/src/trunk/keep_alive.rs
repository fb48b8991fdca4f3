//! We keep the connection alive by which a carrier reaches us, and notice when it is dead. RFC 5626 §4.4.1
//!
//! Invariants: one ping of a trunk is out at a time; a carrier that has never answered one, and has not promised to by a Flow-Timer, is
//! not given up for not answering.

use std::sync::Arc;
use std::time::Duration;

use model::{Instant, Now};

use super::{TrunkId, Trunks};
use crate::api::{ConnectionId, Hop, Output};
use crate::frame::PONG;
use crate::message::{Message, Name};
use crate::stack::Stack;
use crate::timer::Timer;

const PING: &[u8] = b"\r\n\r\n";
const PONG_WITHIN: Duration = Duration::from_secs(10);
/// Short enough for the NATs that forget a silent connection.
const SHORTEST: Duration = Duration::from_secs(25);
const LONGEST: Duration = Duration::from_secs(95);
/// Whatever the carrier wants, we do not ping all the time.
const LEAST_LONGEST: Duration = Duration::from_secs(5);
/// Between the two halves of a ping that did not come in one piece.
const HALVES_WITHIN: Duration = Duration::from_secs(1);

/// The connection that we registered by.
pub(crate) struct Flow {
    hop: Hop,
    /// It has answered a ping, or said that it would.
    answers: bool,
    /// A ping is out.
    waiting: bool,
    /// When a CRLF came that nobody had asked for. The stream may have cut a ping of the carrier's in two.
    half_ping: Option<Instant>,
    /// Pings are never further apart.
    longest: Duration,
}

impl Trunks {
    fn flows_on(&mut self, connection: ConnectionId) -> impl Iterator<Item = (TrunkId, &mut Flow)> {
        self.list
            .iter_mut()
            .filter_map(|entry| Some((entry.id, entry.registered.flow.as_mut()?)))
            .filter(move |(_, flow)| flow.hop.connection == Some(connection))
    }
}

impl Stack {
    pub(super) fn flow_registered(&mut self, now: Now, id: TrunkId, hop: Hop, response: &Message) {
        let Some(entry) = self.trunks.get_mut(id) else { return };
        let flow = &mut entry.registered.flow;
        if hop.connection.is_none() {
            *flow = None;
            return self.timers.disarm(Timer::Ping(id));
        }
        if flow.as_ref().is_some_and(|flow| flow.hop.connection == hop.connection) {
            return;
        }
        let wanted = response.text(Name::FlowTimer).and_then(|text| text.trim().parse().ok());
        let longest = wanted.map_or(LONGEST, Duration::from_secs).clamp(LEAST_LONGEST, LONGEST);
        *flow = Some(Flow { hop, answers: wanted.is_some(), waiting: false, half_ping: None, longest });
        self.next_ping(now, id, longest);
    }

    pub(crate) fn ping_due(&mut self, now: Now, id: TrunkId) {
        let Some(entry) = self.trunks.get_mut(id) else { return };
        let Some(flow) = &mut entry.registered.flow else { return };
        let (hop, longest) = (flow.hop, flow.longest);
        if !std::mem::replace(&mut flow.waiting, true) {
            self.transmit(hop, Arc::from(PING));
            return self.timers.arm(Timer::Ping(id), now.instant + PONG_WITHIN);
        }
        if !flow.answers {
            flow.waiting = false;
            return self.next_ping(now, id, longest);
        }
        if let Some(connection) = hop.connection {
            self.output.push_back(Output::CloseConnection(connection));
            self.registrations_lost_with(now, connection);
        }
    }

    /// Something came, whatever it is: it shows that the connection lives as well as a pong does.
    pub(crate) fn heard_on(&mut self, now: Now, hop: Hop) {
        let Some(connection) = hop.connection else { return };
        self.trunks.flows_on(connection).for_each(|(_, flow)| flow.half_ping = None);
        loop {
            let mut flows = self.trunks.flows_on(connection);
            let Some((id, flow)) = flows.find(|(_, flow)| flow.waiting) else { return };
            flow.waiting = false;
            let longest = flow.longest;
            drop(flows);
            self.next_ping(now, id, longest);
        }
    }

    /// A CRLF alone: the pong that we wait for, on behalf of every trunk that shares the connection; or else half a ping.
    pub(crate) fn lone_crlf(&mut self, now: Now, hop: Hop) {
        let Some(connection) = hop.connection else { return };
        if self.trunks.flows_on(connection).any(|(_, flow)| flow.waiting) {
            self.trunks.flows_on(connection).for_each(|(_, flow)| flow.answers = true);
            return self.heard_on(now, hop);
        }
        let mut whole = false;
        for (_, flow) in self.trunks.flows_on(connection) {
            let first = flow.half_ping.take();
            if first.is_some_and(|at| now.instant.saturating_since(at) <= HALVES_WITHIN) {
                whole = true;
            } else {
                flow.half_ping = Some(now.instant);
            }
        }
        if whole {
            self.transmit(hop, Arc::from(PONG));
        }
    }

    /// At random, so that not all carriers are pinged at once. The shortest is 80 % of the longest, unless a NAT wants it shorter.
    /// RFC 5626 §4.4, §4.4.1
    fn next_ping(&mut self, now: Now, id: TrunkId, longest: Duration) {
        let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let shortest = SHORTEST.min(longest * 4 / 5);
        let wait = Duration::from_millis(self.random.between(millis(shortest), millis(longest)));
        self.timers.arm(Timer::Ping(id), now.instant + wait);
    }
}
