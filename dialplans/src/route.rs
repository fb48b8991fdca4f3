//! `route outbound`: which carriers a number is called through, and `prices`: what they take for it.
//!
//! ```text
//! route outbound {
//!   emergency "112", "101" via trunk "mts" then trunk "backup"
//!   to "+7*" via trunk "mts" then trunk "backup" limit 30 calls 5 per second
//!   to "+79*" from queue "sales" via trunk "cheap"
//!   to "+79*" from caller "+7495*" outside hours "office" via cheapest trunk "mts" then trunk "cheap"
//!   to "*" deny "international calls are off"
//! }
//!
//! prices {
//!   trunk "mts"   "+79*" 1.20
//!   trunk "cheap" "+79*" 0.85
//! }
//! ```
//!
//! An `emergency` number goes before everything else: no rule denies it, no limit holds it up. Of the other lines the longest
//! pattern that fits decides; of equal ones, one that names more of queue, caller and hours comes before one that names less,
//! then the first. `cheapest` tries the trunks in the order of their prices for the number; those without a price come last.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use model::Timestamp;

use crate::check::Checker;
use crate::diagnostic::{Code, Problem};
use crate::hours::Hours;
use crate::source::{At, Span};
use crate::syntax::cursor::{Cursor, Parse};
use crate::syntax::lexer::Kind;

/// A call that wants to be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Outgoing<'a> {
    /// E.164 with the plus, or a short number.
    pub number: &'a str,
    /// The queue that it is made for.
    pub queue: Option<&'a str>,
    /// The number of the caller on whose behalf it is made.
    pub caller: Option<&'a str>,
    pub at: Timestamp,
}

/// What the routes say about one call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Way<'a> {
    Via {
        /// Names of trunks or of groups of them, in the order in which to try them.
        trunks: Cow<'a, [String]>,
        limits: RouteLimits,
        /// Which line of the routes it is: for counting its calls. Stable within a plan.
        line: usize,
        /// Whatever else is full or forbidden, this call is made.
        emergency: bool,
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
    emergency: bool,
    queue: Option<At<String>>,
    caller: Option<At<String>>,
    hours: Option<Open>,
    verdict: Verdict,
}

/// The line counts while these hours are open, or while they are not.
#[derive(Clone, Debug)]
struct Open {
    name: At<String>,
    within: bool,
}

#[derive(Clone, Debug)]
enum Verdict {
    Via { trunks: Vec<String>, spans: Vec<Span>, cheapest: bool, limits: RouteLimits },
    Deny(String),
}

/// What one trunk takes for the numbers of a pattern, in ten-thousandths of whatever money it is.
#[derive(Clone, Debug)]
pub(crate) struct Price {
    trunk: At<String>,
    pattern: At<String>,
    price: u64,
}

/// More calls, or calls per second, than any machine carries.
const MOST: i32 = 1_000_000;
/// Digits behind the point of a price.
const DECIMALS: usize = 4;

pub(crate) fn parse(cursor: &mut Cursor<'_>) -> Parse<Route> {
    cursor.bump();
    let name = cursor.word("`outbound`")?;
    let mut lines = Vec::new();
    // What cannot be read is told; the rest of the lines counts all the same.
    let _ = cursor.block("this route", |cursor| {
        if cursor.at_word("emergency") {
            return emergency(cursor, &mut lines);
        }
        lines.push(line(cursor)?);
        Ok(())
    });
    Ok(Route { name, lines })
}

/// `prices { trunk "mts" "+7*" 1.20 … }`
pub(crate) fn parse_prices(cursor: &mut Cursor<'_>) -> Parse<Vec<Price>> {
    cursor.bump();
    let mut prices = Vec::new();
    let _ = cursor.block("these prices", |cursor| {
        cursor.expect_word("trunk")?;
        let trunk = cursor.name("the name of a trunk or of a group of trunks")?;
        let pattern = pattern(cursor)?;
        let price = price(cursor)?;
        prices.push(Price { trunk, pattern, price });
        Ok(())
    });
    Ok(prices)
}

