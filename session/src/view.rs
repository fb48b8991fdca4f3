//! What the console draws: snapshots of live state, sent whole so that a lost event can never leave a wrong picture.

use std::collections::BTreeMap;

use model::{
    AgentId, AgentStatus, CustomerId, Identity, LegId, Media, Medium, OfferId, Quality, QueueName, SessionId,
    Timestamp, Trouble,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::CustomerCard;

/// One operator's desk.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct DeskView {
    pub agent: AgentId,
    pub name: String,
    pub status: AgentStatus,
    pub since: Timestamp,
    /// A softphone or desk phone is registered.
    pub phone_registered: bool,
    /// The conversation in which he is as a supervisor.
    pub supervising: Option<SupervisingView>,
    pub offers: Vec<OfferView>,
    pub sessions: Vec<SessionView>,
}

/// A conversation of somebody else's in which a supervisor is.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct SupervisingView {
    pub session: SessionId,
    pub mode: model::Supervision,
    /// His phone has answered.
    pub up: bool,
}

/// Everything the operator should know before he accepts.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct OfferView {
    pub offer: OfferId,
    pub session: SessionId,
    pub queue: QueueName,
    pub media: Media,
    pub customer: CustomerView,
    /// What the customer chose or wrote so far, by the name the dialplan gave it.
    pub context: BTreeMap<String, String>,
    pub waiting_since: Timestamp,
    /// He is not on the line: he is called on this number as soon as the offer is accepted.
    pub callback: Option<String>,
    pub deadline: Timestamp,
}

#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct CustomerView {
    pub customer: CustomerId,
    pub name: Option<String>,
    pub identities: Vec<Identity>,
    pub earlier_sessions: u32,
}

/// A session that the operator owns or wraps up.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct SessionView {
    pub session: SessionId,
    pub customer: CustomerView,
    pub context: BTreeMap<String, String>,
    pub opened: Timestamp,
    pub queue: Option<QueueName>,
    pub state: SessionState,
    pub legs: Vec<LegView>,
    pub recording: bool,
    /// What is said now is silence in the recording.
    pub recording_paused: bool,
    /// The customer waits with music while his operator talks to others.
    pub aside: bool,
    /// The slot in which the customer is parked, such as `07`.
    pub parked: Option<String>,
    /// The number on which he is called when his turn comes.
    pub callback: Option<String>,
    /// Until when wrap-up runs, while it does.
    pub wrap_up_until: Option<Timestamp>,
    /// The last entry of its journal, so that the console knows whether it has them all.
    pub last_seq: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    Flow,
    Waiting,
    Offered,
    Active,
    /// The operator's device died; he is being waited for.
    AgentLost,
    WrapUp,
}

#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct LegView {
    pub leg: LegId,
    pub medium: Medium,
    pub party: model::Party,
    pub address: String,
    pub part: Part,
    pub state: LegState,
    pub held: bool,
    pub muted: bool,
    pub since: Timestamp,
    /// How its voice has sounded within the last seconds.
    pub quality: Option<Quality>,
    pub trouble: Option<Trouble>,
}

/// Why somebody is in the session.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    Customer,
    /// Who serves the customer, or is rung for it.
    Partner,
    /// The operator on his call with whom he consults.
    Consults,
    Consulted,
    /// Who was called into the conversation.
    Guest,
    Supervisor,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LegState {
    Ringing,
    Up,
    Ended,
}

/// One row of the supervisor's list of open sessions.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct SessionSummary {
    pub session: SessionId,
    pub customer: CustomerView,
    pub media: Media,
    pub state: SessionState,
    pub owner: Option<AgentId>,
    pub queue: Option<QueueName>,
    pub opened: Timestamp,
    /// The slot in which the customer is parked, such as `07`.
    pub parked: Option<String>,
}

#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct QueueStatus {
    pub name: QueueName,
    pub waiting: usize,
    pub longest_wait_seconds: u64,
    pub agents_ready: usize,
    /// Of whoever came now; absent while nothing is known.
    pub estimated_wait_seconds: Option<u64>,
    /// By how much such estimates were wrong in the mean, and how many were held against the truth.
    pub estimate_error_seconds: u64,
    pub estimates: u64,
}

impl CustomerCard {
    pub(crate) fn view(&self) -> CustomerView {
        CustomerView {
            customer: self.customer,
            name: self.name.clone(),
            identities: self.identities.clone(),
            earlier_sessions: self.earlier_sessions,
        }
    }

    pub(crate) fn phone(&self) -> Option<&str> {
        self.identities.iter().find_map(|identity| match identity {
            model::Identity::Phone(number) => Some(number.as_str()),
            model::Identity::Email(_) | model::Identity::Visitor(_) => None,
        })
    }

    pub(crate) fn email(&self) -> Option<&str> {
        self.identities.iter().find_map(|identity| match identity {
            model::Identity::Email(address) => Some(address.as_str()),
            model::Identity::Phone(_) | model::Identity::Visitor(_) => None,
        })
    }
}
