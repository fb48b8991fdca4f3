use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use thiserror::Error;

use super::crypto::{Crypto, Unusable};
use super::fingerprint::{Fingerprint, Setup};

/// Limits on hostile input; real audio descriptions have a dozen formats and three dozen lines.
const MOST_OCTETS: usize = 32 * 1024;
const MOST_LINES: usize = 1000;
const MOST_MEDIA: usize = 16;
const MOST_FORMATS: usize = 64;
const MOST_MAPS: usize = 128;
/// Further `a=crypto` lines of a section are passed over.
const MOST_KEYS: usize = 16;
/// So are further `a=fingerprint` lines.
const MOST_FINGERPRINTS: usize = 8;

/// A description that was read, with what we use of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Description {
    /// For the whole session, where a media section has none of its own.
    pub connection: Option<Connection>,
    pub way: Option<Way>,
    /// The `t=` value, which an answer repeats.
    pub timing: Option<String>,
    pub media: Vec<Media>,
    /// For sections without any.
    fingerprints: Vec<Fingerprint>,
    setup: Option<Setup>,
}

/// Where media is to be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Connection {
    Address(IpAddr),
    /// `0.0.0.0` or `::`: on hold by the rules before RFC 3264.
    Nowhere,
}

/// A direction attribute, as its writer sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Way {
    #[default]
    SendRecv,
    SendOnly,
    RecvOnly,
    Inactive,
}

/// One `m=` section.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Media {
    /// Where it begins, from 1.
    pub line: usize,
    /// `audio`, `video` …
    pub kind: String,
    /// 0 when refused or withdrawn.
    pub port: u16,
    pub protocol: String,
    /// As written: payload type numbers for RTP.
    pub formats: Vec<String>,
    pub connection: Option<Connection>,
    pub way: Option<Way>,
    pub maps: Vec<RtpMap>,
    /// `a=fmtp`: the payload type and what is said about it.
    pub parameters: Vec<(u8, String)>,
    /// Milliseconds in a packet that the writer wants to receive, and the most.
    pub packet_time: Option<u16>,
    pub longest_packet: Option<u16>,
    pub rtcp_mux: bool,
    /// `a=rtcp` (RFC 3605).
    pub rtcp_port: Option<u16>,
    /// `a=crypto` (RFC 4568), the writer's preferred first, and what is wrong with those that we cannot use.
    pub keys: Vec<Result<Crypto, Unusable>>,
    /// `a=fingerprint` (RFC 8122) of the section, else of the session: those whose hash we believe.
    pub fingerprints: Vec<Fingerprint>,
    /// `a=setup` of the section, else of the session.
    pub setup: Option<Setup>,
}

/// `a=rtpmap`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RtpMap {
    pub payload_type: u8,
    pub encoding: String,
    pub clock: u32,
    pub channels: u8,
}

