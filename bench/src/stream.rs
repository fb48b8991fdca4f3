//! What phones send: a packet every 20 ms each, in turns. And how long the packets were on their way.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::Result;
use rustix::event::epoll;
use rustix::time::Timespec;

pub const PACE: Duration = Duration::from_millis(20);
/// The phones take turns within the 20 ms, as real ones do.
const SLOTS: usize = 20;
const HEADER: usize = 12;

/// A socket, and where it sends to.
pub type End<'a> = (&'a UdpSocket, SocketAddr);

#[derive(Default)]
pub struct Heard {
    pub sent: u64,
    pub packets: u64,
    /// From `send_to` to `recv`, where that was asked for.
    pub on_the_way: Vec<Duration>,
}

/// What is sent in place of silence: a payload type, the clock's units of a packet, and payloads in turn.
pub struct Speech {
    pub payload_type: u8,
    pub units: u32,
    pub payloads: Vec<Vec<u8>>,
}

impl Speech {
    pub fn pcmu() -> Self {
        Self { payload_type: 0, units: 160, payloads: vec![vec![0x55; 160]] }
    }
}

/// Sends for so long from every end, at an even pace, and counts what comes back.
pub fn talk(ends: &[End<'_>], speech: &[&Speech], time: Duration) -> Result<Heard> {
    stream(ends, speech, time, false)
}

/// The same, waiting for every packet, to know how long it took.
pub fn timed(ends: &[End<'_>], speech: &[&Speech], time: Duration) -> Result<Heard> {
    stream(ends, speech, time, true)
}

fn stream(ends: &[End<'_>], speech: &[&Speech], time: Duration, timed: bool) -> Result<Heard> {
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    if timed {
        for (index, (socket, _)) in ends.iter().enumerate() {
            epoll::add(&epoll, socket, epoll::EventData::new_u64(index as u64), epoll::EventFlags::IN)?;
        }
    }
    let mut heard = Heard::default();
    let mut ready = Vec::with_capacity(256);
    let start = Instant::now();
    let slot = PACE / SLOTS as u32;
    for number in 0..(time.as_micros() / slot.as_micros()) as u32 {
        let sequence = number as usize / SLOTS;
        for index in (number as usize % SLOTS..ends.len()).step_by(SLOTS) {
            let (socket, port) = ends[index];
            let packet = packet(index, sequence as u32, speech[index % speech.len()], start);
            socket.send_to(&packet, port)?;
            heard.sent += 1;
            if !timed {
                take(socket, start, &mut heard, false);
            }
        }
        let next = start + slot * (number + 1);
        if !timed {
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
            continue;
        }
        loop {
            let left = next.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            ready.clear();
            let left = Timespec { tv_sec: 0, tv_nsec: i64::from(left.subsec_nanos()) };
            if epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut ready), Some(&left)).is_err() {
                continue;
            }
            for event in &ready {
                take(ends[event.data.u64() as usize].0, start, &mut heard, true);
            }
        }
    }
    std::thread::sleep(PACE * 2);
    for (socket, _) in ends {
        take(socket, start, &mut heard, false);
    }
    Ok(heard)
}

fn packet(index: usize, sequence: u32, speech: &Speech, start: Instant) -> Vec<u8> {
    let mut packet = vec![0x80, speech.payload_type];
    packet.extend((sequence as u16).to_be_bytes());
    packet.extend((sequence * speech.units).to_be_bytes());
    packet.extend((index as u32 + 1).to_be_bytes());
    packet.extend(&speech.payloads[sequence as usize % speech.payloads.len()]);
    if speech.payload_type == 0 {
        // When it was sent, for whoever gets it as it is.
        packet[HEADER..HEADER + 8].copy_from_slice(&(start.elapsed().as_nanos() as u64).to_be_bytes());
    }
    packet
}

fn take(socket: &UdpSocket, start: Instant, heard: &mut Heard, timed: bool) {
    let mut buffer = [0; 2048];
    while let Ok(length) = socket.recv(&mut buffer) {
        // RTCP is not counted. RFC 5761 §4
        if length < HEADER + 8 || (64..=95).contains(&(buffer[1] & 0x7f)) {
            continue;
        }
        heard.packets += 1;
        if timed {
            let sent = u64::from_be_bytes(buffer[HEADER..HEADER + 8].try_into().expect("eight octets"));
            heard.on_the_way.push(start.elapsed().saturating_sub(Duration::from_nanos(sent)));
        }
    }
}

/// What this part of them were below, such as 0.99.
pub fn percentile(times: &mut [Duration], part: f64) -> Duration {
    times.sort_unstable();
    let index = ((times.len() as f64 * part) as usize).min(times.len().saturating_sub(1));
    times.get(index).copied().unwrap_or_default()
}
