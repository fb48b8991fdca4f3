//! What an operator dials himself: a code, a colleague, a number.
//!
//! | dialled | what comes of it | where |
//! |---|---|---|
//! | `*8` and a colleague's login | what rings at the colleague is his | `pickup` |
//! | `*5` and a slot | the customer who is parked there is his | `park` |
//! | a colleague's login | a consultation, while he talks to a customer | `consult` |
//! | a number that no flow answers | the same | `consult` |
//! | a number that a flow answers | the flow, as for everybody | `contact` |

use media::api::{Command as MediaCommand, LegKind};
use model::{AgentId, LegId, Now, Party, SessionId};
use sip_core::api::{IncomingCall, Peer, Transport};

use crate::api::Output;
use crate::engine::Engine;
use crate::leg::{Line, Role, Voice};

/// In front of the login of a colleague whose ringing call is wanted.
const PICK_UP: &str = "*8";

impl Engine {
    /// A call of an operator that is about customers of ours; any other is given back.
    pub(crate) fn operator_calls(&mut self, now: Now, incoming: IncomingCall) -> Option<IncomingCall> {
        let Some(agent) = self.operator_behind(&incoming) else { return Some(incoming) };
        let called = incoming.called.clone();
        if let Some(login) = called.strip_prefix(PICK_UP) {
            self.pick_up_from(now, agent, login, incoming);
            return None;
        }
        if let Some(slot) = self.slot_of(&called) {
            self.unpark_by_call(now, agent, slot, incoming);
            return None;
        }
        let Some(id) = self.conversation_of(agent) else { return Some(incoming) };
        if let Some(colleague) = self.logins.get(&called).copied() {
            self.consult_agent(now, id, agent, colleague, incoming);
        } else if self.entry_of(&called).is_some() {
            return Some(incoming);
        } else {
            self.consult_number(now, id, agent, &called, incoming);
        }
        None
    }

    pub(crate) fn operator_behind(&self, incoming: &IncomingCall) -> Option<AgentId> {
        match &incoming.peer {
            Peer::User { aor, .. } => self.logins.get(aor).copied(),
            Peer::Trunk { .. } => None,
        }
    }

    /// An operator's call becomes a leg of the session.
    pub(crate) fn operators_leg(
        &mut self,
        now: Now,
        id: SessionId,
        agent: AgentId,
        incoming: IncomingCall,
        role: Role,
        answer: bool,
    ) {
        let kind = match incoming.transport {
            Transport::Ws | Transport::Wss => LegKind::WebRtc,
            Transport::Udp | Transport::Tcp | Transport::Tls => {
                LegKind::Rtp { nat: true, encryption: self.encryption_of(&incoming.peer) }
            }
        };
        let address = self.agents.get(&agent).map(|agent| agent.setup.login.clone()).unwrap_or_default();
        let leg = LegId::new(now.wall, self.random());
        let voice = Voice::incoming(role, &incoming, answer);
        self.add_call(id, leg, incoming.call);
        self.add_leg(now, id, leg, Party::Agent { agent }, address, Line::Voice(Box::new(voice)));
        let offer = incoming.sdp.map(Into::into);
        let channel = role.channel();
        self.put(Output::Media(MediaCommand::Open {
            leg,
            session: id,
            channel,
            kind,
            offer,
            codecs: Vec::new(),
        }));
    }
}
