//! Carriers: our registration with them, their health and their limits.

use std::time::Duration;

use model::{Cause, Side};

use super::calling::outgoing;
use super::solo::{CARRIER, Request, Solo, label, labels, text, udp};
use crate::api::{
    Account, ConnectionId, Diversion, Event, HealthCheck, Hop, InviteError, Limits, NumberStyle,
    Registration, RegistrationState, Secret, Target, Transport, Trunk,
};
use crate::digest;
use crate::message::{Credentials, Message, Name};

const SECOND: Duration = Duration::from_secs(1);

pub fn trunk() -> Trunk {
    let address: std::net::SocketAddr = CARRIER.parse().unwrap();
    Trunk {
        domain: Some("carrier.example".to_owned()),
        account: Some(Account {
            username: "4950000".to_owned(),
            password: Secret::new("sesame"),
            realm: None,
        }),
        ..Trunk::new("carrier", vec![address.ip()], address, Transport::Udp)
    }
}

pub fn registering() -> Trunk {
    let registration = Registration { user: "4950000".to_owned(), expires: Duration::from_secs(600) };
    Trunk { registration: Some(registration), ..trunk() }
}

pub fn asking() -> Trunk {
    let check = HealthCheck { interval: Duration::from_secs(10), down_after: 3, up_after: 2 };
    Trunk { health: Some(check), ..trunk() }
}

pub fn with(trunks: Vec<Trunk>) -> Solo {
    let mut solo = Solo::new();
    solo.stack.set_trunks(trunks);
    solo
}

/// Lets begin what is due at once.
pub fn tick(solo: &mut Solo) {
    solo.stack.handle_timeout(solo.now);
    solo.drain();
}

pub fn call(solo: &mut Solo) -> (crate::api::CallId, Message) {
    let target = Target::Trunk { name: "carrier".to_owned(), number: "+74951234567".to_owned() };
    let call = solo.stack.invite(solo.now, outgoing(target)).unwrap();
    let sent = solo.take();
    let invite = sent.into_iter().find(|m| label(m) == "INVITE").expect("an INVITE");
    (call, invite)
}

pub fn challenge(solo: &mut Solo, request: &Message, status: u16, challenges: &[&str]) {
    let name = if status == 401 { Name::WwwAuthenticate } else { Name::ProxyAuthenticate };
    let mut answer = request.response(status, None, udp(CARRIER).remote, Some("theirs"));
    for value in challenges {
        answer = answer.header(name, value);
    }
    solo.raw(udp(CARRIER), &answer.finish());
}

/// Whether the credentials of a request are right.
pub fn proves(request: &Message, name: Name, challenge: &str, password: &str) -> bool {
    let Some(sent) = request.credentials(name).next() else { return false };
    let challenge = Credentials::parse(challenge.as_bytes()).unwrap();
    let uri = text(&Message::parse(request.bytes()).unwrap()).split(' ').nth(1).unwrap().to_owned();
    let asked = digest::Request { method: request.method(), uri: &uri, body: request.body() };
    let login = digest::Login { username: "4950000", password };
    let cnonce = sent.get("cnonce").map(|c| String::from_utf8_lossy(&c).into_owned()).unwrap_or_default();
    let right = digest::respond(&challenge, &asked, &login, &cnonce, 1).unwrap();
    let right = Credentials::parse(right.as_bytes()).unwrap().get("response").unwrap().into_owned();
    sent.get("response").is_some_and(|response| *response == *right)
}

pub const MD5: &str = r#"Digest realm="carrier", nonce="n1", algorithm=MD5, qop="auth""#;
pub const SHA: &str = r#"Digest realm="carrier", nonce="n1", algorithm=SHA-256, qop="auth,auth-int""#;

// --- registering ---

fn registration(solo: &Solo) -> RegistrationState {
    solo.stack.trunk_states().next().unwrap().registration
}

/// Answers a REGISTER with 200 for as long as `expires` says.
fn grant(solo: &mut Solo, register: &Message, expires: u32) {
    let contact = register.contact().unwrap().unwrap().uri().raw().to_vec();
    let contact = [b"<", &contact[..], format!(">;expires={expires}").as_bytes()].concat();
    let ok = register
        .response(200, None, udp(CARRIER).remote, Some("theirs"))
        .header(Name::Contact, "<sip:another@198.51.100.77>;expires=7")
        .header(Name::Contact, contact);
    solo.raw(udp(CARRIER), &ok.finish());
}

