//! The parts of a file: flows with entries, states and tests, and hours. (Routes read themselves.)

use std::collections::BTreeMap;

use chrono::NaiveDate;

use crate::api::Entry;
use crate::diagnostic::{Code, Problem};
use crate::hours::{DAYS, Hours, MINUTES_PER_DAY, Opening, Special, day_of, days_between};
use crate::route;
use crate::scenario::Scenario;
use crate::source::{At, Span};
use crate::syntax::cursor::{Cursor, FLOW, Parse};
use crate::syntax::lexer::Kind;
use crate::syntax::tree::{File, Flow, On, Part, State, Step};
use crate::verb;

/// Channels of the language that this version cannot be entered on.
const LATER_CHANNELS: [&str; 12] = [
    "telegram",
    "whatsapp",
    "messenger",
    "instagram",
    "vk",
    "max",
    "viber",
    "sms",
    "mail",
    "email",
    "open",
    "message",
];

/// Reads a whole source. What could not be read is left out of the file and told.
pub(crate) fn parse(source: usize, text: &str) -> (File, Vec<Problem>) {
    let mut cursor = Cursor::new(source, text);
    let mut file = File::default();
    while cursor.kind() != Kind::End {
        let start = cursor.mark();
        let read = match cursor.slice() {
            "flow" => flow(&mut cursor).map(|flow| file.flows.push(flow)),
            "hours" => hours(&mut cursor).map(|hours| file.hours.push(hours)),
            "route" => route::parse(&mut cursor).map(|route| file.routes.push(route)),
            "prices" => route::parse_prices(&mut cursor).map(|prices| file.prices.extend(prices)),
            "part" => part(&mut cursor).map(|part| file.parts.push(part)),
            "include" => {
                cursor.bump();
                let name = cursor.text("the name of a file between quotes");
                name.map(|name| file.includes.push(name))
            }
            word => {
                let message = format!(
                    "expected `flow`, `part`, `hours`, `route`, `prices` or `include`, found `{word}`"
                );
                let problem = Problem::error(Code::Syntax, cursor.span(), message)
                    .suggest(word, ["flow", "part", "hours", "route", "prices", "include"]);
                let failed = cursor.fail(problem);
                if cursor.kind() == Kind::CloseBrace {
                    cursor.bump();
                }
                Err(failed)
            }
        };
        if read.is_err() {
            cursor.recover(0, start);
        }
    }
    (file, cursor.problems)
}

fn flow(cursor: &mut Cursor<'_>) -> Parse<Flow> {
    cursor.bump();
    let name = cursor.word("the name of the flow")?;
    let mut flow = Flow {
        name,
        entries: Vec::new(),
        states: Vec::new(),
        includes: Vec::new(),
        tests: Vec::new(),
        broken: false,
        lacks_parts: false,
        places: BTreeMap::new(),
    };
    let read = cursor.block(FLOW, |cursor| {
        match cursor.slice() {
            "entry" => entry(cursor, &mut flow.entries)?,
            "state" => flow.states.push(state(cursor)?),
            "include" => {
                cursor.bump();
                flow.includes.push(cursor.word("the name of a part")?);
            }
            "test" => flow.tests.push(Scenario::parse(cursor)?),
            word => {
                let message = format!("expected `entry`, `state`, `include`, `test` or `}}`, found `{word}`");
                let problem = Problem::error(Code::Syntax, cursor.span(), message);
                let problem = match verb::is_known(word) || word == "->" {
                    true => problem.hint("verbs stand inside a state: state name { … }"),
                    false => problem.suggest(word, ["entry", "state", "include", "test"]),
                };
                return Err(cursor.fail(problem));
            }
        }
        Ok(())
    });
    flow.broken = read.is_err() || flow.states.iter().any(|state| state.broken);
    Ok(flow)
}

/// `part goodbye { state bye { … } }`: states for flows that `include goodbye`.
fn part(cursor: &mut Cursor<'_>) -> Parse<Part> {
    cursor.bump();
    let name = cursor.word("the name of the part")?;
    let mut part = Part { name, states: Vec::new(), includes: Vec::new(), broken: false };
    let read = cursor.block(FLOW, |cursor| {
        match cursor.slice() {
            "state" => part.states.push(state(cursor)?),
            "include" => {
                cursor.bump();
                part.includes.push(cursor.word("the name of a part")?);
            }
            _ => return Err(cursor.expected("`state`, `include` or `}`")),
        }
        Ok(())
    });
    part.broken = read.is_err() || part.states.iter().any(|state| state.broken);
    Ok(part)
}

