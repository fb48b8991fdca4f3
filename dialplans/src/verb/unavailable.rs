//! Verbs that belong to the language and that this version cannot do. They are refused by name and with what to do instead,
//! so that nobody searches for a spelling mistake.

use crate::diagnostic::{Code, Problem};
use crate::syntax::cursor::{Cursor, Failed};

/// With what helps in the meantime.
const UNAVAILABLE: [(&str, &str); 5] = [
    ("conference", "operators add others to a call from their desk or phone"),
    ("message", "there is no channel yet on which a flow could begin to write; on this one write `say`"),
    ("bot", "an outside system that answers a question can be asked by `http`"),
    ("offer", "a callback is offered inside the block of `queue`"),
    ("widen", "skills are widened inside the block of `queue`"),
];

/// Those of them that are no usual arguments of other verbs, so that they begin a verb anywhere on a line.
const NEVER_ARGUMENTS: [&str; 2] = ["conference", "bot"];

pub(crate) fn is_unavailable(word: &str) -> bool {
    UNAVAILABLE.iter().any(|(name, _)| *name == word)
}

/// Reports the verb at the cursor, whose arguments are then passed over.
pub(super) fn refuse(cursor: &mut Cursor<'_>) -> Failed {
    let problem = unavailable(cursor);
    cursor.problems.push(problem);
    cursor.skip_statement(|c| {
        NEVER_ARGUMENTS.contains(&c.slice())
            || matches!(c.slice(), "say" | "ask" | "play" | "close" | "hangup" | "transfer" | "when")
    });
    Failed
}

/// What to say about an unavailable word that stands where something else could be used.
pub(crate) fn argument_hint(cursor: &Cursor<'_>) -> Option<Problem> {
    is_unavailable(cursor.slice()).then(|| unavailable(cursor))
}

fn unavailable(cursor: &Cursor<'_>) -> Problem {
    let word = cursor.slice();
    let problem = Problem::error(Code::NotAvailable, cursor.span(), format!("`{word}` is not available yet"));
    match UNAVAILABLE.iter().find(|(name, _)| *name == word) {
        Some((_, hint)) => problem.hint(*hint),
        None => problem,
    }
}
