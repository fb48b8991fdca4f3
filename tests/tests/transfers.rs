//! An operator sends his customer on, asks a colleague first, takes what rings or is parked elsewhere: phones at the simulated
//! centre, with real SIP stacks.

mod transfers {
    mod attended;
    mod blind;
    mod limits;
    mod park;
    mod pickup;
    mod recorded;
    mod redirect;

    use std::time::Duration;

    use e2e::world::script::{only, open_legs};
    use e2e::world::{Scenario, World};
    use model::{AgentId, LegId, Party};
    use session::view::SessionState;
    use sip_core::api::CallId;

    const PHONE: &str = "+79001112233";
    const OUTSIDE: &str = "+79005556677";

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    /// A caller whose call rings at one of `operators`, and the others.
    fn ringing(operators: usize) -> (World, CallId, AgentId, Vec<AgentId>) {
        ringing_in(&Scenario::scripted(operators))
    }

    fn ringing_in(scenario: &Scenario) -> (World, CallId, AgentId, Vec<AgentId>) {
        let mut world = World::new(scenario);
        world.pass(seconds(1));
        let call = world.caller_calls(PHONE);
        for _ in 0..60 {
            world.pass(seconds(1));
            if let Some(agent) = world.agents().into_iter().find(|agent| world.rings(*agent) > 0) {
                let others = world.agents().into_iter().filter(|other| *other != agent).collect();
                return (world, call, agent, others);
            }
        }
        panic!("nobody was rung");
    }

    /// A caller who talks to one of `operators`, and the others.
    fn talking(operators: usize) -> (World, CallId, AgentId, Vec<AgentId>) {
        let (mut world, call, agent, others) = ringing(operators);
        world.operator_answers(agent);
        world.pass(seconds(1));
        assert_eq!(world.desk(agent).sessions[0].state, SessionState::Active);
        (world, call, agent, others)
    }

    fn address(world: &World, agent: AgentId) -> String {
        format!("sip:{}@tandem.test", world.login(agent))
    }

    /// The leg of a party in the only session, when one is answered.
    fn leg_of(world: &World, party: &Party) -> LegId {
        let journals = world.journals();
        let legs = open_legs(only(&journals));
        let leg = legs.iter().find(|(_, who, up)| who == party && *up);
        leg.unwrap_or_else(|| panic!("{party:?} is not there: {legs:?}")).0
    }

    /// Who hears the customer.
    fn customers_partner(world: &World) -> Option<Party> {
        let customer = leg_of(world, &Party::Customer);
        let heard = world.hears(customer)?;
        let journals = world.journals();
        open_legs(only(&journals)).into_iter().find(|(leg, ..)| *leg == heard).map(|(_, party, _)| party)
    }
}
