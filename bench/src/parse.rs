//! Reading an INVITE of 1 KB and the headers that every server looks at: ours against rsip.

use std::hint::black_box;
use std::time::{Duration, Instant};

use rsip::prelude::*;
use sip_core::message::Message;

const INVITE: &[u8] = include_bytes!("invite.sip");
const ROUNDS: usize = 40;
const PER_ROUND: u32 = 5_000;

pub fn run() {
    // Alternating short rounds, of which the best counts: what disturbs one side disturbs the other as well.
    let (mut theirs, mut ours) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        theirs = theirs.min(time(|| rsip(INVITE)));
        ours = ours.min(time(|| sip_core(INVITE)));
    }
    let nanos = |time: Duration| time.as_nanos() as f64 / f64::from(PER_ROUND);
    crate::row("parse an INVITE of 1 KB (floor: rsip 0.4)", "ns", nanos(theirs), nanos(ours), None);
}

fn time(mut work: impl FnMut() -> usize) -> Duration {
    let start = Instant::now();
    for _ in 0..PER_ROUND {
        black_box(work());
    }
    start.elapsed()
}

fn sip_core(bytes: &[u8]) -> usize {
    let message = Message::parse(black_box(bytes)).expect("the INVITE is valid");
    let contact = message.contact().is_ok_and(|contact| contact.is_some());
    message.via().branch().map_or(0, <[u8]>::len)
        + message.from_tag().map_or(0, <[u8]>::len)
        + message.to_tag().map_or(0, <[u8]>::len)
        + message.call_id().len()
        + message.cseq().number as usize
        + usize::from(contact)
}

fn rsip(bytes: &[u8]) -> usize {
    let request = rsip::Request::try_from(black_box(bytes)).expect("the INVITE is valid");
    let via = request.via_header().and_then(|via| via.typed()).expect("a Via");
    let from = request.from_header().and_then(|from| from.typed()).expect("a From");
    let to = request.to_header().and_then(|to| to.typed()).expect("a To");
    let cseq = request.cseq_header().and_then(|cseq| cseq.typed()).expect("a CSeq");
    let contact = request.contact_header().and_then(|contact| contact.typed()).is_ok();
    via.branch().map_or(0, |branch| branch.value().len())
        + from.tag().map_or(0, |tag| tag.value().len())
        + to.tag().map_or(0, |tag| tag.value().len())
        + request.call_id_header().map_or(0, |id| id.value().len())
        + cseq.seq as usize
        + usize::from(contact)
}
