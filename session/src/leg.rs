//! One party on one medium, as the engine keeps it while it lives.

use std::sync::Arc;

use model::{LegId, Medium, OfferId, Party, PlaybackId, Timestamp, VisitorId};
use sip_core::api::{BindingId, CallId};

use crate::trunks::Dialled;
use crate::view::LegState;

pub(crate) struct Leg {
    pub id: LegId,
    pub medium: Medium,
    pub party: Party,
    /// The number, SIP user or visitor at the other end.
    pub address: String,
    pub state: LegState,
    pub since: Timestamp,
    pub held: bool,
    pub muted: bool,
    /// It rings at the other end.
    pub rang: bool,
    pub line: Line,
}

/// How the party is reached.
pub(crate) enum Line {
    Voice(Box<Voice>),
    Chat(VisitorId),
}

pub(crate) struct Voice {
    /// `None` until our own INVITE went out.
    pub call: Option<CallId>,
    pub role: Role,
    /// The last description of our side that media gave us.
    pub local_sdp: Option<Arc<[u8]>>,
    pub step: Step,
    /// What is being played to the leg.
    pub playback: Option<PlaybackId>,
    /// The registered contact that our INVITE goes to.
    pub binding: Option<BindingId>,
    /// Its preference in thousandths.
    pub q: u16,
    /// Both sides have agreed on media once: a later offer that does not fit changes nothing.
    pub agreed: bool,
    /// The INVITE carried no offer: ours goes out in the 200.
    pub late_offer: bool,
}

/// Why the leg is there.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Role {
    /// The customer called us, or joined by a token.
    CustomerIn,
    /// We phone the customer.
    CustomerOut(Dialled),
    /// We ring an operator because the ACD offered him the session.
    Offer(OfferId),
    /// We ring the session's owner: he comes back, or the customer wants to talk.
    Owner(OwnerReason),
    /// The flow sends the customer to this operator.
    TransferAgent,
    /// The flow sends the customer to this number.
    TransferOut(Dialled),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum OwnerReason {
    Reconnect,
    Escalation,
    CallCustomer,
}

impl Role {
    /// The number that it calls through a carrier.
    pub fn dialled_mut(&mut self) -> Option<&mut Dialled> {
        match self {
            Role::CustomerOut(dialled) | Role::TransferOut(dialled) => Some(dialled),
            Role::CustomerIn | Role::Offer(_) | Role::Owner(_) | Role::TransferAgent => None,
        }
    }

    /// Whether somebody is rung who shall take the customer over.
    pub fn is_transfer(&self) -> bool {
        match self {
            Role::TransferAgent | Role::TransferOut(_) => true,
            Role::CustomerIn | Role::CustomerOut(_) | Role::Offer(_) | Role::Owner(_) => false,
        }
    }
}

impl OwnerReason {
    pub fn header(self) -> &'static str {
        match self {
            OwnerReason::Reconnect => "reconnect",
            OwnerReason::Escalation => "escalation",
            OwnerReason::CallCustomer => "call-customer",
        }
    }
}

/// Where the signalling stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    /// Incoming: media describes our answer; `answer` says whether 200 is wanted as soon as it is there.
    Describing {
        answer: bool,
    },
    /// Incoming: our answer is there, 200 is not wanted yet.
    Described,
    /// Incoming without an offer: 200 carried our offer, the ACK will carry the answer.
    AwaitingAck,
    /// Outgoing: media describes our offer, then the INVITE goes out.
    Preparing,
    /// Outgoing: the INVITE is out.
    Calling,
    Up,
}

impl Leg {
    pub fn voice(&self) -> Option<&Voice> {
        match &self.line {
            Line::Voice(voice) => Some(voice),
            Line::Chat(_) => None,
        }
    }

    pub fn voice_mut(&mut self) -> Option<&mut Voice> {
        match &mut self.line {
            Line::Voice(voice) => Some(voice),
            Line::Chat(_) => None,
        }
    }

    pub fn is_customer(&self) -> bool {
        self.party == Party::Customer
    }

    pub fn is_up(&self) -> bool {
        self.state == LegState::Up
    }
}
