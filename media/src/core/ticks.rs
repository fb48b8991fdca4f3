//! What happens every 20 ms.

use std::time::Duration;

use model::{Now, PlaybackId};
use rand::RngExt;

use super::packets::{Pour, listening, ntp, rescale};
use super::{CNAME, Core, Exit, Output, Sink, TICK, pair};
use crate::api::Event;
use crate::codec::{Codec, Decoder};
use crate::dtmf;
use crate::leg::{Leg, Transport};
use crate::outgoing::Source;
use crate::quality::{Counted, Heard};
use crate::rtcp;

/// No packet for this long from a peer that should be sending is worth a word: the first time it may be a pause of a phone that
/// sends nothing while nobody speaks, the second time nobody is there.
const SILENCES: [Duration; 2] = [Duration::from_secs(10), Duration::from_secs(300)];
/// The rate at which Opus legs hear prompts.
const WIDE: u32 = 16_000;
/// RFC 3550 §6.2: five seconds, spread by half of it either way.
const REPORTS: std::ops::Range<u64> = 2500..7500;

impl Core {
    /// Says whether the next tick has something to do, too.
    pub(super) fn tick_leg(&mut self, now: Now, index: usize, out: &mut impl Sink) -> bool {
        self.release(now, index, out);
        let partner = self.legs[index].as_deref().and_then(|leg| leg.partner);
        let muted =
            partner.and_then(|partner| self.legs[partner].as_deref()).is_some_and(|partner| partner.muted);
        let partner_unheard =
            partner.and_then(|partner| Some(self.legs[partner].as_deref()?.is_unheard(now.instant)));
        let Some(leg) = self.legs[index].as_deref_mut() else { return false };
        if leg.flowing && leg.meter.is_due(now.instant) {
            self.output.push_back(Output::Event(measure(leg, now, partner_unheard)));
        }
        if let Some((digit, duration)) = leg.keys.poll(now.instant) {
            self.output.push_back(Output::Event(Event::Digit { leg: leg.id, digit, duration }));
        }
        let mut exit = Exit { now, browsers: &mut self.browsers, out };
        let speaking = leg.digits.is_sending();
        if speaking && leg.hears() {
            send_digit(leg, &mut exit);
        }
        if leg.playback.is_some() && leg.is_reachable() {
            let mut announced = None;
            let ended = play(leg, speaking, &mut announced, &mut exit);
            if let Some(playback) = announced {
                let event = Event::PlayingEnded { leg: leg.id, playback, interrupted: false };
                self.output.push_back(Output::Event(event));
            }
            if ended && let Some(playing) = leg.playback.take() {
                let event = Event::PlayingEnded { leg: leg.id, playback: playing.id(), interrupted: false };
                self.output.push_back(Output::Event(event));
            }
        }
        let hushed = muted && leg.hears_partner() && leg.is_reachable();
        if hushed {
            hush(leg, &mut exit);
        }
        let sends = leg.agreed.as_ref().is_some_and(|agreed| agreed.direction.sends);
        let since = now.instant - leg.heard;
        let next = SILENCES.get(usize::from(leg.silences_said));
        if sends && leg.is_reachable() && next.is_some_and(|next| since >= *next) {
            leg.silences_said += 1;
            self.output.push_back(Output::Event(Event::Silent { leg: leg.id, since }));
        }
        if report(leg, now, out) {
            let pause = Duration::from_millis(self.random.random_range(REPORTS));
            if let Transport::Rtp(rtp) = &mut leg.transport {
                rtp.next_report = now.instant + pause;
            }
        }
        hushed
            || leg.playback.is_some()
            || leg.digits.is_sending()
            || leg.keys.is_pressed()
            || leg.decoder.as_ref().is_some_and(|decoder| decoder.is_waiting())
    }

    pub(super) fn tick_recorders(&mut self, now: Now) {
        for recorder in self.recorders.iter_mut().flatten() {
            let recording = recorder.recording;
            recorder.tick(now.instant, |samples| {
                self.output.push_back(Output::WriteRecording { recording, samples });
            });
        }
    }

    /// Lets go of packets that waited too long for one before them.
    fn release(&mut self, now: Now, index: usize, out: &mut impl Sink) {
        let Some((leg, partner)) = pair(&mut self.legs, index) else { return };
        let recorder = listening(&mut self.recorders, leg);
        let (Some(decoder), Some(ssrc)) = (&mut leg.decoder, leg.ssrc) else { return };
        let codec = decoder.codec();
        let passed =
            |partner: &Leg| !leg.regroup && partner.codec().is_some_and(|to| codec.map_to(to).is_some());
        let partner = partner.filter(|partner| !leg.muted && partner.hears_partner() && !passed(partner));
        let room = leg.room.filter(|_| !leg.muted);
        let room = room.and_then(|room| Some(&mut self.rooms.get_mut(room)?.as_mut()?.mixer));
        let mut exit = Exit { now, browsers: &mut self.browsers, out };
        let mut pour = Pour {
            source: Source::Transcoded { leg: index as u32, ssrc },
            clock: codec.clock(),
            partner,
            recorder: recorder.filter(|_| !leg.muted).map(|recorder| (recorder, &mut leg.tap, leg.channel)),
            room: room.map(|room| (room, index)),
            exit: &mut exit,
        };
        decoder.release(now.instant, |timestamp, pcm| pour.samples(timestamp, pcm));
    }
}

