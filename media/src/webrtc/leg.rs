//! One browser: its str0m instance, what was negotiated with it, and whether it is alive.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use model::Instant;
use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::format::{Codec, FormatParams};
use str0m::media::{Direction as Str0mDirection, Frequency, MediaKind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::rtp::RtpWrite;
use str0m::stats::MediaEgressStats;
use str0m::{Candidate, Event, Input, Output as Str0mOutput, Rtc};

use super::description::{self, Encoding, Format, Layout, PeerDescription, Setup};
use super::error::WebRtcError;
use super::port::{Negotiated, PeerReport, RtpIn, RtpOut, Transmit};
use crate::api::Direction;

/// A peer that has sent nothing at all for this long is lost. Browsers repeat their consent checks (RFC 7675) every 2.5–5 s,
/// and while they send audio there is a packet every 20 ms.
pub const LOST_AFTER: Duration = Duration::from_secs(8);

/// A peer whose first check or handshake does not come within this time after both descriptions are there is lost, too.
const CONNECT_WITHIN: Duration = Duration::from_secs(20);

/// How often str0m says what the peer reports, which browsers do every one to five seconds.
const REPORTS: Duration = Duration::from_secs(2);

/// Streams that one peer may send at once; a further one displaces the oldest. Browsers use one for audio.
const MAX_STREAMS: usize = 4;

/// The name of the audio section towards str0m when the peer made the first offer. Peers' own names may hold characters that
/// str0m would change.
const OWN_MID: &str = "0";

/// Maps the process's monotonic clock to that of the standard library, which str0m wants.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    /// What [`Instant::ZERO`] is.
    pub base: std::time::Instant,
}

impl Clock {
    fn std(self, at: Instant) -> std::time::Instant {
        self.base + Duration::from_micros(at.as_micros())
    }

    /// Rounded up, so that a deadline is never handled before it is due.
    fn model(self, at: std::time::Instant) -> Instant {
        let nanos = at.saturating_duration_since(self.base).as_nanos();
        Instant::from_micros(u64::try_from(nanos.div_ceil(1000)).unwrap_or(u64::MAX))
    }
}

/// What a leg wants done after something was put into it.
#[derive(Debug)]
pub(super) enum LegOutput {
    Transmit(Transmit),
    Rtp(RtpIn),
    Connected,
    Report(PeerReport),
    Lost,
}

pub(super) struct Leg {
    rtc: Rtc,
    clock: Clock,
    mid: Option<Mid>,
    /// How the peer calls the audio section, when it made the first offer.
    peer_mid: Option<String>,
    layout: Layout,
    pending: Option<SdpPendingOffer>,
    /// For the `o=` line.
    id: u64,
    version: u64,
    streams: VecDeque<u32>,
    /// Extended sequence number of the last packet sent: SRTP needs the number of wraps.
    last_sequence: Option<u64>,
    /// When both descriptions were there first.
    negotiated: Option<Instant>,
    heard: Option<Instant>,
    connected: bool,
    /// `Lost` was said and nothing was heard since.
    lost: bool,
    /// str0m has closed, failed or panicked: never driven again.
    dead: bool,
    rtc_deadline: Instant,
    /// Addresses of the peer that passed an authenticated check, oldest first. Kept by the port.
    pub addresses: VecDeque<SocketAddr>,
}

impl Leg {
    pub fn new(
        now: Instant,
        clock: Clock,
        config: str0m::RtcConfig,
        candidates: &[SocketAddr],
    ) -> Result<Self, WebRtcError> {
        let mut rtc = config.build(clock.std(now));
        for address in candidates {
            let candidate = Candidate::host(*address, Protocol::Udp)
                .map_err(|error| WebRtcError::Negotiation(error.to_string()))?;
            rtc.add_local_candidate(candidate);
        }
        let id = credentials_id(&rtc.direct_api().local_ice_credentials().ufrag);
        Ok(Self {
            rtc,
            clock,
            mid: None,
            peer_mid: None,
            layout: Layout::default(),
            pending: None,
            id,
            version: 0,
            streams: VecDeque::new(),
            last_sequence: None,
            negotiated: None,
            heard: None,
            connected: false,
            lost: false,
            dead: false,
            rtc_deadline: now,
            addresses: VecDeque::new(),
        })
    }

