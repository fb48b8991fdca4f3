//! `tag "vip", "from {session.page}"`: marks the session. The tags stand in the session's context as `session.tags`, with
//! commas between them, where operators, the API and later conditions see them (`session.tags.contains("vip")`). A tag that
//! is there already is not added twice.

use crate::check::Checker;
use crate::run::Turn;
use crate::syntax::cursor::{Cursor, Parse};
use crate::template::Template;
use crate::verb::Next;

/// The context key that holds the tags.
pub(crate) const TAGS: &str = "tags";
/// Tags of one session, and characters of each.
const MOST: usize = 20;
const LONGEST: usize = 50;

#[derive(Clone, Debug)]
pub(crate) struct Tag {
    tags: Vec<Template>,
}

impl Tag {
    pub fn parse(cursor: &mut Cursor<'_>) -> Parse<Tag> {
        cursor.bump();
        cursor.list(|c| c.template("a tag between quotes")).map(|tags| Tag { tags })
    }

    pub fn check(&self, checker: &mut Checker<'_>) {
        self.tags.iter().for_each(|tag| checker.template(tag));
    }

    pub fn start(&self, turn: &mut Turn<'_>) -> Next<'static> {
        let before = turn.value(TAGS).unwrap_or_default().to_owned();
        let mut tags: Vec<String> =
            before.split(", ").filter(|tag| !tag.is_empty()).map(str::to_owned).collect();
        for template in &self.tags {
            let text = template.render(&turn.scope());
            // A comma would make two of it.
            let tag: String = text.replace(',', " ").trim().chars().take(LONGEST).collect();
            if !tag.is_empty() && !tags.contains(&tag) && tags.len() < MOST {
                tags.push(tag);
            }
        }
        let after = tags.join(", ");
        turn.trace(&after);
        if after != before {
            turn.set(TAGS, after);
        }
        Next::Continue
    }
}
