//! No datagram panics the parser or an accessor, and the answer to whatever it accepts is itself a valid message.
#![no_main]

#[path = "../../tests/checks/mod.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    checks::message(bytes);
});
