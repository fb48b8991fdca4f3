//! What operators' phones are told of their colleagues: the calls (busy lamps), whether one can be reached, and an empty mailbox.
//!
//! Invariants: only operators are told anything, and only of operators; one subscription is told at most once a second; what is told
//! is always the whole state as it is then.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::{AgentId, AgentStatus, Instant, LegId, Now};
use sip_core::api::{Package, Peer, Subscription, SubscriptionId};
use sip_core::subscription::{DialogState, dialog_info, message_summary, presence};

use crate::engine::Engine;
use crate::timers::Timer;

/// Between two words to one subscriber.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(crate) struct Watches {
    all: BTreeMap<SubscriptionId, Watch>,
    of: BTreeMap<AgentId, BTreeSet<SubscriptionId>>,
    /// The calls at each operator's phones.
    legs: BTreeMap<AgentId, BTreeSet<LegId>>,
    /// Operators about whom there may be something new.
    changed: BTreeSet<AgentId>,
}

struct Watch {
    by: AgentId,
    about: AgentId,
    told: Told,
    /// When it was last told.
    at: Instant,
}

/// What a subscriber knows.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Told {
    /// The calls, those that are over told for the last time; and how often he was told.
    Dialogs(BTreeMap<LegId, DialogState>, u32),
    Presence(bool, &'static str),
}

impl Watches {
    pub fn leg_opened(&mut self, agent: AgentId, leg: LegId) {
        self.legs.entry(agent).or_default().insert(leg);
        self.changed(agent);
    }

    pub fn leg_ended(&mut self, agent: AgentId, leg: LegId) {
        if let Some(legs) = self.legs.get_mut(&agent) {
            legs.remove(&leg);
            if legs.is_empty() {
                self.legs.remove(&agent);
            }
        }
        self.changed(agent);
    }

    pub fn is_on_the_phone(&self, agent: AgentId) -> bool {
        self.legs.contains_key(&agent)
    }

    pub fn changed(&mut self, agent: AgentId) {
        if self.of.contains_key(&agent) {
            self.changed.insert(agent);
        }
    }

    fn forget(&mut self, subscription: SubscriptionId) {
        let Some(watch) = self.all.remove(&subscription) else { return };
        if let Some(of) = self.of.get_mut(&watch.about) {
            of.remove(&subscription);
            if of.is_empty() {
                self.of.remove(&watch.about);
            }
        }
    }
}

impl Engine {
    pub(crate) fn subscribed(&mut self, now: Now, asked: Subscription) {
        let Subscription { subscription, peer, package, user } = asked;
        let operator = |login: &str| self.logins.get(login).copied();
        let by = match &peer {
            Peer::User { aor, .. } => operator(aor),
            Peer::Trunk { .. } => None,
        };
        let Some(by) = by else { return self.sip.end_subscription(now, subscription, "rejected") };
        let Some(about) = operator(&user) else {
            return self.sip.end_subscription(now, subscription, "noresource");
        };
        let told = match package {
            Package::Dialog => Told::Dialogs(self.dialogs_of(about), 0),
            Package::Presence => self.presence_of(about),
            Package::MessageSummary if by == about => {
                // Nobody can leave a message: phones that ask are told so once, and again when they refresh.
                let state = message_summary(&self.address_of(about), 0, 0);
                return self.sip.notify(now, subscription, state);
            }
            Package::MessageSummary => return self.sip.end_subscription(now, subscription, "rejected"),
        };
        self.watches.all.insert(subscription, Watch { by, about, told, at: now.instant });
        self.watches.of.entry(about).or_default().insert(subscription);
        self.tell(now, subscription);
    }

    pub(crate) fn unsubscribed(&mut self, subscription: SubscriptionId) {
        self.watches.forget(subscription);
    }

    /// Whatever he watched, and whoever watched him, hears no more of it.
    pub(crate) fn watches_end(&mut self, now: Now, agent: AgentId) {
        let concerned = |(id, watch): (&SubscriptionId, &Watch)| {
            (watch.by == agent || watch.about == agent).then_some(*id)
        };
        let gone: Vec<SubscriptionId> = self.watches.all.iter().filter_map(concerned).collect();
        for subscription in gone {
            self.watches.forget(subscription);
            self.sip.end_subscription(now, subscription, "noresource");
        }
    }

