//! RFC 6665, and the packages of RFC 4235, RFC 3856 and RFC 3842.

use super::pair::SECOND;
use super::solo::{CARRIER, PHONE, Request, Solo, label, labels, udp, ws};
use crate::api::{ConnectionId, Event, Package, Subscription, SubscriptionId};
use crate::message::{Message, Name};
use crate::subscription::{DialogState, dialog_info, message_summary, presence};

fn subscribe(call: &str, event: &str, expires: u32) -> Request {
    Request::new("SUBSCRIBE")
        .call_id(call)
        .with("Contact: <sip:anna@203.0.113.7:5062>")
        .with(&format!("Event: {event}"))
        .with(&format!("Expires: {expires}"))
}

/// A subscription of Anna's, its first NOTIFY answered.
fn subscribed(solo: &mut Solo, call: &str, event: &str) -> (SubscriptionId, String) {
    let ok = solo.ask_as(udp(PHONE), subscribe(call, event, 600), "anna", "secret");
    assert_eq!((ok.status(), ok.text(Name::Expires).as_deref()), (Some(200), Some("600")));
    let Event::Subscribed(Subscription { subscription, .. }) = solo.event() else { panic!() };
    solo.stack.notify(solo.now, subscription, message_summary("sip:anna@tandem.example", 1, 2));
    let notify = solo.only();
    solo.reply(udp(PHONE), &notify, 200, "", None);
    (subscription, String::from_utf8_lossy(ok.to().raw()).into_owned())
}

fn state(notify: &Message) -> String {
    assert_eq!(label(notify), "NOTIFY");
    notify.text(Name::SubscriptionState).expect("every NOTIFY has it")
}

/// The same subscription once more.
fn again(to: &str, cseq: u32, expires: u32) -> Request {
    subscribe("mailbox", "message-summary;id=7", expires).to(to).cseq(cseq)
}

#[test]
fn a_user_is_told_at_once_and_at_every_change_and_when_it_ends() {
    let mut solo = Solo::new();
    let ok = solo.ask_as(udp(PHONE), subscribe("mailbox", "message-summary;id=7", 600), "anna", "secret");
    let to = String::from_utf8_lossy(ok.to().raw()).into_owned();
    let Event::Subscribed(Subscription { subscription, package, user, .. }) = solo.event() else { panic!() };
    assert_eq!((package, user.as_str()), (Package::MessageSummary, "200"));
    let body = message_summary("sip:anna@tandem.example", 1, 2);
    solo.stack.notify(solo.now, subscription, body.clone());
    let first = solo.only();
    assert_eq!((state(&first).as_str(), first.body()), ("active;expires=600", body.as_slice()));
    assert_eq!(first.text(Name::Event).as_deref(), Some("message-summary;id=7"));
    assert!(first.content_type().unwrap().unwrap().is("application/simple-message-summary"));
    // What changes while one is under way is told once, as it is then.
    solo.stack.notify(solo.now, subscription, message_summary("a", 5, 0));
    solo.stack.notify(solo.now, subscription, message_summary("a", 6, 0));
    assert!(solo.take().is_empty());
    solo.reply(udp(PHONE), &first, 200, "", None);
    let second = solo.only();
    assert!(String::from_utf8_lossy(second.body()).contains("Voice-Message: 6/0"));
    solo.reply(udp(PHONE), &second, 200, "", None);
    // A refresh is answered and told the state; a lapsed one ends.
    solo.run(100 * SECOND);
    solo.send(udp(PHONE), &again(&to, 5, 120));
    let sent = solo.take();
    assert_eq!(labels(&sent), ["200 SUBSCRIBE", "NOTIFY"]);
    assert_eq!(state(&sent[1]), "active;expires=120");
    solo.reply(udp(PHONE), &sent[1], 200, "", None);
    solo.run(121 * SECOND);
    assert_eq!(state(&solo.take()[0]), "terminated;reason=timeout");
    assert_eq!(solo.event(), Event::Unsubscribed { subscription });
    solo.run(70 * SECOND);
    assert_eq!(solo.stack.counts().subscriptions + solo.stack.counts().transactions, 0);
}

