//! What is alive in the stack, as tables for a person: `tandem sip dialogs` and its like.

use model::{Instant, Now};

use crate::api::{CallId, Hop, Transport};
use crate::call::Phase;
use crate::message::text;
use crate::stack::Stack;
use crate::trunk::RegistrationState;

/// What may be asked for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Topic {
    Dialogs,
    Transactions,
    Registrations,
    Trunks,
}

/// Rows of as many cells as there are columns. No cell holds a control character.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Table {
    pub columns: Vec<&'static str>,
    pub rows: Vec<Vec<String>>,
    /// Rows that there was no room for.
    pub left_out: usize,
}

impl Table {
    pub fn new(columns: &[&'static str]) -> Table {
        Table { columns: columns.to_vec(), ..Table::default() }
    }

    /// The rows, at most so many; what cannot be printed is replaced.
    pub fn fill(mut self, rows: impl Iterator<Item = Vec<String>>, most: usize) -> Table {
        for row in rows {
            if self.rows.len() < most {
                self.rows.push(row.iter().map(|cell| printable(cell)).collect());
            } else {
                self.left_out += 1;
            }
        }
        self
    }

    /// The rows of another one with the same columns behind its own.
    pub(crate) fn append(&mut self, more: Table, most: usize) {
        let room = most.saturating_sub(self.rows.len());
        self.left_out += more.left_out + more.rows.len().saturating_sub(room);
        self.rows.extend(more.rows.into_iter().take(room));
    }
}

/// The text with every control character, and what turns writing around, shown instead of done.
pub fn printable(text: &str) -> String {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    if !text.chars().any(hidden) {
        return text.to_owned();
    }
    text.chars().map(|c| if hidden(c) { c.escape_default().to_string() } else { c.to_string() }).collect()
}

impl Stack {
    /// At most `most` rows.
    pub fn inspect(&self, now: Now, topic: Topic, most: usize) -> Table {
        match topic {
            Topic::Dialogs => self.inspect_calls(most),
            Topic::Transactions => {
                Table::new(&["side", "method", "branch"]).fill(self.transactions.list(), most)
            }
            Topic::Registrations => {
                let row = |entry: &crate::registrar::Entry| {
                    let binding = &entry.binding;
                    vec![
                        binding.aor.clone(),
                        binding.contact.clone(),
                        hop(binding.hop),
                        entry.expires.saturating_since(now.instant).as_secs().to_string(),
                        binding.username.clone(),
                        binding.user_agent.clone().unwrap_or_default(),
                    ]
                };
                Table::new(&["user", "contact", "peer", "expires", "account", "agent"])
                    .fill(self.registrar.all().map(row), most)
            }
            Topic::Trunks => {
                let row = |entry: &crate::trunk::Entry| {
                    let (trunk, state) = (&entry.settings, entry.state());
                    let sources: Vec<String> = trunk.sources.iter().map(ToString::to_string).collect();
                    vec![
                        trunk.name.clone(),
                        trunk.transport.map_or("", transport).to_owned(),
                        trunk.destination.to_string(),
                        sources.join(" "),
                        if state.usable { "up" } else { "down" }.to_owned(),
                        registration(state.registration, now),
                        state.calls.to_string(),
                    ]
                };
                Table::new(&[
                    "trunk",
                    "transport",
                    "destination",
                    "sources",
                    "state",
                    "registration",
                    "calls",
                ])
                .fill(self.trunks.iter().map(row), most)
            }
        }
    }

    /// The Call-ID of a call that has not ended.
    pub fn sip_call_id(&self, call: CallId) -> Option<String> {
        self.calls.get(call).map(|call| text(call.invite.call_id()))
    }

    fn inspect_calls(&self, most: usize) -> Table {
        let row = |(id, call): (&CallId, &crate::call::Call)| {
            let state = match &call.phase {
                Phase::Incoming(_) => "ringing in",
                Phase::Outgoing(_) => "ringing out",
                Phase::Confirmed(_) if call.ended => "ending",
                Phase::Confirmed(_) => "confirmed",
                Phase::Refused => "refused",
            };
            let peer = call.dialog().map(|dialog| hop(dialog.hop)).unwrap_or_default();
            vec![
                id.to_string(),
                if call.ours { "out" } else { "in" }.to_owned(),
                state.to_owned(),
                text(call.invite.from().uri().raw()),
                text(call.invite.to().uri().raw()),
                peer,
                text(call.invite.call_id()),
            ]
        };
        Table::new(&["call", "way", "state", "from", "to", "peer", "call-id"])
            .fill(self.calls.all().map(row), most)
    }
}

/// Such as `udp 192.0.2.7:5060`.
pub(crate) fn hop(hop: Hop) -> String {
    format!("{} {}", transport(hop.transport), hop.remote)
}

fn registration(state: RegistrationState, now: Now) -> String {
    let seconds = |at: Instant| at.saturating_since(now.instant).as_secs();
    match state {
        RegistrationState::None => String::new(),
        RegistrationState::Asking => "asking".to_owned(),
        RegistrationState::Registered { until } => format!("for {} s", seconds(until)),
        RegistrationState::Failed { status, again } => format!("{status}, again in {} s", seconds(again)),
        RegistrationState::Left => "left".to_owned(),
    }
}

fn transport(transport: Transport) -> &'static str {
    match transport {
        Transport::Udp => "udp",
        Transport::Tcp => "tcp",
        Transport::Tls => "tls",
        Transport::Ws => "ws",
        Transport::Wss => "wss",
    }
}
