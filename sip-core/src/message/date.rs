//! Date (RFC 3261 §20.17) and Timestamp (§20.38).

use super::error::SyntaxError;
use super::lex;
use super::{HeaderError, Message, Name};

/// A moment in GMT.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Date {
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    pub hour: u8,
    pub minute: u8,
    /// Up to 60, which is a leap second.
    pub second: u8,
}

const MONTHS: [&[u8]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
const DAYS: [&[u8]; 7] = [b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun"];

impl Date {
    /// `Sat, 13 Nov 2010 23:29:00 GMT`, and no other zone (RFC 4475 §3.1.2.12). The day of the week is read and not compared.
    pub fn parse(raw: &[u8]) -> Result<Date, SyntaxError> {
        parse(raw).ok_or(SyntaxError("Date"))
    }
}

impl Message {
    pub fn date(&self) -> Result<Option<Date>, HeaderError> {
        self.one(Name::Date, |value| Date::parse(&lex::unfold(value)).ok())
    }

    /// The sender's seconds as it wrote them (`54.21`), without the delay that we may have to add.
    pub fn timestamp(&self) -> Result<Option<&[u8]>, HeaderError> {
        self.one(Name::Timestamp, |value| {
            let decimal = |text: &[u8]| {
                let (whole, fraction) = match memchr::memchr(b'.', text) {
                    Some(dot) => (&text[..dot], &text[dot + 1..]),
                    None => (text, &b""[..]),
                };
                [whole, fraction].iter().all(|part| part.iter().all(u8::is_ascii_digit))
            };
            let end = value.iter().position(|&c| lex::is_lws(c)).unwrap_or(value.len());
            let (stamp, delay) = (&value[..end], lex::trim(&value[end..]));
            let starts = stamp.first().is_some_and(u8::is_ascii_digit);
            (starts && decimal(stamp) && decimal(delay)).then_some(stamp)
        })
    }
}

fn parse(raw: &[u8]) -> Option<Date> {
    let mut words = raw.split(|&c| c == b' ' || c == b'\t').filter(|word| !word.is_empty());
    let weekday = words.next()?.strip_suffix(b",")?;
    DAYS.iter().find(|day| day.eq_ignore_ascii_case(weekday))?;
    let day = two_digits(words.next()?)?;
    let month = words.next()?;
    let month = MONTHS.iter().position(|name| name.eq_ignore_ascii_case(month))? as u8 + 1;
    let year = words.next().filter(|year| year.len() == 4).and_then(lex::number)?;
    let mut time = words.next()?.split(|&c| c == b':').map(two_digits);
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    let zone = words.next()?;
    let whole = time.next().is_none() && words.next().is_none() && zone.eq_ignore_ascii_case(b"GMT");
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let longest = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    let possible = (1..=longest).contains(&day) && hour < 24 && minute < 60 && second <= 60;
    (whole && possible).then_some(Date { year, month, day, hour, minute, second })
}

fn two_digits(text: &[u8]) -> Option<u8> {
    lex::number(text).filter(|_| text.len() == 2)
}
