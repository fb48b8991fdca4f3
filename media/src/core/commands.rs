//! What the session engine wants done.

use std::path::PathBuf;
use std::sync::Arc;

use model::{LegId, Now, PlaybackId, RecordingId, SessionId};
use rand::RngExt;

use super::{Core, LocalPorts, Output, Recorder, Sink, Socket};
use crate::announce::Over;
use crate::api::{Channel, Command, Direction, Encryption, Event, LegKind, Prompt};
use crate::codec::{Codec, OpusWishes};
use crate::leg::{Leg, Opening, Playing, Transport};
use crate::play::{MusicStart, Playback};
use crate::rtcp;
use crate::sdp::{Agreed, Content, Digits, Negotiation, Security};
use crate::transport::RtpTransport;
use crate::webrtc::{Encoding, Negotiated};

impl Core {
    pub(super) fn obey(
        &mut self,
        now: Now,
        command: Command,
        ports: Option<LocalPorts>,
        out: &mut impl Sink,
    ) {
        match command {
            Command::Open { leg, session, channel, kind, offer, codecs } => {
                self.open(now, leg, session, channel, kind, offer, codecs, ports);
            }
            Command::Describe { leg, codecs, encryption } => self.describe(leg, codecs, encryption),
            Command::Answer { leg, sdp } => self.accept_answer(now, leg, sdp),
            Command::Offer { leg, sdp } => self.accept_offer(now, leg, &sdp),
            Command::Connect { a, b } => self.connect(a, b),
            Command::Disconnect { leg } => {
                if let Some(&index) = self.by_id.get(&leg) {
                    self.disconnect(index);
                }
            }
            Command::Room { session, members } => self.set_room(session, members),
            Command::Play { leg, playback, what, repeat } => self.play(now, leg, playback, what, repeat),
            Command::Announce { leg, playback, what } => self.announce(now, leg, playback, what),
            Command::StopPlaying { leg } => {
                if let Some(&index) = self.by_id.get(&leg) {
                    self.interrupt(index);
                }
            }
            Command::SendDigits { leg, digits } => {
                if let Some(leg) = self.find(leg) {
                    leg.digits.push(&digits);
                }
            }
            Command::SetChannel { leg, channel } => self.set_channel(leg, channel),
            Command::Mute { leg, muted } => self.mute(leg, muted),
            Command::StartRecording { session, recording, file, channels } => {
                self.start_recording(now, session, recording, file, channels);
            }
            Command::PauseRecording { session, paused } => {
                let recorder = self.recorder_of.get(&session).copied();
                if let Some(recorder) = recorder.and_then(|index| self.recorders.get_mut(index)?.as_mut()) {
                    recorder.pause(now.instant, paused);
                }
            }
            Command::StopRecording { session } => self.stop_recording(now, session),
            Command::Close { leg } => {
                if let Some(&index) = self.by_id.get(&leg) {
                    self.close(now, index, out);
                }
            }
        }
    }

    fn find(&mut self, leg: LegId) -> Option<&mut Leg> {
        let index = *self.by_id.get(&leg)?;
        self.leg_mut(index)
    }

