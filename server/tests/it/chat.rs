use serde_json::{Value, json};

use crate::harness::{Browser, Server, Socket};

async fn said(widget: &mut Socket, id: &str, text: &str) -> Value {
    widget.say(json!({"type": "send", "id": id, "text": text})).await;
    widget.until("the acknowledgement", |frame| frame["type"] == "ack" && frame["id"] == id).await.1
}

/// Texts that the customer himself wrote, in order.
async fn own_texts(browser: &Browser, session: &Value) -> Vec<String> {
    let detail = browser.get(&format!("/api/v1/sessions/{}", session.as_str().expect("an id"))).await.json();
    let entries = detail["entries"].as_array().expect("entries").clone();
    entries
        .iter()
        .map(|entry| &entry["change"])
        .filter(|change| change["type"] == "message" && change["message"]["author"]["who"] == "customer")
        .map(|change| change["message"]["text"].as_str().expect("a text").to_owned())
        .collect()
}

#[tokio::test]
async fn a_message_is_in_the_journal_when_it_is_acknowledged_and_there_once() {
    let server = Server::start().await;
    let anna = server.sign_in("anna").await;
    let (mut widget, welcome) = anna.widget(json!({})).await;
    assert_eq!((&welcome["type"], &welcome["session"]), (&json!("welcome"), &json!(null)));
    let ack = said(&mut widget, "m-1", "hello <b>there</b>").await;
    assert_eq!(own_texts(&anna, &ack["session"]).await, ["hello <b>there</b>"]);
    let again = said(&mut widget, "m-1", "hello <b>there</b>").await;
    assert_eq!((&again["seq"], &again["at"]), (&ack["seq"], &ack["at"]));
    assert_eq!(own_texts(&anna, &ack["session"]).await.len(), 1);
}

#[tokio::test]
async fn a_widget_that_comes_back_is_shown_what_it_has_not_seen_and_nothing_twice() {
    let server = Server::start().await;
    let browser = server.sign_in("vera").await;
    let (mut widget, welcome) = browser.widget(json!({})).await;
    let token = welcome["token"].clone();
    let ack = said(&mut widget, "m-1", "one").await;
    drop(widget);
    let (mut widget, welcome) =
        browser.widget(json!({"token": token, "session": ack["session"], "cursor": ack["seq"]})).await;
    assert_eq!(welcome["session"], ack["session"]);
    let shown: Vec<u64> = seqs(welcome["messages"].as_array().expect("messages"));
    assert!(shown.iter().all(|seq| *seq > ack["seq"].as_u64().expect("a number")), "{shown:?}");
    widget.say(json!({"type": "send", "id": "m-2", "text": "two"})).await;
    let (mut before, ack) = widget.until("the acknowledgement", |frame| frame["type"] == "ack").await;
    before.retain(|frame| frame["type"] == "message");
    assert!(seqs(&before).iter().all(|seq| !shown.contains(seq)));

    let (_, fresh) = browser.widget(json!({"token": token})).await;
    let all = seqs(fresh["messages"].as_array().expect("messages"));
    assert!(all.len() > shown.len() && all.contains(&ack["seq"].as_u64().expect("a number")));
    assert!(all.windows(2).all(|pair| pair[0] < pair[1]), "in order: {all:?}");
}

fn seqs(messages: &[Value]) -> Vec<u64> {
    messages.iter().map(|message| message["seq"].as_u64().expect("a number")).collect()
}

#[tokio::test]
async fn two_windows_of_one_visitor_see_the_same() {
    let server = Server::start().await;
    let browser = server.browser();
    let (mut first, welcome) = browser.widget(json!({})).await;
    let (mut second, other) = browser.widget(json!({"token": welcome["token"]})).await;
    assert_eq!(other["token"], welcome["token"]);
    first.say(json!({"type": "send", "id": "m-1", "text": "one"})).await;
    let seen = second.until_type("message").await;
    assert_eq!(seen["message"]["text"], "one");
    let (_, stranger) = browser.widget(json!({"token": "f".repeat(64)})).await;
    assert_ne!(stranger["token"], welcome["token"], "a token that was never given is nobody's");
    assert_eq!(stranger["session"], json!(null));
}