    /// Tells what is new, or remembers to do so in a moment. True when anything was told.
    pub(crate) fn tell_watchers(&mut self, now: Now) -> bool {
        let mut told = false;
        for agent in std::mem::take(&mut self.watches.changed) {
            let subscriptions: Vec<_> = self.watches.of.get(&agent).into_iter().flatten().copied().collect();
            for subscription in subscriptions {
                told |= self.tell_news(now, subscription);
            }
        }
        told
    }

    pub(crate) fn tell_news(&mut self, now: Now, subscription: SubscriptionId) -> bool {
        let Some(watch) = self.watches.all.get(&subscription) else { return false };
        let (about, due) = (watch.about, watch.at + PAUSE);
        let news = match &watch.told {
            Told::Dialogs(before, version) => {
                let mut dialogs = self.dialogs_of(about);
                for (leg, state) in before {
                    if *state != DialogState::Terminated {
                        dialogs.entry(*leg).or_insert(DialogState::Terminated);
                    }
                }
                let over = |state: &DialogState| *state == DialogState::Terminated;
                let only_forgotten =
                    before.iter().all(|(leg, state)| over(state) || dialogs.get(leg) == Some(state))
                        && dialogs.keys().all(|leg| before.contains_key(leg));
                if only_forgotten {
                    return false;
                }
                Told::Dialogs(dialogs, version.wrapping_add(1))
            }
            Told::Presence(..) => self.presence_of(about),
        };
        let Some(watch) = self.watches.all.get_mut(&subscription) else { return false };
        if watch.told == news {
            return false;
        }
        if now.instant < due {
            self.timers.set(due, Timer::Watch(subscription));
            return false;
        }
        watch.told = news;
        watch.at = now.instant;
        self.tell(now, subscription);
        true
    }

    fn tell(&mut self, now: Now, subscription: SubscriptionId) {
        let Some(Watch { about, told, .. }) = self.watches.all.get(&subscription) else { return };
        let entity = self.address_of(*about);
        let state = match told {
            Told::Dialogs(dialogs, version) => {
                let dialogs: Vec<_> = dialogs.iter().map(|(leg, state)| (leg.to_string(), *state)).collect();
                dialog_info(&entity, *version, &dialogs)
            }
            Told::Presence(open, word) => presence(&entity, *open, Some(word)),
        };
        self.sip.notify(now, subscription, state);
    }

    fn dialogs_of(&self, agent: AgentId) -> BTreeMap<LegId, DialogState> {
        let legs = self.watches.legs.get(&agent).into_iter().flatten();
        legs.filter_map(|id| {
            let leg = self.sessions.get(self.legs.get(id)?)?.legs.get(id)?;
            let state = match (leg.is_up(), leg.rang) {
                (true, _) => DialogState::Confirmed,
                (false, true) => DialogState::Early,
                (false, false) => DialogState::Trying,
            };
            Some((*id, state))
        })
        .collect()
    }

    /// The reasons why somebody is away are nobody's business.
    fn presence_of(&self, agent: AgentId) -> Told {
        let Some(view) = self.acd.agent(agent) else { return Told::Presence(false, "offline") };
        let on_the_phone = self.watches.is_on_the_phone(agent);
        // Who is consulted cannot be offered calls and is there all the same.
        let there = self.has_device(agent) || view.reachable_by_text;
        let works = on_the_phone || !view.sessions.is_empty() || !view.wrapping_up.is_empty();
        match view.status {
            AgentStatus::SignedOut => Told::Presence(false, "offline"),
            AgentStatus::Ready | AgentStatus::NotReady { .. } | AgentStatus::NotAnswering if !there => {
                Told::Presence(false, "offline")
            }
            AgentStatus::Ready if works => Told::Presence(true, "busy"),
            AgentStatus::Ready => Told::Presence(true, "available"),
            AgentStatus::NotReady { .. } | AgentStatus::NotAnswering if on_the_phone => {
                Told::Presence(true, "busy")
            }
            AgentStatus::NotReady { .. } | AgentStatus::NotAnswering => Told::Presence(true, "away"),
        }
    }

    fn address_of(&self, agent: AgentId) -> String {
        let login = self.agents.get(&agent).map_or("", |agent| agent.setup.login.as_str());
        format!("sip:{login}@{}", self.config.sip.domain)
    }
}