    #[expect(clippy::too_many_arguments)]
    fn open(
        &mut self,
        now: Now,
        id: LegId,
        session: SessionId,
        channel: Channel,
        kind: LegKind,
        offer: Option<Arc<[u8]>>,
        codecs: Vec<Codec>,
        ports: Option<LocalPorts>,
    ) {
        assert!(!self.by_id.contains_key(&id), "leg {id} is opened only once");
        let opened = match kind {
            LegKind::Rtp { nat, encryption } => {
                self.open_rtp(now, (session, id), (nat, encryption), offer.as_deref(), codecs, ports)
            }
            LegKind::WebRtc if self.met(session, id).contains(&Codec::G729) => {
                Err("the other side speaks only G.729, which is passed on but not decoded".to_owned())
            }
            LegKind::WebRtc => self.open_webrtc(now, id, offer.as_deref()),
        };
        let (transport, sdp, agreed) = match opened {
            Ok(opened) => opened,
            Err(why) => {
                self.event(Event::Incompatible { leg: id, why });
                self.close_sockets(ports);
                self.event(Event::Closed { leg: id, statistics: Default::default() });
                return;
            }
        };
        let place = Opening {
            ssrc: self.random.random(),
            // RFC 3711 §3.3.1: starting low keeps a loss of the first packets from confusing the roll-over count.
            sequence: self.random.random_range(0..0x8000),
            timestamp: self.random.random(),
        };
        let mut leg = Leg::new(now, id, session, channel, transport, place);
        leg.recorder = self.recorder_for(session, channel);
        let direction =
            agreed.as_ref().map_or(Direction { sends: true, receives: true }, |agreed| agreed.direction);
        if let Some(agreed) = agreed {
            leg.agree(now, agreed);
        }
        let index = self.vacant.pop().unwrap_or(self.legs.len());
        if index == self.legs.len() {
            self.legs.push(None);
            self.busy.push(false);
        }
        self.legs[index] = Some(Box::new(leg));
        self.by_id.insert(id, index);
        for (key, rtcp) in ports.into_iter().flat_map(|ports| [(Some(ports.rtp), false), (ports.rtcp, true)])
        {
            let Some(key) = key else { continue };
            let key = key.0 as usize;
            if self.sockets.len() <= key {
                self.sockets.resize(key + 1, None);
            }
            self.sockets[key] = Some(Socket { leg: index, rtcp });
        }
        self.event(Event::LocalSdp { leg: id, sdp: sdp.into(), direction });
    }

    fn open_rtp(
        &mut self,
        now: Now,
        (session, id): (SessionId, LegId),
        (nat, encryption): (bool, Encryption),
        offer: Option<&[u8]>,
        codecs: Vec<Codec>,
        ports: Option<LocalPorts>,
    ) -> Result<(Transport, Vec<u8>, Option<Agreed>), String> {
        let ports = ports.ok_or("no free media port")?;
        // What we send to the address of a description may not reach who is behind NAT: he is to begin.
        let security = Security::new(encryption, self.secrets.random())
            .with_handshake(self.identity.fingerprint().clone(), nat);
        // Within 63 bits, which is all that some peers can hold.
        let origin = self.random.random::<u64>() >> 1;
        let mut negotiation = Negotiation::new(origin, self.config.address, ports.port, codecs, security);
        negotiation.meet(self.met(session, id));
        let (sdp, agreed) = match offer {
            Some(offer) => negotiation
                .answer(offer)
                .map(|(sdp, agreed)| (sdp, Some(agreed)))
                .map_err(|incompatible| incompatible.to_string())?,
            None => (negotiation.offer().map_err(|incompatible| incompatible.to_string())?, None),
        };
        let transport = RtpTransport::new(ports, negotiation, nat, self.identity.clone(), now.instant);
        Ok((Transport::Rtp(Box::new(transport)), sdp, agreed))
    }

    fn describe(&mut self, id: LegId, codecs: Vec<Codec>, encryption: Encryption) {
        self.consider(id);
        let Some(leg) = self.find(id) else { return };
        let Transport::Rtp(rtp) = &mut leg.transport else { return };
        rtp.negotiation.limit(codecs);
        rtp.negotiation.secure(encryption);
        let event = match rtp.negotiation.offer() {
            Ok(sdp) => {
                leg.answer = None;
                let direction = Direction { sends: true, receives: true };
                Event::LocalSdp { leg: id, sdp: sdp.into(), direction }
            }
            Err(incompatible) => Event::Incompatible { leg: id, why: incompatible.to_string() },
        };
        self.event(event);
    }

    /// What the other legs of the session speak.
    fn met(&self, session: SessionId, id: LegId) -> Vec<Codec> {
        let others = self.legs.iter().flatten().filter(|leg| leg.session == session && leg.id != id);
        others.filter_map(|leg| leg.codec()).collect()
    }

    /// Lets the leg's next description fit to the other legs of its session.
    fn consider(&mut self, id: LegId) {
        let Some(session) = self.find(id).map(|leg| leg.session) else { return };
        let met = self.met(session, id);
        if let Some(Leg { transport: Transport::Rtp(rtp), .. }) = self.find(id) {
            rtp.negotiation.meet(met);
        }
    }

