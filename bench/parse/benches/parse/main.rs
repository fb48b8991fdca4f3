//! One INVITE of 1 KB as a proxy or B2BUA handles it: parse it, read the headers that everyone looks at (Via, From, To, Call-ID,
//! CSeq, Contact, Max-Forwards, Content-Length) in their typed form, and write it out with a Via of our own on top.
//!
//! Measured as CPU time of this thread: wall time on a shared machine measures the others.
//!
//! Before anything is measured, each result is checked to be the same message.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use sip_core::message::Message;

mod cpu_time;
mod rsip_stack;
mod rsipstack_stack;
mod tandem_stack;

use cpu_time::CpuTime;

const INVITE: &[u8] = include_bytes!("../../../src/invite.sip");
const VIA: &str = "SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bKours;rport";

fn parse(c: &mut Criterion<CpuTime>) {
    let stacks: [(&str, fn(&[u8]) -> Vec<u8>); 3] = [
        ("rsip 0.4", rsip_stack::relay),
        ("rsipstack 0.7", rsipstack_stack::relay),
        ("tandem", tandem_stack::relay),
    ];
    let came = Message::parse(INVITE).expect("the INVITE is valid");
    let mut group = c.benchmark_group("relay an INVITE of 1 KB");
    for (name, relay) in stacks {
        let sent = Message::parse(&relay(INVITE)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(sent.vias().expect("Vias").len(), 2, "{name}");
        assert_eq!(sent.via().branch(), Some(&b"z9hG4bKours"[..]), "{name}");
        assert_eq!(sent.headers().count(), came.headers().count() + 1, "{name} keeps every header");
        assert_eq!((sent.body(), sent.max_forwards()), (came.body(), Some(69)), "{name}");
        assert_eq!((sent.from_tag(), sent.call_id()), (came.from_tag(), came.call_id()), "{name}");
        group.bench_function(name, |b| b.iter(|| relay(black_box(INVITE))));
    }
    group.finish();
}

criterion_group!(name = benches; config = Criterion::default().with_measurement(CpuTime); targets = parse);
criterion_main!(benches);
