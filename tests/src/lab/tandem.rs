use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::{Api, Process, free_port, wait_for};

/// A running server of its own: database, ports and recordings in a temporary folder.
pub struct Tandem {
    process: Option<Process>,
    pub folder: TempDir,
    /// Of UDP and of TCP.
    pub sip: SocketAddr,
    pub http: SocketAddr,
    config: PathBuf,
}

pub fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the project's folder exists")
}

/// The binary that was built beside the tests.
fn binary() -> PathBuf {
    let own = std::env::current_exe().expect("a test knows its own path");
    let path = own.ancestors().nth(2).expect("target/debug/deps/test").join("tandem");
    assert!(path.exists(), "{} is not built: cargo build -p server", path.display());
    path
}

impl Tandem {
    /// Starts the demo set-up. `extra` is added to the configuration.
    pub fn start(extra: &str) -> Self {
        Self::start_with(&project().join("config/dialplans"), extra)
    }

    /// The same with the dialplans of another folder.
    pub fn start_with(dialplans: &Path, extra: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let project = project();
        let (sip, http) = (loopback(free_port()), loopback(free_port()));
        let rtp = rtp_range();
        // Everybody here shares a few addresses, so what strangers may do is only limited where a test is about it.
        let exempt = if extra.contains("[protection]") {
            ""
        } else {
            "[protection]\nexempt = [\"127.0.0.0/8\"]\nmax_wait = \"5s\"\n"
        };
        // Every test can be tried with several SIP stacks.
        let shards = std::env::var("TANDEM_SHARDS").map(|many| format!("[sip]\nshards = {many}\n"));
        let extra = match shards {
            Ok(shards) if extra.contains("[sip]\n") => extra.replacen("[sip]\n", &shards, 1),
            Ok(shards) => format!("{shards}{extra}"),
            Err(_) => extra.to_owned(),
        };
        let config = format!(
            r#"
[server]
data = "{data}"
[[sip.listener]]
transport = "udp"
listen = "{sip}"
[[sip.listener]]
transport = "tcp"
listen = "{sip}"
[http]
listen = "{http}"
[media]
rtp_ports = [{rtp}, {rtp_end}]
webrtc_port = 0
[dialplans]
folder = "{dialplans}"
[prompts]
folder = "{project}/config/prompts"
music = "{project}/config/music"
{extra}
{exempt}
"#,
            data = folder.path().display(),
            project = project.display(),
            dialplans = dialplans.display(),
            rtp_end = rtp + 1999,
        );
        let path = folder.path().join("tandem.toml");
        fs::write(&path, config).expect("the configuration is written");
        let mut tandem = Self { process: None, folder, sip, http, config: path };
        tandem.launch();
        tandem
    }

    /// Starts it (again) on the same database and ports, and waits until it is ready.
    pub fn launch(&mut self) {
        let log = self.folder.path().join("tandem.log");
        let mut command = Command::new(binary());
        command.args(["run", "--demo", "--config"]).arg(&self.config);
        let mut process = Process::start(&mut command, &log);
        wait_for("the server is ready", Duration::from_secs(60), || {
            assert!(process.is_running(), "the server ended:\n{}", process.tail());
            ureq::get(format!("http://{}/readyz", self.http)).call().ok().map(|_| ())
        });
        self.process = Some(process);
    }

    /// As a power cut would.
    pub fn kill(&mut self) {
        self.process = None;
    }

    pub fn process(&mut self) -> &mut Process {
        self.process.as_mut().expect("the server was launched")
    }

    pub fn log(&self) -> String {
        self.process.as_ref().map(Process::tail).unwrap_or_default()
    }

    /// What `tandem WORDS --config …` prints.
    pub fn command(&self, words: &[&str]) -> String {
        let output = Command::new(binary()).args(words).arg("--config").arg(&self.config).output();
        let output = output.expect("the server's binary runs");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    pub fn sign_in(&self, login: &str) -> Api {
        Api::sign_in(self.http, login, &format!("demo-{login}"))
    }

    /// A figure of `/metrics`, over all its labels unless it is named with them; `None` when it is not there.
    pub fn metric(&self, name: &str) -> Option<f64> {
        let text = ureq::get(format!("http://{}/metrics", self.http))
            .call()
            .and_then(|mut response| response.body_mut().read_to_string())
            .expect("metrics are served");
        let found: Vec<f64> = text
            .lines()
            .filter(|line| {
                line.split([' ', '{']).next() == Some(name) || line.split(' ').next() == Some(name)
            })
            .filter_map(|line| line.rsplit(' ').next()?.parse().ok())
            .collect();
        (!found.is_empty()).then(|| found.iter().sum())
    }

    /// Waits until each of these figures is 0.
    pub fn settles(&self, names: &[&str], most: Duration) {
        for name in names {
            wait_for(&format!("{name} is 0"), most, || {
                let value = self.metric(name).unwrap_or_else(|| panic!("/metrics does not know {name}"));
                (value == 0.0).then_some(())
            });
        }
    }

    /// The UDP ports that the server holds.
    pub fn udp_ports(&mut self) -> BTreeSet<u16> {
        let id = self.process().id();
        let sockets: BTreeSet<String> = fs::read_dir(format!("/proc/{id}/fd"))
            .expect("it runs")
            .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
            .filter_map(|link| Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
            .collect();
        // Fields: sl local rem st tx:rx tr:when retrnsmt uid timeout inode …
        fs::read_to_string("/proc/net/udp")
            .expect("Linux tells")
            .lines()
            .skip(1)
            .filter_map(|line| {
                let fields: Vec<&str> = line.split_whitespace().collect();
                let port = u16::from_str_radix(fields.get(1)?.split(':').nth(1)?, 16).ok()?;
                sockets.contains(*fields.get(9)?).then_some(port)
            })
            .collect()
    }

    /// All sessions, whether open or closed, with their whole timelines.
    pub fn sessions(&self, by: &Api) -> Vec<Value> {
        let rows = by.get("/sessions?limit=500");
        rows.as_array()
            .expect("a list")
            .iter()
            .map(|row| by.get(&format!("/sessions/{}", row["session"].as_str().expect("an id"))))
            .collect()
    }
}

impl Drop for Tandem {
    /// What was written stays when the test fails.
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.folder.disable_cleanup(true);
            eprintln!(
                "{} holds what is left; the server's last words:\n{}",
                self.folder.path().display(),
                self.log()
            );
        }
    }
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// The first of 2,000 ports that hardly anybody else uses, below those that the kernel hands out (32768 and up). The server
/// passes over what is taken.
fn rtp_range() -> u16 {
    let spread = u16::try_from(std::process::id() % 10).unwrap_or(0);
    10_000 + spread * 2_000
}
