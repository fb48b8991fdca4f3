//! REFER and Replaces: RFC 3515, RFC 3891, RFC 4488.

use model::{Cause, Side};

use super::calling::{outgoing, trunk};
use super::pair::SECOND;
use super::solo::{CARRIER, Request, Solo, label, labels, text, udp};
use crate::api::{CallId, CallOptions, Event, Listener, Referral};
use crate::message::{Message, Name, Replaces};
use crate::testing::{Pair, Side as Node, Weather};

fn refer(to: &str, cseq: u32, target: &str) -> Request {
    Solo::within("REFER", to, cseq)
        .with("Contact: <sip:+15550100@198.51.100.1>")
        .with(&format!("Refer-To: {target}"))
}

fn referral(solo: &mut Solo, call: CallId) -> Referral {
    match solo.event() {
        Event::Refer { call: of, referral } if of == call => referral,
        other => panic!("{other:?}"),
    }
}

/// Status line and Subscription-State of a NOTIFY.
fn told(notify: &Message) -> (String, String) {
    assert_eq!(label(notify), "NOTIFY", "{}", text(notify));
    (crate::message::text(notify.body()), notify.text(Name::SubscriptionState).unwrap_or_default())
}

#[test]
fn a_refer_is_accepted_and_its_progress_is_told() {
    let mut solo = Solo::new();
    let (call, to) = solo.established();
    let request =
        refer(&to, 2, "\"Sales\" <sip:sales@tandem.example>").with("Referred-By: <sip:bob@carrier.example>");
    solo.send(udp(CARRIER), &request);
    assert!(solo.take().is_empty());
    let asked = referral(&mut solo, call);
    assert_eq!((asked.uri.as_str(), asked.user.as_deref()), ("sip:sales@tandem.example", Some("sales")));
    assert_eq!((asked.replaces, asked.replaces_elsewhere), (None, None));
    assert_eq!(asked.referred_by.as_deref(), Some("<sip:bob@carrier.example>"));
    // One at a time.
    assert_eq!(solo.ask(udp(CARRIER), &refer(&to, 3, "<sip:x@y>")).status(), Some(491));
    solo.stack.accept_refer(solo.now, call);
    let sent = solo.take();
    assert_eq!(labels(&sent), ["202 REFER", "NOTIFY"]);
    let trying = ("SIP/2.0 100 Trying\r\n".to_owned(), "active;expires=180".to_owned());
    assert_eq!(told(&sent[1]), trying);
    assert_eq!(sent[1].text(Name::Event).as_deref(), Some("refer;id=2"));
    assert!(sent[1].content_type().unwrap().unwrap().is("message/sipfrag"));
    solo.reply(udp(CARRIER), &sent[1], 200, "", None);
    solo.stack.refer_progress(solo.now, call, 180);
    let ringing = solo.only();
    assert_eq!(told(&ringing).0, "SIP/2.0 180 Ringing\r\n");
    solo.reply(udp(CARRIER), &ringing, 200, "", None);
    solo.stack.refer_progress(solo.now, call, 200);
    let done = solo.only();
    assert_eq!(told(&done), ("SIP/2.0 200 OK\r\n".to_owned(), "terminated;reason=noresource".to_owned()));
    // Nothing follows the last word.
    solo.stack.refer_progress(solo.now, call, 200);
    assert!(solo.take().is_empty());
    solo.stack.hangup(solo.now, call, Cause::Completed, Side::System);
    solo.take();
    solo.happened();
    solo.run(70 * SECOND);
    assert_eq!(solo.stack.counts(), Default::default());
}

#[test]
fn a_refer_without_subscription_hears_nothing() {
    let mut solo = Solo::new();
    let (call, to) = solo.established();
    let request = refer(&to, 2, "<tel:+15550111>").with("Refer-Sub: false").with("Require: norefersub");
    solo.send(udp(CARRIER), &request);
    assert_eq!(referral(&mut solo, call).user.as_deref(), Some("+15550111"));
    solo.stack.accept_refer(solo.now, call);
    let ok = solo.only();
    assert_eq!((ok.status(), ok.text(Name::ReferSub).as_deref()), (Some(200), Some("false")));
    solo.stack.refer_progress(solo.now, call, 200);
    assert!(solo.take().is_empty());
}

