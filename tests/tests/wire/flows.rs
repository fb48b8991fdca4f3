//! A flow of the running server asks a real outside system, leaves a task, and is switched by one press.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc;
use std::time::Duration;

use e2e::lab::{Tandem, Visitor};
use serde_json::json;

/// Answers one request with this JSON, and tells what was asked.
fn system(answer: &'static str) -> (u16, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("somebody asks");
        let mut bytes = vec![0; 8192];
        let length = stream.read(&mut bytes).expect("a request");
        let _ = tell.send(String::from_utf8_lossy(&bytes[..length]).into_owned());
        let length = answer.len();
        let _ = write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{answer}");
    });
    (port, told)
}

#[test]
fn a_chat_is_answered_by_an_outside_system_leaves_a_task_and_is_closed_by_a_switch() {
    let (port, asked) = system("{\"plan\": {\"name\": \"gold\"}}");
    let folder = tempfile::tempdir().expect("a folder");
    let secrets = folder.path().join("secrets");
    std::fs::create_dir(&secrets).expect("a folder");
    std::fs::write(secrets.join("crm"), "Bearer s3cret\n").expect("a secret");
    let flow = format!(
        "flow main {{\n  entry chat \"main\"\n  state start {{\n    emergency \"fire\" -> fire\n    \
         collect phone \"Number?\" kind phone\n    http get \"http://127.0.0.1:{port}/{{session.phone}}\" {{\n      \
         header \"Authorization\" secret crm\n      set plan = \"plan.name\"\n    }}\n    on failed -> fire\n    \
         task callback queue support \"Call {{session.phone}} ({{session.plan}})\" within 2h\n    \
         say \"You have {{session.plan}}.\"\n    queue support\n    on full -> fire\n  }}\n  \
         state fire {{ close \"Closed.\" }}\n}}\n"
    );
    std::fs::write(folder.path().join("main.plan"), flow).expect("a flow");
    let extra =
        format!("[outside]\nsecrets = \"{}\"\nprivate_hosts = [\"127.0.0.1:{port}\"]\n", secrets.display());
    let mut tandem = Tandem::start_with(folder.path(), &extra);
    let admin = tandem.sign_in("admin");
    let said = |visitor: &mut Visitor, text: &str| {
        let found = visitor.find_where(Duration::from_secs(10), |frame| frame.to_string().contains(text));
        found.unwrap_or_else(|| panic!("nobody says {text}"));
    };
    let mut visitor = Visitor::connect(tandem.http, None);
    visitor.say("m1", "hello");
    said(&mut visitor, "Number?");
    visitor.say("m2", "+7 900 111-22-33");
    said(&mut visitor, "You have gold.");
    let asked = asked.recv_timeout(Duration::from_secs(5)).expect("it was asked");
    assert!(asked.starts_with("GET /%2B79001112233 HTTP/1.1\r\n"), "{asked}");
    assert!(asked.contains("authorization: Bearer s3cret\r\n"), "{asked}");
    assert!(!tandem.log().contains("s3cret"), "the secret stays out of the log");

    let tasks = admin.get("/tasks");
    let [task] = &tasks.as_array().expect("a list")[..] else { panic!("{tasks}") };
    assert_eq!((task["kind"].as_str(), task["queue"].as_str()), (Some("callback"), Some("support")));
    assert_eq!(task["text"], "Call +79001112233 (gold)");
    let due = task["due"].as_i64().zip(task["created"].as_i64()).map(|(due, created)| due - created);
    assert_eq!(due, Some(7_200_000_000), "{task}");
    let done = format!("/tasks/{}/{}/done", task["session"].as_str().expect("a session"), task["seq"]);
    assert_eq!(admin.post(&done, &json!({})).0, 204);
    assert_eq!(admin.post(&done, &json!({})).0, 404, "it is done already");
    assert_eq!(admin.get("/tasks"), json!([]));
    assert_eq!(admin.get("/tasks?all=true")[0]["done_by"], admin.me["name"]);

    let row = |on: bool| json!([{ "name": "fire", "on": on, "flows": ["main"] }]);
    assert_eq!(admin.get("/dialplans/switches"), row(false));
    assert_eq!(admin.post("/dialplans/switches/flood", &json!({ "on": true })).0, 404);
    assert_eq!(tandem.sign_in("anna").post("/dialplans/switches/fire", &json!({ "on": true })).0, 403);
    assert_eq!(admin.post("/dialplans/switches/fire", &json!({ "on": true })), (200, row(true)));
    let mut second = Visitor::connect(tandem.http, None);
    second.say("m1", "hello");
    said(&mut second, "Closed.");
    // It holds through a power cut, and the command line turns it back.
    tandem.kill();
    tandem.launch();
    let admin = tandem.sign_in("admin");
    assert_eq!(admin.get("/dialplans/switches"), row(true));
    assert_eq!(tandem.command(&["dialplan", "emergency", "fire", "off"]), "fire is off\n");
    assert_eq!(admin.get("/dialplans/switches"), row(false));
}
