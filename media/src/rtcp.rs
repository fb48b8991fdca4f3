//! RTCP: sender and receiver reports, CNAME and BYE (RFC 3550 §6), compound packets only.

use thiserror::Error;

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const DESCRIPTION: u8 = 202;
const GOODBYE: u8 = 203;
/// Enough for a report with one block, a CNAME of up to 32 bytes and a BYE.
pub const MOST_OCTETS: usize = 128;

/// One report block: how somebody receives the stream `ssrc`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Report {
    pub ssrc: u32,
    /// 256ths lost since the last report.
    pub fraction_lost: u8,
    /// Since the beginning; negative when packets came twice.
    pub lost: i32,
    pub highest: u32,
    /// In timestamp units.
    pub jitter: u32,
    /// Middle 32 bits of the NTP time in the last sender report, 0 without one.
    pub last_sender_report: u32,
    /// In 65,536ths of a second.
    pub delay_since: u32,
}

/// What a sender says about its own stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SenderInfo {
    pub ntp: u64,
    pub timestamp: u32,
    pub packets: u32,
    pub octets: u32,
}

/// One piece of a compound packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Item {
    Sender { ssrc: u32, info: SenderInfo },
    Report { by: u32, report: Report },
    Bye { ssrc: u32 },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum Malformed {
    #[error("shorter than its header says")]
    Short,
    #[error("the version is not 2")]
    Version,
    #[error("the first packet is neither a sender nor a receiver report")]
    First,
}

