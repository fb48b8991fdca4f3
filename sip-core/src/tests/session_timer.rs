//! RFC 4028.

use std::time::Duration;

use model::{Cause, Side as Party};

use super::calling::{outgoing, trunk};
use super::pair::{SECOND, assert_nothing_left, ended, established};
use super::solo::{CARRIER, Request, Solo, label, labels, udp};
use crate::api::{CallId, Event, SessionTimers, Transport};
use crate::message::{Message, Name};
use crate::testing::{Pair, Side, Weather};

const MINUTE: Duration = Duration::from_secs(60);

fn text(message: &Message, name: Name) -> Option<String> {
    message.text(name)
}

/// An INVITE with these headers, answered. Returns the call, our To, and the 200.
fn answered(solo: &mut Solo, lines: &[&str]) -> (CallId, String, Message) {
    let invite = lines.iter().fold(Request::invite(), |invite, line| invite.with(line));
    assert_eq!(solo.ask(udp(CARRIER), &invite).status(), Some(100));
    let Event::Incoming(call) = solo.event() else { panic!("no call came") };
    solo.stack.answer(solo.now, call.call, b"v=0 answer".to_vec());
    let ok = solo.only();
    let to = String::from_utf8_lossy(ok.to().raw()).into_owned();
    solo.send(udp(CARRIER), &Solo::within("ACK", &to, 1));
    solo.happened();
    (call.call, to, ok)
}

/// A call of ours whose 200 has these headers.
fn calling(solo: &mut Solo, headers: &[(Name, &str)]) -> (CallId, Message) {
    let call = solo.stack.invite(solo.now, outgoing(trunk())).unwrap();
    let invite = solo.only();
    let mut answer = invite
        .response(200, None, udp(CARRIER).remote, Some("theirs"))
        .header(Name::Contact, "<sip:peer@198.51.100.1>");
    for (name, value) in headers {
        answer = answer.header(*name, value);
    }
    solo.raw(udp(CARRIER), &answer.body("application/sdp", "v=0 answer").finish());
    assert_eq!(labels(&solo.take()), ["ACK"]);
    solo.happened();
    (call, invite)
}

#[test]
fn two_of_us_agree_and_stay_together_for_hours_by_updates() {
    let mut pair = Pair::new(1, Transport::Udp, Weather::FINE);
    let (a, _) = established(&mut pair);
    for side in [Side::A, Side::B] {
        pair.node(side).sent.clear();
    }
    pair.run(300 * MINUTE);
    let updates = pair.a.sent.iter().filter(|text| text.starts_with("UPDATE")).count();
    // Every 15 minutes, by the one who called.
    assert_eq!((updates, pair.b.sent.iter().filter(|text| text.starts_with("UPDATE")).count()), (20, 0));
    assert_eq!((pair.events(Side::A), pair.events(Side::B)), (vec![], vec![]));
    let now = pair.now;
    pair.a.stack.hangup(now, a, Cause::HungUp, Party::Agent);
    pair.run(SECOND);
    pair.events(Side::A);
    assert_eq!(ended(&pair.events(Side::B)), [Cause::HungUp]);
    assert_nothing_left(&mut pair);
}

#[test]
fn a_peer_that_vanished_is_hung_up_on_by_both_sides() {
    let mut pair = Pair::new(1, Transport::Udp, Weather::FINE);
    established(&mut pair);
    pair.network.weather.loss = 1.0;
    pair.run(31 * MINUTE);
    assert_eq!(ended(&pair.events(Side::A)), [Cause::Lost]);
    assert_eq!(ended(&pair.events(Side::B)), [Cause::Lost]);
    assert!(pair.b.sent.iter().any(|text| text.starts_with("BYE")));
    assert_nothing_left(&mut pair);
}

#[test]
fn an_interval_below_our_minimum_gets_422_with_it() {
    let mut solo = Solo::new();
    let short = Request::invite().with("Supported: timer").with("Session-Expires: 30");
    let refused = solo.ask(udp(CARRIER), &short);
    assert_eq!((refused.status(), text(&refused, Name::MinSe)), (Some(422), Some("90".to_owned())));
    assert_eq!(solo.stack.counts(), Default::default());
    // Who does not speak of timers would not understand that: his proxy's wish is not heard.
    let (_, _, ok) = answered(&mut solo, &["Session-Expires: 30"]);
    assert_eq!(text(&ok, Name::SessionExpires), None);
}

