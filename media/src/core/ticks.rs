//! What happens every 20 ms.

use std::time::Duration;

use model::{Instant, Now, PlaybackId};
use rand::RngExt;

use super::packets::{Pour, listening, ntp, rescale};
use super::{CNAME, Core, Exit, Output, RECORDING_RATE, Sink, TICK, pair};
use crate::api::Event;
use crate::dtmf;
use crate::leg::{Leg, Transport};
use crate::outgoing::Source;
use crate::quality::{Counted, Heard};
use crate::rtcp;

/// No packet for this long from a peer that should be sending is worth a word: the first time it may be a pause of a phone that
/// sends nothing while nobody speaks, the second time nobody is there.
const SILENCES: [Duration; 2] = [Duration::from_secs(10), Duration::from_secs(300)];
const TICKS_A_SECOND: usize = 50;
/// Opus encoders at work on this thread up to this number, and how hard each may try: the last few keep a core busy enough.
const EFFORTS: [(usize, u8); 2] = [(8, 6), (32, 3)];
/// The highest rate of PCM.
const MOST_RATE: u32 = 48_000;
/// The rate of tones that we make, and of silence.
const NARROW: u32 = 8000;
/// RFC 3550 §6.2: five seconds, spread by half of it either way.
const REPORTS: std::ops::Range<u64> = 2500..7500;

impl Core {
    /// Says whether the next tick has something to do, too.
    pub(super) fn tick_leg(&mut self, now: Now, index: usize, out: &mut impl Sink) -> bool {
        let shaking = self.shake(now, index, out);
        self.lost_key(now, index);
        self.voice(now, index, out);
        let partner = self.legs[index].as_deref().and_then(|leg| leg.partner);
        let muted =
            partner.and_then(|partner| self.legs[partner].as_deref()).is_some_and(|partner| partner.muted);
        let partner_unheard =
            partner.and_then(|partner| Some(self.legs[partner].as_deref()?.is_unheard(now.instant)));
        let Some(leg) = self.legs[index].as_deref_mut() else { return false };
        if leg.flowing && leg.meter.is_due(now.instant) {
            self.output.push_back(Output::Event(measure(leg, now, partner_unheard)));
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
            || shaking
            || leg.playback.is_some()
            || leg.digits.is_sending()
            || leg.keys.is_pressed()
            || leg.jitter.as_ref().is_some_and(|jitter| jitter.is_active())
    }

    pub(super) fn tick_recorders(&mut self, now: Now) {
        for recorder in self.recorders.iter_mut().flatten() {
            let recording = recorder.recording;
            recorder.tick(now.instant, |samples| {
                self.output.push_back(Output::WriteRecording { recording, samples });
            });
        }
    }

    /// A key whose end was lost.
    fn lost_key(&mut self, now: Now, index: usize) {
        let Some((leg, partner)) = pair(&mut self.legs, index) else { return };
        let Some((digit, duration)) = leg.keys.poll(now.instant) else { return };
        self.output.push_back(Output::Event(Event::Digit { leg: leg.id, digit, duration }));
        let is_deaf =
            |partner: &&mut Leg| partner.agreed.as_ref().is_some_and(|agreed| agreed.digits.is_none());
        let partner = partner.filter(|partner| !leg.muted && partner.hears_partner()).filter(is_deaf);
        if let Some(partner) = partner {
            partner.digits.push_for(digit, duration);
        }
    }

    /// Once a second: encoders try the harder the fewer there are, and prepare for the loss that was reported.
    pub(super) fn adapt_encoders(&mut self) {
        if !self.ticks.is_multiple_of(TICKS_A_SECOND) {
            return;
        }
        let is_dear = |leg: &&mut Box<Leg>| leg.encoder.as_ref().is_some_and(|encoder| encoder.is_adaptive());
        let busy = self.legs.iter_mut().flatten().filter(is_dear).count();
        let effort = EFFORTS.iter().find(|(most, _)| busy <= *most).map_or(1, |(_, effort)| *effort);
        for leg in self.legs.iter_mut().flatten() {
            if let Some(encoder) = &mut leg.encoder {
                encoder.adapt(effort, leg.peer_loss);
            }
        }
    }

    /// What the leg said comes out of its jitter buffer.
    fn voice(&mut self, now: Now, index: usize, out: &mut impl Sink) {
        let tick = self.ticks as u32;
        let Some((leg, partner)) = pair(&mut self.legs, index) else { return };
        let Some((codec, ssrc)) = leg.jitter.as_ref().map(|jitter| jitter.codec()).zip(leg.ssrc) else {
            return;
        };
        let hears = |partner: &&mut Leg| partner.hears_partner() && !leg.passes_to(partner, codec);
        let partner = partner.filter(|_| !leg.muted).filter(hears);
        let Some(jitter) = &mut leg.jitter else { return };
        // Straight to the rate at which it is heard, so that nothing is converted twice.
        let wanted = partner.as_ref().and_then(|partner| partner.codec()?.rate());
        jitter.set_rate(wanted.unwrap_or(RECORDING_RATE));
        let rate = jitter.rate();
        let mut frame = [0; MOST_RATE as usize / 50];
        let frame = &mut frame[..rate as usize / 50];
        if !jitter.pull(now.instant, frame) {
            return;
        }
        if let Some((digit, duration)) = leg.ear.as_mut().and_then(|ear| ear.hear(rate, frame)) {
            self.output.push_back(Output::Event(Event::Digit { leg: leg.id, digit, duration }));
        }
        let said =
            Instant::from_micros(now.instant.as_micros().saturating_sub(jitter.lag().as_micros() as u64));
        let recorder = listening(&mut self.recorders, leg);
        let room = leg.room.filter(|_| !leg.muted);
        let room = room.and_then(|room| Some(&mut self.rooms.get_mut(room)?.as_mut()?.mixer));
        let mut exit = Exit { now, browsers: &mut self.browsers, out };
        let mut pour = Pour {
            source: Source::Transcoded { leg: index as u32, ssrc },
            partner,
            recorder: recorder.filter(|_| !leg.muted).map(|recorder| (recorder, &mut leg.tap, leg.channel)),
            room: room.map(|room| (room, index)),
            said,
            narrow: &mut leg.narrow,
            exit: &mut exit,
        };
        pour.samples(tick, rate, frame);
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
    leg.say(source, NARROW, crate::codec::units(since, codec.clock()) as u32, frame, exit);
}

/// Plays this tick's part of the playlist and what is said over it; true when both are through. It goes on unheard while the peer does not listen.
fn play(
    leg: &mut Leg,
    speaking: bool,
    announced: &mut Option<PlaybackId>,
    exit: &mut Exit<'_, impl Sink>,
) -> bool {
    let Some(codec) = leg.codec() else { return false };
    // To a codec to which nothing can be played the time passes all the same.
    let rate = codec.prompt_rate().unwrap_or(NARROW);
    let Some(playing) = &mut leg.playback else { return false };
    let mut frame = [0; MOST_RATE as usize / 50];
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
    leg.say(Source::Silence, NARROW, timestamp, &[0; NARROW as usize / 50], exit);
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
