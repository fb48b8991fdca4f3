//! What is under way within one dialog, early or confirmed: the offers of both sides. RFC 3264, RFC 6337
//!
//! Invariant: at any time at most one offer of either side waits for its answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::session_timer::SessionTimer;
use crate::api::Hop;
use crate::dialog::Dialog;
use crate::message::{Message, Method, Name};
use crate::transaction::TransactionId;

pub(crate) struct Exchange {
    pub(crate) dialog: Dialog,
    /// Our 2xx whose ACK has not come.
    pub(crate) unacked: Option<Unacked>,
    /// An offer of the peer that its owner has not answered.
    pub(crate) pending: Option<Pending>,
    pub(crate) ours: Ours,
    /// Sent as soon as nothing else is under way.
    pub(crate) queued: Option<Ask>,
    /// The first offer has its answer, so that others may follow, in early dialogs too. RFC 3311 §5.1
    pub(crate) agreed: bool,
    /// Our side as it was last described: what a re-INVITE repeats that changes nothing.
    pub(crate) local_sdp: Vec<u8>,
    /// The RSeq of our provisional answer that has no PRACK yet.
    pub(crate) awaited_rack: Option<u32>,
    /// The peer's Allow names UPDATE.
    pub(crate) updates: bool,
    pub(crate) timer: SessionTimer,
}

pub(crate) struct Unacked {
    pub(crate) cseq: u32,
    pub(crate) hop: Hop,
    pub(crate) bytes: Arc<[u8]>,
    pub(crate) interval: Duration,
    /// It made the dialog.
    pub(crate) initial: bool,
    /// It carried our offer, so the ACK carries the answer.
    pub(crate) offered: bool,
}

/// An INVITE, UPDATE or PRACK with an offer that waits for its final answer.
pub(crate) struct Pending {
    pub(crate) transaction: TransactionId,
    pub(crate) request: Message,
    pub(crate) source: SocketAddr,
}

/// Why we send a re-INVITE or UPDATE.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Ask {
    /// To change the session.
    Offer(Vec<u8>),
    /// To say that we are still there. RFC 4028 §7.4
    Refresh,
}

/// A request of ours that asks for something.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) ask: Ask,
    pub(crate) method: Method,
    pub(crate) cseq: u32,
    /// How often it has met one of the peer's, or was told to come again.
    pub(crate) tries: u32,
}

#[derive(Debug)]
pub(crate) enum Ours {
    None,
    Sent(Asked),
    /// It could not be taken just then and is tried again later.
    Waiting(Asked),
}

impl Asked {
    /// Whether it carries an offer.
    pub(crate) fn offers(&self) -> bool {
        match self.ask {
            Ask::Offer(_) => true,
            Ask::Refresh => self.method == Method::Invite,
        }
    }
}

impl Exchange {
    pub(crate) fn new(dialog: Dialog, local_sdp: Vec<u8>, timer: SessionTimer) -> Self {
        Self {
            dialog,
            unacked: None,
            pending: None,
            ours: Ours::None,
            queued: None,
            agreed: false,
            local_sdp,
            awaited_rack: None,
            updates: false,
            timer,
        }
    }

    pub(crate) fn is_busy(&self) -> bool {
        self.unacked.is_some() || self.pending.is_some() || !matches!(self.ours, Ours::None)
    }

    /// Takes note of what the peer says that it can do.
    pub(crate) fn learn(&mut self, message: &Message) {
        if message.header(Name::Allow).is_some() {
            self.updates = lists(message, Name::Allow, "UPDATE");
        }
    }
}

/// Whether a header of tokens names this one. Option tags and methods are told apart by case in the RFCs, but not by all peers.
pub(crate) fn lists(message: &Message, name: Name, token: &str) -> bool {
    message.values(name).any(|value| value.eq_ignore_ascii_case(token.as_bytes()))
}
