//! One party's voice: what was agreed with it, what comes from it and what goes to it.

use std::sync::Arc;
use std::time::Duration;

use model::{Instant, LegId, Now, PlaybackId, SessionId};

use crate::announce::Over;
use crate::api::{Channel, Statistics};
use crate::codec::{Codec, Encoder, RateConverter};
use crate::core::Sink;
use crate::dtmf;
use crate::jitter::JitterBuffer;
use crate::outgoing::{Outgoing, Place, Source};
use crate::play::{MusicPositions, Playback};
use crate::quality::{Counted, Meter, PERIOD};
use crate::reception::Reception;
use crate::record::Tap;
use crate::rtp::{HEADER, Header, Stamp};
use crate::sdp::Agreed;
use crate::transport::RtpTransport;
use crate::webrtc::{RtpOut, WebRtcPort};

/// The longest packet that we make or copy.
pub const MOST_OCTETS: usize = 1500;

#[derive(Debug)]
pub struct Leg {
    pub id: LegId,
    pub session: SessionId,
    pub channel: Channel,
    pub transport: Transport,
    /// `None` until the first exchange is complete.
    pub agreed: Option<Agreed>,
    /// The answer that led to it, which may come again with the final response.
    pub answer: Option<Arc<[u8]>>,
    pub partner: Option<usize>,
    /// The conference that it is in.
    pub room: Option<usize>,
    pub muted: bool,
    /// The session's recording.
    pub recorder: Option<usize>,

    // From the peer.
    pub reception: Reception,
    /// Apart, as the encoder is: most legs only pass packets on and need neither.
    pub jitter: Option<Box<JitterBuffer>>,
    /// To the rate of the recording.
    pub narrow: Option<Box<RateConverter>>,
    /// SSRC of the stream that the jitter buffer, the tap and the partner hear.
    pub ssrc: Option<u32>,
    pub keys: dtmf::Receiver,
    /// Hears keys as tones, where no telephone events were agreed on.
    pub ear: Option<Box<dtmf::Ear>>,
    pub tap: Tap,
    /// Packets of the peer do not have the length that the partner wants: all go over PCM.
    pub regroup: bool,
    pub flowing: bool,
    /// When the last packet came, or when we began to wait for one.
    pub heard: Instant,
    /// How often this silence was reported.
    pub silences_said: u8,

    // To the peer.
    pub outgoing: Outgoing,
    pub encoder: Option<Box<Encoder>>,
    /// Whose sound is in the encoder.
    pub encoding: Option<Source>,
    pub playback: Option<Playing>,
    pub playbacks: u32,
    pub music: MusicPositions,
    pub digits: dtmf::Sender,
    /// The presses of the partner.
    pub passing: dtmf::Passing,
    /// Ticks of silence sent in place of a muted partner.
    pub hushed: u32,
    /// As the peer reports it, once it does.
    pub peer_lost: Option<u64>,
    /// Of a hundred packets of ours, as it reported last.
    pub peer_loss: u8,
    pub peer_jitter: Duration,
    pub round_trip: Duration,
    pub meter: Meter,
}

/// Where the stream to the peer begins, which is to be random (RFC 3550 §5.1).
#[derive(Clone, Copy, Debug)]
pub struct Opening {
    pub ssrc: u32,
    pub sequence: u16,
    pub timestamp: u32,
}

#[derive(Debug)]
pub struct Playing {
    pub playback: Playback,
    /// What is said over it.
    pub over: Option<Box<Over>>,
    /// Its number among those of the leg, and the ticks it has sounded.
    pub number: u32,
    pub ticks: u32,
}

impl Playing {
    pub fn id(&self) -> PlaybackId {
        self.playback.id
    }
}

#[derive(Debug)]
pub enum Transport {
    Rtp(Box<RtpTransport>),
    WebRtc { connected: bool },
}