#[test]
fn we_register_with_digest_and_refresh_before_the_end() {
    let mut solo = with(vec![registering()]);
    assert_eq!(registration(&solo), RegistrationState::None);
    tick(&mut solo);
    let first = solo.only();
    assert_eq!(label(&first), "REGISTER");
    assert_eq!(first.request_uri().unwrap().raw(), b"sip:carrier.example");
    assert_eq!(first.to().uri().raw(), b"sip:4950000@carrier.example");
    assert_eq!(first.contact().unwrap().unwrap().uri().raw(), b"sip:4950000@192.0.2.1:5060");
    assert_eq!(first.expires(), Ok(Some(600)));
    challenge(&mut solo, &first, 401, &[SHA, MD5]);
    let second = solo.only();
    assert!(proves(&second, Name::Authorization, SHA, "sesame"));
    assert_eq!((second.call_id(), second.cseq().number), (first.call_id(), first.cseq().number + 1));
    grant(&mut solo, &second, 100);
    let Event::TrunkChanged(state) = solo.event() else { panic!() };
    assert!(state.usable);
    assert_eq!(registration(&solo), RegistrationState::Registered { until: solo.now.instant + 100 * SECOND });
    solo.run(70 * SECOND);
    assert!(solo.take().is_empty(), "the carrier granted 100 s, not the 7 of somebody else's contact");
    solo.run(20 * SECOND);
    let refresh = solo.take().remove(0);
    assert_eq!((label(&refresh), refresh.call_id()), ("REGISTER".to_owned(), first.call_id()));
    assert!(refresh.cseq().number > second.cseq().number);
    grant(&mut solo, &refresh, 100);
    assert!(solo.happened().is_empty(), "a refresh changes nothing");
}

#[test]
fn a_carrier_that_wants_longer_registrations_gets_them() {
    let mut solo = with(vec![registering()]);
    tick(&mut solo);
    let first = solo.only();
    let brief = first.response(423, None, udp(CARRIER).remote, Some("x")).header(Name::MinExpires, "1800");
    solo.raw(udp(CARRIER), &brief.finish());
    let second = solo.only();
    assert_eq!(second.expires(), Ok(Some(1800)));
    // Who asks for what he was given has no sense that we could follow.
    let brief = second.response(423, None, udp(CARRIER).remote, Some("x")).header(Name::MinExpires, "1800");
    solo.raw(udp(CARRIER), &brief.finish());
    assert!(solo.take().is_empty());
    assert!(matches!(registration(&solo), RegistrationState::Failed { status: 423, .. }));
}

#[test]
fn failures_are_tried_again_ever_more_slowly_with_jitter() {
    let mut solo = with(vec![registering()]);
    tick(&mut solo);
    let mut waits = Vec::new();
    for _ in 0..6 {
        let register = solo.take().pop().expect("a REGISTER");
        solo.reply(udp(CARRIER), &register, 500, "x", None);
        let RegistrationState::Failed { status: 500, again } = registration(&solo) else { panic!() };
        let wait = again.saturating_since(solo.now.instant);
        waits.push(wait);
        solo.run(wait);
    }
    for (n, wait) in waits.iter().enumerate() {
        let whole = 5 * SECOND * 2u32.pow(u32::try_from(n).unwrap());
        assert!((whole / 2..=whole).contains(wait), "{n}: {wait:?}");
    }
    assert_eq!(solo.happened().len(), 1, "the same failure is told once");
    assert!(solo.stack.candidates(solo.now, &["carrier".to_owned()]).is_empty());
}

#[test]
fn a_wrong_password_is_not_hammered_and_retry_after_is_obeyed() {
    let mut solo = with(vec![registering()]);
    tick(&mut solo);
    let first = solo.only();
    challenge(&mut solo, &first, 401, &[MD5]);
    let second = solo.only();
    challenge(&mut solo, &second, 401, &[MD5]);
    let RegistrationState::Failed { status: 401, again } = registration(&solo) else { panic!() };
    assert!(again.saturating_since(solo.now.instant) >= 150 * SECOND);
    solo.take();
    solo.run(again.saturating_since(solo.now.instant));
    let third = solo.only();
    let later =
        third.response(503, None, udp(CARRIER).remote, Some("x")).header(Name::RetryAfter, "3000 (full)");
    solo.raw(udp(CARRIER), &later.finish());
    let RegistrationState::Failed { status: 503, again } = registration(&solo) else { panic!() };
    assert_eq!(again, solo.now.instant + 3000 * SECOND);
}