    fn open_webrtc(
        &mut self,
        now: Now,
        id: LegId,
        offer: Option<&[u8]>,
    ) -> Result<(Transport, Vec<u8>, Option<Agreed>), String> {
        let transport = Transport::WebRtc { connected: false };
        let Some(offer) = offer else {
            let offer = self.browsers.make_offer(now.instant, id).map_err(|error| error.to_string())?;
            return Ok((transport, offer, None));
        };
        let (answer, negotiated) =
            self.browsers.accept_offer(now.instant, id, offer).map_err(|error| error.to_string())?;
        match browser_agreed(&negotiated) {
            Ok(agreed) => Ok((transport, answer, Some(agreed))),
            Err(why) => {
                self.browsers.close(now.instant, id);
                Err(why)
            }
        }
    }

    fn accept_answer(&mut self, now: Now, id: LegId, sdp: Arc<[u8]>) {
        let Some(&index) = self.by_id.get(&id) else { return };
        let Some(leg) = self.legs[index].as_deref_mut() else { return };
        if let (Some(agreed), true) = (&leg.agreed, leg.answer.as_ref() == Some(&sdp)) {
            let direction = agreed.direction;
            if let Transport::Rtp(rtp) = &mut leg.transport {
                rtp.repeat(now.instant);
            }
            return self.event(Event::Accepted { leg: id, direction });
        }
        let agreed = match &mut leg.transport {
            Transport::Rtp(rtp) => {
                rtp.negotiation.accept(&sdp).map_err(|incompatible| incompatible.to_string())
            }
            Transport::WebRtc { .. } => self
                .browsers
                .accept_answer(now.instant, id, &sdp)
                .map_err(|error| error.to_string())
                .and_then(|negotiated| browser_agreed(&negotiated)),
        };
        let event = match agreed {
            Ok(agreed) => {
                let direction = agreed.direction;
                leg.answer = Some(sdp);
                leg.agree(now, agreed);
                Event::Accepted { leg: id, direction }
            }
            Err(why) => Event::Incompatible { leg: id, why },
        };
        self.event(event);
    }

    fn accept_offer(&mut self, now: Now, id: LegId, sdp: &[u8]) {
        self.consider(id);
        let Some(&index) = self.by_id.get(&id) else { return };
        let Some(leg) = self.legs[index].as_deref_mut() else { return };
        let answered = match &mut leg.transport {
            Transport::Rtp(rtp) => {
                rtp.negotiation.answer(sdp).map_err(|incompatible| incompatible.to_string())
            }
            Transport::WebRtc { .. } => self
                .browsers
                .accept_offer(now.instant, id, sdp)
                .map_err(|error| error.to_string())
                .and_then(|(answer, negotiated)| Ok((answer, browser_agreed(&negotiated)?))),
        };
        let event = match answered {
            Ok((answer, agreed)) => {
                let direction = agreed.direction;
                leg.answer = None;
                leg.agree(now, agreed);
                Event::LocalSdp { leg: id, sdp: answer.into(), direction }
            }
            Err(why) => Event::Incompatible { leg: id, why },
        };
        self.event(event);
    }

    fn connect(&mut self, a: LegId, b: LegId) {
        let (Some(&first), Some(&second)) = (self.by_id.get(&a), self.by_id.get(&b)) else { return };
        if first == second || self.legs[first].as_ref().is_some_and(|leg| leg.partner == Some(second)) {
            return;
        }
        self.disconnect(first);
        self.disconnect(second);
        for (index, partner) in [(first, second), (second, first)] {
            if let Some(leg) = self.leg_mut(index) {
                leg.partner = Some(partner);
                leg.regroup = false;
                leg.outgoing.interrupt();
            }
        }
    }

    /// Out of a bridge or a conference.
    fn disconnect(&mut self, index: usize) {
        self.leave_room(index);
        self.part(index);
    }

    pub(super) fn part(&mut self, index: usize) {
        let partner = self.leg_mut(index).and_then(|leg| leg.partner.take());
        if let Some(partner) = partner.and_then(|partner| self.leg_mut(partner)) {
            partner.partner = None;
        }
    }

