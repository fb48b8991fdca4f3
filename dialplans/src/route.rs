//! `route outbound`: which carriers a number is called through.
//!
//! ```text
//! route outbound {
//!   to "+7*" via trunk "mts" then trunk "backup" limit 30 calls 5 per second
//!   to "+79*" from queue "sales" via trunk "cheap"
//!   to "*" deny "international calls are off"
//! }
//! ```
//!
//! The longest pattern that fits decides; of equal ones, one that names the queue comes before one that does not.

use std::collections::BTreeSet;

use crate::check::Checker;
use crate::diagnostic::{Code, Problem};
use crate::source::{At, Span};
use crate::syntax::cursor::{Cursor, Parse};
use crate::syntax::lexer::Kind;

/// What the routes say about one number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way<'a> {
    Via {
        /// Names of trunks or of groups of them, in the order in which to try them.
        trunks: &'a [String],
        limits: RouteLimits,
        /// Which line of the routes it is: for counting its calls. Stable within a plan.
        line: usize,
    },
    Deny {
        why: &'a str,
    },
}

/// Beyond these the line takes no more calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RouteLimits {
    /// At once.
    pub calls: Option<u32>,
    pub per_second: Option<u32>,
}

#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub name: At<String>,
    pub lines: Vec<Line>,
}

#[derive(Clone, Debug)]
pub(crate) struct Line {
    pattern: At<String>,
    queue: Option<At<String>>,
    verdict: Verdict,
}

#[derive(Clone, Debug)]
enum Verdict {
    Via { trunks: Vec<String>, spans: Vec<Span>, limits: RouteLimits },
    Deny(String),
}

/// More calls, or calls per second, than any machine carries.
const MOST: i32 = 1_000_000;

pub(crate) fn parse(cursor: &mut Cursor<'_>) -> Parse<Route> {
    cursor.bump();
    let name = cursor.word("`outbound`")?;
    let mut lines = Vec::new();
    // What cannot be read is told; the rest of the lines counts all the same.
    let _ = cursor.block("this route", |cursor| {
        lines.push(line(cursor)?);
        Ok(())
    });
    Ok(Route { name, lines })
}

fn line(cursor: &mut Cursor<'_>) -> Parse<Line> {
    cursor.expect_word("to")?;
    let pattern = cursor.text("a number or the beginning of numbers, such as \"+7*\"")?;
    if !is_pattern(&pattern.value) {
        let message = format!("`{}` is not a pattern of numbers", pattern.value);
        let problem = Problem::error(Code::BadNumber, pattern.span, message);
        cursor
            .problems
            .push(problem.hint("write \"+\" and digits; `*` at the end stands for any more of them"));
    }
    let queue = match cursor.eat_word("from") {
        Some(_) => {
            cursor.expect_word("queue")?;
            Some(cursor.name("the name of a queue")?)
        }
        None => None,
    };
    if cursor.eat_word("deny").is_some() {
        let why = cursor.text("why, between quotes")?;
        return Ok(Line { pattern, queue, verdict: Verdict::Deny(why.value) });
    }
    if cursor.eat_word("via").is_none() {
        return Err(cursor.expected("`via trunk \"…\"`, `from queue \"…\"` or `deny \"…\"`"));
    }
    let (mut trunks, mut spans) = (Vec::new(), Vec::new());
    loop {
        cursor.expect_word("trunk")?;
        let trunk = cursor.name("the name of a trunk or of a group of trunks")?;
        trunks.push(trunk.value);
        spans.push(trunk.span);
        if cursor.eat_word("then").is_none() {
            break;
        }
    }
    let limits = if cursor.eat_word("limit").is_some() { limits(cursor)? } else { RouteLimits::default() };
    Ok(Line { pattern, queue, verdict: Verdict::Via { trunks, spans, limits } })
}

