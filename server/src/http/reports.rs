//! What the centre has done: reports of any time, and the wallboard of today. For supervisors and administrators.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use acd::statistics::{self, AgentTime, Figures, Key, Occupation, Report};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono_tz::Tz;
use model::{AgentId, Medium, QueueName, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::auth::SignedIn;
use super::body::Params;
use super::error::{ApiError, ApiResult, ErrorBody};
use crate::app::App;
use crate::clock;
use crate::figures::{self, begin_of_day, begin_of_hour};
use crate::store::Role;

/// Longest time of one report.
const LONGEST: Duration = Duration::from_secs(93 * 24 * 60 * 60);
const MOST_ROWS: usize = 50_000;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ReportQuery {
    /// Begin and end, in microseconds since the epoch; cut to quarters of an hour.
    from: i64,
    to: i64,
    #[serde(default)]
    #[param(inline)]
    by: By,
    #[serde(default)]
    #[param(inline)]
    interval: Interval,
    /// This queue only.
    queue: Option<QueueName>,
    /// This medium only.
    medium: Option<Medium>,
    #[serde(default)]
    #[param(inline)]
    format: Format,
}

/// What a row is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum By {
    #[default]
    All,
    Queue,
    Agent,
    Medium,
}

/// How much time a row is about. Days and hours begin as the clocks of `reports.time_zone` say.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Interval {
    #[default]
    All,
    Day,
    Hour,
    Quarter,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    #[default]
    Json,
    Csv,
}

#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct ReportBody {
    pub from: Timestamp,
    pub to: Timestamp,
    pub rules: RulesBody,
    pub rows: Vec<ReportRow>,
}

/// By which rules it was counted.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct RulesBody {
    pub short_abandon_seconds: f64,
    pub service_level_seconds: f64,
    pub repeat_within_seconds: f64,
    pub time_zone: String,
}

#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct ReportRow {
    /// When the interval begins.
    pub from: Timestamp,
    /// In a report by queue; absent for contacts that came through none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueueName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentId>,
    /// His name, as long as he has an account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub medium: Option<Medium>,
    #[serde(flatten)]
    pub figures: FiguresBody,
}

