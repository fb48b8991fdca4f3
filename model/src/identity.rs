use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::VisitorId;

/// Something that identifies a customer on some medium.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", content = "value", rename_all = "snake_case")]
pub enum Identity {
    /// E.164 with the leading plus.
    Phone(String),
    /// Lower-cased address.
    Email(String),
    /// The browser of a web-chat visitor.
    Visitor(VisitorId),
}

/// Why an identity was linked to a customer; a link can be undone by it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// The contact came from this address (caller id, cookie).
    Origin,
    /// The customer stated it.
    Stated,
    /// The customer typed the code that he was told on the call.
    Code,
    /// He came in with a token of this very session.
    Token,
}