/// `1.20`
fn price(cursor: &mut Cursor<'_>) -> Parse<u64> {
    let start = cursor.span();
    let whole = cursor.slice();
    cursor.expect(Kind::Number, "a price such as 1.20")?;
    let decimals = match cursor.eat(Kind::Dot) {
        Some(_) => {
            let decimals = cursor.slice();
            cursor.expect(Kind::Number, "the digits behind the point")?;
            decimals
        }
        None => "",
    };
    let number = match (whole.parse::<u64>(), decimals.len() <= DECIMALS) {
        (Ok(whole), true) => format!("{decimals:0<DECIMALS$}")
            .parse::<u64>()
            .ok()
            .and_then(|part| whole.checked_mul(10_000)?.checked_add(part)),
        _ => None,
    };
    number.ok_or_else(|| {
        let span = start.to(cursor.last_span());
        let problem = Problem::error(Code::BadNumber, span, "this is not a price");
        cursor.fail(problem.hint("write 1.20, with at most four digits behind the point"))
    })
}

/// `emergency "112", "101" via trunk "mts" then trunk "backup"`
fn emergency(cursor: &mut Cursor<'_>, lines: &mut Vec<Line>) -> Parse<()> {
    cursor.bump();
    let numbers = cursor.list(|c| c.text("an emergency number between quotes"))?;
    for number in &numbers {
        let digits = number.value.strip_prefix('+').unwrap_or(&number.value);
        if digits.is_empty() || digits.len() > 15 || !digits.bytes().all(|c| c.is_ascii_digit()) {
            let message = format!("`{}` is not a number", number.value);
            let problem = Problem::error(Code::BadNumber, number.span, message);
            return Err(cursor.fail(problem.hint("an emergency number is written out, such as \"112\"")));
        }
    }
    cursor.expect_word("via")?;
    let verdict = via(cursor)?;
    if cursor.at_word("limit") {
        let problem = Problem::error(Code::Syntax, cursor.span(), "emergency calls have no limit");
        return Err(cursor.fail(problem));
    }
    lines.extend(numbers.into_iter().map(|pattern| Line {
        pattern,
        emergency: true,
        queue: None,
        caller: None,
        hours: None,
        verdict: verdict.clone(),
    }));
    Ok(())
}

fn line(cursor: &mut Cursor<'_>) -> Parse<Line> {
    cursor.expect_word("to")?;
    let pattern = pattern(cursor)?;
    let deny = Verdict::Deny(String::new());
    let mut line = Line { pattern, emergency: false, queue: None, caller: None, hours: None, verdict: deny };
    loop {
        if cursor.eat_word("from").is_some() {
            match cursor.slice() {
                "queue" => {
                    cursor.bump();
                    line.queue = Some(cursor.name("the name of a queue")?);
                }
                "caller" => {
                    cursor.bump();
                    line.caller = Some(self::pattern(cursor)?);
                }
                _ => return Err(cursor.expected("`queue` or `caller`")),
            }
        } else if matches!(cursor.slice(), "within" | "outside") {
            let within = cursor.at_word("within");
            cursor.bump();
            cursor.expect_word("hours")?;
            line.hours = Some(Open { name: cursor.name("the name of the hours")?, within });
        } else {
            break;
        }
    }
    if cursor.eat_word("deny").is_some() {
        let why = cursor.text("why, between quotes")?;
        return Ok(Line { verdict: Verdict::Deny(why.value), ..line });
    }
    if cursor.eat_word("via").is_none() {
        return Err(cursor.expected("`via trunk \"…\"`, `from queue \"…\"` or `deny \"…\"`"));
    }
    let mut verdict = via(cursor)?;
    if cursor.eat_word("limit").is_some()
        && let Verdict::Via { limits, .. } = &mut verdict
    {
        *limits = self::limits(cursor)?;
    }
    Ok(Line { verdict, ..line })
}