/// `entry sip "+74951234567", "100", "+7495*", chat "main", after "support"`
fn entry(cursor: &mut Cursor<'_>, entries: &mut Vec<At<Entry>>) -> Parse<()> {
    cursor.bump();
    let mut channel: Option<At<String>> = None;
    let mut read = Ok(());
    loop {
        if cursor.kind() == Kind::Word {
            channel = Some(cursor.word("a channel")?);
        }
        let Some(channel) = &channel else { return Err(cursor.expected("a channel: `sip` or `chat`")) };
        let address = cursor.text("a number or an account between quotes")?;
        let name = channel.value.as_str();
        let problem = match name {
            "sip" => match wrong_entry(&address) {
                Some(problem) => Some(problem),
                None => {
                    entries.push(At::new(Entry::Sip(address.value), address.span));
                    None
                }
            },
            "chat" => {
                entries.push(At::new(Entry::Chat(address.value), address.span));
                None
            }
            "after" => {
                entries.push(At::new(Entry::After(address.value), address.span));
                None
            }
            _ if LATER_CHANNELS.contains(&name) => Some(Problem::error(
                Code::NotAvailable,
                channel.span,
                format!("the channel `{name}` is not available yet"),
            )),
            _ => {
                let message = format!("there is no channel `{name}`");
                Some(
                    Problem::error(Code::UnknownChannel, channel.span, message)
                        .suggest(name, ["sip", "chat", "after"]),
                )
            }
        };
        if let Some(problem) = problem {
            read = Err(cursor.fail(problem));
        }
        if cursor.eat(Kind::Comma).is_none() {
            return read;
        }
    }
}

/// What is wrong with the number of an entry, which may be the beginning of numbers.
fn wrong_entry(number: &At<String>) -> Option<Problem> {
    match number.value.strip_suffix('*') {
        Some("" | "+") => None,
        Some(start) => wrong_number(&At::new(start.to_owned(), number.span)),
        None => wrong_number(number),
    }
}

/// What is wrong with a number: it has to be written as sessions will bring it, in E.164 with the plus, or a short number.
pub(crate) fn wrong_number(number: &At<String>) -> Option<Problem> {
    let text = number.value.as_str();
    let digits = text.strip_prefix('+').unwrap_or(text);
    if digits.contains('*') {
        let message = format!("`{text}` is a pattern, and one number is wanted");
        return Some(
            Problem::error(Code::BadNumber, number.span, message)
                .hint("`*` can stand at the end of the number of an entry or of a route"),
        );
    }
    if !digits.is_empty() && digits.len() <= 15 && digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let problem = Problem::error(Code::BadNumber, number.span, format!("`{text}` is not a number"));
    let stripped: String = text.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect();
    let tidy = text.chars().all(|c| c.is_ascii_digit() || matches!(c, '+' | ' ' | '-' | '(' | ')' | '.'));
    Some(if tidy && !stripped.is_empty() && stripped != text {
        problem.hint(format!("write \"{stripped}\""))
    } else {
        problem.hint("write \"+\" and digits, or a short number")
    })
}

fn state(cursor: &mut Cursor<'_>) -> Parse<State> {
    cursor.bump();
    let name = cursor.word("the name of the state")?;
    let mut state = State { name, body: Vec::new(), broken: false };
    // The `on` lines of a verb that could not be read belong to nothing.
    let mut after_mistake = false;
    let read = cursor.block("this state", |cursor| {
        if cursor.at_word("on") && after_mistake {
            return on(cursor).map(|_| ());
        }
        let read = statement(cursor, &mut state.body);
        after_mistake = read.is_err();
        read
    });
    state.broken = read.is_err();
    Ok(state)
}

