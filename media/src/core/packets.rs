//! What happens to a packet: counted, decoded where somebody needs samples, and sent on to the partner.

use std::net::SocketAddr;

use model::{LegId, Now, Timestamp};

use super::{Core, Event, Exit, Sink, pair};
use crate::codec::{Codec, Decoder};
use crate::dtmf;
use crate::leg::{Leg, MOST_OCTETS, Transport};
use crate::mix::{self, Mixer};
use crate::outgoing::Source;
use crate::record::{Recorder, Tap};
use crate::rtcp;
use crate::rtp::{self, HEADER, Header};
use crate::sdp::Content;
use crate::webrtc::RtpIn;

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
        if rtp::is_rtcp(packet) {
            self.handle_rtcp(now, index, from, packet);
        } else if !rtcp && let Ok(header) = Header::parse(packet) {
            let Some(leg) = self.leg_mut(index) else { return };
            let (Some(agreed), Transport::Rtp(rtp)) = (&leg.agreed, &mut leg.transport) else { return };
            if agreed.content(header.payload_type).is_some() && rtp.admits(from, agreed.rtcp_mux) {
                self.hear(now, index, packet, header, out);
                self.drain_browsers(now, out);
            }
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
                if let Some(recorder) = leg.recorder.and_then(|index| self.recorders.get(index)?.as_ref())
                    && recorder.is_paused()
                {
                    let units = |units| rescale(units, codec.clock(), Decoder::RATE);
                    recorder.miss(now.instant, &mut leg.tap, units(header.timestamp), units(duration));
                }
                let recorder = listening(&mut self.recorders, leg);
                let room = leg.room.and_then(|room| Some(&mut self.rooms.get_mut(room)?.as_mut()?.mixer));
                hear_audio(
                    leg,
                    partner,
                    recorder,
                    room,
                    codec,
                    duration,
                    index as u32,
                    (packet, header),
                    &mut exit,
                );
                self.busy[index] |= leg.decoder.as_ref().is_some_and(|decoder| decoder.is_waiting());
            }
            Content::Digits { clock } => {
                let Some(payload) = dtmf::Payload::parse(&packet[header.start..header.end]) else { return };
                if let Some((digit, duration)) = leg.keys.push(now.instant, header.timestamp, clock, payload)
                {
                    let event = Event::Digit { leg: leg.id, digit, duration };
                    self.output.push_back(super::Output::Event(event));
                }
                self.busy[index] = true;
                if let Some(decoder) = &mut leg.decoder {
                    // At most what waited for this number; a digit is sounding, nobody misses it.
                    decoder.skip(header.sequence, |_, _| {});
                }
                if let Some(partner) = partner {
                    forward_digit(leg, partner, clock, payload, index as u32, (packet, header), &mut exit);
                }
            }
        }
    }

    fn handle_rtcp(&mut self, now: Now, index: usize, from: SocketAddr, packet: &[u8]) {
        let Some(leg) = self.leg_mut(index) else { return };
        let Transport::Rtp(rtp) = &leg.transport else { return };
        let known = [rtp.remote, rtp.described, rtp.rtcp.map(|(_, to)| to)];
        if !known.iter().flatten().any(|known| known.ip() == from.ip()) {
            return;
        }
        let clock = leg.codec().map_or(8000, Codec::clock);
        // What stands before a malformed piece counts; the peer learns nothing from us either way.
        let _ = rtcp::parse(packet, |item| match item {
            rtcp::Item::Sender { ssrc, info } => leg.reception.sender_report(now.instant, ssrc, info.ntp),
            rtcp::Item::Report { report, .. } if report.ssrc == leg.outgoing.ssrc => {
                leg.peer_lost = u64::try_from(report.lost).unwrap_or(0);
                leg.peer_jitter =
                    std::time::Duration::from_micros(u64::from(report.jitter) * 1_000_000 / u64::from(clock));
                if report.last_sender_report != 0 {
                    // RFC 3550 §6.4.1, in 65,536ths of a second; negative when the peer's arithmetic is poor.
                    let away = ((ntp(now.wall) >> 16) as u32)
                        .wrapping_sub(report.last_sender_report)
                        .wrapping_sub(report.delay_since);
                    leg.round_trip = std::time::Duration::from_micros(
                        u64::from((away as i32).max(0) as u32) * 1_000_000 / 65_536,
                    );
                }
            }
            rtcp::Item::Report { .. } => {}
            // Should it go on with this SSRC all the same, it begins anew.
            rtcp::Item::Bye { ssrc } if leg.ssrc == Some(ssrc) => leg.ssrc = None,
            rtcp::Item::Bye { .. } => {}
        });
    }
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

