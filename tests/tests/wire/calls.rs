//! SIPp as the carrier and as the operators' desk phones.

use std::collections::BTreeSet;
use std::time::Duration;

use e2e::lab::sound::Channel;
use e2e::lab::{Api, Sipp, Tandem, free_port, free_ports, rtp, wait_for};
use serde_json::{Value, json};

const CALLS: u32 = 200;
const OPERATORS: u32 = 20;
/// What each side of a call says.
const CALLER: f64 = 1000.0;
const OPERATOR: f64 = 440.0;

/// SIPp knows MD5 only, and gives up when it meets a second challenge.
const CONFIG: &str = r#"
[sip]
digest = ["md5"]
[[trunk]]
name = "carrier"
sources = ["127.0.0.1"]
destination = "127.0.0.1:9"
[[queue]]
name = "support"
wrap_up = "0s"
"#;

const GAUGES: [&str; 7] = [
    "tandem_sessions_open",
    "tandem_legs",
    "tandem_offers",
    "tandem_waiting",
    "tandem_pending_resolves",
    "tandem_sip_calls",
    "tandem_sip_transactions",
];

#[test]
fn two_hundred_callers_press_a_key_and_talk_and_nothing_of_them_stays_behind() {
    let mut tandem = Tandem::start(CONFIG);
    let admin = tandem.sign_in("admin");
    let folder = tandem.folder.path().to_owned();
    let ports = tandem.udp_ports();

    let desks = operators(&tandem, &admin);
    let phones = free_port();
    let accounts: Vec<String> = (1..=OPERATORS)
        .map(|nth| format!("{0};[authentication username={0} password={1}]", login(nth), password(nth)))
        .collect();
    let count = OPERATORS.to_string();
    let registered =
        Sipp::start("register", &folder, tandem.sip, phones, &accounts, &["-m", &count, "-r", "20"])
            .finish(Duration::from_secs(30));
    assert_eq!(registered, u64::from(OPERATORS));
    assert_eq!(tandem.metric("tandem_sip_bindings"), Some(f64::from(OPERATORS)));

    rtp::write_speech(&folder.join("operator.ulaw"), OPERATOR, 2);
    let media = free_ports();
    let (agents_media, callers_media) = (media.to_string(), (media + 1_000).to_string());
    let arguments = ["-mp", agents_media.as_str()];
    let mut answering =
        Sipp::start("agent", &folder, tandem.sip, phones, &["no fields".to_owned()], &arguments);
    wait_for("the desk phones listen", Duration::from_secs(5), || {
        std::net::UdpSocket::bind(("127.0.0.1", phones)).is_err().then_some(())
    });
    desks.iter().for_each(Api::ready);

    rtp::write_capture(&folder.join("caller.pcap"), CALLER, 20, 2, 1);
    let numbers: Vec<String> = (0..CALLS).map(|nth| format!("+7900100{nth:04}")).collect();
    let count = CALLS.to_string();
    let arguments = ["-m", &count, "-r", "8", "-l", &count, "-mp", &callers_media];
    let good = Sipp::start("caller", &folder, tandem.sip, free_port(), &numbers, &arguments)
        .finish(Duration::from_secs(120));
    assert_eq!(good, u64::from(CALLS));
    assert!(answering.is_running(), "the desk phones went away:\n{}", answering.errors());

    // Timers of SIP run for 32 s after the last message.
    tandem.settles(&GAUGES, Duration::from_secs(40));
    wait_for("the ports of all calls are closed", Duration::from_secs(5), || {
        (tandem.udp_ports() == ports).then_some(())
    });
    assert_eq!(admin.get("/sessions?state=open"), json!([]));
    let sessions = tandem.sessions(&admin);
    assert_eq!(sessions.len(), CALLS as usize);
    let customers: BTreeSet<&str> =
        sessions.iter().filter_map(|session| session["customer"]["customer"].as_str()).collect();
    assert_eq!(customers.len(), CALLS as usize, "each number is somebody else");
    for session in &sessions {
        check_timeline(session);
    }
    check_recordings(&admin);
    for desk in &desks {
        let view = desk.get("/desk");
        assert_eq!((&view["offers"], &view["sessions"]), (&json!([]), &json!([])), "{view}");
        assert_eq!(view["status"]["state"], "ready", "{view}");
    }
}

fn login(nth: u32) -> String {
    format!("desk{nth:02}")
}

fn password(nth: u32) -> String {
    format!("a phone's secret {nth}").replace(' ', "-")
}

/// Their accounts, made by the administrator, and their own sign-ins.
fn operators(tandem: &Tandem, admin: &Api) -> Vec<Api> {
    (1..=OPERATORS)
        .map(|nth| {
            let user = json!({
                "login": login(nth), "name": format!("Desk {nth}"), "password": password(nth),
                "roles": ["operator"], "queues": ["support"], "capacity": { "voice": 1, "chat": 0 },
                "sip_password": password(nth),
            });
            let (status, body) = admin.post("/users", &user);
            assert_eq!(status, 201, "{body}");
            Api::sign_in(tandem.http, &login(nth), &password(nth))
        })
        .collect()
}

fn check_timeline(session: &Value) {
    let changes: Vec<&Value> =
        session["entries"].as_array().expect("entries").iter().map(|entry| &entry["change"]).collect();
    let find =
        |kind: &str| changes.iter().filter(|change| change["type"] == kind).copied().collect::<Vec<_>>();
    let topic = find("context_set").iter().any(|set| set["key"] == "topic" && set["value"] == "support");
    assert!(topic, "the key did not come through: {session}");
    let answered = find("leg_answered");
    let operator = find("leg_opened")
        .iter()
        .filter(|leg| leg["party"]["who"] == "agent")
        .filter(|leg| answered.iter().any(|answer| answer["leg"] == leg["leg"]))
        .count();
    assert_eq!(operator, 1, "one operator answered: {session}");
    assert_eq!(find("leg_opened").len(), find("leg_ended").len(), "every leg has its end: {session}");
    assert_eq!(find("session_ended").len(), 1, "{session}");
    assert_eq!(session["ending"], json!({ "cause": "hung_up", "by": "agent" }), "{session}");
}

fn check_recordings(admin: &Api) {
    let recordings = admin.get("/recordings?limit=500");
    let recordings = recordings.as_array().expect("a list");
    assert_eq!(recordings.len(), CALLS as usize);
    assert!(recordings.iter().all(|row| row["millis"].as_u64() > Some(500)), "a recording without its end");
    // All were made the same way; a few of them are listened to.
    for row in recordings.iter().step_by(50) {
        let audio = admin.bytes(&format!("/recordings/{}/audio", row["recording"].as_str().expect("an id")));
        let channels = Channel::of_wav(&audio);
        let [customer, operator] = channels.as_slice() else { panic!("two channels") };
        assert!(customer.seconds_of(CALLER) > 0.6, "the caller is not heard on the left: {row}");
        assert!(operator.seconds_of(OPERATOR) > 0.6, "the operator is not heard on the right: {row}");
    }
}
