//! Our media thread in this process, with phones on sockets of their own.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use anyhow::{Context, Result};
use media::api::{Channel, Command, Event, LegKind};
use media::library::Library;
use media::play::RingTone;
use model::{LegId, SessionId};
use server::clock::Clock;
use server::config;
use server::media::{MediaHandle, start};
use uuid::Uuid;

use crate::browser::Browser;

/// The name of the only media thread.
pub const THREAD: &str = "media-0";
/// What phones of most offices offer.
pub const PCMU: &str = "RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000";

/// Two phones each.
pub struct Rig {
    handle: MediaHandle,
    events: Receiver<Event>,
    legs: u128,
}

pub struct Phone {
    pub socket: UdpSocket,
    pub leg: LegId,
    /// Where it sends to.
    pub port: SocketAddr,
}

impl Rig {
    pub fn start(library: Library) -> Result<Self> {
        let config = config::Media {
            listen: Ipv4Addr::LOCALHOST.into(),
            advertised: Ipv4Addr::LOCALHOST.into(),
            rtp_ports: (16_000, 30_000),
            webrtc_port: 0,
            threads: 1,
        };
        let (tell, events) = mpsc::channel();
        let tell = move |event| drop(tell.send(event));
        let library = Arc::new(library);
        let handle =
            start(&config, (RingTone::EUROPE, Default::default()), Clock::start(), 1, library, tell)?;
        Ok(Self { handle, events, legs: 0 })
    }

    pub fn tell(&self, command: Command) {
        self.handle.send(command);
        self.handle.wake();
    }

    /// A phone that offers `media`, the end of its `m=` line and what follows it. Two that come after each other are of one session.
    pub fn phone(&mut self, media: &str) -> Result<Phone> {
        let socket = socket()?;
        let at = socket.local_addr()?.port();
        let offer = format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {at} {media}\r\n"
        );
        let kind = LegKind::Rtp { nat: false, encryption: Default::default() };
        let (leg, answer) = self.open(kind, offer.into_bytes())?;
        let answer = String::from_utf8(answer.to_vec())?;
        let port = answer.lines().find_map(|line| line.strip_prefix("m=audio ")?.split(' ').next());
        let port = port.context("no audio in an answer")?.parse()?;
        Ok(Phone { socket, leg, port: (Ipv4Addr::LOCALHOST, port).into() })
    }

    /// A browser that is connected.
    pub fn browser(&mut self) -> Result<(Browser, LegId)> {
        let (mut browser, offer) = Browser::new()?;
        let (leg, answer) = self.open(LegKind::WebRtc, offer)?;
        browser.take_answer(&answer)?;
        Ok((browser, leg))
    }

    fn open(&mut self, kind: LegKind, offer: Vec<u8>) -> Result<(LegId, Arc<[u8]>)> {
        let leg = LegId(Uuid::from_u128(self.legs + 1));
        let customer = self.legs.is_multiple_of(2);
        self.tell(Command::Open {
            leg,
            session: self.session_of(leg),
            channel: if customer { Channel::Customer } else { Channel::Agent },
            kind,
            offer: Some(offer.into()),
            codecs: Vec::new(),
        });
        self.legs += 1;
        loop {
            match self.events.recv_timeout(Duration::from_secs(5)).context("no answer to an offer")? {
                Event::LocalSdp { leg: of, sdp, .. } if of == leg => return Ok((leg, sdp)),
                Event::Closed { .. } => anyhow::bail!("a leg was not opened"),
                _ => {}
            }
        }
    }

    /// Two phones that hear each other.
    pub fn call(&mut self, media: [&str; 2]) -> Result<[Phone; 2]> {
        let [a, b] = [self.phone(media[0])?, self.phone(media[1])?];
        self.tell(Command::Connect { a: a.leg, b: b.leg });
        Ok([a, b])
    }

    pub fn session_of(&self, leg: LegId) -> SessionId {
        SessionId(Uuid::from_u128((leg.0.as_u128() - 1) / 2))
    }
}

pub fn socket() -> Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Both phones of so many calls, in their order.
pub fn calls(rig: &mut Rig, number: usize, media: [&str; 2]) -> Result<Vec<Phone>> {
    let mut phones = Vec::with_capacity(number * 2);
    for _ in 0..number {
        phones.extend(rig.call(media)?);
    }
    Ok(phones)
}
