//! Carriers: what is known of each, whether it is alive, whether we are registered with it, and which is called next.
//!
//! | what | where |
//! |---|---|
//! | what the configuration says | `settings` |
//! | REGISTER to the carrier | `register` |
//! | OPTIONS at an interval | `health` |
//! | CRLF on the connection that we registered by | `keep_alive` |
//! | the order in which trunks are tried, and their limits | `select` |
//! | how numbers are spelt | `numbers` |
//! | who calls, and whom the call was meant for | `identity` |
//!
//! Invariant: at most one REGISTER and one OPTIONS are under way per trunk.

mod health;
pub(crate) mod identity;
mod keep_alive;
mod numbers;
mod register;
mod select;
mod settings;

use std::collections::{BTreeMap, VecDeque};

use model::Instant;

pub use identity::{CallIdentity, Diversion};
pub use numbers::{NumberFormat, NumberStyle, Prefix};
pub use settings::{Account, HealthCheck, IdentityRules, Limits, Place, Registration, Secret, Trunk};

use crate::api::{Event, MessageId, Output};
use crate::client_auth::Proof;
use crate::shard::ShardId;
use crate::stack::Stack;
use crate::timer::Timer;
use health::Health;
use register::Registered;

/// Never reused; a trunk keeps it when its settings change.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct TrunkId(u64);

/// What a call has to do with a trunk.
pub(crate) struct Carrier {
    pub(crate) trunk: TrunkId,
    /// The credentials of our last INVITE: its ACK repeats them.
    pub(crate) proofs: Vec<Proof>,
}

/// How a trunk does, for operators and metrics.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrunkState {
    pub name: String,
    /// Whether calls may go through it as far as health and registration tell.
    pub usable: bool,
    /// Whether it answers OPTIONS; `None` when it is not asked, or has not answered yet.
    pub alive: Option<bool>,
    pub registration: RegistrationState,
    /// Both ways.
    pub calls: u32,
    pub figures: TrunkFigures,
}

/// What has come of a trunk since the start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TrunkFigures {
    pub calls_in: u64,
    /// Every try counts.
    pub calls_out: u64,
    /// Calls of ours that it did not carry: 5xx, 408, or nothing at all.
    pub failures: u64,
    /// How often it went up or down.
    pub changes: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RegistrationState {
    /// Not asked for.
    None,
    /// Asked for, not answered yet.
    Asking,
    Registered {
        until: Instant,
    },
    /// Refused with this status (408: no answer, 503: unreachable).
    Failed {
        status: u16,
        again: Instant,
    },
    /// Given back because we go.
    Left,
}

pub(crate) struct Entry {
    pub(crate) id: TrunkId,
    pub(crate) settings: Trunk,
    pub(crate) registered: Registered,
    pub(crate) health: Health,
    /// Calls both ways that have not ended.
    live: u32,
    /// When we called through it within the last second.
    recent: VecDeque<Instant>,
    figures: TrunkFigures,
    /// As it was told last.
    told_usable: bool,
    /// Out of the configuration; only its registration is still to be given back.
    leaving: bool,
}

#[derive(Default)]
pub(crate) struct Trunks {
    last: u64,
    list: Vec<Entry>,
    /// MESSAGEs outside of calls that a trunk has not answered.
    messages: BTreeMap<MessageId, TrunkId>,
}

impl Trunks {
    /// Those of the configuration, in its order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.list.iter().filter(|entry| !entry.leaving)
    }

    pub(crate) fn named(&self, name: &str) -> Option<&Entry> {
        self.iter().find(|entry| entry.settings.name == name)
    }

    pub(crate) fn get(&self, id: TrunkId) -> Option<&Entry> {
        self.list.iter().find(|entry| entry.id == id)
    }

    pub(crate) fn get_mut(&mut self, id: TrunkId) -> Option<&mut Entry> {
        self.list.iter_mut().find(|entry| entry.id == id)
    }

    /// A MESSAGE goes through this trunk.
    pub(crate) fn take_message(&mut self, message: MessageId, trunk: TrunkId) {
        self.messages.insert(message, trunk);
    }

    pub(crate) fn carries(&self, message: MessageId) -> Option<TrunkId> {
        self.messages.get(&message).copied()
    }

    pub(crate) fn message_done(&mut self, message: MessageId) {
        self.messages.remove(&message);
    }

    fn entry(&mut self, settings: Trunk) -> Entry {
        self.last += 1;
        Entry {
            id: TrunkId(self.last),
            settings,
            registered: Registered::default(),
            health: Health::default(),
            live: 0,
            recent: VecDeque::new(),
            figures: TrunkFigures::default(),
            told_usable: true,
            leaving: false,
        }
    }
}

