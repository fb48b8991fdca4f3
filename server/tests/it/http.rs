use serde_json::json;

use crate::harness::{Server, Socket};

#[tokio::test]
async fn signing_in_and_out() {
    let server = Server::start().await;
    let stranger = server.browser();
    assert_eq!(stranger.get("/api/v1/me").await.status, 401);
    let wrong = stranger.post("/api/v1/login", &json!({"login": "anna", "password": "demo-boris"})).await;
    let nobody = stranger.post("/api/v1/login", &json!({"login": "nobody", "password": "demo-anna"})).await;
    assert_eq!((wrong.status, &wrong.text), (401, &nobody.text), "nothing tells which of the two is wrong");

    let anna = server.sign_in("anna").await;
    let me = anna.get("/api/v1/me").await.json();
    assert_eq!((&me["login"], &me["roles"]), (&json!("anna"), &json!(["operator"])));
    assert_eq!(anna.post("/api/v1/logout", &json!({})).await.status, 204);
    assert_eq!(anna.get("/api/v1/me").await.status, 401, "the cookie means nothing any more");
}

#[tokio::test]
async fn whoever_signs_out_everywhere_is_offered_nothing_any_more() {
    let server = Server::start().await;
    let (here, there) = (server.sign_in("anna").await, server.sign_in("anna").await);
    here.desk(json!({"command": "set_status", "status": {"state": "ready"}})).await;
    let boris = server.sign_in("boris").await;
    let state = async || {
        let agents = boris.get("/api/v1/agents").await.json();
        let anna = agents.as_array().and_then(|agents| agents.iter().find(|agent| agent["login"] == "anna"));
        anna.map(|anna| anna["status"]["state"].clone())
    };
    assert_eq!(there.post("/api/v1/logout", &json!({})).await.status, 204);
    assert_eq!(state().await, Some(json!("ready")), "she is still signed in elsewhere");
    assert_eq!(here.post("/api/v1/logout", &json!({})).await.status, 204);
    assert_eq!(state().await, Some(json!("signed_out")));
}

#[tokio::test]
async fn the_cookie_is_out_of_reach_of_scripts_and_other_sites() {
    let server = Server::start().await;
    let login = json!({"login": "anna", "password": "demo-anna"});
    let answer = server.browser().post("/api/v1/login", &login).await;
    let cookie = answer.header("set-cookie").expect("a cookie");
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
}

#[tokio::test]
async fn a_request_of_another_site_changes_nothing() {
    let server = Server::start().await;
    let anna = server.sign_in("anna").await;
    let body = r#"{"command":"set_status","status":{"state":"ready"}}"#;
    let json_only = [("Content-Type", "application/json")];
    let answer = anna.request("POST", "/api/v1/desk", &json_only, body).await;
    assert_eq!((answer.status, answer.error().0.as_str()), (403, "csrf"));
    let cookie = anna.cookie.clone().expect("signed in");
    let headers = [("cookie", cookie.as_str()), ("origin", "https://evil.example")];
    assert_eq!(Socket::open(server.http(), "/api/v1/events", &headers).await.err(), Some(403));
}

#[tokio::test]
async fn guessing_passwords_is_slowed_down() {
    let server = Server::start().await;
    let guess = json!({"login": "anna", "password": "guess"});
    let mut statuses = Vec::new();
    for _ in 0..12 {
        statuses.push(server.browser().post("/api/v1/login", &guess).await.status);
    }
    assert_eq!(statuses[0], 401);
    assert_eq!(statuses.last(), Some(&429));
    let other = json!({"login": "boris", "password": "demo-boris"});
    assert_eq!(server.browser().post("/api/v1/login", &other).await.status, 200, "others may sign in");
}

