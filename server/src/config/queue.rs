//! `[[queue]]`: whom its sessions are offered to, and when they go elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use acd::api::{MAX_LEVEL, Overflow, OverflowWhen, QueueConfig};
use dialplans::Condition;
use model::{QueueName, Strategy};
use session::api::QueueRule;
use toml::Spanned;

use super::check::Check;
use super::load::unique;
use super::raw;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);
/// Most rules of overflow of one queue.
const MOST_RULES: usize = 16;
const MAX_WEIGHT: u16 = 100;

const STRATEGIES: [(&str, Strategy); 5] = [
    ("longest-idle", Strategy::LongestIdle),
    ("round-robin", Strategy::RoundRobin),
    ("fewest-contacts", Strategy::FewestContacts),
    ("least-occupied", Strategy::LeastOccupied),
    ("linear", Strategy::Linear),
];

/// The queues, and what sessions gain in each.
pub(super) fn queues(
    check: &mut Check<'_>,
    raw: Vec<raw::Queue>,
) -> (Vec<QueueConfig>, BTreeMap<QueueName, Vec<QueueRule>>) {
    let mut rules = BTreeMap::new();
    let known: BTreeSet<String> = raw.iter().map(|queue| queue.name.get_ref().clone()).collect();
    let mut names = BTreeSet::new();
    let mut queues = Vec::new();
    for raw in raw {
        unique(check, &mut names, &raw.name, "queue");
        let name = QueueName::new(raw.name.get_ref());
        rules.insert(name.clone(), raw.rule.into_iter().filter_map(|raw| rule(check, raw)).collect());
        let order = raw.order.as_ref().map(Spanned::span);
        let queue = QueueConfig {
            ring_timeout: check.duration(raw.ring_timeout, 20 * SECOND, SECOND..=10 * MINUTE),
            accept_timeout: check.duration(raw.accept_timeout, 45 * SECOND, SECOND..=HOUR),
            wrap_up: check.duration(raw.wrap_up, 30 * SECOND, Duration::ZERO..=HOUR),
            max_waiting: check.number(raw.max_waiting, 500, 1..=100_000),
            strategy: check.choice(raw.strategy.as_ref(), Strategy::LongestIdle, &STRATEGIES),
            ring: check.number(raw.ring, 1, 1..=20),
            ageing: check.number(raw.ageing, 1, 0..=1_000),
            order: check.list(raw.order, &[]).iter().map(|login| login.get_ref().as_str().into()).collect(),
            overflow: overflow(check, raw.overflow, &raw.name, &known),
            ..QueueConfig::new(name)
        };
        match order {
            Some(span) if queue.strategy != Strategy::Linear => {
                let hint = "set `strategy = \"linear\"`, or leave `order` out";
                check.problem(span, "`order` is for the strategy \"linear\"", Some(hint.into()));
            }
            None if queue.strategy == Strategy::Linear => {
                let hint = "set `order` to the sign-in names, such as [\"anna\", \"boris\"]";
                check.problem(raw.name.span(), "the strategy \"linear\" needs `order`", Some(hint.into()));
            }
            Some(_) | None => {}
        }
        queues.push(queue);
    }
    (queues, rules)
}

fn rule(check: &mut Check<'_>, raw: raw::QueueRule) -> Option<QueueRule> {
    let span = raw.when.span();
    let when = match Condition::parse(raw.when.get_ref()) {
        Ok(when) => when,
        Err(problem) => {
            check.problem(span, problem, None);
            return None;
        }
    };
    let mut numbers = |levels: BTreeMap<String, i64>, most: u16, what: &str| -> BTreeMap<String, u16> {
        let wrong = levels.iter().find(|(_, level)| !(1..=i64::from(most)).contains(*level));
        if let Some((name, _)) = wrong {
            check.problem(span.clone(), format!("the {what} of `{name}` must be from 1 to {most}"), None);
        }
        levels.into_iter().map(|(name, level)| (name, u16::try_from(level).unwrap_or(most))).collect()
    };
    let required = numbers(raw.skills, MAX_LEVEL.into(), "level");
    let preferred = numbers(raw.prefer, MAX_WEIGHT, "weight");
    Some(QueueRule {
        when,
        priority: check.number(raw.priority, 0, -100..=100),
        required: required
            .into_iter()
            .map(|(name, level)| (name, level.min(MAX_LEVEL.into()) as u8))
            .collect(),
        preferred,
    })
}

fn overflow(
    check: &mut Check<'_>,
    rules: Vec<raw::Overflow>,
    queue: &Spanned<String>,
    known: &BTreeSet<String>,
) -> Vec<Overflow> {
    if rules.len() > MOST_RULES {
        check.problem(queue.span(), format!("more than {MOST_RULES} rules of overflow"), None);
    }
    let mut overflow = Vec::new();
    for rule in rules {
        let mut when = Vec::new();
        if rule.after.is_some() {
            when.push(OverflowWhen::Waited(check.duration(rule.after, MINUTE, SECOND..=DAY)));
        }
        if rule.longer_than.is_some() {
            when.push(OverflowWhen::Longer(check.number(rule.longer_than, 1, 0..=100_000)));
        }
        if rule.wait_over.is_some() {
            when.push(OverflowWhen::WouldWait(check.duration(rule.wait_over, MINUTE, SECOND..=DAY)));
        }
        if rule.no_agents.is_some_and(Spanned::into_inner) {
            when.push(OverflowWhen::NoAgents);
        }
        if let Some(to) = &rule.to
            && (!known.contains(to.get_ref()) || to.get_ref() == queue.get_ref())
        {
            check.problem(to.span(), format!("there is no other queue `{}`", to.get_ref()), None);
        }
        let to = rule.to.map(|to| QueueName::new(to.get_ref()));
        match <[OverflowWhen; 1]>::try_from(when) {
            Ok([when]) => overflow.push(Overflow { when, to }),
            Err(_) => {
                let message =
                    "a rule of overflow has one of `after`, `longer_than`, `wait_over` and `no_agents`";
                check.problem(queue.span(), message, None);
            }
        }
    }
    overflow
}