impl Leg {
    pub fn new(
        now: Now,
        id: LegId,
        session: SessionId,
        channel: Channel,
        transport: Transport,
        Opening { ssrc, sequence, timestamp }: Opening,
    ) -> Self {
        Self {
            id,
            session,
            channel,
            transport,
            agreed: None,
            answer: None,
            partner: None,
            room: None,
            muted: false,
            recorder: None,
            reception: Reception::default(),
            jitter: None,
            narrow: None,
            ssrc: None,
            keys: dtmf::Receiver::default(),
            ear: None,
            tap: Tap::default(),
            regroup: false,
            flowing: false,
            heard: now.instant,
            silences_said: 0,
            outgoing: Outgoing::new(ssrc, sequence, timestamp, Codec::Pcmu.clock()),
            encoder: None,
            encoding: None,
            playback: None,
            playbacks: 0,
            music: MusicPositions::new(),
            digits: dtmf::Sender::default(),
            passing: dtmf::Passing::default(),
            hushed: 0,
            peer_lost: None,
            peer_loss: 0,
            peer_jitter: Duration::ZERO,
            round_trip: Duration::ZERO,
            meter: Meter::new(now.instant),
        }
    }

    /// What was counted up to now.
    pub fn counted(&self) -> Counted {
        Counted {
            received: self.reception.packets(),
            lost: self.reception.lost(),
            sent: self.outgoing.packets(),
            peer_lost: self.peer_lost,
            jitter: self.reception.jitter(),
            peer_jitter: self.peer_jitter,
            round_trip: self.round_trip,
        }
    }

    /// Nothing has come for a whole period from a peer that should be sending.
    pub fn is_unheard(&self, now: Instant) -> bool {
        let sends = self.agreed.as_ref().is_some_and(|agreed| agreed.direction.sends);
        sends && self.is_reachable() && now.saturating_since(self.heard) >= PERIOD
    }

    /// Whether anything can be sent to the peer now.
    pub fn hears(&self) -> bool {
        self.agreed.as_ref().is_some_and(|agreed| agreed.direction.receives) && self.is_reachable()
    }

    /// Whether the transport is up: addresses known, keys exchanged.
    pub fn is_reachable(&self) -> bool {
        match &self.transport {
            Transport::Rtp(rtp) => self.agreed.is_some() && rtp.is_open(),
            Transport::WebRtc { connected } => *connected,
        }
    }

    /// Whether the partner's sound is what this leg is to hear.
    pub fn hears_partner(&self) -> bool {
        self.playback.is_none() && !self.digits.is_sending() && self.hears()
    }

    /// Whether sound of this codec goes to the partner as it is, or with another law.
    pub fn passes_to(&self, partner: &Leg, codec: Codec) -> bool {
        !self.regroup && partner.codec().is_some_and(|to| codec.map_to(to).is_some())
    }

    pub fn codec(&self) -> Option<Codec> {
        self.agreed.as_ref().map(|agreed| agreed.codec)
    }

    /// A new exchange was completed.
    pub fn agree(&mut self, now: Now, agreed: Agreed) {
        if let Transport::Rtp(rtp) = &mut self.transport {
            rtp.agree(now.instant, &agreed);
        }
        if !self.agreed.as_ref().is_some_and(|before| before.direction.sends) {
            self.heard = now.instant;
            self.silences_said = 0;
        }
        self.outgoing.set_clock(agreed.codec.clock());
        if self.agreed.as_ref().is_none_or(|before| before.opus != agreed.opus) {
            self.encoder = None;
        }
        self.regroup = false;
        self.ear = agreed.digits.is_none().then(Box::default);
        self.agreed = Some(agreed);
        self.pause();
    }

    /// What the peer says next has nothing to do with what it said before, such as after it was muted.
    pub fn pause(&mut self) {
        if let Some(jitter) = &mut self.jitter {
            jitter.restart();
        }
    }

    /// Counts a packet and notices a new stream.
    pub fn receive(&mut self, now: Instant, header: &Header, clock: u32) {
        self.reception.count(now, header, clock);
        self.heard = now;
        self.silences_said = 0;
        if self.ssrc.replace(header.ssrc) != Some(header.ssrc) {
            self.jitter = None;
            self.tap.restart();
            self.keys = dtmf::Receiver::default();
        }
    }

    pub fn statistics(&self) -> Statistics {
        Statistics {
            packets_received: self.reception.packets(),
            packets_sent: self.outgoing.packets(),
            packets_lost: self.reception.lost(),
            octets_received: self.reception.octets(),
            octets_sent: self.outgoing.octets(),
            jitter: self.reception.jitter(),
            peer_lost: self.peer_lost.unwrap_or(0),
            peer_jitter: self.peer_jitter,
            round_trip: self.round_trip,
            packets_unkeyed: match &self.transport {
                Transport::Rtp(rtp) => rtp.unkeyed(),
                Transport::WebRtc { .. } => 0,
            },
        }
    }