#[tokio::test]
async fn roles_decide_what_is_shown() {
    let server = Server::start().await;
    let (anna, vera, admin) =
        (server.sign_in("anna").await, server.sign_in("vera").await, server.sign_in("admin").await);
    for (path, statuses) in [
        ("/api/v1/users", [403, 403, 200]),
        ("/api/v1/dialplans", [403, 200, 200]),
        ("/api/v1/softphone", [200, 200, 200]),
        ("/api/v1/desk", [200, 200, 200]),
        ("/api/v1/sessions", [200, 200, 200]),
        ("/api/v1/recordings", [200, 200, 200]),
        ("/api/v1/queues", [200, 200, 200]),
        ("/api/v1/agents", [200, 200, 200]),
        ("/api/v1/customers?q=x", [200, 200, 200]),
    ] {
        for (browser, status) in [&anna, &vera, &admin].into_iter().zip(statuses) {
            assert_eq!(browser.get(path).await.status, status, "{path}");
        }
        assert_eq!(server.browser().get(path).await.status, 401, "{path}");
    }
    assert_eq!(anna.post("/api/v1/dialplans/reload", &json!({})).await.status, 403);
}

#[tokio::test]
async fn errors_name_the_field() {
    let server = Server::start().await;
    let admin = server.sign_in("admin").await;
    let good = json!({"login": "olga", "name": "Olga", "password": "long enough", "roles": ["operator"], "queues": ["support"]});
    let with = |field: &str, value: serde_json::Value| {
        let mut body = good.clone();
        body[field] = value;
        body
    };
    for (body, code, field) in [
        (with("login", json!("Ольга")), "bad_value", "login"),
        (with("login", json!(7)), "bad_value", "login"),
        (with("name", json!("  ")), "bad_value", "name"),
        (with("password", json!("short")), "bad_value", "password"),
        (with("roles", json!(["king"])), "bad_value", "roles[0]"),
        (with("roles", json!([])), "missing", "roles"),
        (with("queues", json!(["nowhere"])), "unknown_queue", "queues"),
        (with("capacity", json!({"voice": 2, "chat": 1})), "out_of_range", "capacity"),
        (with("capacity", json!({"voice": 1, "chat": -1})), "bad_value", "capacity.chat"),
        (with("locale", json!("fr")), "unknown_locale", "locale"),
    ] {
        let answer = admin.post("/api/v1/users", &body).await;
        assert_eq!(answer.status, 400, "{body}");
        assert_eq!(answer.error(), (code.to_owned(), Some(field.to_owned())), "{body}");
    }
    let nonsense = admin
        .request("POST", "/api/v1/users", &[("X-Tandem", "1"), ("Content-Type", "application/json")], "{")
        .await;
    assert_eq!((nonsense.status, nonsense.error().0.as_str()), (400, "bad_json"));
    let form = admin.request("POST", "/api/v1/users", &[("X-Tandem", "1")], "login=olga").await;
    assert_eq!(form.status, 415);
    assert_eq!(admin.get("/api/v1/sessions?limit=0").await.error().1.as_deref(), Some("limit"));
    assert_eq!(admin.get("/api/v1/sessions?nonsense=1").await.status, 400);
    assert_eq!(admin.get("/api/v1/sessions/nonsense").await.status, 404);
    assert_eq!(admin.post("/api/v1/users", &good).await.status, 201);
    let again = admin.post("/api/v1/users", &good).await;
    assert_eq!((again.status, again.error().1.as_deref()), (409, Some("login")));
}

#[tokio::test]
async fn a_request_that_is_too_large_is_refused() {
    let server = Server::start().await;
    let admin = server.sign_in("admin").await;
    let text = "x".repeat(1_100_000);
    let answer =
        admin.post("/api/v1/dialplans/check", &json!({"files": [{"name": "a.plan", "text": text}]})).await;
    assert_eq!((answer.status, answer.error().0.as_str()), (413, "too_large"));
}