#[tokio::test]
async fn wrong_frames_are_answered_with_the_field_and_the_chat_goes_on() {
    let server = Server::start().await;
    let (mut widget, _) = server.browser().widget(json!({})).await;
    said(&mut widget, "m-1", "one").await;
    for (frame, code, field) in [
        ("{", "bad_json", Value::Null),
        (r#"{"type":"shout"}"#, "unknown_type", json!("type")),
        (r#"{"type":"send","id":"m-9"}"#, "missing", json!("text")),
        (r#"{"type":"hello","account":"main"}"#, "unexpected", Value::Null),
        (r#"{"type":"call_me","phone":"12"}"#, "", json!("phone")),
        (r#"{"type":"code","code":"000000"}"#, "", Value::Null),
    ] {
        widget.say_text(frame.to_owned()).await;
        let (_, error) = widget.until("an error", |answer| answer["type"] == "error").await;
        assert!(code.is_empty() || error["code"] == code, "{frame}: {error}");
        assert!(field.is_null() || error["field"] == field, "{frame}: {error}");
    }
    let long = format!(r#"{{"type":"send","id":"m","text":"{}"}}"#, "x".repeat(17_000));
    widget.say_text(long).await;
    assert_eq!(widget.until_type("error").await["code"], "too_long");
    widget.say(json!({"type": "ping"})).await;
    widget.until_type("pong").await;
}

#[tokio::test]
async fn who_does_not_say_hello_properly_is_sent_away() {
    let server = Server::start().await;
    for frame in [
        json!({"type": "send", "id": "m", "text": "x"}),
        json!({"type": "hello", "account": "unknown"}),
        json!({"type": "hello", "account": "main", "phone": "12"}),
    ] {
        let mut socket = Socket::open(server.http(), "/chat", &[]).await.expect("the chat opens");
        socket.say(frame.clone()).await;
        let error = socket.next().await.expect("an error");
        assert_eq!(error["type"], "error", "{frame}");
        assert_eq!(socket.next().await, None, "{frame}");
    }
}

#[tokio::test]
async fn an_operator_and_a_customer_talk() {
    let server = Server::start().await;
    let anna = server.sign_in("anna").await;
    let mut events = anna.events().await;
    events.until_type("desk").await;
    anna.desk(json!({"command": "set_status", "status": {"state": "ready"}})).await;
    let hello = json!({"name": "Иван", "phone": "8 900 111-22-33", "page": "https://shop.example/kettle"});
    let (mut widget, _) = anna.widget(hello).await;
    let session = said(&mut widget, "m-1", "здравствуйте").await["session"].clone();
    said(&mut widget, "m-2", "поддержка").await;

    let (_, desk) = events.until("an offer", |event| !event["desk"]["offers"][0].is_null()).await;
    let offer = &desk["desk"]["offers"][0];
    assert_eq!((&offer["session"], &offer["customer"]["name"]), (&session, &json!("Иван")));
    assert_eq!(offer["customer"]["identities"][0], json!({"kind": "phone", "value": "+79001112233"}));
    anna.desk(json!({"command": "accept", "offer": offer["offer"]})).await;
    let state = widget.until("the operator", |frame| frame["state"]["state"] == "with").await.1;
    assert_eq!(state["state"]["in_call"], false);

    let reply = anna
        .desk(json!({"command": "send", "session": session, "external_id": "a-1", "text": "Добрый день"}))
        .await;
    let shown = widget.until("his message", |frame| frame["message"]["author"]["who"] == "agent").await.1;
    assert_eq!((&shown["message"]["text"], &shown["seq"]), (&json!("Добрый день"), &reply["seq"]));
    widget.say(json!({"type": "read", "up_to": reply["seq"]})).await;
    events.until("the read mark", |event| event["entry"]["change"]["type"] == "read").await;
    widget.say(json!({"type": "talk"})).await;
    let token = widget.until_type("call_token").await;
    assert_eq!(token["websocket"], "/sip");

    widget.say(json!({"type": "close"})).await;
    events.until("wrap-up", |event| event["entry"]["change"]["type"] == "wrap_up_started").await;
    anna.desk(
        json!({"command": "finish_wrap_up", "session": session, "disposition": "solved", "note": null}),
    )
    .await;
    let rows = anna.get("/api/v1/sessions?state=closed").await.json();
    assert_eq!((rows.as_array().expect("rows").len(), &rows[0]["disposition"]), (1, &json!("solved")));
    assert_eq!(rows[0]["owner"]["name"], anna.get("/api/v1/me").await.json()["name"]);
    let refused = anna.post("/api/v1/desk", &json!({"command": "close_chat", "session": session})).await;
    assert_eq!(refused.status, 409);
}

#[tokio::test]
async fn supervisors_see_every_entry_once_and_operators_only_their_own() {
    let server = Server::start().await;
    let (vera, boris) = (server.sign_in("vera").await, server.sign_in("boris").await);
    let (mut all, mut none) = (vera.events().await, boris.events().await);
    none.until_type("desk").await;
    let (mut widget, _) = vera.widget(json!({})).await;
    let ack = said(&mut widget, "m-1", "one").await;
    let (mut before, _) = all.until("the message", |event| event["entry"]["seq"] == ack["seq"]).await;
    before.retain(|event| event["type"] == "entry");
    assert_eq!(before.len() as u64, ack["seq"].as_u64().expect("a number") - 1, "each once: {before:#?}");
    boris.desk(json!({"command": "set_status", "status": {"state": "not_ready", "reason": "lunch"}})).await;
    let (before, _) = none.until("his desk", |event| event["desk"]["status"]["state"] == "not_ready").await;
    assert!(before.iter().all(|event| event["type"] != "entry"), "{before:#?}");
}
