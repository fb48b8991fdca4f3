use std::collections::VecDeque;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

const PATIENCE: Duration = Duration::from_secs(10);

/// A chat widget without a browser.
pub struct Visitor {
    socket: WebSocket<TcpStream>,
    waiting: VecDeque<Value>,
    pub token: Option<String>,
    pub session: Option<String>,
    /// The greatest `seq` that it has seen.
    pub cursor: u64,
    /// The messages of the session as a widget would show them: `seq`, author, text.
    pub shown: Vec<(u64, String, String)>,
}

impl Visitor {
    /// Connects and says hello: as nobody, or as the one who was here before.
    pub fn connect(http: SocketAddr, known: Option<&Visitor>) -> Self {
        let mut visitor = Self {
            socket: open(http),
            waiting: VecDeque::new(),
            token: known.and_then(|one| one.token.clone()),
            session: known.and_then(|one| one.session.clone()),
            cursor: known.map_or(0, |one| one.cursor),
            shown: known.map(|one| one.shown.clone()).unwrap_or_default(),
        };
        visitor.tell(&json!({
            "type": "hello", "account": "main", "token": visitor.token, "session": visitor.session,
            "cursor": visitor.cursor, "page": "http://127.0.0.1/", "locale": "ru",
        }));
        let welcome = visitor.expect("welcome");
        visitor.token = welcome["token"].as_str().map(str::to_owned);
        visitor.session = welcome["session"].as_str().map(str::to_owned);
        for message in welcome["messages"].as_array().cloned().unwrap_or_default() {
            visitor.show(&message);
        }
        visitor
    }

    pub fn tell(&mut self, frame: &Value) {
        self.tell_text(&frame.to_string());
    }

    pub fn tell_text(&mut self, frame: &str) {
        self.socket.send(Message::text(frame)).expect("the server listens");
    }

    /// Writes without waiting for anything.
    pub fn write(&mut self, id: &str, text: &str) {
        self.tell(&json!({ "type": "send", "id": id, "text": text }));
    }

    /// Whether it could be written: the server may be gone.
    pub fn try_write(&mut self, id: &str, text: &str) -> bool {
        let frame = json!({ "type": "send", "id": id, "text": text }).to_string();
        self.socket.send(Message::text(frame)).is_ok()
    }

    /// Writes and waits for the acknowledgement.
    pub fn say(&mut self, id: &str, text: &str) -> Value {
        self.write(id, text);
        self.expect("ack")
    }

    /// The next event of this type; messages are shown as they pass.
    pub fn expect(&mut self, kind: &str) -> Value {
        self.find(kind, PATIENCE).unwrap_or_else(|| panic!("no {kind} came within {PATIENCE:?}"))
    }

    pub fn find(&mut self, kind: &str, within: Duration) -> Option<Value> {
        self.find_where(within, |event| event["type"] == kind)
    }

    pub fn find_where(&mut self, within: Duration, wanted: impl Fn(&Value) -> bool) -> Option<Value> {
        if let Some(place) = self.waiting.iter().position(&wanted) {
            return self.waiting.remove(place);
        }
        let end = Instant::now() + within;
        loop {
            let event = self.next(end)?;
            if wanted(&event) {
                return Some(event);
            }
            self.waiting.push_back(event);
        }
    }

    /// Whether the server has hung up, in time.
    pub fn is_cut(&mut self, within: Duration) -> bool {
        let end = Instant::now() + within;
        while Instant::now() < end {
            if self.next(end).is_none() {
                return Instant::now() < end;
            }
        }
        false
    }

    fn next(&mut self, end: Instant) -> Option<Value> {
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            self.socket.get_ref().set_read_timeout(Some(left)).expect("a time");
            match self.socket.read() {
                Ok(Message::Text(text)) => {
                    let event: Value = serde_json::from_str(&text).expect("JSON");
                    if event["type"] == "message" {
                        self.show(&event);
                    } else if let Some(session) = event["session"].as_str() {
                        self.session = Some(session.to_owned());
                    }
                    return Some(event);
                }
                Ok(_) => {}
                Err(_) => return None,
            }
        }
    }

    fn show(&mut self, event: &Value) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let seq = event["seq"].as_u64().expect("a message has its place");
        let message = &event["message"];
        self.cursor = self.cursor.max(seq);
        self.shown.push((seq, text(&message["author"]["who"]), text(&message["text"])));
    }
}

fn open(http: SocketAddr) -> WebSocket<TcpStream> {
    let stream = TcpStream::connect(http).expect("the server listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time");
    let (socket, _) = tungstenite::client(format!("ws://{http}/chat"), stream).expect("a WebSocket");
    socket
}