/// Reads a compound packet. Kinds that we do not use are passed over; a malformed piece ends the reading with an error, and
/// what was handed on before stands.
pub fn parse(datagram: &[u8], mut item: impl FnMut(Item)) -> Result<(), Malformed> {
    let mut rest = datagram;
    let mut first = true;
    while !rest.is_empty() {
        let head: &[u8; 4] = rest.first_chunk().ok_or(Malformed::Short)?;
        if head[0] >> 6 != 2 {
            return Err(Malformed::Version);
        }
        let (count, kind) = (usize::from(head[0] & 0x1f), head[1]);
        // RFC 3550 §6.1; reduced-size packets (RFC 5506) were not agreed on.
        if first && kind != SENDER_REPORT && kind != RECEIVER_REPORT {
            return Err(Malformed::First);
        }
        first = false;
        let length = 4 + 4 * usize::from(u16::from_be_bytes([head[2], head[3]]));
        let packet = rest.get(4..length).ok_or(Malformed::Short)?;
        rest = &rest[length..];
        match kind {
            SENDER_REPORT => {
                let ssrc = word(packet, 0)?;
                let info = SenderInfo {
                    ntp: u64::from(word(packet, 4)?) << 32 | u64::from(word(packet, 8)?),
                    timestamp: word(packet, 12)?,
                    packets: word(packet, 16)?,
                    octets: word(packet, 20)?,
                };
                item(Item::Sender { ssrc, info });
                reports(packet, 24, count, ssrc, &mut item)?;
            }
            RECEIVER_REPORT => reports(packet, 4, count, word(packet, 0)?, &mut item)?,
            GOODBYE => {
                for index in 0..count {
                    item(Item::Bye { ssrc: word(packet, 4 * index)? });
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Writes a compound packet: a sender report if `info` is given, else a receiver report; the CNAME; a BYE at the end.
/// Returns its length.
pub fn write(
    buffer: &mut [u8; MOST_OCTETS],
    ssrc: u32,
    info: Option<SenderInfo>,
    report: Option<Report>,
    cname: &str,
    bye: bool,
) -> usize {
    let mut out = Writer { buffer, length: 0 };
    let kind = if info.is_some() { SENDER_REPORT } else { RECEIVER_REPORT };
    let start = out.begin(u8::from(report.is_some()), kind);
    out.put(&ssrc.to_be_bytes());
    if let Some(info) = info {
        out.put(&info.ntp.to_be_bytes());
        out.put(&info.timestamp.to_be_bytes());
        out.put(&info.packets.to_be_bytes());
        out.put(&info.octets.to_be_bytes());
    }
    if let Some(report) = report {
        out.put(&report.ssrc.to_be_bytes());
        out.put(&[report.fraction_lost]);
        out.put(&report.lost.to_be_bytes()[1..]);
        out.put(&report.highest.to_be_bytes());
        out.put(&report.jitter.to_be_bytes());
        out.put(&report.last_sender_report.to_be_bytes());
        out.put(&report.delay_since.to_be_bytes());
    }
    out.end(start);
    let start = out.begin(1, DESCRIPTION);
    let cname = &cname.as_bytes()[..cname.len().min(32)];
    out.put(&ssrc.to_be_bytes());
    out.put(&[1, cname.len() as u8]);
    out.put(cname);
    // RFC 3550 §6.5: the list ends with a null octet and fills its word.
    out.put(&[0]);
    while !out.length.is_multiple_of(4) {
        out.put(&[0]);
    }
    out.end(start);
    if bye {
        let start = out.begin(1, GOODBYE);
        out.put(&ssrc.to_be_bytes());
        out.end(start);
    }
    out.length
}

struct Writer<'a> {
    buffer: &'a mut [u8; MOST_OCTETS],
    length: usize,
}

impl Writer<'_> {
    fn put(&mut self, bytes: &[u8]) {
        self.buffer[self.length..self.length + bytes.len()].copy_from_slice(bytes);
        self.length += bytes.len();
    }

    fn begin(&mut self, count: u8, kind: u8) -> usize {
        self.put(&[0x80 | count, kind, 0, 0]);
        self.length - 4
    }

    fn end(&mut self, start: usize) {
        let words = ((self.length - start) / 4 - 1) as u16;
        self.buffer[start + 2..start + 4].copy_from_slice(&words.to_be_bytes());
    }
}

fn reports(
    packet: &[u8],
    offset: usize,
    count: usize,
    by: u32,
    item: &mut impl FnMut(Item),
) -> Result<(), Malformed> {
    for index in 0..count {
        let at = offset + 24 * index;
        let lost = word(packet, at + 4)?;
        let report = Report {
            ssrc: word(packet, at)?,
            fraction_lost: (lost >> 24) as u8,
            // 24 bits, signed.
            lost: (lost << 8) as i32 >> 8,
            highest: word(packet, at + 8)?,
            jitter: word(packet, at + 12)?,
            last_sender_report: word(packet, at + 16)?,
            delay_since: word(packet, at + 20)?,
        };
        item(Item::Report { by, report });
    }
    Ok(())
}

fn word(packet: &[u8], at: usize) -> Result<u32, Malformed> {
    let bytes = packet.get(at..).and_then(|rest| rest.first_chunk()).ok_or(Malformed::Short)?;
    Ok(u32::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn items(datagram: &[u8]) -> Result<Vec<Item>, Malformed> {
        let mut items = Vec::new();
        parse(datagram, |item| items.push(item)).map(|()| items)
    }

    #[test]
    fn what_is_written_is_read() {
        let info = SenderInfo { ntp: 0x0102_0304_0506_0708, timestamp: 9, packets: 10, octets: 11 };
        let report = Report {
            ssrc: 1,
            fraction_lost: 2,
            lost: -3,
            highest: 4,
            jitter: 5,
            last_sender_report: 6,
            delay_since: 7,
        };
        let mut buffer = [0; MOST_OCTETS];
        let length = write(&mut buffer, 42, Some(info), Some(report), "tandem", true);
        let expected =
            [Item::Sender { ssrc: 42, info }, Item::Report { by: 42, report }, Item::Bye { ssrc: 42 }];
        assert_eq!(items(&buffer[..length]).unwrap(), expected);
        assert!(crate::rtp::is_rtcp(&buffer[..length]));
        let length = write(&mut buffer, 42, None, None, &"x".repeat(99), false);
        assert_eq!(items(&buffer[..length]).unwrap(), []);
    }

    #[test]
    fn lies_about_lengths_are_refused() {
        assert_eq!(items(&[0x80, 201, 0, 9, 0, 0, 0, 1]), Err(Malformed::Short));
        assert_eq!(items(&[0x81, 201, 0, 1, 0, 0, 0, 1]), Err(Malformed::Short));
        assert_eq!(items(&[0x40, 201, 0, 1, 0, 0, 0, 1]), Err(Malformed::Version));
        assert_eq!(items(&[0x81, 203, 0, 1, 0, 0, 0, 1]), Err(Malformed::First));
        assert_eq!(items(&[0x80, 201, 0, 0]), Err(Malformed::Short));
    }

    proptest! {
        #[test]
        fn no_datagram_panics(kind in 198u8..206, rest in proptest::collection::vec(any::<u8>(), 0..120)) {
            let mut datagram = vec![0x81, kind, 0, rest.len() as u8 / 4];
            datagram.extend_from_slice(&rest);
            let _ = items(&datagram);
            let _ = items(&rest);
        }
    }
}
