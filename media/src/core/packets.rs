//! What happens to a packet: counted, decoded where somebody needs samples, and sent on to the partner.

use std::net::SocketAddr;
use std::time::Duration;

use model::{LegId, Now, Timestamp};

use super::{Core, Event, Exit, RECORDING_RATE, Sink, pair};
use crate::codec::{Codec, RateConverter};
use crate::dtls;
use crate::dtmf;
use crate::jitter::JitterBuffer;
use crate::leg::{Leg, MOST_OCTETS, Transport};
use crate::mix::Mixer;
use crate::outgoing::Source;
use crate::record::{Recorder, Tap};
use crate::rtcp;
use crate::rtp::{self, HEADER, Header};
use crate::sdp::Content;
use crate::transport::Passage;
use crate::webrtc::{PeerReport, RtpIn};

impl Core {
    /// One datagram at a port of a plain leg.
    pub(super) fn handle_plain(
        &mut self,
        now: Now,
        index: usize,
        rtcp: bool,
        from: SocketAddr,
        packet: &mut [u8],
        out: &mut impl Sink,
    ) {
        if dtls::is_handshake(packet) {
            // RTCP on a port of its own has no keys.
            if !rtcp {
                self.handle_handshake(now, index, from, packet, out);
            }
            return;
        }
        let is_rtcp = rtp::is_rtcp(packet);
        let Some(leg) = self.leg_mut(index) else { return };
        let (Some(agreed), Transport::Rtp(rtp)) = (&leg.agreed, &mut leg.transport) else { return };
        // What is not the peer's by its address is not worth a look at its tag.
        if !(if is_rtcp { rtp.reports_from(from) } else { rtp.may_be(now.instant, from) }) {
            return;
        }
        let mut length = packet.len();
        match rtp.passage() {
            Passage::Clear => {}
            Passage::Closed => return rtp.count_unkeyed(),
            Passage::Sealed(srtp) => {
                let opened = if is_rtcp { srtp.open_rtcp(packet) } else { srtp.open(packet) };
                let Some(opened) = opened else { return };
                length = opened;
            }
        }
        let packet = &mut packet[..length];
        if is_rtcp {
            self.handle_rtcp(now, index, packet);
        } else if !rtcp
            && let Ok(header) = Header::parse(packet)
            && agreed.content(header.payload_type).is_some()
        {
            rtp.learn(from, agreed.rtcp_mux);
            self.hear(now, index, packet, header, out);
            self.drain_browsers(now, out);
        }
    }

    /// One packet that a browser said.
    pub(super) fn handle_browser(&mut self, now: Now, leg: LegId, packet: &RtpIn, out: &mut impl Sink) {
        let Some(&index) = self.by_id.get(&leg) else { return };
        let end = HEADER + packet.payload.len();
        let mut buffer = [0; MOST_OCTETS];
        let Some(room) = buffer.get_mut(HEADER..end) else { return };
        room.copy_from_slice(&packet.payload);
        let &RtpIn { marker, payload_type, sequence, timestamp, ssrc, .. } = packet;
        let header = Header { marker, payload_type, sequence, timestamp, ssrc, start: HEADER, end };
        self.hear(now, index, &mut buffer[..end], header, out);
    }

    pub(super) fn browser_connected(&mut self, now: Now, leg: LegId) {
        if let Some(&index) = self.by_id.get(&leg)
            && let Some(leg) = self.leg_mut(index)
        {
            leg.transport = Transport::WebRtc { connected: true };
            leg.heard = now.instant;
            // What waited for somebody to hear it begins.
            self.busy[index] = true;
        }
    }

    /// How a browser gets our packets.
    pub(super) fn browser_reports(&mut self, leg: LegId, report: PeerReport) {
        let Some(&index) = self.by_id.get(&leg) else { return };
        let Some(leg) = self.leg_mut(index) else { return };
        let PeerReport { lost, loss, jitter, round_trip } = report;
        let clock = leg.codec().map_or(8000, Codec::clock);
        leg.peer_lost = Some(lost);
        leg.peer_loss = loss.unwrap_or(leg.peer_loss);
        leg.peer_jitter = units(jitter, clock);
        leg.round_trip = round_trip.unwrap_or(leg.round_trip);
    }

