//! A browser made of str0m: a full ICE agent with DTLS-SRTP.

use std::net::{SocketAddr, UdpSocket};
use std::time::Instant;

use anyhow::{Context, Result};
use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::media::{Direction, MediaKind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::rtp::RtpWrite;
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};

/// str0m's payload type of Opus.
const OPUS: u8 = 111;
const UNITS: u32 = 960;

pub struct Browser {
    rtc: Rtc,
    socket: UdpSocket,
    here: SocketAddr,
    mid: Mid,
    pending: Option<SdpPendingOffer>,
    connected: bool,
    heard: u64,
}

impl Browser {
    /// With what it offers.
    pub fn new() -> Result<(Self, Vec<u8>)> {
        let config = RtcConfig::new().set_rtp_mode(true).clear_codecs().enable_opus(true, false);
        let mut rtc = config.build(Instant::now());
        let socket = crate::rig::socket()?;
        let here = socket.local_addr()?;
        rtc.add_local_candidate(Candidate::host(here, Protocol::Udp)?);
        let mut changes = rtc.sdp_api();
        let mid = changes.add_media(MediaKind::Audio, Direction::SendRecv, None, None, None);
        let (offer, pending) = changes.apply().context("an offer")?;
        let offer = offer.to_sdp_string().into_bytes();
        let pending = Some(pending);
        Ok((Self { rtc, socket, here, mid, pending, connected: false, heard: 0 }, offer))
    }

    /// Takes the answer, and is connected after that.
    pub fn take_answer(&mut self, answer: &[u8]) -> Result<()> {
        let answer = SdpAnswer::from_sdp_string(std::str::from_utf8(answer)?)?;
        let pending = self.pending.take().context("no offer")?;
        self.rtc.sdp_api().accept_answer(pending, answer)?;
        let give_up = Instant::now() + std::time::Duration::from_secs(5);
        while !self.connected {
            anyhow::ensure!(Instant::now() < give_up, "a browser was not connected");
            self.pump()?;
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        Ok(())
    }

    /// Says 20 ms; how many packets it has heard since the last time.
    pub fn speak(&mut self, number: u32, payload: &[u8]) -> Result<u64> {
        let now = Instant::now();
        self.pump()?;
        let mut api = self.rtc.direct_api();
        let stream = api.stream_tx_by_mid(self.mid, None).context("no stream")?;
        let sequence = (u64::from(number) + 1).into();
        stream.write_rtp(RtpWrite::new(OPUS.into(), sequence, number * UNITS, now, payload));
        self.rtc.handle_input(Input::Timeout(now))?;
        self.drain()?;
        Ok(std::mem::take(&mut self.heard))
    }

    fn pump(&mut self) -> Result<()> {
        let mut buffer = [0; 2048];
        while let Ok((length, from)) = self.socket.recv_from(&mut buffer) {
            if let Ok(receive) = Receive::new(Protocol::Udp, from, self.here, &buffer[..length]) {
                self.rtc.handle_input(Input::Receive(Instant::now(), receive))?;
                self.drain()?;
            }
        }
        self.rtc.handle_input(Input::Timeout(Instant::now()))?;
        self.drain()
    }

    fn drain(&mut self) -> Result<()> {
        loop {
            match self.rtc.poll_output()? {
                Output::Timeout(_) => return Ok(()),
                Output::Transmit(transmit) => {
                    let _ = self.socket.send_to(&transmit.contents, transmit.destination);
                }
                Output::Event(Event::Connected) => self.connected = true,
                Output::Event(Event::RtpPacket(_)) => self.heard += 1,
                Output::Event(_) => {}
            }
        }
    }
}