#[test]
fn a_carrier_that_says_nothing_counts_as_failed() {
    let mut solo = with(vec![registering()]);
    tick(&mut solo);
    solo.run(33 * SECOND);
    assert!(matches!(registration(&solo), RegistrationState::Failed { status: 408, .. }));
}

#[test]
fn a_lost_connection_is_followed_by_a_new_registration() {
    let settings = Trunk { transport: Some(Transport::Tcp), ..registering() };
    let mut solo = with(vec![settings]);
    tick(&mut solo);
    let register = solo.only();
    assert_eq!(register.contact().unwrap().unwrap().uri().raw(), b"sip:4950000@192.0.2.1:5060;transport=tcp");
    let connection = ConnectionId(5);
    let hop = Hop { transport: Transport::Tcp, connection: Some(connection), ..udp(CARRIER) };
    let ok = register.response(200, None, hop.remote, Some("x"));
    solo.raw(hop, &ok.finish());
    assert!(matches!(registration(&solo), RegistrationState::Registered { .. }));
    solo.stack.handle_connection_closed(solo.now, connection);
    solo.run(SECOND);
    assert_eq!(labels(&solo.take()), ["REGISTER"]);
}

#[test]
fn draining_signs_off_and_says_when_that_is_done() {
    let mut solo = with(vec![registering()]);
    tick(&mut solo);
    let register = solo.only();
    grant(&mut solo, &register, 600);
    solo.stack.set_draining(true);
    assert!(solo.stack.is_signing_off());
    tick(&mut solo);
    let leave = solo.only();
    assert_eq!((label(&leave), leave.expires()), ("REGISTER".to_owned(), Ok(Some(0))));
    challenge(&mut solo, &leave, 401, &[MD5]);
    let proved = solo.only();
    assert_eq!(proved.expires(), Ok(Some(0)));
    assert!(solo.stack.is_signing_off());
    solo.reply(udp(CARRIER), &proved, 200, "x", None);
    assert!(!solo.stack.is_signing_off());
    assert_eq!(registration(&solo), RegistrationState::Left);
    solo.run(2000 * SECOND);
    assert!(solo.take().is_empty());
}

#[test]
fn a_carrier_that_does_not_answer_holds_no_drain_up() {
    let mut solo = with(vec![registering()]);
    tick(&mut solo);
    let register = solo.only();
    grant(&mut solo, &register, 600);
    solo.stack.set_draining(true);
    solo.run(4 * SECOND);
    assert!(!solo.stack.is_signing_off());
}

#[test]
fn a_trunk_that_goes_gives_its_registration_back_and_one_that_stays_keeps_it() {
    let mut solo = with(vec![registering()]);
    tick(&mut solo);
    let register = solo.only();
    grant(&mut solo, &register, 600);
    solo.stack.set_trunks(vec![registering()]);
    tick(&mut solo);
    assert!(solo.take().is_empty());
    assert!(matches!(registration(&solo), RegistrationState::Registered { .. }));
    solo.stack.set_trunks(Vec::new());
    tick(&mut solo);
    let leave = solo.only();
    assert_eq!((leave.expires(), leave.call_id()), (Ok(Some(0)), register.call_id()));
    assert_eq!(solo.stack.trunk_states().count(), 0);
    solo.reply(udp(CARRIER), &leave, 200, "x", None);
    solo.run(10 * SECOND);
    assert!(solo.take().is_empty());
}

#[test]
fn the_service_route_of_a_registration_is_taken_by_calls() {
    let mut solo = with(vec![registering()]);
    tick(&mut solo);
    let register = solo.only();
    let ok = register
        .response(200, None, udp(CARRIER).remote, Some("x"))
        .header(Name::ServiceRoute, "<sip:edge.carrier.example;lr>, <sip:core.carrier.example;lr>");
    solo.raw(udp(CARRIER), &ok.finish());
    let (_, invite) = call(&mut solo);
    let routes: Vec<_> = invite.values(Name::Route).collect();
    assert_eq!(routes, [&b"<sip:edge.carrier.example;lr>"[..], b"<sip:core.carrier.example;lr>"]);
}

// --- health ---

fn alive(solo: &Solo) -> Option<bool> {
    solo.stack.trunk_states().next().unwrap().alive
}