macro_rules! figures_body {
    ($($(#[$doc:meta])* $name:ident: $kind:ty = $value:expr),+ $(,)?) => {
        /// Each of those who were offered is in exactly one of: answered, abandoned, overflowed, called back, dropped, waiting.
        #[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
        pub struct FiguresBody { $($(#[$doc])* pub $name: $kind,)+ }

        impl FiguresBody {
            fn new(figures: &Figures, time: Option<&AgentTime>) -> Self {
                Self { $($name: $value(figures, time),)+ }
            }

            const COLUMNS: &'static [&'static str] = &[$(stringify!($name)),+];
        }
    };
}

type Time<'a> = Option<&'a AgentTime>;

figures_body! {
    offered: u64 = |f: &Figures, _: Time<'_>| f.offered,
    answered: u64 = |f: &Figures, _: Time<'_>| f.answered,
    answered_in_time: u64 = |f: &Figures, _: Time<'_>| f.answered_in_time,
    abandoned: u64 = |f: &Figures, _: Time<'_>| f.abandoned,
    /// Of the abandoned: those who gave up at once.
    abandoned_short: u64 = |f: &Figures, _: Time<'_>| f.abandoned_short,
    overflowed: u64 = |f: &Figures, _: Time<'_>| f.overflowed,
    called_back: u64 = |f: &Figures, _: Time<'_>| f.called_back,
    dropped: u64 = |f: &Figures, _: Time<'_>| f.dropped,
    waiting: u64 = |f: &Figures, _: Time<'_>| f.waiting,
    /// Answered in time ÷ (answered + abandoned − short abandons).
    service_level_of_offered: Option<f64> = |f: &Figures, _: Time<'_>| f.service_level_of_offered().map(rounded),
    /// Answered in time ÷ answered.
    service_level_of_answered: Option<f64> = |f: &Figures, _: Time<'_>| f.service_level_of_answered().map(rounded),
    /// Average speed of answer.
    average_answer_seconds: Option<f64> = |f: &Figures, _: Time<'_>| f.average_answer().map(seconds),
    longest_wait_seconds: f64 = |f: &Figures, _: Time<'_>| seconds(f.longest_wait),
    handled: u64 = |f: &Figures, _: Time<'_>| f.handled,
    in_conversation: u64 = |f: &Figures, _: Time<'_>| f.in_conversation,
    /// Talk, hold and wrap-up together.
    average_handling_seconds: Option<f64> = |f: &Figures, _: Time<'_>| f.average_handling().map(seconds),
    average_talk_seconds: Option<f64> = |f: &Figures, _: Time<'_>| f.average_talk().map(seconds),
    average_hold_seconds: Option<f64> = |f: &Figures, _: Time<'_>| f.average_hold().map(seconds),
    average_wrap_up_seconds: Option<f64> = |f: &Figures, _: Time<'_>| f.average_wrap_up().map(seconds),
    transferred: u64 = |f: &Figures, _: Time<'_>| f.transferred,
    /// Offers to agents.
    rung: u64 = |f: &Figures, _: Time<'_>| f.rung,
    declined: u64 = |f: &Figures, _: Time<'_>| f.declined,
    not_answered: u64 = |f: &Figures, _: Time<'_>| f.not_answered,
    callbacks_reached: u64 = |f: &Figures, _: Time<'_>| f.callbacks_reached,
    callbacks_failed: u64 = |f: &Figures, _: Time<'_>| f.callbacks_failed,
    /// Contacts of customers who were served, and those after which the customer came again.
    served: u64 = |f: &Figures, _: Time<'_>| f.served,
    repeated: u64 = |f: &Figures, _: Time<'_>| f.repeated,
    resolved_at_first_contact: Option<f64> = |f: &Figures, _: Time<'_>| f.resolved_at_first_contact().map(rounded),
    /// Busy ÷ (busy + idle). Where it is about agents: by agent or over all, without a queue or medium.
    occupancy: Option<f64> = |_: &Figures, t: Time<'_>| t.and_then(AgentTime::occupancy).map(rounded),
    busy_seconds: Option<f64> = |_: &Figures, t: Time<'_>| t.map(|time| seconds(time.busy)),
    idle_seconds: Option<f64> = |_: &Figures, t: Time<'_>| t.map(|time| seconds(time.idle)),
    away_seconds: Option<f64> = |_: &Figures, t: Time<'_>| t.map(|time| seconds(time.away)),
}

/// Figures of any time, from the journal. With `format=csv` the same as a table for spreadsheets.
#[utoipa::path(get, path = "/api/v1/reports", tag = "reports", params(ReportQuery), responses(
    (status = 200, body = ReportBody), (status = 403, body = ErrorBody)))]
pub async fn report(
    State(app): State<App>,
    signed_in: SignedIn,
    Params(query): Params<ReportQuery>,
) -> ApiResult<Response> {
    signed_in.need(&[Role::Supervisor, Role::Admin])?;
    let from = statistics::quarter(Timestamp::from_micros(query.from));
    let to = Timestamp::from_micros(query.to);
    if query.from < 0 || query.to <= query.from || to.saturating_since(from) > LONGEST {
        return Err(ApiError::field("to", "out_of_range", "After `from`, by 93 days at most."));
    }
    let rules = app.config.reports.rules;
    let report = figures::of(&app.store, rules, from, to.min(clock::wall())).await?;
    let zone = app.config.reports.time_zone;
    let names = app.users_by_id().await?.into_iter().map(|(id, user)| (id, user.name)).collect();
    let rows = rows(&report, &query, from, zone, &names);
    if rows.len() > MOST_ROWS {
        return Err(ApiError::field("interval", "too_many_rows", "A shorter time or longer intervals."));
    }
    match query.format {
        Format::Json => {
            let rules = RulesBody {
                short_abandon_seconds: seconds(rules.short_abandon),
                service_level_seconds: seconds(rules.service_level),
                repeat_within_seconds: seconds(rules.repeat_within),
                time_zone: zone.name().to_owned(),
            };
            Ok(Json(ReportBody { from, to, rules, rows }).into_response())
        }
        Format::Csv => {
            let headers = [
                (header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8")),
                (
                    header::CONTENT_DISPOSITION,
                    HeaderValue::from_static("attachment; filename=\"tandem-report.csv\""),
                ),
            ];
            Ok((StatusCode::OK, headers, csv(&rows, zone)).into_response())
        }
    }
}

/// By interval, then by what it is about.
type Group = (Timestamp, Option<QueueName>, Option<AgentId>, Option<Medium>);

fn rows(
    report: &Report,
    query: &ReportQuery,
    from: Timestamp,
    zone: Tz,
    names: &BTreeMap<AgentId, String>,
) -> Vec<ReportRow> {
    let begin = |quarter: Timestamp| match query.interval {
        Interval::All => from,
        Interval::Day => begin_of_day(zone, quarter).max(from),
        Interval::Hour => begin_of_hour(zone, quarter).max(from),
        Interval::Quarter => quarter,
    };
    let mut groups: BTreeMap<Group, (Figures, Option<AgentTime>)> = BTreeMap::new();
    for (key, figures) in &report.figures {
        let Key { from, queue, agent, medium } = key;
        if query.queue.is_some() && *queue != query.queue
            || query.medium.is_some_and(|wanted| *medium != wanted)
        {
            continue;
        }
        let about = match query.by {
            By::All => (None, None, None),
            By::Queue => (queue.clone(), None, None),
            // What is the queue's is nobody's.
            By::Agent if agent.is_none() => continue,
            By::Agent => (None, *agent, None),
            By::Medium => (None, None, Some(*medium)),
        };
        let group = (begin(*from), about.0, about.1, about.2);
        groups.entry(group).or_default().0 += figures;
    }
    let about_agents =
        matches!(query.by, By::All | By::Agent) && query.queue.is_none() && query.medium.is_none();
    for ((quarter, agent), time) in report.times.iter().filter(|_| about_agents) {
        let agent = (query.by == By::Agent).then_some(*agent);
        let (_, sum) = groups.entry((begin(*quarter), None, agent, None)).or_default();
        *sum.get_or_insert_default() += time;
    }
    groups
        .into_iter()
        .map(|((from, queue, agent, medium), (figures, time))| ReportRow {
            from,
            queue,
            name: agent.and_then(|agent| names.get(&agent).cloned()),
            agent,
            medium,
            figures: FiguresBody::new(&figures, time.as_ref()),
        })
        .collect()
}

fn csv(rows: &[ReportRow], zone: Tz) -> String {
    let mut text = format!("from,queue,agent,medium,{}\r\n", FiguresBody::COLUMNS.join(","));
    for row in rows {
        let from = chrono::DateTime::from_timestamp_micros(row.from.as_micros())
            .map(|from| from.with_timezone(&zone).to_rfc3339_opts(chrono::SecondsFormat::Secs, false));
        let queue = row.queue.as_ref().map(ToString::to_string);
        let agent = row.name.clone().or(row.agent.map(|agent| agent.to_string()));
        let medium = row.medium.map(|medium| match medium {
            Medium::Voice => "voice".to_owned(),
            Medium::Chat => "chat".to_owned(),
        });
        let begin: Vec<String> =
            [from, queue, agent, medium].into_iter().map(|cell| quoted(&cell.unwrap_or_default())).collect();
        text.push_str(&begin.join(","));
        let figures = serde_json::to_value(&row.figures).unwrap_or_default();
        for column in FiguresBody::COLUMNS {
            match &figures[*column] {
                serde_json::Value::Null => text.push(','),
                value => {
                    let _ = write!(text, ",{value}");
                }
            }
        }
        text.push_str("\r\n");
    }
    text
}

/// RFC 4180. What a spreadsheet would take for a formula is only text.
fn quoted(cell: &str) -> String {
    let cell =
        if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{cell}") } else { cell.to_owned() };
    if cell.contains(['"', ',', '\r', '\n']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell }
}

#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct Wallboard {
    pub at: Timestamp,
    /// Since when it is today.
    pub since: Timestamp,
    pub service_level_seconds: f64,
    pub queues: Vec<WallboardQueue>,
    pub today: FiguresBody,
    pub agents: WallboardAgents,
}

#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct WallboardQueue {
    pub name: QueueName,
    pub waiting: usize,
    pub longest_wait_seconds: u64,
    pub agents_ready: usize,
    pub today: FiguresBody,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, ToSchema)]
