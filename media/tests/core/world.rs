//! One media thread's core, phones around it and the network between them, at virtual time in steps of a millisecond.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use media::api::{Channel, Command, Direction, Encryption, Event, LegKind, Prompt};
use media::codec::{Codec, Decoder, Encoder, MOST_SAMPLES, OpusWishes};
use media::core::{Core, CoreConfig, LocalPorts, Output, Secret, Sink, SocketKey};
use media::library::{Library, Pcm};
use media::play::{MusicStart, RingTone};
use media::rtp::{self, HEADER, Header, Stamp};
use media::sdp::Crypto;
use media::srtp::{Key, PeerKey, Srtp, Suite};
use media::tone;
use model::{Instant, LegId, Now, PlaybackId, RecordingId, SessionId, Timestamp};
use uuid::Uuid;

use crate::browser::Browser;

pub const PEAK: f64 = 8000.0;
pub const RECORDING: RecordingId = RecordingId(Uuid::from_bytes([9; 16]));
pub const SESSION: SessionId = SessionId(Uuid::from_bytes([8; 16]));
pub const SERVER: &str = "198.51.100.1:40000";

pub fn leg(number: usize) -> LegId {
    LegId(Uuid::from_bytes([number as u8 + 1; 16]))
}

pub fn playback(number: u8) -> PlaybackId {
    PlaybackId(Uuid::from_bytes([number; 16]))
}

/// Pseudo-random, the same in every run.
pub fn chance(n: u64) -> u64 {
    let mixed = (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 40
}

/// Samples a second that phones of this codec send.
pub fn rate(codec: Codec) -> u32 {
    codec.prompt_rate().unwrap_or(8000)
}

/// The sound of packets that are all there, in their order.
pub fn decoded<'a>(codec: Codec, rate: u32, payloads: impl Iterator<Item = &'a [u8]>) -> Vec<i16> {
    let mut decoder = Decoder::new(codec, rate).expect("it can be decoded");
    let mut samples = Vec::new();
    for payload in payloads {
        let mut buffer = [0; MOST_SAMPLES];
        let length = decoder.decode(payload, &mut buffer);
        samples.extend_from_slice(&buffer[..length]);
    }
    samples
}

/// A datagram that the core sent.
pub struct Sent {
    pub from: SocketKey,
    pub to: SocketAddr,
    pub bytes: Vec<u8>,
}

#[derive(Default)]
pub struct Wire(pub Vec<Sent>);

impl Sink for Wire {
    fn send(&mut self, from: SocketKey, to: SocketAddr, packet: &[u8]) {
        self.0.push(Sent { from, to, bytes: packet.to_vec() });
    }
}

/// A packet that a phone got.
#[derive(Clone)]
pub struct Got {
    /// Milliseconds since the world began.
    pub at: u64,
    pub header: Header,
    pub payload: Vec<u8>,
}

/// A phone on a plain leg.
pub struct Phone {
    pub ports: LocalPorts,
    pub address: SocketAddr,
    pub codec: Codec,
    pub payload_type: u8,
    pub packet: u64,
    /// When it sends, within its packets' period.
    pub phase: u64,
    /// What it sends; `None` is nothing.
    pub hertz: Option<f64>,
    pub peak: f64,
    /// Two tones instead.
    pub both: Option<[f64; 2]>,
    /// Speech instead, over and over, at the phone's rate.
    pub speech: Vec<i16>,
    pub ssrc: u32,
    pub sequence: u16,
    pub timestamp: u32,
    /// By how many millionths its clock is fast.
    pub drift: i64,
    /// When the next packet is to go, by its own clock, and the samples said so far.
    due: u64,
    said: usize,
    encoder: Encoder,
    /// What it offers to be encrypted with.
    pub key: Option<Key>,
    pub srtp: Option<Srtp>,
    /// The protocol and the lines of its descriptions, where they are others.
    pub secured: Option<(&'static str, String)>,
    pub got_dtls: Vec<Vec<u8>>,
    pub got: Vec<Got>,
    pub got_rtcp: Vec<Vec<u8>>,
}

impl Phone {
    /// One that nobody knows of yet and that says nothing.
    pub fn new(codec: Codec, packet: u64, address: SocketAddr, ports: LocalPorts) -> Phone {
        let payload_type = match codec {
            Codec::Pcmu => 0,
            Codec::Pcma => 8,
            Codec::G722 => 9,
            Codec::G729 => 18,
            Codec::Opus => 97,
        };
        let mut encoder = Encoder::new(codec, rate(codec), Duration::from_millis(packet));
        encoder.heed(OpusWishes { fec: true, ..OpusWishes::default() });
        encoder.adapt(1, 10);
        Phone {
            ports,
            address,
            codec,
            payload_type,
            packet,
            phase: 0,
            hertz: None,
            peak: PEAK,
            both: None,
            speech: Vec::new(),
            ssrc: 0x1000,
            sequence: 65_000,
            timestamp: u32::MAX - 30_000,
            drift: 0,
            due: 0,
            said: 0,
            encoder,
            key: None,
            srtp: None,
            secured: None,
            got_dtls: Vec::new(),
            got: Vec::new(),
            got_rtcp: Vec::new(),
        }
    }

