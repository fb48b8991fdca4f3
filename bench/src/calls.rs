//! A whole call through the running server: in from a trunk, out to a trunk, both legs our own, media anchored, up for a
//! second. The server has a core of its own, the load another one.
//!
//! The floor is the same call through a loop that parses each message and passes its bytes on: no transactions, no dialogs, no
//! media, no database.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use sip_core::message::Message;

use crate::load::{Load, Outcome, Plan};
use crate::process::{self, Threads};
use crate::tandem::{Tandem, free_udp, on_first_core};

const HOLD: Duration = Duration::from_secs(1);
const MEASURED: Plan = Plan { calls: 5_000, rate: 500, hold: HOLD };
/// All of them up at once.
const HELD: Plan = Plan { calls: 1_000, rate: 500, hold: Duration::from_secs(4) };
/// The rates of the search for the first retransmission, each for three seconds.
const RATES: [u32; 9] = [500, 1_000, 1_500, 2_000, 2_500, 3_000, 4_000, 5_000, 6_000];
const ATTEMPTS: usize = 3;
/// 64*T1 and what the machine takes: nothing of a call is kept any longer.
const LINGER: Duration = Duration::from_secs(34);
/// An INVITE and a BYE on either side.
const TRANSACTIONS: f64 = 4.0;
const FLOOR: &str = "sip-floor";

/// figures.md
const LIMIT_MILLIS: f64 = 0.25;
const LIMIT_RATE: f64 = 2_000.0;
const LIMIT_KILOBYTES: f64 = 24.0;
const LIMIT_TRANSACTION_KILOBYTES: f64 = 5.0;

pub fn run() -> Result<()> {
    let callee = free_udp()?;
    let mut load = Load::new(callee)?;
    let floor = through_floor(&mut load, callee)?;

    let folder = tempfile::tempdir()?;
    let tandem = Tandem::start(folder.path(), callee, 0)?;
    let (fresh, per_call) = per_held_call(&mut load, &tandem)?;
    crate::beside_limit("memory per anchored call, KB", LIMIT_KILOBYTES, per_call);
    let plain_folder = tempfile::tempdir()?;
    let plain = Tandem::start_with(plain_folder.path(), callee, 0, "[ladder]\ncalls = 0")?;
    let (_, per_call) = per_held_call(&mut load, &plain)?;
    drop(plain);
    crate::beside_limit("  without its messages in the ladder", LIMIT_KILOBYTES, per_call);
    thread::sleep(LINGER);

    let empty = process::memory(tandem.id())?;
    let before = Threads::of(tandem.id())?;
    whole(load.run(tandem.sip, MEASURED, || {})?)?;
    let spent = Threads::of(tandem.id())?.since(&before);
    let ended = process::memory(tandem.id())?;
    let millis = |cpu: Duration| cpu.as_secs_f64() * 1000.0 / f64::from(MEASURED.calls);
    let what = format!("a B2BUA call, media anchored, {} a second", MEASURED.rate);
    crate::row(&what, "CPU ms", millis(floor), millis(spent.total()), None);
    for (name, cpu) in spent.by_name() {
        println!("    {name:<48} {:>21.3}", millis(cpu));
    }
    crate::beside_limit("  the same beside its limit, CPU ms", LIMIT_MILLIS, millis(spent.total()));

    let per_transaction = kilobytes(ended, empty) / f64::from(MEASURED.calls) / TRANSACTIONS;
    crate::beside_limit("memory per finished transaction, KB", LIMIT_TRANSACTION_KILOBYTES, per_transaction);
    thread::sleep(LINGER);
    let rested = process::memory(tandem.id())?;
    println!(
        "  resident: at the start {:.1} MB, after {} calls {:.1} MB, half a minute later {:.1} MB",
        megabytes(fresh),
        MEASURED.calls,
        megabytes(ended),
        megabytes(rested)
    );

    let rate = first_retransmission(&mut load, &tandem)?;
    println!(
        "{:<52} {LIMIT_RATE:>10.0} {rate:>10} {:>8.2}",
        "calls/s on a core before a retransmission",
        f64::from(rate) / LIMIT_RATE
    );
    if std::env::args().any(|argument| argument == "--soak") {
        soak(&mut load, &tandem)?;
    }
    Ok(())
}

