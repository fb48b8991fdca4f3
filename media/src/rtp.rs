//! RTP headers in place (RFC 3550 §5.1): peeked at and rewritten within the datagram, nothing allocates.

use thiserror::Error;

/// The fixed header, which is all that we ever send.
pub const HEADER: usize = 12;

/// What is needed of a header, and where its payload lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    pub marker: bool,
    pub payload_type: u8,
    pub sequence: u16,
    /// In units of the payload's clock.
    pub timestamp: u32,
    pub ssrc: u32,
    /// The payload is `packet[start..end]`, without CSRCs, extension and padding. `start` is 12 at least.
    pub start: usize,
    pub end: usize,
}

/// Why a datagram is no RTP packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum Malformed {
    #[error("shorter than its header says")]
    Short,
    #[error("the version is not 2")]
    Version,
    #[error("more padding than payload")]
    Padding,
}

impl Header {
    pub fn parse(packet: &[u8]) -> Result<Header, Malformed> {
        let fixed: &[u8; HEADER] = packet.first_chunk().ok_or(Malformed::Short)?;
        if fixed[0] >> 6 != 2 {
            return Err(Malformed::Version);
        }
        let mut start = HEADER + 4 * usize::from(fixed[0] & 0x0f);
        if fixed[0] & 0x10 != 0 {
            let length = packet.get(start + 2..start + 4).ok_or(Malformed::Short)?;
            start += 4 + 4 * usize::from(u16::from_be_bytes([length[0], length[1]]));
        }
        let mut end = packet.len();
        if start > end {
            return Err(Malformed::Short);
        }
        if fixed[0] & 0x20 != 0 {
            let padding = usize::from(packet[end - 1]);
            if padding == 0 || padding > end - start {
                return Err(Malformed::Padding);
            }
            end -= padding;
        }
        Ok(Header {
            marker: fixed[1] & 0x80 != 0,
            payload_type: fixed[1] & 0x7f,
            sequence: u16::from_be_bytes([fixed[2], fixed[3]]),
            timestamp: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
            ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
            start,
            end,
        })
    }
}

/// The header of a packet of ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamp {
    pub marker: bool,
    pub payload_type: u8,
    pub sequence: u16,
    pub timestamp: u32,
    pub ssrc: u32,
}

impl Stamp {
    /// Writes the bare header into the first 12 bytes.
    pub fn write(self, packet: &mut [u8; HEADER]) {
        packet[0] = 0x80;
        packet[1] = u8::from(self.marker) << 7 | self.payload_type & 0x7f;
        packet[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        packet[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        packet[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
    }

    /// Puts the bare header right before the payload of a received packet and returns the new packet: CSRCs, extensions and
    /// padding, about which the two peers agreed nothing, fall away without a byte of payload being moved.
    pub fn rewrite(self, packet: &mut [u8], header: Header) -> &[u8] {
        let from = header.start - HEADER;
        let packet = &mut packet[from..header.end];
        if let Some(fixed) = packet.first_chunk_mut() {
            self.write(fixed);
        }
        packet
    }
}

/// Tells RTCP from RTP on a common port (RFC 5761 §4).
pub fn is_rtcp(packet: &[u8]) -> bool {
    packet.len() >= 8 && packet[0] >> 6 == 2 && (192..=223).contains(&packet[1])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packet(first: u8, rest: &[u8]) -> Vec<u8> {
        let mut packet = vec![first, 0x80 | 8, 0x12, 0x34, 0, 0, 0, 5, 1, 2, 3, 4];
        packet.extend_from_slice(rest);
        packet
    }

    #[test]
    fn a_plain_header_is_read() {
        let header = Header::parse(&packet(0x80, b"abc")).unwrap();
        let expected = Header {
            marker: true,
            payload_type: 8,
            sequence: 0x1234,
            timestamp: 5,
            ssrc: 0x0102_0304,
            start: 12,
            end: 15,
        };
        assert_eq!(header, expected);
    }

    #[test]
    fn contributors_extension_and_padding_are_cut_off_in_place() {
        // One CSRC, an extension of one word, the payload "abc", three bytes of padding.
        let mut bytes = packet(0x80 | 0x20 | 0x10 | 1, b"CSRC\xbe\xde\0\x01extnabc\0\0\x03");
        let header = Header::parse(&bytes).unwrap();
        assert_eq!(&bytes[header.start..header.end], b"abc");
        let stamp = Stamp { marker: false, payload_type: 0, sequence: 7, timestamp: 9, ssrc: 11 };
        let rewritten = stamp.rewrite(&mut bytes, header).to_vec();
        assert_eq!(rewritten.len(), 15);
        let header = Header::parse(&rewritten).unwrap();
        assert_eq!((header.sequence, header.timestamp, header.ssrc, header.payload_type), (7, 9, 11, 0));
        assert_eq!(&rewritten[12..], b"abc");
    }

    #[test]
    fn lies_about_lengths_are_refused() {
        assert_eq!(Header::parse(&packet(0x80, b"")[..11]), Err(Malformed::Short));
        assert_eq!(Header::parse(&packet(0x40, b"x")), Err(Malformed::Version));
        assert_eq!(Header::parse(&packet(0x8f, b"short")), Err(Malformed::Short));
        assert_eq!(Header::parse(&packet(0x90, b"\xbe\xde\xff\xff")), Err(Malformed::Short));
        assert_eq!(Header::parse(&packet(0xa0, b"\x04")), Err(Malformed::Padding));
        assert_eq!(Header::parse(&packet(0xa0, b"\x00")), Err(Malformed::Padding));
        assert_eq!(Header::parse(&packet(0xa0, b"")), Err(Malformed::Padding));
    }

    proptest! {
        #[test]
        fn no_datagram_panics(mut bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = is_rtcp(&bytes);
            if let Ok(header) = Header::parse(&bytes) {
                let stamp = Stamp { marker: true, payload_type: 0, sequence: 1, timestamp: 2, ssrc: 3 };
                let length = header.end - header.start;
                prop_assert_eq!(stamp.rewrite(&mut bytes, header).len(), HEADER + length);
            }
        }
    }
}
