//! CPU time from `/proc`.

use std::fs;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

/// What a thread of this process has used so far, by the thread's name. Precise to the nanosecond, unlike `stat`.
pub fn of_thread(name: &str) -> Result<Duration> {
    // A new thread gives itself its name, which may take a moment.
    for _ in 0..200 {
        for task in fs::read_dir("/proc/self/task")? {
            let task = task?.path();
            if fs::read_to_string(task.join("comm")).is_ok_and(|comm| comm.trim_end() == name) {
                let schedstat = fs::read_to_string(task.join("schedstat"))?;
                let nanos = schedstat.split(' ').next().context("an empty schedstat")?;
                return Ok(Duration::from_nanos(nanos.parse()?));
            }
        }
        thread::sleep(Duration::from_millis(5));
    }
    anyhow::bail!("no thread {name}")
}

/// What all threads of another process have used so far, its ended ones included.
pub fn of_process(pid: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in parentheses may hold anything, spaces and parentheses included.
    let (_, fields) = stat.rsplit_once(") ").context("a malformed stat")?;
    let fields: Vec<&str> = fields.split(' ').collect();
    let ticks: u64 =
        fields.get(11..13).context("a short stat")?.iter().flat_map(|field| field.parse::<u64>()).sum();
    Ok(Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second()))
}
