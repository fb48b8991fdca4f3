//! Names, expressions and texts: does everything exist that is spoken of?

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use cel::Value;
use model::Timestamp;

use super::types::{self, Type};
use crate::api::{ChannelKind, Customer, Env, QueuePlace, World};
use crate::diagnostic::{Code, Problem};
use crate::expr::{EvalError, Expr, FUNCTIONS};
use crate::hours::Hours;
use crate::source::{At, Span};
use crate::template::Template;
use crate::values::{Library, Scope, VARIABLES};

pub(crate) struct Checker<'a> {
    world: &'a World,
    hours: &'a BTreeSet<&'a str>,
    keys: &'a Keys,
    /// Nothing was left out of `keys` because it could not be read.
    complete: bool,
    /// For trying expressions: hours that are always closed.
    library: Arc<Library>,
    /// The channels on which a flow comes to what is being checked.
    channels: BTreeSet<ChannelKind>,
    /// What was collected in secret may be spoken of.
    secrets_allowed: bool,
    pub problems: Vec<Problem>,
}

/// What flows keep of a session.
#[derive(Default)]
pub(crate) struct Keys {
    /// In its context.
    pub context: BTreeSet<String>,
    /// In secret.
    pub hidden: BTreeSet<String>,
    /// The only values that a key of the context can have, beside none.
    pub values: BTreeMap<String, BTreeSet<String>>,
}

impl<'a> Checker<'a> {
    pub fn new(world: &'a World, hours: &'a BTreeSet<&'a str>, keys: &'a Keys, complete: bool) -> Self {
        let closed = || Hours {
            zone: chrono_tz::UTC,
            week: Default::default(),
            closed: Vec::new(),
            special: Vec::new(),
        };
        let library = Library::new(hours.iter().map(|name| ((*name).to_owned(), closed())).collect());
        Self {
            world,
            hours,
            keys,
            complete,
            library,
            channels: BTreeSet::new(),
            secrets_allowed: false,
            problems: Vec::new(),
        }
    }

    /// What is checked next is reached on these channels.
    pub fn visit(&mut self, channels: BTreeSet<ChannelKind>) {
        self.channels = channels;
    }

    pub fn on(&self, channel: ChannelKind) -> bool {
        self.channels.contains(&channel)
    }

