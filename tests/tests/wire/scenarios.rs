//! What the RFCs ask for, against SIPp: one file of `tests/sipp/scenarios` for each behaviour, all on one server, a few at a time.
//! `SCENARIO=hold cargo nextest run -p e2e --test wire every_scenario` runs those whose name has it.

mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use e2e::lab::sip::{Tcp, Udp};
use e2e::lab::{Api, Carrier, Sipp, Tandem, free_port, free_ports, project, rtp, wait_for};
use serde_json::{Value, json};
use sip_core::digest::Algorithm;

use table::{Caller, Flow, Plays, SCENARIOS, Scenario};

/// Run beside each other; most of them wait most of the time.
const AT_ONCE: usize = 8;
const PASSWORD: &str = "a-long-secret";
const GAUGES: [&str; 8] = [
    "tandem_sessions_open",
    "tandem_legs",
    "tandem_offers",
    "tandem_waiting",
    "tandem_pending_resolves",
    "tandem_sip_calls",
    "tandem_sip_bindings",
    "tandem_sip_transactions",
];

/// A scenario with what is its own in the world that all share.
struct Part {
    scenario: &'static Scenario,
    /// Its own number with us, its caller's, and the one that its flow calls.
    number: String,
    caller: String,
    outside: String,
    /// Its own queue, operator and flow.
    name: String,
}

struct Stage {
    tandem: Tandem,
    admin: Api,
    carrier: Carrier,
    /// SIPp's media ports: the next free one.
    media: AtomicU16,
}

fn parts() -> Vec<Part> {
    let part = |(nth, scenario): (usize, &'static Scenario)| Part {
        scenario,
        number: format!("+7495100{nth:04}"),
        caller: format!("+7900200{nth:04}"),
        outside: format!("+7495300{nth:04}"),
        name: format!("s{nth:03}"),
    };
    let only = std::env::var("SCENARIO").unwrap_or_default();
    let meant = |part: &Part| part.scenario.file.contains(&only);
    SCENARIOS.iter().enumerate().map(part).filter(meant).collect()
}

/// These want the messages of two calls in one order. Each call has an order of its own, and they may be on two stacks.
const IN_ORDER: [&str; 3] = ["desk_consults", "desk_is_picked_up", "desk_is_replaced"];

#[test]
fn every_scenario_goes_as_its_rfc_says() {
    every_scenario_goes(0);
}

#[test]
fn every_scenario_goes_as_its_rfc_says_with_calls_on_three_further_stacks() {
    every_scenario_goes(3);
}

fn every_scenario_goes(shards: u8) {
    // These need another server, and take their time beside the rest.
    let aside = thread::spawn(move || {
        let tandem = Tandem::start(&format!("[sip]\nshards = {shards}\n"));
        a_cancel_right_behind_its_invite_is_obeyed(&tandem);
        digest_with_sha_256_and_nonces_that_are_old_or_used(&tandem);
    });
    let mut parts = parts();
    if shards > 0 {
        parts.retain(|part| !IN_ORDER.contains(&part.scenario.file));
    }
    every_file_is_in_the_table();
    let plans = tempfile::tempdir().expect("a temporary folder");
    fs::write(plans.path().join("scenarios.plan"), parts.iter().map(plan).collect::<String>())
        .expect("the dialplan is written");
    let carrier = Carrier::start();
    let tandem = Tandem::start_with(plans.path(), &config(&parts, carrier.address, shards));
    let admin = tandem.sign_in("admin");
    let stage = Stage { tandem, admin, carrier, media: AtomicU16::new(free_ports()) };
    let mut failures = perform(&stage, &parts);
    aside.join().expect("cancelled at once, and registered by SHA-256");
    failures.extend(what_stays(&stage.tandem));
    let sessions = stage.tandem.sessions(&stage.admin);
    for part in &parts {
        failures.extend(wrong_ending(part, &sessions));
    }
    assert!(
        failures.is_empty(),
        "{} of {} scenarios failed:\n\n{}",
        failures.len(),
        parts.len(),
        failures.join("\n\n")
    );
}