    /// The name by which the peer's first checks find this leg.
    pub fn ufrag(&mut self) -> String {
        self.rtc.direct_api().local_ice_credentials().ufrag
    }

    pub fn make_offer(&mut self, now: Instant, out: &mut Vec<LegOutput>) -> Result<Vec<u8>, WebRtcError> {
        let (offer, pending, mid) = self.guarded(|rtc| {
            let mut changes = rtc.sdp_api();
            let mid = changes.add_media(MediaKind::Audio, Str0mDirection::SendRecv, None, None, None);
            let (offer, pending) = changes.apply().expect("an added section needs an offer");
            Ok((offer.to_sdp_string(), pending, mid))
        })?;
        self.mid = Some(mid);
        self.pending = Some(pending);
        self.drive(now, out);
        Ok(self.local_description(&offer))
    }

    pub fn accept_offer(
        &mut self,
        now: Instant,
        peer: &PeerDescription,
        out: &mut Vec<LegOutput>,
    ) -> Result<(Vec<u8>, Negotiated), WebRtcError> {
        let mid = self.match_section(peer)?;
        let offer = parsed(SdpOffer::from_sdp_string(&peer.render(&mid, Setup::ActPass)))?;
        self.pending = None;
        let reopen = self.mid;
        let answer = self.guarded(|rtc| {
            // str0m keeps a section that we offered inactive against a peer that now only listens (RFC 3264 §8.4 lets it
            // wake up again), unless ours was not inactive.
            if let Some(mid) = reopen
                && rtc.media(mid).is_some_and(|media| media.direction() == Str0mDirection::Inactive)
            {
                rtc.sdp_api().set_direction(mid, Str0mDirection::RecvOnly);
            }
            rtc.sdp_api().accept_offer(offer).map(|answer| answer.to_sdp_string()).map_err(refused)
        })?;
        self.adopt(now, peer, &mid);
        self.drive(now, out);
        Ok((self.local_description(&answer), self.negotiated(peer.direction)))
    }

    pub fn accept_answer(
        &mut self,
        now: Instant,
        peer: &PeerDescription,
        out: &mut Vec<LegOutput>,
    ) -> Result<Negotiated, WebRtcError> {
        let mid = self.match_section(peer)?;
        let answer = parsed(SdpAnswer::from_sdp_string(&peer.render(&mid, Setup::Active)))?;
        let pending = self.pending.take().ok_or(WebRtcError::NoOffer)?;
        self.guarded(|rtc| rtc.sdp_api().accept_answer(pending, answer).map_err(refused))?;
        self.adopt(now, peer, &mid);
        self.drive(now, out);
        Ok(self.negotiated(peer.direction))
    }

    /// Whether this is a check that knows our password; it may then come from any address.
    pub fn accepts_check(&mut self, now: Instant, from: SocketAddr, to: SocketAddr, packet: &[u8]) -> bool {
        let at = self.clock.std(now);
        self.guarded(|rtc| {
            Ok(Receive::new(Protocol::Udp, from, to, packet)
                .is_ok_and(|receive| rtc.accepts(&Input::Receive(at, receive))))
        })
        .unwrap_or(false)
    }

    pub fn handle_packet(
        &mut self,
        now: Instant,
        from: SocketAddr,
        to: SocketAddr,
        packet: &[u8],
        out: &mut Vec<LegOutput>,
    ) {
        let at = self.clock.std(now);
        if let Some(ssrc) = rtp_ssrc(packet) {
            self.expect_stream(ssrc);
        }
        let handled = self.guarded(|rtc| {
            match Receive::new(Protocol::Udp, from, to, packet) {
                // A datagram that is none of STUN, DTLS, RTP and RTCP is nobody's business.
                Err(_) => Ok(()),
                // Broken DTLS records are the network's or an attacker's doing; the handshake goes on without them.
                Ok(receive) => {
                    let _ = rtc.handle_input(Input::Receive(at, receive));
                    Ok(())
                }
            }
        });
        if handled.is_ok() {
            self.heard = Some(now);
            self.lost = false;
            // A received packet carries its own time: no need to hand in a timeout as well.
            self.drain(false, out);
        }
    }