#[tokio::test]
async fn a_user_is_added_changed_and_removed_at_run_time() {
    let server = Server::start().await;
    let admin = server.sign_in("admin").await;
    let body = json!({"login": "olga", "name": "Olga", "password": "demo-olga", "roles": ["operator"],
        "queues": ["support"], "sip_password": "a long secret"});
    let row = admin.post("/api/v1/users", &body).await.json();
    assert_eq!(row["sip_usernames"], json!(["olga"]));
    assert!(!row.to_string().contains("secret") && row.get("password_hash").is_none(), "{row}");
    let olga = server.sign_in("olga").await;
    let mut events = olga.events().await;
    events.until_type("desk").await;
    olga.desk(json!({"command": "set_status", "status": {"state": "ready"}})).await;

    let path = format!("/api/v1/users/{}", row["id"].as_str().expect("an id"));
    let renamed = admin.send("PATCH", &path, &json!({"name": "Olga P."})).await;
    assert_eq!((renamed.status, &renamed.json()["name"]), (200, &json!("Olga P.")));
    let what = "the desk with the new name";
    let (_, desk) = events.until(what, |event| event["desk"]["name"] == "Olga P.").await;
    assert_eq!(desk["desk"]["status"]["state"], "ready", "nobody's state is reset");

    let elsewhere = server.sign_in("olga").await;
    assert_eq!(admin.send("PATCH", &path, &json!({"password": "a new password"})).await.status, 200);
    assert_eq!(elsewhere.get("/api/v1/me").await.status, 401, "the old password has brought nobody in");
    let own = json!({"roles": ["supervisor"]});
    let me = admin.get("/api/v1/me").await.json();
    let refused =
        admin.send("PATCH", &format!("/api/v1/users/{}", me["agent"].as_str().expect("an id")), &own).await;
    assert_eq!(refused.error().1.as_deref(), Some("roles"), "an administrator stays one");

    assert_eq!(admin.send("DELETE", &path, &json!({})).await.status, 204);
    while events.next().await.is_some() {}
    assert_eq!(olga.get("/api/v1/me").await.status, 401);
    assert_eq!(admin.send("DELETE", &path, &json!({})).await.status, 404);
}

#[tokio::test]
async fn a_softphone_belongs_to_its_sign_in() {
    let server = Server::start().await;
    let (first, second) = (server.sign_in("anna").await, server.sign_in("anna").await);
    let account = first.get("/api/v1/softphone").await.json();
    assert_eq!(account, first.get("/api/v1/softphone").await.json(), "several tabs share it");
    let other = second.get("/api/v1/softphone").await.json();
    assert_ne!(account["password"], other["password"]);
    assert_ne!(account["authorization_user"], other["authorization_user"]);
    assert_eq!(account["uri"], other["uri"]);
}

#[tokio::test]
async fn a_draft_of_a_dialplan_is_checked_with_places_and_tests() {
    let server = Server::start().await;
    let admin = server.sign_in("admin").await;
    let check = |text: &str| json!({"files": [{"name": "draft.plan", "text": text}]});
    let bad = "flow f {\n  entry chat \"main\"\n  state a { queue nowhere }\n}\n";
    let report = admin.post("/api/v1/dialplans/check", &check(bad)).await.json();
    assert_eq!(report["ok"], false);
    let found = &report["diagnostics"][0];
    assert_eq!(
        (&found["file"], &found["line"], &found["severity"]),
        (&json!("draft.plan"), &json!(3), &json!("error"))
    );
    let in_force = admin.get("/api/v1/dialplans").await.json();
    let text = in_force["files"][0]["text"].as_str().expect("a text");
    let report = admin.post("/api/v1/dialplans/check", &check(text)).await.json();
    assert_eq!((&report["ok"], &report["tests"]["failed"]), (&json!(true), &json!(0)));
    assert_ne!(report["tests"]["passed"], 0);
    let reloaded = admin.post("/api/v1/dialplans/reload", &json!({})).await;
    assert_eq!(reloaded.json()["version"], in_force["version"], "the same files make the same version");
}

#[tokio::test]
async fn the_description_of_the_api_is_whole() {
    let server = Server::start().await;
    let api = server.browser().get("/api/v1/openapi.json").await.json();
    assert_eq!(api, serde_json::from_str::<serde_json::Value>(&server::http::openapi()).expect("JSON"));
    let text = api.to_string();
    for (_, rest) in
        text.match_indices("#/components/schemas/").map(|(at, found)| text.split_at(at + found.len()))
    {
        let name = rest.split('"').next().expect("a name");
        assert!(api["components"]["schemas"].get(name).is_some(), "{name} is referred to and not described");
    }
    for path in [
        "/api/v1/login",
        "/api/v1/desk",
        "/api/v1/sessions/{id}",
        "/api/v1/users/{id}",
        "/api/v1/recordings/{id}/audio",
    ] {
        assert!(api["paths"].get(path).is_some(), "{path}");
    }
}