    pub fn problem(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// No name twice.
    pub fn unique(&mut self, what: &str, names: impl Iterator<Item = (String, Span)>) {
        let mut seen: BTreeMap<String, Span> = BTreeMap::new();
        for (name, span) in names {
            if let Some(first) = seen.get(&name) {
                self.problems.push(
                    Problem::error(Code::DuplicateName, span, format!("the {what} `{name}` is there twice"))
                        .related(*first, "first here"),
                );
            } else {
                seen.insert(name, span);
            }
        }
    }

    pub fn queue(&mut self, name: &At<String>) {
        self.known(Code::UnknownQueue, "queue", &name.value, name.span, &self.world.queues);
    }

    pub fn prompt(&mut self, name: &At<String>) {
        self.known(Code::UnknownPrompt, "prompt", &name.value, name.span, &self.world.prompts);
    }

    pub fn music(&mut self, name: &At<String>) {
        self.known(Code::UnknownMusic, "music", &name.value, name.span, &self.world.music);
    }

    pub fn operator(&mut self, login: &str, span: Span) {
        self.known(Code::UnknownOperator, "operator", login, span, &self.world.operators);
    }

    /// Hours that a route names.
    pub fn hours(&mut self, name: &At<String>) {
        if !self.hours.contains(name.value.as_str()) {
            let message = format!("there are no hours `{}`", name.value);
            let problem = Problem::error(Code::UnknownHours, name.span, message);
            self.problems.push(problem.suggest(&name.value, self.hours.iter().copied()));
        }
    }

    pub fn trunk(&mut self, name: &str, span: Span, known: &BTreeSet<String>) {
        self.known(Code::UnknownTrunk, "trunk", name, span, known);
    }

    pub fn secret(&mut self, name: &At<String>) {
        self.known(Code::UnknownSecret, "secret", &name.value, name.span, &self.world.secrets);
    }

    /// Checks something that may speak of what was collected in secret.
    pub fn with_secrets(&mut self, check: impl FnOnce(&mut Self)) {
        self.secrets_allowed = true;
        check(self);
        self.secrets_allowed = false;
    }

    pub fn template(&mut self, template: &Template) {
        for expr in template.values() {
            self.expression(expr);
        }
    }

    pub fn expression(&mut self, expr: &Expr) {
        self.evaluate(expr);
    }

    /// An expression that has to be true or false.
    pub fn condition(&mut self, expr: &Expr) {
        let before = self.problems.len();
        let value = self.evaluate(expr);
        let wrong = match &value {
            Some(Ok(value)) => !matches!(value, Value::Bool(_)),
            Some(Err(_)) | None => {
                types::type_of(expr).is_ok_and(|kind| !matches!(kind, Type::Bool | Type::Any))
            }
        };
        if wrong && expr.is_valid() && self.problems.len() == before {
            self.problems.push(
                Problem::error(Code::BadExpression, expr.span, "a condition has to be true or false")
                    .hint("compare it with something, such as customer.name != \"\""),
            );
        }
    }

    /// Whether a context key is set by any flow or comes from outside.
    pub fn context_key(&mut self, key: &str, span: Span) {
        if self.complete && !self.keys.context.contains(key) {
            let message = format!("nothing sets `session.{key}`");
            let keys = self.keys.context.iter().map(String::as_str);
            let problem = Problem::error(Code::UnknownVariable, span, message);
            self.problems.push(match self.keys.hidden.contains(key) {
                true => {
                    problem.hint(format!("it is collected in secret: only `http` can send `secret.{key}` on"))
                }
                false => problem.suggest(key, keys),
            });
        }
    }

    /// A field of `customer`.
    pub fn customer_field(&mut self, field: &At<String>) {
        let fields = ["name", "phone", "email", "attributes"];
        if !fields.contains(&field.value.as_str()) {
            let message = format!("`customer` has no `{}`", field.value);
            self.problems.push(
                Problem::error(Code::UnknownVariable, field.span, message).suggest(&field.value, fields),
            );
        }
    }

    fn known(&mut self, code: Code, what: &str, name: &str, span: Span, names: &BTreeSet<String>) {
        if !names.contains(name) {
            let problem = Problem::error(code, span, format!("there is no {what} `{name}`"));
            let mut problem = problem.suggest(name, names.iter().map(String::as_str));
            if names.is_empty() {
                problem = problem.hint(format!("no {what} is known at all"));
            }
            self.problems.push(problem);
        }
    }

    /// Checks the names; when they are right, tries the expression on made-up values, which finds wrong types.
    fn evaluate(&mut self, expr: &Expr) -> Option<Result<Value, EvalError>> {
        if !expr.is_valid() {
            return None;
        }
        let before = self.problems.len();
        for path in &expr.uses.paths {
            self.path(expr, path);
        }
        for function in &expr.uses.functions {
            if !FUNCTIONS.contains(&function.as_str()) {
                let message = format!("there is no function `{function}`");
                let problem = Problem::error(Code::UnknownFunction, expr.find(function), message);
                self.problems.push(problem.suggest(function, FUNCTIONS.iter().copied()));
            }
        }
        for name in &expr.uses.hours {
            if !self.hours.contains(name.as_str()) {
                let problem =
                    Problem::error(Code::UnknownHours, expr.span, format!("there are no hours `{name}`"));
                self.problems.push(problem.suggest(name, self.hours.iter().copied()));
            }
        }
        if self.problems.len() > before {
            return None;
        }
        if let Err(wrong) = types::type_of(expr) {
            let problem = Problem::error(Code::WrongType, wrong.span, wrong.message);
            self.problems.push(match wrong.hint {
                Some(hint) => problem.hint(hint),
                None => problem,
            });
            return None;
        }
        self.comparisons(expr);
        // Types are right; what functions think of their arguments is found by trying.
        let value = match expr.uses.functions.is_empty() {
            true => return None,
            false => self.sample(expr),
        };
        if let Err(error) = &value
            && error.is_certain()
        {
            let message = format!("this can never work: {error}");
            self.problems.push(Problem::error(Code::BadExpression, expr.span, message));
        }
        Some(value)
    }

    fn path(&mut self, expr: &Expr, path: &[String]) {
        let [root, rest @ ..] = path else { return };
        let Some((_, fields)) = VARIABLES.iter().find(|(name, _)| name == root) else {
            // Names of types, as in `type(x) == int`.
            if FUNCTIONS.contains(&root.as_str()) {
                return;
            }
            let problem = Problem::error(
                Code::UnknownVariable,
                expr.find(root),
                format!("there is no variable `{root}`"),
            );
            let problem = if self.keys.context.contains(root) {
                problem.hint(format!("did you mean `session.{root}`?"))
            } else {
                problem.suggest(root, VARIABLES.iter().map(|(name, _)| *name))
            };
            self.problems.push(problem);
            return;
        };
        match (fields, rest.first()) {
            (None, key) if root == "secret" => self.secret_key(expr, key.map(String::as_str)),
            (None, Some(key)) => self.context_key(key, expr.find(key)),
            (Some(fields), Some(field)) if !fields.contains(&field.as_str()) => {
                let message = format!("`{root}` has no `{field}`");
                self.problems.push(
                    Problem::error(Code::UnknownVariable, expr.find(field), message)
                        .suggest(field, fields.iter().copied()),
                );
            }
            _ => {}
        }
    }

    /// `secret.name`
    fn secret_key(&mut self, expr: &Expr, key: Option<&str>) {
        let problem = match key {
            _ if !self.secrets_allowed => {
                let message = "what was collected in secret can only be sent by `http`";
                Problem::error(Code::WrongChannel, expr.find("secret"), message)
            }
            Some(key) if self.complete && !self.keys.hidden.contains(key) => {
                let message = format!("nothing collects `{key}` in secret");
                Problem::error(Code::UnknownVariable, expr.find(key), message)
                    .suggest(key, self.keys.hidden.iter().map(String::as_str))
            }
            Some(_) | None => return,
        };
        self.problems.push(problem);
    }

    /// Values that can never be.
    fn comparisons(&mut self, expr: &Expr) {
        for (path, text, equal) in types::comparisons(expr) {
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            let possible: Vec<&str> = match path[..] {
                ["hours"] => vec!["open", "closed"],
                ["channel", "kind"] => vec!["voice", "text"],
                ["session", key] => match self.keys.values.get(key) {
                    // Empty until it is set.
                    Some(values) if !text.is_empty() => values.iter().map(String::as_str).collect(),
                    Some(_) | None => continue,
                },
                _ => continue,
            };
            if possible.contains(&text.as_str()) {
                continue;
            }
            let what = if path == ["hours"] { "hours(…)".to_owned() } else { path.join(".") };
            let always = if equal { "never" } else { "always" };
            let message = format!("this is {always} true: `{what}` is one of {}", possible.join(", "));
            let span = expr.find(&text);
            let problem = Problem::error(Code::NeverTrue, span, message).suggest(&text, possible);
            self.problems.push(problem);
        }
    }

    fn sample(&self, expr: &Expr) -> Result<Value, EvalError> {
        let text = || Some("1".to_owned());
        // Only what it speaks of: a plan may have thousands of keys.
        let used = |root: &str| -> BTreeMap<String, String> {
            let of_it = expr.uses.paths.iter().filter(|path| path.first().is_some_and(|first| first == root));
            of_it.filter_map(|path| Some((path.get(1)?.clone(), "1".to_owned()))).collect()
        };
        let secrets = used("secret");
        let env = Env {
            customer: Customer { name: text(), phone: text(), email: text(), attributes: BTreeMap::new() },
            session: used("session"),
            queue: Some(QueuePlace {
                position: 1,
                waited: Duration::from_secs(60),
                estimated_wait: Some(Duration::from_secs(60)),
            }),
            caller: text(),
            called: text(),
            switches: BTreeSet::new(),
            dialled: None,
        };
        let scope = Scope {
            env: &env,
            own: &BTreeMap::new(),
            keys: &BTreeSet::new(),
            secrets: &secrets,
            library: &self.library,
            channel: ChannelKind::Text,
            now: Timestamp::default(),
        };
        expr.eval(&scope)
    }
}
