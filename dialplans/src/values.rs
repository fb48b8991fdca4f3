//! The values that expressions see, and how values read as text.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use cel::objects::{Key, Map};
use cel::{ExecutionError, Value};
use chrono::{Datelike, TimeDelta};
use model::Timestamp;

use crate::api::{ChannelKind, Env};
use crate::hours::Hours;

/// What each variable has; `None`: any name.
pub(crate) const VARIABLES: &[(&str, Option<&[&str]>)] = &[
    ("customer", Some(&["name", "phone", "email", "attributes"])),
    ("session", None),
    ("secret", None),
    ("queue", Some(&["position", "waited", "wait"])),
    ("channel", Some(&["kind"])),
    ("call", Some(&["from", "to"])),
    ("now", Some(&[])),
];

/// What expressions see while they are evaluated.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    pub env: &'a Env,
    /// Context values that the run has set, over those of `env`.
    pub own: &'a BTreeMap<String, String>,
    /// Context keys that count as empty when nobody has set them.
    pub keys: &'a BTreeSet<String>,
    /// What was collected in secret.
    pub secrets: &'a BTreeMap<String, String>,
    pub library: &'a Arc<Library>,
    pub channel: ChannelKind,
    pub now: Timestamp,
}

/// What all expressions of a plan share: CEL's standard functions and the opening hours.
pub(crate) struct Library {
    pub hours: BTreeMap<String, Hours>,
    standard: Arc<cel::Env>,
}

impl Library {
    pub fn new(hours: BTreeMap<String, Hours>) -> Arc<Library> {
        Arc::new(Library { hours, standard: Arc::new(cel::Env::stdlib()) })
    }
}

impl fmt::Debug for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Library").field("hours", &self.hours).finish_non_exhaustive()
    }
}

/// The functions, and the variables that `roots` names.
pub(crate) fn context(roots: &BTreeSet<&str>, scope: &Scope<'_>) -> cel::Context<'static, 'static> {
    let mut context = cel::Context::with_env(Arc::clone(&scope.library.standard));
    for root in roots {
        if let Some(value) = variable(root, scope) {
            context.add_variable_from_value(*root, value);
        }
    }
    let (library, now) = (Arc::clone(scope.library), scope.now);
    // The standard library has neither name, so adding them cannot fail.
    let _ = context.add_function("hours", move |name: Arc<String>| {
        let found = library.hours.get(name.as_str()).ok_or_else(|| {
            ExecutionError::function_error("hours", format!("there are no hours named {name}"))
        })?;
        Ok::<_, ExecutionError>(Value::from(if found.is_open(now) { "open" } else { "closed" }))
    });
    let _ = context.add_function("minutes", |value: Value| match value {
        Value::Duration(duration) => {
            Ok(Value::Int(duration.num_seconds().saturating_add(59).div_euclid(60).max(1)))
        }
        Value::Null => Ok(Value::Null),
        other => Err(ExecutionError::no_such_overload("minutes", vec![format!("{:?}", other.type_of())])),
    });
    context
}

/// A value as people read it. Durations look like a clock (`2:05`), because that needs no language.
pub(crate) fn display(value: &Value) -> String {
    match value {
        Value::String(text) => text.to_string(),
        Value::Int(n) => n.to_string(),
        Value::UInt(n) => n.to_string(),
        Value::Float(n) => n.to_string(),
        Value::Bool(b) => b.to_string(),
        Value::Duration(duration) => {
            let seconds = duration.num_seconds().max(0);
            format!("{}:{:02}", seconds / 60, seconds % 60)
        }
        Value::Timestamp(time) => time.to_rfc3339(),
        Value::List(items) => items.iter().map(display).collect::<Vec<_>>().join(", "),
        Value::Map(_)
        | Value::Function(..)
        | Value::Bytes(_)
        | Value::Opaque(_)
        | Value::Struct(_)
        | Value::Null => String::new(),
    }
}

fn variable(root: &str, scope: &Scope<'_>) -> Option<Value> {
    let optional = |value: &Option<String>| Value::from(value.as_deref().unwrap_or_default());
    let env = scope.env;
    let value = match root {
        "customer" => map([
            ("name", optional(&env.customer.name)),
            ("phone", optional(&env.customer.phone)),
            ("email", optional(&env.customer.email)),
            (
                "attributes",
                map(env.customer.attributes.iter().map(|(k, v)| (k.as_str(), Value::from(v.as_str())))),
            ),
        ]),
        "session" => {
            let unset = scope.keys.iter().map(|key| (key.as_str(), ""));
            let set = env.session.iter().chain(scope.own).map(|(k, v)| (k.as_str(), v.as_str()));
            map(unset.chain(set).map(|(key, value)| (key, Value::from(value))))
        }
        "secret" => map(scope.secrets.iter().map(|(key, value)| (key.as_str(), Value::from(value.as_str())))),
        "queue" => {
            let place = env.queue;
            map([
                ("position", Value::Int(place.map_or(0, |p| i64::from(p.position)))),
                ("waited", duration(place.map(|p| p.waited).unwrap_or_default())),
                ("wait", place.and_then(|p| p.estimated_wait).map_or(Value::Null, duration)),
            ])
        }
        "channel" => map([(
            "kind",
            Value::from(match scope.channel {
                ChannelKind::Voice => "voice",
                ChannelKind::Text => "text",
            }),
        )]),
        "call" => map([("from", optional(&env.caller)), ("to", optional(&env.called))]),
        "now" => chrono::DateTime::from_timestamp_micros(scope.now.as_micros())
            .filter(|time| (0..=9999).contains(&time.year()))
            .map_or(Value::Null, |time| Value::Timestamp(time.fixed_offset())),
        _ => return None,
    };
    Some(value)
}

fn map<'a>(entries: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
    let map: HashMap<Key, Value> = entries.into_iter().map(|(key, value)| (Key::from(key), value)).collect();
    Value::Map(Map { map: Arc::new(map) })
}

fn duration(duration: std::time::Duration) -> Value {
    Value::Duration(TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX))
}

pub(crate) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}
