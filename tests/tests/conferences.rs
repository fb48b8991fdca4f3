//! More than two in a conversation: conferences, and supervisors who listen, whisper, barge in and take over. Phones at the simulated
//! centre, with real SIP stacks.

mod conferences {
    mod aside;
    mod guests;
    mod supervision;

    use std::time::Duration;

    use e2e::world::script::{only, open_legs, session_of};
    use e2e::world::{Scenario, World};
    use model::{AgentId, LegId, Party, SessionId};
    use session::view::SessionState;
    use sip_core::api::CallId;

    const PHONE: &str = "+79001112233";
    const OUTSIDE: &str = "+79005556677";

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    /// A caller who talks to one of `operators`, and the others.
    fn talking(operators: usize) -> (World, CallId, AgentId, Vec<AgentId>) {
        let mut world = World::new(&Scenario::scripted(operators));
        world.pass(seconds(1));
        let call = world.caller_calls(PHONE);
        for _ in 0..60 {
            world.pass(seconds(1));
            if let Some(agent) = world.agents().into_iter().find(|agent| world.rings(*agent) > 0) {
                world.operator_answers(agent);
                world.pass(seconds(1));
                assert_eq!(world.desk(agent).sessions[0].state, SessionState::Active);
                let others = world.agents().into_iter().filter(|other| *other != agent).collect();
                return (world, call, agent, others);
            }
        }
        panic!("nobody was rung");
    }

    fn session(world: &World) -> SessionId {
        session_of(only(&world.journals()))
    }

    /// The answered legs of a party in the only session.
    fn leg_of(world: &World, party: &Party) -> LegId {
        let journals = world.journals();
        let legs = open_legs(only(&journals));
        let his = |(leg, of, up): &(LegId, Party, bool)| (*up && of == party).then_some(*leg);
        legs.iter().find_map(his).unwrap_or_else(|| panic!("{party:?} is not there: {legs:?}"))
    }

    fn agent(agent: AgentId) -> Party {
        Party::Agent { agent }
    }

    /// Who hears whom in the conference, by the order of `parties`; an empty list is somebody who hears nobody.
    fn heard(world: &World, parties: &[Party]) -> Vec<Vec<usize>> {
        let legs: Vec<LegId> = parties.iter().map(|party| leg_of(world, party)).collect();
        let whom = |leg: &LegId| {
            let heard =
                world.hears_in_conference(*leg).unwrap_or_else(|| panic!("{leg} is in no conference"));
            (0..legs.len()).filter(|other| heard.contains(&legs[*other])).collect()
        };
        legs.iter().map(whom).collect()
    }
}
