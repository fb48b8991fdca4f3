//! Walks over the tokens that matter, reads the small pieces of the language and goes on after mistakes, so that one run
//! finds them all.

use std::time::Duration;

use crate::diagnostic::{Code, Problem};
use crate::expr::Expr;
use crate::source::{At, Span};
use crate::syntax::lexer::{self, Kind, Token};
use crate::template::{self, Template};

/// The mistake has been reported; whoever called decides where to go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Failed;

pub(crate) type Parse<T> = Result<T, Failed>;

/// What [`Cursor::block`] calls the block of a flow.
pub(crate) const FLOW: &str = "this flow";

/// Longest time that can be written.
const MAX_DURATION: Duration = Duration::from_hours(24);

pub(crate) struct Cursor<'a> {
    source: usize,
    text: &'a str,
    tokens: Vec<Significant>,
    at: usize,
    /// How many braces are open before the current token.
    depth: usize,
    pub problems: Vec<Problem>,
}

struct Significant {
    token: Token,
    starts_line: bool,
}

impl<'a> Cursor<'a> {
    pub fn new(source: usize, text: &'a str) -> Self {
        let mut cursor = Self { source, text, tokens: Vec::new(), at: 0, depth: 0, problems: Vec::new() };
        let mut starts_line = true;
        for token in lexer::tokens(text) {
            let span = cursor.span_of(token);
            match token.kind {
                Kind::Space | Kind::Comment => {}
                Kind::Newline => starts_line = true,
                Kind::Unknown => {
                    let found = &text[token.start..token.end];
                    let problem =
                        Problem::error(Code::BadToken, span, format!("`{found}` means nothing here"));
                    cursor.problems.push(match found {
                        "“" | "”" | "„" | "«" | "»" | "‘" | "’" => {
                            problem.hint("write texts between straight quotes: \"")
                        }
                        ";" => problem.hint("statements need nothing between them"),
                        _ => problem,
                    });
                    cursor.tokens.push(Significant { token, starts_line });
                    starts_line = false;
                }
                Kind::Unterminated => {
                    cursor.problems.push(
                        Problem::error(Code::BadToken, span, "this text has no closing quote")
                            .hint("a text ends on the line where it began; write \\n for a new line"),
                    );
                    cursor.tokens.push(Significant { token, starts_line });
                    starts_line = false;
                }
                _ => {
                    cursor.tokens.push(Significant { token, starts_line });
                    starts_line = false;
                }
            }
        }
        cursor
    }

    pub fn kind(&self) -> Kind {
        self.kind_after(0)
    }

    /// The kind of the token `n` after the current one.
    pub fn kind_after(&self, n: usize) -> Kind {
        self.tokens.get(self.at + n).map_or(Kind::End, |s| s.token.kind)
    }