    /// A packet that is certain to come from the peer.
    fn hear(&mut self, now: Now, index: usize, packet: &mut [u8], header: Header, out: &mut impl Sink) {
        let Some((leg, partner)) = pair(&mut self.legs, index) else { return };
        let Some(agreed) = &leg.agreed else { return };
        let Some(content) = agreed.content(header.payload_type) else { return };
        let (clock, sends) = (agreed.codec.clock(), agreed.direction.sends);
        leg.receive(now.instant, &header, clock);
        if !std::mem::replace(&mut leg.flowing, true) {
            self.output.push_back(super::Output::Event(Event::Flowing { leg: leg.id }));
        }
        let partner = partner.filter(|partner| sends && !leg.muted && partner.hears_partner());
        let mut exit = Exit { now, browsers: &mut self.browsers, out };
        match content {
            Content::Audio(codec) => {
                let duration = codec.duration(&packet[header.start..header.end]);
                if duration == 0 || !sends || leg.muted {
                    return;
                }
                let is_heard_here =
                    listening(&mut self.recorders, leg).is_some() || leg.ear.is_some() || leg.room.is_some();
                let what = (codec, duration);
                hear_audio(leg, partner, is_heard_here, what, index as u32, (packet, header), &mut exit);
                self.busy[index] |= leg.jitter.is_some();
            }
            Content::Noise => {
                if sends && !leg.muted {
                    hear_noise(leg, partner, index as u32, (packet, header), &mut exit);
                    self.busy[index] |= leg.jitter.is_some();
                }
            }
            Content::Digits { clock } => {
                let Some(payload) = dtmf::Payload::parse(&packet[header.start..header.end]) else { return };
                let ended = leg.keys.push(now.instant, header.timestamp, clock, payload);
                if let Some((digit, duration)) = ended {
                    let event = Event::Digit { leg: leg.id, digit, duration };
                    self.output.push_back(super::Output::Event(event));
                }
                self.busy[index] = true;
                if let Some(jitter) = &mut leg.jitter {
                    jitter.skip(now.instant, header.sequence, header.timestamp);
                }
                if let Some(partner) = partner {
                    let tick = self.ticks as u32;
                    let what = (clock, payload);
                    if !pass_digit(leg, partner, (index as u32, tick), what, (packet, header), &mut exit)
                        && let Some((digit, duration)) = ended
                    {
                        partner.digits.push_for(digit, duration);
                        if let Some(partner) = leg.partner {
                            self.busy[partner] = true;
                        }
                    }
                }
            }
        }
    }

    fn handle_rtcp(&mut self, now: Now, index: usize, packet: &[u8]) {
        let Some(leg) = self.leg_mut(index) else { return };
        let clock = leg.codec().map_or(8000, Codec::clock);
        // What stands before a malformed piece counts; the peer learns nothing from us either way.
        let _ = rtcp::parse(packet, |item| match item {
            rtcp::Item::Sender { ssrc, info } => leg.reception.sender_report(now.instant, ssrc, info.ntp),
            rtcp::Item::Report { report, .. } if report.ssrc == leg.outgoing.ssrc => {
                leg.peer_lost = Some(u64::try_from(report.lost).unwrap_or(0));
                leg.peer_loss = (u32::from(report.fraction_lost) * 100 / 256) as u8;
                leg.peer_jitter = units(report.jitter, clock);
                if report.last_sender_report != 0 {
                    // RFC 3550 §6.4.1, in 65,536ths of a second; negative when the peer's arithmetic is poor.
                    let away = ((ntp(now.wall) >> 16) as u32)
                        .wrapping_sub(report.last_sender_report)
                        .wrapping_sub(report.delay_since);
                    leg.round_trip =
                        Duration::from_micros(u64::from((away as i32).max(0) as u32) * 1_000_000 / 65_536);
                }
            }
            rtcp::Item::Report { .. } => {}
            // Should it go on with this SSRC all the same, it begins anew.
            rtcp::Item::Bye { ssrc } if leg.ssrc == Some(ssrc) => leg.ssrc = None,
            rtcp::Item::Bye { .. } => {}
        });
    }
}

/// So many units of a clock.
fn units(jitter: u32, clock: u32) -> Duration {
    Duration::from_micros(u64::from(jitter) * 1_000_000 / u64::from(clock))
}