#[test]
fn a_refer_that_makes_no_sense_is_refused() {
    let mut solo = Solo::new();
    let (call, to) = solo.established();
    for (cseq, (target, status)) in (2..).zip([
        ("<mailto:a@b>", 416),
        ("<sip:a@b;method=BYE>", 405),
        ("<sip:a@b>, <sip:c@d>", 400),
        ("<sip:a@b?Replaces=nothing>", 400),
        ("nonsense <", 400),
    ]) {
        assert_eq!(solo.ask(udp(CARRIER), &refer(&to, cseq, target)).status(), Some(status), "{target}");
    }
    assert_eq!(solo.ask(udp(CARRIER), &Solo::within("REFER", &to, 20)).status(), Some(400));
    assert_eq!(solo.happened(), []);
    solo.send(udp(CARRIER), &refer(&to, 21, "<sip:a@b>"));
    solo.happened();
    solo.stack.reject_refer(solo.now, call, 603);
    assert_eq!(labels(&solo.take()), ["603 REFER"]);
    // One that nobody answers does not outlive the call.
    solo.send(udp(CARRIER), &refer(&to, 22, "<sip:a@b>"));
    solo.happened();
    solo.stack.hangup(solo.now, call, Cause::Completed, Side::System);
    let mut sent = labels(&solo.take());
    sent.sort();
    assert_eq!(sent, ["481 REFER", "BYE"]);
    solo.assert_nothing_left();
}

#[test]
fn an_attended_refer_names_our_other_call() {
    let mut solo = Solo::new();
    let (first, to) = solo.established();
    let second = solo.stack.invite(solo.now, outgoing(trunk())).unwrap();
    let invite = solo.only();
    solo.reply(udp(CARRIER), &invite, 200, "theirs", Some("v=0 answer"));
    solo.take();
    solo.happened();
    let tag = |tag: Option<&[u8]>| String::from_utf8_lossy(tag.unwrap()).into_owned();
    let id = String::from_utf8_lossy(invite.call_id()).into_owned();
    let replaces = format!("{id}%3Bto-tag%3D{}%3Bfrom-tag%3Dtheirs", tag(invite.from_tag()));
    solo.send(udp(CARRIER), &refer(&to, 2, &format!("<sip:x@tandem.example?Replaces={replaces}>")));
    let asked = referral(&mut solo, first);
    assert_eq!((asked.replaces, asked.uri.as_str()), (Some(second), "sip:x@tandem.example"));
    solo.stack.reject_refer(solo.now, first, 603);
    solo.take();
    let elsewhere = "<sip:x@other.example?Replaces=abc%3Bto-tag%3D1%3Bfrom-tag%3D2>";
    solo.send(udp(CARRIER), &refer(&to, 3, elsewhere));
    let asked = referral(&mut solo, first);
    assert_eq!(asked.replaces_elsewhere.as_deref(), Some(&b"abc;to-tag=1;from-tag=2"[..]));
    // Such a call is made with it.
    let mut call = outgoing(trunk());
    call.options = CallOptions {
        replaces: asked.replaces_elsewhere,
        referred_by: Some("<sip:bob@carrier.example>".to_owned()),
        ..CallOptions::default()
    };
    solo.stack.invite(solo.now, call).unwrap();
    let invite = solo.take().pop().unwrap();
    assert_eq!(invite.replaces().unwrap().unwrap().call_id, b"abc");
    assert!(invite.tokens(Name::Require).unwrap().has("replaces"));
    assert!(invite.header(Name::ReferredBy).is_some());
}