/// Sends this tick's part of a digit: an event packet, or tones to a peer without events.
fn send_digit(leg: &mut Leg, exit: &mut Exit<'_, impl Sink>) {
    let Some(agreed) = &leg.agreed else { return };
    let (codec, digits) = (agreed.codec, agreed.digits);
    let row = Source::Digits(leg.digits.row());
    let clock = digits.map_or(codec.clock(), |digits| digits.clock);
    let since = leg.digits.elapsed();
    let Some(sending) = leg.digits.tick(clock) else {
        if digits.is_none() {
            say_at(leg, row, since, &[0; 160], exit);
        }
        return;
    };
    let Some(digits) = digits else {
        let mut frame = [0; 160];
        if let Some(sounded) = sending.sounded {
            dtmf::tones(sending.payload.event, sounded, &mut frame);
        }
        return say_at(leg, row, since, &frame, exit);
    };
    let timestamp = crate::codec::units(sending.since, codec.clock()) as u32;
    let duration = rescale(sending.payload.duration.into(), digits.clock, codec.clock());
    let place = leg.outgoing.produce(exit.now.instant, row, timestamp, duration);
    leg.line().send(place, digits.payload_type, sending.first, &sending.payload.octets(), exit);
}

fn say_at(leg: &mut Leg, source: Source, since: Duration, frame: &[i16], exit: &mut Exit<'_, impl Sink>) {
    let Some(codec) = leg.codec() else { return };
    leg.say(source, Decoder::RATE, crate::codec::units(since, codec.clock()) as u32, frame, exit);
}

/// Plays this tick's part of the playlist and what is said over it; true when both are through. It goes on unheard while the peer does not listen.
fn play(
    leg: &mut Leg,
    speaking: bool,
    announced: &mut Option<PlaybackId>,
    exit: &mut Exit<'_, impl Sink>,
) -> bool {
    let Some(codec) = leg.codec() else { return false };
    let rate = if codec == Codec::Opus { WIDE } else { Decoder::RATE };
    let Some(playing) = &mut leg.playback else { return false };
    let mut frame = [0; WIDE as usize / 50];
    let frame = &mut frame[..rate as usize / 50];
    let mut filled = playing.playback.fill(rate, frame, &mut leg.music);
    if let Some(over) = &mut playing.over {
        *announced = over.lay(rate, frame, &mut leg.music);
        // What it was laid over may have ended.
        filled = frame.len();
        if over.is_over() {
            playing.over = None;
        }
    }
    let over = playing.over.is_none() && (filled < frame.len() || playing.playback.is_over());
    let source = Source::Playback(playing.number);
    let timestamp = playing.ticks.wrapping_mul(codec.clock() / 50);
    playing.ticks = playing.ticks.wrapping_add(1);
    if speaking || !leg.hears() {
        return over;
    }
    // Where the peer wants longer packets than a tick, silence fills up the last one at the same pace.
    let length = if filled > 0 { frame.len() } else { leg.begun(source).min(frame.len()) };
    leg.say(source, rate, timestamp, &frame[..length], exit);
    over && leg.begun(source) == 0
}

/// Sends this tick's silence: many a carrier hangs up when nothing at all comes for a while.
fn hush(leg: &mut Leg, exit: &mut Exit<'_, impl Sink>) {
    let Some(codec) = leg.codec() else { return };
    let timestamp = leg.hushed.wrapping_mul(codec.clock() / 50);
    leg.hushed = leg.hushed.wrapping_add(1);
    leg.say(Source::Silence, Decoder::RATE, timestamp, &[0; Decoder::RATE as usize / 50], exit);
}

/// `partner_unheard`: whether nothing comes from the partner either; `None` without one.
fn measure(leg: &mut Leg, now: Now, partner_unheard: Option<bool>) -> Event {
    let heard = match partner_unheard {
        Some(true) if leg.is_unheard(now.instant) => Heard::Nobody,
        Some(false) if leg.is_unheard(now.instant) => Heard::OneWay,
        Some(_) | None => Heard::Fine,
    };
    let counted = leg.counted();
    let quality = leg.meter.measure(now.instant, counted, heard);
    let whole = counted.since(&Counted::default());
    Event::Quality { leg: leg.id, now: quality, whole, trouble: leg.meter.trouble }
}

/// Sends an RTCP report if one is due.
fn report(leg: &mut Leg, now: Now, out: &mut impl Sink) -> bool {
    let Transport::Rtp(rtp) = &mut leg.transport else { return false };
    if rtp.rtcp.is_none() || rtp.next_report > now.instant {
        return false;
    }
    let info = leg.outgoing.sender_info(now.instant, ntp(now.wall));
    let report = leg.reception.report(now.instant);
    if info.is_none() && report.is_none() {
        return false;
    }
    let mut packet = [0; rtcp::MOST_OCTETS];
    let length = rtcp::write(&mut packet, leg.outgoing.ssrc, info, report, CNAME, false);
    rtp.send_rtcp(&packet[..length], out);
    true
}

const _: () = assert!(TICK.as_millis() == 20);