    pub fn handle_timeout(&mut self, now: Instant, out: &mut Vec<LegOutput>) {
        self.drive(now, out);
        if !self.lost && self.silence_deadline().is_some_and(|deadline| deadline <= now) {
            self.lost = true;
            out.push(LegOutput::Lost);
        }
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.dead {
            return None;
        }
        let silence = self.silence_deadline().filter(|_| !self.lost);
        Some(silence.map_or(self.rtc_deadline, |silence| silence.min(self.rtc_deadline)))
    }

    /// `false` when there is nobody to send to (yet).
    pub fn write_rtp(&mut self, now: Instant, packet: &RtpOut<'_>, out: &mut Vec<LegOutput>) -> bool {
        let Some(mid) = self.mid.filter(|_| self.connected && !self.dead) else {
            return false;
        };
        let sequence = extend(self.last_sequence, packet.sequence);
        let at = self.clock.std(now);
        let written = self.guarded(|rtc| {
            let mut api = rtc.direct_api();
            let Some(stream) = api.stream_tx_by_mid(mid, None) else {
                return Ok(false);
            };
            let write = RtpWrite::new(
                packet.payload_type.into(),
                sequence.into(),
                packet.timestamp,
                at,
                packet.payload,
            )
            .marker(packet.marker);
            stream.write_rtp(write);
            Ok(true)
        });
        if written != Ok(true) {
            return false;
        }
        self.last_sequence = Some(self.last_sequence.map_or(sequence, |last| last.max(sequence)));
        self.drive(now, out);
        true
    }

    /// Says goodbye (RTCP BYE, DTLS close_notify).
    pub fn close(&mut self, now: Instant, out: &mut Vec<LegOutput>) {
        let _ = self.guarded(|rtc| rtc.close().map_err(refused));
        self.drive(now, out);
    }

    /// Lets str0m catch up with `now` and takes out everything that it has.
    fn drive(&mut self, now: Instant, out: &mut Vec<LegOutput>) {
        let at = self.clock.std(now);
        let before = self.dead;
        if self.guarded(|rtc| rtc.handle_input(Input::Timeout(at)).map_err(refused)).is_err() {
            self.dead = true;
        }
        self.drain(before, out);
    }

    fn drain(&mut self, dead_before: bool, out: &mut Vec<LegOutput>) {
        let clock = self.clock;
        let mut connected = false;
        let polled = self.guarded(|rtc| {
            loop {
                match rtc.poll_output().map_err(refused)? {
                    Str0mOutput::Timeout(deadline) => return Ok(clock.model(deadline)),
                    Str0mOutput::Transmit(transmit) => out.push(LegOutput::Transmit(Transmit {
                        to: transmit.destination,
                        bytes: transmit.contents.into(),
                    })),
                    Str0mOutput::Event(Event::Connected) => {
                        connected = true;
                        out.push(LegOutput::Connected);
                    }
                    Str0mOutput::Event(Event::RtpPacket(packet)) => out.push(LegOutput::Rtp(RtpIn {
                        payload_type: *packet.header.payload_type,
                        sequence: packet.header.sequence_number,
                        timestamp: packet.header.timestamp,
                        ssrc: *packet.header.ssrc,
                        marker: packet.header.marker,
                        payload: packet.payload,
                    })),
                    Str0mOutput::Event(Event::MediaEgressStats(stats)) => {
                        out.extend(report(&stats).map(LegOutput::Report));
                    }
                    // Liveness is judged by silence alone: str0m's ICE state goes by checks and is slower.
                    Str0mOutput::Event(_) => {}
                }
            }
        });
        self.connected |= connected;
        match polled {
            Ok(deadline) => self.rtc_deadline = deadline,
            Err(_) => self.dead = true,
        }
        self.dead |= !self.rtc.is_alive();
        if self.dead && !dead_before && !self.lost {
            self.lost = true;
            out.push(LegOutput::Lost);
        }
    }

