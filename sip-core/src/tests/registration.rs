use std::time::Duration;

use super::solo::{PHONE, Request, Solo, credential, text, udp, ws};
use crate::api::{ConnectionId, Event, Rejection};
use crate::digest::Algorithm;
use crate::message::{Message, Name};

const CONTACT: &str = "<sip:anna@203.0.113.7:5062>";

fn contacts(message: &Message) -> Vec<String> {
    message.values(Name::Contact).map(|value| String::from_utf8_lossy(value).into_owned()).collect()
}

#[test]
fn a_register_without_credentials_is_challenged_for_both_algorithms_and_leaves_nothing_behind() {
    let mut solo = Solo::new();
    let answer = solo.ask(udp(PHONE), &Request::register("anna", CONTACT));
    assert_eq!(answer.status(), Some(401));
    let challenges: Vec<_> = answer.credentials(Name::WwwAuthenticate).collect();
    let algorithms: Vec<_> = challenges.iter().map(|c| Algorithm::of(c).unwrap()).collect();
    assert_eq!(algorithms, [Algorithm::Md5, Algorithm::Sha256], "phones take the first");
    assert!(challenges.iter().all(|c| *c.get("realm").unwrap() == *b"tandem.example"));
    assert_eq!(solo.stack.counts(), Default::default());
    assert_eq!(solo.stack.poll_timeout(), None);
}

#[test]
fn a_phone_registers_with_md5_or_sha_256() {
    for algorithm in [Algorithm::Md5, Algorithm::Sha256] {
        let mut solo = Solo::new();
        let request = Request::register("anna", CONTACT).with("Expires: 600").with("User-Agent: Desk 1");
        let challenge = solo.ask(udp(PHONE), &request);
        let request = solo.authorize(request, &challenge, algorithm, "anna", "secret");
        let ok = solo.ask(udp(PHONE), &request);
        assert_eq!(ok.status(), Some(200), "{}", text(&ok));
        assert_eq!(contacts(&ok), ["<sip:anna@203.0.113.7:5062>;expires=600"]);
        let Event::Registered(binding) = solo.event() else { panic!() };
        assert_eq!(binding.contact, "sip:anna@203.0.113.7:5062");
        assert_eq!((binding.aor.as_str(), binding.username.as_str()), ("anna", "anna"));
        assert_eq!((binding.hop, binding.user_agent.as_deref()), (udp(PHONE), Some("Desk 1")));
        assert_eq!(solo.stack.bindings("anna").collect::<Vec<_>>(), [&binding]);
    }
}

#[test]
fn a_phone_that_chokes_on_two_challenges_gets_one() {
    let mut solo = Solo::new();
    let request = Request::register("anna", CONTACT).with("User-Agent: baresip v1.0.0 (x86_64/linux)");
    let answer = solo.ask(udp(PHONE), &request);
    let algorithms: Vec<_> = answer.credentials(Name::WwwAuthenticate).map(|c| Algorithm::of(&c)).collect();
    assert_eq!(algorithms, [Some(Algorithm::Md5)]);
}

#[test]
fn what_is_challenged_for_can_be_limited() {
    let mut solo = Solo::new();
    solo.stack.set_digest_algorithms(vec![Algorithm::Md5]);
    let answer = solo.ask(udp(PHONE), &Request::register("anna", CONTACT));
    let algorithms: Vec<_> = answer.credentials(Name::WwwAuthenticate).map(|c| Algorithm::of(&c)).collect();
    assert_eq!(algorithms, [Some(Algorithm::Md5)]);
}

#[test]
fn a_repeated_register_gets_the_same_answer_and_does_not_count_twice() {
    let mut solo = Solo::new();
    let request = Request::register("anna", CONTACT);
    let challenge = solo.ask(udp(PHONE), &request);
    let request = solo.authorize(request, &challenge, Algorithm::Md5, "anna", "secret").branch("z9hG4bKsame");
    let first = solo.ask(udp(PHONE), &request);
    let second = solo.ask(udp(PHONE), &request);
    assert_eq!(first.status(), Some(200));
    assert_eq!(text(&first), text(&second));
    assert_eq!(solo.happened().len(), 1);
}

#[test]
fn replayed_credentials_are_refused() {
    let mut solo = Solo::new();
    let request = Request::register("anna", CONTACT);
    let challenge = solo.ask(udp(PHONE), &request);
    let request = solo.authorize(request, &challenge, Algorithm::Sha256, "anna", "secret");
    assert_eq!(solo.ask(udp(PHONE), &request).status(), Some(200));
    solo.happened();
    for from in [PHONE, "203.0.113.66:5060"] {
        let again = solo.ask(udp(from), &request.clone().call_id(from));
        assert_eq!(again.status(), Some(401));
        assert!(text(&again).contains("stale=true"));
    }
    assert_eq!(solo.happened(), []);
}

