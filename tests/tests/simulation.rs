//! The whole centre at virtual time under every kind of bad luck.

use std::time::Duration;

use e2e::world::figures::sum;
use e2e::world::script::count;
use e2e::world::{Scenario, World};
use model::{Change, Left};
use sip_core::testing::Weather;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Runs the scenario to its end and asserts that nothing is left of it anywhere.
fn play(scenario: &Scenario) -> World {
    let mut world = World::new(scenario);
    world.run(scenario.span);
    finish(scenario, world)
}

fn finish(scenario: &Scenario, mut world: World) -> World {
    // Chats that everybody forgot end by their idle time; 64*T1 later no transaction is left either.
    world.run(Duration::from_secs(3 * 3600));
    let unfinished = world.audit.unfinished();
    assert!(
        unfinished.is_empty(),
        "seed {}: {} sessions never ended:{}",
        scenario.seed,
        unfinished.len(),
        unfinished[0]
    );
    let counts = world.engine.counts();
    assert_eq!(counts.sessions, 0, "seed {}: {counts:?}", scenario.seed);
    assert_eq!(counts.legs, 0, "seed {}: {counts:?}", scenario.seed);
    assert_eq!(counts.offers, 0, "seed {}: {counts:?}", scenario.seed);
    assert_eq!(counts.waiting, 0, "seed {}: {counts:?}", scenario.seed);
    assert_eq!((counts.parked, counts.consulted), (0, 0), "seed {}: {counts:?}", scenario.seed);
    assert_eq!(counts.pending_resolves, 0, "seed {}: {counts:?}", scenario.seed);
    assert_eq!(counts.sip.calls, 0, "seed {}: {counts:?}", scenario.seed);
    let sip = world.sip_counts();
    assert_eq!(sip.lingering, 0, "seed {}: {sip:?}", scenario.seed);
    assert_eq!(sip.transactions, 0, "seed {}: {sip:?}", scenario.seed);
    assert_eq!(world.media_legs_open(), 0, "seed {}: media legs are left", scenario.seed);
    assert_eq!(world.audit.open_offers(), 0, "seed {}: offers are left", scenario.seed);
    assert_eq!(
        world.audit.unanswered_messages(),
        0,
        "seed {}: a message was neither taken nor refused",
        scenario.seed
    );
    assert_eq!(
        world.calls_of_peers(),
        (0, 0),
        "seed {}: a peer still thinks that it is in a call",
        scenario.seed
    );
    assert!(world.now.instant.as_micros() < 1_000_000_000_000 + DAY.as_micros() as u64);
    tell_the_truth(&world);
    world
}

/// The figures that were kept while it happened are those that the journal gives afterwards, and what anybody counts in it.
fn tell_the_truth(world: &World) {
    let report = world.figures.report(world.now);
    assert!(report == world.figures.from_scratch(world.now), "kept and recomputed figures differ");
    let (figures, plain) = (sum(&report), world.figures.plainly());
    let left = |why: &[Left]| why.iter().filter_map(|why| plain.left.get(why)).sum::<u64>();
    assert_eq!(figures.waiting, 0);
    assert_eq!(figures.answered, left(&[Left::Answered, Left::Taken]));
    assert_eq!(figures.abandoned, left(&[Left::Abandoned]));
    assert_eq!(figures.overflowed, left(&[Left::Overflowed, Left::Joined, Left::Refused]));
    assert_eq!(figures.dropped, left(&[Left::Dropped]));
    assert_eq!(figures.rung, plain.offers);
    assert_eq!(figures.talk + figures.hold, plain.handling, "talk time is lost or counted twice");
    assert_eq!(figures.wrap_up, plain.wrap_up);
}

fn seeds(most: u64) -> Vec<u64> {
    match std::env::var("TANDEM_SEED").ok().and_then(|seed| seed.parse().ok()) {
        Some(seed) => vec![seed],
        None => (1..=most).collect(),
    }
}

