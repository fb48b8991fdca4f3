//! Servers that are each other's carriers, and registrations that outlive the one who keeps them.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use e2e::lab::sip::{Request, Udp};
use e2e::lab::{Process, Sipp, Tandem, free_port, wait_for};
use serde_json::Value;
use sip_core::digest::Algorithm;
use tempfile::TempDir;

const SOON: Duration = Duration::from_secs(20);
/// How long a caller stays who is soon connected.
const SHORT: Duration = Duration::from_secs(4);

/// Who calls the first number waits in the queue; the second leads out of the house, by the routes that follow.
const PLAN: &str = r#"
flow here {
  entry sip "+74950000000"
  state wait {
    queue support { voice music "hold" }
    hangup
  }
}
flow onward {
  entry sip "+74951000000"
  state out {
    transfer "+74950000000"
    hangup
  }
}
"#;

fn plan(routes: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("main.plan"), format!("{PLAN}{routes}")).expect("written");
    folder
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// A server that others find at `own`, whose calls go to `first` and, when it cannot be had, to `second`.
fn exchange(plan: &Path, own: u16, first: u16, second: u16) -> Tandem {
    let (own, first, second) = (local(own), local(first), local(second));
    Tandem::start_with(
        plan,
        &format!(
            "[[sip.listener]]\ntransport = \"udp\"\nlisten = \"{own}\"\n\
             [[trunk]]\nname = \"first\"\ndestination = \"{first}\"\n\
             [[trunk]]\nname = \"second\"\ndestination = \"{second}\"\n"
        ),
    )
}

/// Somebody who calls this number and stays for a while.
fn caller(tandem: &Tandem, number: &str, stays: Duration) -> Process {
    Process::start(
        Command::new("sipp")
            .current_dir(tandem.folder.path())
            .args(["-sn", "uac", "-i", "127.0.0.1", "-mi", "127.0.0.1", "-p", &free_port().to_string()])
            .args(["-s", number, "-m", "1", "-d", &stays.as_millis().to_string()])
            .args(["-nostdin", "-timeout", "60"])
            .arg(tandem.sip.to_string()),
        &tandem.folder.path().join("sipp.log"),
    )
}

