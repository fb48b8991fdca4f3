//! Whose contact this is, answered before the commit: a caller need not wait for the disk to be recognised.
//!
//! Invariants: the answer is what the slow way, within the writer's transaction, would have found. Where anything that waits for
//! its commit could change it, there is no answer here. New customers are committed before what is known of them.

use std::collections::HashMap;

use model::{Change, CustomerId, Evidence, Identity, Record, Timestamp};
use session::api::CustomerCard;

use super::ledger::Ledger;
use super::writer::Work;

/// Most of them in one commit.
const MOST: usize = 1_024;

/// Nobody had heard of him before.
#[derive(Debug)]
pub(super) struct Newcomer {
    pub customer: CustomerId,
    pub name: Option<String>,
    pub identity: Option<(Identity, Evidence)>,
    pub at: Timestamp,
}

/// What the answers since the last commit rest on besides the tables.
#[derive(Debug, Default)]
pub(super) struct Newcomers {
    all: Vec<Newcomer>,
    by_identity: HashMap<Identity, usize>,
    /// Sessions that are not in the tables yet.
    opened: HashMap<CustomerId, u32>,
    /// Something that waits may give an identity or a name to somebody.
    unsettled: bool,
}

impl Newcomers {
    /// The customer, if that can be said without writing anything but a newcomer.
    pub fn card(
        &mut self,
        ledger: &mut Ledger,
        at: Timestamp,
        identities: &[(Identity, Evidence)],
        name: Option<&str>,
    ) -> Option<CustomerCard> {
        let identity = match identities {
            [] => None,
            [identity] => Some(identity),
            [_, _, ..] => return None,
        };
        if self.unsettled || self.all.len() >= MOST {
            return None;
        }
        let known = match identity {
            None => None,
            Some((identity, _)) => match self.by_identity.get(identity).and_then(|at| self.all.get(*at)) {
                Some(newcomer) => Some(newcomer.card()),
                None => ledger.find(identity).ok()?,
            },
        };
        match known {
            // His name would have to be written down.
            Some(card) if card.name.is_none() && name.is_some() => None,
            Some(mut card) => {
                card.earlier_sessions += self.opened.get(&card.customer).copied().unwrap_or(0);
                Some(card)
            }
            None => {
                let customer = CustomerId::new(at, rand::random());
                let (name, identity) = (name.map(str::to_owned), identity.cloned());
                if let Some((identity, _)) = &identity {
                    self.by_identity.insert(identity.clone(), self.all.len());
                }
                let newcomer = Newcomer { customer, name, identity, at };
                let card = newcomer.card();
                self.all.push(newcomer);
                Some(card)
            }
        }
    }

    /// This waits for the next commit.
    pub fn heed(&mut self, work: &Work) {
        match work {
            Work::Resolve { .. } => self.unsettled = true,
            Work::Journal(Record::Session(entry)) => match &entry.change {
                Change::SessionOpened { customer, .. } => *self.opened.entry(*customer).or_default() += 1,
                Change::IdentityLinked { .. }
                | Change::CustomerChanged { .. }
                | Change::CustomerNamed { .. }
                | Change::MergedInto { .. } => self.unsettled = true,
                _ => {}
            },
            _ => {}
        }
    }

    pub fn all(&self) -> &[Newcomer] {
        &self.all
    }

    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Everything that waited is in the tables.
    pub fn forget(&mut self) {
        self.all.clear();
        self.by_identity.clear();
        self.opened.clear();
        self.unsettled = false;
    }
}

impl Newcomer {
    fn card(&self) -> CustomerCard {
        CustomerCard {
            customer: self.customer,
            name: self.name.clone(),
            identities: self.identity.iter().map(|(identity, _)| identity.clone()).collect(),
            earlier_sessions: 0,
        }
    }
}
