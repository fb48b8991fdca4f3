use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use model::Instant;

use super::conceal::Concealer;
use super::delay::Delay;
use super::noise::Noise;
use super::stretch;
use crate::codec::{Codec, Decoder, MOST_SAMPLES};

/// Bounds on what one stream may hold here.
const MOST_PACKETS: usize = 64;
const MOST_OCTETS: usize = 1280;
/// A sequence number further off than this begins a new stream.
const NEAR: i16 = 100;
/// A timestamp further off than this, in seconds, is a jump.
const JUMP: i64 = 2;
/// What comes later than this behind its delay is let go, in microseconds.
const MOST_BEHIND: i64 = 1_000_000;
/// Made-up sound lasts no longer: then nothing is heard.
const MADE_UP: Duration = Duration::from_millis(80);
/// Up to how much lost sound is made up between packets that are there; what is beyond is a pause.
const LOST: i64 = 120;
/// How long a pause is filled with noise though nothing comes at all.
const NOISE: Duration = Duration::from_secs(60);
/// The same where the peer did not say that it pauses: with Opus there is something every 400 ms.
const UNSAID: Duration = Duration::from_secs(1);
/// How much too long and too short the delay may be before sound is stretched, in microseconds, and beyond what also where that
/// could be heard.
const TOO_LONG: i64 = 20_000;
const FAR_TOO_LONG: i64 = 60_000;
const TOO_SHORT: i64 = -10_000;
const FAR_TOO_SHORT: i64 = -25_000;
/// Ticks between two stretches.
const REST: u32 = 4;
/// An Opus packet of no more than this says that nothing is said.
const QUIET: usize = 2;

/// The packets of one stream go in as they come; every 20 ms the sound that is due comes out.
///
/// Sound is played [`Delay::target`] after the fastest packets: whatever comes later than that is made up for. When packets are
/// late all together nothing is left out: it is played later, and the delay comes back bit by bit.
pub struct JitterBuffer {
    codec: Codec,
    decoder: Decoder,
    delay: Delay,
    /// In the order of their sequence numbers.
    packets: VecDeque<Packet>,
    /// Emptied payloads, to be filled again.
    spare: Vec<Vec<u8>>,
    /// What is to be decoded next.
    next: Option<(u16, i64)>,
    state: State,
    /// Decoded and not taken yet.
    sound: VecDeque<i16>,
    concealer: Option<Concealer>,
    noise: Noise,
    /// Samples made up since the last real ones.
    made_up: usize,
    /// The last packet said that a pause begins.
    pausing: Pause,
    heard: Instant,
    rest: u32,
    lag: Option<Duration>,
    /// How much of what was expected was made up, in samples, for tests and statistics.
    pub concealed: u64,
    /// Packets that came too late.
    pub late: u64,
}

struct Packet {
    sequence: u16,
    timestamp: i64,
    /// How much sound it holds; 0 for noise and events.
    units: u32,
    what: What,
    payload: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Sound,
    Noise,
    /// A telephone event had this number.
    Event,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Pause {
    No,
    /// Filled with noise.
    Noisy,
    /// In which something else than sound is sent.
    Still,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing to play until packets come and their time is there.
    Still,
    /// The same, with noise meanwhile.
    Noisy,
    Playing,
}

impl JitterBuffer {
    /// For a stream of `codec` that is heard at `rate` (see [`Decoder::new`]). `None` for a codec that is not decoded.
    pub fn new(codec: Codec, rate: u32) -> Option<Self> {
        let decoder = Decoder::new(codec, rate)?;
        Some(Self {
            codec,
            concealer: concealer(&decoder),
            decoder,
            delay: Delay::new(codec.clock()),
            packets: VecDeque::new(),
            spare: Vec::new(),
            next: None,
            state: State::Still,
            sound: VecDeque::new(),
            noise: Noise::default(),
            made_up: 0,
            pausing: Pause::No,
            heard: Instant::ZERO,
            rest: 0,
            lag: None,
            concealed: 0,
            late: 0,
        })
    }

    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// Samples a second of what comes out.
    pub fn rate(&self) -> u32 {
        self.decoder.rate()
    }

    /// From now on the sound is wanted at this rate.
    pub fn set_rate(&mut self, rate: u32) {
        if self.codec.rate().is_some_and(|most| most.min(rate) != self.rate())
            && let Some(decoder) = Decoder::new(self.codec, rate)
        {
            self.concealer = concealer(&decoder);
            self.decoder = decoder;
            self.sound.clear();
            self.made_up = 0;
        }
    }