/// The next OPTIONS, after waiting for it.
fn next_options(solo: &mut Solo) -> Message {
    solo.take();
    for _ in 0..120 {
        solo.run(Duration::from_millis(100));
        let found = solo.take().into_iter().find(|message| label(message) == "OPTIONS");
        if let Some(options) = found {
            return options;
        }
    }
    panic!("no OPTIONS came");
}

#[test]
fn a_trunk_is_down_after_three_failures_and_up_after_two_answers() {
    let mut solo = with(vec![asking()]);
    tick(&mut solo);
    assert_eq!(alive(&solo), None);
    let first = solo.only();
    assert_eq!(first.request_uri().unwrap().raw(), b"sip:carrier.example");
    solo.reply(udp(CARRIER), &first, 404, "x", None);
    assert_eq!(alive(&solo), Some(true), "who refuses is alive");
    assert!(matches!(solo.event(), Event::TrunkChanged(state) if state.usable));
    for status in [503, 408] {
        let options = next_options(&mut solo);
        solo.reply(udp(CARRIER), &options, status, "x", None);
    }
    // One answer in between and the count begins anew.
    let options = next_options(&mut solo);
    solo.reply(udp(CARRIER), &options, 200, "x", None);
    for _ in 0..2 {
        let options = next_options(&mut solo);
        solo.reply(udp(CARRIER), &options, 503, "x", None);
    }
    assert_eq!(alive(&solo), Some(true));
    assert!(solo.happened().is_empty());
    // The third is not answered at all: that is known when the next one goes out.
    let unanswered = next_options(&mut solo);
    while next_options(&mut solo).call_id() == unanswered.call_id() {}
    assert_eq!(alive(&solo), Some(false));
    let Event::TrunkChanged(state) = solo.event() else { panic!() };
    assert_eq!((state.name.as_str(), state.usable), ("carrier", false));
    assert!(solo.stack.candidates(solo.now, &["carrier".to_owned()]).is_empty());
    let options = next_options(&mut solo);
    solo.reply(udp(CARRIER), &options, 200, "x", None);
    assert_eq!(alive(&solo), Some(false));
    let options = next_options(&mut solo);
    solo.reply(udp(CARRIER), &options, 200, "x", None);
    assert_eq!(alive(&solo), Some(true));
    assert_eq!(solo.stack.candidates(solo.now, &["carrier".to_owned()]), ["carrier"]);
}

#[test]
fn a_carrier_that_comes_back_is_registered_with_at_once() {
    let mut solo = with(vec![Trunk { health: asking().health, ..registering() }]);
    tick(&mut solo);
    for message in solo.take() {
        if label(&message) == "REGISTER" {
            grant(&mut solo, &message, 600);
        }
    }
    while alive(&solo) != Some(false) {
        next_options(&mut solo);
    }
    for _ in 0..2 {
        let options = next_options(&mut solo);
        solo.reply(udp(CARRIER), &options, 200, "x", None);
    }
    assert_eq!(alive(&solo), Some(true));
    solo.run(SECOND);
    assert!(labels(&solo.take()).contains(&"REGISTER".to_owned()));
}

// --- order and limits ---

fn placed(name: &str, group: &str, priority: u32, weight: u32) -> Trunk {
    let address: std::net::SocketAddr = CARRIER.parse().unwrap();
    let mut trunk = Trunk::new(name, Vec::new(), address, Transport::Udp);
    trunk.place = crate::api::Place { group: Some(group.to_owned()), priority, weight };
    trunk
}

#[test]
fn candidates_come_by_name_then_priority_then_weight() {
    let mut solo = with(vec![
        placed("a", "main", 1, 3),
        placed("b", "main", 1, 1),
        placed("c", "main", 0, 1),
        placed("d", "spare", 0, 1),
        placed("e", "main", 1, 0),
    ]);
    let names = ["main".to_owned(), "spare".to_owned(), "c".to_owned(), "nobody".to_owned()];
    let mut first = 0;
    for _ in 0..1000 {
        let order = solo.stack.candidates(solo.now, &names);
        assert_eq!(order.len(), 5, "{order:?}");
        assert_eq!((order[0].as_str(), order[4].as_str()), ("c", "d"));
        assert_eq!(order[3], "e", "weight 0 is for when there is no other");
        first += usize::from(order[1] == "a");
    }
    assert!((650..850).contains(&first), "three of four: {first}");
}

