use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Why something ended, and whose doing it was.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Ending {
    pub cause: Cause,
    pub by: Side,
    /// The SIP status code behind it, when there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sip_status: Option<u16>,
    /// The Q.850 cause that the telephone network gave for it (RFC 3326), when there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub q850: Option<u8>,
}

impl Ending {
    pub const fn new(cause: Cause, by: Side) -> Self {
        Self { cause, by, sip_status: None, q850: None }
    }

    pub const fn with_status(cause: Cause, by: Side, status: u16) -> Self {
        Self { cause, by, sip_status: Some(status), q850: None }
    }

    pub const fn and_q850(self, q850: Option<u8>) -> Self {
        Self { q850, ..self }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Somebody hung up an answered call or closed a chat.
    HungUp,
    /// The caller gave up before an answer.
    Cancelled,
    /// The caller left while waiting in the queue.
    Abandoned,
    /// The far end refused (busy, declined, not found …).
    Refused,
    /// Nobody answered in time.
    NoAnswer,
    /// The peer stopped answering or its connection died.
    Lost,
    /// No audio came for too long.
    MediaTimeout,
    /// The dialplan ended it.
    Completed,
    /// It went on in another session.
    Merged,
    /// Another leg of the same party took over.
    Replaced,
    /// The parties could not agree on media.
    Incompatible,
    /// We are full or draining.
    Overload,
    /// The server stopped or restarted.
    Restarted,
    /// Text contact with nothing said for too long.
    Idle,
    /// Something failed on our side.
    Failed,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    Customer,
    Agent,
    Flow,
    Carrier,
    System,
}
