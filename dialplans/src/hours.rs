//! Opening hours in the local time of a zone. A moment is turned into local time first, which is always possible and
//! unambiguous, so clock changes need no special care.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, Timelike, Utc, Weekday};
use chrono_tz::Tz;
use model::Timestamp;

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Hours {
    pub zone: Tz,
    /// Per weekday from Monday.
    pub week: [Vec<Opening>; 7],
    /// Days without any opening, both ends included.
    pub closed: Vec<(NaiveDate, NaiveDate)>,
    /// Days with openings of their own, whatever the week and the closed days say.
    pub special: Vec<Special>,
}

/// Both ends included.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Special {
    pub first: NaiveDate,
    pub last: NaiveDate,
    pub openings: Vec<Opening>,
}

/// From one minute of the day up to another, that one not included. Goes on past midnight when `to` is not after `from`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Opening {
    pub from: u32,
    pub to: u32,
    /// Breaks, as minutes of the day in the same way.
    pub except: Vec<(u32, u32)>,
}

pub(crate) const MINUTES_PER_DAY: u32 = 24 * 60;

impl Hours {
    pub fn is_open(&self, at: Timestamp) -> bool {
        let Some(utc) = DateTime::<Utc>::from_timestamp_micros(at.as_micros()) else { return false };
        // Far from the ends of what chrono can turn into local time.
        if !(0..=9999).contains(&utc.year()) {
            return false;
        }
        self.is_open_locally(utc.with_timezone(&self.zone).naive_local())
    }

    fn is_open_locally(&self, local: NaiveDateTime) -> bool {
        let minute = local.hour() * 60 + local.minute();
        let today = local.date();
        let day_holds = |day: NaiveDate, minute: u32| {
            // Of several the last one counts, as written.
            let special = self.special.iter().rev().find(|days| (days.first..=days.last).contains(&day));
            if let Some(special) = special {
                return special.openings.iter().any(|opening| opening.holds(minute));
            }
            !self.closed.iter().any(|(first, last)| (*first..=*last).contains(&day))
                && self.week[day.weekday().num_days_from_monday() as usize].iter().any(|o| o.holds(minute))
        };
        day_holds(today, minute)
            || today.pred_opt().is_some_and(|day| day_holds(day, minute + MINUTES_PER_DAY))
    }
}

impl Opening {
    /// `minute` counts from the start of the day that the opening belongs to, and may lie in the next day.
    fn holds(&self, minute: u32) -> bool {
        let within = |from: u32, to: u32| {
            let to = if to <= from { to + MINUTES_PER_DAY } else { to };
            (from..to).contains(&minute)
        };
        // A break after midnight belongs to the night before.
        let breaks = |&(from, to): &(u32, u32)| {
            let late = if from < self.from { MINUTES_PER_DAY } else { 0 };
            let to = if to <= from { to + MINUTES_PER_DAY } else { to };
            (from + late..to + late).contains(&minute)
        };
        within(self.from, self.to) && !self.except.iter().any(breaks)
    }
}

/// `mon` and so on, from Monday.
pub(crate) const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// The index of a weekday's name in [`DAYS`].
pub(crate) fn day_of(name: &str) -> Option<usize> {
    DAYS.iter().position(|day| *day == name)
}

/// All days from `first` to `last`, over the end of the week if need be.
pub(crate) fn days_between(first: usize, last: usize) -> Vec<usize> {
    let length = (last + 7 - first) % 7;
    (0..=length).map(|i| (first + i) % 7).collect()
}

/// Only to keep [`DAYS`] and chrono's order of days tied together.
const _: () = assert!(Weekday::Mon.num_days_from_monday() == 0);

#[cfg(test)]
mod tests {
    use super::*;

    fn office() -> Hours {
        let day = |from, to, except| vec![Opening { from, to, except }];
        let work = || day(9 * 60, 18 * 60, vec![(13 * 60, 14 * 60)]);
        let christmas = NaiveDate::from_ymd_opt(2027, 1, 1).zip(NaiveDate::from_ymd_opt(2027, 1, 8));
        Hours {
            zone: chrono_tz::Europe::Berlin,
            week: [work(), work(), work(), work(), day(22 * 60, 6 * 60, vec![(60, 120)]), vec![], vec![]],
            closed: christmas.into_iter().collect(),
            special: NaiveDate::from_ymd_opt(2027, 1, 5)
                .map(|one| Special { first: one, last: one, openings: day(10 * 60, 12 * 60, vec![]) })
                .into_iter()
                .collect(),
        }
    }