    /// A packet of sound.
    pub fn push(&mut self, now: Instant, sequence: u16, timestamp: u32, payload: &[u8]) {
        let units = self.codec.duration(payload);
        // 120 ms are the most that is decoded at once.
        if units > 0 && units <= self.codec.clock() / 25 * 3 {
            self.insert(now, (sequence, timestamp), units, What::Sound, payload);
        }
    }

    /// A description of noise (RFC 3389): nothing is sent until the next packet of sound.
    pub fn push_noise(&mut self, now: Instant, sequence: u16, timestamp: u32, payload: &[u8]) {
        self.insert(now, (sequence, timestamp), 0, What::Noise, payload);
    }

    /// The number was used for a telephone event: it is not lost.
    pub fn skip(&mut self, now: Instant, sequence: u16, timestamp: u32) {
        self.insert(now, (sequence, timestamp), 0, What::Event, &[]);
    }

    /// What comes next has nothing to do with what came before.
    pub fn restart(&mut self) {
        while let Some(packet) = self.packets.pop_front() {
            self.recycle(packet);
        }
        self.next = None;
        self.state = State::Still;
        self.sound.clear();
        self.delay = Delay::new(self.codec.clock());
    }

    /// Whether a tick may have something to take out.
    pub fn is_active(&self) -> bool {
        self.state != State::Still || !self.packets.is_empty()
    }

    /// How long after its arrival sound is played, as things stand.
    pub fn target(&self) -> Duration {
        self.delay.target()
    }

    /// By how much the first sound was held back.
    pub fn lag(&self) -> Duration {
        self.lag.unwrap_or(Duration::ZERO)
    }

    /// Takes out 20 ms of sound (all of `out`, at [`JitterBuffer::rate`]). `false`, and nothing in `out`, when nothing is said.
    pub fn pull(&mut self, now: Instant, out: &mut [i16]) -> bool {
        if self.state != State::Playing {
            if !self.is_due(now) {
                let most = if self.pausing == Pause::Noisy { NOISE } else { UNSAID };
                if self.state == State::Noisy && now.saturating_since(self.heard) >= most {
                    self.state = State::Still;
                }
                if self.state == State::Noisy {
                    self.fill_pause(out);
                }
                return self.state == State::Noisy;
            }
            self.next = self.packets.front().map(|first| (first.sequence, first.timestamp));
            self.state = State::Playing;
            self.made_up = 0;
            if let (None, Some((_, time))) = (self.lag, self.next) {
                let age = self.delay.age(now, time).clamp(0, MOST_BEHIND);
                self.lag = Some(Duration::from_micros(age as u64));
            }
        }
        self.fill(now, out.len());
        self.keep_pace(now, out.len());
        let there = self.sound.len().min(out.len());
        for (place, sample) in out.iter_mut().zip(self.sound.drain(..there)) {
            *place = sample;
        }
        match self.state {
            State::Playing => {}
            State::Noisy => self.fill_pause(&mut out[there..]),
            State::Still if there > 0 => out[there..].fill(0),
            State::Still => return false,
        }
        true
    }

    fn insert(
        &mut self,
        now: Instant,
        (sequence, timestamp): (u16, u32),
        units: u32,
        what: What,
        payload: &[u8],
    ) {
        if payload.len() > MOST_OCTETS {
            return;
        }
        let mut extended = self.delay.extend(timestamp);
        let reference = self.packets.back().map(|last| (last.sequence, last.timestamp)).or(self.next);
        if let Some((near, time)) = reference {
            let far = (sequence.wrapping_sub(near) as i16).abs() >= NEAR;
            // Between streams and after a long pause alike everything begins anew.
            if far || (extended - time).abs() > JUMP * i64::from(self.codec.clock()) {
                let noisy = self.state == State::Noisy;
                self.restart();
                extended = self.delay.extend(timestamp);
                if noisy {
                    self.state = State::Noisy;
                }
            }
        }
        self.heard = now;
        // All packets of an event bear the time of its beginning: they tell nothing about the jitter.
        if what != What::Event {
            self.delay.arrive(now, extended);
        }
        if self.next.is_some_and(|(next, _)| (sequence.wrapping_sub(next) as i16) < 0) {
            self.late += u64::from(what == What::Sound);
            return;
        }
        let order = |packet: &Packet| packet.sequence.wrapping_sub(sequence) as i16;
        let place = self.packets.iter().rposition(|packet| order(packet) <= 0).map_or(0, |place| place + 1);
        if place > 0 && order(&self.packets[place - 1]) == 0 {
            return;
        }
        let mut octets = self.spare.pop().unwrap_or_default();
        octets.clear();
        octets.extend_from_slice(payload);
        self.packets.insert(place, Packet { sequence, timestamp: extended, units, what, payload: octets });
        if self.packets.len() > MOST_PACKETS {
            self.drop_first();
        }
    }

