//! Peers that send whatever they like.

use model::{Cause, Side};
use proptest::prelude::*;

use super::messages::RFC4475;
use super::solo::{CARRIER, PHONE, Request, Solo, credential, udp, ws};
use crate::api::{Counts, Event, Hop, Output, Transport};

/// Hands bytes over; nothing may come out that we could not read ourselves, unless it echoes what came.
fn throw(solo: &mut Solo, hop: Hop, bytes: &[u8]) -> usize {
    solo.stack.handle_packet(solo.now, hop, bytes);
    let mut answers = 0;
    while let Some(output) = solo.stack.poll_output() {
        match output {
            Output::Transmit { .. } => answers += 1,
            Output::Event(event) => solo.events.push(event),
            Output::Rejected { .. }
            | Output::CloseConnection(_)
            | Output::Binding(_)
            | Output::Authenticated { .. }
            | Output::Lookup { .. }
            | Output::Expect { .. }
            | Output::Watch { .. } => {}
        }
    }
    answers
}

/// Hangs up everything and waits.
fn finish(solo: &mut Solo) {
    let calls: Vec<_> = solo
        .events
        .drain(..)
        .filter_map(|event| match event {
            Event::Incoming(incoming) => Some(incoming.call),
            _ => None,
        })
        .collect();
    for call in calls {
        solo.stack.hangup(solo.now, call, Cause::Completed, Side::Flow);
    }
    while let Some(next) = solo.stack.poll_timeout() {
        solo.now = solo.now.after(next.saturating_since(solo.now.instant));
        solo.stack.handle_timeout(solo.now);
    }
    while solo.stack.poll_output().is_some() {}
    assert_eq!(solo.stack.counts(), Counts::default());
}

#[test]
fn torture_messages_are_answered_or_dropped_and_the_stack_goes_on() {
    assert_eq!(RFC4475.len(), 49);
    let tcp = Hop { transport: Transport::Tcp, ..ws(PHONE, 3) };
    for hop in [udp(CARRIER), udp(PHONE), tcp, ws(PHONE, 4)] {
        let mut solo = Solo::new();
        for (name, bytes) in RFC4475 {
            let answers = throw(&mut solo, hop, bytes);
            assert!(answers <= 1, "{name:?}");
            assert_eq!(solo.ask(udp(PHONE), &Request::new("OPTIONS")).status(), Some(200), "after {name:?}");
        }
        finish(&mut solo);
    }
}

fn method() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "REGISTER", "INFO", "UPDATE", "PRACK", "REFER", "DANCE",
    ])
}

fn line() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "Contact: <sip:a@198.51.100.1>",
        "Contact: <sip:a@[::1]:0;transport=tcp>",
        "Contact: *",
        "Expires: 0",
        "Require: 100rel",
        "Record-Route: <sip:198.51.100.9;lr>, <sip:strict.example>",
        "Route: <sip:192.0.2.1;lr>",
        "Content-Encoding: gzip",
        "Authorization: Digest username=\"anna\", realm=\"tandem.example\", nonce=\"00\", uri=\"sip:x\", response=\"00\"",
        "Supported: timer, 100rel, path",
        "P-Asserted-Identity: <tel:+1>",
    ])
}

#[derive(Clone, Debug)]
struct Shot {
    method: &'static str,
    lines: Vec<&'static str>,
    /// 0: no tag, 1: the tag of a call, 2: some other tag.
    tag: u8,
    cseq: u32,
    branch: u8,
    hop: usize,
    sdp: bool,
    /// A byte to overwrite, and with what.
    scratch: Option<(prop::sample::Index, u8)>,
    answer: u8,
}

fn shot() -> impl Strategy<Value = Shot> {
    (
        method(),
        prop::collection::vec(line(), 0..4),
        0..3u8,
        1..6u32,
        0..6u8,
        0..3usize,
        any::<bool>(),
        prop::option::weighted(0.3, (any::<prop::sample::Index>(), any::<u8>())),
        0..6u8,
    )
        .prop_map(|(method, lines, tag, cseq, branch, hop, sdp, scratch, answer)| Shot {
            method,
            lines,
            tag,
            cseq,
            branch,
            hop,
            sdp,
            scratch,
            answer,
        })
}