    /// The one place where str0m runs. It is young and is fed by strangers: a panic in it ends this leg only.
    fn guarded<T>(
        &mut self,
        call: impl FnOnce(&mut Rtc) -> Result<T, WebRtcError>,
    ) -> Result<T, WebRtcError> {
        if self.dead {
            return Err(WebRtcError::Gone);
        }
        let rtc = &mut self.rtc;
        catch_unwind(AssertUnwindSafe(|| call(rtc))).unwrap_or_else(|_| {
            self.rtc.disconnect();
            Err(WebRtcError::Gone)
        })
    }

    /// How str0m calls the peer's audio section; it must stay the same one for the life of the leg.
    fn match_section(&self, peer: &PeerDescription) -> Result<String, WebRtcError> {
        let changed =
            || WebRtcError::Negotiation("the audio section has another name or place than before".into());
        let Some(mid) = self.mid else {
            return Ok(OWN_MID.into());
        };
        let known = self.peer_mid.as_deref().unwrap_or(&mid);
        let moved = self.negotiated.is_some() && peer.layout.audio != self.layout.audio;
        if peer.mid.as_deref().is_some_and(|name| name != known) || moved {
            return Err(changed());
        }
        Ok(mid.to_string())
    }

    fn adopt(&mut self, now: Instant, peer: &PeerDescription, mid: &str) {
        if self.mid.is_none() {
            self.mid = Some(Mid::from(mid));
            self.peer_mid = peer.mid.clone();
        }
        self.layout = peer.layout.clone();
        self.negotiated.get_or_insert(now);
        // A fresh exchange on a silent leg is a sign of life, and with an ICE restart the checks begin anew.
        self.heard = self.heard.map(|_| now);
        self.lost = false;
    }

    fn local_description(&mut self, sdp: &str) -> Vec<u8> {
        self.version += 1;
        description::local(sdp, self.peer_mid.as_deref(), &self.layout, self.id, self.version).into_bytes()
    }

    fn negotiated(&self, direction: Direction) -> Negotiated {
        let Some(media) = self.mid.and_then(|mid| self.rtc.media(mid)) else {
            return Negotiated { direction, formats: Vec::new() };
        };
        let formats = self
            .rtc
            .codec_config()
            .params()
            .iter()
            .filter(|format| media.remote_pts().contains(&format.pt()));
        let formats = formats.filter_map(|format| {
            let encoding = match format.spec().codec {
                Codec::Opus => Encoding::Opus,
                Codec::G722 => Encoding::G722,
                Codec::PCMU => Encoding::Pcmu,
                Codec::PCMA => Encoding::Pcma,
                Codec::Tele => Encoding::Digits { clock: format.spec().clock_rate.get() },
                _ => return None,
            };
            Some(Format { payload_type: *format.pt(), encoding })
        });
        Negotiated { direction, formats: formats.collect() }
    }

    fn silence_deadline(&self) -> Option<Instant> {
        match (self.connected, self.heard, self.negotiated) {
            (true, Some(heard), _) => Some(heard + LOST_AFTER),
            (_, _, negotiated) => negotiated.map(|at| at + CONNECT_WITHIN),
        }
    }

    /// Makes str0m take a stream that no description announced: with one audio section there is no doubt where it belongs.
    fn expect_stream(&mut self, ssrc: u32) {
        if self.streams.contains(&ssrc) {
            return;
        }
        let Some(mid) = self.mid.filter(|_| self.connected) else {
            return;
        };
        let oldest = if self.streams.len() == MAX_STREAMS { self.streams.pop_front() } else { None };
        self.streams.push_back(ssrc);
        let _ = self.guarded(|rtc| {
            // `expect_stream_rx` asserts that the section exists.
            if rtc.media(mid).is_some() {
                let mut api = rtc.direct_api();
                if let Some(oldest) = oldest {
                    api.remove_stream_rx(oldest.into());
                }
                api.expect_stream_rx(ssrc.into(), None, mid, None).suppress_nack(true);
            }
            Ok(())
        });
    }
}

