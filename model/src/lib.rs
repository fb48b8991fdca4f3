//! The vocabulary that every other crate shares: ids, time, identities, messages, endings and
//! journal events. Invariant: no logic, no I/O, no clock and no randomness in here.

mod ending;
mod id;
mod identity;
mod journal;
mod medium;
mod message;
mod quality;
mod routing;
mod time;

pub use ending::{Cause, Ending, Side};
pub use id::{
    AgentId, CustomerId, LegId, MessageId, OfferId, PlaybackId, QueueName, RecordingId, SessionId, VisitorId,
};
pub use identity::{Evidence, Identity};
pub use journal::{
    AgentChange, AgentStatus, Change, Destination, Entry, Left, OfferOutcome, Party, Record, Supervision,
};
pub use medium::{Media, Medium};
pub use message::{Author, Button, Message};
pub use quality::{Quality, Trouble, Way};
pub use routing::{AskedFor, Asks, Candidate, Chosen, Refusal, Refused, Strategy, Why, Widening};
pub use time::{Instant, Now, Timestamp};