fn pattern(cursor: &mut Cursor<'_>) -> Parse<At<String>> {
    let pattern = cursor.text("a number or the beginning of numbers, such as \"+7*\"")?;
    if !is_pattern(&pattern.value) {
        let message = format!("`{}` is not a pattern of numbers", pattern.value);
        let problem = Problem::error(Code::BadNumber, pattern.span, message);
        cursor
            .problems
            .push(problem.hint("write \"+\" and digits; `*` at the end stands for any more of them"));
    }
    Ok(pattern)
}

/// `cheapest trunk "mts" then trunk "backup"`, behind `via`.
fn via(cursor: &mut Cursor<'_>) -> Parse<Verdict> {
    let cheapest = cursor.eat_word("cheapest").is_some();
    let (mut trunks, mut spans) = (Vec::new(), Vec::new());
    loop {
        cursor.expect_word("trunk")?;
        let trunk = cursor.name("the name of a trunk or of a group of trunks")?;
        trunks.push(trunk.value);
        spans.push(trunk.span);
        if cursor.eat_word("then").is_none() {
            return Ok(Verdict::Via { trunks, spans, cheapest, limits: RouteLimits::default() });
        }
    }
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

pub(crate) fn check(
    routes: &[Route],
    prices: &[Price],
    trunks: Option<&BTreeSet<String>>,
    checker: &mut Checker<'_>,
) {
    checker.unique("route", routes.iter().map(|route| (route.name.value.clone(), route.name.span)));
    let priced = prices.iter().map(|price| {
        (
            format!("{}` for `{}", price.trunk.value, price.pattern.value),
            price.trunk.span.to(price.pattern.span),
        )
    });
    checker.unique("price of", priced);
    for (price, known) in prices.iter().zip(std::iter::repeat(trunks)) {
        if let Some(known) = known {
            checker.trunk(&price.trunk.value, price.trunk.span, known);
        }
    }
    for route in routes {
        if route.name.value != "outbound" {
            let message = format!("there is no route `{}`, only `outbound`", route.name.value);
            checker.problem(
                Problem::error(Code::BadName, route.name.span, message)
                    .suggest(&route.name.value, ["outbound"]),
            );
        }
        // The first line of each kind, so that long routes are checked in no time.
        let mut first: BTreeMap<(String, [Option<String>; 3]), Span> = BTreeMap::new();
        let always: BTreeMap<&str, Span> = route
            .lines
            .iter()
            .filter(|line| line.emergency)
            .map(|line| (line.pattern.value.as_str(), line.pattern.span))
            .collect();
        for line in &route.lines {
            line.check(prices, trunks, checker);
            let there = first.get(&line.rule()).copied();
            let by_emergency = always.get(line.pattern.value.as_str()).filter(|_| !line.emergency);
            if let Some(emergency) = by_emergency {
                let message =
                    format!("nothing comes to this line: `{}` is an emergency number", line.pattern.value);
                checker.problem(
                    Problem::error(Code::UnreachableRoute, line.pattern.span, message)
                        .related(*emergency, "by this line"),
                );
            } else if let Some(there) = there {
                let message =
                    format!("nothing comes to this line: `{}` is routed already", line.pattern.value);
                checker.problem(
                    Problem::error(Code::OverlappingEntries, line.pattern.span, message)
                        .related(there, "by this line"),
                );
            } else {
                first.insert(line.rule(), line.pattern.span);
            }
        }
    }
}

/// `None`: no line speaks of this call.
pub(crate) fn way<'a>(
    routes: &'a [Route],
    prices: &[Price],
    hours: &BTreeMap<String, Hours>,
    call: &Outgoing<'_>,
) -> Option<Way<'a>> {
    let lines = routes.iter().flat_map(|route| &route.lines).enumerate();
    let (at, line) = lines
        .filter(|(_, line)| line.fits(call, hours))
        .max_by_key(|(at, line)| (line.weight(), std::cmp::Reverse(*at)))?;
    Some(match &line.verdict {
        Verdict::Via { trunks, limits, cheapest, spans: _ } => {
            let trunks = match cheapest {
                true => Cow::Owned(by_price(trunks, prices, call.number)),
                false => Cow::Borrowed(&trunks[..]),
            };
            Way::Via { trunks, limits: *limits, line: at, emergency: line.emergency }
        }
        Verdict::Deny(why) => Way::Deny { why },
    })
}