#[test]
fn a_full_trunk_takes_no_more_calls_until_one_ends() {
    let mut settings = trunk();
    settings.limits = Limits { calls: Some(2), calls_per_second: None };
    let mut solo = with(vec![settings]);
    let (first, _) = call(&mut solo);
    let came = solo.incoming();
    assert!(solo.stack.candidates(solo.now, &["carrier".to_owned()]).is_empty());
    let target = Target::Trunk { name: "carrier".to_owned(), number: "1".to_owned() };
    let full = solo.stack.invite(solo.now, outgoing(target));
    assert_eq!(full, Err(InviteError::TrunkFull("carrier".to_owned())));
    assert_eq!(solo.stack.trunk_states().next().unwrap().calls, 2);
    solo.stack.hangup(solo.now, came.call, Cause::Refused, Side::System);
    assert_eq!(solo.stack.candidates(solo.now, &["carrier".to_owned()]), ["carrier"]);
    solo.stack.hangup(solo.now, first, Cause::Cancelled, Side::System);
    assert_eq!(solo.stack.trunk_states().next().unwrap().calls, 0);
}

#[test]
fn calls_per_second_are_counted_over_any_second() {
    let mut settings = trunk();
    settings.limits = Limits { calls: None, calls_per_second: Some(2) };
    let mut solo = with(vec![settings]);
    call(&mut solo);
    solo.run(Duration::from_millis(600));
    call(&mut solo);
    solo.run(Duration::from_millis(300));
    assert!(solo.stack.candidates(solo.now, &["carrier".to_owned()]).is_empty());
    solo.run(Duration::from_millis(200));
    assert_eq!(solo.stack.candidates(solo.now, &["carrier".to_owned()]), ["carrier"]);
}

// --- numbers and identities ---

fn russian() -> Trunk {
    let mut settings = trunk();
    settings.numbers.style = NumberStyle::National {
        country: "7".to_owned(),
        trunk_prefix: "8".to_owned(),
        international_prefix: "810".to_owned(),
    };
    settings
}

#[test]
fn numbers_are_spelt_as_the_carrier_wants_them_and_understood_again() {
    let mut solo = with(vec![russian()]);
    let (_, invite) = call(&mut solo);
    assert_eq!(invite.request_uri().unwrap().raw(), b"sip:84951234567@carrier.example");
    assert_eq!(invite.to().uri().raw(), b"sip:84951234567@carrier.example");
    let mut request = Request::invite();
    request.uri = "sip:84950000000@tandem.example".to_owned();
    request.from = "<sip:89001112233@carrier.example>;tag=their-tag".to_owned();
    solo.send(udp(CARRIER), &request);
    let Some(Event::Incoming(came)) = solo.events.pop() else { panic!() };
    assert_eq!((came.called.as_str(), came.caller.as_str()), ("+74950000000", "+79001112233"));
}

#[test]
fn who_calls_is_asserted_or_withheld() {
    let mut settings = russian();
    settings.identity.assert = true;
    settings.identity.from_account = true;
    let mut solo = with(vec![settings]);
    let target = Target::Trunk { name: "carrier".to_owned(), number: "+74951234567".to_owned() };
    let mut named = outgoing(target);
    named.caller = "+74950000000".to_owned();
    solo.stack.invite(solo.now, named.clone()).unwrap();
    let invite = solo.only();
    assert_eq!(invite.from().uri().raw(), b"sip:4950000@carrier.example");
    let asserted = invite.addresses(Name::PAssertedIdentity).unwrap();
    assert_eq!(asserted[0].uri().raw(), b"sip:84950000000@carrier.example");
    assert_eq!(invite.header(Name::Privacy), None);

    named.identity.withheld = true;
    solo.stack.invite(solo.now, named).unwrap();
    let invite = solo.only();
    assert_eq!(invite.from().uri().raw(), b"sip:anonymous@anonymous.invalid");
    assert_eq!(invite.header(Name::Privacy), Some(&b"id"[..]));
    assert_eq!(invite.addresses(Name::PAssertedIdentity).unwrap().len(), 1);
}