#[test]
fn an_invite_with_replaces_follows_the_rules() {
    let mut solo = Solo::new();
    let (call, to) = solo.established();
    let tag = to.rsplit("tag=").next().unwrap().to_owned();
    let invite = |n: u32, value: String| {
        Request::invite().call_id(&format!("new{n}")).with(&format!("Replaces: {value}"))
    };
    let live = format!("their-call;to-tag={tag};from-tag=their-tag");
    for (n, (value, status)) in (1..).zip([
        ("other-call;to-tag=a;from-tag=b".to_owned(), 481),
        (format!("their-call;to-tag={tag};from-tag=other"), 481),
        (format!("{live};early-only"), 486),
        ("garbage".to_owned(), 400),
    ]) {
        assert_eq!(solo.ask(udp(CARRIER), &invite(n, value.clone())).status(), Some(status), "{value}");
    }
    assert_eq!(solo.ask(udp(CARRIER), &invite(9, live.clone())).status(), Some(100));
    let Event::Incoming(new) = solo.event() else { panic!("no call came") };
    assert_eq!(new.replaces, Some(call));
    // A call that we have not answered can only be given up by whoever made it.
    let waiting = solo.ask(udp(CARRIER), &Request::invite().call_id("waiting"));
    assert_eq!(waiting.status(), Some(100));
    let Event::Incoming(waiting) = solo.event() else { panic!("no call came") };
    solo.stack.ring(solo.now, waiting.call, 180, None);
    let ringing = solo.only();
    let tag = String::from_utf8_lossy(ringing.to_tag().unwrap()).into_owned();
    let early = invite(10, format!("waiting;to-tag={tag};from-tag=their-tag"));
    assert_eq!(solo.ask(udp(CARRIER), &early).status(), Some(481));
    // One that is over.
    solo.stack.hangup(solo.now, call, Cause::Replaced, Side::System);
    let bye = solo.only();
    assert!(bye.reasons().unwrap().iter().any(|reason| reason.sip_status() == Some(200)));
    assert_eq!(solo.ask(udp(CARRIER), &invite(11, live)).status(), Some(603));
}

