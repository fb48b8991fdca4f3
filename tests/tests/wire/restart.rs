//! A server that is killed while people write.

use std::time::Duration;

use e2e::lab::{Tandem, Visitor, wait_for};
use serde_json::{Value, json};

/// Nobody is ready, so every chat waits.
fn to_the_queue(visitor: &mut Visitor, name: &str) {
    visitor.say(&format!("{name}-hello"), "Здравствуйте");
    let question = |event: &Value| event["message"]["buttons"].is_array();
    assert!(visitor.find_where(Duration::from_secs(10), question).is_some(), "{name} is not asked");
    visitor.say(&format!("{name}-0"), "Поддержка");
    let waiting = |event: &Value| event["type"] == "state" && event["state"]["state"] == "waiting";
    assert!(visitor.find_where(Duration::from_secs(10), waiting).is_some(), "{name} does not wait");
}

#[test]
fn a_killed_server_keeps_every_acknowledged_message_once_and_the_order_of_the_queue() {
    let mut tandem = Tandem::start("");
    let mut visitors: Vec<Visitor> = (0..3).map(|_| Visitor::connect(tandem.http, None)).collect();
    let names = ["first", "second", "third"];
    for (visitor, name) in visitors.iter_mut().zip(names) {
        to_the_queue(visitor, name);
        for nth in 1..=5 {
            visitor.say(&format!("{name}-{nth}"), &format!("{name} message {nth}"));
        }
    }
    let before: Vec<_> =
        visitors.iter().map(|visitor| (visitor.session.clone(), visitor.shown.clone())).collect();
    // One more, which nobody has acknowledged when the power goes: it may have arrived or not.
    for (visitor, name) in visitors.iter_mut().zip(names) {
        visitor.write(&format!("{name}-late"), &format!("{name} late"));
    }
    tandem.kill();
    tandem.launch();

    let mut again: Vec<Visitor> = Vec::new();
    for ((old, name), (session, shown)) in visitors.iter().zip(names).zip(&before) {
        let mut visitor = Visitor::connect(tandem.http, Some(old));
        assert_eq!(visitor.session, *session, "{name} is in his own session again");
        assert_eq!(visitor.token, old.token);
        // As the widget does with what it has no acknowledgement of, and once more to be sure.
        let ack = visitor.say(&format!("{name}-late"), &format!("{name} late"));
        let twice = visitor.say(&format!("{name}-late"), &format!("{name} late"));
        assert_eq!(ack["seq"], twice["seq"], "a repeat is the same message");
        assert!(visitor.shown.len() >= shown.len(), "the cursor resumes");
        // A page that lost everything but its token gets the whole conversation.
        let mut fresh = Visitor::connect(tandem.http, None);
        drop(std::mem::replace(&mut fresh.token, visitor.token.clone()));
        let fresh = Visitor::connect(tandem.http, Some(&fresh));
        let mine: Vec<&str> = fresh
            .shown
            .iter()
            .filter(|(_, author, _)| author == "customer")
            .map(|(_, _, text)| text.as_str())
            .collect();
        let mut expected = vec!["Здравствуйте".to_owned(), "Поддержка".to_owned()];
        expected.extend((1..=5).map(|nth| format!("{name} message {nth}")));
        expected.push(format!("{name} late"));
        assert_eq!(mine, expected, "each message of {name} once and in order");
        let mut places: Vec<u64> = fresh.shown.iter().map(|(seq, ..)| *seq).collect();
        let sorted = places.clone();
        places.sort_unstable();
        places.dedup();
        assert_eq!(places, sorted, "every message has its own place");
        for line in shown {
            assert!(fresh.shown.contains(line), "{name} had seen {line:?}");
        }
        again.push(visitor);
    }

    // An operator of one chat at a time is offered them in the order in which they came.
    let admin = tandem.sign_in("admin");
    let operator = tandem.sign_in("anna");
    let anna = operator.me["agent"].as_str().expect("an id");
    admin.patch(&format!("/users/{anna}"), &json!({ "capacity": { "voice": 1, "chat": 1 } }));
    let _desk = operator.open_desk(tandem.http);
    operator.ready();
    for (nth, (session, _)) in before.iter().enumerate() {
        let offer = wait_for("an offer", Duration::from_secs(10), || {
            let view = operator.get("/desk");
            let offers = view["offers"].as_array().expect("offers");
            assert!(offers.len() < 2, "he can have one chat at a time: {view}");
            offers.first().cloned()
        });
        assert_eq!(offer["session"].as_str(), session.as_deref(), "number {nth} in the queue");
        operator.desk(&json!({ "command": "accept", "offer": offer["offer"] }));
        // The conversation goes on where it was.
        let text = "Я снова здесь";
        operator
            .desk(&json!({ "command": "send", "session": session, "external_id": "answer", "text": text }));
        let answer = again[nth].find_where(Duration::from_secs(10), |event| event["message"]["text"] == text);
        assert!(answer.is_some(), "the operator's answer arrives");
        operator.desk(&json!({ "command": "close_chat", "session": session }));
        operator.desk(
            &json!({ "command": "finish_wrap_up", "session": session, "disposition": null, "note": null }),
        );
    }
}