    /// The text of the current token.
    pub fn slice(&self) -> &'a str {
        self.slice_after(0)
    }

    pub fn slice_after(&self, n: usize) -> &'a str {
        self.tokens.get(self.at + n).map_or("", |s| &self.text[s.token.start..s.token.end])
    }

    pub fn starts_line(&self) -> bool {
        self.tokens.get(self.at).is_none_or(|s| s.starts_line)
    }

    pub fn span(&self) -> Span {
        let end = Token { kind: Kind::End, start: self.text.len(), end: self.text.len() };
        self.span_of(self.tokens.get(self.at).map_or(end, |s| s.token))
    }

    /// The place of the token before the current one.
    pub fn last_span(&self) -> Span {
        self.at
            .checked_sub(1)
            .and_then(|at| self.tokens.get(at))
            .map_or(self.span(), |s| self.span_of(s.token))
    }

    pub fn bump(&mut self) -> Span {
        let span = self.span();
        match self.kind() {
            Kind::OpenBrace => self.depth += 1,
            Kind::CloseBrace => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        self.at = (self.at + 1).min(self.tokens.len());
        span
    }

    pub fn at_word(&self, word: &str) -> bool {
        self.kind() == Kind::Word && self.slice() == word
    }

    pub fn eat(&mut self, kind: Kind) -> Option<Span> {
        (self.kind() == kind).then(|| self.bump())
    }

    pub fn eat_word(&mut self, word: &str) -> Option<Span> {
        self.at_word(word).then(|| self.bump())
    }

    pub fn fail(&mut self, problem: Problem) -> Failed {
        self.problems.push(problem);
        Failed
    }

    /// "expected …" at the current token.
    pub fn expected(&mut self, what: &str) -> Failed {
        let (span, found) = match self.kind() {
            Kind::End => (self.span(), "the end of the file".to_owned()),
            // Already reported.
            Kind::Unterminated | Kind::Unknown => return Failed,
            _ => (self.span(), format!("`{}`", self.slice())),
        };
        self.fail(Problem::error(Code::Syntax, span, format!("expected {what}, found {found}")))
    }

    pub fn expect(&mut self, kind: Kind, what: &str) -> Parse<Span> {
        match self.eat(kind) {
            Some(span) => Ok(span),
            None => Err(self.expected(what)),
        }
    }

    pub fn expect_word(&mut self, word: &str) -> Parse<Span> {
        match self.eat_word(word) {
            Some(span) => Ok(span),
            None => Err(self.expected(&format!("`{word}`"))),
        }
    }

    /// A bare name.
    pub fn word(&mut self, what: &str) -> Parse<At<String>> {
        let value = self.slice().to_owned();
        self.expect(Kind::Word, what).map(|span| At::new(value, span))
    }

    /// A name, bare or between quotes.
    pub fn name(&mut self, what: &str) -> Parse<At<String>> {
        // The next statement is no name.
        if self.starts_statement() {
            return Err(self.expected(what));
        }
        if self.kind() == Kind::Text { self.text(what) } else { self.word(what) }
    }

    /// A name that expressions can use: letters of the alphabet, digits and `_`.
    pub fn key_name(&mut self, what: &str) -> Parse<At<String>> {
        let name = self.word(what)?;
        if !name.value.is_ascii() {
            self.problems.push(
                Problem::error(
                    Code::BadName,
                    name.span,
                    format!("`{}` cannot be used in expressions", name.value),
                )
                .hint("use the letters a–z, digits and _"),
            );
        }
        Ok(name)
    }

    /// A text between quotes, without values in it.
    pub fn text(&mut self, what: &str) -> Parse<At<String>> {
        let (raw, span) = self.raw_text(what)?;
        let inner = span.part(1, 1 + raw.len());
        Ok(At::new(template::plain(raw, inner, &mut self.problems), span))
    }

    /// A text between quotes, with `{values}`.
    pub fn template(&mut self, what: &str) -> Parse<Template> {
        let (raw, span) = self.raw_text(what)?;
        let mut template = Template::parse(raw, span.part(1, 1 + raw.len()), &mut self.problems);
        template.span = span;
        Ok(template)
    }

    /// One or more, with commas between them.
    pub fn list<T>(&mut self, mut one: impl FnMut(&mut Self) -> Parse<T>) -> Parse<Vec<T>> {
        let mut items = vec![one(self)?];
        while self.eat(Kind::Comma).is_some() {
            items.push(one(self)?);
        }
        Ok(items)
    }

    pub fn integer(&mut self, what: &str) -> Parse<At<i32>> {
        let start = self.span();
        let minus = self.eat(Kind::Minus).is_some();
        let digits = self.slice();
        let span = start.to(self.expect(Kind::Number, what)?);
        match digits.parse::<i32>() {
            Ok(n) => Ok(At::new(if minus { -n } else { n }, span)),
            Err(_) => {
                Err(self.fail(Problem::error(Code::BadNumber, span, format!("`{digits}` is not {what}"))))
            }
        }
    }

    /// Such as `500ms`, `7s`, `2m` or `1h30m`.
    pub fn duration(&mut self) -> Parse<At<Duration>> {
        let text = self.slice();
        let span = self.expect(Kind::Number, "a time such as 30s or 2m")?;
        let hint = "write 7s, 2m, 1h30m …";
        let Some(duration) = parse_duration(text) else {
            let problem = format!("`{text}` is not a length of time");
            return Err(self.fail(Problem::error(Code::BadDuration, span, problem).hint(hint)));
        };
        if duration < Duration::from_secs(1) || duration > MAX_DURATION {
            let problem = Problem::error(Code::BadDuration, span, "a time must be from 1s to 24h");
            return Err(self.fail(problem));
        }
        Ok(At::new(duration, span))
    }

    /// `-> name`.
    pub fn target(&mut self) -> Parse<At<String>> {
        self.expect(Kind::Arrow, "`->` and the name of a state")?;
        if self.starts_statement() {
            return Err(self.expected("the name of a state"));
        }
        self.word("the name of a state")
    }

    /// An expression: as many tokens as can belong to one.
    pub fn expression(&mut self, what: &str) -> Parse<Expr> {
        let start = self.at;
        // What closes each open bracket.
        let mut open: Vec<Kind> = Vec::new();
        let mut after_operand = false;
        loop {
            let kind = self.kind();
            match kind {
                Kind::End | Kind::Arrow => break,
                // Already reported.
                Kind::Unterminated | Kind::Unknown => return Err(Failed),
                Kind::CloseBrace | Kind::CloseParen | Kind::CloseBracket => {
                    if open.last() != Some(&kind) {
                        break;
                    }
                    open.pop();
                    after_operand = true;
                }
                Kind::Comma if open.is_empty() => break,
                Kind::OpenBrace if open.is_empty() && after_operand => break,
                Kind::Word if matches!(self.slice(), "in" | "or") && after_operand => after_operand = false,
                Kind::Word | Kind::Number | Kind::Text | Kind::Quoted => {
                    let next_statement = open.is_empty() && after_operand;
                    if next_statement || !open.is_empty() && self.starts_statement() {
                        break;
                    }
                    after_operand = true;
                }
                Kind::OpenParen | Kind::OpenBracket | Kind::OpenBrace => {
                    open.push(match kind {
                        Kind::OpenParen => Kind::CloseParen,
                        Kind::OpenBracket => Kind::CloseBracket,
                        _ => Kind::CloseBrace,
                    });
                    after_operand = false;
                }
                _ => after_operand = false,
            }
            self.bump();
        }
        if self.at == start {
            return Err(self.expected(what));
        }
        let first = self.span_of(self.tokens[start].token);
        let span = first.to(self.last_span());
        Ok(Expr::parse(&self.text[span.start..span.end], span, &mut self.problems))
    }

    /// Whether a line begins here with a word that can begin a statement.
    pub fn starts_statement(&self) -> bool {
        self.starts_line()
            && (self.kind() == Kind::Arrow
                || self.kind() == Kind::Word
                    && (crate::verb::is_known(self.slice()) || matches!(self.slice(), "on")))
    }

    /// Whether a part of a file begins here that never stands inside another, so that a `}` must be missing before it.
    pub fn starts_part(&self) -> bool {
        let named =
            matches!(self.kind_after(1), Kind::Word | Kind::Text) && self.kind_after(2) == Kind::OpenBrace;
        self.starts_line()
            && self.kind() == Kind::Word
            && match self.slice() {
                "flow" | "part" | "hours" | "route" | "state" => named,
                "test" => self.kind_after(1) == Kind::Text && self.slice_after(2) == "via",
                _ => false,
            }
    }

    /// Reads a block, braces included, line by line. After a line that cannot be read it goes on with the next; the
    /// block as a whole has failed then.
    pub fn block(&mut self, what: &str, line: impl FnMut(&mut Self) -> Parse<()>) -> Parse<()> {
        self.lines(what, |_| false, line)
    }

    /// The block of a verb: it must have ended where an `on` or a `->` begins a line.
    pub fn verb_block(&mut self, line: impl FnMut(&mut Self) -> Parse<()>) -> Parse<()> {
        let ended = |c: &Self| {
            let on = c.at_word("on") && c.kind_after(1) == Kind::Word;
            let handler = matches!(c.kind_after(2), Kind::Arrow | Kind::Comma | Kind::OpenBrace);
            c.starts_line() && (on && handler || c.kind() == Kind::Arrow)
        };
        self.lines("this block", ended, line)
    }

    fn lines(
        &mut self,
        what: &str,
        ended: impl Fn(&Self) -> bool,
        mut line: impl FnMut(&mut Self) -> Parse<()>,
    ) -> Parse<()> {
        let outer = self.depth;
        let opened = self.expect(Kind::OpenBrace, "`{`")?;
        let mut read = Ok(());
        while self.eat(Kind::CloseBrace).is_none() {
            if self.kind() == Kind::End || self.starts_part() && !self.may_hold_part(what) || ended(self) {
                self.depth = outer;
                let problem = format!("the `}}` of {what} is missing before this");
                let problem = Problem::error(Code::Syntax, self.span(), problem);
                return Err(self.fail(problem.related(opened, "opened here")));
            }
            let start = self.at;
            if line(self).is_err() {
                read = Err(Failed);
                self.recover(outer + 1, start);
            }
        }
        read
    }

    /// Whether the part that begins here belongs into the block.
    fn may_hold_part(&self, what: &str) -> bool {
        what == FLOW && matches!(self.slice(), "state" | "test")
    }

    /// After a mistake in the statement that began at token `start`: goes on to the next line of the block at `depth`, to
    /// the block's `}`, or to a part that cannot stand inside it.
    pub fn recover(&mut self, depth: usize, start: usize) {
        loop {
            let moved = self.at > start;
            match self.kind() {
                Kind::End => return,
                Kind::CloseBrace if self.depth <= depth => return,
                _ if moved
                    && self.starts_part()
                    && (depth > 0 || !matches!(self.slice(), "state" | "test")) =>
                {
                    return;
                }
                _ if moved && self.depth == depth && self.starts_line() && self.kind() != Kind::OpenBrace => {
                    return;
                }
                _ => {}
            }
            self.bump();
        }
    }

    /// Passes over the rest of a statement that is not read, up to a token that `stop` accepts.
    pub fn skip_statement(&mut self, stop: impl Fn(&Self) -> bool) {
        let (depth, start) = (self.depth, self.at);
        loop {
            match self.kind() {
                Kind::End => return,
                Kind::CloseBrace if self.depth <= depth => return,
                _ if self.at > start && self.depth == depth && (self.starts_line() || stop(self)) => return,
                _ => {}
            }
            self.bump();
        }
    }

    /// Which token is current, for [`Cursor::recover`].
    pub fn mark(&self) -> usize {
        self.at
    }

    fn raw_text(&mut self, what: &str) -> Parse<(&'a str, Span)> {
        let slice = self.slice();
        let span = self.expect(Kind::Text, what)?;
        Ok((&slice[1..slice.len() - 1], span))
    }

    fn span_of(&self, token: Token) -> Span {
        Span { source: self.source, start: token.start, end: token.end }
    }
}

