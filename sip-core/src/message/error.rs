//! What can be wrong with a message, and what may be answered to it.

use super::{Answerable, Name};

/// The message cannot be used.
///
/// A request that is whole enough to be answered comes along: send `answerable.response(…)` with `defect.status()` (RFC 3261 §18.3,
/// §21.4.1). Anything else is thrown away and counted.
#[derive(Debug, thiserror::Error)]
#[error("{defect}")]
pub struct ParseError {
    pub defect: Defect,
    /// Never set for responses and ACK.
    pub answerable: Option<Box<Answerable>>,
}

/// The first thing found wrong. Its text is short and clean enough for a reason phrase.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Defect {
    #[error("Message Too Large")]
    TooLarge,
    /// Content-Length promises more than [`MAX_BODY`](super::MAX_BODY).
    #[error("Request Entity Too Large")]
    BodyTooLarge,
    #[error("Request-URI Too Long")]
    UriTooLong,
    #[error("Too Many Headers")]
    TooManyHeaders,
    #[error("Header Too Long")]
    HeaderTooLong,
    #[error("Empty Message")]
    Empty,
    #[error("Bad Start Line")]
    StartLine,
    #[error("Bad Request-URI")]
    RequestUri,
    #[error("Bad Status Code")]
    StatusCode,
    #[error("Version Not Supported")]
    Version,
    /// A CR or LF that is not part of a CRLF.
    #[error("Bad Line Ending")]
    LineEnding,
    #[error("Bad Header Line")]
    HeaderLine,
    /// No empty line after the headers.
    #[error("Headers Not Ended")]
    Unterminated,
    #[error("Missing {} Header", .0.as_str())]
    Missing(Name),
    #[error("Repeated {} Header", .0.as_str())]
    Repeated(Name),
    #[error("Bad {} Header", .0.as_str())]
    Header(Name),
    #[error("CSeq Method Does Not Match")]
    MethodMismatch,
    /// The same, and nobody knows the method of the request line (RFC 4475 §3.1.2.18).
    #[error("Not Implemented")]
    UnknownMethod,
    /// Content-Length promises more than came.
    #[error("Body Shorter Than Content-Length")]
    ShortBody,
}

impl Defect {
    /// The status that tells the sender.
    pub fn status(self) -> u16 {
        match self {
            Defect::TooLarge => 513,
            Defect::BodyTooLarge => 413,
            Defect::UriTooLong => 414,
            Defect::UnknownMethod => 501,
            Defect::Version => 505,
            Defect::TooManyHeaders
            | Defect::HeaderTooLong
            | Defect::Empty
            | Defect::StartLine
            | Defect::RequestUri
            | Defect::StatusCode
            | Defect::LineEnding
            | Defect::HeaderLine
            | Defect::Unterminated
            | Defect::Missing(_)
            | Defect::Repeated(_)
            | Defect::Header(_)
            | Defect::MethodMismatch
            | Defect::ShortBody => 400,
        }
    }
}

/// A header that was asked for is there and does not follow its grammar. Its text fits as the reason phrase of a 400.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("Bad {} Header", .header.as_str())]
pub struct HeaderError {
    pub header: Name,
}

/// Text that is no URI, name-addr, … by itself, outside any header.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a valid {0}")]
pub struct SyntaxError(pub &'static str);