/// What is wrong with a description, and where.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("SDP line {line}: {fault}")]
pub struct SdpError {
    /// From 1; 0 for the whole.
    pub line: usize,
    pub fault: Fault,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum Fault {
    #[error("longer than {MOST_OCTETS} octets")]
    TooLong,
    #[error("more than {MOST_LINES} lines")]
    TooManyLines,
    #[error("more than {MOST_MEDIA} media sections")]
    TooManyMedia,
    #[error("more than {MOST_FORMATS} formats or {MOST_MAPS} mappings in one section")]
    TooManyFormats,
    #[error("not of the form letter=value")]
    NoType,
    #[error("a description begins with v=0")]
    Version,
    #[error("no o= line before the first m= line")]
    NoOrigin,
    #[error("malformed o= line")]
    Origin,
    #[error("malformed c= line")]
    Connection,
    #[error("a host name instead of an address")]
    HostName,
    #[error("a multicast address")]
    Multicast,
    #[error("malformed m= line")]
    Media,
    #[error("malformed a={0} line")]
    Attribute(&'static str),
}

impl Description {
    pub fn parse(octets: &[u8]) -> Result<Description, SdpError> {
        let whole = |fault| SdpError { line: 0, fault };
        if octets.len() > MOST_OCTETS {
            return Err(whole(Fault::TooLong));
        }
        // Free text may be in any encoding; everything that we read is ASCII.
        let text = String::from_utf8_lossy(octets);
        let mut description = Description {
            connection: None,
            way: None,
            timing: None,
            media: Vec::new(),
            fingerprints: Vec::new(),
            setup: None,
        };
        let mut origin = false;
        for (index, line) in text.lines().enumerate() {
            let line_number = index + 1;
            let error = |fault| SdpError { line: line_number, fault };
            if line_number > MOST_LINES {
                return Err(error(Fault::TooManyLines));
            }
            if line.trim_end().is_empty() && index > 0 {
                continue;
            }
            let (kind, value) = split(line).ok_or_else(|| error(Fault::NoType))?;
            if index == 0 && (kind != 'v' || value.trim() != "0") {
                return Err(error(Fault::Version));
            }
            match kind {
                'o' => {
                    // RFC 8866 §5.2: user, id, version, network, address type, address.
                    let well_formed = value.split_ascii_whitespace().count() == 6;
                    origin = well_formed.then_some(true).ok_or_else(|| error(Fault::Origin))?;
                }
                'm' if !origin => return Err(error(Fault::NoOrigin)),
                'm' if description.media.len() == MOST_MEDIA => return Err(error(Fault::TooManyMedia)),
                'm' => description.media.push(Media::parse(line_number, value).map_err(error)?),
                'c' => {
                    let connection = Some(connection(value).map_err(error)?);
                    match description.media.last_mut() {
                        // Of several addresses for one section (RFC 8866 §5.7) the first serves.
                        Some(media) => media.connection = media.connection.or(connection),
                        None => description.connection = connection,
                    }
                }
                't' if description.media.is_empty() && description.timing.is_none() => {
                    let numbers =
                        value.split_ascii_whitespace().filter_map(|number| number.parse::<u64>().ok());
                    description.timing = match *numbers.collect::<Vec<_>>() {
                        [start, stop] => Some(format!("{start} {stop}")),
                        _ => None,
                    };
                }
                'a' => match description.media.last_mut() {
                    Some(media) => media.attribute(value).map_err(error)?,
                    None => description.attribute(value),
                },
                // RFC 8866 §5: what one does not know is passed over.
                _ => {}
            }
        }
        if text.is_empty() {
            return Err(whole(Fault::Version));
        }
        if !origin {
            return Err(whole(Fault::NoOrigin));
        }
        let Description { media, fingerprints, setup, .. } = &mut description;
        for media in media {
            if media.fingerprints.is_empty() {
                media.fingerprints.clone_from(fingerprints);
            }
            media.setup = media.setup.or(*setup);
        }
        Ok(description)
    }

    /// One for the whole session.
    fn attribute(&mut self, attribute: &str) {
        match attribute.split_once(':') {
            Some(("fingerprint", value)) => remember(&mut self.fingerprints, value),
            Some(("setup", value)) => self.setup = Setup::parse(value).or(self.setup),
            _ => self.way = way(attribute).or(self.way),
        }
    }
}

impl Media {
    /// `m=<kind> <port>[/<count>] <protocol> <format> …`
    fn parse(line: usize, value: &str) -> Result<Media, Fault> {
        let mut words = value.split_ascii_whitespace();
        let (kind, port, protocol) =
            (|| Some((words.next()?, words.next()?, words.next()?)))().ok_or(Fault::Media)?;
        let port = port.split('/').next().and_then(|port| port.parse().ok()).ok_or(Fault::Media)?;
        let formats: Vec<_> = words.map(str::to_owned).take(MOST_FORMATS + 1).collect();
        if formats.len() > MOST_FORMATS {
            return Err(Fault::TooManyFormats);
        }
        // RFC 8866 §5.14: one format at least, also in a refused section.
        if formats.is_empty() {
            return Err(Fault::Media);
        }
        Ok(Media {
            line,
            kind: kind.to_owned(),
            port,
            protocol: protocol.to_owned(),
            formats,
            connection: None,
            way: None,
            maps: Vec::new(),
            parameters: Vec::new(),
            packet_time: None,
            longest_packet: None,
            rtcp_mux: false,
            rtcp_port: None,
            keys: Vec::new(),
            fingerprints: Vec::new(),
            setup: None,
        })
    }

    fn attribute(&mut self, attribute: &str) -> Result<(), Fault> {
        let (name, value) = attribute.split_once(':').unwrap_or((attribute, ""));
        let value = value.trim();
        match name.trim_end() {
            "rtpmap" if self.maps.len() == MOST_MAPS => return Err(Fault::TooManyFormats),
            // In sections of other kinds nothing of it concerns us.
            "rtpmap" if self.kind == "audio" => {
                self.maps.push(rtpmap(value).ok_or(Fault::Attribute("rtpmap"))?);
            }
            // Of formats that are no payload types nothing concerns us either.
            "fmtp" if self.kind == "audio" && self.parameters.len() < MOST_MAPS => {
                let (number, said) = value.split_once(char::is_whitespace).unwrap_or((value, ""));
                self.parameters.extend(number.parse().ok().map(|number| (number, said.to_owned())));
            }
            "ptime" => self.packet_time = Some(millis(value).ok_or(Fault::Attribute("ptime"))?),
            "maxptime" => self.longest_packet = Some(millis(value).ok_or(Fault::Attribute("maxptime"))?),
            "rtcp-mux" => self.rtcp_mux = true,
            "rtcp" => {
                let port = value.split_ascii_whitespace().next().and_then(|port| port.parse().ok());
                self.rtcp_port = Some(port.ok_or(Fault::Attribute("rtcp"))?);
            }
            "crypto" if self.keys.len() < MOST_KEYS => self.keys.push(Crypto::parse(value)),
            "fingerprint" => remember(&mut self.fingerprints, value),
            "setup" => self.setup = Setup::parse(value).or(self.setup),
            _ => self.way = way(attribute).or(self.way),
        }
        Ok(())
    }
}

fn remember(fingerprints: &mut Vec<Fingerprint>, value: &str) {
    if fingerprints.len() < MOST_FINGERPRINTS {
        fingerprints.extend(Fingerprint::parse(value));
    }
}

fn split(line: &str) -> Option<(char, &str)> {
    let (kind, value) = line.split_once('=')?;
    let mut kind = kind.chars();
    let letter = kind.next().filter(char::is_ascii_lowercase)?;
    kind.next().is_none().then_some((letter, value))
}

/// `IN IP4 192.0.2.1`, `IN IP6 2001:db8::1`.
fn connection(value: &str) -> Result<Connection, Fault> {
    let words: Vec<_> = value.split_ascii_whitespace().collect();
    let &[network, kind, address] = words.as_slice() else { return Err(Fault::Connection) };
    if !network.eq_ignore_ascii_case("IN") {
        return Err(Fault::Connection);
    }
    // A `/` brings the scope of a multicast address.
    let address = address.split('/').next().unwrap_or_default();
    let name = |_| {
        if address.starts_with(|c: char| c.is_ascii_alphabetic()) {
            Fault::HostName
        } else {
            Fault::Connection
        }
    };
    let address = match kind.to_ascii_uppercase().as_str() {
        "IP4" => IpAddr::V4(address.parse::<Ipv4Addr>().map_err(name)?),
        "IP6" => IpAddr::V6(address.parse::<Ipv6Addr>().map_err(name)?),
        _ => return Err(Fault::Connection),
    };
    if address.is_multicast() {
        return Err(Fault::Multicast);
    }
    Ok(if address.is_unspecified() {
        Connection::Nowhere
    } else {
        Connection::Address(address.to_canonical())
    })
}

fn way(attribute: &str) -> Option<Way> {
    match attribute.trim() {
        "sendrecv" => Some(Way::SendRecv),
        "sendonly" => Some(Way::SendOnly),
        "recvonly" => Some(Way::RecvOnly),
        "inactive" => Some(Way::Inactive),
        _ => None,
    }
}

/// `<payload type> <encoding>/<clock>[/<channels>]`
fn rtpmap(value: &str) -> Option<RtpMap> {
    let (payload_type, map) = value.split_once(|c: char| c.is_ascii_whitespace())?;
    let payload_type = payload_type.parse().ok().filter(|number| *number < 128)?;
    let mut parts = map.trim().split('/');
    let encoding = parts.next().filter(|name| !name.is_empty())?.to_owned();
    let clock = parts.next()?.parse().ok().filter(|clock| *clock > 0)?;
    let channels = parts.next().map_or(Some(1), |channels| channels.parse().ok())?;
    Some(RtpMap { payload_type, encoding, clock, channels })
}

/// Some peers write fractions, such as `ptime:20.0`.
fn millis(value: &str) -> Option<u16> {
    value.split('.').next()?.parse().ok().filter(|millis| *millis > 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PHONE: &str = "v=0\r\no=alice 1 1 IN IP4 192.0.2.9\r\ns=caf\u{e9}\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n\
        m=audio 4000 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n\
        a=fmtp:101 0-16\r\na=ptime:30\r\na=sendonly\r\na=rtcp:4007\r\na=rtcp-mux\r\n";

    fn fault(text: &str) -> (usize, Fault) {
        let error = Description::parse(text.as_bytes()).unwrap_err();
        (error.line, error.fault)
    }

    #[test]
    fn a_phones_description_is_read() {
        let description = Description::parse(PHONE.as_bytes()).unwrap();
        assert_eq!(description.connection, Some(Connection::Address([192, 0, 2, 9].into())));
        assert_eq!(description.timing.as_deref(), Some("0 0"));
        let [media] = description.media.as_slice() else { panic!("one section") };
        assert_eq!((media.port, media.formats.len(), media.packet_time), (4000, 3, Some(30)));
        assert_eq!((media.way, media.rtcp_port, media.rtcp_mux), (Some(Way::SendOnly), Some(4007), true));
        assert_eq!(media.maps[1].encoding, "telephone-event");
    }

    #[test]
    fn bare_line_feeds_and_free_text_in_latin_1_are_taken() {
        let octets: Vec<u8> = PHONE.replace("\r\n", "\n").chars().map(|c| c as u8).collect();
        assert_eq!(Description::parse(&octets).unwrap().media.len(), 1);
    }

    #[test]
    fn faults_name_their_line() {
        assert_eq!(fault(""), (0, Fault::Version));
        assert_eq!(fault("v=1\r\n"), (1, Fault::Version));
        assert_eq!(fault("v=0\r\nm=audio 1 RTP/AVP 0\r\n"), (2, Fault::NoOrigin));
        assert_eq!(fault("v=0\r\n"), (0, Fault::NoOrigin));
        assert_eq!(fault("v=0\r\no=- 1 1 IN IP4\r\n"), (2, Fault::Origin));
        assert_eq!(fault(&PHONE.replace("c=IN IP4 192.0.2.9", "c=IN IP4 pbx.example")), (4, Fault::HostName));
        assert_eq!(fault(&PHONE.replace("c=IN IP4 192.0.2.9", "c=IN IP4 1.2.3")), (4, Fault::Connection));
        assert_eq!(
            fault(&PHONE.replace("c=IN IP4 192.0.2.9", "c=IN IP4 224.0.0.1/9")),
            (4, Fault::Multicast)
        );
        assert_eq!(fault(&PHONE.replace("audio 4000", "audio 70000")), (6, Fault::Media));
        assert_eq!(fault(&PHONE.replace("PCMU/8000", "PCMU")), (7, Fault::Attribute("rtpmap")));
        assert_eq!(fault(&PHONE.replace("ptime:30", "ptime:x")), (10, Fault::Attribute("ptime")));
        assert_eq!(fault(&PHONE.replace("a=sendonly", "whatever")), (11, Fault::NoType));
        assert_eq!(fault(&format!("{PHONE}{}", "x".repeat(40_000))), (0, Fault::TooLong));
        assert_eq!(fault(&format!("{PHONE}{}", "a=x\n".repeat(2000))).1, Fault::TooManyLines);
        assert_eq!(fault(&format!("{PHONE}{}", "m=text 0 x 0\n".repeat(16))).1, Fault::TooManyMedia);
        assert_eq!(fault(&PHONE.replace("0 8 101", &"9 ".repeat(99))).1, Fault::TooManyFormats);
    }

    #[test]
    fn old_and_new_ways_to_hold_are_told() {
        let held = Description::parse(PHONE.replace("192.0.2.9", "0.0.0.0").as_bytes()).unwrap();
        assert_eq!(held.connection, Some(Connection::Nowhere));
    }

    proptest! {
        #[test]
        fn no_octets_panic(octets in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = Description::parse(&octets);
        }

        #[test]
        fn no_mutation_of_a_real_description_panics(
            changes in proptest::collection::vec((0usize..PHONE.len(), any::<u8>()), 1..12),
            cut in 0usize..PHONE.len()
        ) {
            let mut octets = PHONE.as_bytes().to_vec();
            for (at, octet) in changes {
                octets[at % PHONE.len()] = octet;
            }
            let _ = Description::parse(&octets);
            let _ = Description::parse(&octets[..cut]);
        }
    }
}
