//! Conditions outside dialplans, in the same language: such as those of a queue's rules.

use std::collections::BTreeMap;
use std::sync::Arc;

use cel::Value;
use model::Timestamp;

use crate::api::{ChannelKind, Env};
use crate::expr::{Expr, FUNCTIONS};
use crate::source::Span;
use crate::values::{Library, Scope, VARIABLES};

/// An expression that is true or not, about a session at a moment.
#[derive(Clone, Debug)]
pub struct Condition {
    expr: Expr,
    library: Arc<Library>,
}

impl PartialEq for Condition {
    fn eq(&self, other: &Self) -> bool {
        self.expr.text == other.expr.text
    }
}

impl Condition {
    /// What is wrong with it, for whoever wrote it. It sees what dialplans see, but for opening hours.
    pub fn parse(text: &str) -> Result<Condition, String> {
        let mut problems = Vec::new();
        let span = Span { source: 0, start: 0, end: text.len() };
        let expr = Expr::parse(text, span, &mut problems);
        if let Some(problem) = problems.first() {
            return Err(problem.message().to_owned());
        }
        for path in &expr.uses.paths {
            let Some(root) = path.first() else { continue };
            let Some((_, fields)) = VARIABLES.iter().find(|(name, _)| name == root) else {
                return Err(format!("there is no `{root}`"));
            };
            if let (Some(fields), Some(field)) = (fields, path.get(1))
                && !fields.contains(&field.as_str())
            {
                return Err(format!("`{root}` has no `{field}`"));
            }
        }
        let unknown = |name: &&String| name.as_str() == "hours" || !FUNCTIONS.contains(&name.as_str());
        if let Some(name) = expr.uses.functions.iter().find(unknown) {
            return Err(format!("there is no function `{name}` here"));
        }
        Ok(Condition { expr, library: Library::new(BTreeMap::new()) })
    }

    /// Whether it is true. What cannot be said, because a value is missing, is not true.
    pub fn holds(&self, env: &Env, channel: ChannelKind, now: Timestamp) -> bool {
        let (own, keys) = Default::default();
        let scope =
            Scope { env, own: &own, keys: &keys, secrets: &own, library: &self.library, channel, now };
        matches!(self.expr.eval(&scope), Ok(Value::Bool(true)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(text: &str) -> bool {
        let mut env = Env { caller: Some("+74950000000".to_owned()), ..Env::default() };
        env.session.insert("topic".to_owned(), "sales".to_owned());
        Condition::parse(text).expect("it is valid").holds(&env, ChannelKind::Voice, Timestamp(0))
    }

    #[test]
    fn a_condition_sees_what_dialplans_see() {
        assert!(holds("session.topic == 'sales' && call.from.startsWith('+7')"));
        assert!(holds("channel.kind == 'voice'"));
        assert!(!holds("session.topic == 'support'"));
        assert!(!holds("session.other == 'x'"), "what is missing is not true");
        assert!(!holds("1 + 1"), "what is no yes or no is not true");
    }

    #[test]
    fn a_condition_that_cannot_be_is_refused() {
        for wrong in
            ["session.topic =", "client.vip", "customer.shoe == '1'", "exec('x')", "hours('x') == 'open'"]
        {
            assert!(Condition::parse(wrong).is_err(), "{wrong}");
        }
    }
}