/// What goes wrong is told once, with its name.
fn perform(stage: &Stage, parts: &[Part]) -> Vec<String> {
    let waiting: Mutex<Vec<&Part>> = Mutex::new(parts.iter().rev().collect());
    let failures = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some(part) = waiting.lock().expect("no panic").pop() else { return };
                    let name = part.scenario.file;
                    let run =
                        thread::Builder::new().name(name.to_owned()).spawn_scoped(scope, || run(stage, part));
                    let outcome = run.expect("a thread").join();
                    if let Err(panic) = outcome {
                        let why = panic.downcast_ref::<String>().cloned().unwrap_or_default();
                        failures
                            .lock()
                            .expect("no panic")
                            .push(format!("{name}: {why}{}", trace(stage, part)));
                    }
                }
            });
        }
    });
    failures.into_inner().expect("no panic")
}

fn run(stage: &Stage, part: &Part) {
    let scenario = part.scenario;
    let folder = stage.tandem.folder.path().join(scenario.file);
    fs::create_dir(&folder).expect("a folder of its own");
    let file = format!("scenarios/{}", scenario.file);
    let patience = Duration::from_secs(90);
    match scenario.plays {
        Plays::Caller { account } => {
            if account {
                add_user(stage, part);
            }
            rtp::write_capture(&folder.join("digit.pcap"), 1000.0, 3, 1, 1);
            sipp(stage, part, &file, &folder, free_port(), scenario.arguments).finish(patience);
        }
        Plays::Desk { contacts, caller } => {
            let desk = add_user(stage, part);
            let port = register(stage, part, contacts);
            let mut answering = sipp(stage, part, &file, &folder, port, scenario.arguments);
            listens(port);
            desk.ready();
            call(stage, part, &folder, caller).finish(patience);
            answering.finish(patience);
            forget(stage, part);
        }
        Plays::DeskToOutside { caller } => {
            let desk = add_user(stage, part);
            let port = register(stage, part, 1);
            let outside = free_port();
            stage.carrier.connect(&part.outside, SocketAddr::from(([127, 0, 0, 1], outside)));
            let answers = "scenarios/trunk_answers_and_the_caller_leaves";
            let mut answering = sipp(stage, part, answers, &folder, outside, &[]);
            let mut deciding = sipp(stage, part, &file, &folder, port, scenario.arguments);
            listens(port);
            listens(outside);
            desk.ready();
            call(stage, part, &folder, caller).finish(patience);
            deciding.finish(patience);
            answering.finish(patience);
            forget(stage, part);
        }
        Plays::DeadDesk { caller } => {
            let desk = add_user(stage, part);
            register(stage, part, 1);
            desk.ready();
            call(stage, part, &folder, caller).finish(patience);
            forget(stage, part);
        }
        Plays::Trunk { caller } => {
            let port = free_port();
            stage.carrier.connect(&part.outside, SocketAddr::from(([127, 0, 0, 1], port)));
            let mut answering = sipp(stage, part, &file, &folder, port, scenario.arguments);
            listens(port);
            call(stage, part, &folder, caller).finish(patience);
            answering.finish(patience);
        }
    }
}

fn sipp(stage: &Stage, part: &Part, file: &str, folder: &Path, port: u16, arguments: &[&str]) -> Sipp {
    let media = stage.media.fetch_add(4, Ordering::Relaxed).to_string();
    let name = file.rsplit('/').next().unwrap_or(file);
    let messages = folder.join(format!("{name}.messages")).display().to_string();
    let escaped = part.number.replace('+', "%2B").replace('1', "%31");
    let mut all =
        vec!["-m", "1", "-mp", &media, "-recv_timeout", "20000", "-trace_msg", "-message_file", &messages];
    for (key, value) in [
        ("number", part.number.as_str()),
        ("escaped", &escaped),
        ("caller", &part.caller),
        ("user", &part.name),
        ("outside", &part.outside),
        ("fold", " "),
    ] {
        all.extend(["-key", key, value]);
    }
    all.extend(arguments);
    // What the phone answers to a challenge; the same with a wrong password; and as nobody.
    let credentials =
        |user: &str, password: &str| format!("[authentication username={user} password={password}]");
    let fields = [
        credentials(&part.name, PASSWORD),
        credentials(&part.name, "wrong"),
        credentials("nobody-here", PASSWORD),
    ];
    Sipp::start(file, folder, stage.tandem.sip, port, &[fields.join(";")], &all)
}

