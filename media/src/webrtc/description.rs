//! The peer's SDP (RFC 8866) cut down to what we use, and our own written around what str0m negotiated.

use std::fmt::Write as _;

use crate::api::Direction;

/// Most of any description that we look at; browsers send 2–5 KB for audio.
const MAX_BYTES: usize = 32 * 1024;
const MAX_SECTIONS: usize = 16;
const MAX_FORMATS: usize = 64;

/// A payload type and what it carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Format {
    pub payload_type: u8,
    pub encoding: Encoding,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Encoding {
    /// RFC 7587; RTP clock 48 kHz.
    Opus,
    /// RTP clock 8 kHz (RFC 3551 §4.5.2).
    G722,
    Pcmu,
    Pcma,
    /// RFC 4733 on a clock of 8000 or 48000 Hz.
    Digits {
        clock: u32,
    },
}

impl Encoding {
    fn from_rtpmap(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "opus/48000/2" => Self::Opus,
            "g722/8000" | "g722/8000/1" => Self::G722,
            "pcmu/8000" | "pcmu/8000/1" => Self::Pcmu,
            "pcma/8000" | "pcma/8000/1" => Self::Pcma,
            "telephone-event/8000" => Self::Digits { clock: 8000 },
            "telephone-event/48000" => Self::Digits { clock: 48000 },
            _ => return None,
        })
    }

    /// RFC 3551 §6: payload types that need no rtpmap.
    fn from_static(payload_type: u8) -> Option<Self> {
        match payload_type {
            0 => Some(Self::Pcmu),
            8 => Some(Self::Pcma),
            9 => Some(Self::G722),
            _ => None,
        }
    }

    fn is_audio(self) -> bool {
        !matches!(self, Self::Digits { .. })
    }

    fn write(self, payload_type: u8, out: &mut String) {
        let (map, parameters) = match self {
            Self::Opus => ("opus/48000/2", Some("minptime=10;useinbandfec=1")),
            Self::G722 => ("G722/8000", None),
            Self::Pcmu => ("PCMU/8000", None),
            Self::Pcma => ("PCMA/8000", None),
            Self::Digits { clock: 48000 } => ("telephone-event/48000", Some("0-16")),
            Self::Digits { .. } => ("telephone-event/8000", Some("0-16")),
        };
        let _ = write!(out, "a=rtpmap:{payload_type} {map}\r\n");
        if let Some(parameters) = parameters {
            let _ = write!(out, "a=fmtp:{payload_type} {parameters}\r\n");
        }
    }
}

#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SdpError {
    #[error("longer than {MAX_BYTES} bytes")]
    TooLong,
    #[error("not UTF-8")]
    NotText,
    #[error("does not start with v=0")]
    NotSdp,
    #[error("more than {MAX_SECTIONS} media sections")]
    TooManySections,
    #[error("malformed line {0:?}")]
    Malformed(String),
    #[error("no audio section over UDP/TLS/RTP/SAVPF")]
    NoAudio,
    #[error("no common codec (we speak Opus, G.722, PCMU and PCMA)")]
    NoCodec,
    #[error("audio without {0}")]
    Missing(&'static str),
}

/// RFC 8842 §5.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Setup {
    ActPass,
    Active,
    Passive,
}

/// What a peer's description says about the one audio stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct PeerDescription {
    pub mid: Option<String>,
    ufrag: String,
    pwd: String,
    fingerprint: String,
    setup: Option<Setup>,
    /// The peer's view.
    pub direction: Direction,
    formats: Vec<Format>,
    /// All its media sections in order; ours is the one at `audio`.
    pub layout: Layout,
}

/// The media sections of the peer, which our answer must mirror (RFC 3264 §6).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Layout {
    pub audio: usize,
    /// `m=` lines by which we refuse the others, at their index; the entry at `audio` is not used.
    refusals: Vec<String>,
}

#[derive(Default)]
struct Section<'a> {
    media: &'a str,
    attributes: Vec<&'a str>,
}