#[test]
fn whoever_wants_no_more_is_told_for_the_last_time() {
    let mut solo = Solo::new();
    let (subscription, to) = subscribed(&mut solo, "mailbox", "message-summary;id=7");
    solo.send(udp(PHONE), &again(&to, 5, 0));
    let sent = solo.take();
    assert_eq!(
        (labels(&sent), state(&sent[1]).as_str()),
        (vec!["200 SUBSCRIBE".to_owned(), "NOTIFY".to_owned()], "terminated;reason=timeout",)
    );
    assert_eq!(solo.event(), Event::Unsubscribed { subscription });
    assert_eq!(solo.ask(udp(PHONE), &again(&to, 6, 600)).status(), Some(481));
}

#[test]
fn what_cannot_be_granted_is_refused() {
    let mut solo = Solo::new();
    let unknown = solo.ask_as(udp(PHONE), subscribe("a", "weather", 600), "anna", "secret");
    assert_eq!(unknown.status(), Some(489));
    assert!(unknown.tokens(Name::AllowEvents).unwrap().has("presence"));
    let brief = solo.ask_as(udp(PHONE), subscribe("b", "presence", 5), "anna", "secret");
    assert_eq!((brief.status(), brief.text(Name::MinExpires).as_deref()), (Some(423), Some("60")));
    let deaf = subscribe("c", "presence", 600).with("Accept: text/plain");
    assert_eq!(solo.ask_as(udp(PHONE), deaf, "anna", "secret").status(), Some(406));
    let mut other = subscribe("d", "presence", 600);
    other.from = "<sip:boss@tandem.example>;tag=x".to_owned();
    assert_eq!(solo.ask_as(udp(PHONE), other, "anna", "secret").status(), Some(403));
    assert_eq!(solo.ask(udp(CARRIER), &subscribe("e", "presence", 600).call_id("e")).status(), Some(401));
    assert_eq!(solo.happened(), []);
    assert_eq!(solo.stack.counts().subscriptions, 0);
}

#[test]
fn nobody_subscribes_without_end() {
    let mut solo = Solo::new();
    for n in 0..32 {
        subscribed(&mut solo, &format!("s{n}"), "presence");
    }
    let more = solo.ask_as(udp(PHONE), subscribe("more", "presence", 600), "anna", "secret");
    assert_eq!(more.status(), Some(403));
    solo.run(700 * SECOND);
    assert_eq!(solo.stack.counts().subscriptions, 0);
}

#[test]
fn a_subscriber_that_is_gone_is_forgotten() {
    let mut solo = Solo::new();
    let (subscription, _) = subscribed(&mut solo, "mailbox", "message-summary");
    solo.stack.notify(solo.now, subscription, b"x".to_vec());
    let notify = solo.only();
    solo.reply(udp(PHONE), &notify, 481, "", None);
    assert_eq!(solo.event(), Event::Unsubscribed { subscription });
    let (subscription, _) = subscribed(&mut solo, "again", "message-summary");
    solo.stack.notify(solo.now, subscription, b"x".to_vec());
    solo.run(33 * SECOND);
    assert_eq!(solo.event(), Event::Unsubscribed { subscription });
    solo.take();
    let ok = solo.ask_as(ws(PHONE, 9), subscribe("browser", "dialog", 600), "anna", "secret");
    assert_eq!(ok.status(), Some(200));
    solo.happened();
    solo.stack.handle_connection_closed(solo.now, ConnectionId(9));
    assert!(matches!(solo.event(), Event::Unsubscribed { .. }));
    assert_eq!(solo.stack.counts().subscriptions, 0);
}

#[test]
fn the_words_of_each_package_are_well_formed() {
    let dialogs = [("a\"<b>".to_owned(), DialogState::Confirmed)];
    let info = String::from_utf8(dialog_info("sip:anna@tandem.example", 3, &dialogs)).unwrap();
    assert!(info.contains("version=\"3\"") && info.contains("<dialog id=\"a&quot;&lt;b&gt;\">"));
    assert!(info.contains("<state>confirmed</state>"));
    let here = String::from_utf8(presence("sip:anna@tandem.example", true, Some("R&D\u{1}"))).unwrap();
    assert!(here.contains("<basic>open</basic>") && here.contains("<note>R&amp;D</note>"));
    let mail = message_summary("sip:anna@tandem.example\r\nEvil: 1", 0, 4);
    assert!(!String::from_utf8_lossy(&mail).contains("\nEvil"));
    assert!(mail.starts_with(b"Messages-Waiting: no\r\n"));
}
