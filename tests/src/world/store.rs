//! Who is who, by the rules that the real store keeps.

use std::collections::BTreeMap;

use model::{CustomerId, Evidence, Identity, Now};
use rand::RngExt;
use rand::rngs::StdRng;
use session::api::CustomerCard;

#[derive(Default)]
pub(super) struct SimulatedStore {
    customers: BTreeMap<CustomerId, CustomerCard>,
    by_identity: BTreeMap<Identity, CustomerId>,
}

impl SimulatedStore {
    pub fn card(&self, customer: CustomerId) -> CustomerCard {
        self.customers[&customer].clone()
    }

    pub fn resolve(
        &mut self,
        now: Now,
        random: &mut StdRng,
        identities: Vec<(Identity, Evidence)>,
        name: Option<String>,
    ) -> CustomerCard {
        let known = identities.iter().find_map(|(identity, _)| self.by_identity.get(identity).copied());
        let id = known.unwrap_or_else(|| CustomerId::new(now.wall, random.random()));
        let card = self.customers.entry(id).or_insert_with(|| CustomerCard {
            customer: id,
            name,
            identities: Vec::new(),
            earlier_sessions: 0,
        });
        for (identity, _) in identities {
            if !self.by_identity.contains_key(&identity) {
                self.by_identity.insert(identity.clone(), id);
                card.identities.push(identity);
            }
        }
        let answer = card.clone();
        card.earlier_sessions += 1;
        answer
    }
}
