//! Verbs that belong to the language and that this version cannot do. They are refused by name, so that nobody searches
//! for a spelling mistake.

use crate::diagnostic::{Code, Problem};
use crate::syntax::cursor::{Cursor, Failed};

const UNAVAILABLE: [&str; 18] = [
    "collect",
    "consent",
    "http",
    "lookup",
    "offer",
    "dial",
    "conference",
    "voicemail",
    "message",
    "invite",
    "task",
    "survey",
    "tag",
    "priority",
    "language",
    "bot",
    "emergency",
    "widen",
];

/// Those of them that are no usual arguments of other verbs, so that they begin a verb anywhere on a line.
const NEVER_ARGUMENTS: [&str; 7] = ["collect", "consent", "lookup", "conference", "task", "survey", "invite"];

pub(crate) fn is_unavailable(word: &str) -> bool {
    UNAVAILABLE.contains(&word)
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
    match word {
        "priority" => problem.hint("write the priority at the queue: queue support priority 5"),
        _ => problem,
    }
}
