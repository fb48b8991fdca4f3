//! More than there is room for, and a server that goes: who is in stays in, who comes is told when to come back.

use std::fs;
use std::time::Duration;

use e2e::lab::{Sipp, Tandem, free_port, free_ports, wait_for};
use serde_json::json;
use tempfile::TempDir;

const SOON: Duration = Duration::from_secs(20);
const NUMBER: &str = "+74950000000";
/// As many calls as the server takes.
const ROOM: u32 = 20;
/// Those who are in before the crowd comes.
const LIVE: u32 = 12;
const PHONES: u32 = 10;
const CONFIG: &str = r#"
[sip]
digest = ["md5"]
max_calls = 20
[[trunk]]
name = "carrier"
sources = ["127.0.0.1"]
destination = "127.0.0.1:9"
[[queue]]
name = "support"
"#;

/// Whoever calls waits for somebody who is not there.
fn plan() -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let text = format!(
        "flow here {{\n entry sip \"{NUMBER}\"\n state wait {{ queue support {{ voice music \"hold\" }}\n hangup }}\n}}\n"
    );
    fs::write(folder.path().join("main.plan"), text).expect("written");
    folder
}

/// So many callers, each with a number of his own, who stay for so many milliseconds.
fn callers(tandem: &Tandem, scenario: &str, count: u32, rate: u32, stay: u32) -> Sipp {
    let numbers: Vec<String> = (0..count).map(|nth| format!("+7900{count:03}{nth:04}")).collect();
    let (count, rate, stay) = (count.to_string(), rate.to_string(), stay.to_string());
    let media = free_ports().to_string();
    let arguments = [
        "-m",
        &count,
        "-r",
        &rate,
        "-l",
        &count,
        "-d",
        &stay,
        "-mp",
        &media,
        "-key",
        "number",
        NUMBER,
        "-recv_timeout",
        "20000",
    ];
    Sipp::start(scenario, tandem.folder.path(), tandem.sip, free_port(), &numbers, &arguments)
}

/// Desk phones that have an account; the lines of SIPp that register them.
fn phones(tandem: &Tandem) -> Vec<String> {
    let admin = tandem.sign_in("admin");
    (1..=PHONES)
        .map(|nth| {
            let (login, password) = (format!("desk{nth:02}"), "a-long-secret");
            let user = json!({
                "login": login, "name": login, "password": password, "sip_password": password,
                "roles": ["operator"], "queues": ["support"], "capacity": { "voice": 1, "chat": 0 },
            });
            let (status, body) = admin.post("/users", &user);
            assert_eq!(status, 201, "{body}");
            format!("{login};[authentication username={login} password={password}]")
        })
        .collect()
}

/// All of them register, or refresh that.
fn register(tandem: &Tandem, accounts: &[String], port: u16) {
    let count = PHONES.to_string();
    let arguments = ["-m", count.as_str(), "-r", "20", "-recv_timeout", "10000"];
    let registered =
        Sipp::start("register", tandem.folder.path(), tandem.sip, port, accounts, &arguments).finish(SOON);
    assert_eq!(registered, u64::from(PHONES));
}

fn answered(tandem: &Tandem, code: u16) -> f64 {
    let name = format!("tandem_sip_responses_total{{direction=\"out\",method=\"INVITE\",code=\"{code}\"}}");
    tandem.metric(&name).unwrap_or_default()
}

fn are_in(tandem: &Tandem, calls: u32) {
    wait_for("the calls are up", SOON, || {
        (tandem.metric("tandem_sip_calls") == Some(f64::from(calls))).then_some(())
    });
}

#[test]
fn at_four_times_the_room_new_calls_are_told_when_to_come_back_and_nobody_else_notices() {
    let plan = plan();
    let tandem = Tandem::start_with(plan.path(), CONFIG);
    let (accounts, phones) = (phones(&tandem), free_port());
    register(&tandem, &accounts, phones);
    let mut live = callers(&tandem, "talks", LIVE, 20, 5000);
    are_in(&tandem, LIVE);
    // They stay for longer than the crowd takes to come.
    let mut crowd = callers(&tandem, "crowd", 4 * ROOM, 40, 4000);
    wait_for("it is full", SOON, || (answered(&tandem, 503) > 0.0).then_some(()));
    register(&tandem, &accounts, phones);
    assert_eq!(tandem.metric("tandem_sip_bindings"), Some(f64::from(PHONES)));
    assert_eq!(crowd.finish(SOON), u64::from(4 * ROOM), "each of them was taken or told");
    assert_eq!(live.finish(SOON), u64::from(LIVE), "they changed their sessions and hung up as they liked");
    let refused = answered(&tandem, 503);
    assert!(refused >= f64::from(4 * ROOM - ROOM), "{refused} were refused");
    tandem.settles(&["tandem_sip_calls", "tandem_sessions_open"], SOON);
    assert_eq!(tandem.metric("tandem_sip_bindings"), Some(f64::from(PHONES)));
}

#[test]
fn a_server_that_goes_takes_nobody_new_and_lets_those_who_talk_finish() {
    let plan = plan();
    let mut tandem = Tandem::start_with(plan.path(), CONFIG);
    let (accounts, phones) = (phones(&tandem), free_port());
    register(&tandem, &accounts, phones);
    let mut live = callers(&tandem, "talks", 5, 20, 1700);
    are_in(&tandem, 5);
    tandem.process().signal("-TERM");
    wait_for("it drains", SOON, || (tandem.metric("tandem_draining") == Some(1.0)).then_some(()));
    // The demo gives those who talk five seconds.
    let mut late = callers(&tandem, "turned_away", 10, 20, 0);
    register(&tandem, &accounts, phones);
    assert_eq!(late.finish(SOON), 10);
    assert_eq!(live.finish(SOON), 5, "a re-INVITE and a BYE each");
    let status = tandem.process().wait(SOON);
    assert!(status.success(), "{}", tandem.log());
}
