//! What `http` and `lookup` have in common: values that are taken out of an answer into the session's context.
//!
//! ```text
//! set plan = "customer.plan.name"
//! set first = "orders.0.number"
//! ```

use crate::run::Turn;
use crate::source::At;
use crate::syntax::cursor::{Cursor, Parse};
use crate::syntax::lexer::Kind;

/// Longest value that is kept.
const LONGEST: usize = 500;

#[derive(Clone, Debug)]
pub(crate) struct Taken {
    pub name: At<String>,
    pub path: At<String>,
}

impl Taken {
    /// Behind the word `set`.
    pub fn parse(cursor: &mut Cursor<'_>) -> Parse<Taken> {
        let name = cursor.key_name("the name of a value")?;
        cursor.expect(Kind::Equals, "`=`")?;
        let path = cursor.text("which part of the answer, between quotes, such as \"customer.name\"")?;
        Ok(Taken { name, path })
    }

    pub fn keep(&self, value: &str, turn: &mut Turn<'_>) {
        let value = value.chars().filter(|c| !c.is_control() || *c == '\n').take(LONGEST).collect();
        turn.set(&self.name.value, value);
    }
}

/// The part of a JSON text at `path`: names and numbers with dots between them.
pub(crate) fn part(json: &serde_json::Value, path: &str) -> Option<String> {
    let mut at = json;
    for step in path.split('.').filter(|step| !step.is_empty()) {
        at = match at {
            serde_json::Value::Object(fields) => fields.get(step)?,
            serde_json::Value::Array(items) => items.get(step.parse::<usize>().ok()?)?,
            serde_json::Value::Null
            | serde_json::Value::Bool(_)
            | serde_json::Value::Number(_)
            | serde_json::Value::String(_) => return None,
        };
    }
    match at {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Bool(value) => Some(value.to_string()),
        serde_json::Value::Number(number) => Some(number.to_string()),
        serde_json::Value::Null => Some(String::new()),
        serde_json::Value::Array(_) | serde_json::Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::part;

    #[test]
    fn parts_of_an_answer_are_found_by_their_path() {
        let json = serde_json::json!({"a": {"b": [1, {"c": "x"}]}, "d": null, "e": true});
        for (path, expected) in [
            ("a.b.0", Some("1")),
            ("a.b.1.c", Some("x")),
            ("d", Some("")),
            ("e", Some("true")),
            ("a.b", None),
            ("a.b.9", None),
            ("e.f", None),
        ] {
            assert_eq!(part(&json, path).as_deref(), expected, "{path}");
        }
    }
}
