//! The chat widget's WebSocket. What a widget says is acknowledged only after it is durable; what it is shown is first
//! subscribed to, then read back, and never shown twice.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use digital_channels::web_chat::{
    Allowance, Backlogged, ClientFrame, FrameError, Hello, ServerFrame, decode, encode, limits,
};
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesOrdered, StreamExt};
use governor::DefaultKeyedRateLimiter;
use model::{Identity, SessionId, VisitorId};
use session::api::{Refusal, Reply, VisitorCommand, VisitorEvent, VisitorState};
use tokio::time::{Instant, MissedTickBehavior};

use super::Web;
use super::auth::check_same_origin;
use super::error::{ApiError, ApiResult};
use crate::app::App;
use crate::clock;
use crate::hub::VisitorSocket;
use crate::secret;
use crate::store::StoreError;

const HELLO_WITHIN: Duration = Duration::from_secs(10);
const PING_EVERY: Duration = Duration::from_secs(20);
const DEAD_AFTER: Duration = Duration::from_secs(50);
/// Commands of one widget that may be on their way to the engine.
const UNDER_WAY: usize = 32;

type Frame<'a> = ServerFrame<'a, VisitorState>;

/// Limits how often one address connects.
pub type Doorman = DefaultKeyedRateLimiter<IpAddr>;