#[test]
fn an_expired_nonce_is_told_to_be_stale_and_the_phone_goes_on() {
    let mut solo = Solo::new();
    let request = Request::register("anna", CONTACT);
    let challenge = solo.ask(udp(PHONE), &request);
    let late = solo.authorize(request, &challenge, Algorithm::Sha256, "anna", "secret");
    solo.run(Duration::from_secs(60));
    let stale = solo.ask(udp(PHONE), &late);
    assert_eq!(stale.status(), Some(401));
    assert!(text(&stale).contains("stale=true"));
    let fresh = solo.authorize(
        Request::register("anna", CONTACT).cseq(5),
        &stale,
        Algorithm::Sha256,
        "anna",
        "secret",
    );
    assert_eq!(solo.ask(udp(PHONE), &fresh).status(), Some(200));
}

#[test]
fn a_wrong_password_and_an_unknown_user_get_the_same_answers() {
    let outcome = |username: &str| {
        let mut solo = Solo::new();
        let refused = solo.ask_as(udp(PHONE), Request::register(username, CONTACT), username, "guess");
        assert_eq!(solo.rejections, [Rejection::Unauthenticated, Rejection::WrongPassword]);
        (refused.status(), refused.reason().map(<[u8]>::to_vec), solo.happened(), solo.stack.counts())
    };
    assert_eq!(outcome("anna"), outcome("nobody"));
    assert_eq!(outcome("anna").0, Some(403));
}

#[test]
fn nobody_registers_for_somebody_else() {
    let mut solo = Solo::new();
    solo.stack.set_credential(credential("ben", "ben", false));
    let refused = solo.ask_as(udp(PHONE), Request::register("ben", CONTACT), "anna", "secret");
    assert_eq!(refused.status(), Some(403));
    assert_eq!(solo.stack.counts().bindings, 0);
}

#[test]
fn two_accounts_may_share_an_address_of_record() {
    let mut solo = Solo::new();
    solo.stack.set_credential(credential("anna-desk", "anna", false));
    let ok = solo.ask_as(udp(PHONE), Request::register("anna", CONTACT), "anna-desk", "secret");
    assert_eq!(ok.status(), Some(200));
    solo.register(udp(PHONE), "anna", "<sip:browser@203.0.113.7:9999>");
    assert_eq!(solo.stack.bindings("anna").count(), 2);
    solo.stack.remove_credential("anna-desk");
    let Event::Unregistered(gone) = solo.event() else { panic!() };
    assert_eq!(gone.username, "anna-desk");
}

#[test]
fn a_one_time_credential_does_not_register() {
    let mut solo = Solo::new();
    solo.stack.set_credential(credential("visitor-1", "visitor-1", true));
    let refused = solo.ask_as(udp(PHONE), Request::register("visitor-1", CONTACT), "visitor-1", "secret");
    assert_eq!(refused.status(), Some(403));
    assert_eq!(solo.stack.counts().bindings, 0);
}

#[test]
fn a_trunk_does_not_register_without_credentials() {
    let mut solo = Solo::new();
    let answer = solo.ask(udp(super::solo::CARRIER), &Request::register("anna", CONTACT));
    assert_eq!(answer.status(), Some(401));
}

#[test]
fn a_refresh_keeps_the_binding() {
    let mut solo = Solo::new();
    let binding = solo.register(udp(PHONE), "anna", CONTACT);
    solo.run(Duration::from_secs(3000));
    let again = Request::register("anna", CONTACT).cseq(10);
    assert_eq!(solo.ask_as(udp(PHONE), again, "anna", "secret").status(), Some(200));
    assert_eq!(solo.happened(), []);
    solo.run(Duration::from_secs(3000));
    assert_eq!(solo.stack.bindings("anna").map(|b| b.id).collect::<Vec<_>>(), [binding.id]);
}

#[test]
fn a_binding_that_is_not_refreshed_expires() {
    let mut solo = Solo::new();
    let binding = solo.register(udp(PHONE), "anna", CONTACT);
    solo.run(Duration::from_secs(3599));
    assert_eq!(solo.happened(), []);
    solo.run(Duration::from_secs(1));
    assert_eq!(solo.happened(), [Event::Unregistered(binding)]);
    assert_eq!(solo.stack.counts(), Default::default());
    assert_eq!(solo.stack.poll_timeout(), None);
}

#[test]
fn a_binding_dies_with_its_connection() {
    let mut solo = Solo::new();
    let binding = solo.register(ws(PHONE, 5), "anna", "<sip:x1@abc.invalid;transport=ws>");
    solo.stack.handle_connection_closed(solo.now, ConnectionId(4));
    assert_eq!(solo.happened(), []);
    solo.stack.handle_connection_closed(solo.now, ConnectionId(5));
    assert_eq!(solo.happened(), [Event::Unregistered(binding)]);
    assert_eq!(solo.stack.bindings("anna").count(), 0);
}

