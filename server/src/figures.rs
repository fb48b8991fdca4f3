//! The figures of today, kept up with the journal as it is written; and those of any other time, read from it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use acd::statistics::{Occupation, Report, Rules, Statistics};
use chrono::{DateTime, LocalResult, NaiveDateTime, NaiveTime, TimeZone, Timelike};
use chrono_tz::Tz;
use model::{AgentId, Record, Timestamp};

use crate::clock;
use crate::store::{Store, StoreError};

/// Everybody who asks within this gets the same answer.
const FRESH: Duration = Duration::from_millis(900);

/// Today's figures. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Today(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    statistics: Statistics,
    zone: Tz,
    /// What is written while the begin of the day is read.
    meanwhile: Option<Vec<Record>>,
    shown: Option<Shown>,
}

/// The figures at an instant.
#[derive(Clone, Debug)]
pub struct Shown {
    pub at: Timestamp,
    pub report: Arc<Report>,
    pub agents: Arc<BTreeMap<AgentId, (Occupation, Timestamp)>>,
}

impl Today {
    pub fn new(rules: Rules, zone: Tz) -> Self {
        let statistics = Statistics::new(rules, begin_of_day(zone, clock::wall()));
        Self(Arc::new(Mutex::new(Inner { statistics, zone, meanwhile: Some(Vec::new()), shown: None })))
    }

    /// Something was written.
    pub fn add(&self, record: &Record) {
        let mut inner = self.inner();
        match &mut inner.meanwhile {
            Some(meanwhile) => meanwhile.push(record.clone()),
            None => inner.statistics.add(record),
        }
    }

    /// Reads what was written today before this start.
    pub async fn catch_up(&self, store: &Store) -> Result<(), StoreError> {
        let empty = self.inner().statistics.clone();
        let since = empty.since();
        let statistics = store.count(empty, since, clock::wall() + Duration::from_secs(1)).await?;
        let mut inner = self.inner();
        inner.statistics = statistics;
        // What is in both counts once: entries are numbered.
        for record in inner.meanwhile.take().unwrap_or_default() {
            inner.statistics.add(&record);
        }
        inner.shown = None;
        Ok(())
    }

    pub fn show(&self) -> Shown {
        let at = clock::wall();
        let mut inner = self.inner();
        if let Some(shown) = inner.shown.as_ref().filter(|shown| at.saturating_since(shown.at) < FRESH) {
            return shown.clone();
        }
        let midnight = begin_of_day(inner.zone, at);
        if midnight > inner.statistics.since() {
            inner.statistics.begin_again(midnight);
        }
        let occupations = inner.statistics.occupations();
        let agents = occupations.map(|(agent, occupation, since)| (agent, (occupation, since))).collect();
        let shown = Shown { at, report: Arc::new(inner.statistics.report(at)), agents: Arc::new(agents) };
        inner.shown = Some(shown.clone());
        shown
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The figures of a stretch of time, as the journal has them now.
pub async fn of(store: &Store, rules: Rules, from: Timestamp, to: Timestamp) -> Result<Report, StoreError> {
    // Who came again may have done so later.
    let statistics = store.count(Statistics::new(rules, from), from, to + rules.repeat_within).await?;
    let mut report = statistics.report(clock::wall());
    report.figures.retain(|key, _| key.from >= from && key.from < to);
    report.times.retain(|(quarter, _), _| *quarter >= from && *quarter < to);
    Ok(report)
}

/// The last midnight of this place.
pub fn begin_of_day(zone: Tz, at: Timestamp) -> Timestamp {
    local(zone, at).map_or(at, |there| first(zone, there.naive_local().date().and_time(NaiveTime::MIN), at))
}

/// The last full hour of this place: some are half an hour off.
pub fn begin_of_hour(zone: Tz, at: Timestamp) -> Timestamp {
    let Some(there) = local(zone, at) else { return at };
    let into = i64::from(there.minute()) * 60 + i64::from(there.second());
    let micros = at.as_micros().rem_euclid(1_000_000);
    Timestamp::from_micros(at.as_micros() - into * 1_000_000 - micros)
}

fn local(zone: Tz, at: Timestamp) -> Option<DateTime<Tz>> {
    DateTime::from_timestamp_micros(at.as_micros()).map(|there| there.with_timezone(&zone))
}

/// The first moment that the clocks of the place show this time.
fn first(zone: Tz, there: NaiveDateTime, otherwise: Timestamp) -> Timestamp {
    let mut there = there;
    // Where the clocks are put forward at midnight, the day begins an hour later.
    for _ in 0..4 {
        match zone.from_local_datetime(&there) {
            LocalResult::Single(moment) | LocalResult::Ambiguous(moment, _) => {
                return Timestamp::from_micros(moment.timestamp_micros());
            }
            LocalResult::None => there += chrono::Duration::minutes(30),
        }
    }
    otherwise
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        let moment = DateTime::parse_from_rfc3339(text).expect("a time");
        Timestamp::from_micros(moment.timestamp_micros())
    }

    #[test]
    fn days_and_hours_begin_as_the_clocks_of_the_place_say() {
        let berlin = chrono_tz::Europe::Berlin;
        let day = |text| begin_of_day(berlin, at(text));
        assert_eq!(day("2026-03-29T12:00:00+02:00"), at("2026-03-29T00:00:00+01:00"), "summer begins");
        assert_eq!(day("2026-10-25T12:00:00+01:00"), at("2026-10-25T00:00:00+02:00"), "summer ends");
        let kolkata = chrono_tz::Asia::Kolkata;
        assert_eq!(begin_of_hour(kolkata, at("2026-01-01T10:44:59+05:30")), at("2026-01-01T10:00:00+05:30"));
        // Midnight was left out there that day.
        let santiago = chrono_tz::America::Santiago;
        assert_eq!(begin_of_day(santiago, at("2026-09-06T12:00:00-03:00")), at("2026-09-06T01:00:00-03:00"));
    }
}
