//! Packets for SIPp to play: a caller's voice and the key that he presses, in one RTP stream as a phone sends it.

use std::fs;
use std::path::Path;

use media::codec::g711::encode_mu;

const PCMU: u8 = 0;
const TELEPHONE_EVENT: u8 = 101;
/// Samples of 20 ms.
const FRAME: u32 = 160;
const SSRC: u32 = 0x7a9d_e301;

/// Writes a capture of a PCMU tone, `seconds` long, with one key pressed for 160 ms after `press_at` seconds (RFC 4733).
pub fn write_capture(file: &Path, hertz: f64, seconds: u32, key: u8, press_at: u32) {
    let mut capture = Vec::new();
    // libpcap's header: magic, version 2.4, zone, precision, longest packet, Ethernet.
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 1] {
        capture.extend(word.to_le_bytes());
    }
    let press = press_at * 50..press_at * 50 + 8;
    for nth in 0..seconds * 50 {
        let payload = if press.contains(&nth) {
            let held = (nth - press.start + 1) * FRAME;
            event(key, held, nth + 1 == press.end)
        } else {
            (nth * FRAME..(nth + 1) * FRAME).map(|at| sample(hertz, at)).collect()
        };
        let (kind, time) =
            if press.contains(&nth) { (TELEPHONE_EVENT, press.start * FRAME) } else { (PCMU, nth * FRAME) };
        let marker = nth == 0 || nth == press.start;
        // The end of an event is said three times. RFC 4733 §2.5.1.4
        let times = if nth + 1 == press.end { 3 } else { 1 };
        for again in 0..times {
            let sequence = nth as u16 + if nth >= press.end { 2 } else { again };
            let mut packet = vec![0x80, kind | u8::from(marker) << 7];
            packet.extend(sequence.to_be_bytes());
            packet.extend(time.to_be_bytes());
            packet.extend(SSRC.to_be_bytes());
            packet.extend(&payload);
            record(&mut capture, nth * 20, &packet);
        }
    }
    fs::write(file, capture).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
}

/// Writes bare PCMU of a tone, for SIPp's `rtp_stream`.
pub fn write_speech(file: &Path, hertz: f64, seconds: u32) {
    let samples: Vec<u8> = (0..seconds * 8_000).map(|at| sample(hertz, at)).collect();
    fs::write(file, samples).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
}

fn sample(hertz: f64, at: u32) -> u8 {
    let angle = std::f64::consts::TAU * hertz * f64::from(at) / 8_000.0;
    encode_mu((8_000.0 * angle.sin()) as i16)
}

/// RFC 4733 §2.3
fn event(key: u8, duration: u32, end: bool) -> Vec<u8> {
    let [high, low] = u16::try_from(duration).expect("a short press").to_be_bytes();
    vec![key, u8::from(end) << 7 | 10, high, low]
}

/// One UDP packet over IPv4 and Ethernet; SIPp writes its own addresses and ports into it.
fn record(capture: &mut Vec<u8>, millis: u32, payload: &[u8]) {
    let udp = 8 + payload.len();
    let ip = 20 + udp;
    let mut packet = vec![0; 12];
    packet.extend([0x08, 0x00, 0x45, 0]);
    packet.extend((ip as u16).to_be_bytes());
    packet.extend([0, 0, 0, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1]);
    for word in [6_000, 6_000, udp as u16, 0] {
        packet.extend(word.to_be_bytes());
    }
    packet.extend(payload);
    let length = packet.len() as u32;
    for word in [millis / 1000, millis % 1000 * 1000, length, length] {
        capture.extend(word.to_le_bytes());
    }
    capture.extend(packet);
}