#[tokio::test]
async fn pages_say_how_they_are_built_when_they_are_not() {
    let server = Server::start().await;
    let browser = server.browser();
    let root = browser.get("/").await;
    assert_eq!((root.status, root.header("location")), (307, Some("/console/")));
    let console = browser.get("/console/").await;
    assert_eq!(console.status, 200);
    assert!(console.header("content-type").is_some_and(|kind| kind.starts_with("text/html")));
    if console.text.contains("is not built") {
        assert!(console.text.contains("make console"));
    } else {
        assert!(
            console
                .header("content-security-policy")
                .is_some_and(|policy| policy.contains("frame-ancestors 'none'"))
        );
        let deep = browser.get("/console/sessions/abc").await;
        assert_eq!(deep.text, console.text, "the console's own addresses lead to its start page");
    }
    assert_eq!(browser.get("/console/assets/none.js").await.status, 404);
    assert_eq!(browser.get("/console/../../Cargo.toml").await.status, 404);
    assert_eq!(browser.get("/nowhere").await.status, 404);
}

#[tokio::test]
async fn a_half_sent_request_does_not_keep_others_waiting() {
    use tokio::io::AsyncWriteExt;
    let server = Server::start().await;
    let mut idle = Vec::new();
    for _ in 0..50 {
        let mut stream = tokio::net::TcpStream::connect(server.http()).await.expect("listening");
        stream.write_all(b"GET /livez HTTP/1.1\r\nHost:").await.expect("sent");
        idle.push(stream);
    }
    assert_eq!(server.browser().get("/livez").await.status, 200);
}

#[tokio::test]
async fn metrics_count_what_is_alive() {
    let server = Server::start().await;
    let browser = server.browser();
    let text = browser.get("/metrics").await.text;
    for line in ["tandem_sessions_open 0", "tandem_legs 0", "tandem_draining 0", "tandem_journal_failures 0"]
    {
        assert!(text.lines().any(|found| found == line), "{line}");
    }
    assert!(text.ends_with("# EOF\n"));
}

#[tokio::test]
async fn only_supervisors_come_into_calls_of_others() {
    let server = Server::start().await;
    let (anna, admin) = (server.sign_in("anna").await, server.sign_in("admin").await);
    let session = "/api/v1/sessions/01900000-0000-7000-8000-000000000001";
    let supervision = format!("{session}/supervision");
    let take_over = format!("{session}/take-over");
    let header = [("Content-Type", "application/json"), ("X-Tandem", "1")];
    for (method, path, body) in [
        ("PUT", &supervision, r#"{"mode":"monitor"}"#),
        ("DELETE", &supervision, ""),
        ("POST", &take_over, ""),
    ] {
        let refused = anna.request(method, path, &header, body).await;
        assert_eq!((refused.status, refused.error().0.as_str()), (403, "forbidden"), "{method} {path}");
        let over = admin.request(method, path, &header, body).await;
        let code = over.error().0;
        assert_eq!(over.status, 409, "{method} {path}: {code}");
        assert!(["unknown_session", "not_supervising"].contains(&code.as_str()), "{method} {path}: {code}");
    }
    let wrong = admin.request("PUT", &supervision, &header, r#"{"mode":"shout"}"#).await;
    assert_eq!((wrong.status, wrong.error().1.as_deref()), (400, Some("mode")), "{}", wrong.text);
    for command in ["supervise", "stop_supervising", "take_over"] {
        let session = "01900000-0000-7000-8000-000000000001";
        let by_desk = admin
            .post("/api/v1/desk", &json!({"command": command, "session": session, "mode": "monitor"}))
            .await;
        assert!(by_desk.status >= 400 && by_desk.status != 409, "{command}: {}", by_desk.status);
    }
}
