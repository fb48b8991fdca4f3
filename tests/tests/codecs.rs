//! What may be spoken with a carrier is what its trunk says, in offers and in answers.

use std::collections::BTreeMap;
use std::time::Duration;

use e2e::world::script::only;
use e2e::world::{NUMBER, Scenario, World};
use media::api::Codec;
use model::Change;
use session::api::TrunkPolicy;
use sip_core::api::{CallIdentity, Transport};
use sip_core::testing::trunk;

const CALLER: &str = "+79001112233";
const THROUGH: &str = "+74950000001";
const FLOWS: &str = r#"
flow through {
  entry sip "+74950000001"
  state start { transfer "+79005556677" on failed -> over }
  state over { hangup }
}
route outbound { to "*" via trunk "first" then trunk "second" then trunk "carrier" }
"#;

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Three trunks to the one carrier, with these codecs each; calls come in through the first.
fn world(codecs: [&[Codec]; 3]) -> World {
    let mut world = World::new(&Scenario::scripted(1));
    let address = ([10, 0, 0, 2], 5060).into();
    let names = ["first", "second", "carrier"];
    world.set_trunks(names.map(|name| trunk(name, address, Transport::Udp)).to_vec());
    let policy = |codecs: &[Codec]| TrunkPolicy { codecs: codecs.to_vec(), ..TrunkPolicy::default() };
    let policies = names.iter().zip(codecs).map(|(name, codecs)| ((*name).to_owned(), policy(codecs)));
    world.set_trunk_policies(BTreeMap::from_iter(policies));
    world.set_routes(FLOWS);
    world.pass(seconds(1));
    world
}

#[test]
fn each_trunk_is_offered_its_own_codecs_and_one_that_has_none_of_them_is_followed_by_the_next() {
    let mut world = world([&[Codec::Pcmu], &[Codec::Pcma, Codec::Pcmu], &[]]);
    let call = world.caller_calls_number(CALLER, THROUGH, CallIdentity::default());
    world.pass(seconds(1));
    assert!(world.offered_to_carrier().ends_with(" [Pcmu]"), "{}", world.offered_to_carrier());
    world.call_is_refused(488);
    world.pass(seconds(1));
    assert!(world.offered_to_carrier().ends_with(" [Pcma, Pcmu]"), "{}", world.offered_to_carrier());
    world.call_is_refused(503);
    world.pass(seconds(1));
    assert!(world.offered_to_carrier().ends_with(" []"), "{}", world.offered_to_carrier());
    world.customer_answers();
    world.pass(seconds(1));
    assert!(world.is_answered(call));
    let journals = world.journals();
    let tries: Vec<String> = only(&journals)
        .iter()
        .filter_map(|entry| match &entry.change {
            Change::Step { flow, state, outcome, .. } if flow == "outbound" => {
                Some(format!("{state} {outcome}"))
            }
            _ => None,
        })
        .collect();
    assert_eq!(tries, ["first 488", "second 503", "carrier answered"]);
}

#[test]
fn when_no_trunk_has_a_common_codec_the_caller_is_told_so() {
    let mut world = world([&[Codec::Pcmu], &[Codec::Pcmu], &[Codec::Pcmu]]);
    let call = world.caller_calls_number(CALLER, THROUGH, CallIdentity::default());
    world.pass(seconds(1));
    for _ in 0..3 {
        world.call_is_refused(488);
        world.pass(seconds(1));
    }
    assert_eq!(world.ending_at_caller(call).and_then(|ending| ending.sip_status), Some(488));
}

#[test]
fn a_call_of_a_trunk_is_answered_with_its_codecs() {
    let mut world = world([&[Codec::Pcma], &[], &[]]);
    let call = world.caller_calls_number(CALLER, NUMBER, CallIdentity::default());
    world.pass(seconds(3));
    assert!(world.answer_to_caller(call).ends_with(" [Pcma]"), "{}", world.answer_to_caller(call));
}