/// The other side of what the scenario shows.
fn call(stage: &Stage, part: &Part, folder: &Path, caller: Caller) -> Sipp {
    let (file, time) = match caller {
        Caller::Stays => ("stays", 0),
        Caller::Leaves { after } => ("leaves", after),
        Caller::IsRefused => ("refused", 0),
    };
    let time = time.to_string();
    sipp(stage, part, file, folder, free_port(), &["-d", &time])
}

fn listens(port: u16) {
    wait_for("SIPp listens", Duration::from_secs(10), || {
        UdpSocket::bind(("127.0.0.1", port)).is_err().then_some(())
    });
}

/// An operator of the scenario's own queue, with a desk phone.
fn add_user(stage: &Stage, part: &Part) -> Api {
    let user = json!({
        "login": part.name, "name": part.scenario.file, "password": PASSWORD, "sip_password": PASSWORD,
        "roles": ["operator"], "queues": [part.name], "capacity": { "voice": 1, "chat": 0 },
        "encryption": if part.scenario.file.ends_with("encryption_required") { "required" } else { "accepted" },
    });
    let (status, body) = stage.admin.post("/users", &user);
    assert_eq!(status, 201, "{body}");
    Api::sign_in(stage.tandem.http, &part.name, PASSWORD)
}

/// Registers a desk phone; its port, which is free again for SIPp.
fn register(stage: &Stage, part: &Part, contacts: u8) -> u16 {
    let phone = Udp::new(stage.tandem.sip, "127.0.0.1");
    for nth in 1..=contacts {
        let answer = phone.challenge(&part.name, Algorithm::Md5).expect("a challenge").answer(PASSWORD, 1);
        let mut request = phone.registration(&part.name, Some(&answer));
        request.contact = false;
        request.extra += &format!("Contact: <sip:device{nth}@{}>\r\n", phone.address());
        assert_eq!(phone.ask(&request).map(|(status, _)| status), Some(200));
    }
    phone.address().port()
}

/// Takes the scenario's phones out of the registrar.
fn forget(stage: &Stage, part: &Part) {
    let phone = Udp::new(stage.tandem.sip, "127.0.0.1");
    let answer = phone.challenge(&part.name, Algorithm::Md5).expect("a challenge").answer(PASSWORD, 1);
    let mut request = phone.registration(&part.name, Some(&answer));
    request.contact = false;
    request.extra = format!("Authorization: {answer}\r\nContact: *\r\nExpires: 0\r\n");
    assert_eq!(phone.ask(&request).map(|(status, _)| status), Some(200));
}

// --- what is written for them ---

fn config(parts: &[Part], carrier: SocketAddr, shards: u8) -> String {
    let mut text = format!(
        r#"
[sip]
digest = ["md5"]
redirects = ["operators"]
shards = {shards}
[[trunk]]
name = "carrier"
sources = ["127.0.0.1"]
destination = "{carrier}"
"#
    );
    for part in parts.iter().filter(|part| {
        matches!(
            part.scenario.plays,
            Plays::Desk { .. }
                | Plays::DeskToOutside { .. }
                | Plays::DeadDesk { .. }
                | Plays::Caller { account: true }
        )
    }) {
        text += &format!("[[queue]]\nname = \"{}\"\nwrap_up = \"0s\"\nring_timeout = \"3s\"\n", part.name);
    }
    text
}

/// The flow of a scenario's own number.
fn plan(part: &Part) -> String {
    let Part { name, number, outside, .. } = part;
    let start = match part.scenario.flow {
        Flow::None => return String::new(),
        // A key ends the call.
        Flow::Menu => {
            "ask key \"?\" timeout 60s retries 0 { voice file \"menu-ru\" over key 1 }\non over, none -> bye"
                .to_owned()
        }
        Flow::Ends => "say \"!\" { voice file \"hello-ru\" }\nclose".to_owned(),
        Flow::Queue => {
            format!("queue {name} {{ voice music \"hold\" after 9s overflow }}\non overflow -> bye")
        }
        Flow::Through => format!("transfer \"{outside}\"\non failed -> bye"),
        Flow::Outside => format!("answer\ntransfer \"{outside}\"\non failed -> bye"),
    };
    format!(
        "flow {name} {{\nentry sip \"{number}\"\nstate start {{\n{start}\n}}\nstate bye {{ close }}\n}}\n"
    )
}

