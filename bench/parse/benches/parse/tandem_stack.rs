use std::hint::black_box;

use sip_core::message::{Builder, Message, Name};

use super::VIA;

pub fn relay(bytes: &[u8]) -> Vec<u8> {
    let message = Message::parse(bytes).expect("the INVITE is valid");
    let contact = message.contact().expect("Contact follows its grammar").expect("a Contact");
    let uri = message.request_uri().expect("a request");
    black_box((message.via(), message.from(), message.to(), message.from_tag(), message.to_tag()));
    black_box((message.call_id(), message.cseq(), contact, message.body().len()));
    let hops = message.max_forwards().expect("Max-Forwards") - 1;
    let mut builder =
        Builder::request(message.method(), uri.raw()).header(Name::Via, VIA).copy(&message, Name::Via);
    builder = builder.header(Name::MaxForwards, hops.to_string());
    for name in [
        Name::From,
        Name::To,
        Name::CallId,
        Name::CSeq,
        Name::Contact,
        Name::SessionExpires,
        Name::Supported,
        Name::Allow,
        Name::PAssertedIdentity,
        Name::UserAgent,
    ] {
        builder = builder.copy(&message, name);
    }
    builder.body("application/sdp", message.body()).finish()
}
