//! Random calls over a bad network: whatever happens, every call ends once and nothing stays.

use std::collections::BTreeMap;
use std::time::Duration;

use model::{Cause, Side as Party};
use proptest::prelude::*;

use crate::api::{CallId, Counts, Event, Transport};
use crate::testing::{Pair, Side, Weather};

/// What one side may do to one of its calls.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Call,
    Ring,
    Answer,
    Reject,
    Hold,
    HangUp,
}

#[derive(Clone, Copy, Debug)]
struct Step {
    /// Milliseconds after the step before.
    after: u64,
    side: Side,
    deed: Deed,
    /// Which of the calls, modulo their number.
    which: usize,
}

#[derive(Default)]
struct Ledger {
    calls: Vec<CallId>,
    ended: BTreeMap<CallId, u32>,
}

impl Ledger {
    fn pick(&self, which: usize) -> Option<CallId> {
        self.calls.get(which.checked_rem(self.calls.len())?).copied()
    }
}

fn step() -> impl Strategy<Value = Step> {
    let deed = prop_oneof![
        3 => Just(Deed::Call),
        2 => Just(Deed::Ring),
        4 => Just(Deed::Answer),
        1 => Just(Deed::Reject),
        3 => Just(Deed::Hold),
        2 => Just(Deed::HangUp),
    ];
    (0..3000u64, prop_oneof![Just(Side::A), Just(Side::B)], deed, any::<usize>())
        .prop_map(|(after, side, deed, which)| Step { after, side, deed, which })
}

fn act(pair: &mut Pair, ledgers: &mut [Ledger; 2], step: Step) {
    let now = pair.now;
    if let Deed::Call = step.deed {
        let call = pair.call(step.side, "200");
        ledgers[step.side as usize].calls.push(call);
        return;
    }
    let Some(call) = ledgers[step.side as usize].pick(step.which) else { return };
    let stack = &mut pair.node(step.side).stack;
    match step.deed {
        Deed::Call => {}
        Deed::Ring => stack.ring(now, call, 183, Some(b"v=0 early".to_vec())),
        Deed::Answer => stack.answer(now, call, b"v=0 answer".to_vec()),
        Deed::Reject => stack.reject(now, call, 486, None),
        Deed::Hold => stack.reinvite(now, call, b"v=0 hold".to_vec()),
        Deed::HangUp => stack.hangup(now, call, Cause::HungUp, Party::Agent),
    }
}

/// Writes down what happened and answers offers, some with a refusal.
fn react(pair: &mut Pair, ledgers: &mut [Ledger; 2]) {
    for side in [Side::A, Side::B] {
        for event in pair.events(side) {
            let now = pair.now;
            let ledger = &mut ledgers[side as usize];
            let call = match event {
                Event::Incoming(incoming) => {
                    ledger.calls.push(incoming.call);
                    incoming.call
                }
                Event::Offer { call, .. } => {
                    let stack = &mut pair.node(side).stack;
                    match now.instant.as_micros() % 3 {
                        0 => stack.reject_offer(now, call, 488),
                        _ => stack.accept_offer(now, call, b"v=0 fine".to_vec()),
                    }
                    call
                }
                Event::Ended { call, .. } => {
                    assert!(ledger.calls.contains(&call), "an unknown call ended");
                    *ledger.ended.entry(call).or_default() += 1;
                    continue;
                }
                Event::Confirmed { call, .. }
                | Event::Ringing { call, .. }
                | Event::Answered { call, .. }
                | Event::OfferAnswered { call, .. }
                | Event::OfferRefused { call, .. }
                | Event::Refer { call, .. }
                | Event::ReferProgress { call, .. }
                | Event::Redirected { call, .. }
                | Event::Info { call, .. } => call,
                Event::Message(_)
                | Event::MessageAnswered { .. }
                | Event::Subscribed(_)
                | Event::Unsubscribed { .. } => continue,
                Event::Registered(_) | Event::Unregistered(_) | Event::TrunkChanged(_) => {
                    unreachable!("nobody registers or is asked for his health")
                }
            };
            assert!(!ledger.ended.contains_key(&call), "{call:?} goes on after its end");
        }
    }
}

fn play(seed: u64, transport: Transport, weather: Weather, steps: &[Step]) {
    let mut pair = Pair::new(seed, transport, weather);
    let mut ledgers = [Ledger::default(), Ledger::default()];
    let walk = |pair: &mut Pair, ledgers: &mut [Ledger; 2], span: Duration| {
        let slices = span.as_millis().div_ceil(50).max(1) as u32;
        for _ in 0..slices {
            pair.run(span / slices);
            react(pair, ledgers);
        }
    };
    for step in steps {
        walk(&mut pair, &mut ledgers, Duration::from_millis(step.after));
        act(&mut pair, &mut ledgers, *step);
    }
    walk(&mut pair, &mut ledgers, Duration::from_secs(5));
    // Whoever is still talking hangs up; twice, as a request that was under way may make one more call.
    for _ in 0..2 {
        for side in [Side::B, Side::A] {
            for call in ledgers[side as usize].calls.clone() {
                let now = pair.now;
                pair.node(side).stack.hangup(now, call, Cause::HungUp, Party::Agent);
            }
        }
        walk(&mut pair, &mut ledgers, Duration::from_secs(2));
    }
    walk(&mut pair, &mut ledgers, Duration::from_secs(70));
    for (side, ledger) in [(Side::A, &ledgers[0]), (Side::B, &ledgers[1])] {
        for call in &ledger.calls {
            assert_eq!(ledger.ended.get(call), Some(&1), "{side:?} {call:?}");
        }
        assert_eq!(pair.node(side).stack.counts(), Counts::default(), "{side:?}");
        assert_eq!(pair.node(side).stack.poll_timeout(), None, "{side:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn every_call_ends_once_and_nothing_stays_in_a_storm(
        seed in any::<u64>(),
        steps in prop::collection::vec(step(), 1..40),
    ) {
        play(seed, Transport::Udp, Weather::STORM, &steps);
    }

    #[test]
    fn every_call_ends_once_and_nothing_stays_over_streams(
        seed in any::<u64>(),
        steps in prop::collection::vec(step(), 1..40),
    ) {
        play(seed, Transport::Tcp, Weather::STORM, &steps);
    }
}