/// Which trunks the last session was tried through, and what came of it.
fn tries(tandem: &Tandem) -> Vec<String> {
    let sessions = tandem.sessions(&tandem.sign_in("admin"));
    let last = sessions.iter().max_by_key(|session| session["session"].to_string()).expect("a session");
    let steps = last["entries"].as_array().expect("entries").iter().map(|entry| &entry["change"]);
    let tried = steps.filter(|step| step["type"] == "step" && step["flow"] == "outbound");
    tried.map(|step| format!("{} {}", text(&step["state"]), text(&step["outcome"]))).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A call to the number that leads out comes from one of the servers to another, and is over with the caller.
fn goes_over(from: &Tandem, to: &Tandem, stays: Duration) {
    let mut caller = caller(from, "+74951000000", stays);
    wait_for("the call has come over", SOON, || {
        assert!(caller.is_running(), "{}\n{}", caller.tail(), from.log());
        (to.metric("tandem_sip_calls") == Some(1.0)).then_some(())
    });
    let status = caller.wait(Duration::from_secs(40));
    assert!(status.success(), "{}\n{}", caller.tail(), from.log());
    for server in [from, to] {
        server.settles(&["tandem_sip_calls", "tandem_sessions_open"], SOON);
    }
}

#[test]
fn two_servers_are_each_others_carrier_and_a_third_takes_over_when_one_is_dead() {
    let plan = plan("route outbound { to \"*\" via trunk \"first\" then trunk \"second\" }");
    let (a, b, c) = (free_port(), free_port(), free_port());
    let here = exchange(plan.path(), a, b, c);
    let mut there = exchange(plan.path(), b, a, c);
    let third = exchange(plan.path(), c, a, b);
    goes_over(&here, &there, SHORT);
    assert_eq!(tries(&here), ["first answered"]);
    goes_over(&there, &here, SHORT);
    there.kill();
    // Nothing is heard of it for 6 s.
    goes_over(&here, &third, Duration::from_secs(12));
    let tried = tries(&here);
    let [dead, carried] = tried.as_slice() else { panic!("two tries: {tried:?}") };
    assert!(dead.starts_with("first ") && !dead.ends_with("answered"), "{tried:?}");
    assert_eq!(carried, "second answered");
    let figure = |what: &str| here.metric(&format!("tandem_sip_trunk_{what}"));
    assert_eq!(figure("calls_total{trunk=\"first\",direction=\"out\"}"), Some(2.0));
    assert_eq!(figure("calls_total{trunk=\"second\",direction=\"out\"}"), Some(1.0));
    // Whoever calls from this address is taken for it: the two callers and the other server.
    assert_eq!(figure("calls_total{trunk=\"first\",direction=\"in\"}"), Some(3.0));
    assert_eq!(figure("failures_total{trunk=\"first\"}"), Some(1.0));
    assert_eq!(figure("failures_total{trunk=\"second\"}"), Some(0.0));
}

#[test]
fn a_server_registers_with_another_with_its_password_and_signs_off_when_it_goes() {
    let mut carrier = Tandem::start("");
    let account = |password: &str| {
        format!(
            "[[trunk]]\nname = \"carrier\"\ndestination = \"{}\"\n\
             [trunk.account]\nusername = \"desk1\"\npassword = \"{password}\"\n\
             [trunk.registration]\nregister = true\nuser = \"boris\"\n",
            carrier.sip,
        )
    };
    let (right, wrong) = (account("demo-desk1"), account("something else"));
    let stranger = Tandem::start(&wrong);
    wait_for("it is told that the password is wrong", SOON, || {
        stranger.log().contains("failed with 40").then_some(())
    });
    assert_eq!(carrier.metric("tandem_sip_bindings"), Some(0.0));
    assert_eq!(stranger.metric("tandem_sip_trunk_up"), Some(0.0));
    assert_eq!(stranger.metric("tandem_sip_trunk_changes_total"), Some(1.0));
    let mut customer = Tandem::start(&right);
    let registered = || (carrier.metric("tandem_sip_bindings") == Some(1.0)).then_some(());
    wait_for("it is registered", SOON, registered);
    wait_for("it knows that", SOON, || {
        (customer.metric("tandem_sip_trunk_registered") == Some(1.0)).then_some(())
    });
    assert_eq!(customer.metric("tandem_sip_trunk_up"), Some(1.0));
    carrier.kill();
    carrier.launch();
    assert_eq!(carrier.metric("tandem_sip_bindings"), Some(1.0), "it is known after a power cut");
    customer.process().signal("-TERM");
    customer.process().wait(SOON);
    carrier.settles(&["tandem_sip_bindings"], SOON);
}

#[test]
fn a_phone_that_registered_before_the_server_was_killed_is_rung_after_it() {
    let plan = plan("");
    let mut tandem = Tandem::start_with(plan.path(), "");
    let phone = Udp::new(tandem.sip, "127.0.0.3");
    let mut registration = phone.registration("boris", None);
    let challenge = phone.challenge("desk1", Algorithm::Sha256).expect("a challenge");
    registration.extra += &format!("Authorization: {}\r\n", challenge.answer("demo-desk1", 1));
    assert_eq!(phone.ask(&registration).map(|(status, _)| status), Some(200));
    // What is answered to an operator comes after the disk has all that was before.
    tandem.sign_in("boris").ready();
    tandem.kill();
    tandem.launch();
    wait_for("the binding is back", SOON, || {
        (tandem.metric("tandem_sip_bindings") == Some(1.0)).then_some(())
    });
    let boris = tandem.sign_in("boris");
    let _desk = boris.open_desk(tandem.http);
    boris.ready();
    let mut calling = caller(&tandem, "+74950000000", Duration::from_secs(10));
    let invite = phone.answer("INVITE sip:", SOON);
    assert!(invite.is_some(), "the phone is not rung\n{}\n{}", calling.tail(), tandem.log());
    assert!(calling.is_running());
}

#[test]
fn a_carrier_that_asks_for_the_password_again_and_again_gets_it_until_the_farewell() {
    let port = free_port();
    let mut customer = Tandem::start(&format!(
        "[[trunk]]\nname = \"carrier\"\ndestination = \"{}\"\n\
         [trunk.account]\nusername = \"4950000\"\npassword = \"sesame\"\n\
         [trunk.registration]\nregister = true\nexpires = \"10m\"\n",
        local(port),
    ));
    let folder = customer.folder.path().to_owned();
    let arguments = ["-m", "1", "-recv_timeout", "20000"];
    let mut registrar =
        Sipp::start("registrar", &folder, customer.sip, port, &["no fields".to_owned()], &arguments);
    wait_for("the registration is refreshed", SOON, || {
        assert!(registrar.is_running(), "{}\n{}", registrar.errors(), customer.log());
        let granted = "tandem_sip_registration_attempts_total{direction=\"out\",outcome=\"registered\"}";
        (customer.metric(granted) >= Some(2.0)).then_some(())
    });
    assert_eq!(customer.metric("tandem_sip_trunk_registered"), Some(1.0));
    customer.process().signal("-TERM");
    customer.process().wait(SOON);
    assert_eq!(registrar.finish(SOON), 1);
}

#[test]
fn a_caller_who_lacks_what_is_demanded_is_told_what_that_is() {
    let tandem = Tandem::start("[sip]\ndemanded = [\"timer\"]\n");
    let caller = Udp::new(tandem.sip, "127.0.0.1");
    let invite = |supported: &str| {
        let mut invite = Request::new("INVITE", &format!("sip:nobody@{}", tandem.sip));
        invite.extra = format!("Supported: {supported}\r\n");
        caller.ask(&invite).expect("an answer")
    };
    let (status, text) = invite("100rel");
    assert_eq!(status, 421, "{text}");
    assert!(text.contains("\r\nRequire: timer\r\n"), "{text}");
    assert_eq!(invite("100rel, timer").0, 404, "there is no such number");
}