    fn play(&mut self, now: Now, id: LegId, playback: PlaybackId, what: Vec<Prompt>, repeat: bool) {
        let Some(&index) = self.by_id.get(&id) else {
            return self.event(Event::PlayingEnded { leg: id, playback, interrupted: true });
        };
        self.interrupt(index);
        let Some(playback) = self.playback(now, index, playback, what, repeat) else { return };
        let Some(leg) = self.leg_mut(index) else { return };
        leg.playbacks = leg.playbacks.wrapping_add(1);
        leg.playback = Some(Playing { playback, over: None, number: leg.playbacks, ticks: 0 });
    }

    fn announce(&mut self, now: Now, id: LegId, playback: PlaybackId, what: Vec<Prompt>) {
        let plays = |index: &usize| self.legs[*index].as_ref().is_some_and(|leg| leg.playback.is_some());
        let Some(index) = self.by_id.get(&id).copied().filter(plays) else {
            return self.play(now, id, playback, what, false);
        };
        let Some(playback) = self.playback(now, index, playback, what, false) else { return };
        let Some(playing) = self.leg_mut(index).and_then(|leg| leg.playback.as_mut()) else { return };
        let over = Over::after(playback, playing.over.as_deref());
        let before = playing.over.replace(Box::new(over)).and_then(|over| over.running());
        if let Some(playback) = before {
            self.event(Event::PlayingEnded { leg: id, playback, interrupted: true });
        }
    }

    fn playback(
        &mut self,
        now: Now,
        index: usize,
        id: PlaybackId,
        what: Vec<Prompt>,
        repeat: bool,
    ) -> Option<Playback> {
        let (library, ringback, output) = (&self.library, &self.ringback, &mut self.output);
        let leg = self.legs[index].as_deref()?;
        let missing = |prompt| output.push_back(Output::MissingPrompt(prompt));
        let shared = match self.config.music {
            MusicStart::Each => None,
            MusicStart::Shared => Some(now.instant),
        };
        Some(Playback::new(id, what, repeat, library, ringback, (&leg.music, shared), missing))
    }

    fn interrupt(&mut self, index: usize) {
        let Some(leg) = self.leg_mut(index) else { return };
        if let Some(playing) = leg.playback.take() {
            let leg = leg.id;
            let over = playing.over.as_ref().and_then(|over| over.running());
            for playback in over.into_iter().chain([playing.id()]) {
                self.event(Event::PlayingEnded { leg, playback, interrupted: true });
            }
        }
    }

    fn mute(&mut self, leg: LegId, muted: bool) {
        let Some(leg) = self.find(leg) else { return };
        let changed = std::mem::replace(&mut leg.muted, muted) != muted;
        leg.pause();
        if let Some(partner) = leg.partner.filter(|_| changed)
            && let Some(partner) = self.leg_mut(partner)
        {
            // The listener is not to take the silence for lost packets.
            partner.outgoing.interrupt();
        }
    }

    fn set_channel(&mut self, leg: LegId, channel: Channel) {
        let Some(session) = self.find(leg).map(|leg| leg.session) else { return };
        let recorder = self.recorder_for(session, channel);
        let Some(leg) = self.find(leg) else { return };
        leg.channel = channel;
        leg.recorder = recorder;
        leg.tap = Default::default();
    }

    fn recorder_for(&self, session: SessionId, channel: Channel) -> Option<usize> {
        match channel {
            Channel::Customer | Channel::Agent | Channel::Guest => self.recorder_of.get(&session).copied(),
            Channel::Aside => None,
        }
    }

    fn start_recording(
        &mut self,
        now: Now,
        session: SessionId,
        recording: RecordingId,
        file: PathBuf,
        channels: usize,
    ) {
        self.stop_recording(now, session);
        let index = self.recorders.iter().position(Option::is_none).unwrap_or(self.recorders.len());
        if index == self.recorders.len() {
            self.recorders.push(None);
        }
        self.recorders[index] = Some(Recorder::new(now.instant, recording, session, channels));
        self.recorder_of.insert(session, index);
        let heard = |leg: &&mut Box<Leg>| leg.session == session && leg.channel != Channel::Aside;
        for leg in self.legs.iter_mut().flatten().filter(heard) {
            leg.recorder = Some(index);
            leg.tap = Default::default();
        }
        self.output.push_back(Output::OpenRecording { recording, file, channels });
    }

