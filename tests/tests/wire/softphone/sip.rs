//! As much SIP over WebSocket (RFC 7118) as a softphone needs that has one call at a time.

use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use e2e::lab::Api;
use sip_core::digest;
use sip_core::message::{Message, Method, Name};
use tungstenite::WebSocket;
use tungstenite::client::IntoClientRequest;

const SOON: Duration = Duration::from_secs(15);
const HOST: &str = "softphone.invalid";

/// The connection; a thread reads it and answers what needs no thought.
pub struct Sip {
    socket: Arc<Mutex<WebSocket<TcpStream>>>,
    closing: Arc<AtomicBool>,
    reader: Option<JoinHandle<()>>,
    responses: Receiver<String>,
    invites: Receiver<String>,
    /// The other side has hung up.
    pub over: Arc<AtomicBool>,
    uri: String,
    sequence: u32,
    dialog: Option<Dialog>,
}

/// The one call, as requests within it are written.
#[derive(Clone)]
struct Dialog {
    target: String,
    from: String,
    to: String,
    call_id: String,
    route: String,
}

impl Sip {
    /// Registers with the account that the console's softphone has.
    pub fn register(http: SocketAddr, by: &Api) -> Sip {
        let account = by.get("/softphone");
        let text = |name: &str| account[name].as_str().expect("a text").to_owned();
        let (uri, user, password) = (text("uri"), text("authorization_user"), text("password"));
        let stream = TcpStream::connect(http).expect("the server listens");
        let mut request =
            format!("ws://{http}{}", text("websocket")).into_client_request().expect("a request");
        request.headers_mut().insert("Sec-WebSocket-Protocol", "sip".parse().expect("a name"));
        let (socket, _) = tungstenite::client(request, stream).expect("a WebSocket");
        socket.get_ref().set_read_timeout(Some(Duration::from_millis(5))).expect("a time");
        let socket = Arc::new(Mutex::new(socket));
        let (closing, over) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
        let ((to_responses, responses), (to_invites, invites)) = (channel(), channel());
        let reader = {
            let (socket, closing, over) = (socket.clone(), closing.clone(), over.clone());
            std::thread::spawn(move || read(&socket, &closing, &over, &to_responses, &to_invites))
        };
        let reader = Some(reader);
        let mut sip =
            Sip { socket, closing, reader, responses, invites, over, uri, sequence: 1, dialog: None };
        let domain = sip.uri.split('@').nth(1).expect("a domain").to_owned();
        let registrar = format!("sip:{domain}");
        let registration = |sip: &mut Sip, authorization: &str| {
            let own = sip.uri.clone();
            let head = format!(
                "From: <{own}>;tag=soft\r\nTo: <{own}>\r\nCall-ID: softphone-register\r\n\
                 Contact: <sip:soft@{HOST};transport=ws>;expires=300\r\n{authorization}"
            );
            sip.request("REGISTER", &registrar, &head, "")
        };
        let challenge = registration(&mut sip, "");
        let message = Message::parse(challenge.as_bytes()).expect("a response");
        let answer = message.credentials(Name::WwwAuthenticate).find_map(|offer| {
            digest::answer(&offer, &Method::Register, &registrar, &user, &password, "c0ffee", 1)
        });
        let answer = answer.unwrap_or_else(|| panic!("no challenge that can be answered: {challenge}"));
        let accepted = registration(&mut sip, &format!("Authorization: {answer}\r\n"));
        assert!(accepted.starts_with("SIP/2.0 200"), "{accepted}");
        sip
    }

    /// The next call: its INVITE.
    pub fn ringing(&self) -> String {
        self.invites.recv_timeout(SOON).expect("a call comes")
    }

    /// Accepts it with this description.
    pub fn accept(&mut self, invite: &str, sdp: &str) {
        self.send(&response(invite, "200 OK", sdp));
        let contact = header(invite, "Contact");
        let target = contact.split(['<', '>']).nth(1).unwrap_or(&contact).to_owned();
        let route: String =
            headers(invite, "Record-Route").map(|route| format!("Route: {route}\r\n")).collect();
        self.dialog = Some(Dialog {
            target,
            from: with_tag(&header(invite, "To")),
            to: header(invite, "From"),
            call_id: header(invite, "Call-ID"),
            route,
        });
    }

