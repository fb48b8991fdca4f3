//! Bad input to the API and to the chat.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use e2e::lab::{Tandem, Visitor};
use serde_json::{Value, json};
use ureq::Agent;

struct Wild {
    agent: Agent,
    base: String,
}

/// A request as it should not be; `csrf` and `cookie` can be left out.
struct Ask<'a> {
    method: &'a str,
    path: &'a str,
    cookie: Option<&'a str>,
    csrf: bool,
    body: Option<(&'a str, Vec<u8>)>,
}

impl Wild {
    fn ask(&self, ask: Ask<'_>) -> (u16, Value) {
        let mut request =
            ureq::http::Request::builder().method(ask.method).uri(format!("{}{}", self.base, ask.path));
        if let Some(cookie) = ask.cookie {
            request = request.header("Cookie", cookie);
        }
        if ask.csrf {
            request = request.header("X-Tandem", "1");
        }
        let (kind, body) = ask.body.unwrap_or_default();
        if !kind.is_empty() {
            request = request.header("Content-Type", kind);
        }
        let request = request.body(body).expect("a request");
        let mut response = self.agent.run(request).expect("an answer");
        let status = response.status().as_u16();
        (status, response.body_mut().read_json().unwrap_or(Value::Null))
    }

    /// A request with a JSON body that is signed in and has the header.
    fn send(&self, method: &str, path: &str, cookie: &str, body: &Value) -> (u16, Value) {
        let body = Some(("application/json", body.to_string().into_bytes()));
        self.ask(Ask { method, path, cookie: Some(cookie), csrf: true, body })
    }
}

/// Refused with this status, as JSON, and naming the field where one is wrong.
#[track_caller]
fn refused((status, body): (u16, Value), expected: u16, field: Option<&str>) {
    assert_eq!(status, expected, "{body}");
    let error = &body["error"];
    assert!(error["code"].as_str().is_some_and(|code| !code.is_empty()), "{body}");
    assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{body}");
    assert_eq!(error["field"].as_str(), field, "{body}");
}

#[test]
fn bad_requests_are_refused_in_json_that_names_the_field() {
    let tandem = Tandem::start("");
    let wild = Wild {
        agent: Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            // A connection whose request was refused before its body was read is closed: none is used again.
            .max_idle_connections(0)
            .build()
            .into(),
        base: format!("http://{}/api/v1", tandem.http),
    };
    let (admin, anna) = (tandem.sign_in("admin"), tandem.sign_in("anna"));
    let (admin, anna) = (admin.cookie.as_str(), anna.cookie.as_str());
    let user = json!({ "login": "eve", "name": "Eve", "password": "eve-eve-eve", "roles": ["operator"], "queues": [] });
    let with = |key: &str, value: Value| {
        let mut changed = user.clone();
        changed[key] = value;
        changed
    };

    // Who may what.
    let json_body = |value: &Value| Some(("application/json", value.to_string().into_bytes()));
    let nobody = Ask { method: "GET", path: "/me", cookie: None, csrf: true, body: None };
    refused(wild.ask(nobody), 401, None);
    let forged =
        Ask { method: "GET", path: "/me", cookie: Some("tandem_session=0123"), csrf: true, body: None };
    refused(wild.ask(forged), 401, None);
    let no_header =
        Ask { method: "POST", path: "/users", cookie: Some(admin), csrf: false, body: json_body(&user) };
    refused(wild.ask(no_header), 403, None);
    refused(wild.send("POST", "/users", anna, &user), 403, None);
    refused(
        wild.ask(Ask { method: "GET", path: "/users", cookie: Some(anna), csrf: true, body: None }),
        403,
        None,
    );
    refused(wild.send("POST", "/dialplans/reload", anna, &json!({})), 403, None);
    let ready = json!({ "command": "set_status", "status": { "state": "ready" } });
    refused(wild.send("POST", "/desk", admin, &ready), 409, None);
    let login = json!({ "login": "anna", "password": "guessed-it" });
    refused(wild.send("POST", "/login", "", &login), 401, None);

    // Types and values, each with its field.
    refused(wild.send("POST", "/login", "", &json!({ "login": 5, "password": "x" })), 400, Some("login"));
    refused(wild.send("POST", "/users", admin, &with("roles", json!(["king"]))), 400, Some("roles[0]"));
    refused(wild.send("POST", "/users", admin, &with("login", json!("Ева!"))), 400, Some("login"));
    refused(wild.send("POST", "/users", admin, &with("password", json!("short"))), 400, Some("password"));
    refused(wild.send("POST", "/users", admin, &with("name", json!("two\nlines"))), 400, Some("name"));
    refused(wild.send("POST", "/users", admin, &with("queues", json!(["nowhere"]))), 400, Some("queues"));
    let capacity = json!({ "voice": 300, "chat": 1 });
    refused(wild.send("POST", "/users", admin, &with("capacity", capacity)), 400, Some("capacity.voice"));
    refused(
        wild.send("POST", "/users", admin, &with("capacity", json!({ "voice": 7, "chat": 1 }))),
        400,
        Some("capacity"),
    );
    refused(wild.send("POST", "/users", admin, &with("unknown", json!(1))), 400, Some("unknown"));
    refused(wild.send("POST", "/users", admin, &with("login", json!("anna"))), 409, Some("login"));
    let status = json!({ "command": "set_status", "status": { "state": "asleep" } });
    refused(wild.send("POST", "/desk", anna, &status), 400, Some("status"));
    refused(wild.send("POST", "/desk", anna, &json!({ "command": "dance" })), 400, Some("command"));
    let query = Ask { method: "GET", path: "/sessions?limit=0", cookie: Some(anna), csrf: true, body: None };
    refused(wild.ask(query), 400, Some("limit"));
    let query =
        Ask { method: "GET", path: "/sessions?limit=many", cookie: Some(anna), csrf: true, body: None };
    refused(wild.ask(query), 400, Some("limit"));

    // What is not JSON, not there, or too large.
    let text = Ask {
        method: "POST",
        path: "/login",
        cookie: None,
        csrf: true,
        body: Some(("text/plain", b"hello".to_vec())),
    };
    refused(wild.ask(text), 415, None);
    for broken in [&b"{"[..], b"", b"[1,2", b"\xff\xfe", b"{}{}"] {
        let body = Some(("application/json", broken.to_vec()));
        let (status, answer) =
            wild.ask(Ask { method: "POST", path: "/users", cookie: Some(admin), csrf: true, body });
        assert_eq!(status, 400, "{answer}");
        assert!(answer["error"]["message"].is_string(), "{answer}");
    }
    // The answer may be overtaken by the hang-up on what is not read; then it is asked again.
    let answer = (0..5).map(|_| too_large(&tandem, admin)).find(|(status, _)| *status != 0);
    refused(answer.expect("an answer"), 413, None);
    for path in ["/sessions/none", "/sessions/00000000-0000-7000-8000-000000000000", "/nowhere"] {
        refused(wild.ask(Ask { method: "GET", path, cookie: Some(anna), csrf: true, body: None }), 404, None);
    }
    refused(wild.send("PATCH", "/me", anna, &json!({})), 405, None);

    // None of it did anything.
    let users =
        wild.ask(Ask { method: "GET", path: "/users", cookie: Some(admin), csrf: true, body: None }).1;
    assert!(users.as_array().is_some_and(|users| users.iter().all(|user| user["login"] != "eve")), "{users}");
}

