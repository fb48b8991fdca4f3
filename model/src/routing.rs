//! What a waiting session asks of its agent, and why an agent was asked: what is kept of every decision of the ACD.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::AgentId;

/// What a session asks of the agent that it waits for. Nothing by default.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Asks {
    /// Skills that he must have, with their least levels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub required: BTreeMap<String, u8>,
    /// Skills that he should have, with their weights.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub preferred: BTreeMap<String, u16>,
    /// How `required` falls with the time.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub widen: Vec<Widening>,
    /// Who is waited for first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<AskedFor>,
}

impl Asks {
    pub fn is_nothing(&self) -> bool {
        self.required.is_empty() && self.preferred.is_empty() && self.agent.is_none()
    }
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Widening {
    /// Since the session began to wait.
    pub after_seconds: u64,
    /// These skills are required at these levels only, at 0 no longer. None: no skill is.
    pub to: Option<BTreeMap<String, u8>>,
}

/// One certain agent, for whom the session waits for so long before anybody gets it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct AskedFor {
    /// His sign-in name. None: whoever served the customer last.
    pub login: Option<String>,
    pub patience_seconds: u64,
}

/// In which order the agents who could take a session are asked. Preferred skills come before it.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// Who has least sessions in hand, and of those who has been idle for longest.
    #[default]
    LongestIdle,
    /// Whose turn in this queue was longest ago.
    RoundRobin,
    /// Who has accepted least since he signed in.
    FewestContacts,
    /// Who has been busy for the least part of the time since he signed in.
    LeastOccupied,
    /// In the order that the queue gives.
    Linear,
}

/// What led to an offer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Chosen {
    /// By the strategy of the queue.
    ByStrategy(Strategy),
    /// The customer was kept for him.
    Preferred,
    /// He took it himself.
    Picked,
    /// A supervisor gave it to him.
    Pushed,
}

/// Why this agent: who else could have been asked, in the order in which they would have been, and who could not. Of both only the
/// first are kept.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Why {
    pub chosen: Chosen,
    pub candidates: Vec<Candidate>,
    pub refused: Vec<Refused>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Candidate {
    pub agent: AgentId,
    /// Of the preferred skills, their weights times his levels. More is better.
    pub preference: u32,
    /// What the strategy orders by: sessions in hand, turn, contacts, occupancy in thousandths, or place. Less is better.
    pub measure: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Refused {
    pub agent: AgentId,
    pub why: Refusal,
}

/// Why an agent of the queue could not be asked.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// Signed out, pausing, or set aside after an offer that he did not answer.
    NotReady,
    Unreachable,
    /// Another offer rings at him.
    Asked,
    WrappingUp,
    /// He has as much in hand as he can.
    Full,
    /// It is too early to give him another medium.
    Switching,
    /// His device failed or he did not answer, so he is left in peace for a while.
    BackOff,
    /// He lacks a skill, or has too little of it.
    Skills,
    /// He has declined this session, or is its owner.
    Excluded,
}