/// What all legs have in common: Opus, G.722, PCMU, PCMA and digits, packets in and out as they are.
pub(super) fn config() -> str0m::RtcConfig {
    let crypto = std::sync::Arc::new(str0m::crypto::from_feature_flags());
    let certificate = crypto.dtls_provider.generate_certificate().expect("aws-lc makes certificates");
    let mut config = str0m::RtcConfig::new()
        .set_crypto_provider(crypto)
        .set_dtls_cert(certificate)
        .set_ice_lite(true)
        .set_rtp_mode(true)
        .set_stats_interval(Some(REPORTS))
        .clear_codecs()
        .clear_extension_map();
    let events = || FormatParams::parse_line("0-16");
    let formats = config.codec_config();
    formats.enable_opus(true, false);
    formats.enable_g722(true, false);
    formats.enable_pcmu(true, false);
    formats.enable_pcma(true, false);
    formats.add_config(110.into(), None, Codec::Tele, Frequency::FORTY_EIGHT_KHZ, None, events());
    formats.add_config(126.into(), None, Codec::Tele, Frequency::EIGHT_KHZ, None, events());
    config
}

/// What the peer's last receiver report says, once there is one.
fn report(stats: &MediaEgressStats) -> Option<PeerReport> {
    let remote = stats.remote.as_ref()?;
    // RFC 3550 §6.4.1: 24 bits with a sign; repetitions make it negative.
    let lost = if remote.packets_lost < 1 << 23 { remote.packets_lost } else { 0 };
    let loss = stats.loss.map(|loss| (loss.clamp(0.0, 1.0) * 100.0).round() as u8);
    Some(PeerReport { lost, loss, jitter: remote.jitter, round_trip: stats.rtt })
}

fn refused(error: impl std::fmt::Display) -> WebRtcError {
    WebRtcError::Negotiation(error.to_string())
}

fn parsed<T, E: std::fmt::Display>(result: Result<T, E>) -> Result<T, WebRtcError> {
    result.map_err(refused)
}

/// A number for the `o=` line that differs between legs: the random ufrag, read as bytes.
fn credentials_id(ufrag: &str) -> u64 {
    ufrag.bytes().take(7).fold(0, |id, byte| (id << 8) | u64::from(byte))
}

/// The SSRC of an RTP (not RTCP, RFC 5761 §4) packet.
fn rtp_ssrc(packet: &[u8]) -> Option<u32> {
    let is_rtp =
        packet.len() >= 12 && (128..192).contains(&packet[0]) && !(64..96).contains(&(packet[1] & 0x7f));
    is_rtp.then(|| u32::from_be_bytes([packet[8], packet[9], packet[10], packet[11]]))
}

/// The extended number next to `last` whose low 16 bits are `sequence`. The first starts at no wraps, as SRTP wants.
fn extend(last: Option<u64>, sequence: u16) -> u64 {
    let Some(last) = last else {
        return sequence.into();
    };
    let step = i64::from(sequence.wrapping_sub(last as u16) as i16);
    last.checked_add_signed(step).unwrap_or(sequence.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequence_numbers_extend_over_wraps_and_reordering() {
        assert_eq!(extend(None, 65_535), 65_535);
        assert_eq!(extend(Some(65_535), 0), 65_536);
        assert_eq!(extend(Some(65_536), 65_534), 65_534);
        assert_eq!(extend(Some(3), 65_535), 65_535, "there is nothing before the first cycle");
    }

    #[test]
    fn rtcp_and_short_packets_have_no_stream() {
        assert_eq!(rtp_ssrc(&[0x80, 200, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9]), None);
        assert_eq!(rtp_ssrc(&[0x80, 111, 0]), None);
        assert_eq!(rtp_ssrc(&[0x80, 111, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9]), Some(9));
    }
}