    /// Everything heard, decoded; lost time is left out.
    pub fn samples(&self) -> Vec<i16> {
        self.samples_at(8000)
    }

    /// The same at this rate, as far as the codec has it.
    pub fn samples_at(&self, rate: u32) -> Vec<i16> {
        let payloads = self.audio().map(|got| &got.payload[..]);
        decoded(self.codec, rate, payloads)
    }

    /// The last second heard, in decibels of this tone against what phones send.
    pub fn hears(&self, hertz: f64) -> f64 {
        let samples = self.samples();
        let last = &samples[samples.len().saturating_sub(8000)..];
        tone::decibels(tone::level(last, 8000, hertz), PEAK)
    }

    pub fn audio(&self) -> impl Iterator<Item = &Got> {
        self.got.iter().filter(|got| got.header.payload_type == self.payload_type)
    }

    /// Checks that the packets form one stream: one SSRC, consecutive numbers, timestamps that follow the time of arrival within
    /// `slack` milliseconds and never overlap.
    pub fn assert_one_stream(&self, slack: i64) {
        let clock = i64::from(self.codec.clock() / 1000);
        for pair in self.got.windows(2) {
            let (one, two) = (&pair[0], &pair[1]);
            assert_eq!(one.header.ssrc, two.header.ssrc);
            assert_eq!(one.header.sequence.wrapping_add(1), two.header.sequence, "at {} ms", two.at);
            let step = i64::from(two.header.timestamp.wrapping_sub(one.header.timestamp) as i32);
            let time = (two.at - one.at) as i64;
            assert!(step >= 0, "back in time at {} ms", two.at);
            assert!((step / clock - time).abs() <= slack, "{step} units in {time} ms at {} ms", two.at);
        }
    }
}

pub struct World {
    pub core: Core,
    pub base: std::time::Instant,
    pub elapsed: u64,
    pub phones: Vec<Phone>,
    pub browsers: Vec<Browser>,
    pub events: Vec<Event>,
    pub others: Vec<Output>,
    pub recorded: BTreeMap<RecordingId, Vec<i16>>,
    /// What the network does to the n-th packet of a phone: delays in ms of each copy that arrives.
    pub network: fn(u64) -> &'static [u64],
    /// So many of a hundred packets are lost.
    pub loss: u64,
    /// So many of a hundred packets to browsers.
    pub browser_loss: u64,
    to_browsers: u64,
    count: u64,
    flying: VecDeque<(u64, SocketKey, SocketAddr, Vec<u8>)>,
    next_key: u32,
}

impl World {
    pub fn new() -> Self {
        Self::with_music(MusicStart::Each)
    }

    pub fn with_music(music: MusicStart) -> Self {
        let base = std::time::Instant::now();
        let mut library = Library::default();
        let pcm = |hertz: f64, millis: usize| Pcm {
            narrow: tone::sine(hertz, 8000, PEAK, 0, 8 * millis),
            wide: tone::sine(hertz, 16_000, PEAK, 0, 16 * millis),
        };
        library.insert_file("welcome", pcm(500.0, 1500));
        library.insert_file("short", pcm(500.0, 130));
        library.insert_music("hold", pcm(700.0, 3000));
        let (mut two, second) = (pcm(500.0, 1000), pcm(900.0, 1000));
        two.narrow.extend(second.narrow);
        two.wide.extend(second.wide);
        library.insert_music("two", two);
        let config = CoreConfig {
            address: IpAddr::from([198, 51, 100, 1]),
            webrtc: vec![SERVER.parse().unwrap()],
            base,
            ringback: RingTone::EUROPE,
            music,
            seed: 42,
            secret: Secret([42; 32]),
        };
        Self {
            core: Core::new(config, Arc::new(library)),
            base,
            elapsed: 0,
            phones: Vec::new(),
            browsers: Vec::new(),
            events: Vec::new(),
            others: Vec::new(),
            recorded: BTreeMap::new(),
            network: |_| &[0],
            loss: 0,
            browser_loss: 0,
            to_browsers: 0,
            count: 0,
            flying: VecDeque::new(),
            next_key: 1,
        }
    }

