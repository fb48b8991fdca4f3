use super::Srv;
use crate::random::Random;

/// By priority, and by chance within each, as the weights say. RFC 2782, "Usage rules"
pub(super) fn by_weight(mut records: Vec<Srv>, random: &mut Random) -> Vec<Srv> {
    // Those without weight first, so that they have a small chance.
    records.sort_by_key(|record| (record.priority, record.weight != 0));
    let mut ordered = Vec::with_capacity(records.len());
    while let Some(priority) = records.first().map(|record| record.priority) {
        let equal = records.iter().take_while(|record| record.priority == priority).count();
        let sum: u64 = records[..equal].iter().map(|record| u64::from(record.weight)).sum();
        let drawn = random.between(0, sum);
        let mut running = 0;
        let chosen = records[..equal].iter().position(|record| {
            running += u64::from(record.weight);
            running >= drawn
        });
        ordered.push(records.remove(chosen.unwrap_or(0)));
    }
    ordered
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn srv(priority: u16, weight: u16, target: &str) -> Srv {
        Srv { priority, weight, port: 5060, target: target.to_owned() }
    }

    #[test]
    fn priorities_are_kept_and_weights_divide_the_load() {
        let mut random = Random::new([7; 32]);
        let records =
            vec![srv(20, 1, "last"), srv(10, 0, "idle"), srv(10, 30, "small"), srv(10, 70, "large")];
        let mut first = BTreeMap::<String, u32>::new();
        for _ in 0..2000 {
            let ordered = by_weight(records.clone(), &mut random);
            assert_eq!(ordered.len(), 4);
            assert_eq!(ordered[3].target, "last");
            *first.entry(ordered[0].target.clone()).or_default() += 1;
        }
        assert!((1250..=1500).contains(&first["large"]), "{first:?}");
        assert!((480..=720).contains(&first["small"]), "{first:?}");
        assert!((1..=60).contains(&first["idle"]), "a server without weight has a small chance: {first:?}");
    }
}