/// NTP format: seconds since 1900 in the upper half.
pub(super) fn ntp(wall: Timestamp) -> u64 {
    const UNIX_EPOCH: u64 = 2_208_988_800;
    let micros = u64::try_from(wall.as_micros()).unwrap_or(0);
    let fraction = ((micros % 1_000_000) << 32) / 1_000_000;
    ((micros / 1_000_000 + UNIX_EPOCH) << 32) | fraction
}

/// The recording that hears the leg now.
pub(super) fn listening<'a>(recorders: &'a mut [Option<Recorder>], leg: &Leg) -> Option<&'a mut Recorder> {
    recorders.get_mut(leg.recorder?)?.as_mut().filter(|recorder| !recorder.is_paused())
}

/// Where the sound of one leg goes.
pub(super) struct Pour<'a, 'b, S> {
    pub source: Source,
    pub partner: Option<&'a mut Leg>,
    pub recorder: Option<(&'a mut Recorder, &'a mut Tap, crate::api::Channel)>,
    pub room: Option<(&'a mut Mixer, usize)>,
    /// When it was said, as far as the recorder is concerned.
    pub said: model::Instant,
    /// For a recorder that does not take the rate of the sound.
    pub narrow: &'a mut Option<Box<RateConverter>>,
    pub exit: &'a mut Exit<'b, S>,
}

impl<S: Sink> Pour<'_, '_, S> {
    /// The sound of tick number `tick`, at `rate`.
    pub fn samples(&mut self, tick: u32, rate: u32, pcm: &[i16]) {
        if let Some((recorder, tap, channel)) = &mut self.recorder {
            let mut buffer = [0; RECORDING_RATE as usize / 50];
            let samples = if rate == RECORDING_RATE {
                pcm
            } else {
                let narrow = match self.narrow.as_mut().filter(|narrow| narrow.is_for(rate, RECORDING_RATE)) {
                    Some(narrow) => narrow,
                    None => self.narrow.insert(Box::new(RateConverter::new(rate, RECORDING_RATE))),
                };
                let length = narrow.convert(pcm, &mut buffer);
                &buffer[..length]
            };
            let timestamp = tick.wrapping_mul(RECORDING_RATE / 50);
            recorder.write(self.said, *channel, tap, timestamp, samples);
        }
        if let Some((mixer, leg)) = &mut self.room
            && let Ok(frame) = pcm.try_into()
        {
            mixer.say(*leg, frame);
        }
        if let Some(partner) = &mut self.partner
            && let Some(codec) = partner.codec()
        {
            partner.say(self.source, rate, tick.wrapping_mul(codec.clock() / 50), pcm, self.exit);
        }
    }
}

fn hear_audio(
    leg: &mut Leg,
    partner: Option<&mut Leg>,
    is_heard_here: bool,
    (codec, duration): (Codec, u32),
    index: u32,
    (packet, header): (&mut [u8], Header),
    exit: &mut Exit<'_, impl Sink>,
) {
    let (mut relayed, mut transcoded) = (None, false);
    if let Some(partner) = partner {
        match passes(leg, partner, codec, duration) {
            Some(map) => relayed = Some((partner, map)),
            None => transcoded = true,
        }
    }
    if (transcoded || is_heard_here)
        && let Some(jitter) = jitter(leg, codec)
    {
        let payload = &packet[header.start..header.end];
        jitter.push(exit.now.instant, header.sequence, header.timestamp, payload);
    } else if leg.jitter.is_some() {
        leg.jitter = None;
    }
    if let Some((partner, map)) = relayed {
        let Some(payload_type) = partner.agreed.as_ref().map(|agreed| agreed.payload_type) else { return };
        let source = Source::Relayed { leg: index, ssrc: header.ssrc };
        let now = exit.now.instant;
        let Some(place) = partner.outgoing.relay(now, source, header.sequence, header.timestamp, duration)
        else {
            return;
        };
        if let Some(map) = map {
            for octet in &mut packet[header.start..header.end] {
                *octet = map[usize::from(*octet)];
            }
        }
        partner.encoding = None;
        let marker = header.marker || place.first;
        partner.line().forward(place, payload_type, marker, (packet, header), exit);
    }
}

/// Comfort noise goes on as it is to who understands it. For others it is made here, and with it all sound.
fn hear_noise(
    leg: &mut Leg,
    partner: Option<&mut Leg>,
    index: u32,
    (packet, header): (&mut [u8], Header),
    exit: &mut Exit<'_, impl Sink>,
) {
    let Some(codec) = leg.codec() else { return };
    let now = exit.now.instant;
    if let Some(partner) = partner {
        let passes = leg.passes_to(partner, codec);
        let noise = partner.agreed.as_ref().and_then(|agreed| agreed.noise).filter(|_| passes);
        if let Some(payload_type) = noise {
            let source = Source::Relayed { leg: index, ssrc: header.ssrc };
            let place = partner.outgoing.relay(now, source, header.sequence, header.timestamp, 0);
            if let Some(place) = place {
                let payload = (&mut *packet, header);
                partner.line().forward(place, payload_type, header.marker, payload, exit);
            }
        } else {
            leg.regroup = true;
            let _ = jitter(leg, codec);
        }
    }
    if let Some(jitter) = &mut leg.jitter {
        let payload = &packet[header.start..header.end];
        jitter.push_noise(now, header.sequence, header.timestamp, payload);
    }
}

/// The leg's jitter buffer for this codec; `None` for one that is not decoded.
fn jitter(leg: &mut Leg, codec: Codec) -> Option<&mut JitterBuffer> {
    if leg.jitter.as_ref().is_none_or(|jitter| jitter.codec() != codec) {
        leg.jitter = JitterBuffer::new(codec, RECORDING_RATE).map(Box::new);
    }
    leg.jitter.as_deref_mut()
}

/// The byte map with which packets pass to the partner as they are, `None` when they must be made anew.
pub(super) fn passes(
    leg: &mut Leg,
    partner: &Leg,
    codec: Codec,
    duration: u32,
) -> Option<Option<&'static [u8; 256]>> {
    let agreed = partner.agreed.as_ref()?;
    let is_long = |time| duration.cmp(&(crate::codec::units(time, codec.clock()) as u32));
    leg.regroup |= match codec {
        Codec::Pcmu | Codec::Pcma | Codec::G722 => is_long(agreed.packet).is_ne(),
        // These are taken in any length but what is too long.
        Codec::Opus => is_long(agreed.longest).is_gt(),
        Codec::G729 => false,
    };
    if leg.regroup { None } else { codec.map_to(agreed.codec) }
}

