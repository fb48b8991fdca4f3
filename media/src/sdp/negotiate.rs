use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use thiserror::Error;

use super::parse::{Connection, Description, Media, SdpError, Way};
use super::security::{Keying, Security};
use crate::api::{Direction, Encryption};
use crate::codec::Codec;

/// What we send in a packet unless the peer wants otherwise, and what we ask for.
const PACKET: Duration = Duration::from_millis(20);
/// The payload type of telephone events in our offers.
const OWN_DIGITS: u8 = 101;
/// That of G.711 (RFC 4733 §2.1).
const DIGITS_CLOCK: u32 = 8000;

/// What both sides are bound to after an exchange.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Agreed {
    /// What we send.
    pub codec: Codec,
    pub payload_type: u8,
    /// What the peer may send, by payload type.
    pub receive: Vec<(u8, Content)>,
    /// How digits are sent; `None` when the peer does not take telephone events.
    pub digits: Option<Digits>,
    /// How much sound the peer wants in a packet.
    pub packet: Duration,
    /// The peer's view.
    pub direction: Direction,
    /// Where the peer receives; `None` when it gave no address (hold by `0.0.0.0`) or withdrew its audio.
    pub rtp: Option<SocketAddr>,
    pub rtcp: Option<SocketAddr>,
    /// RTCP runs on the RTP port, both ways.
    pub rtcp_mux: bool,
    /// The keys of SRTP; `None` for RTP in the clear, and where that is withdrawn.
    pub keying: Option<Keying>,
}

