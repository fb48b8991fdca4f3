//! No datagram panics the parser, and the answer to whatever it accepts is itself a valid message.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sip_core::message::{Message, Name};

fuzz_target!(|bytes: &[u8]| {
    let source = "192.0.2.7:5062".parse().expect("an address");
    match Message::parse(bytes) {
        Ok(message) => {
            let _ = (message.vias(), message.contacts(), message.routes(), message.content_type());
            let _ = (message.tokens(Name::Require), message.credentials(Name::Authorization).count());
            if message.is_request() {
                let answer = message.response(200, None, source, Some("us")).finish();
                Message::parse_stream(&answer).expect("an answer to a valid request is valid");
            }
        }
        Err(error) => {
            if let Some(answerable) = error.answerable {
                answerable.response(error.defect.status(), &error.defect.to_string(), source, "us").finish();
            }
        }
    }
});
