//! Texts with values in them: `"Hello, {customer.name or 'friend'}!"`.

use crate::diagnostic::{Code, Problem};
use crate::expr::Expr;
use crate::source::Span;
use crate::values::Scope;

#[derive(Clone, Debug, Default)]
pub(crate) struct Template {
    pub span: Span,
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug)]
enum Piece {
    Literal(String),
    Value(Expr),
}

impl Template {
    /// `raw` is what stands between the quotes, `span` its place.
    pub fn parse(raw: &str, span: Span, problems: &mut Vec<Problem>) -> Template {
        let mut template = Template { span, pieces: Vec::new() };
        let mut literal = String::new();
        let mut at = 0;
        while let Some(c) = raw[at..].chars().next() {
            let next = at + c.len_utf8();
            match c {
                '\\' => {
                    let escaped = raw[next..].chars().next();
                    let end = next + escaped.map_or(0, char::len_utf8);
                    literal.push(unescape(escaped, span.part(at, end), problems));
                    at = end;
                }
                '{' => {
                    let Some(end) = closing_brace(raw, next) else {
                        problems.push(
                            Problem::error(Code::BadTemplate, span.part(at, next), "this `{` has no `}`")
                                .hint("write `\\{` for a brace in the text"),
                        );
                        return template;
                    };
                    if !literal.is_empty() {
                        template.pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                    }
                    let inner = raw[next..end].replace("\\\"", "\"");
                    let place = span.part(next, end);
                    if inner.trim().is_empty() {
                        problems.push(
                            Problem::error(
                                Code::BadTemplate,
                                span.part(at, end + 1),
                                "there is nothing in the braces",
                            )
                            .hint("write what to insert, such as {customer.name}"),
                        );
                    } else {
                        template.pieces.push(Piece::Value(Expr::parse(&inner, place, problems)));
                    }
                    at = end + 1;
                }
                '}' => {
                    problems.push(
                        Problem::error(Code::BadTemplate, span.part(at, next), "this `}` has no `{`")
                            .hint("write `\\}` for a brace in the text"),
                    );
                    at = next;
                }
                c => {
                    literal.push(c);
                    at = next;
                }
            }
        }
        if !literal.is_empty() {
            template.pieces.push(Piece::Literal(literal));
        }
        template
    }

    /// The text with its values; one that cannot be had is left out.
    pub fn render(&self, scope: &Scope<'_>) -> String {
        let mut text = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Literal(literal) => text.push_str(literal),
                Piece::Value(expr) => text.push_str(&expr.text(scope).unwrap_or_default()),
            }
        }
        text
    }

    /// The same with each value escaped for an address, so that it stays the part of it that it is.
    pub fn render_escaped(&self, scope: &Scope<'_>) -> String {
        let mut text = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Literal(literal) => text.push_str(literal),
                Piece::Value(expr) => escape(&expr.text(scope).unwrap_or_default(), &mut text),
            }
        }
        text
    }

    /// The text up to its first value.
    pub fn literal_start(&self) -> &str {
        match self.pieces.first() {
            Some(Piece::Literal(literal)) => literal,
            Some(Piece::Value(_)) | None => "",
        }
    }

    /// The whole text, when there is no value in it.
    pub fn fixed(&self) -> Option<String> {
        let one = |piece: &Piece| match piece {
            Piece::Literal(literal) => Some(literal.clone()),
            Piece::Value(_) => None,
        };
        self.pieces.iter().map(one).collect()
    }

    pub fn values(&self) -> impl Iterator<Item = &Expr> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Value(expr) => Some(expr),
            Piece::Literal(_) => None,
        })
    }
}

/// RFC 3986 §2.3: everything but the unreserved characters is escaped.
fn escape(value: &str, text: &mut String) {
    for byte in value.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                text.push(char::from(byte))
            }
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
}

/// A text without values: what stands between the quotes, with escapes resolved.
pub(crate) fn plain(raw: &str, span: Span, problems: &mut Vec<Problem>) -> String {
    let mut text = String::new();
    let mut chars = raw.char_indices();
    while let Some((at, c)) = chars.next() {
        if c == '\\' {
            let escaped = chars.next();
            let end = escaped.map_or(raw.len(), |(at, c)| at + c.len_utf8());
            text.push(unescape(escaped.map(|(_, c)| c), span.part(at, end), problems));
        } else {
            text.push(c);
        }
    }
    text
}

fn unescape(escaped: Option<char>, span: Span, problems: &mut Vec<Problem>) -> char {
    match escaped {
        Some('n') => '\n',
        Some('t') => '\t',
        Some(c @ ('"' | '\\' | '{' | '}')) => c,
        other => {
            problems.push(
                Problem::error(Code::BadTemplate, span, "this escape means nothing")
                    .hint("there are \\n, \\t, \\\", \\\\, \\{ and \\}"),
            );
            other.unwrap_or('\\')
        }
    }
}

/// The place of the `}` that ends the value beginning at `from`.
fn closing_brace(raw: &str, from: usize) -> Option<usize> {
    let mut depth = 0;
    let mut quoted = false;
    for (at, c) in raw[from..].char_indices() {
        match c {
            '\'' => quoted = !quoted,
            '{' if !quoted => depth += 1,
            '}' if !quoted && depth == 0 => return Some(from + at),
            '}' if !quoted => depth -= 1,
            _ => {}
        }
    }
    None
}
