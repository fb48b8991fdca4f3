//! A peer that sends whatever it likes, whenever it likes, while the owner does the same: nothing panics, every call ends once, and when
//! both are quiet nothing is left but what a timer ends.

use std::collections::BTreeMap;
use std::time::Duration;

use model::{Cause, Side};
use proptest::prelude::*;

use super::calling::{outgoing, trunk};
use super::solo::{CARRIER, Request, Solo, udp};
use crate::api::{CallId, Counts, Event};
use crate::message::{Message, Name};

#[derive(Clone, Copy, Debug)]
enum Deed {
    /// The peer asks something within a dialog (or what it takes for one).
    Ask {
        method: usize,
        which: usize,
        cseq: u32,
        extra: usize,
        body: usize,
        branch: u8,
    },
    /// It answers one of our requests.
    Answer {
        which: usize,
        status: usize,
        tag: u8,
        rseq: Option<u8>,
        sdp: bool,
    },
    Invite {
        call: u8,
        extra: usize,
        late_offer: bool,
    },
    /// The owner does something with one of his calls.
    Own {
        act: usize,
        which: usize,
    },
    /// Everything that was sent last comes once more.
    Repeat,
    Wait {
        millis: u64,
    },
}

const METHODS: [&str; 12] = [
    "INVITE",
    "ACK",
    "BYE",
    "CANCEL",
    "PRACK",
    "UPDATE",
    "INFO",
    "REFER",
    "NOTIFY",
    "MESSAGE",
    "OPTIONS",
    "SUBSCRIBE",
];
const EXTRAS: [&str; 14] = [
    "Subject: nothing",
    "Require: 100rel",
    "Supported: 100rel, timer",
    "Supported: timer",
    "Session-Expires: 90;refresher=uac",
    "Session-Expires: 120;refresher=uas",
    "Session-Expires: 5",
    "RAck: 1 1 INVITE",
    "Allow: INVITE, UPDATE, PRACK",
    "Refer-To: <sip:200@tandem.example>",
    "Event: refer",
    "Replaces: their-call0;to-tag=a;from-tag=their-tag",
    "Reason: Q.850;cause=16",
    "Contact: <sip:elsewhere@198.51.100.9>",
];
const STATUSES: [u16; 16] = [100, 180, 183, 200, 202, 302, 401, 405, 408, 422, 481, 486, 487, 491, 500, 503];
const BODIES: [Option<(&str, &str)>; 3] =
    [None, Some(("application/sdp", "v=0 theirs")), Some(("message/sipfrag", "SIP/2.0 200 OK"))];

fn deed() -> impl Strategy<Value = Deed> {
    let n = any::<usize>;
    prop_oneof![
        6 => (n(), n(), 0..12u32, n(), n(), 0..40u8).prop_map(|(method, which, cseq, extra, body, branch)| {
            Deed::Ask { method, which, cseq, extra, body, branch }
        }),
        6 => (n(), n(), 0..3u8, prop::option::of(0..4u8), any::<bool>())
            .prop_map(|(which, status, tag, rseq, sdp)| Deed::Answer { which, status, tag, rseq, sdp }),
        3 => (0..6u8, n(), any::<bool>())
            .prop_map(|(call, extra, late_offer)| Deed::Invite { call, extra, late_offer }),
        6 => (n(), n()).prop_map(|(act, which)| Deed::Own { act, which }),
        1 => Just(Deed::Repeat),
        3 => (0..40_000u64).prop_map(|millis| Deed::Wait { millis }),
    ]
}

#[derive(Default)]
struct World {
    calls: Vec<CallId>,
    ended: BTreeMap<CallId, u32>,
    /// Our To values that the peer has seen, each with its Call-ID.
    dialogs: Vec<(String, String)>,
    /// Requests of ours that it has seen.
    asked: Vec<Message>,
    last: Vec<Message>,
}

impl World {
    /// Takes note of everything that has happened.
    fn look(&mut self, solo: &mut Solo) {
        let sent = solo.take();
        for message in &sent {
            let call = String::from_utf8_lossy(message.call_id()).into_owned();
            let mine = if message.is_request() { message.from() } else { message.to() };
            if mine.tag().is_some() {
                self.dialogs.push((String::from_utf8_lossy(mine.raw()).into_owned(), call));
            }
            if message.is_request() {
                self.asked.push(message.clone());
            }
        }
        self.last = sent;
        for event in solo.happened() {
            match event {
                Event::Incoming(incoming) => self.calls.push(incoming.call),
                Event::Ended { call, .. } => {
                    assert!(self.calls.contains(&call), "an unknown call ended");
                    *self.ended.entry(call).or_default() += 1;
                }
                Event::Confirmed { call, .. }
                | Event::Ringing { call, .. }
                | Event::Answered { call, .. }
                | Event::Offer { call, .. }
                | Event::OfferAnswered { call, .. }
                | Event::OfferRefused { call, .. }
                | Event::Info { call, .. }
                | Event::Refer { call, .. }
                | Event::ReferProgress { call, .. }
                | Event::Redirected { call, .. } => {
                    assert!(!self.ended.contains_key(&call), "{call:?} goes on after its end");
                }
                Event::Message(_)
                | Event::MessageAnswered { .. }
                | Event::Subscribed(_)
                | Event::Unsubscribed { .. }
                | Event::Registered(_)
                | Event::Unregistered(_)
                | Event::TrunkChanged(_) => {}
            }
        }
    }