    fn stop_recording(&mut self, now: Now, session: SessionId) {
        let index = self.recorder_of.get(&session).copied();
        let Some(recorder) = index.and_then(|index| self.remove_recorder(index)) else { return };
        let recording = recorder.recording;
        let output = &mut self.output;
        let duration = recorder.finish(now.instant, |samples| {
            output.push_back(Output::WriteRecording { recording, samples });
        });
        self.output.push_back(Output::CloseRecording { recording, duration });
    }

    fn close(&mut self, now: Now, index: usize, out: &mut impl Sink) {
        self.interrupt(index);
        self.disconnect(index);
        let Some(mut leg) = self.legs.get_mut(index).and_then(Option::take) else { return };
        self.by_id.remove(&leg.id);
        self.vacant.push(index);
        let ports = match &mut leg.transport {
            Transport::Rtp(rtp) => {
                if leg.outgoing.packets() > 0 {
                    let mut packet = [0; rtcp::MOST_OCTETS];
                    let report = leg.reception.report(now.instant);
                    let length =
                        rtcp::write(&mut packet, leg.outgoing.ssrc, None, report, super::CNAME, true);
                    rtp.send_rtcp(&packet[..length], out);
                }
                rtp.close(now.instant, out);
                Some(rtp.ports)
            }
            Transport::WebRtc { .. } => {
                self.browsers.close(now.instant, leg.id);
                None
            }
        };
        self.close_sockets(ports);
        let statistics = leg.statistics();
        self.event(Event::Closed { leg: leg.id, statistics });
    }

    fn close_sockets(&mut self, ports: Option<LocalPorts>) {
        for key in ports.into_iter().flat_map(|ports| [Some(ports.rtp), ports.rtcp]).flatten() {
            if let Some(socket) = self.sockets.get_mut(key.0 as usize) {
                *socket = None;
            }
            self.output.push_back(Output::CloseSocket(key));
        }
    }
}

/// What was agreed with a browser: the first voice codec that both prefer, and events on its own clock where there are such.
fn browser_agreed(negotiated: &Negotiated) -> Result<Agreed, String> {
    let content = |encoding: Encoding| match encoding {
        Encoding::Opus => Content::Audio(Codec::Opus),
        Encoding::G722 => Content::Audio(Codec::G722),
        Encoding::Pcmu => Content::Audio(Codec::Pcmu),
        Encoding::Pcma => Content::Audio(Codec::Pcma),
        Encoding::Digits { clock } => Content::Digits { clock },
    };
    let receive: Vec<_> =
        negotiated.formats.iter().map(|format| (format.payload_type, content(format.encoding))).collect();
    let audio = receive.iter().find_map(|(number, content)| match content {
        Content::Audio(codec) => Some((*number, *codec)),
        Content::Digits { .. } | Content::Noise => None,
    });
    let (payload_type, codec) = audio.ok_or("no common codec: Opus, G.722, PCMU or PCMA is needed")?;
    let mut digits: Vec<_> = receive
        .iter()
        .filter_map(|(number, content)| match content {
            Content::Audio(_) | Content::Noise => None,
            Content::Digits { clock } => Some(Digits { payload_type: *number, clock: *clock }),
        })
        .collect();
    digits.sort_by_key(|digits| digits.clock != codec.clock());
    Ok(Agreed {
        codec,
        payload_type,
        receive,
        digits: digits.first().copied(),
        noise: None,
        // RFC 7874 §3: browsers take and want it.
        opus: OpusWishes { fec: true, ..OpusWishes::default() },
        packet: super::TICK,
        longest: std::time::Duration::from_millis(120),
        direction: negotiated.direction,
        rtp: None,
        rtcp: None,
        rtcp_mux: true,
        keying: None,
    })
}