#[test]
fn two_of_us_transfer_and_hear_how_it_went() {
    let mut pair = Pair::new(1, crate::api::Transport::Udp, Weather::FINE);
    let (a, b) = super::pair::established(&mut pair);
    let now = pair.now;
    assert!(pair.a.stack.refer(now, a, "sip:+15550111@b.example", None));
    assert!(!pair.a.stack.refer(now, a, "sip:again@b.example", None));
    pair.run(SECOND);
    let events = pair.events(Node::B);
    let [Event::Refer { call, referral }] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!((*call, referral.user.as_deref()), (b, Some("+15550111")));
    let now = pair.now;
    pair.b.stack.accept_refer(now, b);
    pair.b.stack.refer_progress(now, b, 180);
    pair.b.stack.refer_progress(now, b, 486);
    pair.run(SECOND);
    let told: Vec<_> = pair
        .events(Node::A)
        .into_iter()
        .map(|event| match event {
            Event::ReferProgress { status, over, .. } => (status, over),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(told, [(100, false), (180, false), (486, true)]);
    let now = pair.now;
    assert!(pair.a.stack.refer(now, a, "sip:again@b.example", None));
    pair.run(SECOND);
    let now = pair.now;
    pair.b.stack.reject_refer(now, b, 403);
    pair.run(SECOND);
    assert_eq!(pair.events(Node::A), [Event::ReferProgress { call: a, status: 403, over: true }]);
    pair.a.stack.hangup(now, a, Cause::HungUp, Side::Agent);
    pair.run(70 * SECOND);
    assert_eq!(pair.a.stack.counts(), Default::default());
    assert_eq!(pair.b.stack.counts(), Default::default());
}

#[test]
fn an_attended_refer_of_ours_names_the_call_as_its_target_knows_it() {
    let mut solo = Solo::new();
    let (first, _) = solo.established();
    let second = solo.stack.invite(solo.now, outgoing(trunk())).unwrap();
    let invite = solo.only();
    solo.reply(udp(CARRIER), &invite, 200, "theirs", Some("v=0 answer"));
    solo.take();
    assert!(solo.stack.refer(solo.now, first, "sip:x@198.51.100.1", Some(second)));
    let refer = solo.only();
    let value = refer.refer_to().unwrap().unwrap().replaces().unwrap().into_owned();
    let replaces = Replaces::parse(&value).unwrap();
    assert_eq!((replaces.call_id, &*replaces.to_tag), (invite.call_id(), &b"theirs"[..]));
    assert_eq!(&*replaces.from_tag, invite.from_tag().unwrap());
    // A NOTIFY may overtake the 202; one for nothing is not taken.
    let theirs = |cseq, event: &str, body: &'static str| {
        let mut notify = Solo::within("NOTIFY", &String::from_utf8_lossy(refer.from().raw()), cseq);
        notify.extra = vec![format!("Event: {event}"), "Subscription-State: active".to_owned()];
        notify.body = Some(("message/sipfrag", body));
        notify
    };
    solo.happened();
    assert_eq!(solo.ask(udp(CARRIER), &theirs(5, "refer", "SIP/2.0 100 Trying\r\n")).status(), Some(200));
    assert_eq!(solo.event(), Event::ReferProgress { call: first, status: 100, over: false });
    assert_eq!(solo.ask(udp(CARRIER), &theirs(6, "refer", "rubbish")).status(), Some(400));
    assert_eq!(solo.ask(udp(CARRIER), &theirs(7, "weather", "SIP/2.0 200 OK")).status(), Some(489));
    assert_eq!(solo.ask(udp(CARRIER), &theirs(8, "refer", "SIP/2.0 200 OK\r\n")).status(), Some(200));
    assert_eq!(solo.ask(udp(CARRIER), &theirs(9, "refer", "SIP/2.0 200 OK\r\n")).status(), Some(481));
}

#[test]
fn a_redirection_is_told_and_not_followed() {
    let mut solo = Solo::new();
    let call = solo.stack.invite(solo.now, outgoing(trunk())).unwrap();
    let invite = solo.only();
    let answer = invite
        .response(302, None, udp(CARRIER).remote, Some("t"))
        .header(Name::Contact, "<sip:+4412345@elsewhere.example>;q=1, <tel:+4998765>");
    solo.raw(udp(CARRIER), &answer.finish());
    assert_eq!(labels(&solo.take()), ["ACK"]);
    let events = solo.happened();
    let contacts = vec!["sip:+4412345@elsewhere.example".to_owned(), "tel:+4998765".to_owned()];
    assert_eq!(events[0], Event::Redirected { call, status: 302, contacts });
    assert!(matches!(&events[1], Event::Ended { ending, .. } if ending.sip_status == Some(302)));
}

#[test]
fn an_address_is_ours_or_the_trunks_or_nobodys() {
    let solo = Solo::new();
    let ours = |uri: &str| solo.stack.user_at_home(uri);
    assert_eq!(ours("sip:anna@tandem.example").as_deref(), Some("anna"));
    assert_eq!(ours("sip:+7495@TANDEM.example;user=phone").as_deref(), Some("+7495"));
    assert_eq!(ours("tel:+7-495").as_deref(), Some("+7495"));
    for foreign in
        ["sip:anna@elsewhere.example", "sip:tandem.example", "mailto:anna@tandem.example", "rubbish"]
    {
        assert_eq!(ours(foreign), None, "{foreign}");
    }
    let at = |uri: &str| solo.stack.number_at_trunk("carrier", uri);
    assert_eq!(at(&format!("sip:+7495@{CARRIER}")).as_deref(), Some("+7495"));
    for foreign in ["sip:+7495@elsewhere.example", "sip:+7495@192.0.2.99", "tel:+7495"] {
        assert_eq!(at(foreign), None, "{foreign}");
    }
    assert_eq!(solo.stack.number_at_trunk("nobody", "sip:+7495@192.0.2.1"), None);
}

#[test]
fn whom_a_refer_names_is_ours_at_every_address_of_ours_and_at_what_the_peer_calls_us() {
    let solo = || {
        Solo::with(|config| {
            let udp = config.listeners[0].clone();
            let behind = "10.1.1.1:5060".parse().unwrap();
            let carriers_side =
                Listener { local: behind, advertised: "sip.tandem.example:5070".to_owned(), ..udp };
            config.listeners.push(carriers_side);
        })
    };
    let here = udp(CARRIER).local.ip();
    for (host, at_home) in [
        ("tandem.example", true),
        ("TANDEM.example:5080", true),
        ("10.1.1.1", true),
        ("SIP.tandem.example", true),
        (here.to_string().as_str(), true),
        ("proxy.lan", true),
        ("partner.example", false),
        ("192.0.2.99", false),
    ] {
        let mut solo = solo();
        let (call, to) = solo.established();
        let request =
            refer(&to, 2, &format!("<sip:anna@{host}>")).with("Referred-By: <sip:bob@Proxy.lan:5080>");
        solo.send(udp(CARRIER), &request);
        let asked = referral(&mut solo, call);
        assert_eq!(asked.user.as_deref(), at_home.then_some("anna"), "{host}");
    }
}