#[test]
fn who_refreshes_follows_the_table_of_the_rfc() {
    for (lines, granted, required) in [
        (&["Supported: timer", "Session-Expires: 600"][..], Some("600;refresher=uac"), true),
        (&["Supported: timer", "Session-Expires: 600;refresher=uac"], Some("600;refresher=uac"), true),
        (&["Supported: timer", "Session-Expires: 600 ;refresher=uas"], Some("600;refresher=uas"), true),
        (&["k: timer", "x: 600"], Some("600;refresher=uac"), true),
        (&["Supported: timer"], Some("1800;refresher=uac"), true),
        (&["Supported: timer", "Session-Expires: 7200"], Some("1800;refresher=uac"), true),
        (&["Supported: timer", "Session-Expires: 7200", "Min-SE: 3600"], Some("3600;refresher=uac"), true),
        (&["Session-Expires: 600"], Some("600;refresher=uas"), false),
        (&[], None, false),
    ] {
        let mut solo = Solo::new();
        let (_, _, ok) = answered(&mut solo, lines);
        assert_eq!(text(&ok, Name::SessionExpires).as_deref(), granted, "{lines:?}");
        assert_eq!(text(&ok, Name::Require).as_deref(), required.then_some("timer"), "{lines:?}");
    }
}

#[test]
fn a_caller_that_stops_refreshing_is_hung_up_on_before_the_interval_is_over() {
    let mut solo = Solo::new();
    let (call, to, _) = answered(&mut solo, &["Supported: timer", "Session-Expires: 600"]);
    solo.run(Duration::from_secs(500));
    let refresh =
        Solo::within("UPDATE", &to, 2).with("Supported: timer").with("Session-Expires: 600;refresher=uac");
    let ok = solo.ask(udp(CARRIER), &refresh);
    assert_eq!(text(&ok, Name::SessionExpires).as_deref(), Some("600;refresher=uac"));
    solo.run(Duration::from_secs(567));
    assert!(solo.take().is_empty());
    solo.run(2 * SECOND);
    assert_eq!(label(&solo.take()[0]), "BYE");
    let Event::Ended { call: gone, ending } = solo.event() else { panic!() };
    assert_eq!((gone, ending.cause, ending.by), (call, Cause::Lost, Party::Carrier));
    solo.assert_nothing_left();
}

#[test]
fn a_reinvite_of_the_peer_refreshes_as_well() {
    let mut solo = Solo::new();
    let (call, to, _) = answered(&mut solo, &["Supported: timer", "Session-Expires: 600"]);
    solo.run(Duration::from_secs(300));
    let again = Solo::within("INVITE", &to, 2)
        .with("Contact: <sip:a@198.51.100.1>")
        .with("Supported: timer")
        .with("Session-Expires: 600;refresher=uas")
        .body("application/sdp", "v=0 offer");
    solo.send(udp(CARRIER), &again);
    solo.stack.accept_offer(solo.now, call, b"v=0 answer".to_vec());
    let ok = solo.take().pop().unwrap();
    assert_eq!(text(&ok, Name::SessionExpires).as_deref(), Some("600;refresher=uas"));
    solo.send(udp(CARRIER), &Solo::within("ACK", &to, 2));
    // Now it is our turn, and as that peer's Allow names no UPDATE, by re-INVITE with what stands.
    solo.run(Duration::from_secs(301));
    let refresh = solo.take().remove(0);
    assert_eq!((label(&refresh).as_str(), refresh.body()), ("INVITE", &b"v=0 answer"[..]));
    assert_eq!(text(&refresh, Name::SessionExpires).as_deref(), Some("600;refresher=uac"));
}