fn statement(cursor: &mut Cursor<'_>, body: &mut Vec<Step>) -> Parse<()> {
    let start = cursor.span();
    if cursor.at_word("on") {
        let on = on(cursor)?;
        return match body.last_mut() {
            Some(step) => {
                step.on.push(on);
                Ok(())
            }
            None => Err(cursor.fail(Problem::error(Code::Syntax, start, "`on` must follow a verb"))),
        };
    }
    if let Some(verb) = verb::parse(cursor) {
        let verb = verb?;
        body.push(Step { verb, span: start.to(cursor.last_span()), on: Vec::new() });
        return Ok(());
    }
    if cursor.kind() != Kind::Word {
        return Err(cursor.expected("a verb, `on`, `->` or `}`"));
    }
    let word = cursor.slice();
    let problem = Problem::error(Code::UnknownVerb, start, format!("there is no verb `{word}`"));
    let problem = match word {
        "goto" | "go" | "jump" => problem.hint("write `-> state`"),
        "if" | "else" | "case" | "switch" => problem.hint("write `when condition -> state`"),
        "text" | "send" | "print" => problem.hint("write `say \"…\"`"),
        "menu" | "input" => problem.hint("write `ask`"),
        "exit" | "end" | "stop" => problem.hint("write `close` or `hangup`"),
        _ => problem.suggest(word, verb::NAMES.into_iter().chain(["on"])),
    };
    Err(cursor.fail(problem))
}

/// `on a, b -> state` or `on a { voice -> s1  text -> s2 }`
fn on(cursor: &mut Cursor<'_>) -> Parse<On> {
    cursor.bump();
    let outcomes = cursor.list(|c| c.word("an outcome"))?;
    if cursor.kind() == Kind::Arrow {
        let target = cursor.target()?;
        return Ok(On { outcomes, voice: Some(target.clone()), text: Some(target) });
    }
    if cursor.kind() != Kind::OpenBrace {
        return Err(cursor.expected("`->` and the name of a state"));
    }
    let mut on = On { outcomes, voice: None, text: None };
    cursor.verb_block(|cursor| {
        let slot = match cursor.slice() {
            "voice" => &mut on.voice,
            "text" => &mut on.text,
            _ => return Err(cursor.expected("`voice`, `text` or `}`")),
        };
        let span = cursor.bump();
        if slot.replace(cursor.target()?).is_some() {
            cursor.problems.push(Problem::error(
                Code::DuplicateName,
                span,
                "this channel has a state already",
            ));
        }
        Ok(())
    })?;
    Ok(on)
}

/// `hours office { zone "Europe/Moscow"  mon-fri 09:00-18:00 except 13:00-14:00  closed on 2027-01-01..2027-01-08 }`
fn hours(cursor: &mut Cursor<'_>) -> Parse<(At<String>, Hours)> {
    cursor.bump();
    let name = cursor.name("the name of the hours")?;
    let mut zone = None;
    let mut week: [Vec<Opening>; 7] = Default::default();
    let (mut closed, mut special) = (Vec::new(), Vec::new());
    let read = cursor.block("these hours", |cursor| match cursor.slice() {
        "zone" => {
            cursor.bump();
            zone = Some(parse_zone(cursor)?);
            Ok(())
        }
        "closed" => {
            cursor.bump();
            cursor.expect_word("on")?;
            closed.extend(days(cursor)?);
            Ok(())
        }
        "open" => open_days(cursor, &mut special),
        _ => openings(cursor, &mut week),
    });
    let zone = zone.unwrap_or_else(|| {
        if read.is_ok() {
            let problem =
                Problem::error(Code::BadHours, name.span, format!("the hours `{}` have no zone", name.value));
            cursor.problems.push(problem.hint("add zone \"Europe/Moscow\""));
        }
        chrono_tz::UTC
    });
    Ok((name, Hours { zone, week, closed, special }))
}

fn parse_zone(cursor: &mut Cursor<'_>) -> Parse<chrono_tz::Tz> {
    let zone = cursor.text("the name of a time zone between quotes")?;
    zone.value.parse().map_err(|_| {
        let message = format!("there is no time zone `{}`", zone.value);
        let known = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name());
        cursor.fail(Problem::error(Code::UnknownZone, zone.span, message).suggest(&zone.value, known))
    })
}

/// `mon-wed, fri 09:00-13:00, 14:00-18:00 except 11:00-11:15`
fn openings(cursor: &mut Cursor<'_>, week: &mut [Vec<Opening>; 7]) -> Parse<()> {
    let days = cursor.list(|c| {
        let first = day(c)?;
        let last = if c.eat(Kind::Minus).is_some() { day(c)? } else { first };
        Ok(days_between(first, last))
    })?;
    let ranges = cursor.list(time_range)?;
    let except = if cursor.eat_word("except").is_some() { cursor.list(time_range)? } else { Vec::new() };
    for day in days.into_iter().flatten() {
        week[day].extend(ranges.iter().map(|&(from, to)| Opening { from, to, except: except.clone() }));
    }
    Ok(())
}