pub struct WallboardAgents {
    pub idle: usize,
    pub busy: usize,
    pub away: usize,
}

/// Everything that somebody reads from afar.
#[utoipa::path(get, path = "/api/v1/wallboard", tag = "reports", responses(
    (status = 200, body = Wallboard), (status = 403, body = ErrorBody)))]
pub async fn wallboard(State(app): State<App>, signed_in: SignedIn) -> ApiResult<Json<Wallboard>> {
    signed_in.need(&[Role::Supervisor, Role::Admin])?;
    let shown = app.today.show();
    let (mut today, mut by_queue) = (Figures::default(), BTreeMap::<&QueueName, Figures>::new());
    for (key, figures) in &shown.report.figures {
        today += figures;
        if let Some(queue) = &key.queue {
            *by_queue.entry(queue).or_default() += figures;
        }
    }
    let mut time: Option<AgentTime> = None;
    for spent in shown.report.times.values() {
        *time.get_or_insert_default() += spent;
    }
    let mut agents = WallboardAgents::default();
    for (occupation, _) in shown.agents.values() {
        match occupation {
            Occupation::Idle => agents.idle += 1,
            Occupation::Busy => agents.busy += 1,
            Occupation::Away => agents.away += 1,
            Occupation::SignedOut => {}
        }
    }
    let queues = super::floor::statuses(&app)
        .into_iter()
        .map(|status| WallboardQueue {
            today: FiguresBody::new(&by_queue.get(&status.name).copied().unwrap_or_default(), None),
            name: status.name,
            waiting: status.waiting,
            longest_wait_seconds: status.longest_wait_seconds,
            agents_ready: status.agents_ready,
        })
        .collect();
    let rules = app.config.reports.rules;
    Ok(Json(Wallboard {
        at: shown.at,
        since: begin_of_day(app.config.reports.time_zone, shown.at),
        service_level_seconds: seconds(rules.service_level),
        queues,
        today: FiguresBody::new(&today, time.as_ref()),
        agents,
    }))
}

/// To the millisecond.
fn seconds(time: Duration) -> f64 {
    time.as_millis() as f64 / 1000.0
}

/// To a tenth of a percent.
fn rounded(share: f64) -> f64 {
    (share * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_a_table_stay_text_in_a_spreadsheet() {
        assert_eq!(quoted("Anna"), "Anna");
        assert_eq!(quoted("Ltd, \"North\""), "\"Ltd, \"\"North\"\"\"");
        assert_eq!(quoted("=HYPERLINK(1)"), "'=HYPERLINK(1)");
    }
}
