//! A stream gives the same frames whole and byte by byte.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sip_core::frame::{Frame, Framer};

fuzz_target!(|bytes: &[u8]| {
    let mut whole = Framer::new();
    whole.push(bytes);
    let want: Vec<Frame> = std::iter::from_fn(|| whole.poll()).collect();
    let (mut framer, mut got) = (Framer::new(), Vec::new());
    for byte in bytes {
        framer.push(std::slice::from_ref(byte));
        got.extend(std::iter::from_fn(|| framer.poll()));
    }
    assert_eq!(got, want);
});
