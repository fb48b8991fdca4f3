//! Challenges of carriers, and what we answer.

use model::{Cause, Side};

use super::calling::outgoing;
use super::solo::{CARRIER, PHONE, Solo, label, labels, text, udp};
use super::trunks::{MD5, SHA, call, challenge, proves, trunk, with};
use crate::api::{CallId, Event, Target};
use crate::digest;
use crate::message::{Credentials, Message, Name};

#[test]
fn a_challenged_invite_goes_out_again_with_credentials_and_the_same_call_id() {
    let mut solo = with(vec![trunk()]);
    let (id, first) = call(&mut solo);
    challenge(&mut solo, &first, 407, &[MD5]);
    let sent = solo.take();
    assert_eq!(labels(&sent), ["ACK", "INVITE"]);
    let second = &sent[1];
    assert_eq!(second.call_id(), first.call_id());
    assert_eq!(second.from().raw(), first.from().raw());
    assert_eq!(second.cseq().number, first.cseq().number + 1);
    assert_ne!(second.via().branch(), first.via().branch());
    assert_eq!(second.body(), first.body());
    assert_eq!(second.extension("X-Tandem-Offer"), Some(&b"42"[..]));
    assert!(proves(second, Name::ProxyAuthorization, MD5, "sesame"));
    solo.reply(udp(CARRIER), second, 200, "theirs", Some("v=0 answer"));
    let ack = solo.only();
    assert_eq!((label(&ack), ack.cseq().number), ("ACK".to_owned(), second.cseq().number));
    // RFC 3261 §13.2.2.4
    assert_eq!(ack.header(Name::ProxyAuthorization), second.header(Name::ProxyAuthorization));
    assert!(matches!(solo.event(), Event::Answered { call, .. } if call == id));
    solo.stack.hangup(solo.now, id, Cause::Completed, Side::System);
    let bye = solo.only();
    assert_eq!(bye.cseq().number, second.cseq().number + 1);
    challenge(&mut solo, &bye, 401, &[MD5]);
    let again = solo.only();
    assert_eq!((label(&again), again.cseq().number), ("BYE".to_owned(), bye.cseq().number + 1));
    assert!(proves(&again, Name::Authorization, MD5, "sesame"));
    solo.reply(udp(CARRIER), &again, 200, "theirs", None);
    solo.assert_nothing_left();
}

/// A call through the trunk that is up, and the offer that we have just made in it.
fn reinviting() -> (Solo, CallId, Message) {
    let mut solo = with(vec![trunk()]);
    let (id, first) = call(&mut solo);
    solo.reply(udp(CARRIER), &first, 200, "theirs", Some("v=0 answer"));
    solo.take();
    solo.happened();
    solo.stack.reinvite(solo.now, id, b"v=0 more".to_vec());
    let reinvite = solo.only();
    (solo, id, reinvite)
}

#[test]
fn a_re_invite_is_proved_as_well() {
    let (mut solo, _, reinvite) = reinviting();
    challenge(&mut solo, &reinvite, 407, &[SHA]);
    let sent = solo.take();
    assert_eq!(labels(&sent), ["ACK", "INVITE"]);
    assert!(proves(&sent[1], Name::ProxyAuthorization, SHA, "sesame"));
    solo.reply(udp(CARRIER), &sent[1], 200, "theirs", Some("v=0 yes"));
    let ack = solo.only();
    assert_eq!(ack.header(Name::ProxyAuthorization), sent[1].header(Name::ProxyAuthorization));
    assert!(matches!(solo.event(), Event::OfferAnswered { .. }));
}

#[test]
fn a_proved_re_invite_takes_a_number_that_nothing_else_has() {
    let (mut solo, id, reinvite) = reinviting();
    solo.stack.send_info(solo.now, id, "application/dtmf-relay", b"Signal=1".to_vec()).unwrap();
    let info = solo.only();
    challenge(&mut solo, &reinvite, 407, &[SHA]);
    let sent = solo.take();
    assert_eq!(labels(&sent), ["ACK", "INVITE"]);
    assert_eq!(sent[1].cseq().number, info.cseq().number + 1);
    solo.reply(udp(CARRIER), &sent[1], 200, "theirs", Some("v=0 yes"));
    assert_eq!(solo.only().cseq().number, sent[1].cseq().number);
    assert!(matches!(solo.event(), Event::OfferAnswered { .. }));
    solo.stack.hangup(solo.now, id, Cause::Completed, Side::System);
    assert_eq!(solo.only().cseq().number, sent[1].cseq().number + 1);
}