#[test]
fn the_same_device_on_a_new_connection_replaces_its_old_binding() {
    let mut solo = Solo::new();
    let contact = |user: &str| {
        format!(
            "<sip:{user}@abc.invalid;transport=ws>;+sip.instance=\"<urn:uuid:0bd2a5d4-9f7c-4a43-8f1c-1d2f4e3a5b6c>\""
        )
    };
    let old = solo.register(ws(PHONE, 5), "anna", &contact("x1"));
    let request = Request::register("anna", &contact("x2")).call_id("another-call");
    assert_eq!(solo.ask_as(ws(PHONE, 6), request, "anna", "secret").status(), Some(200));
    let events = solo.happened();
    let [Event::Unregistered(gone), Event::Registered(new)] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(*gone, old);
    assert_ne!(new.id, old.id);
    assert_eq!(new.hop, ws(PHONE, 6));
    // The old connection dies later and takes nothing along.
    solo.stack.handle_connection_closed(solo.now, ConnectionId(5));
    assert_eq!(solo.happened(), []);
}

#[test]
fn a_contact_with_expires_0_and_the_star_remove_bindings() {
    let mut solo = Solo::new();
    let first = solo.register(udp(PHONE), "anna", CONTACT);
    let second = solo.register(udp(PHONE), "anna", "<sip:anna@203.0.113.7:7000>");
    let leave = Request::register("anna", &format!("{CONTACT};expires=0")).cseq(10);
    let ok = solo.ask_as(udp(PHONE), leave, "anna", "secret");
    assert_eq!(contacts(&ok).len(), 1);
    assert_eq!(solo.happened(), [Event::Unregistered(first)]);
    let star = Request::register("anna", "*").cseq(20);
    assert_eq!(solo.ask_as(udp(PHONE), star, "anna", "secret").status(), Some(400));
    let star = Request::register("anna", "*").with("Expires: 0").cseq(30);
    let ok = solo.ask_as(udp(PHONE), star, "anna", "secret");
    assert_eq!((ok.status(), contacts(&ok).len()), (Some(200), 0));
    assert_eq!(solo.happened(), [Event::Unregistered(second)]);
}

#[test]
fn a_register_without_contact_lists_the_bindings() {
    let mut solo = Solo::new();
    solo.register(udp(PHONE), "anna", CONTACT);
    solo.run(Duration::from_secs(600));
    let mut query = Request::register("anna", CONTACT).cseq(10);
    query.extra.clear();
    let ok = solo.ask_as(udp(PHONE), query, "anna", "secret");
    assert_eq!(contacts(&ok), ["<sip:anna@203.0.113.7:5062>;expires=3000"]);
    assert_eq!(solo.happened(), []);
}

#[test]
fn lifetimes_are_bounded_both_ways() {
    let mut solo = Solo::new();
    let brief = Request::register("anna", &format!("{CONTACT};expires=10"));
    let refused = solo.ask_as(udp(PHONE), brief, "anna", "secret");
    assert_eq!((refused.status(), refused.min_expires()), (Some(423), Ok(Some(60))));
    let long = Request::register("anna", &format!("{CONTACT};expires=999999")).cseq(10);
    let ok = solo.ask_as(udp(PHONE), long, "anna", "secret");
    assert_eq!(contacts(&ok), ["<sip:anna@203.0.113.7:5062>;expires=3600"]);
}

#[test]
fn an_address_of_record_has_a_limited_number_of_contacts() {
    let mut solo = Solo::with(|config| config.max_bindings = 2);
    solo.register(udp(PHONE), "anna", "<sip:anna@203.0.113.7:1>");
    solo.register(udp(PHONE), "anna", "<sip:anna@203.0.113.7:2>");
    let third = Request::register("anna", "<sip:anna@203.0.113.7:3>").cseq(10);
    assert_eq!(solo.ask_as(udp(PHONE), third, "anna", "secret").status(), Some(403));
    let refresh = Request::register("anna", "<sip:anna@203.0.113.7:2>").cseq(20);
    assert_eq!(solo.ask_as(udp(PHONE), refresh, "anna", "secret").status(), Some(200));
    assert_eq!(solo.stack.counts().bindings, 2);
}

#[test]
fn an_older_register_does_not_undo_a_newer_one() {
    let mut solo = Solo::new();
    let newer = Request::register("anna", CONTACT).cseq(50);
    assert_eq!(solo.ask_as(udp(PHONE), newer, "anna", "secret").status(), Some(200));
    let older = Request::register("anna", &format!("{CONTACT};expires=0")).cseq(20);
    assert_eq!(solo.ask_as(udp(PHONE), older, "anna", "secret").status(), Some(500));
    assert_eq!(solo.stack.counts().bindings, 1);
}