impl PeerDescription {
    pub fn parse(sdp: &[u8]) -> Result<Self, SdpError> {
        if sdp.len() > MAX_BYTES {
            return Err(SdpError::TooLong);
        }
        let text = std::str::from_utf8(sdp).map_err(|_| SdpError::NotText)?;
        let (session, sections) = split(text)?;
        let layout = Layout {
            audio: sections.iter().position(|section| is_ours(section.media)).ok_or(SdpError::NoAudio)?,
            refusals: sections.iter().map(|section| refusal(section.media)).collect::<Result<_, _>>()?,
        };
        let audio = &sections[layout.audio];
        // RFC 8866 §6: an attribute of the section overrides the session's.
        let attribute = |name: &str| value(&audio.attributes, name).or_else(|| value(&session, name));

        if value(&audio.attributes, "rtcp-mux").is_none() {
            return Err(SdpError::Missing("rtcp-mux"));
        }
        let ufrag = attribute("ice-ufrag").ok_or(SdpError::Missing("ice-ufrag"))?;
        let pwd = attribute("ice-pwd").ok_or(SdpError::Missing("ice-pwd"))?;
        if !is_ice(ufrag, 4) || !is_ice(pwd, 22) {
            return Err(SdpError::Malformed("a=ice-ufrag or a=ice-pwd".into()));
        }
        let fingerprint = [&audio.attributes, &session]
            .into_iter()
            .find_map(|attributes| sha256(attributes))
            .ok_or(SdpError::Missing("a sha-256 fingerprint"))?;
        let formats = formats(audio)?;
        if !formats.iter().any(|format| format.encoding.is_audio()) {
            return Err(SdpError::NoCodec);
        }
        Ok(Self {
            mid: value(&audio.attributes, "mid").map(token).transpose()?,
            ufrag: ufrag.into(),
            pwd: pwd.into(),
            fingerprint,
            setup: attribute("setup").map(setup).transpose()?,
            direction: direction(&audio.attributes).or_else(|| direction(&session)).unwrap_or(BOTH),
            formats,
            layout,
        })
    }

    /// The same as a minimal description with the audio section only, under the name `mid`. Candidates are left out: an
    /// ICE-lite agent learns the peer's addresses from its checks (RFC 8445 §7.3.1.3).
    pub fn render(&self, mid: &str, default_setup: Setup) -> String {
        let mut out = String::with_capacity(1024);
        let _ = write!(
            out,
            "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE {mid}\r\nm=audio 9 UDP/TLS/RTP/SAVPF"
        );
        for format in &self.formats {
            let _ = write!(out, " {}", format.payload_type);
        }
        let setup = match self.setup.unwrap_or(default_setup) {
            Setup::ActPass => "actpass",
            Setup::Active => "active",
            Setup::Passive => "passive",
        };
        let direction = match (self.direction.sends, self.direction.receives) {
            (true, true) => "sendrecv",
            (true, false) => "sendonly",
            (false, true) => "recvonly",
            (false, false) => "inactive",
        };
        let _ = write!(
            out,
            "\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:{}\r\na=ice-pwd:{}\r\na=fingerprint:sha-256 {}\r\na=setup:{setup}\r\n\
             a=mid:{mid}\r\na={direction}\r\na=rtcp-mux\r\n",
            self.ufrag, self.pwd, self.fingerprint
        );
        for format in &self.formats {
            format.encoding.write(format.payload_type, &mut out);
        }
        out
    }
}

/// Our description as the peer shall see it: str0m's audio section with the peer's name for it, the refused sections around it,
/// and our own session part. `version` grows with every description of one leg (RFC 3264 §8).
pub(super) fn local(str0m: &str, mid: Option<&str>, layout: &Layout, id: u64, version: u64) -> String {
    let mut out = String::with_capacity(str0m.len() + 256);
    let start = str0m.find("\r\nm=").map_or(str0m.len(), |at| at + 2);
    let own_mid = str0m[start..].lines().find_map(|line| line.strip_prefix("a=mid:")).unwrap_or("0");
    let mid = mid.unwrap_or(own_mid);
    let _ = write!(
        out,
        "v=0\r\no=- {id} {version} IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=ice-lite\r\na=group:BUNDLE {mid}\r\na=msid-semantic: WMS *\r\n"
    );
    for index in 0..layout.refusals.len().max(1) {
        if index != layout.audio {
            out.push_str(&layout.refusals[index]);
            continue;
        }
        for line in str0m[start..].lines() {
            if line.starts_with("a=mid:") {
                let _ = write!(out, "a=mid:{mid}\r\n");
            } else if !line.starts_with("a=rtcp-fb:") {
                // The feedback that str0m names belongs to a header extension that we do not use.
                let _ = write!(out, "{line}\r\n");
            }
        }
    }
    out
}

const BOTH: Direction = Direction { sends: true, receives: true };

