//! Which carriers a number is called through.

use dialplans::api::{Source, World};
use dialplans::{Code, Outgoing, Plan, RouteLimits, Way, compile};
use model::Timestamp;

fn plan(routes: &str) -> Plan {
    let flow = "flow f { entry chat \"main\" state s { close } }\n";
    let world = World { queues: ["sales".to_owned()].into(), ..World::default() };
    compile(&[Source::new("f.plan", format!("{flow}{routes}"))], &world).expect("a good plan")
}

const ROUTES: &str = r#"
route outbound {
  to "+7*" via trunk "mts" then trunk "backup" limit 30 calls 5 per second
  to "+79*" via trunk "mobile"
  to "+79*" from queue "sales" via trunk "cheap" then trunk "mts"
  to "+74951234567" deny "that is us"
  to "112" via trunk "mts" limit 2 per second
  to "*" deny "international calls are off"
}
"#;

fn call<'a>(number: &'a str, queue: Option<&'a str>) -> Outgoing<'a> {
    Outgoing { number, queue, ..Outgoing::default() }
}

fn trunks(way: Option<Way<'_>>) -> Vec<String> {
    match way {
        Some(Way::Via { trunks, .. }) => trunks.to_vec(),
        Some(Way::Deny { why }) => vec![format!("denied: {why}")],
        None => Vec::new(),
    }
}

#[test]
fn the_longest_pattern_decides_and_then_the_queue() {
    let plan = plan(ROUTES);
    let way = |number, queue| trunks(plan.way(&call(number, queue)));
    assert_eq!(way("+74957654321", None), ["mts", "backup"]);
    assert_eq!(way("+79001112233", None), ["mobile"]);
    assert_eq!(way("+79001112233", Some("support")), ["mobile"]);
    assert_eq!(way("+79001112233", Some("sales")), ["cheap", "mts"]);
    assert_eq!(way("+74951234567", Some("sales")), ["denied: that is us"]);
    assert_eq!(way("+442071838750", None), ["denied: international calls are off"]);
    assert_eq!(way("112", None), ["mts"]);
    assert_eq!(way("1123", None), ["denied: international calls are off"]);
}

#[test]
fn limits_belong_to_their_line() {
    let plan = plan(ROUTES);
    let Some(Way::Via { limits, line, .. }) = plan.way(&call("+74957654321", None)) else { panic!() };
    assert_eq!((limits, line), (RouteLimits { calls: Some(30), per_second: Some(5) }, 0));
    let Some(Way::Via { limits, line, .. }) = plan.way(&call("112", None)) else { panic!() };
    assert_eq!((limits, line), (RouteLimits { calls: None, per_second: Some(2) }, 4));
}

#[test]
fn a_plan_without_routes_says_nothing() {
    let plan = plan("");
    assert!(!plan.has_routes());
    assert_eq!(plan.way(&call("+79001112233", None)), None);
}

#[test]
fn a_trunk_is_looked_up_only_where_trunks_are_known() {
    let text =
        "flow f { entry chat \"main\" state s { close } }\nroute outbound { to \"*\" via trunk \"x\" }";
    let sources = [Source::new("f.plan", text)];
    assert!(compile(&sources, &World::default()).is_ok());
    let world = World { trunks: Some(["mts".to_owned()].into()), ..World::default() };
    let mistakes = compile(&sources, &world).expect_err("an unknown trunk");
    assert_eq!((mistakes[0].code, mistakes[0].line, mistakes[0].column), (Code::UnknownTrunk, 2, 35));
}

const CONDITIONS: &str = r#"
route outbound {
  emergency "112", "101" via trunk "mts" then trunk "backup"
  to "*" deny "everything is off"
  to "+79*" via trunk "day"
  to "+79*" outside hours "office" via trunk "night"
  to "+79*" from caller "+7495*" via trunk "moscow"
  to "+79*" from caller "+7495*" outside hours "office" via trunk "both"
  to "+44*" via cheapest trunk "a" then trunk "b" then trunk "c" then trunk "unpriced"
}
prices {
  trunk "a" "+44*" 2
  trunk "b" "+44*" 1.5
  trunk "b" "+447*" 3.25
  trunk "c" "+4*" 1.75
}
hours office { zone "Europe/Moscow"  mon-fri 09:00-18:00 }
"#;

#[test]
fn callers_and_hours_choose_among_equal_patterns() {
    let plan = plan(CONDITIONS);
    // Monday, 2026-11-23, 12:00 and 22:00 in Moscow.
    let (noon, evening) =
        (Timestamp::from_micros(1_795_424_400_000_000), Timestamp::from_micros(1_795_460_400_000_000));
    let way = |caller, at| trunks(plan.way(&Outgoing { number: "+79001112233", caller, at, queue: None }));
    assert_eq!(way(None, noon), ["day"]);
    assert_eq!(way(None, evening), ["night"]);
    assert_eq!(way(Some("+74951234567"), noon), ["moscow"]);
    assert_eq!(way(Some("+74951234567"), evening), ["both"]);
    assert_eq!(way(Some("+78121234567"), evening), ["night"]);
}

#[test]
fn the_cheapest_trunk_for_the_number_comes_first_and_one_without_a_price_last() {
    let plan = plan(CONDITIONS);
    let way = |number| trunks(plan.way(&call(number, None)));
    assert_eq!(way("+442071838750"), ["b", "c", "a", "unpriced"]);
    assert_eq!(way("+447911123456"), ["c", "a", "b", "unpriced"], "mobiles cost more with b");
}

#[test]
fn nothing_blocks_an_emergency_number() {
    let plan = plan(CONDITIONS);
    for number in ["112", "101"] {
        match plan.way(&call(number, Some("sales"))) {
            Some(Way::Via { trunks, emergency: true, limits, .. }) => {
                assert_eq!(trunks.to_vec(), ["mts", "backup"]);
                assert_eq!(limits, RouteLimits::default());
            }
            other => panic!("{number}: {other:?}"),
        }
    }
    assert_eq!(trunks(plan.way(&call("1122", None))), ["denied: everything is off"]);
}