fn parse_duration(text: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).filter(|&at| at > 0)?;
        let number: u32 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let one = match &rest[..unit] {
            "ms" => Duration::from_millis(1),
            "s" => Duration::from_secs(1),
            "m" => Duration::from_secs(60),
            "h" => Duration::from_secs(3600),
            _ => return None,
        };
        total = total.checked_add(one.checked_mul(number)?)?;
        rest = &rest[unit..];
    }
    (!text.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_their_units() {
        assert_eq!(parse_duration("1h30m"), Some(Duration::from_secs(5400)));
        assert_eq!(parse_duration("500ms"), Some(Duration::from_millis(500)));
        for wrong in ["7", "s", "7x", "99999999999s", ""] {
            assert_eq!(parse_duration(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_expression_ends_where_the_next_statement_begins() {
        for (text, expected) in [
            ("customer.name == \"x\" -> a", "customer.name == \"x\""),
            ("\"x\" say \"y\"", "\"x\""),
            ("a in ['b', 'c'] close", "a in ['b', 'c']"),
            ("{'a': 1}['a'] }", "{'a': 1}['a']"),
            ("int(session.n or '0') + 1\n set b = 2", "int(session.n or '0') + 1"),
        ] {
            let mut cursor = Cursor::new(0, text);
            assert_eq!(cursor.expression("x").map(|e| e.text), Ok(expected.to_owned()));
        }
    }
}
