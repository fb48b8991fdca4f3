//! What is made or turned into something else: music for those who wait, recordings, and browsers' Opus for telephones.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use media::api::{Command, Prompt};
use media::codec::{Codec, Encoder};
use media::library::{Library, Pcm};
use model::{PlaybackId, RecordingId};
use rustix::event::epoll;
use rustix::time::Timespec;

use crate::process::{of_thread, own};
use crate::rig::{self, PCMU, Phone, Rig, THREAD};
use crate::stream::{End, PACE, Speech, percentile, talk};

const LISTENERS: usize = 500;
const RECORDED: usize = 100;
const BROWSERS: usize = 20;
const ROUND: Duration = Duration::from_secs(4);
/// As long as a round.
const FRAMES: u32 = 200;
/// Packets.
const A_SECOND: f64 = 50.0;
const WRITER: &str = "recorder-0";
/// figures.md
const LIMIT_MUSIC_MICROS: f64 = 200.0;
const LIMIT_RECORDING_MICROS: f64 = 1.5;
const LIMIT_BROWSER_MICROS: f64 = 95.0;
/// Of all packets that we make, this part goes out so near to its time.
const PUNCTUAL: f64 = 0.999;
const LIMIT_LATE_MILLIS: f64 = 2.0;

pub fn music() -> Result<()> {
    let mut library = Library::default();
    let tune = |rate: usize| (0..rate * 30).map(|sample| ((sample * 37) % 8000) as i16 - 4000).collect();
    library.insert_music("hold", Pcm { narrow: tune(8_000), wide: tune(16_000) });
    let mut rig = Rig::start(library)?;
    let phones = rig::calls(&mut rig, LISTENERS.div_ceil(2), [PCMU; 2])?;
    for phone in &phones {
        rig.tell(play(phone));
    }
    thread::sleep(Duration::from_secs(1));
    drain(&phones);
    let before = of_thread(THREAD)?;
    let mut packets = 0;
    let start = Instant::now();
    while start.elapsed() < ROUND {
        // Nobody is woken by what comes: that would be paid by whoever sends.
        thread::sleep(PACE * 5);
        packets += drain(&phones);
    }
    let cpu = of_thread(THREAD)? - before;
    let seconds = start.elapsed().as_secs_f64() * phones.len() as f64;
    ensure!(packets as f64 > seconds * A_SECOND * 0.97, "only {packets} packets came");
    let ours = cpu.as_secs_f64() * 1e6 / seconds;
    crate::row("a second of music for one who waits", "CPU µs", bare(&phones)? * A_SECOND, ours, None);
    crate::beside_limit("  the same beside its limit, CPU µs", LIMIT_MUSIC_MICROS, ours);
    for phone in &phones {
        rig.tell(Command::StopPlaying { leg: phone.leg });
    }
    thread::sleep(PACE * 5);
    drain(&phones);
    let bare = Punctual::start(&phones)?;
    let floor = late_at_worst(&phones)?;
    bare.stop();
    for phone in &phones {
        rig.tell(play(phone));
    }
    thread::sleep(Duration::from_secs(1));
    drain(&phones);
    let worst = late_at_worst(&phones)?;
    crate::row("  99.9 % of packets are as near to their time", "ms", floor, worst, None);
    crate::beside_limit("  the same beside its limit, ms", LIMIT_LATE_MILLIS, worst);
    Ok(())
}

/// Milliseconds within which all but a thousandth of the packets come.
fn late_at_worst(phones: &[Phone]) -> Result<f64> {
    let mut late = listen(phones, ROUND)?;
    ensure!(!late.is_empty(), "nothing came");
    Ok(percentile(&mut late, PUNCTUAL).as_secs_f64() * 1e3)
}

fn play(phone: &Phone) -> Command {
    Command::Play {
        leg: phone.leg,
        playback: PlaybackId(phone.leg.0),
        what: vec![Prompt::Music("hold".into())],
        repeat: true,
    }
}

/// A thread that wakes every 20 ms and sends each phone a packet, and nothing else.
struct Punctual {
    running: Arc<AtomicBool>,
    thread: thread::JoinHandle<()>,
}