fn day(cursor: &mut Cursor<'_>) -> Parse<usize> {
    let word = cursor.slice();
    match day_of(word) {
        Some(day) => {
            cursor.bump();
            Ok(day)
        }
        None => {
            let message = format!("expected a weekday, `zone`, `closed on` or `open on`, found `{word}`");
            let problem = Problem::error(Code::BadHours, cursor.span(), message);
            Err(cursor.fail(problem.hint(format!("the weekdays are {}", DAYS.join(", ")))))
        }
    }
}

/// `09:00-18:00`, as minutes of the day.
fn time_range(cursor: &mut Cursor<'_>) -> Parse<(u32, u32)> {
    let start = cursor.span();
    let from = time(cursor)?;
    cursor.expect(Kind::Minus, "`-` and the end of the time")?;
    let to = time(cursor)?;
    if from == to || from >= MINUTES_PER_DAY {
        let span = start.to(cursor.last_span());
        return Err(cursor.fail(
            Problem::error(Code::BadHours, span, "this time has no length")
                .hint("write 00:00-24:00 for a whole day"),
        ));
    }
    Ok((from, to))
}

fn time(cursor: &mut Cursor<'_>) -> Parse<u32> {
    let what = "a time of day such as 09:00";
    let start = cursor.span();
    let hour = cursor.slice().parse::<u32>();
    cursor.expect(Kind::Number, what)?;
    cursor.expect(Kind::Colon, what)?;
    let digits = cursor.slice();
    let span = start.to(cursor.expect(Kind::Number, what)?);
    match (hour, digits.parse::<u32>()) {
        (Ok(hour), Ok(minute))
            if digits.len() == 2 && minute < 60 && hour * 60 + minute <= MINUTES_PER_DAY =>
        {
            Ok(hour * 60 + minute)
        }
        _ => Err(cursor
            .fail(Problem::error(Code::BadHours, span, "this is not a time of day").hint("write 09:00"))),
    }
}

/// `open on 2027-01-09 10:00-14:00`: an exception to the week and to the days that are closed.
fn open_days(cursor: &mut Cursor<'_>, special: &mut Vec<Special>) -> Parse<()> {
    cursor.bump();
    cursor.expect_word("on")?;
    let days = days(cursor)?;
    let ranges = cursor.list(time_range)?;
    let openings: Vec<Opening> =
        ranges.into_iter().map(|(from, to)| Opening { from, to, except: Vec::new() }).collect();
    special.extend(days.into_iter().map(|(first, last)| Special { first, last, openings: openings.clone() }));
    Ok(())
}

/// `2027-01-01..2027-01-08, 2027-05-09`
fn days(cursor: &mut Cursor<'_>) -> Parse<Vec<(NaiveDate, NaiveDate)>> {
    cursor.list(|c| {
        let start = c.span();
        let first = date(c)?;
        if c.eat(Kind::Dot).is_none() {
            return Ok((first, first));
        }
        c.expect(Kind::Dot, "`..` and the last day")?;
        let last = date(c)?;
        if last < first {
            let span: Span = start.to(c.last_span());
            return Err(c.fail(Problem::error(Code::BadHours, span, "the last day comes before the first")));
        }
        Ok((first, last))
    })
}

fn date(cursor: &mut Cursor<'_>) -> Parse<NaiveDate> {
    let what = "a day such as 2027-01-08";
    let start = cursor.span();
    let year = cursor.slice().parse();
    cursor.expect(Kind::Number, what)?;
    cursor.expect(Kind::Minus, what)?;
    let month = cursor.slice().parse();
    cursor.expect(Kind::Number, what)?;
    cursor.expect(Kind::Minus, what)?;
    let day = cursor.slice().parse();
    let span = start.to(cursor.expect(Kind::Number, what)?);
    match (year, month, day) {
        (Ok(year), Ok(month), Ok(day)) => NaiveDate::from_ymd_opt(year, month, day),
        _ => None,
    }
    .ok_or_else(|| {
        cursor.fail(Problem::error(Code::BadHours, span, "there is no such day").hint("write 2027-01-08"))
    })
}
