//! Several contacts, several ways to one device, and what is left of them after a restart.

use std::time::Duration;

use super::calling::outgoing;
use super::solo::{PHONE, Request, Solo, label, text, udp, ws};
use crate::api::{BindingChange, Event, Hop, SavedBinding, Target, Transport};
use crate::message::Name;

const CONTACT: &str = "<sip:anna@203.0.113.7:5062>";

fn order(solo: &Solo) -> Vec<(String, u16)> {
    solo.stack.bindings("anna").map(|binding| (binding.contact.clone(), binding.q)).collect()
}

fn saved(solo: &mut Solo) -> SavedBinding {
    match solo.stored.pop() {
        Some(BindingChange::Put(saved)) => *saved,
        other => panic!("{other:?}"),
    }
}

#[test]
fn contacts_come_in_the_order_of_their_preference() {
    let mut solo = Solo::new();
    solo.register(udp(PHONE), "anna", "<sip:low@203.0.113.7>;q=0.2");
    solo.register(udp(PHONE), "anna", "<sip:none@203.0.113.7>");
    solo.register(udp(PHONE), "anna", "<sip:high@203.0.113.7>;q=0.9");
    let users: Vec<_> = order(&solo).into_iter().map(|(contact, q)| (contact[4..8].to_owned(), q)).collect();
    assert_eq!(users, [("none".to_owned(), 1000), ("high".to_owned(), 900), ("low@".to_owned(), 200)]);
    let query = {
        let mut query = Request::register("anna", CONTACT).call_id("query");
        query.extra.clear();
        solo.ask_as(udp(PHONE), query, "anna", "secret")
    };
    assert!(text(&query).contains("<sip:low@203.0.113.7>;q=0.200;expires=3600"), "{}", text(&query));
}

#[test]
fn a_device_may_have_several_ways_to_us_and_is_rung_by_the_newest() {
    let mut solo = Solo::new();
    let way = |id: u32, n: u32| {
        format!("<sip:anna@203.0.113.7:5062>;+sip.instance=\"<urn:uuid:1>\";reg-id={id};x={n}")
    };
    let register = |solo: &mut Solo, connection: u64, contact: &str| {
        let request = Request::register("anna", contact).with("Supported: path, outbound");
        solo.ask_as(ws(PHONE, connection), request.call_id(&format!("way-{connection}")), "anna", "secret");
        let new = solo.happened().into_iter().find_map(|event| match event {
            Event::Registered(binding) => Some(binding),
            _ => None,
        });
        new.expect("a new binding")
    };
    register(&mut solo, 1, &way(1, 1));
    solo.run(Duration::from_secs(1));
    let second = register(&mut solo, 2, &way(2, 2));
    assert_eq!(solo.stack.counts().bindings, 2);
    let rung: Vec<_> = solo.stack.bindings("anna").map(|b| b.id).collect();
    assert_eq!(rung, [second.id]);
    solo.run(Duration::from_secs(1));
    // The first way again, over a new connection: it takes the place of the old one.
    let third = register(&mut solo, 3, &way(1, 3));
    assert_eq!(solo.stack.counts().bindings, 2);
    assert_eq!(solo.stack.bindings("anna").map(|b| b.id).collect::<Vec<_>>(), [third.id]);
    solo.stack.handle_connection_closed(solo.now, crate::api::ConnectionId(3));
    assert_eq!(solo.stack.bindings("anna").map(|b| b.id).collect::<Vec<_>>(), [second.id]);
}

#[test]
fn who_supports_outbound_is_told_that_it_is_done() {
    let mut solo = Solo::new();
    let contact = "<sip:anna@203.0.113.7:5062>;+sip.instance=\"<urn:uuid:1>\";reg-id=1";
    let request = Request::register("anna", contact).with("Supported: path, outbound");
    let ok = solo.ask_as(ws(PHONE, 1), request, "anna", "secret");
    assert_eq!(ok.header(Name::Require), Some(&b"outbound"[..]));
    assert!(text(&ok).contains("+sip.instance=\"<urn:uuid:1>\";reg-id=1"), "{}", text(&ok));
}

#[test]
fn a_path_is_kept_told_again_and_taken_by_calls() {
    let mut solo = Solo::new();
    let path = "<sip:edge.example;lr>, <sip:inner.example;lr>";
    let request = Request::register("anna", CONTACT).with(&format!("Path: {path}"));
    let refused = solo.ask_as(udp(PHONE), request.call_id("without"), "anna", "secret");
    assert_eq!((refused.status(), refused.header(Name::Require)), (Some(421), Some(&b"path"[..])));
    let request = Request::register("anna", CONTACT).with(&format!("Path: {path}")).with("Supported: path");
    let ok = solo.ask_as(udp(PHONE), request, "anna", "secret");
    assert_eq!(ok.header(Name::Path), Some(path.as_bytes()));
    let id = solo.stack.bindings("anna").next().unwrap().id;
    solo.stack.invite(solo.now, outgoing(Target::Binding(id))).unwrap();
    let invite = solo.take().into_iter().find(|m| label(m) == "INVITE").unwrap();
    let routes: Vec<_> = invite.values(Name::Route).collect();
    assert_eq!(routes, [&b"<sip:edge.example;lr>"[..], b"<sip:inner.example;lr>"]);
    assert_eq!(saved(&mut solo).path, ["sip:edge.example;lr", "sip:inner.example;lr"]);
}