impl Punctual {
    fn start(phones: &[Phone]) -> Result<Self> {
        let sockets = phones.iter().map(|_| rig::socket()).collect::<Result<Vec<_>>>()?;
        let targets = phones.iter().map(|phone| phone.socket.local_addr()).collect::<Result<Vec<_>, _>>()?;
        let running = Arc::new(AtomicBool::new(true));
        let go_on = running.clone();
        let send = move || {
            let start = Instant::now();
            for number in 1_u32.. {
                if !go_on.load(Ordering::Relaxed) {
                    return;
                }
                thread::sleep((start + PACE * number).saturating_duration_since(Instant::now()));
                let mut packet = [0x55; 172];
                packet[2..4].copy_from_slice(&(number as u16).to_be_bytes());
                for (socket, target) in sockets.iter().zip(&targets) {
                    let _ = socket.send_to(&packet, target);
                }
            }
        };
        Ok(Self { running, thread: thread::Builder::new().name("punctual".into()).spawn(send)? })
    }

    fn stop(self) {
        self.running.store(false, Ordering::Relaxed);
        let _ = self.thread.join();
    }
}

fn drain(phones: &[Phone]) -> u64 {
    let mut buffer = [0; 2048];
    let mut packets = 0;
    for phone in phones {
        while let Ok(length) = phone.socket.recv(&mut buffer) {
            packets += u64::from(length > 100);
        }
    }
    packets
}

/// Microseconds of a `sendto` and nothing else, from a socket for each phone in turn.
fn bare(phones: &[Phone]) -> Result<f64> {
    let sockets = phones.iter().map(|_| rig::socket()).collect::<Result<Vec<_>>>()?;
    let targets = phones.iter().map(|phone| phone.socket.local_addr()).collect::<Result<Vec<_>, _>>()?;
    let mut cpu = Duration::ZERO;
    for _ in 0..50 {
        let before = own();
        for (socket, target) in sockets.iter().zip(&targets) {
            socket.send_to(&[0x55; 172], target)?;
        }
        cpu += own() - before;
        thread::sleep(PACE);
        drain(phones);
    }
    Ok(cpu.as_secs_f64() * 1e6 / (50 * phones.len()) as f64)
}

/// By how much each packet that came was later than the earliest of its stream would have it.
fn listen(phones: &[Phone], time: Duration) -> Result<Vec<Duration>> {
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    for (index, phone) in phones.iter().enumerate() {
        epoll::add(&epoll, &phone.socket, epoll::EventData::new_u64(index as u64), epoll::EventFlags::IN)?;
    }
    let mut arrivals: Vec<Vec<(u16, Duration)>> = phones.iter().map(|_| Vec::new()).collect();
    let mut ready = Vec::with_capacity(256);
    let mut buffer = [0; 2048];
    let start = Instant::now();
    while start.elapsed() < time {
        ready.clear();
        let nap = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };
        if epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut ready), Some(&nap)).is_err() {
            continue;
        }
        for event in &ready {
            let index = event.data.u64() as usize;
            while let Ok(length) = phones[index].socket.recv(&mut buffer) {
                if length > 100 {
                    let sequence = u16::from_be_bytes([buffer[2], buffer[3]]);
                    arrivals[index].push((sequence, start.elapsed()));
                }
            }
        }
    }
    let lateness = |stream: Vec<(u16, Duration)>| {
        let Some((first, _)) = stream.first().copied() else { return Vec::new() };
        let over = |(sequence, at): (u16, Duration)| {
            at.as_secs_f64() - PACE.as_secs_f64() * f64::from(sequence.wrapping_sub(first))
        };
        let earliest = stream.iter().copied().map(over).fold(f64::MAX, f64::min);
        stream.into_iter().map(|packet| Duration::from_secs_f64(over(packet) - earliest)).collect()
    };
    Ok(arrivals.into_iter().flat_map(lateness).collect())
}