#[test]
fn of_several_challenges_the_strongest_is_answered() {
    for (challenges, strongest) in [
        (&[MD5, SHA][..], SHA),
        (&[SHA, MD5], SHA),
        (&[r#"Digest realm="carrier", nonce="n", algorithm=SHA-512-256"#, MD5], MD5),
        (&["Basic realm=\"carrier\"", MD5], MD5),
    ] {
        let mut solo = with(vec![trunk()]);
        let (_, invite) = call(&mut solo);
        challenge(&mut solo, &invite, 401, challenges);
        let sent = solo.take();
        assert!(proves(&sent[1], Name::Authorization, strongest, "sesame"), "{}", text(&sent[1]));
    }
}

#[test]
fn protection_of_the_body_and_none_at_all_are_answered() {
    for protection in [r#", qop="auth-int""#, ""] {
        let challenge_text = format!(r#"Digest realm="carrier", nonce="n1", algorithm=MD5{protection}"#);
        let mut solo = with(vec![trunk()]);
        let (_, invite) = call(&mut solo);
        challenge(&mut solo, &invite, 407, &[&challenge_text]);
        let sent = solo.take();
        assert!(proves(&sent[1], Name::ProxyAuthorization, &challenge_text, "sesame"));
        assert_eq!(text(&sent[1]).contains("qop=auth-int"), !protection.is_empty());
    }
    // RFC 7616 §3.4.3, computed with another implementation (Python's hashlib).
    let challenge =
        Credentials::parse(br#"Digest realm="r", nonce="n", algorithm=MD5, qop="auth-int""#).unwrap();
    let method = crate::message::Method::Invite;
    let asked = digest::Request { method: &method, uri: "sip:a@b", body: b"body" };
    let login = digest::Login { username: "u", password: "p" };
    let answer = digest::respond(&challenge, &asked, &login, "c", 1).unwrap();
    assert!(answer.contains("response=\"d85db29361da2aadbc8c0cc14fd9b598\""), "{answer}");
}

#[test]
fn a_refused_password_is_not_tried_again() {
    let mut solo = with(vec![trunk()]);
    let (id, first) = call(&mut solo);
    challenge(&mut solo, &first, 407, &[MD5]);
    let second = solo.take().pop().unwrap();
    challenge(&mut solo, &second, 407, &[r#"Digest realm="carrier", nonce="n2", algorithm=MD5, qop="auth""#]);
    assert_eq!(labels(&solo.take()), ["ACK"]);
    let Event::Ended { call, ending } = solo.event() else { panic!() };
    assert_eq!((call, ending.cause, ending.sip_status), (id, Cause::Refused, Some(407)));
    solo.assert_nothing_left();
}

#[test]
fn a_stale_nonce_is_answered_once_more_and_no_more() {
    let mut solo = with(vec![trunk()]);
    let (_, first) = call(&mut solo);
    challenge(&mut solo, &first, 407, &[MD5]);
    let second = solo.take().pop().unwrap();
    let stale = r#"Digest realm="carrier", nonce="n2", algorithm=MD5, qop="auth", stale=true"#;
    challenge(&mut solo, &second, 407, &[stale]);
    let third = solo.take().pop().unwrap();
    assert!(proves(&third, Name::ProxyAuthorization, stale, "sesame"));
    assert_eq!(third.credentials(Name::ProxyAuthorization).count(), 1, "the old answer is gone");
    challenge(&mut solo, &third, 407, &[stale]);
    assert_eq!(labels(&solo.take()), ["ACK"]);
}

#[test]
fn a_proxy_and_the_carrier_behind_it_are_both_answered() {
    let mut solo = with(vec![trunk()]);
    let (_, first) = call(&mut solo);
    challenge(&mut solo, &first, 407, &[MD5]);
    let second = solo.take().pop().unwrap();
    challenge(&mut solo, &second, 401, &[r#"Digest realm="inner", nonce="x", algorithm=MD5"#]);
    let third = solo.take().pop().unwrap();
    assert_eq!(third.header(Name::ProxyAuthorization), second.header(Name::ProxyAuthorization));
    assert!(third.header(Name::Authorization).is_some());
}

#[test]
fn challenges_of_another_realm_and_without_an_account_stay_unanswered() {
    let mut other_realm = trunk();
    other_realm.account.as_mut().unwrap().realm = Some("elsewhere".to_owned());
    let mut no_account = trunk();
    no_account.account = None;
    for settings in [other_realm, no_account] {
        let mut solo = with(vec![settings]);
        let (_, invite) = call(&mut solo);
        challenge(&mut solo, &invite, 407, &[MD5]);
        assert_eq!(labels(&solo.take()), ["ACK"]);
        assert!(matches!(solo.event(), Event::Ended { .. }));
    }
}

#[test]
fn a_phone_never_gets_an_answer_to_its_challenge() {
    let mut solo = with(vec![trunk()]);
    let binding = solo.register(udp(PHONE), "anna", "<sip:anna@203.0.113.7:5062>");
    let call = solo.stack.invite(solo.now, outgoing(Target::Binding(binding.id))).unwrap();
    let invite = solo.take().pop().unwrap();
    let mut answer = invite.response(401, None, udp(PHONE).remote, Some("theirs"));
    answer = answer.header(Name::WwwAuthenticate, MD5);
    solo.raw(udp(PHONE), &answer.finish());
    assert_eq!(labels(&solo.take()), ["ACK"]);
    assert!(matches!(solo.event(), Event::Ended { call: ended, .. } if ended == call));
}

#[test]
fn a_cancelled_call_does_not_come_back_with_credentials() {
    let mut solo = with(vec![trunk()]);
    let (id, invite) = call(&mut solo);
    solo.stack.hangup(solo.now, id, Cause::Cancelled, Side::Customer);
    challenge(&mut solo, &invite, 407, &[MD5]);
    assert_eq!(labels(&solo.take()), ["ACK"]);
    solo.assert_nothing_left();
}

#[test]
fn a_message_and_a_question_for_health_are_proved_as_well() {
    let mut solo = with(vec![trunk()]);
    let target = Target::Trunk { name: "carrier".to_owned(), number: "+74951234567".to_owned() };
    let id = solo.stack.send_message(solo.now, &target, "100", "text/plain", b"hello".to_vec()).unwrap();
    let first = solo.only();
    challenge(&mut solo, &first, 407, &[MD5]);
    let second = solo.only();
    assert_eq!((label(&second), second.body()), ("MESSAGE".to_owned(), &b"hello"[..]));
    assert_eq!((second.call_id(), second.cseq().number), (first.call_id(), first.cseq().number + 1));
    assert!(proves(&second, Name::ProxyAuthorization, MD5, "sesame"));
    solo.reply(udp(CARRIER), &second, 202, "theirs", None);
    assert_eq!(solo.event(), Event::MessageAnswered { message: id, status: 202 });
    solo.assert_nothing_left();
    let mut solo = with(vec![super::trunks::asking()]);
    super::trunks::tick(&mut solo);
    let options = solo.only();
    challenge(&mut solo, &options, 401, &[MD5]);
    assert!(proves(&solo.only(), Name::Authorization, MD5, "sesame"));
}

#[test]
fn a_phone_that_challenges_a_message_gets_no_answer() {
    let mut solo = with(vec![trunk()]);
    let binding = solo.register(udp(PHONE), "anna", "<sip:anna@203.0.113.7:5062>");
    let target = Target::Binding(binding.id);
    let id = solo.stack.send_message(solo.now, &target, "100", "text/plain", b"hello".to_vec()).unwrap();
    let message = solo.take().pop().unwrap();
    let answer = message.response(401, None, udp(PHONE).remote, Some("theirs"));
    solo.raw(udp(PHONE), &answer.header(Name::WwwAuthenticate, MD5).finish());
    assert!(solo.take().is_empty());
    assert_eq!(solo.event(), Event::MessageAnswered { message: id, status: 401 });
}

#[test]
fn a_proved_request_goes_no_further_than_the_first_one() {
    let mut solo = with(vec![trunk()]);
    let target = Target::Trunk { name: "carrier".to_owned(), number: "+74951234567".to_owned() };
    let mut limited = outgoing(target);
    limited.options.max_forwards = Some(11);
    solo.stack.invite(solo.now, limited).unwrap();
    let first = solo.only();
    challenge(&mut solo, &first, 407, &[MD5]);
    let second = solo.take().pop().unwrap();
    assert_eq!((first.max_forwards(), second.max_forwards()), (Some(11), Some(11)));
}

#[test]
fn passwords_are_not_printed() {
    assert!(!format!("{:?}", trunk()).contains("sesame"));
}