/// Three megabytes, of which the server reads only so many that it knows; it may hang up on the rest.
fn too_large(tandem: &Tandem, cookie: &str) -> (u16, Value) {
    let mut stream = TcpStream::connect(tandem.http).expect("a connection");
    let body = json!({ "name": "x".repeat(3 << 20) }).to_string();
    let head = format!(
        "POST /api/v1/users HTTP/1.1\r\nHost: {}\r\nCookie: {cookie}\r\nX-Tandem: 1\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        tandem.http,
        body.len(),
    );
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0);
    let json = answer.split("\r\n\r\n").nth(1).unwrap_or_default();
    (status, serde_json::from_str(json).unwrap_or(Value::Null))
}

#[test]
fn a_widget_that_misbehaves_is_told_why_and_slowed_down() {
    let tandem = Tandem::start("");
    let mut visitor = Visitor::connect(tandem.http, None);
    let soon = Duration::from_secs(5);
    let mut refuse = |frame: &str, field: Option<&str>| {
        visitor.tell_text(frame);
        let error = visitor.find("error", soon).unwrap_or_else(|| panic!("{frame} was taken"));
        assert!(error["code"].is_string() && error["message"].is_string(), "{error}");
        assert_eq!(error["field"].as_str(), field, "{frame}: {error}");
    };
    refuse(r#"{"type":"send","id":"a","text":5}"#, Some("text"));
    refuse(r#"{"type":"send","id":"a"}"#, Some("text"));
    refuse(r#"{"type":"send","id":"a","text":""}"#, Some("text"));
    refuse(&json!({ "type": "send", "id": "a", "text": "x".repeat(4001) }).to_string(), Some("text"));
    refuse(&json!({ "type": "send", "id": "a", "text": "x".repeat(8001) }).to_string(), Some("text"));
    refuse(r#"{"type":"read","up_to":"all"}"#, Some("up_to"));
    refuse(r#"{"type":"talk"}"#, None);
    refuse(r#"{"type":"call_me","phone":"+79001112233"}"#, None);
    refuse(r#"{"type":"code","code":"000000"}"#, Some("code"));
    refuse(r#"{"type":"identify","email":"nobody"}"#, Some("email"));
    refuse(r#"{"type":"dance"}"#, Some("type"));
    refuse("not JSON", None);
    assert_eq!(visitor.session, None, "nothing of it opened a session");

    visitor.say("first", "Здравствуйте");
    visitor.tell_text(r#"{"type":"call_me","phone":"not a number"}"#);
    assert_eq!(visitor.expect("error")["field"], "phone");

    // A flood is read as fast as is allowed and no faster, and nothing of it is lost.
    let began = Instant::now();
    for nth in 0..60 {
        visitor.write(&format!("flood-{nth}"), &format!("flood {nth}"));
    }
    for nth in 0..60 {
        let ack = visitor.find("ack", Duration::from_secs(15)).expect("it is taken in the end");
        assert_eq!(ack["id"], format!("flood-{nth}"));
    }
    // 10 a second, and 20 at once.
    assert!(began.elapsed() > Duration::from_secs(3), "sixty frames were taken at once");

    // What is far too large is not even read.
    let mut large = Visitor::connect(tandem.http, None);
    large.write("big", &"x".repeat(20_000));
    assert!(large.find("error", soon).is_some(), "a frame of 20,000 octets was taken");
    large.write("huge", &"x".repeat(100_000));
    assert!(large.is_cut(soon), "a frame of 100,000 octets does not end the connection");

    let mut other = Visitor::connect(tandem.http, None);
    assert_eq!(other.say("good", "Здравствуйте")["id"], "good");
}
