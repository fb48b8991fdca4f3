//! A browser made of str0m, that sends a tone in Opus and keeps what it hears.

use std::net::SocketAddr;
use std::time::Duration;

use media::codec::{Codec, Encoder};
use media::tone;
use model::Instant;
use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::format::{Codec as Format, FormatParams};
use str0m::media::{Direction, Frequency, MediaKind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::rtp::RtpWrite;
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};

use crate::world::{PEAK, SERVER, decoded};

/// Payload types of str0m's Opus and of the events that we add.
const OPUS: u8 = 111;
pub const EVENTS: u8 = 110;

pub struct Heard {
    pub at: u64,
    pub payload_type: u8,
    pub sequence: u16,
    pub timestamp: u32,
    pub payload: Vec<u8>,
}

pub struct Browser {
    rtc: Rtc,
    base: std::time::Instant,
    pub address: SocketAddr,
    mid: Option<Mid>,
    pending: Option<SdpPendingOffer>,
    wake: std::time::Instant,
    pub connected: bool,
    pub hertz: Option<f64>,
    sequence: u64,
    encoder: Encoder,
    pub heard: Vec<Heard>,
}

impl Browser {
    pub fn new(base: std::time::Instant, now: Instant, port: u16, hertz: f64) -> Self {
        let start = base + Duration::from_micros(now.as_micros());
        let mut config = RtcConfig::new().set_rtp_mode(true).clear_codecs().enable_opus(true, false);
        let events = FormatParams::parse_line("0-16");
        let digits = Frequency::FORTY_EIGHT_KHZ;
        config.codec_config().add_config(EVENTS.into(), None, Format::Tele, digits, None, events);
        let mut rtc = config.build(start);
        let address = SocketAddr::from(([203, 0, 113, 5], port));
        rtc.add_local_candidate(Candidate::host(address, Protocol::Udp).unwrap());
        Self {
            rtc,
            base,
            address,
            mid: None,
            pending: None,
            wake: start,
            connected: false,
            hertz: Some(hertz),
            sequence: 1000,
            encoder: Encoder::new(Codec::Opus, 16_000, Duration::from_millis(20)),
            heard: Vec::new(),
        }
    }

    pub fn offer(&mut self, direction: Direction) -> Vec<u8> {
        let mut changes = self.rtc.sdp_api();
        match self.mid {
            None => self.mid = Some(changes.add_media(MediaKind::Audio, direction, None, None, None)),
            Some(mid) => changes.set_direction(mid, direction),
        }
        let (offer, pending) = changes.apply().unwrap();
        self.pending = Some(pending);
        offer.to_sdp_string().into_bytes()
    }

    pub fn take_answer(&mut self, answer: &[u8]) {
        let answer = SdpAnswer::from_sdp_string(std::str::from_utf8(answer).unwrap()).unwrap();
        self.rtc.sdp_api().accept_answer(self.pending.take().unwrap(), answer).unwrap();
    }

    pub fn take(&mut self, now: Instant, elapsed: u64, bytes: &[u8]) -> Vec<Vec<u8>> {
        let server: SocketAddr = SERVER.parse().unwrap();
        if let Ok(receive) = Receive::new(Protocol::Udp, server, self.address, bytes) {
            self.rtc.handle_input(Input::Receive(self.std(now), receive)).unwrap();
        }
        self.drain(elapsed)
    }

    /// Time passed; every 20 ms there is something to say.
    pub fn step(&mut self, now: Instant, elapsed: u64) -> Vec<Vec<u8>> {
        let std = self.std(now);
        if let Some(hertz) = self.hertz.filter(|_| self.connected && elapsed.is_multiple_of(20)) {
            let samples = tone::sine(hertz, 16_000, PEAK, elapsed as usize * 16, 320);
            let mut payload = Vec::new();
            self.encoder.push(elapsed as u32 * 48, &samples, |_, octets| payload = octets.to_vec());
            self.send(std, OPUS, elapsed as u32 * 48, &payload);
        }
        if self.wake <= std || self.connected {
            self.rtc.handle_input(Input::Timeout(std)).unwrap();
        }
        self.drain(elapsed)
    }

    pub fn send(&mut self, std: std::time::Instant, payload_type: u8, timestamp: u32, payload: &[u8]) {
        self.sequence += 1;
        let mut api = self.rtc.direct_api();
        let stream = api.stream_tx_by_mid(self.mid.unwrap(), None).unwrap();
        stream.write_rtp(RtpWrite::new(payload_type.into(), self.sequence.into(), timestamp, std, payload));
    }

    pub fn std(&self, now: Instant) -> std::time::Instant {
        self.base + Duration::from_micros(now.as_micros())
    }

    /// The last second heard, in decibels of this tone against what is sent.
    pub fn hears(&self, hertz: f64) -> f64 {
        let voice = self.heard.iter().filter(|heard| heard.payload_type == OPUS);
        let samples = decoded(Codec::Opus, 8000, voice.map(|heard| &heard.payload[..]));
        let last = &samples[samples.len().saturating_sub(8000)..];
        tone::decibels(tone::level(last, 8000, hertz), PEAK)
    }

    fn drain(&mut self, elapsed: u64) -> Vec<Vec<u8>> {
        let mut sent = Vec::new();
        loop {
            match self.rtc.poll_output().unwrap() {
                Output::Timeout(at) => {
                    self.wake = at;
                    return sent;
                }
                Output::Transmit(transmit) => sent.push(transmit.contents.to_vec()),
                Output::Event(Event::Connected) => self.connected = true,
                Output::Event(Event::RtpPacket(packet)) => self.heard.push(Heard {
                    at: elapsed,
                    payload_type: *packet.header.payload_type,
                    sequence: packet.header.sequence_number,
                    timestamp: packet.header.timestamp,
                    payload: packet.payload.to_vec(),
                }),
                Output::Event(_) => {}
            }
        }
    }
}
