//! The tree of a dialplan: what the parser makes, the checker checks and the interpreter runs.

use std::collections::BTreeMap;

use crate::api::{ChannelKind, Entry};
use crate::hours::Hours;
use crate::route::{Price, Route};
use crate::scenario::Scenario;
use crate::source::{At, Span};
use crate::verb::Verb;

#[derive(Clone, Debug, Default)]
pub(crate) struct File {
    pub flows: Vec<Flow>,
    pub hours: Vec<(At<String>, Hours)>,
    pub routes: Vec<Route>,
    pub prices: Vec<Price>,
    pub parts: Vec<Part>,
    /// Other files that it needs.
    pub includes: Vec<At<String>>,
}

/// States that several flows can include.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub name: At<String>,
    pub states: Vec<State>,
    pub includes: Vec<At<String>>,
    /// As in [`Flow::broken`].
    pub broken: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Flow {
    pub name: At<String>,
    pub entries: Vec<At<Entry>>,
    /// The first one is where the flow begins.
    pub states: Vec<State>,
    /// Parts whose states are its own, too.
    pub includes: Vec<At<String>>,
    pub tests: Vec<Scenario>,
    /// Something of it could not be read, so what seems to be missing may only be unreadable.
    pub broken: bool,
    /// A part that it includes is not there, so states that seem to be missing may be in it.
    pub lacks_parts: bool,
    /// Where each state is; made by [`Flow::index`].
    pub places: BTreeMap<String, usize>,
}

#[derive(Clone, Debug)]
pub(crate) struct State {
    pub name: At<String>,
    pub body: Vec<Step>,
    /// As in [`Flow::broken`].
    pub broken: bool,
}

/// A verb with what comes of its outcomes.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub verb: Verb,
    pub span: Span,
    pub on: Vec<On>,
}

/// `on a, b -> state`, or `on a { voice -> s1  text -> s2 }`.
#[derive(Clone, Debug)]
pub(crate) struct On {
    pub outcomes: Vec<At<String>>,
    pub voice: Option<Target>,
    pub text: Option<Target>,
}

/// The name of a state of the same flow.
pub(crate) type Target = At<String>;

impl Flow {
    /// To be called when all states are there; of two with the same name the first one counts.
    pub fn index(&mut self) {
        for (at, state) in self.states.iter().enumerate().rev() {
            self.places.insert(state.name.value.clone(), at);
        }
    }

    pub fn state(&self, name: &str) -> Option<usize> {
        self.places.get(name).copied()
    }

    /// The kinds of channels that the flow can be entered on.
    pub fn channels(&self) -> BTreeMap<ChannelKind, Span> {
        self.entries.iter().rev().map(|entry| (kind_of(&entry.value), entry.span)).collect()
    }
}

impl Step {
    /// Where an outcome leads on a channel; `None`: on with the next statement.
    pub fn handler(&self, outcome: &str, channel: ChannelKind) -> Option<&Target> {
        let named = |name: &str| {
            let on = self.on.iter().find(|on| on.outcomes.iter().any(|o| o.value == name))?;
            on.target(channel)
        };
        named(outcome).or_else(|| self.verb.wider_outcome(outcome).and_then(named))
    }
}

impl On {
    pub fn target(&self, channel: ChannelKind) -> Option<&Target> {
        match channel {
            ChannelKind::Voice => self.voice.as_ref(),
            ChannelKind::Text => self.text.as_ref(),
        }
    }
}

pub(crate) fn kind_of(entry: &Entry) -> ChannelKind {
    match entry {
        Entry::Sip(_) | Entry::After(_) => ChannelKind::Voice,
        Entry::Chat(_) => ChannelKind::Text,
    }
}