impl Entry {
    fn is_usable(&self) -> bool {
        self.health.alive != Some(false) && !matches!(self.registered.state, RegistrationState::Failed { .. })
    }

    pub(crate) fn state(&self) -> TrunkState {
        TrunkState {
            name: self.settings.name.clone(),
            usable: self.is_usable(),
            alive: self.health.alive,
            registration: self.registered.state,
            calls: self.live,
            figures: self.figures,
        }
    }
}

impl Stack {
    /// Replaces all trunks. One whose settings are the same stays as it is; the registration of one that goes is given back.
    /// Registering and asking for health begin with the next [`Stack::handle_timeout`].
    pub fn set_trunks(&mut self, trunks: Vec<Trunk>) {
        let mut before = std::mem::take(&mut self.trunks.list);
        for settings in trunks {
            let known = before.iter().position(|e| !e.leaving && e.settings.name == settings.name);
            let entry = match known.map(|at| before.remove(at)) {
                Some(same) if same.settings == settings => same,
                Some(other) => {
                    let mut entry = self.trunks.entry(settings);
                    // The calls under way go on counting.
                    (entry.live, entry.recent) = (other.live, other.recent.clone());
                    entry.figures = other.figures;
                    let id = std::mem::replace(&mut entry.id, other.id);
                    self.part(Entry { id, ..other });
                    self.begin(&entry);
                    entry
                }
                None => {
                    let entry = self.trunks.entry(settings);
                    self.begin(&entry);
                    entry
                }
            };
            self.trunks.list.push(entry);
        }
        for gone in before {
            self.timers.disarm(Timer::Registration(gone.id));
            self.timers.disarm(Timer::Health(gone.id));
            self.timers.disarm(Timer::Ping(gone.id));
            self.part(gone);
        }
    }

    /// How every trunk does, in the order of the configuration.
    pub fn trunk_states(&self) -> impl Iterator<Item = TrunkState> + use<'_> {
        self.trunks.iter().map(Entry::state)
    }

    /// It, or its registration, is not as it was.
    pub(crate) fn tell_trunk(&mut self, id: TrunkId) {
        let Some(entry) = self.trunks.get_mut(id) else { return };
        let usable = entry.is_usable();
        if std::mem::replace(&mut entry.told_usable, usable) != usable {
            entry.figures.changes += 1;
        }
        let state = entry.state();
        self.output.push_back(Output::Event(Event::TrunkChanged(state)));
    }

    fn begin(&mut self, entry: &Entry) {
        if self.shard != ShardId::HOME {
            return;
        }
        if entry.settings.registration.is_some() {
            self.timers.arm(Timer::Registration(entry.id), Instant::ZERO);
        } else {
            self.timers.disarm(Timer::Registration(entry.id));
        }
        if entry.settings.health.is_some() {
            self.timers.arm(Timer::Health(entry.id), Instant::ZERO);
        } else {
            self.timers.disarm(Timer::Health(entry.id));
        }
    }

    /// A trunk is kept until its registration is given back.
    fn part(&mut self, mut entry: Entry) {
        let left = matches!(
            entry.registered.state,
            RegistrationState::None | RegistrationState::Left | RegistrationState::Failed { .. }
        );
        if !left {
            entry.leaving = true;
            self.timers.arm(Timer::Registration(entry.id), Instant::ZERO);
            self.trunks.list.push(entry);
        }
    }
}
