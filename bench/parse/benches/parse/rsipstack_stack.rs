use std::hint::black_box;

use rsipstack::sip::prelude::*;
use rsipstack::sip::{Header, Headers, Request};

use super::VIA;

pub fn relay(bytes: &[u8]) -> Vec<u8> {
    let mut request = Request::try_from(bytes).expect("the INVITE is valid");
    black_box(request.via_header().and_then(|it| it.typed()).expect("a Via"));
    black_box(request.from_header().and_then(|it| it.typed()).expect("a From"));
    black_box(request.to_header().and_then(|it| it.typed()).expect("a To"));
    black_box(request.cseq_header().and_then(|it| it.typed()).expect("a CSeq"));
    black_box(request.contact_header().and_then(|it| it.typed()).expect("a Contact"));
    black_box(request.call_id_header().expect("a Call-ID"));
    let hops =
        request.max_forwards_header().expect("Max-Forwards").value().parse::<u32>().expect("a number") - 1;
    let mut headers = Headers::from(vec![Header::Via(VIA.into())]);
    for header in std::mem::take(&mut request.headers) {
        match header {
            Header::MaxForwards(_) => headers.push(Header::MaxForwards(hops.into())),
            Header::ContentLength(length) => {
                black_box(length.value().parse::<u32>().expect("Content-Length"));
                headers.push(Header::ContentLength(length));
            }
            other => headers.push(other),
        }
    }
    request.headers = headers;
    request.into()
}