    /// Whether what waits is to be played from now on.
    fn is_due(&self, now: Instant) -> bool {
        self.packets.front().is_some_and(|first| {
            first.what != What::Sound
                || self.delay.age(now, first.timestamp) >= self.delay.target().as_micros() as i64
        })
    }

    /// Decodes and makes up until so many samples are there, or a pause begins.
    fn fill(&mut self, now: Instant, samples: usize) {
        while self.sound.len() < samples && self.state == State::Playing {
            let Some((number, time)) = self.next else { return self.state = State::Still };
            let Some(first) = self.packets.front() else {
                self.run_out();
                continue;
            };
            let gap = first.timestamp - time;
            let lost = first.sequence.wrapping_sub(number);
            let missing = self.samples(gap);
            if first.what != What::Sound {
                self.begin_pause();
            } else if gap > self.units(LOST) || (lost == 0 && gap > self.units(1)) {
                // Nothing was lost, or too much: a pause, until it is time for what comes then.
                if self.is_due(now) {
                    self.next = Some((first.sequence, first.timestamp));
                } else {
                    self.state = self.unsaid_pause();
                }
            } else if lost > 0 && missing > self.made_up {
                self.make_up(missing - self.made_up);
            } else {
                self.play_first();
            }
        }
    }

    /// Decodes the first packet that waits.
    fn play_first(&mut self) {
        let Some(packet) = self.packets.pop_front() else { return };
        let mut samples = [0; MOST_SAMPLES];
        let mut length = self.decoder.decode(&packet.payload, &mut samples);
        if length == 0 {
            // What the codec refuses counts as lost.
            length = self.samples(packet.units.into()).min(MOST_SAMPLES);
            self.conceal(&mut samples[..length]);
            self.concealed += length as u64;
        } else if let Some(concealer) = &mut self.concealer {
            concealer.good(&mut samples[..length]);
        }
        self.sound.extend(&samples[..length]);
        self.made_up = 0;
        let quiet = self.codec == Codec::Opus && packet.payload.len() <= QUIET;
        self.pausing = if quiet { Pause::Noisy } else { Pause::No };
        self.next = Some((packet.sequence.wrapping_add(1), packet.timestamp + i64::from(packet.units)));
        self.recycle(packet);
    }

    /// The first packet that waits is none of sound.
    fn begin_pause(&mut self) {
        let Some(packet) = self.packets.pop_front() else { return };
        self.next = Some((packet.sequence.wrapping_add(1), packet.timestamp));
        match packet.what {
            What::Noise => {
                self.noise.learn(&packet.payload);
                (self.pausing, self.state) = (Pause::Noisy, State::Noisy);
            }
            What::Event | What::Sound => (self.pausing, self.state) = (Pause::Still, State::Still),
        }
        self.recycle(packet);
    }

    /// Makes up for samples between the last packet and the first that waits.
    fn make_up(&mut self, missing: usize) {
        let Some(first) = self.packets.front() else { return };
        let frame = self.samples(first.units.into());
        let mut samples = [0; MOST_SAMPLES];
        // Opus makes up multiples of 2.5 ms.
        let whole = (self.rate() / 400) as usize;
        let length = if missing > frame { (missing - frame).min(frame) } else { missing };
        let length = length.next_multiple_of(whole).min(MOST_SAMPLES);
        let samples = &mut samples[..length];
        // Only of what comes right before it a packet tells.
        if missing != frame || !self.decoder.recover(&first.payload, samples) {
            self.conceal(samples);
            self.concealed += length as u64;
        }
        self.sound.extend(&*samples);
        self.made_up += length;
    }

