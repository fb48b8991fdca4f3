//! A customer is parked in a slot, and whoever dials the slot gets him.

use e2e::world::World;
use e2e::world::script::{only, open_legs};
use model::{Change, Party};
use session::view::SessionState;

use super::{customers_partner, leg_of, seconds, talking};

/// What the journal says of parking.
fn slots(world: &World) -> Vec<Option<String>> {
    let journals = world.journals();
    let slots = only(&journals).iter().filter_map(|entry| match &entry.change {
        Change::Parked { slot } => Some(slot.clone()),
        _ => None,
    });
    slots.collect()
}

#[test]
fn whoever_dials_the_slot_gets_the_parked_customer() {
    for (to, slot) in [("sip:park@tandem.test", "01"), ("sip:*542@tandem.test", "42")] {
        let (mut world, call, agent, others) = talking(2);
        world.operator_refers(agent, to);
        world.pass(seconds(2));
        assert_eq!(world.operator_was_told(agent), [(100, false), (200, true)]);
        assert!(world.ending_at(agent, world.newest_ring(agent)).is_some(), "his phone is free");
        assert!(world.call_is_up(call));
        assert!(world.hears_music(leg_of(&world, &Party::Customer)));
        let session = &world.desk(agent).sessions[0];
        assert_eq!((session.parked.as_deref(), session.state), (Some(slot), SessionState::Active));
        assert_eq!(slots(&world), [Some(slot.to_owned())]);
        let empty = world.operator_calls(others[0], "*599", None);
        assert_eq!(world.ending_at(others[0], empty).and_then(|ending| ending.sip_status), Some(404));
        let own = world.operator_calls(others[0], &format!("*5{slot}"), None);
        world.pass(seconds(1));
        assert!(world.was_answered(others[0], own));
        assert_eq!(customers_partner(&world), Some(Party::Agent { agent: others[0] }));
        assert_eq!(world.desk(others[0]).sessions[0].parked, None);
        assert!(world.desk(agent).sessions.is_empty());
        assert_eq!(slots(&world), [Some(slot.to_owned()), None]);
        world.pass(seconds(300));
        assert_eq!(world.rings(agent), 1, "nothing comes back to him");
        assert!(world.call_is_up(call));
    }
}

#[test]
fn a_taken_slot_is_refused_and_one_is_free_again_when_its_customer_hangs_up() {
    let (mut world, call, agent, others) = talking(2);
    world.operator_refers(agent, "sip:*507@tandem.test");
    world.pass(seconds(2));
    let second = world.caller_calls("+79004445566");
    world.pass(seconds(20));
    world.operator_answers(others[0]);
    world.pass(seconds(1));
    world.operator_refers(others[0], "sip:*507@tandem.test");
    world.pass(seconds(1));
    assert_eq!(world.operator_was_told(others[0]), [(486, true)]);
    world.caller_hangs_up(call);
    world.pass(seconds(1));
    world.operator_refers(others[0], "sip:*507@tandem.test");
    world.pass(seconds(1));
    assert_eq!(world.operator_was_told(others[0]).last(), Some(&(200, true)));
    assert!(world.call_is_up(second));
}

#[test]
fn a_customer_for_whom_nobody_comes_rings_at_whoever_parked_him_and_then_waits_in_the_queue() {
    let (mut world, call, agent, _) = talking(2);
    world.operator_refers(agent, "sip:park@tandem.test");
    world.pass(seconds(100));
    assert_eq!(world.rings(agent), 1);
    world.pass(seconds(25));
    assert_eq!(world.rings(agent), 2, "it rings at him again");
    assert_eq!(world.desk(agent).sessions[0].parked, None);
    world.operator_answers(agent);
    world.pass(seconds(1));
    assert_eq!(customers_partner(&world), Some(Party::Agent { agent }));
    // Once more, and he does not care.
    world.operator_refers(agent, "sip:park@tandem.test");
    world.pass(seconds(150));
    assert!(world.call_is_up(call));
    let journals = world.journals();
    let queued = only(&journals).iter().filter(|entry| matches!(entry.change, Change::Queued { .. })).count();
    assert_eq!(queued, 2);
}

#[test]
fn a_slot_dialled_at_the_last_moment_rings_at_nobody_else() {
    let (mut world, call, agent, others) = talking(2);
    world.operator_refers(agent, "sip:park@tandem.test");
    world.pass(seconds(1));
    world.caller_hangs_up(call);
    world.pass(seconds(1));
    let own = world.operator_calls(others[0], "*501", None);
    assert_eq!(world.ending_at(others[0], own).and_then(|ending| ending.sip_status), Some(404));
    let journals = world.journals();
    assert!(open_legs(only(&journals)).is_empty());
    assert_eq!(world.media_legs_open(), 0);
}
