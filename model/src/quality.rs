use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How the voice of one leg arrives.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Quality {
    /// What comes from the peer to us.
    pub from_peer: Way,
    /// What comes from us to the peer, as it reports; `None` when it reports nothing.
    pub to_peer: Option<Way>,
    /// There and back between the peer and us; 0 when it is not known.
    pub round_trip_millis: u32,
}

/// One direction.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Way {
    /// Mean opinion score estimated by the E-model (ITU-T G.107), from 1.0 to 4.5.
    pub mos: f32,
    /// Packets that did not arrive, in percent.
    pub loss_percent: f32,
    /// Interarrival jitter (RFC 3550 §6.4.1).
    pub jitter_millis: u32,
}

/// What is wrong with the voice of a leg.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// Many listeners would be dissatisfied with what the peer says, or it reports so about us.
    Poor,
    /// Nothing comes from this party, while the other one speaks.
    OneWay,
    /// Nothing comes from either party.
    DeadAir,
}