/// What the process has at first, and what a call takes, in KB: first of all, or they would live in what earlier calls have left free.
fn per_held_call(load: &mut Load, tandem: &Tandem) -> Result<(u64, f64)> {
    // What every process builds up once.
    whole(load.run(tandem.sip, Plan { calls: 200, rate: 200, hold: HOLD }, || {})?)?;
    thread::sleep(LINGER);
    let fresh = process::memory(tandem.id())?;
    let mut full = fresh;
    whole(load.run(tandem.sip, HELD, || full = process::memory(tandem.id()).unwrap_or(fresh))?)?;
    Ok((fresh, kilobytes(full, fresh) / f64::from(HELD.calls)))
}

fn kilobytes(bytes: u64, than: u64) -> f64 {
    bytes.saturating_sub(than) as f64 / 1024.0
}

/// 100,000 calls, and whether their memory comes back: what caches and the ladder take is there after the first of them.
fn soak(load: &mut Load, tandem: &Tandem) -> Result<()> {
    thread::sleep(LINGER);
    let megabytes = || -> Result<f64> { Ok(process::memory(tandem.id())? as f64 / 1e6) };
    println!("  resident before the soak {:.1} MB", megabytes()?);
    for calls in [25_000, 50_000, 75_000, 100_000] {
        whole(load.run(tandem.sip, Plan { calls: 25_000, rate: 1_000, hold: HOLD }, || {})?)?;
        let after = megabytes()?;
        thread::sleep(LINGER);
        println!("  after {calls} calls {after:.1} MB, rested {:.1} MB", megabytes()?);
    }
    Ok(())
}

/// The highest rate at which nobody had to send twice, in one of a few attempts: on a shared machine both cores are now and then
/// away for longer than T1.
fn first_retransmission(load: &mut Load, tandem: &Tandem) -> Result<u32> {
    let mut best = 0;
    'rates: for rate in RATES {
        for _ in 0..ATTEMPTS {
            let outcome = load.run(tandem.sip, Plan { calls: rate * 3, rate, hold: HOLD }, || {})?;
            println!("    {rate} a second: {outcome:?}");
            thread::sleep(Duration::from_secs(2));
            if outcome.failed + outcome.retransmissions == 0 {
                best = rate;
                continue 'rates;
            }
        }
        break;
    }
    Ok(best)
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

pub fn whole(outcome: Outcome) -> Result<()> {
    ensure!(outcome.failed == 0, "calls failed: {outcome:?}");
    Ok(())
}

fn through_floor(load: &mut Load, callee: SocketAddr) -> Result<Duration> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.set_read_timeout(Some(Duration::from_millis(100)))?;
    let address = socket.local_addr()?;
    let running = Arc::new(AtomicBool::new(true));
    let go_on = running.clone();
    let relay = move || {
        let mut buffer = [0; 4096];
        let mut caller = None;
        while go_on.load(Ordering::Relaxed) {
            let Ok((length, from)) = socket.recv_from(&mut buffer) else {
                continue;
            };
            if Message::parse(&buffer[..length]).is_err() {
                continue;
            }
            if from != callee {
                caller = Some(from);
            }
            if let Some(to) = if from == callee { caller } else { Some(callee) } {
                let _ = socket.send_to(&buffer[..length], to);
            }
        }
    };
    let thread = on_first_core(|| thread::Builder::new().name(FLOOR.into()).spawn(relay))?;
    let started = Instant::now();
    let result = load.run(address, MEASURED, || {}).and_then(|outcome| {
        ensure!(outcome.failed == 0, "the floor failed: {outcome:?} after {:?}", started.elapsed());
        crate::process::of_thread(FLOOR)
    });
    running.store(false, Ordering::Relaxed);
    let _ = thread.join();
    result
}
