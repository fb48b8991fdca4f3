use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use thiserror::Error;

use super::formats::{self, Number};
use super::parse::{Connection, Description, Media, SdpError, Way};
use super::security::{Keying, Security};
use crate::api::{Direction, Encryption};
use crate::codec::{Codec, OpusWishes};

/// What we send in a packet unless the peer wants otherwise, and what we ask for.
const PACKET: Duration = Duration::from_millis(20);
/// The most of it that an Opus packet can hold.
const LONGEST: Duration = Duration::from_millis(120);
/// What is spoken where nothing else is said, the preferred first.
const USUAL: [Codec; 4] = [Codec::Pcma, Codec::Pcmu, Codec::G722, Codec::Opus];

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
    /// Whether the peer understands comfort noise (RFC 3389), by this payload type.
    pub noise: Option<u8>,
    /// What the peer wants of Opus packets.
    pub opus: OpusWishes,
    /// How much sound the peer wants in a packet, and the most that it takes.
    pub packet: Duration,
    pub longest: Duration,
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
    /// RFC 5764 §4.1: RTCP on a port of its own would need a handshake of its own. It does without.
    fn part_reports(&mut self) {
        if matches!(self.keying, Some(Keying::Handshake(_))) && !self.rtcp_mux {
            self.rtcp = None;
        }
    }

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
    /// Comfort noise: nothing is sent until there is sound again.
    Noise,
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
    /// What the other legs of the session speak.
    met: Vec<Codec>,
    /// The payload types of the last exchange.
    known: Vec<Number>,
    security: Security,
}

impl Negotiation {
    /// `id` for the `o=` line; it should differ between legs. `codecs`: see [`Negotiation::limit`].
    pub fn new(id: u64, address: IpAddr, port: u16, codecs: Vec<Codec>, security: Security) -> Self {
        let last = String::new();
        let mut new = Self {
            id,
            version: 0,
            address,
            port,
            last,
            offered: false,
            codec: None,
            allowed: Vec::new(),
            strict: false,
            met: Vec::new(),
            known: Vec::new(),
            security,
        };
        new.limit(codecs);
        new
    }

    /// From the next exchange on only these may be spoken, in this order. None: whatever plain RTP carries and we can decode, as the
    /// peer prefers.
    pub fn limit(&mut self, codecs: Vec<Codec>) {
        self.strict = !codecs.is_empty();
        self.allowed = if self.strict { codecs } else { USUAL.to_vec() };
    }

    /// From the next exchange on the choice is one for a conversation with legs that speak these codecs: what needs no conversion
    /// comes first, and G.729 is spoken with those alone who speak it too.
    pub fn meet(&mut self, codecs: Vec<Codec>) {
        self.met = codecs;
    }

    /// From the next exchange on the voice is encrypted by this rule.
    pub fn secure(&mut self, encryption: Encryption) {
        self.security.set(encryption);
    }

    /// Our offer.
    pub fn offer(&mut self) -> Result<Vec<u8>, Incompatible> {
        let own = formats::own(&self.speakable(), &self.known);
        if !own.iter().any(|(_, content)| matches!(content, Content::Audio(_))) {
            return Err(Incompatible::NoCodec);
        }
        self.offered = true;
        let mut body = self.head("0 0");
        let (mut list, mut maps) = (String::new(), String::new());
        for number in own {
            let _ = write!(list, " {}", number.0);
            formats::write(&mut maps, number);
        }
        let protocol = self.security.protocol();
        let _ = write!(body, "m=audio {} {protocol}{list}\r\n{maps}", self.port);
        self.tail(&mut body, Way::SendRecv, true);
        body.push_str(&self.security.offer());
        Ok(self.sign(body))
    }