/// Where decoded samples of one leg go.
pub(super) struct Pour<'a, 'b, S> {
    pub source: Source,
    /// Units a second of the leg's timestamps.
    pub clock: u32,
    pub partner: Option<&'a mut Leg>,
    pub recorder: Option<(&'a mut Recorder, &'a mut Tap, crate::api::Channel)>,
    pub room: Option<(&'a mut Mixer, usize)>,
    pub exit: &'a mut Exit<'b, S>,
}

impl<S: Sink> Pour<'_, '_, S> {
    pub fn samples(&mut self, timestamp: u32, pcm: &[i16]) {
        if let Some((recorder, tap, channel)) = &mut self.recorder {
            let timestamp = rescale(timestamp, self.clock, Decoder::RATE);
            recorder.write(self.exit.now.instant, *channel, tap, timestamp, pcm);
        }
        if let Some((mixer, leg)) = &mut self.room {
            mixer.say(*leg, rescale(timestamp, self.clock, mix::RATE), pcm);
        }
        if let Some(partner) = &mut self.partner
            && let Some(codec) = partner.codec()
        {
            let timestamp = rescale(timestamp, self.clock, codec.clock());
            partner.say(self.source, Decoder::RATE, timestamp, pcm, self.exit);
        }
    }
}

#[expect(clippy::too_many_arguments)]
fn hear_audio(
    leg: &mut Leg,
    partner: Option<&mut Leg>,
    recorder: Option<&mut Recorder>,
    room: Option<&mut Mixer>,
    codec: Codec,
    duration: u32,
    index: u32,
    (packet, header): (&mut [u8], Header),
    exit: &mut Exit<'_, impl Sink>,
) {
    let (mut relayed, mut transcoded) = (None, None);
    if let Some(partner) = partner {
        match passes(leg, partner, codec, duration) {
            Some(map) => relayed = Some((partner, map)),
            None => transcoded = Some(partner),
        }
    }
    if transcoded.is_some() || recorder.is_some() || room.is_some() {
        let decoder = match leg.decoder.as_mut().filter(|decoder| decoder.codec() == codec) {
            Some(decoder) => decoder,
            None => leg.decoder.insert(Box::new(Decoder::new(codec))),
        };
        let mut pour = Pour {
            source: Source::Transcoded { leg: index, ssrc: header.ssrc },
            clock: codec.clock(),
            partner: transcoded,
            recorder: recorder.map(|recorder| (recorder, &mut leg.tap, leg.channel)),
            room: room.map(|room| (room, index as usize)),
            exit,
        };
        let payload = &packet[header.start..header.end];
        decoder.push(pour.exit.now.instant, header.sequence, header.timestamp, payload, |timestamp, pcm| {
            pour.samples(timestamp, pcm);
        });
    } else if let Some(decoder) = &mut leg.decoder {
        decoder.restart();
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

/// The byte map with which packets pass to the partner as they are, `None` when they must be made anew.
pub(super) fn passes(
    leg: &mut Leg,
    partner: &Leg,
    codec: Codec,
    duration: u32,
) -> Option<Option<&'static [u8; 256]>> {
    let agreed = partner.agreed.as_ref()?;
    // Opus packets are taken in any length.
    let wanted = crate::codec::units(agreed.packet, codec.clock()) as u32;
    leg.regroup |= codec != Codec::Opus && duration != wanted;
    if leg.regroup { None } else { codec.map_to(agreed.codec) }
}

fn forward_digit(
    leg: &Leg,
    partner: &mut Leg,
    clock: u32,
    payload: dtmf::Payload,
    index: u32,
    (packet, header): (&mut [u8], Header),
    exit: &mut Exit<'_, impl Sink>,
) {
    let (Some(from), Some(agreed)) = (leg.codec(), &partner.agreed) else { return };
    let (to, Some(digits)) = (agreed.codec, agreed.digits) else { return };
    let now = exit.now.instant;
    let timestamp = rescale(header.timestamp, clock, to.clock());
    let place = if !leg.regroup && from.map_to(to).is_some() {
        let source = Source::Relayed { leg: index, ssrc: header.ssrc };
        partner.outgoing.relay(now, source, header.sequence, timestamp, 0)
    } else {
        let source = Source::Transcoded { leg: index, ssrc: header.ssrc };
        Some(partner.outgoing.produce(now, source, timestamp, 0))
    };
    let Some(place) = place else { return };
    let duration = u64::from(payload.duration) * u64::from(digits.clock) / u64::from(clock.max(1));
    let payload = dtmf::Payload { duration: duration.min(u16::MAX.into()) as u16, ..payload };
    packet[header.start..header.start + 4].copy_from_slice(&payload.octets());
    partner.line().forward(place, digits.payload_type, header.marker, (packet, header), exit);
}

/// A timestamp of one clock in units of another. All clocks here are multiples of each other.
pub(super) fn rescale(timestamp: u32, from: u32, to: u32) -> u32 {
    if to >= from { timestamp.wrapping_mul(to / from) } else { timestamp / (from / to) }
}
