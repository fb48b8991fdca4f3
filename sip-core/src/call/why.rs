//! Why a call ends, as told to and by the other side: Reason (RFC 3326) with SIP statuses and the causes of the telephone network.

use model::{Cause, Ending};

use crate::message::{Builder, Message, Name, q850_of_status, reason};

/// The Q.850 cause that a BYE, CANCEL or refusal gives. One that cannot be read is none.
pub(crate) fn q850_in(message: &Message) -> Option<u8> {
    message.reasons().ok()?.iter().find_map(|reason| reason.q850_cause())
}

/// Says in a BYE, CANCEL or refusal of ours why.
pub(crate) fn explain(message: Builder, ending: &Ending) -> Builder {
    let q850 = ending.q850.unwrap_or_else(|| cause_of(ending));
    let message = message.header(Name::Reason, reason("Q.850", u16::from(q850), None));
    match (ending.cause, ending.sip_status) {
        // Phones show no missed call then.
        (Cause::Replaced | Cause::Merged, _) => {
            message.header(Name::Reason, reason("SIP", 200, Some("Call completed elsewhere")))
        }
        (_, Some(status)) => message.header(Name::Reason, reason("SIP", status, None)),
        (_, None) => message,
    }
}

/// Our causes in the words of Q.850.
fn cause_of(ending: &Ending) -> u8 {
    match ending.cause {
        Cause::HungUp
        | Cause::Cancelled
        | Cause::Abandoned
        | Cause::Completed
        | Cause::Merged
        | Cause::Replaced
        | Cause::Idle => 16,
        Cause::Refused => ending.sip_status.map_or(21, q850_of_status),
        Cause::NoAnswer => 19,
        Cause::Lost | Cause::MediaTimeout => 27,
        Cause::Incompatible => 88,
        Cause::Overload => 42,
        Cause::Restarted | Cause::Failed => 41,
    }
}
