//! sipvicious, as it comes and disguised: it finds nothing, it is banned, and nobody else notices.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use e2e::lab::Tandem;
use e2e::lab::sip::{Request, Udp};

/// The scanners send from 127.0.0.1 whatever they are told.
const CARRIER: &str = "127.0.0.2";
const CONFIG: &str = r#"
[[trunk]]
name = "carrier"
sources = ["127.0.0.2"]
destination = "127.0.0.2:9"
[protection]
stranger_rate = 100
"#;
const PATIENCE: &str = "60";

/// Runs a tool against the server and gives what it said.
fn run(program: &[&str], args: &[&str], tandem: &Tandem) -> String {
    let port = tandem.sip.port().to_string();
    let mut command = Command::new("timeout");
    command.arg(PATIENCE).args(program).args(["-p", &port]).args(args).arg("127.0.0.1");
    command.current_dir(tandem.folder.path()).stdin(Stdio::null());
    command.env("PYTHONPATH", tandem.folder.path().join("disguised")).env("HOME", tandem.folder.path());
    let output = command.output().unwrap_or_else(|error| panic!("{program:?}: {error}"));
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).into_owned()
}

/// The ban is logged and listed; it is lifted for the next.
#[track_caller]
fn banned(tandem: &Tandem, by: &str, reason: &str, proven: &str) {
    let line = format!("sip ban address=127.0.0.1 reason={reason} proven={proven} until=20");
    assert!(tandem.log().contains(&line), "{by}: {line:?} is not logged:\n{}", tandem.log());
    let listed = tandem.command(&["sip", "bans"]);
    assert!(listed.contains("127.0.0.1") && listed.contains(reason), "{by}: {listed}");
    tandem.command(&["sip", "unban", "127.0.0.1"]);
    assert!(!tandem.command(&["sip", "bans"]).contains("127.0.0.1"));
}

#[track_caller]
fn others_are_served(tandem: &Tandem) {
    let carrier = Udp::new(tandem.sip, CARRIER);
    let answer = carrier.ask(&Request::new("OPTIONS", &format!("sip:{}", tandem.sip)));
    assert_eq!(answer.map(|(status, _)| status), Some(200), "{}", tandem.log());
}

#[test]
fn sipvicious_finds_nothing_in_any_mode_and_is_banned() {
    let tandem = Tandem::start(CONFIG);
    for method in ["OPTIONS", "INVITE", "REGISTER"] {
        let said = run(&["svmap"], &["-m", method], &tandem);
        assert!(said.contains("found nothing"), "svmap -m {method}: {said}");
        banned(&tandem, "svmap", "scanner", "no");
        let said = run(&["svwar"], &["-m", method, "-e100-105", "--force"], &tandem);
        assert!(said.contains("found nothing"), "svwar -m {method}: {said}");
        banned(&tandem, "svwar", "scanner", "no");
    }
    let words = tandem.folder.path().join("words.txt");
    fs::write(&words, "secret\n1234\ndemo-anna\n").expect("a dictionary");
    let said = run(&["svcrack"], &["-u", "anna", "-d", &words.display().to_string()], &tandem);
    assert!(said.contains("found nothing"), "svcrack: {said}");
    banned(&tandem, "svcrack", "scanner", "no");

    // It answers scanners with what makes them crash; a server must live.
    let port = tandem.sip.port().to_string();
    let crash = Command::new("timeout").args(["10", "svcrash", "-d", "127.0.0.1", "-p", &port]).output();
    assert!(crash.is_ok(), "svcrash runs");
    others_are_served(&tandem);
    assert!(tandem.metric("tandem_sip_dropped_total").is_some_and(|dropped| dropped > 0.0));
}

#[test]
fn a_scanner_under_a_false_name_learns_no_user_and_is_banned_before_it_guesses_a_password() {
    let tandem = Tandem::start(CONFIG);
    let folder = disguised(tandem.folder.path());
    let (svwar, svcrack) =
        (format!("{folder}/sipvicious/svwar.py"), format!("{folder}/sipvicious/svcrack.py"));
    let write = |name: &str, text: String| {
        let file = tandem.folder.path().join(name);
        fs::write(&file, text).expect("a list");
        file.display().to_string()
    };
    let svmap = format!("{folder}/sipvicious/svmap.py");
    let said = run(&["python3", &svmap], &["-m", "OPTIONS"], &tandem);
    assert!(said.contains("found nothing"), "svmap: {said}");
    // A phone must get its challenge: this much can be learnt, and no more.
    let said = run(&["python3", &svmap], &["-m", "REGISTER"], &tandem);
    assert!(!said.contains("found nothing"), "svmap -m REGISTER: {said}");
    let name = "tandem_sip_dropped_total{reason=\"question\"}";
    assert!(tandem.metric(name) >= Some(1.0), "{:?}", tandem.metric(name));
    let names = write("names.txt", "anna\nboris\nnobody\n".to_owned());
    let said = run(&["python3", &svwar], &["-d", &names], &tandem);
    assert!(said.contains("found nothing"), "svwar tells users from nobodies: {said}");

    let guesses: String = (0..40).map(|n| format!("guess{n}\n")).collect();
    let words = write("words.txt", guesses + "demo-anna\n");
    let said = run(&["python3", &svcrack], &["-u", "anna", "-d", &words], &tandem);
    assert!(said.contains("found nothing"), "svcrack: {said}");
    banned(&tandem, "svcrack", "wrong_password", "yes");
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
