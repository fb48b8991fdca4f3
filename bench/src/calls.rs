//! A whole call through the running server: in from a trunk, out to a trunk, both legs our own, media anchored, up for a
//! second. SIPp calls and answers.
//!
//! The floor is the same call through a loop that parses each message and passes its bytes on: no transactions, no dialogs, no
//! media, no database.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use sip_core::message::Message;

const CALLS: u32 = 1_000;
const RATE: u32 = 100;
/// figures.md: CPU of a call with anchored media.
const LIMIT_MILLIS: f64 = 0.25;
const FLOOR: &str = "sip-floor";

const PLAN: &str = r#"flow bench {
  entry sip "+4930100"
  state go {
    transfer "+4930200"
    on failed -> over
  }
  state over { hangup }
}
"#;

pub fn run() -> Result<()> {
    let folder = tempfile::tempdir()?;
    for (name, scenario) in
        [("caller.xml", include_str!("sipp/caller.xml")), ("callee.xml", include_str!("sipp/callee.xml"))]
    {
        fs::write(folder.path().join(name), scenario)?;
    }
    // One customer with many calls at once would be one session.
    let numbers: String = (0..CALLS).map(|number| format!("+4930{};\n", 5_000_000 + number)).collect();
    fs::write(folder.path().join("numbers.csv"), format!("SEQUENTIAL\n{numbers}"))?;
    let floor = through_floor(folder.path())?;
    let (tandem, seconds) = through_tandem(folder.path())?;

    let millis = |cpu: Duration| cpu.as_secs_f64() * 1000.0 / f64::from(CALLS);
    crate::row("a B2BUA call, media anchored, 1 s up", "CPU ms", millis(floor), millis(tandem), None);
    println!(
        "{:<52} {:>10} {:>10.2} {:>8.2}  1.00",
        "  the same beside its limit, CPU ms",
        LIMIT_MILLIS,
        millis(tandem),
        millis(tandem) / LIMIT_MILLIS
    );
    println!(
        "  {CALLS} calls at {RATE} a second, none failed, over after {seconds:.1} s; a core would carry {:.0} calls/s",
        1000.0 / millis(tandem)
    );
    Ok(())
}

fn through_tandem(folder: &Path) -> Result<(Duration, f64)> {
    let (sip, http, callee) = (free_udp()?, free_tcp()?, free_udp()?);
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
[[trunk]]
name = "bench"
sources = ["127.0.0.1"]
destination = "{callee}"
[http]
listen = "{http}"
[media]
webrtc_port = 0
rtp_ports = [10000, 15999]
[recording]
enabled = false
[dialplans]
folder = "{plans}"
[prompts]
folder = "{plans}"
music = "{plans}"
[log]
filter = "warn"
"#,
        data = folder.join("data").display(),
        plans = plans.display(),
    );
    let path = folder.join("tandem.toml");
    fs::write(&path, config)?;
    let binary = std::env::current_exe()?.with_file_name("tandem");
    ensure!(binary.exists(), "{} is not built: cargo build --release -p server", binary.display());
    let log = folder.join("tandem.log");
    let mut command = Command::new(binary);
    command.args(["run", "--config"]).arg(&path);
    let tandem = Running::start(&mut command, &log)?;
    wait_until_ready(http).with_context(|| fs::read_to_string(&log).unwrap_or_default())?;

    let before = crate::cpu::of_process(tandem.id())?;
    let seconds = sipp(folder, sip, callee).with_context(|| fs::read_to_string(&log).unwrap_or_default())?;
    Ok((crate::cpu::of_process(tandem.id())? - before, seconds))
}

fn through_floor(folder: &Path) -> Result<Duration> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.set_read_timeout(Some(Duration::from_millis(100)))?;
    let (address, callee) = (socket.local_addr()?, free_udp()?);
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
    let thread = thread::Builder::new().name(FLOOR.into()).spawn(relay)?;
    let result = sipp(folder, address, callee).and_then(|_| crate::cpu::of_thread(FLOOR));
    running.store(false, Ordering::Relaxed);
    let _ = thread.join();
    result
}

/// Runs all calls through `server` and says how long that took. An error when one failed.
fn sipp(folder: &Path, server: SocketAddr, callee: SocketAddr) -> Result<f64> {
    let mut command = Command::new("sipp");
    command.current_dir(folder).args(["-sf", "callee.xml", "-i", "127.0.0.1", "-nostdin"]);
    command.args(["-p", &callee.port().to_string()]);
    let _callee = Running::start(&mut command, &folder.join("callee.log"))?;

    let start = Instant::now();
    let mut command = Command::new("sipp");
    command.current_dir(folder).arg(server.to_string());
    command.args(["-sf", "caller.xml", "-i", "127.0.0.1", "-nostdin", "-timeout", "40", "-timeout_error"]);
    command.args(["-inf", "numbers.csv", "-l", &CALLS.to_string()]);
    command.args(["-p", &free_udp()?.port().to_string(), "-r", &RATE.to_string(), "-m", &CALLS.to_string()]);
    let log = folder.join("caller.log");
    let mut caller = Running::start(&mut command, &log)?;
    let status = caller.0.wait()?;
    let tail =
        || fs::read_to_string(&log).unwrap_or_default().lines().rev().take(40).collect::<Vec<_>>().join("\n");
    ensure!(status.success(), "calls failed (SIPp ended with {status}):\n{}", tail());
    Ok(start.elapsed().as_secs_f64())
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

/// A process that ends with its value.
struct Running(Child);

impl Running {
    fn start(command: &mut Command, log: &PathBuf) -> Result<Self> {
        let output = File::create(log)?;
        let child = command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output).spawn();
        Ok(Self(child.with_context(|| format!("cannot start {}", command.get_program().display()))?))
    }

    fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.0.try_wait() {
            let _ = kill_process(Pid::from_child(&self.0), Signal::TERM);
            let give_up = Instant::now() + Duration::from_secs(3);
            while matches!(self.0.try_wait(), Ok(None)) && Instant::now() < give_up {
                thread::sleep(Duration::from_millis(20));
            }
            let _ = self.0.kill();
        }
        let _ = self.0.wait();
    }
}

fn free_udp() -> Result<SocketAddr> {
    Ok(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

fn free_tcp() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
