//! `lookup`: what do we know of a customer?
//!
//! ```text
//! lookup customer phone "{session.phone}" {
//!   set who = "name"
//!   set before = "sessions"
//! }
//! on missing -> stranger
//! ```
//!
//! By `phone` or by `email`. The parts are `name`, `phone`, `email` and `sessions` (how often he was here before). Outcomes:
//! `found` and `missing`; without a handler the next statement follows. It changes nothing about whose session this is.

use crate::api::{Effect, Found, Input, LookupBy};
use crate::check::Checker;
use crate::diagnostic::{Code, Problem};
use crate::run::Turn;
use crate::syntax::cursor::{Cursor, Parse};
use crate::syntax::lexer::Kind;
use crate::template::Template;
use crate::verb::http::MISSING;
use crate::verb::outside::Taken;
use crate::verb::{Event, Next, Shape, Waiting, Way};

const FOUND: &str = "found";
const PARTS: [&str; 4] = ["name", "phone", "email", "sessions"];

#[derive(Clone, Debug)]
pub(crate) struct Lookup {
    by: LookupBy,
    value: Template,
    taken: Vec<Taken>,
}

impl Lookup {
    pub fn parse(cursor: &mut Cursor<'_>) -> Parse<Lookup> {
        cursor.bump();
        cursor.expect_word("customer")?;
        let by = match cursor.slice() {
            "phone" => LookupBy::Phone,
            "email" => LookupBy::Email,
            _ => return Err(cursor.expected("`phone` or `email`")),
        };
        cursor.bump();
        let value = cursor.template("what he is looked up by, such as \"{session.phone}\"")?;
        let mut lookup = Lookup { by, value, taken: Vec::new() };
        if cursor.kind() == Kind::OpenBrace {
            cursor.verb_block(|cursor| {
                cursor.expect_word("set")?;
                let taken = Taken::parse(cursor)?;
                if !PARTS.contains(&taken.path.value.as_str()) {
                    let message = format!("a customer has no `{}`", taken.path.value);
                    let problem = Problem::error(Code::UnknownVariable, taken.path.span, message);
                    cursor.problems.push(problem.suggest(&taken.path.value, PARTS));
                }
                lookup.taken.push(taken);
                Ok(())
            })?;
        }
        Ok(lookup)
    }

    pub fn check(&self, checker: &mut Checker<'_>) {
        checker.template(&self.value);
    }

    pub fn sets(&self) -> impl Iterator<Item = &str> {
        self.taken.iter().map(|taken| taken.name.value.as_str())
    }

    pub fn shape(&self) -> Shape<'_> {
        Shape { outcomes: [FOUND, MISSING].map(|to| Way { to, waits: false }).into(), ..Shape::default() }
    }

    pub fn start(&self, turn: &mut Turn<'_>) -> Next<'static> {
        let value = self.value.render(&turn.scope());
        if value.trim().is_empty() {
            return Next::Outcome(MISSING);
        }
        turn.put(Effect::Lookup { by: self.by, value });
        Next::Wait(Waiting::Outside)
    }

    pub fn on_event(&self, waiting: Waiting, event: Event, turn: &mut Turn<'_>) -> Next<'static> {
        match event {
            Event::Input(Input::LookedUp { found: Some(found) }) => {
                for taken in &self.taken {
                    taken.keep(&part(&found, &taken.path.value), turn);
                }
                Next::Outcome(FOUND)
            }
            Event::Input(Input::LookedUp { found: None }) => Next::Outcome(MISSING),
            Event::Input(_) | Event::Timeout => Next::Wait(waiting),
        }
    }
}

fn part(found: &Found, name: &str) -> String {
    match name {
        "name" => found.name.clone().unwrap_or_default(),
        "phone" => found.phone.clone().unwrap_or_default(),
        "email" => found.email.clone().unwrap_or_default(),
        _ => found.sessions.to_string(),
    }
}
