//! No datagrams panic a call that decodes, records and passes on, nor the parsers alone.
#![no_main]

#[path = "../../tests/checks/mod.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| checks::packets(bytes));
