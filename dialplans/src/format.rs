//! How a dialplan is laid out: two spaces for each open brace, one space where one belongs, no blanks at the ends of lines, at
//! most one empty line in a row.
//!
//! Invariants: nothing but white space changes, so comments stay and the meaning does, too; lines stay lines, and what stands in
//! columns stays in columns; formatting twice is formatting once; a text with mistakes is formatted all the same.

use crate::syntax::lexer::{Kind, Token, tokens};

const INDENT: &str = "  ";
/// Deeper lines are not moved further to the right.
const DEEPEST: usize = 40;

/// The text as it should stand.
pub fn format(text: &str) -> String {
    let tokens = tokens(text);
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    let mut depth = 0_usize;
    let mut empty = 0_usize;
    for line in tokens.split(|token| token.kind == Kind::Newline) {
        let inner = trimmed(line);
        if inner.is_empty() {
            empty += 1;
            continue;
        }
        if empty > 0 && !out.is_empty() {
            out.push('\n');
        }
        empty = 0;
        let closing = inner.iter().take_while(|token| closes(token.kind) || token.kind == Kind::Space);
        let closing = closing.filter(|token| closes(token.kind)).count();
        for _ in 0..depth.saturating_sub(closing).min(DEEPEST) {
            out.push_str(INDENT);
        }
        write_line(inner, text, &mut out);
        out.push('\n');
        for token in inner {
            if opens(token.kind) {
                depth += 1;
            } else if closes(token.kind) {
                depth = depth.saturating_sub(1);
            }
        }
    }
    out
}

fn trimmed(line: &[Token]) -> &[Token] {
    let blank = |token: &Token| token.kind == Kind::Space;
    let start = line.iter().position(|token| !blank(token)).unwrap_or(line.len());
    let end = line.iter().rposition(|token| !blank(token)).map_or(start, |at| at + 1);
    &line[start..end]
}

fn write_line(line: &[Token], text: &str, out: &mut String) {
    let mut last: Option<Kind> = None;
    let mut blanks = 0_usize;
    for token in line {
        let slice = &text[token.start..token.end];
        if token.kind == Kind::Space {
            blanks += slice.chars().count();
            continue;
        }
        if let Some(last) = last {
            let wanted = blanks_between(last, token.kind, blanks);
            out.extend(std::iter::repeat_n(' ', wanted));
        }
        out.push_str(if token.kind == Kind::Comment { slice.trim_end() } else { slice });
        last = Some(token.kind);
        blanks = 0;
    }
}

/// How many blanks belong between two tokens of a line that has `blanks` there.
fn blanks_between(left: Kind, right: Kind, blanks: usize) -> usize {
    match (left, right) {
        (Kind::OpenBrace, Kind::CloseBrace) => 0,
        (_, Kind::Comma) => 0,
        (Kind::Arrow | Kind::OpenBrace | Kind::Comma, _) => blanks.max(1),
        (_, Kind::Arrow | Kind::OpenBrace | Kind::CloseBrace | Kind::Comment) => blanks.max(1),
        (Kind::CloseBrace, _) => blanks.max(1),
        (Kind::OpenParen | Kind::OpenBracket, _) | (_, Kind::CloseParen | Kind::CloseBracket) => 0,
        // Two words, or a word and a text, that touch.
        (Kind::Text | Kind::Quoted, Kind::Word | Kind::Text | Kind::Quoted | Kind::Number) => blanks.max(1),
        (Kind::Word | Kind::Number, Kind::Text | Kind::Quoted) => blanks,
        _ => blanks,
    }
}

fn opens(kind: Kind) -> bool {
    matches!(kind, Kind::OpenBrace | Kind::OpenParen | Kind::OpenBracket)
}

fn closes(kind: Kind) -> bool {
    matches!(kind, Kind::CloseBrace | Kind::CloseParen | Kind::CloseBracket)
}

#[cfg(test)]
mod tests {
    use super::format;

    #[test]
    fn braces_indent_and_comments_stay() {
        let text = "flow f {\nentry sip \"100\",chat \"main\"   // both\n\n\n\n // before\nstate a{say \"x\"{voice skip}->b}\n}\n\n";
        let expected = "flow f {\n  entry sip \"100\", chat \"main\"   // both\n\n  // before\n  state a { say \"x\" { voice skip } -> b }\n}\n";
        assert_eq!(format(text), expected);
    }

    #[test]
    fn columns_stay_columns() {
        let text = "  sales   key 1 words \"a\"\n  support key 2 words \"b\"\n";
        assert_eq!(format(text), "sales   key 1 words \"a\"\nsupport key 2 words \"b\"\n");
    }

    #[test]
    fn brackets_of_expressions_hold_their_contents_tightly() {
        assert_eq!(format("when ( a == 1 && b [ 0 ] ) -> x"), "when (a == 1 && b [0]) -> x\n");
    }

    #[test]
    fn a_text_with_mistakes_is_formatted_all_the_same() {
        assert_eq!(format("} }\nflow {\n\"open\nx\n"), "} }\nflow {\n  \"open\n  x\n");
        assert_eq!(format(""), "");
    }
}
