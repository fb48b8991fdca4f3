//! Real PostgreSQL. All tests that run at a time, each in its own process, share one server, and each has databases of its own in it. The
//! server is started by the first and ends soon after the last.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use super::wait_for;

/// A database of its own; gone when dropped.
pub struct Postgres {
    server: PathBuf,
    name: String,
}

/// A server of its own, which may be stopped and started; gone when dropped.
pub struct PostgresServer {
    folder: PathBuf,
    _parent: tempfile::TempDir,
}

impl Postgres {
    pub fn new() -> Self {
        let server = shared();
        let name = format!("t{:x}", rand::random::<u64>());
        ask(&server, "postgres", &format!("CREATE DATABASE {name}"));
        Self { server, name }
    }

    /// For `database.url`. No network: a socket in the server's folder.
    pub fn url(&self) -> String {
        url(&self.server, &self.name)
    }

    /// Where the server's socket is.
    pub fn folder(&self) -> PathBuf {
        self.server.clone()
    }

    /// What `sql` gives, a line for each row.
    pub fn ask(&self, sql: &str) -> String {
        ask(&self.server, &self.name, sql)
    }
}

impl Default for Postgres {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        let _ = psql(&self.server, "postgres", &sql).output();
    }
}

impl PostgresServer {
    pub fn start() -> Self {
        let parent = tempfile::tempdir().expect("a temporary folder");
        // PostgreSQL's own user must get in.
        fs::set_permissions(parent.path(), fs::Permissions::from_mode(0o755)).expect("ours");
        let folder = parent.path().join("postgres");
        create(&folder);
        start(&folder);
        Self { folder, _parent: parent }
    }

    pub fn url(&self) -> String {
        url(&self.folder, "postgres")
    }

    /// As a power cut would.
    pub fn stop(&self) {
        control(&self.folder, &["-m", "immediate", "stop"]);
    }

    pub fn start_again(&self) {
        start(&self.folder);
    }

    pub fn ask(&self, sql: &str) -> String {
        ask(&self.folder, "postgres", sql)
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        let _ = as_postgres(&program("pg_ctl"))
            .arg("-D")
            .arg(data(&self.folder))
            .args(["-m", "immediate", "stop"])
            .output();
    }
}

fn url(folder: &Path, database: &str) -> String {
    format!("postgresql:///{database}?host={}&user=tandem", folder.display())
}

/// The folder of the server that all share. Two locks: `users` is held by everybody who uses it and taken by whoever stops it;
/// `start` by whoever looks whether it runs.
fn shared() -> PathBuf {
    static USED: OnceLock<(PathBuf, File)> = OnceLock::new();
    let (folder, _) = USED.get_or_init(|| {
        let whose = std::env::var("USER").unwrap_or_default();
        let base = std::env::temp_dir().join(format!("tandem-postgres-{whose}"));
        fs::create_dir_all(&base).expect("a folder for PostgreSQL");
        fs::set_permissions(&base, fs::Permissions::from_mode(0o755)).expect("ours");
        let lock = |name: &str| {
            let mut options = OpenOptions::new();
            options.create(true).truncate(false).write(true).open(base.join(name)).expect("a lock")
        };
        let users = lock("users");
        users.lock_shared().expect("a lock");
        let starting = lock("start");
        starting.lock().expect("a lock");
        let folder = base.join("server");
        if psql(&folder, "postgres", "SELECT 1").output().is_ok_and(|output| output.status.success()) {
            return (folder, users);
        }
        // What a killed machine or an interrupted start has left is of no use to anybody.
        if folder.exists() && !data(&folder).join("ready").exists() {
            fs::remove_dir_all(&folder).expect("ours");
        }
        if !folder.exists() {
            create(&folder);
            fs::write(data(&folder).join("ready"), "").expect("written");
        }
        start(&folder);
        stop_after_the_last(&base.join("users"), &folder);
        (folder, users)
    });
    folder.clone()
}

/// Leaves a process that waits until nobody uses the server any more, and stops it.
#[expect(clippy::zombie_processes, reason = "it outlives this process")]
fn stop_after_the_last(users: &Path, folder: &Path) {
    let mut stop = as_postgres("flock");
    stop.arg("-x").arg(users).arg(program("pg_ctl")).arg("-D").arg(data(folder)).args([
        "-m",
        "immediate",
        "stop",
    ]);
    stop.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    std::os::unix::process::CommandExt::process_group(&mut stop, 0);
    stop.spawn().expect("flock is there");
}

fn create(folder: &Path) {
    fs::create_dir_all(folder).expect("a folder");
    if is_root() {
        let given = Command::new("chown").arg("postgres").arg(folder).status();
        assert!(given.is_ok_and(|status| status.success()), "PostgreSQL's user gets its folder");
    }
    let mut init = as_postgres(&program("initdb"));
    init.arg("-D").arg(data(folder)).args(["-U", "tandem", "--auth=trust", "--no-sync", "--encoding=UTF8"]);
    let output = init.arg("--locale=C.UTF-8").output().expect("initdb runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn start(folder: &Path) {
    let options = format!(
        "-c listen_addresses= -c unix_socket_directories={} -c fsync=off -c full_page_writes=off \
         -c shared_buffers=32MB -c max_connections=300",
        folder.display()
    );
    let log = folder.join("log");
    control(folder, &["-o", &options, "-l", log.to_str().expect("a path of ours"), "-w", "start"]);
    wait_for("PostgreSQL answers", Duration::from_secs(30), || {
        psql(folder, "postgres", "SELECT 1").output().ok().filter(|output| output.status.success()).map(drop)
    });
}

fn control(folder: &Path, arguments: &[&str]) {
    let mut command = as_postgres(&program("pg_ctl"));
    command.arg("-D").arg(data(folder)).args(arguments);
    // The server inherits what is open here, so nobody must wait for its end.
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    assert!(
        status.is_ok_and(|status| status.success()),
        "pg_ctl {arguments:?}: see {}",
        folder.join("log").display()
    );
}

fn data(folder: &Path) -> PathBuf {
    folder.join("data")
}

fn psql(folder: &Path, database: &str, sql: &str) -> Command {
    let mut command = Command::new("psql");
    command
        .args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-U", "tandem", "-d", database, "-c", sql, "-h"])
        .arg(folder);
    command.stdin(Stdio::null());
    command
}

fn ask(folder: &Path, database: &str, sql: &str) -> String {
    let output = psql(folder, database, sql).output().expect("psql runs");
    assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

/// PostgreSQL refuses to run as root; Debian's package brings a user for it.
fn as_postgres(program: &str) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", program]);
    command.current_dir("/");
    command
}

fn is_root() -> bool {
    std::os::unix::fs::MetadataExt::uid(&fs::metadata("/proc/self").expect("Linux tells")) == 0
}

/// Debian keeps the programs of each version apart; the newest is taken.
fn program(name: &str) -> String {
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .expect("PostgreSQL is installed: make deps-test")
        .filter_map(|entry| {
            let entry = entry.ok()?;
            Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin").join(name)))
        })
        .filter(|(_, path)| path.exists())
        .collect();
    versions.sort();
    let (_, path) = versions.pop().expect("PostgreSQL is installed: make deps-test");
    path.to_str().expect("a path of Debian").to_owned()
}
