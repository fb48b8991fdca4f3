//! `http`: asks an outside system.
//!
//! ```text
//! http get "https://crm.example.com/customers/{customer.phone}" timeout 3s retries 1 {
//!   header "Authorization" secret crm
//!   set plan = "plan.name"
//! }
//! on missing -> unknown
//! on failed  -> menu
//! ```
//!
//! The methods are `get`, `post`, `put`, `patch` and `delete`; `body "…"` sends a text. Values in the URL are escaped, and
//! the host is always written out, so nothing that a customer types chooses whom we ask. `secret NAME` is a secret of the
//! configuration; the flow never sees it. `set` takes values out of a JSON answer; what is not there leaves them empty.
//!
//! Outcomes: `ok` (status 200 to 299), `missing` (404) and `failed`: another status, no answer within `timeout` (3s unless
//! told, 15s at most) and `retries` (none unless told, 3 at most), an answer that is no JSON where values are wanted, an
//! address that may not be asked. Without a handler `ok` goes on with the next statement; `failed` serves `missing`, too.

use std::time::Duration;

use crate::api::{Effect, HeaderValue, HttpMethod, HttpRequest, Input};
use crate::check::Checker;
use crate::diagnostic::{Code, Problem};
use crate::run::Turn;
use crate::source::At;
use crate::syntax::cursor::{Cursor, Parse};
use crate::syntax::lexer::Kind;
use crate::template::Template;
use crate::verb::outside::{Taken, part};
use crate::verb::{Event, Next, Shape, Waiting, Way};

const OK: &str = "ok";
pub(super) const MISSING: &str = "missing";
pub(super) const FAILED: &str = "failed";
const TIMEOUT: Duration = Duration::from_secs(3);
const MAX_TIMEOUT: Duration = Duration::from_secs(15);
const MAX_RETRIES: i32 = 3;
const MAX_HEADERS: usize = 20;

#[derive(Clone, Debug)]
pub(crate) struct Http {
    method: HttpMethod,
    url: Template,
    headers: Vec<(At<String>, Header)>,
    body: Option<Template>,
    taken: Vec<Taken>,
    timeout: Duration,
    retries: u8,
}

#[derive(Clone, Debug)]
enum Header {
    Plain(Template),
    Secret(At<String>),
}

impl Http {
    pub fn parse(cursor: &mut Cursor<'_>) -> Parse<Http> {
        cursor.bump();
        let word = cursor.word("a method: get, post, put, patch or delete")?;
        let Some((method, _)) = HttpMethod::ALL.iter().find(|(_, name)| *name == word.value) else {
            let message = format!("there is no method `{}`", word.value);
            let problem = Problem::error(Code::BadName, word.span, message);
            return Err(
                cursor.fail(problem.suggest(&word.value, HttpMethod::ALL.iter().map(|(_, name)| *name)))
            );
        };
        let url = cursor.template("an address between quotes, such as \"https://example.com/\"")?;
        let mut http = Http {
            method: *method,
            url,
            headers: Vec::new(),
            body: None,
            taken: Vec::new(),
            timeout: TIMEOUT,
            retries: 0,
        };
        loop {
            if cursor.eat_word("timeout").is_some() {
                let timeout = cursor.duration()?;
                if timeout.value > MAX_TIMEOUT {
                    let problem =
                        Problem::error(Code::BadDuration, timeout.span, "nobody waits longer than 15s");
                    cursor.problems.push(problem);
                }
                http.timeout = timeout.value;
            } else if cursor.eat_word("retries").is_some() {
                let retries = cursor.integer("a number from 0 to 3")?;
                if !(0..=MAX_RETRIES).contains(&retries.value) {
                    let problem =
                        Problem::error(Code::BadNumber, retries.span, "`retries` must be from 0 to 3");
                    cursor.problems.push(problem);
                }
                http.retries = retries.value.clamp(0, MAX_RETRIES) as u8;
            } else {
                break;
            }
        }
        http.check_url(cursor);
        if cursor.kind() == Kind::OpenBrace {
            cursor.verb_block(|c| http.parse_line(c))?;
        }
        Ok(http)
    }