/// Tells the partner of a press as its events go. `false` when it knows none: it is to hear a tone.
fn pass_digit(
    leg: &Leg,
    partner: &mut Leg,
    (index, tick): (u32, u32),
    (clock, payload): (u32, dtmf::Payload),
    (packet, header): (&mut [u8], Header),
    exit: &mut Exit<'_, impl Sink>,
) -> bool {
    let (Some(from), Some(agreed)) = (leg.codec(), &partner.agreed) else { return true };
    let (to, Some(digits)) = (agreed.codec, agreed.digits) else { return false };
    let now = exit.now.instant;
    // Our own time, in which the sound around it is told as well.
    let here = tick.wrapping_mul(to.clock() / 50);
    let passed = partner.passing.pass(header.timestamp, clock, payload, here, digits.clock);
    let place = if leg.passes_to(partner, from) {
        let source = Source::Relayed { leg: index, ssrc: header.ssrc };
        partner.outgoing.relay(now, source, header.sequence, header.timestamp, 0)
    } else {
        let source = Source::Transcoded { leg: index, ssrc: header.ssrc };
        let timestamp = passed.begin.wrapping_add(rescale(passed.since, digits.clock, to.clock()));
        Some(partner.outgoing.produce(now, source, timestamp, 0))
    };
    let Some(place) = place else { return true };
    packet[header.start..header.start + 4].copy_from_slice(&passed.payload.octets());
    partner.line().forward(place, digits.payload_type, header.marker, (packet, header), exit);
    true
}

/// A timestamp of one clock in units of another. All clocks here are multiples of each other.
pub(super) fn rescale(timestamp: u32, from: u32, to: u32) -> u32 {
    if to >= from { timestamp.wrapping_mul(to / from) } else { timestamp / (from / to) }
}
