use super::solo::{PHONE, Request, Solo, udp};
use crate::api::Rejection;
use crate::digest::Algorithm;

const CONTACT: &str = "<sip:anna@203.0.113.7:5062>";
const VICTIM: &str = "203.0.113.66:5060";

#[test]
fn a_wrong_password_counts_only_against_the_address_that_was_sent_the_nonce() {
    let mut solo = Solo::new();
    let challenge = solo.ask(udp(PHONE), &Request::register("anna", CONTACT));
    let guess =
        solo.authorize(Request::register("anna", CONTACT), &challenge, Algorithm::Sha256, "anna", "guess");
    solo.rejections.clear();
    // Forged: the answer comes from somebody who never saw the challenge.
    assert_eq!(solo.ask(udp(VICTIM), &guess.clone().call_id("a")).status(), Some(401));
    assert_eq!(solo.rejections, [Rejection::Unauthenticated]);
    assert_eq!(solo.ask(udp(PHONE), &guess.call_id("b")).status(), Some(403));
    assert_eq!(solo.rejections, [Rejection::Unauthenticated, Rejection::WrongPassword]);
    assert_eq!(solo.proved, []);
}

#[test]
fn a_password_cannot_be_tried_with_a_nonce_that_is_not_ours() {
    let mut solo = Solo::new();
    let challenge = solo.ask(udp(PHONE), &Request::register("anna", CONTACT));
    let mut statuses = Vec::new();
    for password in ["secret", "guess"] {
        let register = Request::register("anna", CONTACT).call_id(password);
        let with = solo.authorize(register, &challenge, Algorithm::Sha256, "anna", password);
        let answer = solo.ask(udp(VICTIM), &with);
        statuses.push((answer.status(), super::solo::text(&answer).contains("stale=true")));
    }
    assert_eq!(statuses, [(Some(401), true), (Some(401), true)], "right and wrong look the same");
}

#[test]
fn whoever_proves_a_password_is_told_of() {
    let mut solo = Solo::new();
    let ok = solo.ask_as(udp(PHONE), Request::register("anna", CONTACT), "anna", "secret");
    assert_eq!(ok.status(), Some(200));
    assert_eq!(solo.proved, [PHONE.parse().unwrap()]);
}

#[test]
fn nobody_registers_in_anothers_name() {
    let mut solo = Solo::new();
    let mut register = Request::register("anna", CONTACT);
    register.from = "<sip:boris@tandem.example>;tag=their-tag".to_owned();
    assert_eq!(solo.ask_as(udp(PHONE), register, "anna", "secret").status(), Some(403));
    assert_eq!(solo.stack.bindings("anna").count(), 0);
}

fn invite_of_anna(call_id: &str, number: &str) -> Request {
    let mut invite = Request::invite().call_id(call_id);
    invite.from = "<sip:anna@tandem.example>;tag=their-tag".to_owned();
    invite.uri = format!("sip:{number}@tandem.example");
    invite
}

/// The first final answer to a call of Anna's, or 100.
fn call(solo: &mut Solo, call_id: &str, number: &str) -> u16 {
    let first = solo.ask(udp(PHONE), &invite_of_anna(call_id, number));
    assert_eq!(first.status(), Some(401));
    let invite =
        solo.authorize(invite_of_anna(call_id, number).cseq(2), &first, Algorithm::Sha256, "anna", "secret");
    solo.sent.clear();
    solo.send(udp(PHONE), &invite);
    let (_, answer) = solo.sent.remove(0);
    solo.sent.clear();
    if answer.status() == Some(503) {
        assert!(answer.header(crate::message::Name::RetryAfter).is_some());
    }
    answer.status().expect("an answer")
}

#[test]
fn a_user_has_only_so_many_calls_at_once_and_in_a_day_and_not_to_everywhere() {
    let mut solo = Solo::new();
    solo.stack.set_user_limits(crate::api::UserLimits {
        calls: 2,
        per_second: 1,
        per_day: 3,
        denied: vec!["+882".to_owned()],
    });
    let second = std::time::Duration::from_secs(1);
    assert_eq!(call(&mut solo, "a", "+882100"), 403);
    assert_eq!(call(&mut solo, "b", "200"), 100);
    assert_eq!(call(&mut solo, "c", "200"), 503, "the second in a second");
    solo.run(second);
    assert_eq!(call(&mut solo, "d", "200"), 100);
    solo.run(second);
    assert_eq!(call(&mut solo, "e", "200"), 503, "the third at once");
    let first = solo.happened().into_iter().find_map(|event| match event {
        crate::api::Event::Incoming(incoming) => Some(incoming.call),
        _ => None,
    });
    solo.stack.reject(solo.now, first.expect("a call"), 486, None);
    solo.drain();
    solo.run(second);
    assert_eq!(call(&mut solo, "f", "200"), 100, "one has ended");
    solo.run(second);
    assert_eq!(call(&mut solo, "g", "200"), 503, "the fourth of the day");
}

#[test]
fn while_draining_what_is_new_is_refused_and_registrations_are_refreshed() {
    let mut solo = Solo::new();
    let register = || Request::register("anna", CONTACT);
    assert_eq!(solo.ask_as(udp(PHONE), register(), "anna", "secret").status(), Some(200));
    solo.stack.set_draining(true);
    for method in ["OPTIONS", "SUBSCRIBE", "MESSAGE"] {
        let answer = solo.ask(udp(PHONE), &Request::new(method).call_id(method));
        assert_eq!(answer.status(), Some(503), "{method}");
        assert!(answer.header(crate::message::Name::RetryAfter).is_some());
    }
    let again = register().call_id("refresh");
    assert_eq!(solo.ask_as(udp(PHONE), again, "anna", "secret").status(), Some(200));
}

#[test]
fn while_draining_users_may_still_call_and_carriers_only_to_replace_a_call() {
    let mut solo = Solo::new();
    solo.stack.set_draining(true);
    assert_eq!(call(&mut solo, "a", "*501"), 100, "it may be about a session that is there");
    let new = solo.ask(udp(super::solo::CARRIER), &Request::invite().call_id("b"));
    assert_eq!(new.status(), Some(503));
    let replaces = "Replaces: gone;to-tag=a;from-tag=b";
    let replacing = solo.ask(udp(super::solo::CARRIER), &Request::invite().call_id("c").with(replaces));
    assert_eq!(replacing.status(), Some(481));
}

#[test]
fn a_call_that_a_user_asked_for_is_one_of_his_until_it_ends() {
    let mut solo = Solo::new();
    let limits = crate::api::UserLimits { calls: 1, ..Default::default() };
    solo.stack.set_user_limits(limits);
    let asked = solo.incoming().call;
    assert_eq!(solo.stack.charge(solo.now, "anna", "+4930123"), Ok(()));
    solo.stack.spent_on("anna", asked);
    assert_eq!(solo.stack.charge(solo.now, "anna", "+4930123"), Err(503));
    assert_eq!(solo.stack.charge(solo.now, "boris", "+4930123"), Ok(()), "it is not his");
    solo.stack.reject(solo.now, asked, 486, None);
    solo.drain();
    assert_eq!(solo.stack.charge(solo.now, "anna", "+4930123"), Ok(()));
}