#[test]
fn a_thousand_calls_and_chats_in_a_storm_leave_nothing_behind() {
    let scenario = Scenario {
        seed: seeds(1)[0],
        calls: 500,
        chats: 500,
        operators: 20,
        weather: Weather { loss: 0.05, duplication: 0.05, ..Weather::STORM },
        span: Duration::from_secs(3600),
        deaths: 10,
        transfers: 40,
        redirects: true,
        max_sessions: 10_000,
        shards: 3,
        scripted: false,
    };
    let world = play(&scenario);
    let outcomes = &world.audit.outcomes;
    println!("{outcomes:?} refusals {:?}", world.audit.refusals);
    // Everything that can happen to an offer did, so that the invariants were really tried.
    for outcome in ["accepted", "declined", "timed out", "withdrawn", "unreachable"] {
        assert!(
            outcomes.contains_key(outcome),
            "seed {}: no offer was {outcome}: {outcomes:?}",
            scenario.seed
        );
    }
    let figures = sum(&world.figures.report(world.now));
    println!("{figures:?}");
    assert!(figures.answered > 100 && figures.abandoned > 10 && figures.abandoned_short > 0);
    assert!(figures.transferred > 5 && !figures.hold.is_zero() && !figures.wrap_up.is_zero());
    assert!(figures.served > 100 && figures.repeated > 0 && figures.repeated < figures.served);
    let (transfers, own_calls) = world.restlessness();
    let parked = world.journals().concat();
    let parked = count(&parked, |change| matches!(change, Change::Parked { slot: Some(_) }));
    let changes = world.journals().concat();
    let supervised = count(&changes, |change| matches!(change, Change::Supervised { mode: Some(_), .. }));
    println!("{} commands of conferences, {supervised} supervisions", world.meetings);
    assert!(supervised > 5 && world.most_in_a_conference() > 2, "seed {}", scenario.seed);
    println!("{transfers} transfers, {own_calls} calls of operators, {parked} times parked");
    assert!(transfers > 5 && own_calls > 2 && parked > 5, "seed {}", scenario.seed);
    assert!(world.audit.sessions() >= 800, "{} sessions", world.audit.sessions());
}

#[test]
fn small_centres_of_many_seeds_leave_nothing_behind() {
    for seed in seeds(40) {
        play(&Scenario {
            seed,
            calls: 12,
            chats: 12,
            operators: 2 + usize::try_from(seed % 3).unwrap_or(0),
            weather: Weather::STORM,
            span: Duration::from_secs(120),
            deaths: 25,
            transfers: 40,
            redirects: true,
            max_sessions: 10_000,
            shards: u8::try_from(seed % 4).unwrap_or(0),
            scripted: false,
        });
    }
}

/// Check 5 of the checks: offers end once, whatever becomes of whoever is asked; a reload resets nobody; nobody makes an INVITE storm.
#[test]
fn who_pauses_signs_out_loses_a_skill_or_is_moved_while_it_rings_ends_the_offer_once() {
    for seed in seeds(4) {
        let scenario = Scenario {
            seed,
            calls: 60,
            chats: 60,
            operators: 6,
            weather: Weather::FINE,
            span: Duration::from_secs(600),
            deaths: 0,
            transfers: 0,
            redirects: false,
            max_sessions: 10_000,
            shards: 0,
            scripted: false,
        };
        let mut world = World::new(&scenario);
        world.calls_ask_for_skills();
        for _ in 0..600 {
            world.unsettles_somebody();
            world.run(Duration::from_secs(1));
            if world.now.instant.as_micros().is_multiple_of(3) {
                world.settle_everybody();
            }
        }
        world.settle_everybody();
        let world = finish(&scenario, world);
        let outcomes = &world.audit.outcomes;
        assert!(outcomes["agent left"] > 10 && outcomes["accepted"] > 20, "seed {seed}: {outcomes:?}");
        for (agent, rows) in world.audit.asked_in_vain() {
            for window in rows.iter().flat_map(|row| row.windows(8)) {
                let passed = window[7].saturating_since(window[0]);
                assert!(
                    passed >= Duration::from_secs(30),
                    "seed {seed}: {agent} was asked eight times in {passed:?}"
                );
            }
        }
    }
}
