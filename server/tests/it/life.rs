use serde_json::json;
use server::run;

use crate::harness::{Server, configuration};

#[tokio::test]
async fn a_chat_goes_on_after_a_restart() {
    let server = Server::start().await;
    let (mut widget, welcome) = server.browser().widget(json!({})).await;
    widget.say(json!({"type": "send", "id": "m-1", "text": "one"})).await;
    let ack = widget.until_type("ack").await;
    let account = server.sign_in("anna").await.get("/api/v1/softphone").await.json();
    let cookie = server.sign_in("vera").await.cookie;

    let server = server.restart().await;
    let mut vera = server.browser();
    vera.cookie = cookie;
    assert_eq!(vera.get("/api/v1/me").await.status, 200, "a sign-in outlives the server");
    let again = server.sign_in("anna").await.get("/api/v1/softphone").await.json();
    assert_ne!(account["password"], again["password"], "another sign-in");
    let hello = json!({"token": welcome["token"], "session": ack["session"], "cursor": 0});
    let (mut widget, welcome) = server.browser().widget(hello).await;
    assert_eq!(welcome["session"], ack["session"]);
    assert_eq!(welcome["messages"][0]["message"]["text"], "one");
    widget.say(json!({"type": "send", "id": "m-1", "text": "one"})).await;
    let repeated = widget.until_type("ack").await;
    assert_eq!(repeated["seq"], ack["seq"], "the widget did not hear the acknowledgement and says it again");
    widget.say(json!({"type": "send", "id": "m-2", "text": "two"})).await;
    let next = widget.until("the second", |frame| frame["type"] == "ack" && frame["id"] == "m-2").await.1;
    assert!(next["seq"].as_u64() > ack["seq"].as_u64());
    let open = vera.get("/api/v1/sessions?state=open").await.json();
    assert_eq!(open.as_array().map(Vec::len), Some(1), "one session all the time");
}

#[tokio::test]
async fn a_second_server_does_not_start_on_the_same_data() {
    let server = Server::start().await;
    let refused = run::start(configuration(server.folder.path()), true).await;
    let error = refused.err().expect("refused").to_string();
    assert!(error.contains("another server"), "{error}");
}

#[tokio::test]
async fn the_addresses_are_written_where_scripts_find_them() {
    let server = Server::start().await;
    let text = std::fs::read_to_string(server.folder.path().join("data/addresses.json")).expect("written");
    let addresses: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(addresses["http"], server.http().to_string());
    assert_eq!(addresses["sip"][0]["transport"], "udp");
    assert_ne!(addresses["sip"][0]["local"], "127.0.0.1:0");
}

#[tokio::test]
async fn a_dialplan_with_mistakes_keeps_the_server_from_starting() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut config = configuration(folder.path());
    config.dialplans.folder = folder.path().to_owned();
    std::fs::write(
        folder.path().join("bad.plan"),
        "flow f { entry chat \"main\" state a { queue nowhere } }",
    )
    .expect("written");
    let error = run::start(config, true).await.err().expect("refused").to_string();
    assert!(error.contains("nowhere"), "{error}");
}

#[tokio::test]
async fn a_reload_takes_what_is_good_and_leaves_what_is_not() {
    let server = Server::start().await;
    let folder = server.folder.path();
    let plans = folder.join("plans");
    std::fs::create_dir(&plans).expect("made");
    server.running.stop(std::future::pending()).await;
    let mut config = configuration(folder);
    config.dialplans.folder = plans.clone();
    let plan = |text: &str| {
        let text = format!("flow f {{ entry chat \"main\" state a {{ say \"{text}\" close \"bye\" }} }}\n");
        std::fs::write(plans.join("f.plan"), text).expect("written");
    };
    plan("one");
    let running = run::start(config, true).await.expect("the server starts");
    let version = || running.app.plans.current().expect("a plan").plan.version().to_owned();
    let first = version();

    plan("two");
    let file = folder.join("tandem.toml");
    std::fs::write(&file, "[[queue]]\nname = \"support\"\n[[queue]]\nname = \"sales\"\n").expect("written");
    running.reload(&file).await;
    let second = version();
    assert_ne!(first, second);
    assert_eq!(running.app.queues().len(), 2);

    std::fs::write(plans.join("f.plan"), "flow f {").expect("written");
    std::fs::write(&file, "[[queue]]\nnam = \"support\"\n").expect("written");
    running.reload(&file).await;
    assert_eq!(version(), second);
    assert_eq!(running.app.queues().len(), 2);
}

#[tokio::test]
async fn a_server_that_drains_is_not_ready_and_ends_by_itself() {
    let server = Server::start().await;
    let browser = server.browser();
    assert_eq!(browser.get("/readyz").await.status, 200);
    server.running.app.vitals.set_draining();
    assert_eq!(browser.get("/readyz").await.status, 503);
    assert_eq!(browser.get("/livez").await.status, 200);
    server.running.stop(std::future::pending()).await;
}
