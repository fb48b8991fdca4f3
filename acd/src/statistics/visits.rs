//! Who came again.

use std::collections::{BTreeMap, BTreeSet};

use model::{CustomerId, SessionId, Timestamp};

use super::{Figures, Key, Rules};

/// The contacts of each customer, for as long as they say something about one another.
#[derive(Clone, Debug, Default)]
pub(super) struct Visits {
    of: BTreeMap<CustomerId, BTreeMap<SessionId, Visit>>,
    customer_of: BTreeMap<SessionId, CustomerId>,
    /// The ended ones, by when.
    ended: BTreeSet<(Timestamp, SessionId)>,
}

#[derive(Clone, Debug)]
struct Visit {
    opened: Timestamp,
    /// When it ended, and what it is counted as; when it was served.
    served: Option<(Timestamp, Key)>,
}

impl Visits {
    pub fn opened(&mut self, session: SessionId, customer: CustomerId, at: Timestamp) {
        self.customer_of.insert(session, customer);
        self.of.entry(customer).or_default().insert(session, Visit { opened: at, served: None });
    }

    /// It was found to be another customer's.
    pub fn moved(&mut self, session: SessionId, customer: CustomerId) {
        if let Some(visit) = self.take(session) {
            self.customer_of.insert(session, customer);
            self.of.entry(customer).or_default().insert(session, visit);
        }
    }

    /// It became part of another.
    pub fn joined(&mut self, session: SessionId) {
        self.take(session);
    }

    pub fn ended(&mut self, session: SessionId, at: Timestamp, served_as: Option<Key>) {
        let Some(customer) = self.customer_of.get(&session) else { return };
        if let Some(visit) = self.of.get_mut(customer).and_then(|visits| visits.get_mut(&session)) {
            visit.served = served_as.map(|key| (at, key));
            self.ended.insert((at, session));
        }
    }

    fn take(&mut self, session: SessionId) -> Option<Visit> {
        let customer = self.customer_of.remove(&session)?;
        let visits = self.of.get_mut(&customer)?;
        let visit = visits.remove(&session);
        if visits.is_empty() {
            self.of.remove(&customer);
        }
        visit
    }

    /// What nothing can be said against any more.
    pub fn settle(&mut self, now: Timestamp, rules: &Rules, to: &mut BTreeMap<Key, Figures>) {
        while let Some((at, session)) = self.ended.first().copied() {
            if now.saturating_since(at) <= rules.repeat_within {
                break;
            }
            self.ended.remove(&(at, session));
            let customer = self.customer_of.get(&session);
            let visits = customer.and_then(|customer| self.of.get(customer));
            if let Some(visits) = visits {
                count(visits, session, rules, to);
            }
            self.take(session);
        }
    }

    pub fn contribute(&self, rules: &Rules, to: &mut BTreeMap<Key, Figures>) {
        for visits in self.of.values() {
            for session in visits.keys() {
                count(visits, *session, rules, to);
            }
        }
    }
}

fn count(
    visits: &BTreeMap<SessionId, Visit>,
    session: SessionId,
    rules: &Rules,
    to: &mut BTreeMap<Key, Figures>,
) {
    let Some((ended, key)) = visits.get(&session).and_then(|visit| visit.served.as_ref()) else { return };
    let came_again = visits.iter().any(|(other, visit)| {
        *other != session
            && visit.opened >= *ended
            && visit.opened.saturating_since(*ended) <= rules.repeat_within
    });
    let figures = to.entry(key.clone()).or_default();
    figures.served += 1;
    figures.repeated += u64::from(came_again);
}