    pub fn now(&self) -> Now {
        let elapsed = Duration::from_millis(self.elapsed);
        let start = Now::new(Instant::from_micros(5_000_000), Timestamp::from_micros(1_800_000_000_000_000));
        start.after(elapsed)
    }

    pub fn ports(&mut self) -> LocalPorts {
        let key = self.next_key;
        self.next_key += 2;
        LocalPorts { rtp: SocketKey(key), port: 20_000 + key as u16, rtcp: Some(SocketKey(key + 1)) }
    }

    /// A phone that calls with an offer and sends a tone.
    pub fn phone(&mut self, codec: Codec, packet: u64, channel: Channel, hertz: f64) -> usize {
        self.phone_with(
            codec,
            packet,
            channel,
            hertz,
            LegKind::Rtp { nat: false, encryption: Default::default() },
        )
    }

    /// A phone that offers SRTP.
    pub fn secure_phone(&mut self, suite: Suite, codec: Codec, channel: Channel, hertz: f64) -> usize {
        let kind = LegKind::Rtp { nat: false, encryption: Encryption::Required };
        let octets: Vec<u8> = (1..).take(suite.key_octets()).collect();
        let index = self.add_phone(codec, 20, channel, hertz, kind, &[], Key::new(suite, &octets));
        let Some(Event::LocalSdp { sdp, .. }) = self.events.last() else { panic!("no answer") };
        let own = key_in(sdp);
        let key = self.phones[index].key.as_ref().unwrap();
        self.phones[index].srtp = Some(Srtp::new(key, &own));
        index
    }

    pub fn phone_with(
        &mut self,
        codec: Codec,
        packet: u64,
        channel: Channel,
        hertz: f64,
        kind: LegKind,
    ) -> usize {
        self.add_phone(codec, packet, channel, hertz, kind, &[], None)
    }

    /// A phone behind a trunk that allows these codecs.
    pub fn phone_in(
        &mut self,
        codec: Codec,
        packet: u64,
        channel: Channel,
        hertz: f64,
        kind: LegKind,
        codecs: &[Codec],
    ) -> usize {
        self.add_phone(codec, packet, channel, hertz, kind, codecs, None)
    }

