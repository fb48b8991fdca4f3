//! Which trunk is called next, and whether it has room.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use model::{Instant, Now};

use super::{Entry, TrunkId};
use crate::api::{CallId, Destination, DestinationHost, InviteError, Transport, Trunk};
use crate::call::Goal;
use crate::locate::{self, Wanted, usual_port};
use crate::message::sip_uri;
use crate::shard::{Note, ShardId};
use crate::stack::Stack;
use crate::way::Guide;

const SECOND: Duration = Duration::from_secs(1);

impl Trunk {
    /// Host and port in URIs.
    pub(crate) fn host(&self) -> String {
        self.domain.clone().unwrap_or_else(|| self.destination.to_string())
    }

    /// A request-URI at the carrier.
    pub(crate) fn uri(&self, user: Option<&str>) -> Vec<u8> {
        let suffix = match self.transport {
            None | Some(Transport::Udp) => "",
            Some(Transport::Tcp) => ";transport=tcp",
            Some(Transport::Tls) => ";transport=tls",
            Some(Transport::Ws | Transport::Wss) => ";transport=ws",
        };
        sip_uri(user, &format!("{}{suffix}", self.host()))
    }
}

impl Entry {
    fn has_room(&self, now: Instant) -> bool {
        let limits = self.settings.limits;
        let lately = self.recent.iter().filter(|at| now.saturating_since(**at) < SECOND).count();
        limits.calls.is_none_or(|most| self.live < most)
            && limits.calls_per_second.is_none_or(|most| lately < most as usize)
    }
}

impl Stack {
    /// Trunks that a call may take now, in the order in which to try them: those of the first name first, within a group by
    /// priority and, where that is equal, at random by weight. Names are of trunks or of groups. What is down or full is left out.
    pub fn candidates(&mut self, now: Now, names: &[String]) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        for name in names {
            let mut stages = std::collections::BTreeMap::<u32, Vec<(String, u32)>>::new();
            for entry in self.trunks.iter() {
                let place = &entry.settings.place;
                let meant = entry.settings.name == *name || place.group.as_ref() == Some(name);
                if meant && entry.is_usable() && entry.has_room(now.instant) {
                    let one = (entry.settings.name.clone(), place.weight);
                    stages.entry(place.priority).or_default().push(one);
                }
            }
            for stage in stages.into_values() {
                found.extend(self.shuffled(stage));
            }
        }
        let mut seen = BTreeSet::new();
        found.retain(|name| seen.insert(name.clone()));
        found
    }

    /// RFC 2782: each place goes to one of the rest, by weight.
    fn shuffled(&mut self, mut rest: Vec<(String, u32)>) -> Vec<String> {
        let mut order = Vec::with_capacity(rest.len());
        while !rest.is_empty() {
            let total: u64 = rest.iter().map(|(_, weight)| u64::from(*weight)).sum();
            let mut left = if total == 0 { 0 } else { self.random.between(1, total) };
            let at = rest
                .iter()
                .position(|(_, weight)| {
                    let here = u64::from(*weight) >= left && (left > 0 || total == 0);
                    left = left.saturating_sub(u64::from(*weight));
                    here
                })
                .unwrap_or(0);
            order.push(rest.remove(at).0);
        }
        order
    }

    /// The trunk of this name, if a call may go through it now.
    pub(crate) fn open_trunk(&self, now: Now, name: &str) -> Result<&Entry, InviteError> {
        let entry = self.trunks.named(name).ok_or_else(|| InviteError::UnknownTrunk(name.to_owned()))?;
        if entry.has_room(now.instant) { Ok(entry) } else { Err(InviteError::TrunkFull(name.to_owned())) }
    }

    /// Where requests to a carrier go.
    pub(crate) fn goal_of(&self, trunk: &Trunk) -> Result<Goal, InviteError> {
        let Trunk { destination, transport, .. } = trunk;
        if let Some(transport) = transport.filter(|transport| transport.is_websocket()) {
            // We are never the client of a WebSocket.
            return Err(InviteError::NoListener(transport));
        }
        let tls_name = trunk.tls_name.as_deref().map(Arc::from);
        let guide = Guide { listener: trunk.listener.clone(), tls_name };
        match destination {
            Destination { host: DestinationHost::Ip(ip), port } => {
                let transport = transport.unwrap_or(Transport::Udp);
                let address = SocketAddr::new(*ip, port.unwrap_or(usual_port(transport)));
                let step = self.step_to(locate::Place { transport, address }, &guide);
                Ok(Goal::Here(step.ok_or(InviteError::NoListener(transport))?))
            }
            Destination { host: DestinationHost::Name(_), .. } => {
                let (destination, transport) = (destination.clone(), *transport);
                Ok(Goal::There(Wanted { destination, transport, secure: false }, guide))
            }
        }
    }

    /// A call through the trunk begins; `ours` when we make it.
    pub(crate) fn trunk_call_began(&mut self, now: Now, id: TrunkId, ours: bool) {
        let Some(entry) = self.trunks.get_mut(id) else { return };
        entry.live += 1;
        let figures = &mut entry.figures;
        *(if ours { &mut figures.calls_out } else { &mut figures.calls_in }) += 1;
        if ours && entry.settings.limits.calls_per_second.is_some() {
            entry.recent.retain(|at| now.instant.saturating_since(*at) < SECOND);
            entry.recent.push_back(now.instant);
        }
    }

    pub(crate) fn trunk_call_ended(&mut self, id: TrunkId) {
        if let Some(entry) = self.trunks.get_mut(id) {
            entry.live = entry.live.saturating_sub(1);
        }
    }

    /// A call of ours is about to end because its trunk, if it has one, answered like this; 408 also when it said nothing.
    pub(crate) fn trunk_refused(&mut self, call: CallId, status: u16) {
        let live = self.calls.get(call).filter(|call| !call.ended);
        if let Some(trunk) = live.and_then(|call| call.carrier.as_ref()).map(|carrier| carrier.trunk)
            && matches!(status, 408 | 500..=599)
            && let Some(entry) = self.trunks.get_mut(trunk)
        {
            entry.figures.failures += 1;
            if self.shard != ShardId::HOME {
                self.notes.push_back(Note::TrunkFailed(trunk));
            }
        }
    }

    /// The same, of a call that another stack had.
    pub(crate) fn trunk_failed(&mut self, trunk: TrunkId) {
        if let Some(entry) = self.trunks.get_mut(trunk) {
            entry.figures.failures += 1;
        }
    }
}
