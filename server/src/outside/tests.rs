//! Against a real HTTP server on this machine.

use std::sync::atomic::{AtomicUsize, Ordering};

use dialplans::api::HttpMethod;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::config::Database;

/// Answers each connection with the next of these (the last one again and again); gives what it was asked.
struct Peer {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    calls: Arc<AtomicUsize>,
}

impl Peer {
    async fn answering(answers: Vec<String>) -> Peer {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (asked, calls) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)));
        let (heard, count) = (Arc::clone(&asked), Arc::clone(&calls));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let at = count.fetch_add(1, Ordering::SeqCst);
                let answer = answers.get(at).or(answers.last()).cloned().unwrap_or_default();
                let heard = Arc::clone(&heard);
                tokio::spawn(async move {
                    let mut bytes = vec![0; 8192];
                    let length = stream.read(&mut bytes).await.unwrap_or(0);
                    let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
                    heard.lock().expect("a lock").push(text);
                    if answer == "silence" {
                        tokio::time::sleep(Duration::from_secs(60)).await;
                    }
                    let _ = stream.write_all(answer.as_bytes()).await;
                });
            }
        });
        Peer { address, asked, calls }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("a lock").clone()
    }
}

fn answer(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

fn get(url: String) -> HttpRequest {
    HttpRequest {
        method: HttpMethod::Get,
        url,
        headers: Vec::new(),
        body: None,
        timeout: Duration::from_millis(500),
        retries: 0,
        secret: false,
    }
}

async fn outside(folder: &Path, private: &[SocketAddr]) -> Outside {
    let settings = Settings {
        secrets: folder.to_owned(),
        private_hosts: private.iter().map(ToString::to_string).collect(),
    };
    let store = Store::open(&Database::Sqlite(folder.join("test.db"))).await.expect("a store");
    Outside::new(settings, crate::net::public_clients().expect("a configuration"), store)
}

#[tokio::test]
async fn a_request_goes_out_whole_and_its_answer_comes_in() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("crm"), "Bearer abc\n").expect("a secret");
    let peer = Peer::answering(vec![answer("200 OK", "{\"a\": 1}")]).await;
    let outside = outside(folder.path(), &[peer.address]).await;
    let request = HttpRequest {
        method: HttpMethod::Post,
        headers: vec![
            ("Authorization".into(), HeaderValue::Secret("crm".into())),
            ("X-Name".into(), HeaderValue::Plain("Anna".into())),
        ],
        body: Some("pin=1234".into()),
        ..get(peer.url("/a/b?c=d"))
    };
    assert_eq!(outside.http(&request).await, Ok((200, "{\"a\": 1}".to_owned())));
    let asked = peer.asked().join("");
    assert!(asked.starts_with("POST /a/b?c=d HTTP/1.1\r\n"), "{asked}");
    assert!(asked.contains("authorization: Bearer abc\r\n"), "{asked}");
    assert!(asked.contains("x-name: Anna\r\n") && asked.ends_with("\r\n\r\npin=1234"), "{asked}");
}

#[tokio::test]
async fn hosts_in_private_networks_are_not_asked_unless_allowed() {
    let folder = tempfile::tempdir().expect("a folder");
    let peer = Peer::answering(vec![answer("200 OK", "")]).await;
    let outside = outside(folder.path(), &[]).await;
    let refused = outside.http(&get(peer.url("/"))).await.expect_err("refused");
    assert!(refused.contains("private network"), "{refused}");
    // The same machine by a name.
    let named = format!("http://localhost:{}/", peer.address.port());
    assert!(outside.http(&get(named)).await.is_err());
    assert_eq!(peer.calls.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn what_fails_is_tried_again_and_a_redirect_is_not_followed() {
    let folder = tempfile::tempdir().expect("a folder");
    let peer = Peer::answering(vec![answer("503 Busy", ""), answer("200 OK", "x")]).await;
    let asking = outside(folder.path(), &[peer.address]).await;
    let request = HttpRequest { retries: 2, ..get(peer.url("/")) };
    assert_eq!(asking.http(&request).await, Ok((200, "x".to_owned())));
    assert_eq!(peer.calls.load(Ordering::SeqCst), 2);
    let peer =
        Peer::answering(vec!["HTTP/1.1 302 Found\r\nlocation: /x\r\ncontent-length: 0\r\n\r\n".into()]).await;
    let asking = outside(folder.path(), &[peer.address]).await;
    assert_eq!(asking.http(&get(peer.url("/"))).await, Ok((302, String::new())));
    assert_eq!(peer.calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_silent_host_costs_its_time_and_then_is_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let peer = Peer::answering(vec!["silence".into()]).await;
    let outside = outside(folder.path(), &[peer.address]).await;
    let request = HttpRequest { timeout: Duration::from_millis(20), ..get(peer.url("/")) };
    for _ in 0..FAILURES {
        assert_eq!(outside.http(&request).await, Err("no answer within 20 ms".to_owned()));
    }
    let refused = outside.http(&request).await.expect_err("it rests");
    assert!(refused.starts_with("it has failed 5 times"), "{refused}");
    assert_eq!(peer.calls.load(Ordering::SeqCst), FAILURES as usize);
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let peer = Peer::answering(vec![answer("200 OK", &"x".repeat(MOST_READ + 1))]).await;
    let outside = outside(folder.path(), &[peer.address]).await;
    let refused = outside.http(&get(peer.url("/"))).await.expect_err("too long");
    assert!(refused.contains("64 KiB"), "{refused}");
}

#[tokio::test]
async fn a_secret_that_is_not_there_is_no_way_out_of_the_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let peer = Peer::answering(vec![answer("200 OK", "")]).await;
    let outside = outside(folder.path(), &[peer.address]).await;
    for name in ["crm", "../test.db", "/etc/hostname"] {
        let headers = vec![("X".to_owned(), HeaderValue::Secret(name.to_owned()))];
        let refused = outside.http(&HttpRequest { headers, ..get(peer.url("/")) }).await;
        assert_eq!(refused, Err(format!("there is no secret {name}")));
    }
}

#[test]
fn addresses_of_special_use_are_not_public() {
    for private in [
        "127.0.0.1",
        "10.1.2.3",
        "172.31.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fd00::1",
        "ff02::1",
        "::ffff:10.0.0.1",
        "64:ff9b::a00:1",
        "2002:7f00:1::",
        "2001:db8::1",
    ] {
        assert!(!is_public(private.parse().expect(private)), "{private}");
    }
    for public in ["8.8.8.8", "172.32.0.1", "100.128.0.1", "2a00:1450::1", "::ffff:8.8.8.8"] {
        assert!(is_public(public.parse().expect(public)), "{public}");
    }
}