pub async fn chat(
    State(web): State<Web>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> ApiResult<Response> {
    check_origin(&web.app, &headers)?;
    if web.doorman.check_key(&peer.ip()).is_err() {
        let message = "Too many connections from this address.";
        return Err(ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many_connections", message));
    }
    let app = web.app;
    // The browser must be able to read an error about a frame that is somewhat too long; one far too long is cut.
    let most = 2 * limits::FRAME;
    Ok(upgrade
        .max_message_size(most)
        .max_frame_size(most)
        .on_upgrade(move |socket| async move { serve(app, socket).await }))
}

fn check_origin(app: &App, headers: &HeaderMap) -> ApiResult<()> {
    // Only browsers send it, and only they need to be held back: a page cannot forge it.
    let Some(origin) = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok()) else {
        return Ok(());
    };
    let allowed = app.config.chat.origins.iter().any(|allowed| allowed == "*" || allowed == origin);
    // The demo shop is one of our own pages.
    if allowed || check_same_origin(app, headers).is_ok() {
        return Ok(());
    }
    let message = "This page may not carry the chat; see `origins` in [chat] of the configuration.";
    Err(ApiError::new(StatusCode::FORBIDDEN, "foreign_origin", message))
}

async fn serve(app: App, mut socket: WebSocket) {
    let hello = match tokio::time::timeout(HELLO_WITHIN, first_frame(&mut socket)).await {
        Ok(Ok(hello)) => hello,
        Ok(Err(Some(error))) => return refuse(&mut socket, &error).await,
        Ok(Err(None)) => return,
        Err(_) => return refuse(&mut socket, &wrong_hello("Say hello first.")).await,
    };
    if !app.config.chat.accounts.contains(&hello.account) {
        let mut error = wrong_hello("There is no such chat account.");
        error.field = Some("account");
        return refuse(&mut socket, &error).await;
    }
    match visitor(&app, &hello).await {
        Ok((visitor, token)) => {
            let stream = app.hub.open_visitor(visitor);
            let id = stream.id;
            let widget = Widget { app: app.clone(), visitor, account: hello.account.clone(), shown: None };
            widget.run(&mut socket, stream, hello, token).await;
            if app.hub.close_visitor(visitor, id) {
                // No answer comes to this one.
                drop(app.commands.visitor(visitor, VisitorCommand::Gone));
            }
        }
        Err(error) => {
            tracing::error!(%error, "a visitor could not be looked up");
            let _ = socket.send(close(close_code::ERROR, "failed")).await;
        }
    }
}

/// Who the widget is: by its token, or somebody new with a new one.
async fn visitor(app: &App, hello: &Hello) -> Result<(VisitorId, String), StoreError> {
    if let Some(token) = &hello.token
        && let Some(visitor) = app.store.visitor(&secret::token_hash(token)).await?
    {
        return Ok((visitor, token.clone()));
    }
    let at = clock::wall();
    let (visitor, token) = (VisitorId::new(at, rand::random()), secret::new_token());
    app.store.add_visitor(visitor, &secret::token_hash(&token), &hello.account, at).await?;
    Ok((visitor, token))
}

struct Widget {
    app: App,
    visitor: VisitorId,
    account: String,
    /// The last message shown, so that none is shown twice.
    shown: Option<(SessionId, u64)>,
}

impl Widget {
    async fn run(mut self, socket: &mut WebSocket, mut stream: VisitorSocket, hello: Hello, token: String) {
        let welcome = match self.welcome(&hello, &token).await {
            Ok(welcome) => welcome,
            Err(error) => return refuse(socket, &error).await,
        };
        if socket.send(Message::Text(welcome.into())).await.is_err() {
            return;
        }
        let mut allowance = Allowance::new(self.app.clock.instant(), self.app.config.chat.frames_per_second);
        let mut answers: FuturesOrdered<BoxFuture<'static, Option<String>>> = FuturesOrdered::new();
        let mut ping = tokio::time::interval(PING_EVERY);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = Instant::now();
        loop {
            let sent = tokio::select! {
                event = stream.events.recv() => match event {
                    Some(event) => match self.show(&event) {
                        Some(text) => socket.send(Message::Text(text.into())).await,
                        None => Ok(()),
                    },
                    None => return { let _ = socket.send(close(close_code::AGAIN, "connect again")).await; },
                },
                Some(answer) = answers.next(), if !answers.is_empty() => match answer {
                    Some(text) => socket.send(Message::Text(text.into())).await,
                    None => Ok(()),
                },
                message = socket.recv(), if answers.len() < UNDER_WAY => {
                    heard = Instant::now();
                    match message {
                        None | Some(Err(_)) | Some(Ok(Message::Close(_))) => return,
                        Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(()),
                        Some(Ok(Message::Binary(_))) => {
                            return { let _ = socket.send(close(close_code::UNSUPPORTED, "text only")).await; };
                        }
                        Some(Ok(Message::Text(text))) => {
                            if let Err(wait) = allowance.take(self.app.clock.instant()) {
                                // Not answered one by one: that would double the flood. Its sender waits with us.
                                tokio::time::sleep(wait).await;
                                let _ = allowance.take(self.app.clock.instant());
                            }
                            answers.push_back(self.heard(&text));
                            Ok(())
                        }
                    }
                }
                _ = ping.tick() => {
                    if heard.elapsed() > DEAD_AFTER {
                        return;
                    }
                    socket.send(Message::Ping(Default::default())).await
                }
            };
            if sent.is_err() {
                return;
            }
        }
    }

    /// The answer to `hello`: the state, and the messages that the widget does not have.
    async fn welcome(&mut self, hello: &Hello, token: &str) -> Result<String, FrameError> {
        let command = VisitorCommand::Hello {
            account: hello.account.clone(),
            name: hello.name.clone(),
            identities: identities(hello.phone.clone(), hello.email.clone()),
            page: hello.page.clone(),
            locale: hello.locale.clone(),
        };
        let reply = self.app.commands.visitor(self.visitor, command).await.map_err(of_hello)?;
        let Reply::Welcome { session, state } = reply else {
            return Err(wrong_hello("Something failed on our side."));
        };
        let mut messages = Vec::new();
        if let Some(session) = session {
            let after = if hello.session == Some(session) { hello.cursor } else { 0 };
            let said = self.app.store.messages(session, self.visitor, after).await.map_err(|error| {
                tracing::error!(%error, "the messages of a chat could not be read");
                wrong_hello("Something failed on our side.")
            })?;
            messages.extend(said.into_iter().map(|(seq, at, message)| Backlogged { seq, at, message }));
            let last = messages.last().map_or(after, |message| message.seq);
            self.shown = Some((session, last));
        }
        Ok(encode(&ServerFrame::Welcome { token, session, state, messages: &messages }))
    }

    /// The event as the widget reads it; `None` when it was shown with the backlog.
    fn show(&mut self, event: &VisitorEvent) -> Option<String> {
        if let VisitorEvent::Message { session, seq, .. } = event {
            if self.shown.is_some_and(|(shown, last)| shown == *session && last >= *seq) {
                return None;
            }
            self.shown = Some((*session, *seq));
        }
        Some(serde_json::to_string(event).expect("events are plain data with text keys"))
    }

    /// Gives the frame's command to the engine at once; what comes of it is the answer, if one is due.
    fn heard(&self, text: &str) -> BoxFuture<'static, Option<String>> {
        let frame = match decode(text) {
            Ok(frame) => frame,
            Err(error) => return ready(encode(&error.frame::<VisitorState>())),
        };
        let (name, id, command) = match frame {
            ClientFrame::Ping => return ready(encode(&Frame::Pong)),
            ClientFrame::Hello(_) => {
                let error = FrameError { code: "unexpected", ..wrong_hello("Hello was said already.") };
                return ready(encode(&error.frame::<VisitorState>()));
            }
            ClientFrame::Send { id, text } => {
                let command =
                    VisitorCommand::Send { external_id: id.clone(), text, account: self.account.clone() };
                ("send", Some(id), command)
            }
            ClientFrame::Typing { on } => ("typing", None, VisitorCommand::Typing { on }),
            ClientFrame::Delivered { up_to } => ("delivered", None, VisitorCommand::Delivered { up_to }),
            ClientFrame::Read { up_to } => ("read", None, VisitorCommand::Read { up_to }),
            ClientFrame::Identify { name, phone, email } => {
                let command = VisitorCommand::Hello {
                    account: self.account.clone(),
                    name,
                    identities: identities(phone, email),
                    page: None,
                    locale: None,
                };
                ("identify", None, command)
            }
            ClientFrame::Talk => ("talk", None, VisitorCommand::Talk),
            ClientFrame::CallMe { phone } => ("call_me", None, VisitorCommand::CallMe { phone }),
            ClientFrame::Code { code } => ("code", None, VisitorCommand::Code { code }),
            ClientFrame::Close => ("close", None, VisitorCommand::Close),
        };
        let answer = self.app.commands.visitor(self.visitor, command);
        Box::pin(async move { answered(name, id.as_deref(), answer.await) })
    }
}