#[test]
fn our_invite_asks_and_the_answer_says_who_refreshes() {
    let mut solo = Solo::new();
    let (_, invite) =
        calling(&mut solo, &[(Name::SessionExpires, "120;refresher=uac"), (Name::Allow, "INVITE, UPDATE")]);
    assert_eq!(text(&invite, Name::SessionExpires).as_deref(), Some("1800"));
    assert_eq!(text(&invite, Name::MinSe).as_deref(), Some("90"));
    assert!(invite.tokens(Name::Supported).unwrap().has("timer"));
    solo.run(61 * SECOND);
    let update = solo.take().remove(0);
    assert_eq!((label(&update).as_str(), update.body()), ("UPDATE", &b""[..]));
    assert_eq!(text(&update, Name::SessionExpires).as_deref(), Some("120;refresher=uac"));

    let mut solo = Solo::new();
    calling(&mut solo, &[(Name::SessionExpires, "120;refresher=uas")]);
    solo.run(87 * SECOND);
    assert!(solo.take().is_empty());
    solo.run(2 * SECOND);
    assert_eq!(label(&solo.take()[0]), "BYE");

    let mut solo = Solo::new();
    calling(&mut solo, &[]);
    solo.run(300 * MINUTE);
    assert!(solo.take().is_empty());
}

#[test]
fn a_422_to_our_invite_is_obeyed_and_a_mad_one_is_not() {
    let mut solo = Solo::new();
    let call = solo.stack.invite(solo.now, outgoing(trunk())).unwrap();
    let first = solo.only();
    let too_small = |invite: &Message, min: &str| {
        let answer = invite.response(422, None, udp(CARRIER).remote, Some("t"));
        answer.header(Name::MinSe, min).finish()
    };
    solo.raw(udp(CARRIER), &too_small(&first, "3600"));
    let sent = solo.take();
    assert_eq!(labels(&sent), ["ACK", "INVITE"]);
    let second = &sent[1];
    assert_eq!(text(second, Name::SessionExpires).as_deref(), Some("3600"));
    assert_eq!(text(second, Name::MinSe).as_deref(), Some("3600"));
    assert_eq!((second.call_id(), second.from_tag()), (first.call_id(), first.from_tag()));
    assert_eq!((second.cseq().number, second.to_tag()), (first.cseq().number + 1, None));
    assert_eq!((second.body(), second.extension("X-Tandem-Offer")), (first.body(), Some(&b"42"[..])));
    assert_ne!(second.via().branch(), first.via().branch());
    assert_eq!(solo.happened(), []);
    // It cannot ask for the same again.
    let second = second.clone();
    solo.raw(udp(CARRIER), &too_small(&second, "3600"));
    assert_eq!(labels(&solo.take()), ["ACK"]);
    assert!(matches!(solo.event(), Event::Ended { call: gone, .. } if gone == call));
    solo.assert_nothing_left();
}

#[test]
fn a_refresh_that_is_refused_is_tried_otherwise_and_a_forgotten_call_is_over() {
    let mut solo = Solo::new();
    calling(&mut solo, &[(Name::SessionExpires, "600;refresher=uac"), (Name::Allow, "UPDATE")]);
    solo.run(301 * SECOND);
    let update = solo.take().remove(0);
    solo.reply(udp(CARRIER), &update, 405, "", None);
    let invite = solo.only();
    assert_eq!((label(&invite).as_str(), invite.body()), ("INVITE", &b"v=0 offer"[..]));
    let answer = invite.response(422, None, udp(CARRIER).remote, None).header(Name::MinSe, "900").finish();
    solo.raw(udp(CARRIER), &answer);
    let sent = solo.take();
    assert_eq!(labels(&sent), ["ACK", "INVITE"]);
    assert_eq!(text(&sent[1], Name::SessionExpires).as_deref(), Some("900;refresher=uac"));
    solo.reply(udp(CARRIER), &sent[1], 481, "", None);
    assert_eq!(labels(&solo.take()), ["ACK", "BYE"]);
    assert!(matches!(solo.event(), Event::Ended { ending, .. } if ending.cause == Cause::Lost));
    solo.assert_nothing_left();
}

#[test]
fn a_tiny_interval_does_not_make_us_a_flood() {
    let mut solo = Solo::new();
    calling(&mut solo, &[(Name::SessionExpires, "1;refresher=uac"), (Name::Allow, "UPDATE")]);
    solo.run(44 * SECOND);
    assert!(solo.take().is_empty());
    let mut solo = Solo::new();
    solo.stack.set_session_timers(SessionTimers { expires: Duration::ZERO, min: Duration::ZERO });
    let (_, _, ok) = answered(&mut solo, &["Supported: timer"]);
    assert_eq!(text(&ok, Name::SessionExpires).as_deref(), Some("90;refresher=uac"));
}
