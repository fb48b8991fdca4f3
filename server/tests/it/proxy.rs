//! A way to PostgreSQL on which answers get lost.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;

const SOCKET: &str = ".s.PGSQL.5432";

/// Each third COMMIT of the journal is carried out, and its connection is cut before the journal hears of it.
pub struct Proxy {
    folder: TempDir,
    pub lost: Arc<AtomicUsize>,
}

impl Proxy {
    /// To the server whose socket is in this folder.
    pub fn start(server: PathBuf) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let listener = UnixListener::bind(folder.path().join(SOCKET)).expect("a socket");
        let (lost, commits) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let counted = lost.clone();
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let Ok(client) = client else { return };
                let server = UnixStream::connect(server.join(SOCKET)).expect("PostgreSQL listens");
                let (lost, commits) = (counted.clone(), commits.clone());
                std::thread::spawn(move || carry(client, server, &lost, &commits));
            }
        });
        Self { folder, lost }
    }

    /// The same database by this way.
    pub fn url(&self, url: &str) -> String {
        let (before, rest) = url.split_once("host=").expect("a socket's folder");
        let after = rest.split_once('&').map_or("", |(_, after)| after);
        format!("{before}host={}&{after}", self.folder.path().display())
    }
}

fn carry(client: UnixStream, server: UnixStream, lost: &AtomicUsize, commits: &AtomicUsize) {
    let mut back = {
        let (mut server, mut client) = (server.try_clone().expect("ours"), client.try_clone().expect("ours"));
        move |cut: Arc<AtomicUsize>| {
            let mut buffer = [0; 65_536];
            while let Ok(length @ 1..) = server.read(&mut buffer) {
                let is_commit = buffer[..length].windows(6).any(|word| word == b"COMMIT");
                if is_commit && cut.load(Ordering::SeqCst) > 0 {
                    break;
                }
                if client.write_all(&buffer[..length]).is_err() {
                    break;
                }
            }
            let _ = client.shutdown(std::net::Shutdown::Both);
            let _ = server.shutdown(std::net::Shutdown::Both);
        }
    };
    let cut = Arc::new(AtomicUsize::new(0));
    let told = cut.clone();
    let answers = std::thread::spawn(move || back(told));
    let (mut client, mut server) = (client, server);
    let (mut buffer, mut is_journal) = ([0; 65_536], false);
    while let Ok(length @ 1..) = client.read(&mut buffer) {
        let said = &buffer[..length];
        is_journal |= said.windows(14).any(|word| word == b"tandem-journal");
        if is_journal
            && said.windows(6).any(|word| word == b"COMMIT")
            && commits.fetch_add(1, Ordering::SeqCst) % 3 == 2
        {
            cut.store(1, Ordering::SeqCst);
            lost.fetch_add(1, Ordering::SeqCst);
        }
        if server.write_all(said).is_err() {
            break;
        }
    }
    let _ = server.shutdown(std::net::Shutdown::Write);
    let _ = answers.join();
}
