//! No description panics the parser or the negotiation, and our answers are descriptions.
#![no_main]

#[path = "../../tests/checks/mod.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| checks::description(bytes));
