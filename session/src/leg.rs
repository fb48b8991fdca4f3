//! One party on one medium, as the engine keeps it while it lives.

use std::sync::Arc;

use media::api::Channel;
use model::{LegId, Medium, OfferId, Party, PlaybackId, Quality, Supervision, Timestamp, Trouble, VisitorId};
use sip_core::api::{Binding, BindingId, CallId, IncomingCall, Peer};

use crate::trunks::Dialled;
use crate::view::{LegState, Part};

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
    /// The number that we call instead of a device, and the carriers for it.
    pub dialled: Option<Dialled>,
    /// How often the call was sent on before it came here.
    pub forwards: u8,
    /// The login of whoever asked for the call: it is one of his.
    pub charged: Option<String>,
    /// The trunk that it came in by.
    pub trunk: Option<String>,
    /// How it sounds and has sounded, and what is wrong with that.
    pub quality: Option<(Quality, Quality)>,
    pub trouble: Option<Trouble>,
}

impl Voice {
    /// Of a call that we make: to a device, or to a number.
    pub fn outgoing(role: Role, binding: Option<&Binding>, dialled: Option<Dialled>) -> Voice {
        Voice {
            call: None,
            role,
            local_sdp: None,
            step: Step::Preparing,
            playback: None,
            binding: binding.map(|binding| binding.id),
            q: binding.map_or(0, |binding| binding.q),
            agreed: false,
            late_offer: false,
            dialled,
            forwards: 0,
            charged: None,
            trunk: None,
            quality: None,
            trouble: None,
        }
    }

    /// Of a call that came in. `answer`: 200 as soon as media has described our side.
    pub fn incoming(role: Role, incoming: &IncomingCall, answer: bool) -> Voice {
        Voice {
            call: Some(incoming.call),
            role,
            local_sdp: None,
            step: Step::Describing { answer },
            playback: None,
            binding: None,
            q: 0,
            agreed: false,
            late_offer: incoming.sdp.is_none(),
            dialled: None,
            forwards: 0,
            charged: None,
            trunk: match &incoming.peer {
                Peer::Trunk { name } => Some(name.clone()),
                Peer::User { .. } => None,
            },
            quality: None,
            trouble: None,
        }
    }
}

/// Why the leg is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Role {
    /// The customer called us, or joined by a token.
    CustomerIn,
    /// We phone the customer.
    CustomerOut,
    /// We ring an operator because the ACD offered him the session.
    Offer(OfferId),
    /// We ring the session's owner: he comes back, or the customer wants to talk.
    Owner(OwnerReason),
    /// The flow, or whoever serves him, sends the customer to this operator.
    TransferAgent,
    /// The same to a number.
    TransferOut,
    /// An operator calls somebody beside his conversation: his own leg.
    Consults,
    /// The colleague whom he calls.
    ConsultAgent,
    /// The number that he calls.
    ConsultOut,
    /// A colleague who is asked into the conversation.
    GuestAgent,
    /// A number that is asked into it.
    GuestOut,
    /// A supervisor is rung, and is in the conversation in this manner.
    Supervises(Supervision),
    /// An operator calls to take a customer who rings elsewhere or is parked.
    PickUp(PickedUp),
}

/// What an operator takes over by calling.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum PickedUp {
    /// What rings at a colleague because the ACD offered it to him.
    Offer(OfferId),
    /// What rings at a colleague because somebody sends him the customer.
    Transfer,
    /// The customer is parked.
    Parked,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum OwnerReason {
    Reconnect,
    /// Nobody took the customer whom he had parked.
    ParkedTooLong,
    Escalation,
    CallCustomer,
    /// He wants to ask somebody about one who writes.
    Consult,
    /// He goes on with his call on another device.
    Moved,
}

impl Role {
    /// Whether somebody is rung who shall take the customer over.
    pub fn is_transfer(&self) -> bool {
        match self {
            Role::TransferAgent | Role::TransferOut => true,
            Role::CustomerIn
            | Role::CustomerOut
            | Role::Offer(_)
            | Role::Owner(_)
            | Role::Consults
            | Role::ConsultAgent
            | Role::ConsultOut
            | Role::GuestAgent
            | Role::GuestOut
            | Role::Supervises(_)
            | Role::PickUp(_) => false,
        }
    }

    /// Somebody who was asked into the conversation beside its operator.
    pub fn is_guest(self) -> bool {
        self == Role::GuestAgent || self == Role::GuestOut
    }

    pub fn supervision(self) -> Option<Supervision> {
        match self {
            Role::Supervises(mode) => Some(mode),
            Role::CustomerIn
            | Role::CustomerOut
            | Role::Offer(_)
            | Role::Owner(_)
            | Role::TransferAgent
            | Role::TransferOut
            | Role::Consults
            | Role::ConsultAgent
            | Role::ConsultOut
            | Role::GuestAgent
            | Role::GuestOut
            | Role::PickUp(_) => None,
        }
    }

    pub fn is_consulted(self) -> bool {
        self == Role::ConsultAgent || self == Role::ConsultOut
    }
}

impl Role {
    /// Which side of the recording the leg is heard on.
    pub fn channel(self) -> Channel {
        match self {
            Role::CustomerIn | Role::CustomerOut => Channel::Customer,
            Role::Offer(_) | Role::Owner(_) | Role::TransferAgent | Role::PickUp(_) => Channel::Agent,
            Role::TransferOut | Role::GuestAgent | Role::GuestOut | Role::Supervises(Supervision::Barge) => {
                Channel::Guest
            }
            Role::Supervises(Supervision::Monitor | Supervision::Whisper)
            | Role::Consults
            | Role::ConsultAgent
            | Role::ConsultOut => Channel::Aside,
        }
    }
}

impl OwnerReason {
    pub fn header(self) -> &'static str {
        match self {
            OwnerReason::Reconnect => "reconnect",
            OwnerReason::ParkedTooLong => "park-return",
            OwnerReason::Escalation => "escalation",
            OwnerReason::CallCustomer => "call-customer",
            OwnerReason::Consult => "consult",
            OwnerReason::Moved => "move",
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

    pub fn role(&self) -> Option<Role> {
        self.voice().map(|voice| voice.role)
    }

    /// Of whoever is neither the customer nor serves him: of a consultation, a guest, a supervisor.
    pub fn is_beside(&self) -> bool {
        self.role().is_some_and(|role| {
            role.channel() == Channel::Aside || role.is_guest() || role.supervision().is_some()
        })
    }

    pub fn part(&self) -> Part {
        match self.role() {
            None | Some(Role::CustomerIn | Role::CustomerOut) => Part::Customer,
            Some(
                Role::Offer(_) | Role::Owner(_) | Role::TransferAgent | Role::TransferOut | Role::PickUp(_),
            ) => Part::Partner,
            Some(Role::Consults) => Part::Consults,
            Some(Role::ConsultAgent | Role::ConsultOut) => Part::Consulted,
            Some(Role::GuestAgent | Role::GuestOut) => Part::Guest,
            Some(Role::Supervises(_)) => Part::Supervisor,
        }
    }

    pub fn is_customer(&self) -> bool {
        self.party == Party::Customer
    }

    pub fn is_up(&self) -> bool {
        self.state == LegState::Up
    }
}