#[test]
fn a_path_without_end_is_refused() {
    let mut solo = Solo::new();
    let mut request = Request::register("anna", CONTACT).with("Supported: path");
    for n in 0..9 {
        request = request.with(&format!("Path: <sip:p{n}.example;lr>"));
    }
    assert_eq!(solo.ask_as(udp(PHONE), request, "anna", "secret").status(), Some(400));
}

#[test]
fn a_binding_survives_a_restart_and_goes_on_where_it_was() {
    let mut solo = Solo::new();
    let contact = "<sip:anna@203.0.113.7:5062>;q=0.5;expires=600;+sip.instance=\"<urn:uuid:1>\"";
    let before = solo.register(udp(PHONE), "anna", contact);
    let stored = saved(&mut solo);
    assert_eq!((stored.q, stored.instance.as_deref()), (500, Some("<urn:uuid:1>")));

    let mut after = Solo::new();
    after.now = solo.now.after(Duration::from_secs(100));
    after.stack.restore_binding(after.now, stored.clone());
    let Event::Registered(binding) = after.event() else { panic!() };
    assert_eq!((&binding.contact, binding.hop, binding.q), (&before.contact, udp(PHONE), 500));
    after.stack.restore_binding(after.now, stored.clone());
    assert_eq!(after.stack.counts().bindings, 1, "once");
    // The refresh has the next number of the same Call-ID: an older one is still refused.
    let mut old = Request::register("anna", contact).call_id(&stored.call_id);
    old.cseq = stored.cseq - 1;
    assert_eq!(after.ask_as(udp(PHONE), old, "anna", "secret").status(), Some(500));
    after.run(Duration::from_secs(499));
    assert_eq!(after.stack.counts().bindings, 1);
    after.run(Duration::from_secs(2));
    assert_eq!(after.stack.counts().bindings, 0);
    assert!(matches!(after.stored.pop(), Some(BindingChange::Gone { .. })));
}

#[test]
fn what_has_expired_or_lost_its_account_does_not_come_back() {
    let mut solo = Solo::new();
    solo.register(udp(PHONE), "anna", CONTACT);
    let stored = saved(&mut solo);
    let mut after = Solo::new();
    after.stack.remove_credential("anna");
    after.stack.restore_binding(after.now, stored.clone());
    assert_eq!(after.stack.counts().bindings, 0);
    let mut after = Solo::new();
    after.now = solo.now.after(Duration::from_secs(3601));
    after.stack.restore_binding(after.now, stored);
    assert_eq!(after.stack.counts().bindings, 0);
}

#[test]
fn every_change_is_stored_but_those_of_connections() {
    let mut solo = Solo::new();
    let binding = solo.register(udp(PHONE), "anna", CONTACT);
    assert_eq!(solo.stored.len(), 1);
    solo.stack.remove_credential("anna");
    solo.drain();
    let gone = BindingChange::Gone { aor: "anna".to_owned(), contact: binding.contact };
    assert_eq!(solo.stored.pop(), Some(gone));

    let mut solo = Solo::new();
    solo.register(ws(PHONE, 5), "anna", "<sip:x1@abc.invalid;transport=ws>");
    let tcp = Hop { transport: Transport::Tcp, ..ws(PHONE, 6) };
    solo.register(tcp, "anna", "<sip:anna@10.0.0.7:5060;transport=tcp>");
    assert!(solo.stored.is_empty(), "behind a NAT nobody could call it back");
    solo.register(tcp, "anna", "<sip:anna@203.0.113.7:5099;transport=tcp>");
    assert_eq!(saved(&mut solo).remote.port(), 5099, "its listener, not the port that it called from");
}

#[test]
fn the_guard_knows_the_phones_of_before_the_restart() {
    let mut solo = Solo::new();
    solo.register(udp(PHONE), "anna", CONTACT);
    let by_udp = saved(&mut solo);
    let tcp = Hop { transport: Transport::Tcp, ..ws(PHONE, 6) };
    solo.register(tcp, "anna", "<sip:anna@203.0.113.7:5099;transport=tcp>");
    let by_tcp = saved(&mut solo);
    let mut after = Solo::new();
    for saved in [by_udp.clone(), by_udp, by_tcp] {
        after.stack.restore_binding(after.now, saved);
    }
    after.drain();
    assert_eq!(after.stack.counts().bindings, 2);
    // By TCP it will come from a port that nobody knows yet.
    assert_eq!(after.proved, [PHONE.parse().unwrap()]);
}
