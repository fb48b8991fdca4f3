//! sipvicious, as it comes and disguised: it finds nothing, it is banned, and nobody else notices.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use e2e::lab::sip::{Request, Udp};
use e2e::lab::{Tandem, wait_for};

/// 127.0.0.1 is a carrier; the scanners have addresses of their own.
const CONFIG: &str = r#"
[[trunk]]
name = "carrier"
sources = ["127.0.0.1"]
destination = "127.0.0.1:9"
[protection]
stranger_rate = 100
"#;
const PATIENCE: &str = "60";

/// Runs a tool from its own address against the server and gives what it said.
fn run(tool: &str, program: &[&str], args: &[&str], from: &str, tandem: &Tandem) -> String {
    let port = tandem.sip.port().to_string();
    let mut command = Command::new("timeout");
    command.arg(PATIENCE).args(program).args(["-b", from, "-p", &port]).args(args).arg("127.0.0.1");
    command.current_dir(tandem.folder.path()).stdin(Stdio::null());
    let output = command.output().unwrap_or_else(|error| panic!("{tool}: {error}"));
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).into_owned()
}

#[track_caller]
fn banned(tandem: &Tandem, address: &str, reason: &str, proven: &str) {
    let line = format!("sip ban address={address} reason={reason} proven={proven} until=20");
    wait_for(&format!("{line:?} is logged"), Duration::from_secs(20), || {
        tandem.log().contains(&line).then_some(())
    });
}

#[track_caller]
fn others_are_served(tandem: &Tandem) {
    let carrier = Udp::new(tandem.sip, "127.0.0.1");
    let answer = carrier.ask(&Request::new("OPTIONS", &format!("sip:{}", tandem.sip)));
    assert_eq!(answer.map(|(status, _)| status), Some(200), "{}", tandem.log());
}

#[test]
fn sipvicious_finds_nothing_in_any_mode_and_is_banned() {
    let tandem = Tandem::start(CONFIG);
    for (method, from) in [("OPTIONS", "127.0.0.10"), ("INVITE", "127.0.0.11"), ("REGISTER", "127.0.0.12")] {
        let said = run("svmap", &["svmap"], &["-m", method], from, &tandem);
        assert!(said.contains("found nothing"), "svmap -m {method}: {said}");
        banned(&tandem, from, "scanner", "no");
    }
    for (method, from) in [("REGISTER", "127.0.0.20"), ("INVITE", "127.0.0.21"), ("OPTIONS", "127.0.0.22")] {
        let said = run("svwar", &["svwar"], &["-m", method, "-e100-110", "--force"], from, &tandem);
        assert!(!said.contains("reqauth") && !said.contains("noauth"), "svwar -m {method}: {said}");
        banned(&tandem, from, "scanner", "no");
    }
    let words = tandem.folder.path().join("words.txt");
    fs::write(&words, "secret\n1234\nanna\ndemo-anna\n").expect("a dictionary");
    let list = words.display().to_string();
    let said = run("svcrack", &["svcrack"], &["-u", "anna", "-d", &list], "127.0.0.30", &tandem);
    assert!(!said.contains("demo-anna"), "svcrack: {said}");
    banned(&tandem, "127.0.0.30", "scanner", "no");

    // It answers scanners with what makes them crash; a server it must leave alone.
    let port = tandem.sip.port().to_string();
    let crash = Command::new("timeout")
        .args(["10", "svcrash", "-d", "127.0.0.1", "-p", &port])
        .current_dir(tandem.folder.path())
        .output();
    assert!(crash.is_ok(), "svcrash runs");
    others_are_served(&tandem);
    assert!(tandem.metric("tandem_sip_dropped_total").is_some_and(|dropped| dropped > 0.0));
}

#[test]
fn a_scanner_under_a_false_name_learns_no_user_and_is_banned_before_it_guesses_a_password() {
    let tandem = Tandem::start(CONFIG);
    let folder = disguised(tandem.folder.path());
    let program = |name: &str| format!("{folder}/sipvicious/{name}.py");
    let words = tandem.folder.path().join("words.txt");
    let guesses: String = (0..40).map(|n| format!("guess{n}\n")).collect();
    fs::write(&words, guesses + "demo-anna\n").expect("a dictionary");

    let names = tandem.folder.path().join("names.txt");
    fs::write(&names, "anna\nboris\nnobody\n").expect("names");
    let svwar = program("svwar");
    let list = names.display().to_string();
    let said = run("svwar", &["python3", &svwar], &["-d", &list], "127.0.0.40", &tandem);
    assert!(!said.contains("anna") && !said.contains("boris"), "svwar tells users from nobodies: {said}");

    let svcrack = program("svcrack");
    let list = words.display().to_string();
    let said = run("svcrack", &["python3", &svcrack], &["-u", "anna", "-d", &list], "127.0.0.41", &tandem);
    assert!(!said.contains("demo-anna"), "svcrack found it: {said}");
    banned(&tandem, "127.0.0.41", "wrong_password", "yes");
    others_are_served(&tandem);
}

/// A copy of the tools that calls itself a telephone.
fn disguised(folder: &Path) -> String {
    let copy = folder.join("disguised");
    let done = Command::new("cp").args(["-r", "/usr/share/sipvicious"]).arg(&copy).status();
    assert!(done.is_ok_and(|status| status.success()), "sipvicious is installed");
    let library = copy.join("sipvicious/libs/svhelper.py");
    let source = fs::read_to_string(&library).expect("its library");
    let changed = source.replace("useragent='friendly-scanner'", "useragent='Yealink SIP-T46U'");
    assert_ne!(source, changed, "the name stands where it did");
    fs::write(&library, changed).expect("written");
    copy.display().to_string()
}
