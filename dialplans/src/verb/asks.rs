//! Whom a `queue` asks for:
//!
//! ```text
//! queue support skills "tech >= 3", "ru" prefer "en", "vip * 5" {
//!   first last agent for 30s        # or: first agent "anna" for 30s
//!   after 1m widen skills "tech >= 1"
//!   after 3m widen skills "ru"
//!   after 5m widen skills
//! }
//! ```
//!
//! A skill without a level is required at level 1, and a preferred one without a weight has weight 1. `widen skills` with names lowers
//! what is required of them, to nothing without a level; without names nothing is required any more.

use std::collections::BTreeMap;
use std::time::Duration;

use model::{AskedFor, Asks, Widening};

use crate::check::Checker;
use crate::diagnostic::{Code, Problem};
use crate::source::At;
use crate::syntax::cursor::{Cursor, Parse};
use crate::syntax::lexer::Kind;

/// Of skills of one queue, and of stages.
const MOST: usize = 20;
const MAX_LEVEL: u16 = 10;
const MAX_WEIGHT: u16 = 100;

/// What a queue asks for, and where it names an operator.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wants {
    pub asks: Asks,
    agent: Option<At<String>>,
}

impl Wants {
    /// `skills …` or `prefer …` behind the name of the queue; false when there is neither.
    pub fn parse_head(&mut self, cursor: &mut Cursor<'_>) -> Parse<bool> {
        if cursor.starts_line() {
            return Ok(false);
        }
        if cursor.eat_word("skills").is_some() {
            for (name, level) in levels(cursor, ">=", MAX_LEVEL, 1)? {
                self.asks.required.insert(name, level as u8);
            }
        } else if cursor.eat_word("prefer").is_some() {
            self.asks.preferred.extend(levels(cursor, "*", MAX_WEIGHT, 1)?);
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// `first … for …` in the block.
    pub fn parse_first(&mut self, cursor: &mut Cursor<'_>) -> Parse<()> {
        let span = cursor.span();
        let login = if cursor.eat_word("last").is_some() {
            cursor.expect_word("agent")?;
            None
        } else {
            cursor.expect_word("agent")?;
            Some(cursor.text("an operator's login between quotes")?)
        };
        cursor.expect_word("for")?;
        let patience_seconds = cursor.duration()?.value.as_secs();
        if self.asks.agent.is_some() {
            let message = "who is asked first is said twice";
            cursor.problems.push(Problem::error(Code::DuplicateName, span, message));
        }
        self.asks.agent =
            Some(AskedFor { login: login.as_ref().map(|login| login.value.clone()), patience_seconds });
        self.agent = login;
        Ok(())
    }

    /// What follows `after … widen`.
    pub fn parse_widen(&mut self, cursor: &mut Cursor<'_>, after: Duration) -> Parse<()> {
        cursor.expect_word("skills")?;
        let to = if cursor.kind() == Kind::Text && !cursor.starts_line() {
            let lowered = levels(cursor, ">=", MAX_LEVEL, 0)?;
            Some(lowered.into_iter().map(|(name, level)| (name, level as u8)).collect::<BTreeMap<_, _>>())
        } else {
            None
        };
        if self.asks.widen.len() < MOST {
            self.asks.widen.push(Widening { after_seconds: after.as_secs(), to });
            self.asks.widen.sort_by_key(|stage| stage.after_seconds);
        }
        Ok(())
    }

    pub fn check(&self, checker: &mut Checker<'_>) {
        if let Some(agent) = &self.agent {
            checker.operator(&agent.value, agent.span);
        }
    }
}

/// Texts such as `tech >= 3`; `absent` is what a name alone has.
fn levels(cursor: &mut Cursor<'_>, sign: &str, most: u16, absent: u16) -> Parse<Vec<(String, u16)>> {
    let texts = cursor.list(|c| c.text("a skill between quotes"))?;
    let mut levels = Vec::new();
    for text in texts {
        let (name, level) = match text.value.split_once(sign) {
            Some((name, number)) => (name.trim(), number.trim().parse::<u16>().ok()),
            None => (text.value.trim(), Some(absent)),
        };
        let sound = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
        let is_name = (1..=32).contains(&name.chars().count()) && name.chars().all(sound);
        match level.filter(|level| is_name && (absent.min(1)..=most).contains(level)) {
            Some(level) if levels.len() < MOST => levels.push((name.to_owned(), level)),
            Some(_) => {
                let message = format!("more than {MOST} skills");
                cursor.problems.push(Problem::error(Code::BadNumber, text.span, message));
            }
            None => {
                let message = format!("`{}` is not a skill", text.value);
                let hint = format!("write \"name\" or \"name {sign} N\" with N from 1 to {most}");
                cursor.problems.push(Problem::error(Code::BadNumber, text.span, message).hint(hint));
            }
        }
    }
    Ok(levels)
}
