use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{AgentId, MessageId};

/// One text message of a session. Its place in the conversation is the `seq` of its journal entry.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Message {
    pub id: MessageId,
    pub author: Author,
    pub text: String,
    /// Choices offered with the message; empty when none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub buttons: Vec<Button>,
    /// The sender's own id of the message, by which repeats are recognised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(tag = "who", rename_all = "snake_case")]
pub enum Author {
    Customer,
    Agent {
        agent: AgentId,
        name: String,
    },
    /// The dialplan.
    Flow,
    /// Tandem itself, such as "the operator joined".
    System,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Button {
    /// What the flow calls the choice.
    pub choice: String,
    pub label: String,
}
