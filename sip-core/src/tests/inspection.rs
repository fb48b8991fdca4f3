use super::solo::{CARRIER, PHONE, Request, Solo, udp};
use crate::inspect::{Topic, printable};

#[test]
fn everything_that_is_alive_can_be_seen() {
    let mut solo = Solo::new();
    let contact = "<sip:anna@203.0.113.7:5062>";
    let register = Request::register("anna", contact).with("User-Agent: Desk\u{1b}[2J 1");
    assert_eq!(solo.ask_as(udp(PHONE), register, "anna", "secret").status(), Some(200));
    solo.send(udp(CARRIER), &Request::invite());
    let rows = |solo: &Solo, topic| solo.stack.inspect(solo.now, topic, 10).rows;

    let registrations = rows(&solo, Topic::Registrations);
    assert_eq!(registrations.len(), 1);
    assert_eq!(registrations[0][..3], ["anna", "sip:anna@203.0.113.7:5062", "udp 203.0.113.7:5062"]);
    assert!(registrations[0].concat().chars().all(|c| !c.is_control()), "{registrations:?}");

    let dialogs = rows(&solo, Topic::Dialogs);
    assert_eq!(dialogs.len(), 1);
    assert_eq!((dialogs[0][1].as_str(), dialogs[0][2].as_str()), ("in", "ringing in"));
    assert_eq!(dialogs[0][6], "their-call");

    let methods: Vec<_> = rows(&solo, Topic::Transactions).into_iter().map(|row| row[1].clone()).collect();
    assert!(
        methods.contains(&"INVITE".to_owned()) && methods.contains(&"REGISTER".to_owned()),
        "{methods:?}"
    );
    let trunks = rows(&solo, Topic::Trunks);
    assert_eq!(trunks.len(), 1);
    assert_eq!(trunks[0][4..], ["up", "", "1"], "its state, its registration, its calls");

    let cut = solo.stack.inspect(solo.now, Topic::Transactions, 1);
    assert_eq!((cut.rows.len(), cut.left_out), (1, 1));
}

#[test]
fn what_would_move_the_cursor_is_shown_instead() {
    assert_eq!(printable("a\r\nb\u{1b}[31m\u{202e}c\0"), "a\\r\\nb\\u{1b}[31m\\u{202e}c\\u{0}");
    assert_eq!(printable("Анна, 日本"), "Анна, 日本");
}
