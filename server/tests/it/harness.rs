use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use server::config::{self, Config};
use server::run::{self, Running};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// Longer than anything takes on a busy machine; waiting ends as soon as the condition holds.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Server {
    pub running: Running,
    pub folder: TempDir,
}

impl Server {
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        Self { running: launch(folder.path()).await, folder }
    }

    /// Stops it in order and starts it again on the same data.
    pub async fn restart(self) -> Self {
        self.running.stop(std::future::pending()).await;
        Self { running: launch(self.folder.path()).await, folder: self.folder }
    }

    pub fn http(&self) -> SocketAddr {
        self.running.addresses.http
    }

    pub fn browser(&self) -> Browser {
        Browser { http: self.http(), cookie: None }
    }

    pub async fn sign_in(&self, login: &str) -> Browser {
        let mut browser = self.browser();
        let password = format!("demo-{login}");
        let answer = browser.post("/api/v1/login", &json!({ "login": login, "password": password })).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        browser.cookie = answer.cookie();
        browser
    }
}

async fn launch(folder: &Path) -> Running {
    run::start(configuration(folder), true).await.expect("the server starts")
}

pub fn configuration(folder: &Path) -> Config {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config").canonicalize().expect("config/");
    let text = format!(
        r#"
        [server]
        data = "data"
        [[sip.listener]]
        transport = "udp"
        listen = "127.0.0.1:0"
        [http]
        listen = "127.0.0.1:0"
        [media]
        webrtc_port = 0
        [chat]
        frames_per_second = 50
        [dialplans]
        folder = "{0}/dialplans"
        [prompts]
        folder = "{0}/prompts"
        music = "{0}/music"
        "#,
        shipped.display()
    );
    config::parse(&folder.join("tandem.toml"), &text).expect("a good configuration")
}

/// Speaks HTTP as a console does.
#[derive(Clone)]
pub struct Browser {
    pub http: SocketAddr,
    pub cookie: Option<String>,
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {}", self.text))
    }

    /// `code` and `field` of an error.
    pub fn error(&self) -> (String, Option<String>) {
        let error = &self.json()["error"];
        (error["code"].as_str().expect("a code").to_owned(), error["field"].as_str().map(str::to_owned))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    fn cookie(&self) -> Option<String> {
        Some(self.header("set-cookie")?.split(';').next()?.to_owned())
    }
}

impl Browser {
    pub async fn get(&self, path: &str) -> Answer {
        self.request("GET", path, &[], "").await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, body).await
    }

    pub async fn send(&self, method: &str, path: &str, body: &Value) -> Answer {
        let headers = [("Content-Type", "application/json"), ("X-Tandem", "1")];
        self.request(method, path, &headers, &body.to_string()).await
    }

    pub async fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut text = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.http);
        if let Some(cookie) = &self.cookie {
            text.push_str(&format!("Cookie: other=1; {cookie}\r\n"));
        }
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
        let mut stream = TcpStream::connect(self.http).await.expect("the server listens");
        stream.write_all(text.as_bytes()).await.expect("the request is sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.expect("an answer");
        let answer = String::from_utf8_lossy(&answer);
        let (head, text) = answer.split_once("\r\n\r\n").expect("a head and a body");
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
        Answer { status, head: head.to_owned(), text: text.to_owned() }
    }

    /// A command from the desk that must succeed.
    pub async fn desk(&self, command: Value) -> Value {
        let answer = self.post("/api/v1/desk", &command).await;
        assert_eq!(answer.status, 200, "{command}: {}", answer.text);
        answer.json()
    }

    pub async fn events(&self) -> Socket {
        let cookie = self.cookie.clone().expect("signed in");
        Socket::open(self.http, "/api/v1/events", &[("cookie", &cookie)]).await.expect("the stream opens")
    }

    pub async fn widget(&self, hello: Value) -> (Socket, Value) {
        let mut socket = Socket::open(self.http, "/chat", &[]).await.expect("the chat opens");
        let mut frame = json!({ "type": "hello", "account": "main", "cursor": 0 });
        frame.as_object_mut().expect("an object").extend(hello.as_object().expect("an object").clone());
        socket.say(frame).await;
        let welcome = socket.next().await.expect("an answer to hello");
        (socket, welcome)
    }
}

pub struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    /// The HTTP status when it was refused.
    pub async fn open(http: SocketAddr, path: &str, headers: &[(&'static str, &str)]) -> Result<Self, u16> {
        let mut request = format!("ws://{http}{path}").into_client_request().expect("an address");
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().expect("a header value"));
        }
        match tokio_tungstenite::connect_async(request).await {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(WsError::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{path}: {error}"),
        }
    }

    pub async fn say(&mut self, frame: Value) {
        self.say_text(frame.to_string()).await;
    }

    pub async fn say_text(&mut self, text: String) {
        self.0.send(Message::text(text)).await.expect("the socket is open");
    }

    /// The next JSON message; `None` when the server closed.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            let message =
                tokio::time::timeout(PATIENCE, self.0.next()).await.expect("something within a minute");
            match message {
                Some(Ok(Message::Text(text))) => return Some(serde_json::from_str(&text).expect("JSON")),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                _ => return None,
            }
        }
    }

    /// The next message for which `wanted` is true, and everything before it.
    pub async fn until(&mut self, what: &str, mut wanted: impl FnMut(&Value) -> bool) -> (Vec<Value>, Value) {
        let mut before = Vec::new();
        loop {
            let Some(message) = self.next().await else { panic!("closed before {what}; came: {before:#?}") };
            if wanted(&message) {
                return (before, message);
            }
            before.push(message);
        }
    }

    pub async fn until_type(&mut self, kind: &str) -> Value {
        self.until(kind, |message| message["type"] == kind).await.1
    }
}