    /// There is no packet: sound is made up for a while, in the hope that the packet comes yet.
    fn run_out(&mut self) {
        match self.pausing {
            Pause::Noisy => self.state = State::Noisy,
            Pause::Still => self.state = State::Still,
            Pause::No if self.made_up >= MADE_UP.as_millis() as usize * self.rate() as usize / 1000 => {
                self.state = self.unsaid_pause();
            }
            Pause::No => {
                let mut samples = [0; MOST_SAMPLES];
                let samples = &mut samples[..self.rate() as usize / 100];
                self.conceal(samples);
                self.concealed += samples.len() as u64;
                self.sound.extend(&*samples);
                self.made_up += samples.len();
            }
        }
    }

    /// Opus knows what a pause of its peer sounds like, which is seldom announced.
    fn unsaid_pause(&self) -> State {
        if self.codec == Codec::Opus || self.pausing == Pause::Noisy { State::Noisy } else { State::Still }
    }

    fn conceal(&mut self, samples: &mut [i16]) {
        match &mut self.concealer {
            Some(concealer) => concealer.conceal(samples),
            None => {
                if !self.decoder.conceal(samples) {
                    samples.fill(0);
                }
            }
        }
    }

    fn fill_pause(&mut self, samples: &mut [i16]) {
        // Opus knows its own noise, at multiples of 2.5 ms.
        let whole = samples.len().is_multiple_of((self.rate() / 400) as usize) && !samples.is_empty();
        if self.codec != Codec::Opus || !whole || !self.decoder.conceal(samples) {
            self.noise.fill(samples);
        }
    }

    /// Lets the delay come nearer to what it should be.
    fn keep_pace(&mut self, now: Instant, taken: usize) {
        self.rest = self.rest.saturating_sub(1);
        let (Some((_, time)), State::Playing, 0) = (self.next, self.state, self.made_up) else { return };
        let waiting = self.sound.len() as i64 * i64::from(self.codec.clock()) / i64::from(self.rate());
        let off = self.delay.age(now, time - waiting) - self.delay.target().as_micros() as i64;
        if off > MOST_BEHIND {
            return self.drop_first();
        }
        if (TOO_SHORT..=TOO_LONG).contains(&off) || (self.rest > 0 && off < 2 * FAR_TOO_LONG) {
            return;
        }
        let rate = self.rate();
        let stretched = if off > 0 {
            let needed = stretch::TO_SHORTEN * rate as usize / 1000;
            while self.sound.len() < needed && self.follows() {
                self.play_first();
            }
            stretch::shorten(&mut self.sound, rate, off > FAR_TOO_LONG)
        } else {
            stretch::lengthen(&mut self.sound, rate, off < FAR_TOO_SHORT)
        };
        if stretched > 0 {
            self.rest = REST;
        }
        if self.sound.len() < taken {
            self.fill(now, taken);
        }
    }

    /// Whether the first packet that waits goes on where the last one ended.
    fn follows(&self) -> bool {
        self.packets.front().is_some_and(|first| {
            first.what == What::Sound && self.next == Some((first.sequence, first.timestamp))
        })
    }

    fn drop_first(&mut self) {
        let Some(packet) = self.packets.pop_front() else { return };
        if self.next.is_some() {
            self.next = Some((packet.sequence.wrapping_add(1), packet.timestamp + i64::from(packet.units)));
        }
        self.recycle(packet);
    }

    fn recycle(&mut self, packet: Packet) {
        if self.spare.len() < MOST_PACKETS {
            self.spare.push(packet.payload);
        }
    }

    fn samples(&self, units: i64) -> usize {
        let samples = units * i64::from(self.rate()) / i64::from(self.codec.clock());
        usize::try_from(samples).unwrap_or(0)
    }

    fn units(&self, millis: i64) -> i64 {
        millis * i64::from(self.codec.clock()) / 1000
    }
}

impl fmt::Debug for JitterBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (waiting, target) = (self.packets.len(), self.delay.target());
        write!(f, "JitterBuffer({:?}, {waiting} packets, {target:?})", self.decoder)
    }
}

/// Opus makes up for what is lost itself.
fn concealer(decoder: &Decoder) -> Option<Concealer> {
    match decoder.codec() {
        Codec::Pcmu | Codec::Pcma | Codec::G722 => Some(Concealer::new(decoder.rate())),
        Codec::Opus | Codec::G729 => None,
    }
}