/// `30 calls 5 per second`, or one of the two.
fn limits(cursor: &mut Cursor<'_>) -> Parse<RouteLimits> {
    let mut limits = RouteLimits::default();
    while limits == RouteLimits::default() || (cursor.kind() == Kind::Number && !cursor.starts_line()) {
        let number = cursor.integer("how many calls")?;
        let value = match u32::try_from(number.value) {
            Ok(value) if value > 0 && number.value <= MOST => value,
            Ok(_) | Err(_) => {
                let problem =
                    Problem::error(Code::Syntax, number.span, format!("a limit is from 1 to {MOST}"));
                return Err(cursor.fail(problem));
            }
        };
        let slot = if cursor.eat_word("calls").is_some() {
            &mut limits.calls
        } else if cursor.eat_word("per").is_some() {
            cursor.expect_word("second")?;
            &mut limits.per_second
        } else {
            return Err(cursor.expected("`calls` or `per second`"));
        };
        if slot.replace(value).is_some() {
            let problem = Problem::error(Code::DuplicateName, number.span, "this limit is set already");
            cursor.problems.push(problem);
        }
    }
    Ok(limits)
}

fn is_pattern(text: &str) -> bool {
    let start = text.strip_suffix('*').unwrap_or(text);
    let digits = start.strip_prefix('+').unwrap_or(start);
    !text.is_empty() && digits.len() <= 15 && digits.bytes().all(|c| c.is_ascii_digit()) && text != "+"
}

pub(crate) fn check(routes: &[Route], trunks: Option<&BTreeSet<String>>, checker: &mut Checker<'_>) {
    checker.unique("route", routes.iter().map(|route| (route.name.value.clone(), route.name.span)));
    for route in routes {
        if route.name.value != "outbound" {
            let message = format!("there is no route `{}`, only `outbound`", route.name.value);
            checker.problem(
                Problem::error(Code::BadName, route.name.span, message)
                    .suggest(&route.name.value, ["outbound"]),
            );
        }
        for (at, line) in route.lines.iter().enumerate() {
            if let Some(queue) = &line.queue {
                checker.queue(queue);
            }
            if let (Verdict::Via { trunks: named, spans, .. }, Some(known)) = (&line.verdict, trunks) {
                for (name, span) in named.iter().zip(spans) {
                    checker.trunk(name, *span, known);
                }
            }
            let same = |other: &&Line| {
                let queue = |line: &Line| line.queue.as_ref().map(|queue| queue.value.clone());
                other.pattern.value == line.pattern.value && queue(other) == queue(line)
            };
            if let Some(first) = route.lines[..at].iter().find(same) {
                let message =
                    format!("nothing comes to this line: `{}` is routed already", line.pattern.value);
                checker.problem(
                    Problem::error(Code::OverlappingEntries, line.pattern.span, message)
                        .related(first.pattern.span, "by this line"),
                );
            }
        }
    }
}

/// `None`: no line speaks of this number.
pub(crate) fn way<'a>(routes: &'a [Route], number: &str, queue: Option<&str>) -> Option<Way<'a>> {
    let lines = routes.iter().flat_map(|route| &route.lines).enumerate();
    let (at, line) = lines
        .filter(|(_, line)| line.fits(number, queue))
        .max_by_key(|(at, line)| (line.weight(), std::cmp::Reverse(*at)))?;
    Some(match &line.verdict {
        Verdict::Via { trunks, limits, .. } => Way::Via { trunks, limits: *limits, line: at },
        Verdict::Deny(why) => Way::Deny { why },
    })
}

impl Line {
    fn fits(&self, number: &str, queue: Option<&str>) -> bool {
        let meant = match self.pattern.value.strip_suffix('*') {
            Some(start) => number.starts_with(start),
            None => number == self.pattern.value,
        };
        meant && self.queue.as_ref().is_none_or(|own| Some(own.value.as_str()) == queue)
    }

    /// The longer and the more exact, the more it counts; then whether it names its queue.
    fn weight(&self) -> (usize, bool, bool) {
        let text = &self.pattern.value;
        let start = text.strip_suffix('*');
        (start.map_or(text.len(), str::len), start.is_none(), self.queue.is_some())
    }
}
