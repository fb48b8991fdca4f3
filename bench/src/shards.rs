//! The same calls through one SIP stack and through several: what the busiest thread does of each, which is what bounds the calls a
//! second where there are cores enough.

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::calls::whole;
use crate::load::{Load, Plan};
use crate::process::Threads;
use crate::tandem::{Tandem, free_udp};

const HOLD: Duration = Duration::from_secs(1);
const MEASURED: Plan = Plan { calls: 2_000, rate: 400, hold: HOLD };
const STACKS: [u8; 3] = [0, 2, 4];
const SETTLE: Duration = Duration::from_secs(2);

pub fn run() -> Result<()> {
    let mut alone = None;
    for stacks in STACKS {
        let (busiest, total) = measure(stacks)?;
        let floor = *alone.get_or_insert(busiest);
        crate::row(
            &format!("busiest thread of a call, {stacks} further stacks"),
            "CPU ms",
            floor,
            busiest,
            None,
        );
        println!("    all threads together {total:>52.3}");
    }
    Ok(())
}

/// Milliseconds of a call: on the busiest thread, and on all.
fn measure(stacks: u8) -> Result<(f64, f64)> {
    let callee = free_udp()?;
    let mut load = Load::new(callee)?;
    let folder = tempfile::tempdir()?;
    let tandem = Tandem::start(folder.path(), callee, stacks)?;
    whole(load.run(tandem.sip, Plan { calls: 200, rate: 200, hold: HOLD }, || {})?)?;
    thread::sleep(SETTLE);
    let before = Threads::of(tandem.id())?;
    whole(load.run(tandem.sip, MEASURED, || {})?)?;
    let spent = Threads::of(tandem.id())?.since(&before);
    let millis = |cpu: Duration| cpu.as_secs_f64() * 1000.0 / f64::from(MEASURED.calls);
    let threads = spent.by_name();
    for (name, cpu) in &threads {
        println!("    {name:<48} {:>21.3}", millis(*cpu));
    }
    let (_, busiest) = threads.first().context("somebody must have worked")?;
    Ok((millis(*busiest), millis(spent.total())))
}
