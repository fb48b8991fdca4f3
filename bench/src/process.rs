//! CPU time and memory from `/proc`.

use std::collections::BTreeMap;
use std::fs;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::time::{ClockId, clock_gettime};

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

/// What this thread has used so far.
pub fn own() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs() as u32)
}

/// What each living thread of a process has used so far.
#[derive(Clone, Debug, Default)]
pub struct Threads(BTreeMap<(String, String), Duration>);

impl Threads {
    pub fn of(pid: u32) -> Result<Self> {
        let mut threads = BTreeMap::new();
        for task in fs::read_dir(format!("/proc/{pid}/task"))? {
            let task = task?;
            // It may end while we look.
            let (Ok(name), Ok(schedstat)) = (
                fs::read_to_string(task.path().join("comm")),
                fs::read_to_string(task.path().join("schedstat")),
            ) else {
                continue;
            };
            let name = name.trim_end().to_owned();
            let nanos = schedstat.split(' ').next().context("an empty schedstat")?.parse()?;
            threads
                .insert((name, task.file_name().to_string_lossy().into_owned()), Duration::from_nanos(nanos));
        }
        Ok(Self(threads))
    }

    /// Threads that have ended meanwhile are left out: none does under load.
    pub fn since(&self, before: &Threads) -> Threads {
        let used = |(thread, now): (&(String, String), &Duration)| {
            (thread.clone(), now.saturating_sub(before.0.get(thread).copied().unwrap_or_default()))
        };
        Threads(self.0.iter().map(used).collect())
    }

    pub fn total(&self) -> Duration {
        self.0.values().sum()
    }

    /// The busiest first; what did nothing is left out.
    pub fn by_name(&self) -> Vec<(String, Duration)> {
        let mut sums: BTreeMap<&str, Duration> = BTreeMap::new();
        for ((name, _), used) in &self.0 {
            *sums.entry(name).or_default() += *used;
        }
        let mut sums: Vec<_> = sums.into_iter().map(|(name, used)| (name.to_owned(), used)).collect();
        sums.retain(|(_, used)| *used > Duration::from_millis(2));
        sums.sort_by_key(|(_, used)| std::cmp::Reverse(*used));
        sums
    }
}

/// Resident memory in bytes.
pub fn memory(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kilobytes * 1024)
}