    /// A new offer within the call; its answer.
    pub fn reinvite(&mut self, sdp: &str) -> String {
        let response = self.within("INVITE", "Contact: <sip:soft@softphone.invalid;transport=ws>\r\n", sdp);
        assert!(response.starts_with("SIP/2.0 200"), "{response}");
        let Dialog { target, from, to, call_id, route } = self.dialog.clone().expect("a call");
        let sequence = self.sequence - 1;
        self.send(&format!(
            "ACK {target} SIP/2.0\r\nVia: SIP/2.0/WS {HOST};branch=z9hG4bK-ack-{sequence}\r\nMax-Forwards: 70\r\n\
             {route}From: {from}\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: {sequence} ACK\r\nContent-Length: 0\r\n\r\n"
        ));
        response.split_once("\r\n\r\n").expect("a body").1.to_owned()
    }

    /// A request within the call and its final answer.
    pub fn within(&mut self, method: &str, more: &str, sdp: &str) -> String {
        let Dialog { target, from, to, call_id, route } = self.dialog.clone().expect("a call");
        let head = format!("{route}From: {from}\r\nTo: {to}\r\nCall-ID: {call_id}\r\n{more}");
        self.request(method, &target, &head, sdp)
    }

    fn request(&mut self, method: &str, uri: &str, head: &str, sdp: &str) -> String {
        let sequence = self.sequence;
        self.sequence += 1;
        let kind = if sdp.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        self.send(&format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/WS {HOST};branch=z9hG4bK-soft-{sequence}\r\nMax-Forwards: 70\r\n\
             {head}CSeq: {sequence} {method}\r\n{kind}Content-Length: {}\r\n\r\n{sdp}",
            sdp.len()
        ));
        loop {
            let response = self.responses.recv_timeout(SOON).expect("an answer");
            let is_final = !response.starts_with("SIP/2.0 1");
            if is_final && header(&response, "CSeq") == format!("{sequence} {method}") {
                return response;
            }
        }
    }

    fn send(&self, text: &str) {
        send(&self.socket, text);
    }
}

impl Drop for Sip {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::Relaxed);
        let _ = self.reader.take().map(JoinHandle::join);
    }
}

fn send(socket: &Mutex<WebSocket<TcpStream>>, text: &str) {
    socket.lock().expect("whole").send(tungstenite::Message::text(text)).expect("the server reads");
}

fn read(
    socket: &Mutex<WebSocket<TcpStream>>,
    closing: &AtomicBool,
    over: &AtomicBool,
    responses: &Sender<String>,
    invites: &Sender<String>,
) {
    while !closing.load(Ordering::Relaxed) {
        // Whoever wants to send gets its turn.
        std::thread::sleep(Duration::from_millis(1));
        let read = socket.lock().expect("whole").read();
        let text = match read {
            Ok(message) if message.is_text() || message.is_binary() => {
                String::from_utf8_lossy(&message.into_data()).into_owned()
            }
            Ok(_) => continue,
            Err(tungstenite::Error::Io(error))
                if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) =>
            {
                continue;
            }
            Err(_) => return,
        };
        let method = text.split(' ').next().unwrap_or_default().to_owned();
        match method.as_str() {
            "SIP/2.0" => {
                let _ = responses.send(text);
            }
            "INVITE" => {
                send(socket, &response(&text, "180 Ringing", ""));
                let _ = invites.send(text);
            }
            "ACK" => {}
            "BYE" | "CANCEL" => {
                over.store(true, Ordering::Relaxed);
                send(socket, &response(&text, "200 OK", ""));
            }
            _ => send(socket, &response(&text, "200 OK", "")),
        }
    }
}

/// A response of ours; its To has a tag.
fn response(request: &str, status: &str, sdp: &str) -> String {
    let vias: String = headers(request, "Via").map(|via| format!("Via: {via}\r\n")).collect();
    let routes: String =
        headers(request, "Record-Route").map(|route| format!("Record-Route: {route}\r\n")).collect();
    let (from, call_id, sequence) =
        (header(request, "From"), header(request, "Call-ID"), header(request, "CSeq"));
    let to = with_tag(&header(request, "To"));
    let kind = if sdp.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!(
        "SIP/2.0 {status}\r\n{vias}{routes}From: {from}\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: {sequence}\r\n\
         Contact: <sip:soft@{HOST};transport=ws>\r\n{kind}Content-Length: {}\r\n\r\n{sdp}",
        sdp.len()
    )
}

fn with_tag(to: &str) -> String {
    if to.contains(";tag=") { to.to_owned() } else { format!("{to};tag=softphone") }
}

fn header(message: &str, name: &str) -> String {
    headers(message, name).next().unwrap_or_else(|| panic!("no {name}: {message}")).to_owned()
}

fn headers<'a>(message: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let head = message.split("\r\n\r\n").next().unwrap_or_default();
    head.lines().filter_map(move |line| {
        let (found, value) = line.split_once(':')?;
        found.trim().eq_ignore_ascii_case(name).then(|| value.trim())
    })
}
