//! What the torture messages of RFC 4475 and RFC 5118 come to on the wire.

use std::collections::BTreeMap;

use super::messages::{RFC4475, RFC5118};
use super::solo::{CARRIER, PHONE, Solo, udp};
use crate::api::{Event, Hop, Output};

/// The one answer's status line, or why there is none, or that a call or a message came.
fn decide(hop: Hop, bytes: &[u8]) -> String {
    let mut solo = Solo::new();
    solo.stack.handle_packet(solo.now, hop, bytes);
    let mut seen = Vec::new();
    while let Some(output) = solo.stack.poll_output() {
        match output {
            Output::Transmit { bytes, .. } => {
                let line = bytes.split(|&c| c == b'\r').next().unwrap_or_default();
                let line = String::from_utf8_lossy(line).into_owned();
                seen.push(line.strip_prefix("SIP/2.0 ").unwrap().to_owned());
            }
            Output::Event(Event::Incoming(_)) => seen.push("a call".to_owned()),
            Output::Event(Event::Message(_)) => seen.push("a message".to_owned()),
            Output::Event(event) => panic!("{event:?}"),
            Output::Rejected { why, .. } => seen.push(format!("{why:?}")),
            Output::Authenticated { .. } | Output::Binding(_) => {}
            Output::CloseConnection(_)
            | Output::Lookup { .. }
            | Output::Expect { .. }
            | Output::Watch { .. } => {
                panic!("UDP has no connection")
            }
        }
    }
    seen.join(", ")
}

/// Each message, what a carrier that we trust gets for it, and what a stranger gets (`=`: the same).
const DECIDED: &str = "
rfc4475/badaspec   400 Bad To Header, BadRequest | =
rfc4475/badbranch  200 OK | =
rfc4475/baddate    100 Trying, a call | 401 Unauthorized, Unauthenticated
rfc4475/baddn      400 Bad From Header, BadRequest | =
rfc4475/badinv01   400 Bad Via Header, BadRequest | =
rfc4475/badvers    505 Version Not Supported, BadRequest | =
rfc4475/bcast      StrayResponse | =
rfc4475/bext01     420 Bad Extension | =
rfc4475/bigcode    Unparsable | =
rfc4475/clerr      400 Body Shorter Than Content-Length, BadRequest | =
rfc4475/cparam01   401 Unauthorized, Unauthenticated | =
rfc4475/cparam02   401 Unauthorized, Unauthenticated | =
rfc4475/dblreq     401 Unauthorized, Unauthenticated | =
rfc4475/esc01      100 Trying, a call | 401 Unauthorized, Unauthenticated
rfc4475/esc02      501 Not Implemented | =
rfc4475/escnull    401 Unauthorized, Unauthenticated | =
rfc4475/escruri    400 Bad Request-URI, BadRequest | =
rfc4475/insuf      400 Missing From Header, BadRequest | =
rfc4475/intmeth    501 Not Implemented | =
rfc4475/inv2543    100 Trying, a call | 401 Unauthorized, Unauthenticated
rfc4475/invut      415 Unsupported Media Type, BadRequest | 401 Unauthorized, Unauthenticated
rfc4475/longreq    100 Trying, a call | 401 Unauthorized, Unauthenticated
rfc4475/ltgtruri   400 Bad Request-URI, BadRequest | =
rfc4475/lwsdisp    200 OK | =
rfc4475/lwsruri    400 Bad Request-URI, BadRequest | =
rfc4475/lwsstart   400 Bad Request-URI, BadRequest | =
rfc4475/mcl01      400 Repeated Content-Length Header, BadRequest | =
rfc4475/mismatch01 400 CSeq Method Does Not Match, BadRequest | =
rfc4475/mismatch02 501 Not Implemented, BadRequest | =
rfc4475/mpart01    200 OK, a message | 401 Unauthorized, Unauthenticated
rfc4475/multi01    400 Repeated CSeq Header, BadRequest | =
rfc4475/ncl        400 Bad Content-Length Header, BadRequest | =
rfc4475/noreason   StrayResponse | =
rfc4475/novelsc    416 Unsupported URI Scheme, BadRequest | =
rfc4475/quotbal    400 Bad To Header, BadRequest | =
rfc4475/regaut01   401 Unauthorized, Unauthenticated | =
rfc4475/regbadct   401 Unauthorized, Unauthenticated | =
rfc4475/regescrt   401 Unauthorized, Unauthenticated | =
rfc4475/scalar02   400 Bad CSeq Header, BadRequest | =
rfc4475/scalarlg   Unparsable | =
rfc4475/sdp01      406 Not Acceptable, BadRequest | 401 Unauthorized, Unauthenticated
rfc4475/semiuri    200 OK | =
rfc4475/transports 200 OK | =
rfc4475/trws       400 Bad Start Line, BadRequest | =
rfc4475/unkscm     416 Unsupported URI Scheme, BadRequest | =
rfc4475/unksm2     401 Unauthorized, Unauthenticated | =
rfc4475/unreason   StrayResponse | =
rfc4475/wsinv      481 Call/Transaction Does Not Exist, NotFound | =
rfc4475/zeromf     200 OK | =
rfc5118/ipv4-mapped-ipv6              100 Trying, a call | 401 Unauthorized, Unauthenticated
rfc5118/ipv6-bad                      400 Bad Request-URI, BadRequest | =
rfc5118/ipv6-bug-abnf-3-colons        200 OK | =
rfc5118/ipv6-correct-abnf-2-colons    200 OK | =
rfc5118/ipv6-good                     401 Unauthorized, Unauthenticated | =
rfc5118/ipv6-in-sdp                   100 Trying, a call | 401 Unauthorized, Unauthenticated
rfc5118/mult-ip-in-header             481 Call/Transaction Does Not Exist, NotFound | =
rfc5118/mult-ip-in-sdp                100 Trying, a call | 401 Unauthorized, Unauthenticated
rfc5118/port-ambiguous                401 Unauthorized, Unauthenticated | =
rfc5118/port-unambiguous              401 Unauthorized, Unauthenticated | =
rfc5118/via-received-param-no-delim   200 OK | =
rfc5118/via-received-param-with-delim 481 Call/Transaction Does Not Exist, NotFound | =
";

#[test]
fn every_torture_message_is_decided_as_its_rfc_says() {
    let rows: BTreeMap<_, _> = DECIDED
        .lines()
        .filter(|row| !row.is_empty())
        .map(|row| {
            let (name, decisions) = row.split_once(' ').unwrap();
            (name, decisions.trim_start().split_once(" | ").unwrap())
        })
        .collect();
    assert_eq!((RFC4475.len(), RFC5118.len(), rows.len()), (49, 12, 61));
    for (name, bytes) in RFC4475.iter().chain(RFC5118) {
        let (trusted, stranger) = rows[name];
        let stranger = if stranger == "=" { trusted } else { stranger };
        assert_eq!(decide(udp(CARRIER), bytes), trusted, "{name} from a carrier");
        assert_eq!(decide(udp(PHONE), bytes), stranger, "{name} from a stranger");
    }
}
