use std::net::{SocketAddr, TcpStream};

use serde_json::{Value, json};
use tungstenite::WebSocket;
use tungstenite::client::IntoClientRequest;
use ureq::Agent;

/// The HTTP API as one signed-in user sees it.
pub struct Api {
    agent: Agent,
    base: String,
    pub cookie: String,
    pub me: Value,
}

impl Api {
    pub fn sign_in(http: SocketAddr, login: &str, password: &str) -> Self {
        let agent: Agent = Agent::config_builder().http_status_as_error(false).build().into();
        let base = format!("http://{http}/api/v1");
        let mut response = agent
            .post(format!("{base}/login"))
            .header("X-Tandem", "1")
            .send_json(json!({ "login": login, "password": password }))
            .expect("the login answers");
        let status = response.status();
        let cookie = response
            .headers()
            .get_all("set-cookie")
            .iter()
            .filter_map(|value| value.to_str().ok()?.split(';').next())
            .collect::<Vec<_>>()
            .join("; ");
        let me: Value = response.body_mut().read_json().unwrap_or(Value::Null);
        assert_eq!(status, 200, "{login} may not sign in: {me}");
        Self { agent, base, cookie, me }
    }

    pub fn get(&self, path: &str) -> Value {
        let mut response = self
            .agent
            .get(format!("{}{path}", self.base))
            .header("Cookie", &self.cookie)
            .call()
            .unwrap_or_else(|error| panic!("GET {path}: {error}"));
        let status = response.status();
        let body: Value = response.body_mut().read_json().unwrap_or(Value::Null);
        assert!(status.is_success(), "GET {path}: {status} {body}");
        body
    }

    pub fn bytes(&self, path: &str) -> Vec<u8> {
        let mut response = self
            .agent
            .get(format!("{}{path}", self.base))
            .header("Cookie", &self.cookie)
            .call()
            .unwrap_or_else(|error| panic!("GET {path}: {error}"));
        assert!(response.status().is_success(), "GET {path}: {}", response.status());
        let body = response.body_mut().with_config().limit(64 << 20).read_to_vec();
        body.unwrap_or_else(|error| panic!("GET {path}: {error}"))
    }

    pub fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let mut response = self
            .agent
            .post(format!("{}{path}", self.base))
            .header("Cookie", &self.cookie)
            .header("X-Tandem", "1")
            .send_json(body)
            .unwrap_or_else(|error| panic!("POST {path}: {error}"));
        (response.status().as_u16(), response.body_mut().read_json().unwrap_or(Value::Null))
    }

    pub fn put(&self, path: &str, body: &Value) -> (u16, Value) {
        let mut response = self
            .agent
            .put(format!("{}{path}", self.base))
            .header("Cookie", &self.cookie)
            .header("X-Tandem", "1")
            .send_json(body)
            .unwrap_or_else(|error| panic!("PUT {path}: {error}"));
        (response.status().as_u16(), response.body_mut().read_json().unwrap_or(Value::Null))
    }

    pub fn patch(&self, path: &str, body: &Value) -> Value {
        let mut response = self
            .agent
            .patch(format!("{}{path}", self.base))
            .header("Cookie", &self.cookie)
            .header("X-Tandem", "1")
            .send_json(body)
            .unwrap_or_else(|error| panic!("PATCH {path}: {error}"));
        let status = response.status();
        let body: Value = response.body_mut().read_json().unwrap_or(Value::Null);
        assert!(status.is_success(), "PATCH {path}: {status} {body}");
        body
    }

    /// A desk command that must be carried out.
    pub fn desk(&self, command: &Value) -> Value {
        let (status, body) = self.post("/desk", command);
        assert_eq!(status, 200, "{command}: {body}");
        body
    }

    /// The console's event stream: chats are only offered to a desk that is open. It closes when this is dropped.
    pub fn open_desk(&self, http: SocketAddr) -> WebSocket<TcpStream> {
        let stream = TcpStream::connect(http).expect("the server listens");
        let mut request = format!("ws://{http}/api/v1/events").into_client_request().expect("a request");
        request.headers_mut().insert("Cookie", self.cookie.parse().expect("a cookie"));
        let (mut socket, _) = tungstenite::client(request, stream).expect("a WebSocket");
        // The first event shows that the desk is known to be open.
        socket.read().expect("the desk");
        socket
    }

    pub fn ready(&self) {
        self.desk(&json!({ "command": "set_status", "status": { "state": "ready" } }));
    }
}
