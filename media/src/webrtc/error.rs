use model::LegId;

use super::description::SdpError;

/// Why a browser leg could not do what was asked. The peer caused it, or our two sides crossed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum WebRtcError {
    #[error("unusable SDP: {0}")]
    Sdp(#[from] SdpError),
    /// str0m found the (well-formed) description unacceptable, such as changed media order or a second ICE-lite peer.
    #[error("the descriptions do not fit together: {0}")]
    Negotiation(String),
    #[error("an answer came without an offer of ours")]
    NoOffer,
    #[error("no browser leg {0}")]
    UnknownLeg(LegId),
    #[error("browser leg {0} exists already")]
    DuplicateLeg(LegId),
    #[error("the transport of this leg is gone")]
    Gone,
}