fn fire(solo: &mut Solo, to: &str, shot: &Shot) {
    let tag = match shot.tag {
        0 => "<sip:200@tandem.example>",
        1 => to,
        _ => "<sip:200@tandem.example>;tag=other",
    };
    let hop = [udp(CARRIER), udp(PHONE), ws(PHONE, 8)][shot.hop];
    let transport = if hop.transport == Transport::Ws { "WS" } else { "UDP" };
    let mut text = format!(
        "{} sip:200@tandem.example SIP/2.0\r\nVia: SIP/2.0/{transport} {};branch=z9hG4bK{};rport\r\nFrom: {}\r\nTo: {tag}\r\n\
         Call-ID: their-call\r\nCSeq: {} {}\r\n",
        shot.method,
        hop.remote,
        shot.branch,
        Request::invite().from,
        shot.cseq,
        shot.method,
    );
    for line in &shot.lines {
        text += line;
        text += "\r\n";
    }
    if shot.sdp {
        text += "Content-Type: application/sdp\r\nContent-Length: 3\r\n\r\nv=0";
    } else {
        text += "Content-Length: 0\r\n\r\n";
    }
    let mut bytes = text.into_bytes();
    if let Some((place, byte)) = &shot.scratch {
        let place = place.index(bytes.len());
        bytes[place] = *byte;
    }
    throw(solo, hop, &bytes);
}

proptest! {
    #[test]
    fn no_sequence_of_requests_breaks_the_stack_or_leaves_anything(
        shots in prop::collection::vec(shot(), 1..30),
    ) {
        let mut solo = Solo::new();
        solo.stack.set_credential(credential("ben", "ben", false));
        let (call, to) = solo.established();
        for shot in &shots {
            fire(&mut solo, &to, shot);
            let newest = solo.events.iter().rev().find_map(|event| match event {
                Event::Incoming(incoming) => Some(incoming.call),
                _ => None,
            });
            let sdp = b"v=0 ours".to_vec();
            match (shot.answer, newest) {
                (0, _) => solo.stack.accept_offer(solo.now, call, sdp),
                (1, _) => solo.stack.reject_offer(solo.now, call, 488),
                (2, _) => solo.stack.reinvite(solo.now, call, sdp),
                (3, Some(newest)) => solo.stack.answer(solo.now, newest, sdp),
                (4, Some(newest)) => solo.stack.reject(solo.now, newest, 404, None),
                (5, Some(newest)) => solo.stack.ring(solo.now, newest, 180, None),
                (3.., _) => {}
            }
        }
        solo.stack.hangup(solo.now, call, Cause::Completed, Side::Flow);
        finish(&mut solo);
    }

    #[test]
    fn no_response_breaks_a_call_that_we_make(
        statuses in prop::collection::vec((100..700u16, 0..3u8, any::<bool>(), any::<bool>()), 1..20),
        hang_up_after in prop::option::of(0..20usize),
    ) {
        let mut solo = Solo::new();
        let call = solo.stack.invite(solo.now, super::calling::outgoing(super::calling::trunk())).unwrap();
        let invite = solo.only();
        for (i, (status, tag, sdp, whole)) in statuses.iter().enumerate() {
            if hang_up_after == Some(i) {
                solo.stack.hangup(solo.now, call, Cause::Cancelled, Side::Customer);
            }
            let mut answer = invite.response(*status, None, udp(CARRIER).remote, Some(["a", "b", "c"][usize::from(*tag)]));
            if *sdp {
                answer = answer.body("application/sdp", "v=0");
            }
            let bytes = answer.finish();
            let end = if *whole { bytes.len() } else { bytes.len() * 2 / 3 };
            throw(&mut solo, udp(CARRIER), &bytes[..end]);
        }
        solo.stack.hangup(solo.now, call, Cause::Completed, Side::Flow);
        while let Some(Output::Event(event)) = solo.stack.poll_output() {
            solo.events.push(event);
        }
        finish(&mut solo);
    }
}