    /// Whom we ask is written out.
    fn check_url(&self, cursor: &mut Cursor<'_>) {
        let start = self.url.literal_start();
        let rest = start.strip_prefix("https://").or_else(|| start.strip_prefix("http://"));
        let host = rest.map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default());
        let whole = self.url.fixed().is_some();
        let problem = match (rest, host) {
            (None, _) => Some(("an address begins with https:// or http://", None)),
            (Some(_), Some("")) => Some(("the address has no host", None)),
            (Some(_), Some(host)) if host.contains('@') => Some((
                "a name and a password do not belong into an address",
                Some("send them by header … secret …"),
            )),
            (Some(rest), Some(host)) if !whole && rest.len() == host.len() => Some((
                "the host of an address must be written out",
                Some("values can stand behind the `/` after it"),
            )),
            (Some(_), _) => None,
        };
        if let Some((message, hint)) = problem {
            let problem = Problem::error(Code::BadAddress, self.url.span, message);
            cursor.problems.push(match hint {
                Some(hint) => problem.hint(hint),
                None => problem,
            });
        }
    }

    fn parse_line(&mut self, cursor: &mut Cursor<'_>) -> Parse<()> {
        if cursor.eat_word("header").is_some() {
            let name = cursor.text("the name of a header between quotes")?;
            let token = |c: u8| c.is_ascii_alphanumeric() || b"-_".contains(&c);
            if name.value.is_empty() || !name.value.bytes().all(token) {
                let message = format!("`{}` is not the name of a header", name.value);
                return Err(cursor.fail(Problem::error(Code::BadName, name.span, message)));
            }
            if self.headers.len() == MAX_HEADERS {
                let message = format!("there are at most {MAX_HEADERS} headers");
                return Err(cursor.fail(Problem::error(Code::BadNumber, name.span, message)));
            }
            let value = match cursor.eat_word("secret") {
                Some(_) => Header::Secret(cursor.name("the name of a secret of the configuration")?),
                None => Header::Plain(cursor.template("its value between quotes, or `secret` and a name")?),
            };
            self.headers.push((name, value));
        } else if cursor.eat_word("body").is_some() {
            self.body = Some(cursor.template("what is sent, between quotes")?);
        } else if cursor.eat_word("set").is_some() {
            self.taken.push(Taken::parse(cursor)?);
        } else {
            return Err(cursor.expected("`header`, `body`, `set` or `}`"));
        }
        Ok(())
    }

    pub fn check(&self, checker: &mut Checker<'_>) {
        checker.with_secrets(|checker| {
            checker.template(&self.url);
            self.body.iter().for_each(|body| checker.template(body));
            for (_, value) in &self.headers {
                match value {
                    Header::Plain(text) => checker.template(text),
                    Header::Secret(name) => checker.secret(name),
                }
            }
        });
    }

    pub fn sets(&self) -> impl Iterator<Item = &str> {
        self.taken.iter().map(|taken| taken.name.value.as_str())
    }

    pub fn shape(&self) -> Shape<'_> {
        // An outside system answers when it likes, but a flow that does nothing but ask it again is still one that goes round.
        let outcomes = [OK, MISSING, FAILED].map(|to| Way { to, waits: false });
        Shape { outcomes: outcomes.into(), ..Shape::default() }
    }

    pub fn start(&self, turn: &mut Turn<'_>) -> Next<'static> {
        let scope = turn.scope();
        let headers = self.headers.iter().map(|(name, value)| {
            let value = match value {
                // No header is smuggled in by a value.
                Header::Plain(text) => {
                    HeaderValue::Plain(text.render(&scope).chars().filter(|c| !c.is_control()).collect())
                }
                Header::Secret(name) => HeaderValue::Secret(name.value.clone()),
            };
            (name.value.clone(), value)
        });
        let uses = |text: &Template| text.values().any(|value| value.speaks_of("secret"));
        let plain = self.headers.iter().filter_map(|(_, value)| match value {
            Header::Plain(text) => Some(text),
            Header::Secret(_) => None,
        });
        let secret = plain.chain(&self.body).chain([&self.url]).any(uses);
        let request = HttpRequest {
            method: self.method,
            url: self.url.render_escaped(&scope),
            headers: headers.collect(),
            body: self.body.as_ref().map(|body| body.render(&scope)),
            timeout: self.timeout,
            retries: self.retries,
            secret,
        };
        turn.put(Effect::Http(request));
        Next::Wait(Waiting::Outside)
    }

    pub fn on_event(&self, waiting: Waiting, event: Event, turn: &mut Turn<'_>) -> Next<'static> {
        match event {
            Event::Input(Input::HttpAnswered { status, body }) => self.answered(status, &body, turn),
            Event::Input(Input::HttpFailed { why }) => {
                turn.trace(&format!("no answer: {why}"));
                Next::Outcome(FAILED)
            }
            Event::Input(_) | Event::Timeout => Next::Wait(waiting),
        }
    }

    fn answered(&self, status: u16, body: &str, turn: &mut Turn<'_>) -> Next<'static> {
        turn.trace(&format!("status {status}"));
        match status {
            200..=299 => {}
            404 => return Next::Outcome(MISSING),
            _ => return Next::Outcome(FAILED),
        }
        if self.taken.is_empty() {
            return Next::Outcome(OK);
        }
        let Ok(json) = serde_json::from_str::<serde_json::Value>(body) else {
            turn.trace("the answer is not JSON");
            return Next::Outcome(FAILED);
        };
        for taken in &self.taken {
            taken.keep(&part(&json, &taken.path.value).unwrap_or_default(), turn);
        }
        Next::Outcome(OK)
    }
}