    fn act(&mut self, solo: &mut Solo, deed: Deed) {
        match deed {
            Deed::Ask { method, which, cseq, extra, body, branch } => {
                let Some(at) = which.checked_rem(self.dialogs.len()) else { return };
                let (to, call) = self.dialogs[at].clone();
                let mut request = Request::new(METHODS[method % METHODS.len()])
                    .to(&to)
                    .cseq(cseq)
                    .call_id(&call)
                    .branch(&format!("z9hG4bKchaos{branch}"))
                    .with(EXTRAS[extra % EXTRAS.len()]);
                request.from = Request::invite().from;
                request.body = BODIES[body % BODIES.len()];
                solo.send(udp(CARRIER), &request);
            }
            Deed::Answer { which, status, tag, rseq, sdp } => {
                let Some(at) = which.checked_rem(self.asked.len()) else { return };
                let status = STATUSES[status % STATUSES.len()];
                let mut answer = self.asked[at]
                    .response(status, None, udp(CARRIER).remote, Some(&format!("fork{tag}")))
                    .header(Name::Contact, "<sip:peer@198.51.100.1>")
                    .header(Name::Allow, "INVITE, UPDATE, PRACK")
                    .header(Name::SessionExpires, "120;refresher=uac")
                    .header(Name::MinSe, "1000");
                if let Some(rseq) = rseq {
                    answer =
                        answer.header(Name::Require, "100rel").header(Name::RSeq, (rseq + 1).to_string());
                }
                if sdp {
                    answer = answer.body("application/sdp", "v=0 theirs");
                }
                solo.raw(udp(CARRIER), &answer.finish());
            }
            Deed::Invite { call, extra, late_offer } => {
                let mut invite = Request::invite()
                    .call_id(&format!("their-call{call}"))
                    .branch(&format!("z9hG4bKinvite{call}"));
                let extra = EXTRAS[extra % EXTRAS.len()];
                if !extra.starts_with("Contact") {
                    invite = invite.with(extra);
                }
                if late_offer {
                    invite.body = None;
                }
                solo.send(udp(CARRIER), &invite);
            }
            Deed::Own { act, which } => self.own(solo, act, which),
            Deed::Repeat => {
                for message in self.last.clone() {
                    solo.raw(udp(CARRIER), message.bytes());
                }
            }
            Deed::Wait { millis } => solo.run(Duration::from_millis(millis)),
        }
    }

    fn own(&mut self, solo: &mut Solo, act: usize, which: usize) {
        let now = solo.now;
        if act.is_multiple_of(13) {
            self.calls.push(solo.stack.invite(now, outgoing(trunk())).expect("the trunk exists"));
            return;
        }
        let Some(at) = which.checked_rem(self.calls.len()) else { return };
        let (call, stack) = (self.calls[at], &mut solo.stack);
        match act % 13 {
            1 => stack.ring(now, call, 180, None),
            2 => stack.ring(now, call, 183, Some(b"v=0 early".to_vec())),
            3 | 4 => stack.answer(now, call, b"v=0 answer".to_vec()),
            5 => stack.reject(now, call, 486, None),
            6 => stack.reinvite(now, call, b"v=0 hold".to_vec()),
            7 => stack.accept_offer(now, call, b"v=0 fine".to_vec()),
            8 => stack.reject_offer(now, call, 488),
            9 => stack.accept_refer(now, call),
            10 => stack.refer_progress(now, call, if which.is_multiple_of(2) { 180 } else { 200 }),
            11 => drop(stack.refer(now, call, "sip:x@y", self.calls.first().copied())),
            _ => stack.hangup(now, call, Cause::HungUp, Side::Agent),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn whatever_a_peer_sends_every_call_ends_once_and_nothing_stays(
        deeds in prop::collection::vec(deed(), 1..80),
    ) {
        let mut solo = Solo::new();
        let mut world = World::default();
        for deed in deeds {
            world.act(&mut solo, deed);
            world.look(&mut solo);
        }
        // The owner hangs up; nobody answers any more.
        for call in world.calls.clone() {
            solo.stack.hangup(solo.now, call, Cause::HungUp, Side::Agent);
        }
        solo.run(Duration::from_secs(70));
        world.look(&mut solo);
        for call in &world.calls {
            prop_assert_eq!(world.ended.get(call), Some(&1), "{:?}", call);
        }
        prop_assert_eq!(solo.stack.counts(), Counts::default());
        prop_assert_eq!(solo.stack.poll_timeout(), None);
    }
}