    /// Whether the peer may begin with DTLS before its answer is here.
    pub fn has_offered_handshake(&self) -> bool {
        self.offered && self.security.offers_handshake()
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
            let mut numbers = vec![(choice.0, Content::Audio(choice.1))];
            numbers.extend(agreed.noise.map(|number| (number, Content::Noise)));
            let digits =
                agreed.digits.map(|digits| (digits.payload_type, Content::Digits { clock: digits.clock }));
            numbers.extend(digits);
            let (mut list, mut maps) = (String::new(), String::new());
            for number in numbers {
                let _ = write!(list, " {}", number.0);
                formats::write(&mut maps, number);
            }
            let _ = write!(body, "m=audio {} {}{list}\r\n{maps}", self.port, media.protocol);
            let Direction { sends, receives } = agreed.direction;
            let way = match (receives, sends) {
                (true, true) => Way::SendRecv,
                (true, false) => Way::SendOnly,
                (false, true) => Way::RecvOnly,
                (false, false) => Way::Inactive,
            };
            self.tail(&mut body, way, media.rtcp_mux);
            agreed.keying = self.security.answer(media).ok().flatten();
            agreed.part_reports();
            if let Some(keying) = &agreed.keying {
                body.push_str(&self.security.lines(keying));
            }
        }
        self.security.remember(agreed.keying.as_ref());
        self.offered = false;
        self.codec = Some(choice.1);
        self.known = agreed.receive.clone();
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
        let allowed = self.speakable();
        let mut receive = formats::codecs(media);
        receive.retain(|(_, codec)| allowed.contains(codec));
        let choice = *receive.first().ok_or(Incompatible::NoCodec)?;
        let mut agreed = self.agree(&answer, media, &receive, choice)?;
        // RFC 3264 §6.1: it may have numbers of its own; ours hold for what it sends.
        for own in formats::own(&allowed, &self.known) {
            let wanted = match own.1 {
                Content::Audio(_) | Content::Noise => true,
                Content::Digits { .. } => agreed.digits.is_some(),
            };
            if wanted && agreed.content(own.0).is_none_or(|content| content == Content::Noise) {
                agreed.receive.push(own);
            }
        }
        agreed.keying = keying;
        agreed.part_reports();
        self.security.remember(agreed.keying.as_ref());
        self.codec = Some(choice.1);
        self.known = agreed.receive.clone();
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
        let allowed = self.speakable();
        for (index, media, _) in audio {
            let mut codecs = formats::codecs(media);
            codecs.retain(|(_, codec)| allowed.contains(codec));
            if self.strict {
                codecs.sort_by_key(|(_, codec)| allowed.iter().position(|own| own == codec));
            } else {
                // What passes without conversion before what the peer likes best.
                codecs.sort_by_key(|(_, codec)| !self.met.contains(codec));
            }
            let kept = codecs.iter().find(|(_, codec)| Some(*codec) == self.codec).or(codecs.first());
            if let Some(choice) = kept {
                return Ok((index, media, *choice));
            }
        }
        Err(Incompatible::NoCodec)
    }

    /// What may be spoken in this session, the preferred first.
    fn speakable(&self) -> Vec<Codec> {
        if self.met.contains(&Codec::G729) {
            return vec![Codec::G729];
        }
        let mut codecs = self.allowed.clone();
        if !self.met.is_empty() {
            codecs.retain(|codec| *codec != Codec::G729);
        }
        if !self.strict && !self.met.is_empty() {
            let is_wide = |codec: &Codec| codec.rate().is_some_and(|rate| rate > 8000);
            let wide = self.met.iter().any(is_wide);
            // Next to what passes as it is comes what loses nothing.
            codecs.sort_by_key(|codec| (!self.met.contains(codec), is_wide(codec) != wide));
        }
        codecs
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
        let digits = formats::digits(media, codec);
        let is_narrow = matches!(codec, Codec::Pcmu | Codec::Pcma);
        let noise = (is_narrow && formats::has_noise(media)).then_some(formats::NOISE);
        let mut receive: Vec<_> =
            receive.iter().map(|(number, codec)| (*number, Content::Audio(*codec))).collect();
        let events = |digits: &Digits| (digits.payload_type, Content::Digits { clock: digits.clock });
        receive.extend(digits.iter().map(events));
        // Some send it unasked.
        if is_narrow && receive.iter().all(|(number, _)| *number != formats::NOISE) {
            receive.push((formats::NOISE, Content::Noise));
        }
        let longest = media.longest_packet.map_or(LONGEST, millis);
        Ok(Agreed {
            codec,
            payload_type,
            receive,
            digits: digits.first().copied(),
            noise,
            opus: formats::opus_wishes(media, payload_type),
            longest: longest.clamp(Duration::from_millis(10), LONGEST),
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

    fn tail(&self, body: &mut String, way: Way, mux: bool) {
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

#[cfg(test)]
mod tests;
