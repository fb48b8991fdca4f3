use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::{Api, Process, free_port, wait_for};

/// A running server of its own: database, ports and recordings in a temporary folder.
pub struct Tandem {
    process: Option<Process>,
    pub folder: TempDir,
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
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (sip, http, webrtc, rtp) = (free_port(), free_port(), free_port(), free_rtp_range());
        let project = project();
        let config = format!(
            r#"
[server]
data = "{data}"
[[sip.listener]]
transport = "udp"
listen = "127.0.0.1:{sip}"
[[sip.listener]]
transport = "tcp"
listen = "127.0.0.1:{sip}"
[http]
listen = "127.0.0.1:{http}"
[media]
rtp_ports = [{rtp}, {rtp_end}]
webrtc_port = {webrtc}
[recording]
folder = "{data}/recordings"
[dialplans]
folder = "{project}/config/dialplans"
[prompts]
folder = "{project}/config/prompts"
music = "{project}/config/music"
[database]
url = "sqlite:{data}/tandem.db"
{extra}
"#,
            data = folder.path().display(),
            project = project.display(),
            rtp_end = rtp + 1999,
        );
        let path = folder.path().join("tandem.toml");
        std::fs::write(&path, config).expect("the configuration is written");
        let mut tandem = Self {
            process: None,
            folder,
            sip: SocketAddr::from(([127, 0, 0, 1], sip)),
            http: SocketAddr::from(([127, 0, 0, 1], http)),
            config: path,
        };
        tandem.launch();
        tandem
    }

    /// Starts it (again) on the same database and ports.
    pub fn launch(&mut self) {
        let log = self.folder.path().join("tandem.log");
        let mut process =
            Process::start(Command::new(binary()).args(["run", "--demo", "--config"]).arg(&self.config), &log);
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

    pub fn sign_in(&self, login: &str) -> Api {
        Api::sign_in(self.http, login, &format!("demo-{login}"))
    }

    /// A figure of `/metrics`; 0 when it is not there.
    pub fn metric(&self, name: &str) -> f64 {
        let text = ureq::get(format!("http://{}/metrics", self.http))
            .call()
            .and_then(|mut response| response.body_mut().read_to_string())
            .expect("metrics are served");
        text.lines()
            .filter(|line| line.split([' ', '{']).next() == Some(name))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }
}

/// The first of 2,000 ports that hardly anybody else uses.
fn free_rtp_range() -> u16 {
    // Below the range that the kernel takes ephemeral ports from (32768 and up).
    let spread = u16::try_from(std::process::id() % 10).unwrap_or(0);
    10_000 + spread * 2_000
}