/// The cheapest first; those that nobody has priced last, in their order.
fn by_price(trunks: &[String], prices: &[Price], number: &str) -> Vec<String> {
    let mut sorted = trunks.to_vec();
    sorted.sort_by_key(|trunk| {
        let of_it =
            prices.iter().filter(|price| price.trunk.value == *trunk && fits(&price.pattern.value, number));
        of_it.max_by_key(|price| weight(&price.pattern.value)).map_or(u64::MAX, |price| price.price)
    });
    sorted
}

fn fits(pattern: &str, number: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => number.starts_with(start),
        None => number == pattern,
    }
}

/// The longer and the more exact, the more a pattern counts.
fn weight(pattern: &str) -> (usize, bool) {
    let start = pattern.strip_suffix('*');
    (start.map_or(pattern.len(), str::len), start.is_none())
}

impl Line {
    fn check(&self, prices: &[Price], trunks: Option<&BTreeSet<String>>, checker: &mut Checker<'_>) {
        if let Some(queue) = &self.queue {
            checker.queue(queue);
        }
        if let Some(open) = &self.hours {
            checker.hours(&open.name);
        }
        let Verdict::Via { trunks: named, spans, cheapest, limits: _ } = &self.verdict else { return };
        if let Some(known) = trunks {
            for (name, span) in named.iter().zip(spans) {
                checker.trunk(name, *span, known);
            }
        }
        let start = self.pattern.value.trim_end_matches('*');
        let priced = prices.iter().any(|price| {
            let other = price.pattern.value.trim_end_matches('*');
            named.contains(&price.trunk.value) && (start.starts_with(other) || other.starts_with(start))
        });
        if *cheapest
            && !priced
            && let Some(span) = spans.first()
        {
            checker.problem(
                Problem::error(
                    Code::UnreachableRoute,
                    *span,
                    "none of these trunks has a price for such numbers",
                )
                .hint(format!("add: prices {{ trunk \"…\" \"{}\" 1.20 }}", self.pattern.value)),
            );
        }
    }

    fn fits(&self, call: &Outgoing<'_>, hours: &BTreeMap<String, Hours>) -> bool {
        fits(&self.pattern.value, call.number)
            && self.queue.as_ref().is_none_or(|own| Some(own.value.as_str()) == call.queue)
            && self
                .caller
                .as_ref()
                .is_none_or(|own| call.caller.is_some_and(|caller| fits(&own.value, caller)))
            && self.hours.as_ref().is_none_or(|open| {
                hours.get(&open.name.value).is_some_and(|hours| hours.is_open(call.at) == open.within)
            })
    }

    /// Emergencies first; then the longer and the more exact; then what names more.
    fn weight(&self) -> (bool, (usize, bool), usize) {
        let named = [self.queue.is_some(), self.caller.is_some(), self.hours.is_some()];
        (self.emergency, weight(&self.pattern.value), named.into_iter().filter(|named| *named).count())
    }

    /// What two lines have in common of which only one can ever be used.
    fn rule(&self) -> (String, [Option<String>; 3]) {
        let value = |name: &Option<At<String>>| name.as_ref().map(|name| name.value.clone());
        let hours = self.hours.as_ref().map(|open| format!("{} {}", open.within, open.name.value));
        (self.pattern.value.clone(), [value(&self.queue), value(&self.caller), hours])
    }
}
