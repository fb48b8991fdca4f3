use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::{Process, project};

/// One run of SIPp.
pub struct Sipp {
    process: Process,
    statistics: PathBuf,
    errors: PathBuf,
}

impl Sipp {
    /// Runs `tests/sipp/{scenario}.xml` against the server, from local port `port`. `fields` are the lines of its injection
    /// file; `arguments` go to SIPp as they are (a second `-i` counts more than ours). Logs are written to `folder`.
    pub fn start(
        scenario: &str,
        folder: &Path,
        server: SocketAddr,
        port: u16,
        fields: &[String],
        arguments: &[&str],
    ) -> Self {
        let name = scenario.rsplit('/').next().unwrap_or(scenario);
        let file = |kind: &str| folder.join(format!("{name}.{kind}"));
        fs::write(file("csv"), format!("SEQUENTIAL\n{}\n", fields.join("\n")))
            .expect("the fields are written");
        // SIPp looks for what it plays beside its scenario.
        let source = project().join(format!("tests/sipp/{scenario}.xml"));
        fs::copy(&source, file("xml")).unwrap_or_else(|error| panic!("{}: {error}", source.display()));
        let mut command = Command::new("sipp");
        command
            .current_dir(folder)
            .arg("-sf")
            .arg(file("xml"))
            .arg("-inf")
            .arg(file("csv"))
            .args(["-i", "127.0.0.1", "-mi", "127.0.0.1", "-p", &port.to_string()])
            .args(["-nostdin", "-trace_stat", "-stf"])
            .arg(file("stat"))
            .args(["-trace_err", "-error_file"])
            .arg(file("errors"))
            .args(arguments)
            .arg(server.to_string());
        Self {
            process: Process::start(&mut command, &file("out")),
            statistics: file("stat"),
            errors: file("errors"),
        }
    }

    /// Waits for its end, and for the success of all its calls; their number.
    pub fn finish(&mut self, most: Duration) -> u64 {
        let Some(status) = self.process.ended(most) else {
            let (good, bad) = (self.figure("SuccessfulCall(C)"), self.figure("FailedCall(C)"));
            panic!("SIPp is not through after {most:?}: {good} good calls, {bad} failed\n{}", self.errors());
        };
        let (good, bad) = (self.figure("SuccessfulCall(C)"), self.figure("FailedCall(C)"));
        assert!(
            status.success() && bad == 0,
            "SIPp says {status}: {good} good calls, {bad} failed\n{}",
            self.errors()
        );
        good
    }

    pub fn is_running(&mut self) -> bool {
        self.process.is_running()
    }

    /// What it complained of, if anything.
    pub fn errors(&self) -> String {
        let errors = fs::read_to_string(&self.errors).unwrap_or_default();
        errors.chars().take(4000).collect()
    }

    /// The last value of one column of its statistics.
    pub fn figure(&self, column: &str) -> u64 {
        let text = fs::read_to_string(&self.statistics).unwrap_or_default();
        let mut lines = text.lines();
        let place = lines.next().and_then(|head| head.split(';').position(|name| name == column));
        let last = lines.next_back();
        place
            .zip(last)
            .and_then(|(place, last)| last.split(';').nth(place)?.parse().ok())
            .unwrap_or_else(|| panic!("SIPp wrote no {column}:\n{}", self.process.tail()))
    }
}