// --- what must be true afterwards ---

fn every_file_is_in_the_table() {
    let files: BTreeSet<String> = fs::read_dir(project().join("tests/sipp/scenarios"))
        .expect("the scenarios are there")
        .map(|entry| entry.expect("it can be listed").path())
        .map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned())
        .collect();
    let told: BTreeSet<String> = SCENARIOS
        .iter()
        .filter(|scenario| !matches!(scenario.plays, Plays::DeadDesk { .. }))
        .map(|scenario| scenario.file.to_owned())
        .collect();
    assert_eq!(files, told, "tests/sipp/scenarios and its table");
}

/// What has not come to its end when the SIP timers (32 s) are over.
fn what_stays(tandem: &Tandem) -> Vec<String> {
    let end = Instant::now() + Duration::from_secs(45);
    loop {
        let left: Vec<String> = GAUGES
            .iter()
            .map(|name| (name, tandem.metric(name)))
            .filter(|(_, value)| *value != Some(0.0))
            .map(|(name, value)| format!("{name} is {value:?} in the end"))
            .collect();
        if left.is_empty() || Instant::now() > end {
            return left;
        }
        thread::sleep(Duration::from_millis(200));
    }
}

/// The endings of the scenario's session, if they are not those of the table.
fn wrong_ending(part: &Part, sessions: &[Value]) -> Option<String> {
    let Scenario { file, ends, .. } = *part.scenario;
    let own: Vec<&Value> = sessions.iter().filter(|session| is_of(session, part)).collect();
    if ends.is_empty() {
        return (!own.is_empty()).then(|| format!("{file}: made a session: {}", endings(own[0]).join(", ")));
    }
    let [session] = own.as_slice() else { return Some(format!("{file}: {} sessions", own.len())) };
    let found = endings(session);
    let missing: Vec<&str> = ends.iter().copied().filter(|end| !found.iter().any(|one| one == end)).collect();
    let open = session["ending"].is_null();
    (open || !missing.is_empty())
        .then(|| format!("{file}: {missing:?} is not among the endings {found:?}\n{session}"))
}

fn is_of(session: &Value, part: &Part) -> bool {
    entries(session)
        .any(|change| change["type"] == "session_opened" && change["entry"] == part.number.as_str())
}

fn entries(session: &Value) -> impl Iterator<Item = &Value> {
    session["entries"].as_array().into_iter().flatten().map(|entry| &entry["change"])
}

/// Of every leg and of the session: who, why, by whom, and the SIP status.
fn endings(session: &Value) -> Vec<String> {
    let who: BTreeMap<&str, &str> = entries(session)
        .filter(|change| change["type"] == "leg_opened")
        .filter_map(|change| Some((change["leg"].as_str()?, change["party"]["who"].as_str()?)))
        .collect();
    let mut all: Vec<String> = entries(session)
        .filter(|change| change["type"] == "leg_ended")
        .filter_map(|change| {
            Some(format!("{}: {}", who.get(change["leg"].as_str()?)?, ending(&change["ending"])))
        })
        .collect();
    if all.len() != who.len() {
        all.push(format!("{} legs opened, {} ended", who.len(), all.len()));
    }
    all.extend(
        entries(session)
            .filter(|change| change["type"] == "leg_held")
            .map(|change| format!("held: {}", change["held"])),
    );
    all.push(format!("session: {}", ending(&session["ending"])));
    all
}

fn ending(ending: &Value) -> String {
    let text = |name: &str| ending[name].as_str().unwrap_or("?").to_owned();
    match ending["sip_status"].as_u64() {
        Some(status) => format!("{} by {} {status}", text("cause"), text("by")),
        None => format!("{} by {}", text("cause"), text("by")),
    }
}

/// What went over the wire, to its end.
fn trace(stage: &Stage, part: &Part) -> String {
    let folder = stage.tandem.folder.path().join(part.scenario.file);
    let mut text = String::new();
    for name in [part.scenario.file, "stays", "leaves"] {
        let Ok(messages) = fs::read(folder.join(format!("{name}.messages"))) else { continue };
        let from = messages.len().saturating_sub(3000);
        text += &format!("\n--- {name}\n{}", String::from_utf8_lossy(&messages[from..]));
    }
    text
}

