use std::fmt;
use std::time::Duration;

use model::{Instant, SessionId};
use serde_json::{Map, Value};

use super::limits;

/// What a widget may send. Texts are trimmed where their ends mean nothing, and within their limits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ClientFrame {
    /// Always the first frame of a connection.
    Hello(Hello),
    Send {
        id: String,
        text: String,
    },
    Typing {
        on: bool,
    },
    Delivered {
        up_to: u64,
    },
    Read {
        up_to: u64,
    },
    /// What the customer says of himself, as he typed it.
    Identify {
        name: Option<String>,
        phone: Option<String>,
        email: Option<String>,
    },
    Talk,
    CallMe {
        phone: String,
    },
    Code {
        code: String,
    },
    Close,
    Ping,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hello {
    pub account: String,
    /// The bearer secret of an earlier `welcome`.
    pub token: Option<String>,
    /// The session whose messages the widget shows, and the last of them that it has.
    pub session: Option<SessionId>,
    pub cursor: u64,
    pub name: Option<String>,
    pub phone: Option<String>,
    pub email: Option<String>,
    pub page: Option<String>,
    pub locale: Option<String>,
}

/// What was wrong with a frame, for its sender.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FrameError {
    /// The frame's type, when it has one.
    pub frame: Option<String>,
    /// The message id of a `send`, so that the widget knows which one.
    pub id: Option<String>,
    /// Stable and short: `bad_json`, `unknown_type`, `missing`, `wrong_type`, `too_long`, `bad_value`.
    pub code: &'static str,
    pub field: Option<&'static str>,
    pub message: String,
}

/// Reads one frame. Keys that are not known are ignored: a newer widget may say more.
pub fn decode(frame: &str) -> Result<ClientFrame, FrameError> {
    if frame.len() > limits::FRAME {
        return Err(FrameError::whole("too_long", format!("A frame has at most {} bytes.", limits::FRAME)));
    }
    let value: Value =
        serde_json::from_str(frame).map_err(|error| FrameError::whole("bad_json", error.to_string()))?;
    let Value::Object(map) = value else {
        return Err(FrameError::whole("bad_json", "A frame is a JSON object.".to_owned()));
    };
    let fields = Fields { map: &map };
    body(&fields).map_err(|mut error| {
        error.frame = fields.shown("type");
        error.id = fields.shown("id");
        error
    })
}

fn body(fields: &Fields<'_>) -> Result<ClientFrame, FrameError> {
    let kind = fields.required("type", 32)?;
    Ok(match kind.as_str() {
        "hello" => ClientFrame::Hello(Hello {
            account: fields.required("account", limits::ACCOUNT)?,
            token: fields.text("token", limits::TOKEN)?,
            session: fields.session()?,
            cursor: fields.number("cursor")?.unwrap_or(0),
            name: fields.text("name", limits::NAME)?,
            phone: fields.text("phone", limits::PHONE)?,
            email: fields.email()?,
            page: fields.text("page", limits::PAGE)?,
            locale: fields.text("locale", limits::LOCALE)?,
        }),
        "send" => ClientFrame::Send {
            id: fields.required("id", limits::EXTERNAL_ID)?,
            text: fields.untrimmed("text", limits::TEXT)?,
        },
        "typing" => ClientFrame::Typing { on: fields.flag("on")? },
        "delivered" => ClientFrame::Delivered { up_to: fields.required_number("up_to")? },
        "read" => ClientFrame::Read { up_to: fields.required_number("up_to")? },
        "identify" => ClientFrame::Identify {
            name: fields.text("name", limits::NAME)?,
            phone: fields.text("phone", limits::PHONE)?,
            email: fields.email()?,
        },
        "talk" => ClientFrame::Talk,
        "call_me" => ClientFrame::CallMe { phone: fields.required("phone", limits::PHONE)? },
        "code" => ClientFrame::Code { code: fields.required("code", limits::CODE)? },
        "close" => ClientFrame::Close,
        "ping" => ClientFrame::Ping,
        _ => {
            let message = "There is no frame of this type.";
            return Err(FrameError::of("type", "unknown_type", message));
        }
    })
}

struct Fields<'a> {
    map: &'a Map<String, Value>,
}

