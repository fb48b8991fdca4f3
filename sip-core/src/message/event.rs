//! Event and Subscription-State (RFC 6665 §8.2).

use super::error::SyntaxError;
use super::lex;
use super::params::{self, Params};
use super::{HeaderError, Message, Name};

#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// With its templates: `presence.winfo`. Case matters.
    pub package: &'a [u8],
    pub params: Params<'a>,
}

#[derive(Clone, Copy, Debug)]
pub struct SubscriptionState<'a> {
    pub state: SubState<'a>,
    pub params: Params<'a>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SubState<'a> {
    Active,
    Pending,
    Terminated,
    /// RFC 6665 §4.1.3: taken for active.
    Other(&'a [u8]),
}

impl<'a> Event<'a> {
    pub fn parse(raw: &'a [u8]) -> Result<Event<'a>, SyntaxError> {
        let (package, params) = params::token(raw).map_err(|()| SyntaxError("Event"))?;
        Ok(Event { package, params })
    }

    /// Tells subscriptions in one dialog apart (RFC 6665 §4.5.1).
    pub fn id(&self) -> Option<&'a [u8]> {
        self.params.get("id")
    }

    /// Package and id count, other parameters do not (RFC 6665 §8.2.1).
    pub fn same_as(&self, other: &Event<'_>) -> bool {
        self.package == other.package && self.id() == other.id()
    }
}

impl<'a> SubscriptionState<'a> {
    pub fn parse(raw: &'a [u8]) -> Result<SubscriptionState<'a>, SyntaxError> {
        let (state, params) = params::token(raw).map_err(|()| SyntaxError("Subscription-State"))?;
        let state = match state {
            state if state.eq_ignore_ascii_case(b"active") => SubState::Active,
            state if state.eq_ignore_ascii_case(b"pending") => SubState::Pending,
            state if state.eq_ignore_ascii_case(b"terminated") => SubState::Terminated,
            state => SubState::Other(state),
        };
        Ok(SubscriptionState { state, params })
    }

    /// Seconds.
    pub fn expires(&self) -> Option<u32> {
        self.params.get("expires").and_then(lex::number)
    }

    /// Why it is over: `deactivated`, `timeout`, `noresource`, ….
    pub fn reason(&self) -> Option<&'a [u8]> {
        self.params.get("reason")
    }

    /// Seconds.
    pub fn retry_after(&self) -> Option<u32> {
        self.params.get("retry-after").and_then(lex::number)
    }
}

impl Message {
    pub fn event(&self) -> Result<Option<Event<'_>>, HeaderError> {
        self.one(Name::Event, |value| Event::parse(value).ok())
    }

    pub fn subscription_state(&self) -> Result<Option<SubscriptionState<'_>>, HeaderError> {
        self.one(Name::SubscriptionState, |value| SubscriptionState::parse(value).ok())
    }
}