/// SIPp knows MD5 only, and cannot repeat what it has sent. RFC 8760, RFC 7616 §3.3
fn digest_with_sha_256_and_nonces_that_are_old_or_used(tandem: &Tandem) {
    let user = json!({
        "login": "digest", "name": "Digest", "password": PASSWORD, "sip_password": PASSWORD,
        "roles": ["operator"], "queues": [], "capacity": { "voice": 1, "chat": 0 },
    });
    let (status, body) = tandem.sign_in("admin").post("/users", &user);
    assert_eq!(status, 201, "{body}");
    let phone = Udp::new(tandem.sip, "127.0.0.1");
    let asked = |answer: &str| phone.ask(&phone.registration("digest", Some(answer))).expect("an answer");
    for algorithm in [Algorithm::Sha256, Algorithm::Md5] {
        assert_eq!(phone.register("digest", PASSWORD, algorithm), Some(200), "{algorithm:?}");
        assert_eq!(phone.register("digest", "wrong", algorithm), Some(403), "{algorithm:?}");
        assert_eq!(phone.register("stranger", PASSWORD, algorithm), Some(403), "{algorithm:?}");
        let challenge = phone.challenge("digest", algorithm).expect("a challenge");
        let (first, second) = (challenge.answer(PASSWORD, 1), challenge.answer(PASSWORD, 2));
        assert_eq!(asked(&second).0, 200, "a higher count of the same nonce: {algorithm:?}");
        // RFC 7616 §3.4: a count that has been used, or one below it, is a replay.
        for replay in [&second, &first] {
            let (status, text) = asked(replay);
            assert!(status == 401 && text.contains("stale=true"), "{algorithm:?}: {text}");
        }
    }
    let challenge = phone.challenge("digest", Algorithm::Sha256).expect("a challenge");
    let mut count = 0;
    // The nonce is good for half a minute.
    let (_, text) = wait_for("the nonce is stale", Duration::from_secs(60), || {
        count += 1;
        let answered = asked(&challenge.answer(PASSWORD, count));
        (answered.0 != 200).then_some(answered)
    });
    assert!(text.starts_with("SIP/2.0 401 ") && text.contains("stale=true"), "{text}");
    // It knows the password, so it just takes the new nonce.
    assert_eq!(phone.register("digest", PASSWORD, Algorithm::Sha256), Some(200));
}

/// RFC 3261 §9.2. Both in one piece, as SIPp could not send them: there is no 180 yet, the caller is still being looked up.
fn a_cancel_right_behind_its_invite_is_obeyed(tandem: &Tandem) {
    let number = "+74950000000";
    let mut caller = Tcp::new(tandem.sip);
    let request = |method: &str| {
        format!(
            "{method} sip:{number}@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:9;branch=z9hG4bK-behind\r\n\
             Max-Forwards: 70\r\nFrom: <sip:+79002009999@127.0.0.1>;tag=behind\r\nTo: <sip:{number}@127.0.0.1>\r\n\
             Call-ID: right-behind\r\nCSeq: 1 {method}\r\nContact: <sip:caller@127.0.0.1:9>\r\n\
             Content-Length: 0\r\n\r\n"
        )
    };
    assert!(caller.send((request("INVITE") + &request("CANCEL")).as_bytes()));
    let heard = caller.listen("SIP/2.0 487 ", Duration::from_secs(5));
    assert!(heard.contains("SIP/2.0 200 OK"), "{heard}");
    let tag = heard.rsplit("To: ").next().and_then(|to| to.lines().next()).expect("a To with a tag");
    let ack = request("ACK").replace(&format!("To: <sip:{number}@127.0.0.1>"), &format!("To: {tag}"));
    assert!(caller.send(ack.as_bytes()));
    let admin = tandem.sign_in("admin");
    let session =
        wait_for("the attempt is on record", Duration::from_secs(5), || tandem.sessions(&admin).pop());
    assert_eq!(endings(&session), ["session: cancelled by customer 487"]);
}