pub fn recording() -> Result<()> {
    let mut rig = Rig::start(Library::default())?;
    let phones = rig::calls(&mut rig, RECORDED, [PCMU; 2])?;
    let ends: Vec<End<'_>> = phones.iter().map(|phone| (&phone.socket, phone.port)).collect();
    let folder = tempfile::tempdir()?;
    let speech = Speech::pcmu();
    let round = || -> Result<f64> {
        let before = of_thread(THREAD)? + of_thread(WRITER)?;
        let heard = talk(&ends, &[&speech], ROUND)?;
        let cpu = of_thread(THREAD)? + of_thread(WRITER)? - before;
        ensure!(heard.packets * 100 >= heard.sent * 97, "the machine is too busy to measure on");
        Ok(cpu.as_secs_f64() * 1e6 / heard.packets as f64)
    };
    let mut plain = round()?;
    for phone in phones.iter().step_by(2) {
        let session = rig.session_of(phone.leg);
        rig.tell(Command::StartRecording {
            session,
            recording: RecordingId(session.0),
            file: folder.path().join(format!("{}.wav", session.0)),
            channels: 2,
        });
    }
    let recorded = (round()? + round()?) / 2.0;
    for phone in phones.iter().step_by(2) {
        rig.tell(Command::StopRecording { session: rig.session_of(phone.leg) });
    }
    plain = (plain + round()?) / 2.0;
    crate::row("forward a packet that is recorded, too", "CPU µs", plain, recorded, None);
    crate::beside_limit("  what recording adds, CPU µs", LIMIT_RECORDING_MICROS, recorded - plain);
    Ok(())
}

/// A call between a browser and a telephone, both ways, each 20 ms of it.
pub fn browsers() -> Result<()> {
    let mut rig = Rig::start(Library::default())?;
    let mut calls = Vec::new();
    for _ in 0..BROWSERS {
        let (browser, leg) = rig.browser()?;
        let phone = rig.phone(PCMU)?;
        rig.tell(Command::Connect { a: leg, b: phone.leg });
        calls.push((browser, phone));
    }
    let mut encoder = Encoder::new(Codec::Opus, 16_000, PACE);
    let mut payloads = Vec::new();
    for frame in 0..50_u32 {
        let said: Vec<i16> = (0..320).map(|at| (((frame * 320 + at) * 97) % 12_000) as i16 - 6000).collect();
        encoder.push(frame * 960, &said, |_, payload| payloads.push(payload.to_vec()));
    }
    ensure!(payloads.len() == 50, "Opus made {} packets of a second", payloads.len());
    let mut spoken = 0_u32;
    let mut speak = |frames: u32| -> Result<u64> {
        let start = Instant::now();
        let mut heard = 0;
        for frame in 0..frames {
            for (index, (browser, phone)) in calls.iter_mut().enumerate() {
                // They take turns within the 20 ms.
                let at = start + PACE * frame + PACE * index as u32 / BROWSERS as u32;
                thread::sleep(at.saturating_duration_since(Instant::now()));
                heard += browser.speak(spoken, &payloads[spoken as usize % payloads.len()])?;
                let mut packet = vec![0x80, 0];
                packet.extend((spoken as u16).to_be_bytes());
                packet.extend((spoken * 160).to_be_bytes());
                packet.extend((index as u32 + 1).to_be_bytes());
                packet.extend((0..160_u32).map(|at| ((at * 7 + spoken) % 256) as u8));
                phone.socket.send_to(&packet, phone.port)?;
                let mut buffer = [0; 2048];
                while let Ok(length) = phone.socket.recv(&mut buffer) {
                    heard += u64::from(length > 100);
                }
            }
            spoken += 1;
        }
        Ok(heard)
    };
    speak(100)?;
    let before = of_thread(THREAD)?;
    let heard = speak(FRAMES)?;
    let frames = u64::from(FRAMES) * BROWSERS as u64;
    let cpu = of_thread(THREAD)? - before;
    ensure!(heard * 100 >= frames * 2 * 95, "only {heard} of {} packets came through", frames * 2);
    let micros = cpu.as_secs_f64() * 1e6 / frames as f64;
    crate::beside_limit("Opus browser and G.711, 20 ms both ways, CPU µs", LIMIT_BROWSER_MICROS, micros);
    Ok(())
}
