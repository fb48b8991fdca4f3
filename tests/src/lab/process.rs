use std::fs::File;
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// A peer process; killed by its id when dropped.
pub struct Process {
    child: Child,
    pub log: PathBuf,
}

impl Process {
    /// Starts it with both outputs in `log`.
    pub fn start(command: &mut Command, log: &Path) -> Self {
        let out = File::create(log).unwrap_or_else(|error| panic!("{}: {error}", log.display()));
        let again = out.try_clone().unwrap_or_else(|error| panic!("{}: {error}", log.display()));
        let child = command
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(again)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        Self { child, log: log.to_owned() }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits for its own end, `most` at most.
    pub fn wait(&mut self, most: Duration) -> ExitStatus {
        self.ended(most).unwrap_or_else(|| panic!("it did not end within {most:?}:\n{}", self.tail()))
    }

    /// How it ended by itself, if it did in time.
    pub fn ended(&mut self, most: Duration) -> Option<ExitStatus> {
        let end = Instant::now() + most;
        loop {
            match self.child.try_wait() {
                Ok(None) if Instant::now() < end => std::thread::sleep(Duration::from_millis(50)),
                Ok(status) => return status,
                Err(error) => panic!("cannot wait: {error}"),
            }
        }
    }

    pub fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(status.is_ok_and(|status| status.success()), "cannot send {signal}");
    }

    /// The end of what it said.
    pub fn tail(&self) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let from = text.len().saturating_sub(8000);
        String::from_utf8_lossy(&text[from..]).into_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that is free for UDP and TCP on 127.0.0.1 at this moment.
pub fn free_port() -> u16 {
    for _ in 0..100 {
        let Ok(tcp) = TcpListener::bind("127.0.0.1:0") else { continue };
        let Ok(address) = tcp.local_addr() else { continue };
        if UdpSocket::bind(address).is_ok() {
            return address.port();
        }
    }
    panic!("no free port");
}

/// A port for a phone, free for UDP and TCP at this moment; baresip wants the next one, too, for TLS. Outside those that the kernel and
/// the other helpers here take theirs from.
pub fn free_phone_port() -> u16 {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    let start = std::process::id() % 400;
    for _ in 0..400 {
        let nth = (start + u32::from(TAKEN.fetch_add(1, Ordering::Relaxed))) % 400;
        let port = 9_200 + 2 * u16::try_from(nth).expect("below 400");
        let tcp = [port, port + 1].map(|port| TcpListener::bind(("127.0.0.1", port)));
        if tcp.iter().all(Result::is_ok) && UdpSocket::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port for a phone");
}

/// The first of 2,000 neighbouring ports that are free for UDP on 127.0.0.1 at this moment, outside those that the kernel and
/// the server under test take theirs from, and those where SIPp is controlled (8888 and up).
pub fn free_ports() -> u16 {
    const FIRST: [u16; 4] = [2_000, 4_000, 6_000, 30_000];
    let start = std::process::id() as usize;
    (0..FIRST.len())
        .map(|nth| FIRST[(start + nth) % FIRST.len()])
        .find(|first| (*first..first + 2_000).all(|port| UdpSocket::bind(("127.0.0.1", port)).is_ok()))
        .expect("no free neighbouring ports")
}

/// Looks until it is so, `most` at most; panics with `what` otherwise.
pub fn wait_for<T>(what: &str, most: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + most;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "in vain for {most:?}: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
