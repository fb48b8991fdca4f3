use model::{Message, SessionId, Timestamp};
use serde::Serialize;

use super::FrameError;

/// What we send beside events. `S` is how the session model describes a visitor's state.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerFrame<'a, S> {
    /// The answer to `hello`: all that the widget needs to go on.
    Welcome {
        token: &'a str,
        session: Option<SessionId>,
        state: S,
        messages: &'a [Backlogged],
    },
    /// The message is durable, at `seq`.
    Ack {
        id: &'a str,
        session: SessionId,
        seq: u64,
        at: Timestamp,
    },
    /// A SIP account for one call from the browser.
    CallToken {
        uri: &'a str,
        username: &'a str,
        password: &'a str,
        websocket: &'a str,
        expires_in_seconds: u64,
    },
    /// A command without another answer was carried out.
    Done {
        #[serde(rename = "for")]
        frame: &'a str,
    },
    Error {
        #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
        frame: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        code: &'a str,
        message: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        field: Option<&'a str>,
    },
    Pong,
}

/// A message that was said while the widget was away.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Backlogged {
    pub seq: u64,
    pub at: Timestamp,
    pub message: Message,
}

pub fn encode<S: Serialize>(frame: &ServerFrame<'_, S>) -> String {
    serde_json::to_string(frame).expect("frames are plain data with text keys")
}

impl FrameError {
    pub fn frame<S>(&self) -> ServerFrame<'_, S> {
        ServerFrame::Error {
            frame: self.frame.as_deref(),
            id: self.id.as_deref(),
            code: self.code,
            message: &self.message,
            field: self.field,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_written_as_the_widget_reads_them() {
        let done: ServerFrame<'_, ()> = ServerFrame::Done { frame: "close" };
        assert_eq!(encode(&done), r#"{"type":"done","for":"close"}"#);
        let pong: ServerFrame<'_, ()> = ServerFrame::Pong;
        assert_eq!(encode(&pong), r#"{"type":"pong"}"#);
        let error = super::super::decode(r#"{"type":"send","id":"m"}"#).expect_err("no text");
        assert_eq!(
            encode(&error.frame::<()>()),
            r#"{"type":"error","for":"send","id":"m","code":"missing","message":"This is required.","field":"text"}"#
        );
    }
}
