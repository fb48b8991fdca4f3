//! A ladder as a capture file that Wireshark and tshark read: classic pcap, Ethernet, IP, UDP. What came over TCP, TLS or
//! WebSocket is written as datagrams as well, so that every message is seen whole and in the clear.

use std::net::{IpAddr, SocketAddr};

use super::Way;
use super::trace::Noted;

/// Longest payload that a datagram's length field has room for.
const MOST: usize = 65_000;

/// The whole file.
pub fn pcap(messages: &[Noted]) -> Vec<u8> {
    let mut out = Vec::with_capacity(24 + messages.len() * 1_024);
    // Magic of microseconds, version 2.4, no zone, no accuracy, snap length, Ethernet.
    out.extend(0xa1b2_c3d4_u32.to_le_bytes());
    out.extend(2_u16.to_le_bytes());
    out.extend(4_u16.to_le_bytes());
    out.extend([0; 8]);
    out.extend(262_144_u32.to_le_bytes());
    out.extend(1_u32.to_le_bytes());
    for noted in messages {
        let (from, to) = match noted.way {
            Way::In => (noted.hop.remote, noted.hop.local),
            Way::Out => (noted.hop.local, noted.hop.remote),
        };
        let packet = packet(from, to, &noted.bytes[..noted.bytes.len().min(MOST)]);
        let at = u64::try_from(noted.at.as_micros()).unwrap_or(0);
        let word = |n: u64| u32::try_from(n).unwrap_or(u32::MAX).to_le_bytes();
        out.extend(word(at / 1_000_000));
        out.extend(word(at % 1_000_000));
        out.extend(word(packet.len() as u64));
        out.extend(word(packet.len() as u64));
        out.extend(packet);
    }
    out
}

fn packet(from: SocketAddr, to: SocketAddr, payload: &[u8]) -> Vec<u8> {
    // Addresses of our own making, locally administered.
    let mut out = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
    let length = u16::try_from(8 + payload.len()).expect("cut to MOST");
    let mut datagram = Vec::with_capacity(usize::from(length));
    for word in [from.port(), to.port(), length, 0] {
        datagram.extend(word.to_be_bytes());
    }
    datagram.extend(payload);
    match (from.ip().to_canonical(), to.ip().to_canonical()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            out.extend([0x08, 0x00]);
            let mut header = vec![0x45, 0];
            header.extend((20 + length).to_be_bytes());
            // No id, not to be fragmented, TTL 64, UDP, checksum to come.
            header.extend([0, 0, 0x40, 0, 64, 17, 0, 0]);
            header.extend(from.octets());
            header.extend(to.octets());
            let sum = checksum(&[&header]).to_be_bytes();
            header[10..12].copy_from_slice(&sum);
            out.extend(header);
        }
        (from, to) => {
            let [from, to] = [from, to].map(|ip| match ip {
                IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
                IpAddr::V6(v6) => v6.octets(),
            });
            out.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
            out.extend(length.to_be_bytes());
            out.extend([17, 64]);
            out.extend(from);
            out.extend(to);
            // Not optional in IPv6. RFC 8200 §8.1
            let pseudo = [&[0, 0][..], &length.to_be_bytes(), &[0, 0, 0, 17]].concat();
            let sum = match checksum(&[&from, &to, &pseudo, &datagram]) {
                0 => 0xffff,
                sum => sum,
            };
            datagram[6..8].copy_from_slice(&sum.to_be_bytes());
        }
    }
    out.extend(datagram);
    out
}

/// RFC 1071. All parts but the last have an even length.
fn checksum(parts: &[&[u8]]) -> u16 {
    let words = parts.iter().flat_map(|part| part.chunks(2));
    let mut sum: u32 =
        words.map(|w| u32::from(w[0]) << 8 | u32::from(w.get(1).copied().unwrap_or(0))).fold(0, |a, b| {
            let sum = a + b;
            (sum & 0xffff) + (sum >> 16)
        });
    sum = (sum & 0xffff) + (sum >> 16);
    !u16::try_from(sum).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::Timestamp;
    use sip_core::api::Transport;

    use super::super::trace::tests::{hop, invite};
    use super::*;

    fn noted(way: Way, remote: &str, text: &str) -> Noted {
        let hop = sip_core::api::Hop { remote: remote.parse().expect("an address"), ..hop(Transport::Ws) };
        let call_id: Arc<[u8]> = (*b"a").into();
        Noted { at: Timestamp(1_700_000_000_250_000), way, hop, call_id, bytes: text.as_bytes().into() }
    }

    #[test]
    fn packets_have_the_right_lengths_ends_and_checksums() {
        let text = invite("a");
        let file =
            pcap(&[noted(Way::Out, "203.0.113.7:5062", &text), noted(Way::In, "[2001:db8::1]:5062", "odd")]);
        assert_eq!(file[..4], 0xa1b2_c3d4_u32.to_le_bytes());
        let first = &file[24..];
        assert_eq!(first[..8], [1_700_000_000_u32.to_le_bytes(), 250_000_u32.to_le_bytes()].concat());
        let length = 14 + 20 + 8 + text.len();
        assert_eq!(first[8..12], u32::try_from(length).unwrap().to_le_bytes());
        let packet = &first[16..16 + length];
        assert_eq!(checksum(&[&packet[14..34]]), 0, "the header's sum proves it");
        assert_eq!(packet[26..30], [127, 0, 0, 1]);
        assert_eq!(packet[30..34], [203, 0, 113, 7]);
        assert_eq!(packet[42..], *text.as_bytes());
        let second = &first[16 + length + 16..];
        assert_eq!(second.len(), 14 + 40 + 8 + 3);
        let pseudo = [&second[22..54], &[0, 0, 0, 11, 0, 0, 0, 17]].concat();
        assert_eq!(checksum(&[&pseudo, &second[54..]]), 0);
    }
}