fn split(text: &str) -> Result<(Vec<&str>, Vec<Section<'_>>), SdpError> {
    let mut lines = text.lines().map(|line| line.trim_end_matches('\r')).filter(|line| !line.is_empty());
    if lines.next() != Some("v=0") {
        return Err(SdpError::NotSdp);
    }
    let mut session = Vec::new();
    let mut sections: Vec<Section<'_>> = Vec::new();
    for line in lines {
        let Some((kind, rest)) = line.split_once('=').filter(|(kind, _)| kind.len() == 1) else {
            return Err(malformed(line));
        };
        match kind {
            "m" if sections.len() == MAX_SECTIONS => return Err(SdpError::TooManySections),
            "m" => sections.push(Section { media: rest, attributes: Vec::new() }),
            "a" => sections.last_mut().map_or(&mut session, |section| &mut section.attributes).push(rest),
            _ => {}
        }
    }
    Ok((session, sections))
}

/// `audio <port> UDP/TLS/RTP/SAVPF …` with a port other than 0.
fn is_ours(media: &str) -> bool {
    let mut words = media.split(' ');
    words.next() == Some("audio")
        && words.next().is_some_and(|port| port != "0" && port.parse::<u16>().is_ok())
        && words.next().is_some_and(|proto| matches!(proto, "UDP/TLS/RTP/SAVPF" | "RTP/SAVPF"))
}

fn refusal(media: &str) -> Result<String, SdpError> {
    let mut words = media.split(' ');
    let (Some(kind), Some(_), Some(proto), Some(format)) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(malformed(media));
    };
    let proto = proto.split('/').map(token).collect::<Result<Vec<_>, _>>()?.join("/");
    Ok(format!("m={} 0 {proto} {}\r\nc=IN IP4 0.0.0.0\r\n", token(kind)?, token(format)?))
}

fn formats(audio: &Section<'_>) -> Result<Vec<Format>, SdpError> {
    let mut formats: Vec<Format> = Vec::new();
    for word in audio.media.split(' ').skip(3).take(MAX_FORMATS) {
        let payload_type: u8 = word.parse().map_err(|_| malformed(audio.media))?;
        // RFC 5761 §4: 64–95 would be taken for RTCP.
        if payload_type > 127 || (64..96).contains(&payload_type) {
            return Err(malformed(audio.media));
        }
        let mapped = audio
            .attributes
            .iter()
            .filter_map(|attribute| attribute.strip_prefix("rtpmap:")?.split_once(' '))
            .find(|(number, _)| *number == word)
            .map(|(_, name)| Encoding::from_rtpmap(name.trim()));
        let encoding = mapped.unwrap_or_else(|| Encoding::from_static(payload_type));
        let known =
            |format: &Format| format.payload_type == payload_type || Some(format.encoding) == encoding;
        if let Some(encoding) = encoding
            && !formats.iter().any(known)
        {
            formats.push(Format { payload_type, encoding });
        }
    }
    Ok(formats)
}

/// The value of `name:value`, or the empty text of a flag.
fn value<'a>(attributes: &[&'a str], name: &str) -> Option<&'a str> {
    attributes.iter().find_map(|attribute| match attribute.strip_prefix(name)? {
        "" => Some(""),
        rest => rest.strip_prefix(':').map(str::trim),
    })
}

fn direction(attributes: &[&str]) -> Option<Direction> {
    attributes.iter().find_map(|attribute| {
        Some(match *attribute {
            "sendrecv" => BOTH,
            "sendonly" => Direction { sends: true, receives: false },
            "recvonly" => Direction { sends: false, receives: true },
            "inactive" => Direction { sends: false, receives: false },
            _ => return None,
        })
    })
}

fn setup(text: &str) -> Result<Setup, SdpError> {
    match text {
        "actpass" => Ok(Setup::ActPass),
        "active" => Ok(Setup::Active),
        "passive" => Ok(Setup::Passive),
        _ => Err(malformed(text)),
    }
}

/// The sha-256 fingerprint among `attributes`, in upper case (RFC 8122 §5).
fn sha256(attributes: &[&str]) -> Option<String> {
    attributes.iter().find_map(|attribute| {
        let (hash, digest) = attribute.strip_prefix("fingerprint:")?.trim().split_once(' ')?;
        let pairs: Vec<&str> = digest.trim().split(':').collect();
        let hex = |pair: &&str| pair.len() == 2 && pair.bytes().all(|byte| byte.is_ascii_hexdigit());
        (hash.eq_ignore_ascii_case("sha-256") && pairs.len() == 32 && pairs.iter().all(hex))
            .then(|| digest.trim().to_ascii_uppercase())
    })
}