impl Agreed {
    /// What packets of this payload type hold; `None` for one that was not agreed on.
    pub fn content(&self, payload_type: u8) -> Option<Content> {
        self.receive.iter().find(|(number, _)| *number == payload_type).map(|(_, content)| *content)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Content {
    Audio(Codec),
    /// Telephone events with a clock of so many units a second.
    Digits {
        clock: u32,
    },
}

/// How telephone events (RFC 4733) are sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Digits {
    pub payload_type: u8,
    pub clock: u32,
}

/// Why there is no agreement.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum Incompatible {
    #[error(transparent)]
    Sdp(#[from] SdpError),
    #[error("no RTP audio section")]
    NoAudio,
    #[error("no common codec")]
    NoCodec,
    #[error("the audio section of line {line} has no connection address")]
    NoAddress { line: usize },
    #[error("the audio section of line {line} has an {peer} address, we are reached by {own}")]
    Family { line: usize, peer: &'static str, own: &'static str },
    #[error("an answer without an offer")]
    NoOffer,
    #[error("the answer does not fit the offer: {0}")]
    Unasked(&'static str),
    #[error("encryption is required, {0}")]
    NotEncrypted(&'static str),
    #[error("the offer has nothing but encrypted audio: {0}")]
    Encrypted(String),
}

/// The offers and answers of one leg. One exchange at a time: who uses it keeps to RFC 3264 §4.
#[derive(Clone, Debug)]
pub struct Negotiation {
    id: u64,
    version: u64,
    address: IpAddr,
    port: u16,
    /// What was last said but for the `o=` line.
    last: String,
    /// The last exchange began with an offer of ours.
    offered: bool,
    codec: Option<Codec>,
    /// What may be spoken, the preferred first.
    allowed: Vec<Codec>,
    /// The peer's preferences count for nothing.
    strict: bool,
    security: Security,
}

impl Negotiation {
    /// `id` for the `o=` line; it should differ between legs. `codecs`: see [`Negotiation::limit`].
    pub fn new(id: u64, address: IpAddr, port: u16, codecs: Vec<Codec>, security: Security) -> Self {
        let last = String::new();
        let (allowed, strict) = (Vec::new(), false);
        let (version, offered, codec) = (0, false, None);
        let mut new = Self { id, version, address, port, last, offered, codec, allowed, strict, security };
        new.limit(codecs);
        new
    }

    /// From the next exchange on only these may be spoken, in this order. None: whatever plain RTP carries, as the peer prefers.
    pub fn limit(&mut self, codecs: Vec<Codec>) {
        self.strict = !codecs.is_empty();
        self.allowed = if self.strict { codecs } else { vec![Codec::Pcma, Codec::Pcmu] };
    }

    /// From the next exchange on the voice is encrypted by this rule.
    pub fn secure(&mut self, encryption: Encryption) {
        self.security.set(encryption);
    }

    /// Our offer.
    pub fn offer(&mut self) -> Vec<u8> {
        self.offered = true;
        let mut body = self.head("0 0");
        let (mut formats, mut maps) = (String::new(), String::new());
        for (number, codec) in self.own() {
            let _ = write!(formats, "{number} ");
            let _ = write!(maps, "a=rtpmap:{number} {}/8000\r\n", name(codec));
        }
        let protocol = self.security.protocol();
        let _ = write!(body, "m=audio {} {protocol} {formats}{OWN_DIGITS}\r\n{maps}", self.port);
        self.tail(&mut body, Some(OWN_DIGITS), Way::SendRecv, true);
        body.push_str(&self.security.offer());
        self.sign(body)
    }

    /// Our answer to the peer's offer. After an error everything stays as it was.
    pub fn answer(&mut self, offer: &[u8]) -> Result<(Vec<u8>, Agreed), Incompatible> {
        let offer = Description::parse(offer)?;
        let (chosen, media, choice) = self.choose(&offer)?;
        let mut agreed = self.agree(&offer, media, &[choice], choice)?;
        let mut body = self.head(offer.timing.as_deref().unwrap_or("0 0"));
        for (index, media) in offer.media.iter().enumerate() {
            if index != chosen || media.port == 0 {
                // RFC 3264 §6: refused, with a format of the offer for form's sake.
                let Media { kind, protocol, formats, .. } = media;
                let _ = write!(body, "m={kind} 0 {protocol} {}\r\n", formats[0]);
                continue;
            }
            let (payload_type, codec) = choice;
            let digits = agreed.digits.map(|digits| digits.payload_type);
            let list = digits.map(|digits| format!(" {digits}")).unwrap_or_default();
            let (port, protocol) = (self.port, &media.protocol);
            let _ = write!(body, "m=audio {port} {protocol} {payload_type}{list}\r\n");
            let _ = write!(body, "a=rtpmap:{payload_type} {}/8000\r\n", name(codec));
            let Direction { sends, receives } = agreed.direction;
            let way = match (receives, sends) {
                (true, true) => Way::SendRecv,
                (true, false) => Way::SendOnly,
                (false, true) => Way::RecvOnly,
                (false, false) => Way::Inactive,
            };
            self.tail(&mut body, digits, way, media.rtcp_mux);
            agreed.keying = self.security.answer(media).ok().flatten();
            if let Some(keying) = &agreed.keying {
                body.push_str(&keying.line());
            }
        }
        self.offered = false;
        self.codec = Some(choice.1);
        Ok((self.sign(body), agreed))
    }

    /// The peer's answer to our offer. A further one replaces it: what came with a provisional response was only a preview
    /// (RFC 3261 §13.2.1), and a fork may answer differently.
    pub fn accept(&mut self, answer: &[u8]) -> Result<Agreed, Incompatible> {
        if !self.offered {
            return Err(Incompatible::NoOffer);
        }
        let answer = Description::parse(answer)?;
        let media = match answer.media.as_slice() {
            [media] if media.kind == "audio" => media,
            [] => return Err(Incompatible::NoAudio),
            _ => return Err(Incompatible::Unasked("we offered one audio section")),
        };
        if media.port == 0 {
            return Err(Incompatible::NoAudio);
        }
        let keying = self.security.accept(media)?;
        let mut receive = codecs(media);
        receive.retain(|(_, codec)| self.allowed.contains(codec));
        let choice = *receive.first().ok_or(Incompatible::NoCodec)?;
        for own in self.own() {
            if !receive.iter().any(|(number, _)| *number == own.0) {
                receive.push(own);
            }
        }
        let mut agreed = self.agree(&answer, media, &receive, choice)?;
        if agreed.digits.is_some() && agreed.content(OWN_DIGITS).is_none() {
            agreed.receive.push((OWN_DIGITS, Content::Digits { clock: DIGITS_CLOCK }));
        }
        agreed.keying = keying;
        self.codec = Some(choice.1);
        Ok(agreed)
    }

    /// The section to be accepted, and its codec: the one in use if it is still there, else the first that the peer names.
    fn choose<'a>(&self, offer: &'a Description) -> Result<(usize, &'a Media, (u8, Codec)), Incompatible> {
        let mut audio = Vec::new();
        let mut fault = Incompatible::NoAudio;
        for (index, media) in offer.media.iter().enumerate().filter(|(_, media)| media.kind == "audio") {
            match self.security.answer(media) {
                Ok(keying) => audio.push((index, media, keying.is_none())),
                Err(why) => fault = why,
            }
        }
        // A withdrawn section (port 0) counts only when there is no other one, one in the clear when there is no encrypted one.
        audio.sort_by_key(|(_, media, clear)| (media.port == 0, *clear));
        // Withdrawing the audio of a call is fine, calling without any is not.
        if !audio.iter().any(|(_, media, _)| media.port != 0 || self.codec.is_some()) {
            return Err(fault);
        }
        for (index, media, _) in audio {
            let mut codecs = codecs(media);
            codecs.retain(|(_, codec)| self.allowed.contains(codec));
            if self.strict {
                codecs.sort_by_key(|(_, codec)| self.allowed.iter().position(|own| own == codec));
            }
            let kept = codecs.iter().find(|(_, codec)| Some(*codec) == self.codec).or(codecs.first());
            if let Some(choice) = kept {
                return Ok((index, media, *choice));
            }
        }
        Err(Incompatible::NoCodec)
    }

    /// Our own numbers for what may be spoken.
    fn own(&self) -> Vec<(u8, Codec)> {
        let number = |codec: &Codec| match codec {
            Codec::Pcma => Some((8, Codec::Pcma)),
            Codec::Pcmu => Some((0, Codec::Pcmu)),
            Codec::Opus => None,
        };
        self.allowed.iter().filter_map(number).collect()
    }

    fn agree(
        &self,
        description: &Description,
        media: &Media,
        receive: &[(u8, Codec)],
        (payload_type, codec): (u8, Codec),
    ) -> Result<Agreed, Incompatible> {
        let line = media.line;
        let withdrawn = media.port == 0;
        let connection = media.connection.or(description.connection);
        let address = match connection {
            None if !withdrawn => return Err(Incompatible::NoAddress { line }),
            Some(Connection::Address(address)) if !withdrawn => Some(address),
            Some(Connection::Address(_) | Connection::Nowhere) | None => None,
        };
        if let Some(address) = address.filter(|address| address.is_ipv4() != self.address.is_ipv4()) {
            let family = |address: IpAddr| if address.is_ipv4() { "IPv4" } else { "IPv6" };
            return Err(Incompatible::Family { line, peer: family(address), own: family(self.address) });
        }
        let (sends, receives) = match media.way.or(description.way).unwrap_or_default() {
            Way::SendRecv => (true, true),
            Way::SendOnly => (true, false),
            Way::RecvOnly => (false, true),
            Way::Inactive => (false, false),
        };
        let rtp = address.map(|address| SocketAddr::new(address, media.port));
        let rtcp_port = media.rtcp_port.filter(|port| *port != 0).or(media.port.checked_add(1));
        let rtcp_port = if media.rtcp_mux { Some(media.port) } else { rtcp_port };
        let millis = |millis: u16| Duration::from_millis(millis.into());
        let packet =
            media.packet_time.map_or(PACKET, millis).min(media.longest_packet.map_or(Duration::MAX, millis));
        let digits = digits(media);
        let mut receive: Vec<_> =
            receive.iter().map(|(number, codec)| (*number, Content::Audio(*codec))).collect();
        receive.extend(digits.map(|digits| (digits.payload_type, Content::Digits { clock: digits.clock })));
        Ok(Agreed {
            codec,
            payload_type,
            receive,
            digits,
            packet: if (10..=60).contains(&packet.as_millis()) { packet } else { PACKET },
            direction: Direction { sends: sends && !withdrawn, receives: receives && address.is_some() },
            rtp,
            rtcp: address.zip(rtcp_port).map(|(address, port)| SocketAddr::new(address, port)),
            rtcp_mux: media.rtcp_mux,
            keying: None,
        })
    }

    fn head(&self, timing: &str) -> String {
        format!("s=-\r\nc={}\r\nt={timing}\r\n", self.own_address())
    }

    fn own_address(&self) -> String {
        let family = if self.address.is_ipv4() { "IP4" } else { "IP6" };
        format!("IN {family} {}", self.address)
    }

    fn tail(&self, body: &mut String, digits: Option<u8>, way: Way, mux: bool) {
        if let Some(digits) = digits {
            let _ = write!(body, "a=rtpmap:{digits} telephone-event/8000\r\na=fmtp:{digits} 0-16\r\n");
        }
        let way = match way {
            Way::SendRecv => "sendrecv",
            Way::SendOnly => "sendonly",
            Way::RecvOnly => "recvonly",
            Way::Inactive => "inactive",
        };
        let _ = write!(body, "a=ptime:{}\r\na={way}\r\n", PACKET.as_millis());
        if mux {
            body.push_str("a=rtcp-mux\r\n");
        }
    }

    /// Puts `v=` and `o=` in front; the version counts up whenever something changed (RFC 3264 §8).
    fn sign(&mut self, body: String) -> Vec<u8> {
        if body != self.last {
            self.version += 1;
            self.last = body;
        }
        let (id, version, address) = (self.id, self.version, self.own_address());
        format!("v=0\r\no=- {id} {version} {address}\r\n{}", self.last).into_bytes()
    }
}

/// As plain RTP writes it.
fn name(codec: Codec) -> &'static str {
    match codec {
        Codec::Pcma => "PCMA",
        Codec::Pcmu => "PCMU",
        Codec::Opus => "opus",
    }
}

/// The voice codecs of the section in its writer's order.
fn codecs(media: &Media) -> Vec<(u8, Codec)> {
    let codec = |number: u8| match media.maps.iter().find(|map| map.payload_type == number) {
        Some(map) if map.clock != 8000 || map.channels != 1 => None,
        Some(map) if map.encoding.eq_ignore_ascii_case("PCMU") => Some(Codec::Pcmu),
        Some(map) if map.encoding.eq_ignore_ascii_case("PCMA") => Some(Codec::Pcma),
        Some(_) => None,
        // RFC 3551 §6: these two need no mapping.
        None if number == 0 => Some(Codec::Pcmu),
        None if number == 8 => Some(Codec::Pcma),
        None => None,
    };
    payload_types(media).filter_map(|number| codec(number).map(|codec| (number, codec))).collect()
}

fn digits(media: &Media) -> Option<Digits> {
    let is_digits = |number: &u8| {
        media.maps.iter().any(|map| {
            map.payload_type == *number
                && map.encoding.eq_ignore_ascii_case("telephone-event")
                && map.clock == DIGITS_CLOCK
        })
    };
    let payload_type = payload_types(media).find(is_digits)?;
    Some(Digits { payload_type, clock: DIGITS_CLOCK })
}

fn payload_types(media: &Media) -> impl Iterator<Item = u8> {
    media.formats.iter().filter_map(|format| format.parse().ok()).filter(|number| *number < 128)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn negotiation() -> Negotiation {
        Negotiation::new(77, [198, 51, 100, 1].into(), 20_000, Vec::new(), Security::default())
    }

    fn sdp(media: &str) -> Vec<u8> {
        format!("v=0\r\no=a 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=5 9\r\n{media}")
            .into_bytes()
    }

    fn answer(media: &str) -> (String, Agreed) {
        let (text, agreed) = negotiation().answer(&sdp(media)).unwrap();
        (String::from_utf8(text).unwrap(), agreed)
    }

    const BOTH: Direction = Direction { sends: true, receives: true };

    #[test]
    fn the_first_codec_we_have_and_the_offered_numbers_are_taken() {
        let (text, agreed) = answer(
            "m=audio 4000 RTP/AVP 9 18 98 0 96\r\na=rtpmap:98 pcma/8000/1\r\na=rtpmap:96 telephone-event/8000\r\n",
        );
        assert_eq!((agreed.codec, agreed.payload_type), (Codec::Pcma, 98));
        assert_eq!(agreed.digits, Some(Digits { payload_type: 96, clock: 8000 }));
        assert_eq!(agreed.rtp, Some(([192, 0, 2, 9], 4000).into()));
        assert_eq!(agreed.rtcp, Some(([192, 0, 2, 9], 4001).into()));
        assert_eq!(agreed.direction, BOTH);
        let expected = "v=0\r\no=- 77 1 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=5 9\r\n\
            m=audio 20000 RTP/AVP 98 96\r\na=rtpmap:98 PCMA/8000\r\na=rtpmap:96 telephone-event/8000\r\n\
            a=fmtp:96 0-16\r\na=ptime:20\r\na=sendrecv\r\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn other_sections_are_refused_in_their_places() {
        let (text, _) = answer(
            "m=video 5000 RTP/AVP 99\r\nm=audio 4000 RTP/SAVP 0\r\nm=audio 4002 RTP/AVP 0\r\nm=audio 4004 RTP/AVP 8\r\n",
        );
        let sections: Vec<_> = text.lines().filter(|line| line.starts_with("m=")).collect();
        let expected = [
            "m=video 0 RTP/AVP 99",
            "m=audio 0 RTP/SAVP 0",
            "m=audio 20000 RTP/AVP 0",
            "m=audio 0 RTP/AVP 8",
        ];
        assert_eq!(sections, expected);
    }

    #[test]
    fn hold_is_understood_and_answered_in_every_form() {
        for (line, sends, receives, ours) in [
            ("a=sendonly", true, false, "a=recvonly"),
            ("a=inactive", false, false, "a=inactive"),
            ("a=recvonly", false, true, "a=sendonly"),
            ("c=IN IP4 0.0.0.0", true, false, "a=recvonly"),
        ] {
            let (text, agreed) = answer(&format!("m=audio 4000 RTP/AVP 0\r\n{line}\r\n"));
            assert_eq!(agreed.direction, Direction { sends, receives }, "{line}");
            assert!(text.contains(ours), "{text}");
        }
        let session_level = sdp("a=sendonly\r\nm=audio 4000 RTP/AVP 0\r\n");
        assert!(!negotiation().answer(&session_level).unwrap().1.direction.receives);
    }

    #[test]
    fn the_version_counts_changes_and_the_codec_stays() {
        let mut negotiation = negotiation();
        let mut say = |media: &str| {
            let (text, agreed) = negotiation.answer(&sdp(media)).unwrap();
            let text = String::from_utf8(text).unwrap();
            (text.lines().nth(1).unwrap().to_owned(), agreed.codec)
        };
        let origin = |version: u32| format!("o=- 77 {version} IN IP4 198.51.100.1");
        assert_eq!(say("m=audio 4000 RTP/AVP 0 8\r\n"), (origin(1), Codec::Pcmu));
        assert_eq!(say("m=audio 4000 RTP/AVP 0 8\r\n"), (origin(1), Codec::Pcmu));
        assert_eq!(say("m=audio 4000 RTP/AVP 8 0\r\na=sendonly\r\n"), (origin(2), Codec::Pcmu));
        assert_eq!(say("m=audio 4000 RTP/AVP 8\r\n"), (origin(3), Codec::Pcma));
        assert_eq!(say("m=audio 0 RTP/AVP 8\r\n"), (origin(4), Codec::Pcma));
    }

    #[test]
    fn without_a_common_codec_or_address_there_is_no_answer() {
        let refused = |media: &str| negotiation().answer(&sdp(media)).unwrap_err();
        assert_eq!(refused("m=audio 4000 RTP/AVP 9 18\r\n"), Incompatible::NoCodec);
        assert_eq!(refused("m=audio 4000 RTP/AVP 0\r\na=rtpmap:0 PCMU/16000\r\n"), Incompatible::NoCodec);
        assert_eq!(refused("m=video 4000 RTP/AVP 99\r\n"), Incompatible::NoAudio);
        assert_eq!(refused("m=audio 0 RTP/AVP 0\r\n"), Incompatible::NoAudio);
        assert_eq!(refused(""), Incompatible::NoAudio);
        let ipv6 = "m=audio 4000 RTP/AVP 0\r\nc=IN IP6 2001:db8::1\r\n";
        assert!(matches!(refused(ipv6), Incompatible::Family { line: 6, .. }));
        let nowhere = b"v=0\no=- 1 1 IN IP4 x\nm=audio 4000 RTP/AVP 0\n";
        assert_eq!(negotiation().answer(nowhere), Err(Incompatible::NoAddress { line: 3 }));
    }

    #[test]
    fn an_answer_may_renumber_and_leave_out() {
        let mut negotiation = negotiation();
        let offer = String::from_utf8(negotiation.offer()).unwrap();
        assert!(offer.contains("m=audio 20000 RTP/AVP 8 0 101\r\n"), "{offer}");
        let agreed = negotiation
            .accept(&sdp("m=audio 4000 RTP/AVP 0 96\r\na=rtpmap:96 telephone-event/8000\r\na=ptime:30\r\na=rtcp-mux\r\n"))
            .unwrap();
        assert_eq!((agreed.codec, agreed.packet), (Codec::Pcmu, Duration::from_millis(30)));
        assert_eq!(agreed.digits, Some(Digits { payload_type: 96, clock: 8000 }));
        assert_eq!(agreed.rtcp, agreed.rtp);
        assert_eq!(agreed.content(8), Some(Content::Audio(Codec::Pcma)));
        assert_eq!(agreed.content(96), Some(Content::Digits { clock: 8000 }));
        assert_eq!(agreed.content(101), Some(Content::Digits { clock: 8000 }));
        let again = negotiation.accept(&sdp("m=audio 4000 RTP/AVP 8\r\n")).unwrap();
        assert_eq!(again.codec, Codec::Pcma, "the last answer counts");
        negotiation.answer(&sdp("m=audio 4000 RTP/AVP 0\r\n")).unwrap();
        assert_eq!(negotiation.accept(&sdp("m=audio 4000 RTP/AVP 0\r\n")), Err(Incompatible::NoOffer));
    }

    #[test]
    fn only_what_is_allowed_is_spoken_and_in_that_order() {
        let limited =
            |codecs| Negotiation::new(77, [198, 51, 100, 1].into(), 20_000, codecs, Security::default());
        let ordered = || vec![Codec::Pcmu, Codec::Pcma];
        let offer = String::from_utf8(limited(ordered()).offer()).unwrap();
        assert!(
            offer.contains("RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n"),
            "{offer}"
        );
        let both = sdp("m=audio 4000 RTP/AVP 8 0\r\n");
        assert_eq!(limited(ordered()).answer(&both).unwrap().1.codec, Codec::Pcmu, "our order, not his");
        let mut one = limited(vec![Codec::Pcma]);
        let offer = String::from_utf8(one.offer()).unwrap();
        assert!(offer.contains("m=audio 20000 RTP/AVP 8 101\r\n") && !offer.contains("PCMU"), "{offer}");
        let agreed = one.accept(&sdp("m=audio 4000 RTP/AVP 0 8\r\n")).unwrap();
        assert_eq!((agreed.codec, agreed.content(0)), (Codec::Pcma, None));
        let other = sdp("m=audio 4000 RTP/AVP 0\r\n");
        assert_eq!(limited(vec![Codec::Pcma]).answer(&other), Err(Incompatible::NoCodec));
        one.offer();
        assert_eq!(one.accept(&other), Err(Incompatible::NoCodec));
        one.limit(Vec::new());
        let offer = String::from_utf8(one.offer()).unwrap();
        assert!(offer.contains("o=- 77 2 ") && offer.contains("RTP/AVP 8 0 101\r\n"), "{offer}");
        assert_eq!(one.accept(&other).unwrap().codec, Codec::Pcmu);
    }

    #[test]
    fn an_answer_of_our_own_fits_an_offer_of_our_own() {
        let (mut a, mut b) = (negotiation(), negotiation());
        let (text, agreed) = b.answer(&a.offer()).unwrap();
        let other = a.accept(&text).unwrap();
        assert_eq!((agreed.codec, other.codec), (Codec::Pcma, Codec::Pcma));
        assert!(agreed.rtcp_mux && other.rtcp_mux);
    }

    #[test]
    fn a_foolish_packet_time_is_not_obeyed() {
        for (line, millis) in [("ptime:500", 20), ("ptime:5", 20), ("maxptime:10", 10), ("ptime:60", 60)] {
            let (_, agreed) = answer(&format!("m=audio 4000 RTP/AVP 0\r\na={line}\r\n"));
            assert_eq!(agreed.packet, Duration::from_millis(millis), "{line}");
        }
    }

    proptest! {
        #[test]
        fn no_offer_or_answer_panics(media in "(m=(audio|video) [0-9]{1,5} RTP/AVP( [0-9]{1,3}){1,4}\r\n(a=[a-z]{4,8}:?[0-9]{0,4}( [A-Z]{4}/8000)?\r\n){0,4}){0,4}") {
            let mut negotiation = negotiation();
            let _ = negotiation.answer(&sdp(&media));
            negotiation.offer();
            let _ = negotiation.accept(&sdp(&media));
        }
    }
}