/// Signs of life that succeed need no answer; everything else gets one.
fn answered(frame: &str, id: Option<&str>, answer: Result<Reply, Refusal>) -> Option<String> {
    let text = match &answer {
        Ok(Reply::Accepted { session, seq, at }) => {
            encode(&Frame::Ack { id: id.unwrap_or(""), session: *session, seq: *seq, at: *at })
        }
        Ok(Reply::CallToken { uri, username, password, expires_in_seconds }) => encode(&Frame::CallToken {
            uri,
            username,
            password,
            websocket: "/sip",
            expires_in_seconds: *expires_in_seconds,
        }),
        Ok(Reply::Done | Reply::Welcome { .. } | Reply::ChatCode { .. }) => match frame {
            "typing" | "delivered" | "read" => return None,
            _ => encode(&Frame::Done { frame }),
        },
        Err(refusal) => encode(&Frame::Error {
            frame: Some(frame),
            id,
            code: refusal.code,
            message: &refusal.message,
            field: refusal.field,
        }),
    };
    Some(text)
}

/// As they were typed; the engine brings numbers into one form.
fn identities(phone: Option<String>, email: Option<String>) -> Vec<Identity> {
    phone.map(Identity::Phone).into_iter().chain(email.map(Identity::Email)).collect()
}

/// `Err(None)`: it went away.
async fn first_frame(socket: &mut WebSocket) -> Result<Hello, Option<FrameError>> {
    loop {
        match socket.recv().await {
            None | Some(Err(_)) | Some(Ok(Message::Close(_))) => return Err(None),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Ok(Message::Binary(_))) => return Err(Some(wrong_hello("Send text."))),
            Some(Ok(Message::Text(text))) => {
                return match decode(&text) {
                    Ok(ClientFrame::Hello(hello)) => Ok(hello),
                    Ok(_) => Err(Some(wrong_hello("Say hello first."))),
                    Err(error) => Err(Some(error)),
                };
            }
        }
    }
}

async fn refuse(socket: &mut WebSocket, error: &FrameError) {
    let _ = socket.send(Message::Text(encode(&error.frame::<VisitorState>()).into())).await;
    let _ = socket.send(close(close_code::POLICY, error.code)).await;
}

fn of_hello(refusal: Refusal) -> FrameError {
    FrameError {
        frame: Some("hello".to_owned()),
        id: None,
        code: refusal.code,
        field: refusal.field,
        message: refusal.message,
    }
}

fn wrong_hello(message: &str) -> FrameError {
    FrameError {
        frame: Some("hello".to_owned()),
        id: None,
        code: "bad_hello",
        field: None,
        message: message.to_owned(),
    }
}

fn ready(text: String) -> BoxFuture<'static, Option<String>> {
    Box::pin(std::future::ready(Some(text)))
}

fn close(code: u16, reason: &str) -> Message {
    Message::Close(Some(CloseFrame { code, reason: reason.to_owned().into() }))
}
