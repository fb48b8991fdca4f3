//! Which carriers a number is called through.

use dialplans::api::{Source, World};
use dialplans::{Code, Plan, RouteLimits, Way, compile};

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
    let way = |number, queue| trunks(plan.way(number, queue));
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
    let Some(Way::Via { limits, line, .. }) = plan.way("+74957654321", None) else { panic!() };
    assert_eq!((limits, line), (RouteLimits { calls: Some(30), per_second: Some(5) }, 0));
    let Some(Way::Via { limits, line, .. }) = plan.way("112", None) else { panic!() };
    assert_eq!((limits, line), (RouteLimits { calls: None, per_second: Some(2) }, 4));
}

#[test]
fn a_plan_without_routes_says_nothing() {
    let plan = plan("");
    assert!(!plan.has_routes());
    assert_eq!(plan.way("+79001112233", None), None);
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