#[test]
fn a_call_that_is_sent_on_says_whom_it_was_meant_for() {
    let mut solo = with(vec![russian()]);
    let target = Target::Trunk { name: "carrier".to_owned(), number: "+74951234567".to_owned() };
    let mut sent_on = outgoing(target);
    let diversion = Diversion { number: "+74950000000".to_owned(), reason: "no-answer".to_owned() };
    sent_on.identity.diversion = Some(diversion.clone());
    solo.stack.invite(solo.now, sent_on).unwrap();
    let invite = solo.only();
    let line = String::from_utf8_lossy(invite.header(Name::Diversion).unwrap()).into_owned();
    assert_eq!(line, "<sip:84950000000@carrier.example>;reason=no-answer;counter=1");
    let history: Vec<_> =
        invite.values(Name::HistoryInfo).map(|v| String::from_utf8_lossy(v).into_owned()).collect();
    assert_eq!(
        history,
        [
            "<sip:84950000000@carrier.example?Reason=SIP%3Bcause%3D408>;index=1",
            "<sip:84951234567@carrier.example>;index=1.1"
        ]
    );
    // What we write we also read.
    for name in [Name::Diversion, Name::HistoryInfo] {
        let mut request = Request::invite().call_id(&format!("sent-on-{name:?}"));
        for value in invite.values(name) {
            request = request.with(&format!("{}: {}", name.as_str(), String::from_utf8_lossy(value)));
        }
        solo.send(udp(CARRIER), &request);
        let Some(Event::Incoming(came)) = solo.events.pop() else { panic!() };
        assert_eq!(came.diversion.as_ref(), Some(&diversion), "{name:?}");
    }
}

#[test]
fn only_a_trusted_carrier_is_believed() {
    for trusted in [true, false] {
        let mut settings = trunk();
        settings.identity.trusted = trusted;
        let mut solo = with(vec![settings]);
        let request = Request::invite()
            .with("P-Asserted-Identity: <tel:+7-900-111-22-33>")
            .with("Diversion: <sip:+74950000001@c>;reason=user-busy, <sip:+74950000000@c>;reason=\"bad reason\"")
            .with("Privacy: id");
        solo.send(udp(CARRIER), &request);
        let Some(Event::Incoming(came)) = solo.events.pop() else { panic!() };
        assert!(came.withheld);
        if trusted {
            let first = Diversion { number: "+74950000000".to_owned(), reason: "unknown".to_owned() };
            assert_eq!((came.caller.as_str(), came.diversion), ("+79001112233", Some(first)));
        } else {
            assert_eq!((came.caller.as_str(), came.diversion), ("+15550100", None));
        }
    }
}

#[test]
fn a_caller_who_calls_himself_anonymous_is_withheld_whatever_the_carrier_asserts() {
    let mut solo = with(vec![trunk()]);
    for from in ["\"Anonymous\" <sip:Anonymous@c.example>;tag=a", "<sip:x1@anonymous.invalid>;tag=b"] {
        let mut request = Request::invite().with("P-Asserted-Identity: <tel:+7-900-111-22-33>");
        request.call_id = format!("c{}", from.len());
        request.from = from.to_owned();
        solo.send(udp(CARRIER), &request);
        let Some(Event::Incoming(came)) = solo.events.pop() else { panic!() };
        assert!(came.withheld, "{from}");
    }
}

#[test]
fn a_carrier_of_which_nothing_is_heard_is_given_up_early_when_asked_for() {
    let mut solo = with(vec![trunk()]);
    let target = Target::Trunk { name: "carrier".to_owned(), number: "+74951234567".to_owned() };
    let hasty = crate::api::OutgoingCall { silence: Some(6 * SECOND), ..outgoing(target) };
    let call = solo.stack.invite(solo.now, hasty.clone()).unwrap();
    solo.run(7 * SECOND);
    let Event::Ended { call: ended, ending } = solo.event() else { panic!() };
    assert_eq!(
        (ended, ending.cause, ending.by, ending.sip_status),
        (call, Cause::Lost, Side::Carrier, Some(408))
    );
    // Too late it is heard of after all: then it is told that nobody wants it any more.
    let invite = solo.take().remove(0);
    solo.reply(udp(CARRIER), &invite, 180, "theirs", None);
    assert_eq!(labels(&solo.take()), ["CANCEL"]);
    solo.assert_nothing_left();
    solo.take();
    // A single 100 is enough to be waited for.
    let call = solo.stack.invite(solo.now, hasty).unwrap();
    let invite = solo.only();
    solo.reply(udp(CARRIER), &invite, 100, "", None);
    solo.run(10 * SECOND);
    assert!(solo.happened().is_empty(), "{call:?} waits");
}