    /// Encodes samples of `source` that begin at `timestamp` (units of the leg's codec) and sends the packets that get full.
    pub fn say(
        &mut self,
        source: Source,
        rate: u32,
        timestamp: u32,
        pcm: &[i16],
        exit: &mut Exit<'_, impl Sink>,
    ) {
        let Some(agreed) = &self.agreed else { return };
        let (codec, packet) = (agreed.codec, agreed.packet);
        let encoder = match self.encoder.as_mut().filter(|encoder| encoder.is_for(codec, rate, packet)) {
            Some(encoder) => encoder,
            None => {
                let mut encoder = Encoder::new(codec, rate, packet);
                encoder.heed(agreed.opus);
                self.encoder.insert(Box::new(encoder))
            }
        };
        if self.encoding != Some(source) {
            self.encoding = Some(source);
            encoder.clear();
        }
        let mut line = Line { id: self.id, transport: &mut self.transport, outgoing: &mut self.outgoing };
        encoder.push(timestamp, pcm, |timestamp, payload| {
            let place = line.outgoing.produce(exit.now.instant, source, timestamp, codec.duration(payload));
            line.send(place, agreed.payload_type, place.first, payload, exit);
        });
    }

    /// Samples of this source that would fill the packet begun, 0 when none is.
    pub fn begun(&self, source: Source) -> usize {
        let encoder = self.encoder.as_ref().filter(|_| self.encoding == Some(source));
        encoder.map_or(0, |encoder| encoder.room())
    }

    /// The way out to the peer.
    pub fn line(&mut self) -> Line<'_> {
        Line { id: self.id, transport: &mut self.transport, outgoing: &mut self.outgoing }
    }
}

/// What a packet needs to leave the thread.
pub struct Exit<'a, S> {
    pub now: Now,
    pub browsers: &'a mut WebRtcPort,
    pub out: &'a mut S,
}

pub struct Line<'a> {
    id: LegId,
    transport: &'a mut Transport,
    pub outgoing: &'a mut Outgoing,
}

impl Line<'_> {
    /// Sends a received packet on, whose header is changed in place.
    pub fn forward(
        &mut self,
        place: Place,
        payload_type: u8,
        marker: bool,
        (packet, header): (&mut [u8], Header),
        exit: &mut Exit<'_, impl Sink>,
    ) {
        match &mut *self.transport {
            Transport::Rtp(rtp) => {
                let stamp = stamp(self.outgoing.ssrc, place, payload_type, marker);
                if rtp.send(stamp.rewrite(packet, header), exit.out) {
                    self.outgoing.sent(header.end - header.start);
                }
            }
            Transport::WebRtc { .. } => {
                self.write(place, payload_type, marker, &packet[header.start..header.end], exit);
            }
        }
    }

    /// Sends a packet with this payload.
    pub fn send(
        &mut self,
        place: Place,
        payload_type: u8,
        marker: bool,
        payload: &[u8],
        exit: &mut Exit<'_, impl Sink>,
    ) {
        match &mut *self.transport {
            Transport::Rtp(rtp) => {
                let mut packet = [0; MOST_OCTETS];
                let (fixed, rest) = packet.split_first_chunk_mut::<HEADER>().expect("longer than a header");
                stamp(self.outgoing.ssrc, place, payload_type, marker).write(fixed);
                rest[..payload.len()].copy_from_slice(payload);
                if rtp.send(&packet[..HEADER + payload.len()], exit.out) {
                    self.outgoing.sent(payload.len());
                }
            }
            Transport::WebRtc { .. } => self.write(place, payload_type, marker, payload, exit),
        }
    }

    fn write<S>(
        &mut self,
        place: Place,
        payload_type: u8,
        marker: bool,
        payload: &[u8],
        exit: &mut Exit<'_, S>,
    ) {
        let Place { sequence, timestamp, .. } = place;
        let packet = RtpOut { payload_type, sequence, timestamp, marker, payload };
        if exit.browsers.write_rtp(exit.now.instant, self.id, &packet) {
            self.outgoing.sent(payload.len());
        }
    }
}

fn stamp(ssrc: u32, place: Place, payload_type: u8, marker: bool) -> Stamp {
    let Place { sequence, timestamp, .. } = place;
    Stamp { marker, payload_type, sequence, timestamp, ssrc }
}
