//! What holds for any bytes that are taken for a session description, or for datagrams at the ports of a call. The replay of the corpus and the fuzz target share it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use media::api::{Channel, Command, LegKind};
use media::core::{Core, CoreConfig, LocalPorts, Output, Secret, Sink, SocketKey};
use media::library::Library;
use media::play::{MusicStart, RingTone};
use media::rtp::{self, Header};
use media::sdp::{Description, Negotiation, Security};
use model::{Instant, LegId, Now, RecordingId, SessionId, Timestamp};
use uuid::Uuid;

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
    let _ = offering.offer();
    let _ = offering.accept(bytes);
}

/// What each of two phones speaks; between them everything is decoded and made anew.
const SPOKEN: [(&str, &str); 4] = [
    ("0 13 101", "a=rtpmap:101 telephone-event/8000\r\n"),
    ("9 101", "a=rtpmap:101 telephone-event/8000\r\na=ptime:30\r\n"),
    ("111 110", "a=rtpmap:111 opus/48000/2\r\na=rtpmap:110 telephone-event/48000\r\n"),
    ("8", ""),
];

#[derive(Default)]
struct Out;

impl Sink for Out {
    fn send(&mut self, _: SocketKey, _: SocketAddr, packet: &[u8]) {
        assert!(packet.len() >= 8 && packet.len() <= 1500, "we send whole packets");
        assert!(rtp::is_rtcp(packet) || Header::parse(packet).is_ok(), "that others can read");
    }
}

/// The bytes are a row of datagrams for the ports of a recorded call of two phones: for each an octet that says which port and how
/// long to wait before, one with its length, and its octets. Nothing panics, all that is sent can be read, and the recording is as
/// long as the call.
pub fn packets(bytes: &[u8]) {
    let Some((&choice, mut rest)) = bytes.split_first() else { return };
    let _ = media::rtcp::parse(rest, |_| {});
    let config = CoreConfig {
        address: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
        webrtc: Vec::new(),
        base: std::time::Instant::now(),
        ringback: RingTone::EUROPE,
        music: MusicStart::Each,
        seed: 1,
        secret: Secret([1; 32]),
    };
    let mut core = Core::new(config, Arc::new(Library::default()));
    let start = Now::new(Instant::from_micros(5_000_000), Timestamp::from_micros(1_800_000_000_000_000));
    let (session, recording) = (SessionId(Uuid::from_u128(1)), RecordingId(Uuid::from_u128(2)));
    let leg = |number: u16| LegId(Uuid::from_u128(u128::from(number) + 10));
    let address = |number: u16| SocketAddr::from(([192, 0, 2, 9], 4000 + 10 * number));
    for number in 0..2u16 {
        let (formats, maps) = SPOKEN[usize::from(choice >> (2 * number) & 3)];
        let sdp = format!(
            "v=0\r\no=- 1 1 IN IP4 x\r\nc=IN IP4 192.0.2.9\r\nm=audio {} RTP/AVP {formats}\r\n{maps}a=rtcp-mux\r\n",
            address(number).port()
        );
        let key = u32::from(number) + 1;
        let ports = LocalPorts { rtp: SocketKey(key), port: 20_000 + 2 * number, rtcp: None };
        let open = Command::Open {
            leg: leg(number),
            session,
            channel: if number == 0 { Channel::Customer } else { Channel::Agent },
            kind: LegKind::Rtp { nat: false, encryption: Default::default() },
            offer: Some(sdp.into_bytes().into()),
            codecs: Vec::new(),
        };
        core.handle_command(start, open, Some(ports), &mut Out);
    }
    let connect = Command::Connect { a: leg(0), b: leg(1) };
    core.handle_command(start, connect, None, &mut Out);
    let record = Command::StartRecording { session, recording, file: PathBuf::from("a.wav"), channels: 2 };
    core.handle_command(start, record, None, &mut Out);
    let (mut millis, mut samples) = (0u64, 0);
    let mut drain = |core: &mut Core| {
        while let Some(output) = core.poll_output() {
            if let Output::WriteRecording { samples: written, .. } = output {
                samples += written.len() as u64;
            }
        }
    };
    while let [how, length, after @ ..] = rest {
        let length = usize::from(*length).min(after.len());
        let (datagram, next) = after.split_at(length);
        rest = next;
        for _ in 0..u64::from(how >> 1) * 2 {
            millis += 1;
            if millis.is_multiple_of(20) {
                core.handle_tick(start.after(Duration::from_millis(millis)), &mut Out);
            }
        }
        let number = u16::from(how & 1);
        let mut datagram = datagram.to_vec();
        let now = start.after(Duration::from_millis(millis));
        core.handle_packet(now, SocketKey(u32::from(number) + 1), address(number), &mut datagram, &mut Out);
        drain(&mut core);
    }
    let now = start.after(Duration::from_millis(millis));
    core.handle_command(now, Command::StopRecording { session }, None, &mut Out);
    drain(&mut core);
    let channels = 2 * u64::from(media::core::RECORDING_RATE);
    assert_eq!(samples, millis * channels / 1000, "the recording is as long as the call");
}