/// RFC 8839 §5.4: ice-char, between `shortest` and 256 of them.
fn is_ice(text: &str, shortest: usize) -> bool {
    (shortest..=256).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
}

/// RFC 8866 §9 token, at most 64 long.
fn token(text: &str) -> Result<String, SdpError> {
    let fine = |byte: u8| byte.is_ascii_graphic() && !b"\"(),/:;<=>?@[\\]".contains(&byte);
    if (1..=64).contains(&text.len()) && text.bytes().all(fine) {
        Ok(text.into())
    } else {
        Err(malformed(text))
    }
}

fn malformed(line: &str) -> SdpError {
    SdpError::Malformed(line.chars().take(80).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHROME: &str = include_str!("fixtures/chromium-offer.sdp");

    fn chrome() -> String {
        CHROME.replace('\n', "\r\n")
    }

    #[test]
    fn a_browser_offer_is_cut_down_to_the_formats_that_we_speak() {
        let peer = PeerDescription::parse(chrome().as_bytes()).unwrap();
        let types: Vec<u8> = peer.formats.iter().map(|format| format.payload_type).collect();
        assert_eq!(types, [111, 9, 0, 8, 110, 126]);
        assert_eq!(peer.direction, BOTH);
        assert_eq!(peer.setup, Some(Setup::ActPass));
    }

    #[test]
    fn what_we_render_parses_to_the_same() {
        let peer = PeerDescription::parse(chrome().as_bytes()).unwrap();
        let again = PeerDescription::parse(peer.render("0", Setup::ActPass).as_bytes()).unwrap();
        assert_eq!(peer, again);
    }

    #[test]
    fn candidates_and_unknown_attributes_do_not_get_through() {
        let offer =
            chrome() + "a=candidate:1 1 udp 2113937151 5f9d.local 50000 typ host\r\na=x-odd:\u{1F980}\r\n";
        let rendered = PeerDescription::parse(offer.as_bytes()).unwrap().render("0", Setup::ActPass);
        assert!(!rendered.contains("candidate") && !rendered.contains("x-odd"));
    }

    #[test]
    fn other_sections_are_refused_in_their_places() {
        let mut offer = chrome();
        offer = offer.replace("m=audio", "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:v\r\nm=audio");
        let peer = PeerDescription::parse(offer.as_bytes()).unwrap();
        let ours = local(
            "v=0\r\nx\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n",
            Some("aud-1"),
            &peer.layout,
            7,
            2,
        );
        let media: Vec<&str> = ours.lines().filter(|line| line.starts_with("m=")).collect();
        assert_eq!(media, ["m=video 0 UDP/TLS/RTP/SAVPF 96", "m=audio 9 UDP/TLS/RTP/SAVPF 111"]);
        assert!(ours.contains("a=group:BUNDLE aud-1\r\n") && ours.contains("a=mid:aud-1\r\n"));
    }

    #[test]
    fn each_missing_part_is_named() {
        for (line, error) in [
            ("a=rtcp-mux", SdpError::Missing("rtcp-mux")),
            ("a=ice-ufrag", SdpError::Missing("ice-ufrag")),
            ("a=ice-pwd", SdpError::Missing("ice-pwd")),
            ("a=fingerprint", SdpError::Missing("a sha-256 fingerprint")),
            ("m=audio", SdpError::NoAudio),
        ] {
            let offer: String =
                chrome().split_inclusive("\r\n").filter(|candidate| !candidate.starts_with(line)).collect();
            assert_eq!(PeerDescription::parse(offer.as_bytes()).unwrap_err(), error, "without {line}");
        }
        let no_codec = chrome().replace("SAVPF 111 63 9 0 8 13 110 126", "SAVPF 3 13 110");
        assert_eq!(PeerDescription::parse(no_codec.as_bytes()).unwrap_err(), SdpError::NoCodec);
    }

    #[test]
    fn every_cut_and_every_flipped_bit_gives_a_value_or_an_error() {
        let offer = chrome().into_bytes();
        for at in 0..offer.len() {
            let _ = PeerDescription::parse(&offer[..at]);
            let mut bent = offer.clone();
            bent[at] ^= 1 << (at % 8);
            if let Ok(peer) = PeerDescription::parse(&bent) {
                assert!(peer.render("0", Setup::ActPass).is_ascii());
            }
        }
    }
}