    /// A phone whose descriptions have this protocol and these lines.
    pub fn phone_that(&mut self, hertz: f64, kind: LegKind, secured: (&'static str, String)) -> usize {
        self.add_phone_that(Codec::Pcmu, 20, Channel::Customer, hertz, kind, &[], None, Some(secured))
    }

    #[expect(clippy::too_many_arguments, reason = "what a phone can differ in")]
    fn add_phone(
        &mut self,
        codec: Codec,
        packet: u64,
        channel: Channel,
        hertz: f64,
        kind: LegKind,
        codecs: &[Codec],
        key: Option<Key>,
    ) -> usize {
        self.add_phone_that(codec, packet, channel, hertz, kind, codecs, key, None)
    }

    #[expect(clippy::too_many_arguments, reason = "what a phone can differ in")]
    fn add_phone_that(
        &mut self,
        codec: Codec,
        packet: u64,
        channel: Channel,
        hertz: f64,
        kind: LegKind,
        codecs: &[Codec],
        key: Option<Key>,
        secured: Option<(&'static str, String)>,
    ) -> usize {
        let index = self.phones.len();
        let ports = self.ports();
        let address = SocketAddr::from(([192, 0, 2, index as u8 + 1], 4000));
        let mut phone = Phone::new(codec, packet, address, ports);
        phone.phase = 3 + 5 * index as u64;
        phone.due = (self.elapsed..).find(|time| time % packet == phone.phase % packet).unwrap();
        phone.hertz = Some(hertz);
        phone.ssrc = 0x1000 + index as u32;
        (phone.key, phone.secured) = (key, secured);
        self.phones.push(phone);
        let offer = self.description(index, "sendrecv");
        let open = Command::Open {
            leg: leg(index),
            session: SESSION,
            channel,
            kind,
            offer: Some(offer),
            codecs: codecs.to_vec(),
        };
        self.command_with(open, Some(ports));
        assert!(matches!(self.events.last(), Some(Event::LocalSdp { .. })), "{:?}", self.events.last());
        index
    }

    /// What the phone offers or answers.
    pub fn description(&self, phone: usize, way: &str) -> Arc<[u8]> {
        let Phone { address, payload_type, packet, codec, key, secured, .. } = &self.phones[phone];
        let (protocol, crypto) = match (secured, key) {
            (Some((protocol, lines)), _) => (*protocol, lines.clone()),
            (None, Some(key)) => ("RTP/SAVP", Crypto::write(7, key)),
            (None, None) => ("RTP/AVP", String::new()),
        };
        let (ip, port) = (address.ip(), address.port());
        let (name, clock) = (codec.name(), codec.clock());
        let channels = if *codec == Codec::Opus { "/2" } else { "" };
        format!(
            "v=0\r\no=a 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} {protocol} {payload_type} 101\r\n\
             a=rtpmap:101 telephone-event/{clock}\r\na=rtpmap:{payload_type} {name}/{clock}{channels}\r\n\
             a=ptime:{packet}\r\na={way}\r\n{crypto}"
        )
        .into_bytes()
        .into()
    }

    pub fn command(&mut self, command: Command) {
        self.command_with(command, None);
    }

    pub fn command_with(&mut self, command: Command, ports: Option<LocalPorts>) {
        let mut wire = Wire::default();
        self.core.handle_command(self.now(), command, ports, &mut wire);
        self.settle(wire);
    }

    pub fn connect(&mut self, a: usize, b: usize) {
        self.command(Command::Connect { a: leg(a), b: leg(b) });
    }

    pub fn play(&mut self, phone: usize, number: u8, what: &[Prompt]) {
        let (leg, what) = (leg(phone), what.to_vec());
        self.command(Command::Play { leg, playback: playback(number), what, repeat: false });
    }

    pub fn deliver(&mut self, socket: SocketKey, from: SocketAddr, mut bytes: Vec<u8>) {
        let mut wire = Wire::default();
        self.core.handle_packet(self.now(), socket, from, &mut bytes, &mut wire);
        self.settle(wire);
    }

    /// Lets time pass: phones talk, ticks tick.
    pub fn run(&mut self, millis: u64) {
        for _ in 0..millis {
            self.step();
        }
    }

    fn step(&mut self) {
        self.elapsed += 1;
        for index in 0..self.phones.len() {
            self.speak(index);
        }
        let flights = std::mem::take(&mut self.flying);
        let (due, flying): (VecDeque<_>, _) =
            flights.into_iter().partition(|flight| flight.0 <= self.elapsed);
        self.flying = flying;
        for (_, socket, from, bytes) in due {
            self.deliver(socket, from, bytes);
        }
        if self.elapsed.is_multiple_of(20) {
            let mut wire = Wire::default();
            self.core.handle_tick(self.now(), &mut wire);
            self.settle(wire);
        }
        let now = self.now().instant;
        for index in 0..self.browsers.len() {
            let sent = self.browsers[index].step(now, self.elapsed);
            let address = self.browsers[index].address;
            sent.into_iter().for_each(|bytes| self.deliver(SocketKey::WEBRTC, address, bytes));
        }
    }

    /// Sends the next packet of the phone when it is time.
    fn speak(&mut self, index: usize) {
        let phone = &mut self.phones[index];
        if self.elapsed as i64 * (1_000_000 + phone.drift) / 1_000_000 < phone.due as i64 {
            return;
        }
        phone.due += phone.packet;
        let rate = rate(phone.codec);
        let length = phone.packet as usize * rate as usize / 1000;
        let time = phone.timestamp;
        let units = phone.packet as u32 * phone.codec.clock() / 1000;
        phone.said += length;
        let Some(hertz) = phone.hertz else {
            phone.timestamp = time.wrapping_add(units);
            return;
        };
        let samples = match phone.both {
            None if !phone.speech.is_empty() => {
                let said = phone.said - length;
                let speech = phone.speech.iter().cycle().skip(said % phone.speech.len());
                speech.take(length).copied().collect()
            }
            None => tone::sine(hertz, rate, phone.peak, phone.said, length),
            Some(both) => {
                let [low, high] = both.map(|hertz| tone::sine(hertz, rate, PEAK / 2.0, phone.said, length));
                low.iter().zip(high).map(|(low, high)| low + high).collect()
            }
        };
        let mut payload = Vec::new();
        phone.encoder.push(time, &samples, |_, octets| payload = octets.to_vec());
        if phone.codec == Codec::G729 {
            payload = vec![phone.said as u8; phone.packet as usize];
        }
        let packet = phone.next(phone.payload_type, false, &payload);
        let packet = phone.sealed(packet);
        let phone = &mut self.phones[index];
        phone.timestamp = time.wrapping_add(units);
        let lost = chance(self.count) % 100 < self.loss;
        for delay in (self.network)(self.count).iter().filter(|_| !lost) {
            self.flying.push_back((self.elapsed + delay, phone.ports.rtp, phone.address, packet.clone()));
        }
        self.count += 1;
    }

    fn settle(&mut self, wire: Wire) {
        let mut sent = VecDeque::from(wire.0);
        while let Some(Sent { from, to, mut bytes }) = sent.pop_front() {
            if from == SocketKey::WEBRTC {
                let is_rtp = (128..192).contains(&bytes[0]) && !rtp::is_rtcp(&bytes);
                self.to_browsers += u64::from(is_rtp);
                if is_rtp && chance(self.to_browsers) % 100 < self.browser_loss {
                    continue;
                }
                let now = self.now().instant;
                let Some(browser) = self.browsers.iter_mut().find(|browser| browser.address == to) else {
                    continue;
                };
                let replies = browser.take(now, self.elapsed, &bytes);
                let mut wire = Wire::default();
                for mut reply in replies {
                    self.core.handle_packet(self.now(), SocketKey::WEBRTC, to, &mut reply, &mut wire);
                }
                sent.extend(wire.0);
            } else if let Some(phone) = self.phones.iter_mut().find(|phone| phone.address.ip() == to.ip()) {
                if (20..64).contains(&bytes[0]) {
                    assert_eq!(from, phone.ports.rtp);
                    phone.got_dtls.push(bytes);
                    continue;
                }
                let rtcp = rtp::is_rtcp(&bytes);
                if let Some(srtp) = &mut phone.srtp {
                    let opened = if rtcp { srtp.open_rtcp(&mut bytes) } else { srtp.open(&mut bytes) };
                    bytes.truncate(opened.expect("sealed for this phone"));
                }
                if rtcp {
                    assert_eq!(to.port(), phone.address.port() + 1);
                    phone.got_rtcp.push(bytes);
                } else {
                    assert_eq!((from, to), (phone.ports.rtp, phone.address));
                    let header = Header::parse(&bytes).unwrap();
                    let payload = bytes[header.start..header.end].to_vec();
                    phone.got.push(Got { at: self.elapsed, header, payload });
                }
            }
        }
        while let Some(output) = self.core.poll_output() {
            match output {
                Output::Event(event) => self.events.push(event),
                Output::WriteRecording { recording, samples } => {
                    self.recorded.entry(recording).or_default().extend(samples);
                }
                output => self.others.push(output),
            }
        }
    }

    /// The two channels of the recording.
    pub fn channels(&self) -> [Vec<i16>; 2] {
        let frames = self.frames(2);
        [0, 1].map(|channel| frames.iter().map(|frame| frame[channel]).collect())
    }

    /// The recording, which has so many channels.
    pub fn frames(&self, channels: usize) -> Vec<Vec<i16>> {
        self.recorded[&RECORDING].chunks_exact(channels).map(<[i16]>::to_vec).collect()
    }

    pub fn directions(&self) -> Vec<Direction> {
        let direction = |event: &Event| match event {
            Event::LocalSdp { direction, .. } | Event::Accepted { direction, .. } => Some(*direction),
            _ => None,
        };
        self.events.iter().filter_map(direction).collect()
    }

    pub fn endings(&self) -> Vec<(u8, bool)> {
        let ending = |event: &Event| match event {
            Event::PlayingEnded { playback, interrupted, .. } => {
                Some((playback.0.as_bytes()[0], *interrupted))
            }
            _ => None,
        };
        self.events.iter().filter_map(ending).collect()
    }

    pub fn digits(&self) -> String {
        let digit = |event: &Event| match event {
            Event::Digit { digit, .. } => Some(*digit),
            _ => None,
        };
        self.events.iter().filter_map(digit).collect()
    }
}

/// The one key of a description.
pub fn key_in(sdp: &[u8]) -> PeerKey {
    let text = std::str::from_utf8(sdp).unwrap();
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("a=crypto:"));
    let key = Crypto::parse(lines.next().unwrap()).unwrap().peer;
    assert_eq!(lines.next(), None);
    key
}

impl Phone {
    /// As it goes over the network.
    pub fn sealed(&mut self, packet: Vec<u8>) -> Vec<u8> {
        match &mut self.srtp {
            Some(srtp) => srtp.seal(&packet).unwrap().as_ref().to_vec(),
            None => packet,
        }
    }

    /// A packet with the next sequence number.
    pub fn next(&mut self, payload_type: u8, marker: bool, payload: &[u8]) -> Vec<u8> {
        let stamp = Stamp {
            marker,
            payload_type,
            sequence: self.sequence,
            timestamp: self.timestamp,
            ssrc: self.ssrc,
        };
        self.sequence = self.sequence.wrapping_add(1);
        let mut fixed = [0; HEADER];
        stamp.write(&mut fixed);
        [&fixed, payload].concat()
    }
}
