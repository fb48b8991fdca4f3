//! Our server as a process of its own, on a core of its own.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

const PLAN: &str = r#"flow bench {
  entry sip "+4930100"
  state go {
    transfer "+4930200"
    on failed -> over
  }
  state over { hangup }
}
"#;

/// Ends with its value.
pub struct Tandem {
    child: Child,
    pub sip: SocketAddr,
}

impl Tandem {
    /// Calls to +4930100 from 127.0.0.1 go to `callee`. `shards`: SIP stacks beside the engine's own.
    pub fn start(folder: &Path, callee: SocketAddr, shards: u8) -> Result<Self> {
        Self::start_with(folder, callee, shards, "")
    }

    /// The same with more in its configuration.
    pub fn start_with(folder: &Path, callee: SocketAddr, shards: u8, more: &str) -> Result<Self> {
        let (sip, http) = (free_udp()?, free_tcp()?);
        let plans = folder.join("plans");
        fs::create_dir_all(&plans)?;
        fs::write(plans.join("bench.plan"), PLAN)?;
        let config = format!(
            r#"
[server]
data = "{data}"
[[sip.listener]]
transport = "udp"
listen = "{sip}"
[sip]
region = "DE"
domain = "bench"
digest = ["md5"]
max_calls = 100000
shards = {shards}
[sessions]
max_open = 100000
[[trunk]]
name = "bench"
sources = ["127.0.0.1"]
destination = "{callee}"
[http]
listen = "{http}"
[media]
webrtc_port = 0
rtp_ports = [10000, 64999]
[recording]
enabled = false
[dialplans]
folder = "{plans}"
[prompts]
folder = "{plans}"
music = "{plans}"
[log]
filter = "warn"
{more}
"#,
            data = folder.join("data").display(),
            plans = plans.display(),
        );
        let path = folder.join("tandem.toml");
        fs::write(&path, config)?;
        let binary = std::env::current_exe()?.with_file_name("tandem");
        ensure!(binary.exists(), "{} is not built: cargo build --release -p server", binary.display());
        let log = File::create(folder.join("tandem.log"))?;
        let mut command = Command::new(binary);
        command.args(["run", "--config"]).arg(&path).stdin(Stdio::null());
        command.stdout(log.try_clone()?).stderr(log);
        let child = on_first_core(|| command.spawn().context("cannot start tandem"))?;
        let tandem = Self { child, sip };
        wait_until_ready(http).with_context(|| tandem.log(folder))?;
        Ok(tandem)
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it said.
    pub fn log(&self, folder: &Path) -> String {
        fs::read_to_string(folder.join("tandem.log")).unwrap_or_default()
    }
}

impl Drop for Tandem {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
            let give_up = Instant::now() + Duration::from_secs(3);
            while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < give_up {
                thread::sleep(Duration::from_millis(20));
            }
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

/// Runs what starts the server on the first core that we may use, and leaves us the others. With one core they share it.
pub fn on_first_core<T>(start: impl FnOnce() -> T) -> T {
    let Ok(ours) = sched_getaffinity(None) else { return start() };
    let mut cores = (0..CpuSet::MAX_CPU).filter(|core| ours.is_set(*core));
    let (mut first, mut others) = (CpuSet::new(), CpuSet::new());
    cores.by_ref().take(1).for_each(|core| first.set(core));
    cores.for_each(|core| others.set(core));
    let _ = sched_setaffinity(None, &first);
    let started = start();
    let _ = sched_setaffinity(None, if others.count() > 0 { &others } else { &first });
    started
}

fn wait_until_ready(http: SocketAddr) -> Result<()> {
    let give_up = Instant::now() + Duration::from_secs(20);
    while Instant::now() < give_up {
        let mut answer = String::new();
        let asked = TcpStream::connect(http).and_then(|mut stream| {
            stream.set_read_timeout(Some(Duration::from_secs(1)))?;
            stream.write_all(b"GET /readyz HTTP/1.0\r\n\r\n")?;
            stream.read_to_string(&mut answer)
        });
        if asked.is_ok() && answer.contains(" 200 ") {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(50));
    }
    anyhow::bail!("the server did not become ready")
}

pub fn free_udp() -> Result<SocketAddr> {
    Ok(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

fn free_tcp() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