    fn open_at(rfc3339: &str) -> bool {
        let at = DateTime::parse_from_rfc3339(rfc3339).expect("a time");
        office().is_open(Timestamp::from_micros(at.timestamp_micros()))
    }

    #[test]
    fn opening_and_closing_minutes_are_exact() {
        assert!(!open_at("2026-11-23T08:59:59+01:00"));
        assert!(open_at("2026-11-23T09:00:00+01:00"));
        assert!(open_at("2026-11-23T17:59:59+01:00"));
        assert!(!open_at("2026-11-23T18:00:00+01:00"));
    }

    #[test]
    fn a_break_is_closed() {
        assert!(open_at("2026-11-23T12:59:00+01:00"));
        assert!(!open_at("2026-11-23T13:00:00+01:00"));
        assert!(open_at("2026-11-23T14:00:00+01:00"));
    }

    #[test]
    fn a_night_goes_on_into_the_next_day() {
        assert!(open_at("2026-11-27T23:00:00+01:00"), "Friday evening");
        assert!(!open_at("2026-11-28T01:30:00+01:00"), "its break");
        assert!(open_at("2026-11-28T05:59:00+01:00"), "Saturday morning");
        assert!(!open_at("2026-11-28T06:00:00+01:00"));
        assert!(!open_at("2026-11-27T05:00:00+01:00"), "Thursday had no night");
    }

    #[test]
    fn days_without_opening_are_closed_all_day() {
        assert!(!open_at("2027-01-04T10:00:00+01:00"));
        assert!(open_at("2027-01-11T10:00:00+01:00"));
    }

    #[test]
    fn an_exception_counts_before_the_week_and_the_holidays() {
        assert!(!open_at("2027-01-05T09:59:00+01:00"), "a holiday");
        assert!(open_at("2027-01-05T10:00:00+01:00"), "open as an exception");
        assert!(!open_at("2027-01-05T12:00:00+01:00"));
    }

    #[test]
    fn a_night_over_a_clock_change_is_as_long_as_the_clock_says() {
        // A Friday night from 22:00 to 06:00 in Berlin never meets the change, which comes on Sundays: so one of the week is moved.
        let mut hours = office();
        hours.week[5] = hours.week[4].clone();
        let open = |rfc3339: &str| {
            let at = DateTime::parse_from_rfc3339(rfc3339).expect("a time");
            hours.is_open(Timestamp::from_micros(at.timestamp_micros()))
        };
        // 2026-03-29, 02:00 becomes 03:00: 00:59Z is 01:59, 01:00Z is 03:00.
        assert!(!open("2026-03-29T00:59:00Z"), "the break from 01:00 to 02:00");
        assert!(open("2026-03-29T01:00:00Z"), "02:00 to 03:00 does not exist");
        assert!(open("2026-03-29T03:59:00Z") && !open("2026-03-29T04:00:00Z"), "06:00 is 04:00Z");
        // 2026-10-25, 03:00 becomes 02:00: the hour from 02:00 comes twice, and both are open.
        assert!(!open("2026-10-24T23:59:00Z"), "01:59 is in the break");
        assert!(open("2026-10-25T00:30:00Z") && open("2026-10-25T01:30:00Z"), "02:30 twice");
        assert!(open("2026-10-25T04:59:00Z") && !open("2026-10-25T05:00:00Z"), "06:00 is 05:00Z");
    }

    #[test]
    fn local_time_counts_on_both_sides_of_a_clock_change() {
        // Berlin: summer time ends on 2026-10-25. 08:30Z is 10:30 before and 09:30 after.
        assert!(open_at("2026-10-22T07:00:00Z"));
        assert!(!open_at("2026-10-26T07:59:00Z"));
        assert!(open_at("2026-10-26T08:00:00Z"));
    }

    #[test]
    fn days_between_goes_over_the_end_of_the_week() {
        assert_eq!(days_between(4, 0), [4, 5, 6, 0]);
        assert_eq!(days_between(2, 2), [2]);
    }
}
