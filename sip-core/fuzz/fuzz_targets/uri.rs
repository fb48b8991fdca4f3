//! A URI that is accepted is read, compared, escaped and written without loss.
#![no_main]

#[path = "../../tests/checks/mod.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| checks::uri(bytes));