impl Fields<'_> {
    /// Absent, null and empty are the same.
    fn text(&self, field: &'static str, most: usize) -> Result<Option<String>, FrameError> {
        let text = match self.map.get(field) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::String(text)) => text.trim(),
            Some(_) => return Err(FrameError::of(field, "wrong_type", "This must be a text.")),
        };
        check_length(field, text, most)?;
        // A control character in a name or number is never meant, and would reach logs and SIP headers.
        if text.chars().any(char::is_control) {
            return Err(FrameError::of(field, "bad_value", "Control characters are not allowed here."));
        }
        Ok(if text.is_empty() { None } else { Some(text.to_owned()) })
    }

    fn required(&self, field: &'static str, most: usize) -> Result<String, FrameError> {
        self.text(field, most)?.ok_or_else(|| FrameError::of(field, "missing", "This is required."))
    }

    /// A message: kept as written, line breaks included, without NUL.
    fn untrimmed(&self, field: &'static str, most: usize) -> Result<String, FrameError> {
        match self.map.get(field) {
            None | Some(Value::Null) => Err(FrameError::of(field, "missing", "This is required.")),
            Some(Value::String(text)) if text.trim().is_empty() => {
                Err(FrameError::of(field, "missing", "There is nothing in the message."))
            }
            Some(Value::String(text)) => {
                check_length(field, text, most)?;
                Ok(text.replace('\0', ""))
            }
            Some(_) => Err(FrameError::of(field, "wrong_type", "This must be a text.")),
        }
    }

    fn email(&self) -> Result<Option<String>, FrameError> {
        let Some(text) = self.text("email", limits::EMAIL)? else { return Ok(None) };
        let well_formed = text.split_once('@').is_some_and(|(user, host)| {
            !user.is_empty()
                && host.contains('.')
                && !host.contains('@')
                && !text.contains(char::is_whitespace)
        });
        if !well_formed {
            return Err(FrameError::of("email", "bad_value", "This is not an e-mail address."));
        }
        Ok(Some(text.to_lowercase()))
    }

    fn number(&self, field: &'static str) -> Result<Option<u64>, FrameError> {
        match self.map.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => value.as_u64().map(Some).ok_or_else(|| {
                FrameError::of(field, "wrong_type", "This must be a whole number, not below zero.")
            }),
        }
    }

    fn required_number(&self, field: &'static str) -> Result<u64, FrameError> {
        self.number(field)?.ok_or_else(|| FrameError::of(field, "missing", "This is required."))
    }

    fn flag(&self, field: &'static str) -> Result<bool, FrameError> {
        match self.map.get(field) {
            None | Some(Value::Null) => Err(FrameError::of(field, "missing", "This is required.")),
            Some(Value::Bool(on)) => Ok(*on),
            Some(_) => Err(FrameError::of(field, "wrong_type", "This must be true or false.")),
        }
    }

    fn session(&self) -> Result<Option<SessionId>, FrameError> {
        let Some(text) = self.text("session", 64)? else { return Ok(None) };
        let id = text.parse();
        id.map(Some).map_err(|_| FrameError::of("session", "bad_value", "This is not the id of a session."))
    }

    /// A short text for the answer to a frame that could not be read.
    fn shown(&self, field: &str) -> Option<String> {
        let text = self.map.get(field)?.as_str()?;
        Some(text.chars().take(limits::EXTERNAL_ID).collect())
    }
}

fn check_length(field: &'static str, text: &str, most: usize) -> Result<(), FrameError> {
    if text.chars().count() > most {
        return Err(FrameError::of(field, "too_long", &format!("At most {most} characters.")));
    }
    Ok(())
}

impl FrameError {
    fn whole(code: &'static str, message: String) -> Self {
        Self { frame: None, id: None, code, field: None, message }
    }

    fn of(field: &'static str, code: &'static str, message: &str) -> Self {
        Self { frame: None, id: None, code, field: Some(field), message: message.to_owned() }
    }
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field {
            Some(field) => write!(f, "{field}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// How many frames a widget may still send: a bucket that fills at a steady rate and holds one second's worth, twice over.
#[derive(Clone, Copy, Debug)]
pub struct Allowance {
    per_second: u32,
    /// In millionths of a frame.
    level: u64,
    at: Instant,
}

impl Allowance {
    pub fn new(now: Instant, per_second: u32) -> Self {
        Self { per_second, level: Self::capacity(per_second), at: now }
    }

    /// Takes one frame out, or says how long to wait for it.
    pub fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let gained = now.saturating_since(self.at).as_micros() as u64 * u64::from(self.per_second);
        self.level = (self.level + gained).min(Self::capacity(self.per_second));
        self.at = self.at.max(now);
        if self.level >= FRAME {
            self.level -= FRAME;
            return Ok(());
        }
        let missing = FRAME - self.level;
        Err(Duration::from_micros(missing.div_ceil(u64::from(self.per_second.max(1)))))
    }

    const fn capacity(per_second: u32) -> u64 {
        2 * FRAME * per_second as u64
    }
}

const FRAME: u64 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = include_str!("fixtures/good.jsonl");
    const BAD: &str = include_str!("fixtures/bad.jsonl");

    #[test]
    fn every_good_frame_is_read_as_written_beside_it() {
        let mut count = 0;
        for pair in GOOD.lines().collect::<Vec<_>>().chunks(2) {
            let [frame, expected] = pair else { panic!("frames and expectations come in pairs") };
            let read = decode(frame).unwrap_or_else(|error| panic!("{frame}: {error}"));
            assert_eq!(format!("{read:?}"), *expected, "{frame}");
            count += 1;
        }
        assert!(count >= 11, "one at least of every type");
    }

    #[test]
    fn every_bad_frame_is_refused_with_its_code_and_field() {
        for pair in BAD.lines().collect::<Vec<_>>().chunks(2) {
            let [frame, expected] = pair else { panic!("frames and expectations come in pairs") };
            let error = decode(frame).expect_err(frame);
            let said = format!("{} {}", error.code, error.field.unwrap_or("-"));
            assert_eq!(said, *expected, "{frame}");
        }
    }

    #[test]
    fn a_frame_beyond_the_limit_is_refused_unread() {
        let frame = format!(r#"{{"type":"ping","pad":"{}"}}"#, "x".repeat(limits::FRAME));
        assert_eq!(decode(&frame).expect_err("too long").code, "too_long");
    }

    #[test]
    fn an_error_names_the_message_that_it_is_about() {
        let error = decode(r#"{"type":"send","id":"m-1","text":7}"#).expect_err("wrong type");
        assert_eq!((error.frame.as_deref(), error.id.as_deref()), (Some("send"), Some("m-1")));
    }

    #[test]
    fn an_allowance_refills_at_its_rate() {
        let at = |millis: u64| Instant::from_micros(millis * 1_000);
        let mut allowance = Allowance::new(at(0), 10);
        for _ in 0..20 {
            assert_eq!(allowance.take(at(0)), Ok(()));
        }
        assert_eq!(allowance.take(at(0)), Err(Duration::from_millis(100)));
        assert_eq!(allowance.take(at(100)), Ok(()));
        assert!(allowance.take(at(100)).is_err());
        assert_eq!(allowance.take(at(5_000)), Ok(()));
    }
}
