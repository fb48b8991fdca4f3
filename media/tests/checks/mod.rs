//! What holds for any bytes that are taken for a session description. The replay of the corpus and the fuzz target share it.

use std::net::{IpAddr, Ipv4Addr};

use media::sdp::{Description, Negotiation, Security};

/// Nothing panics; our answer to what can be answered is a description with as many sections, and the same answer the second time.
pub fn description(bytes: &[u8]) {
    let parsed = Description::parse(bytes);
    let own = || {
        Negotiation::new(7, IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 40_000, Vec::new(), Security::default())
    };
    let mut negotiation = own();
    if let Ok((answer, _)) = negotiation.answer(bytes) {
        let offer = parsed.expect("what was answered was read");
        let told = Description::parse(&answer).expect("we write what we can read");
        assert_eq!(told.media.len(), offer.media.len());
        let (again, _) = negotiation.answer(bytes).expect("it could be answered before");
        assert_eq!(again, answer, "nothing has changed");
    }
    let mut offering = own();
    offering.offer();
    let _ = offering.accept(bytes);
}
