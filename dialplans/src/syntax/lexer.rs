//! Text to tokens. Nothing is lost: the tokens of a text, comments and spaces included, put together are the text.

use logos::Logos;

#[derive(Logos, Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Kind {
    #[regex(r"[ \t\r\f\u{a0}\u{feff}]+")]
    Space,
    #[token("\n")]
    Newline,
    #[regex(r"//[^\n]*", allow_greedy = true)]
    Comment,
    /// A name or a keyword.
    #[regex(r"[\p{L}_][\p{L}\p{N}_]*")]
    Word,
    /// Digits, maybe with a unit: `5`, `30s`, `1h30m`.
    #[regex(r"[0-9][0-9A-Za-z_]*")]
    Number,
    /// Between double quotes.
    #[regex(r#""([^"\\\n]|\\[^\n])*""#)]
    Text,
    /// Between single quotes: only in expressions.
    #[regex(r"'([^'\\\n]|\\[^\n])*'")]
    Quoted,
    /// Quotes without an end.
    #[regex(r#""([^"\\\n]|\\[^\n])*\\?"#)]
    #[regex(r"'([^'\\\n]|\\[^\n])*\\?")]
    Unterminated,
    #[token("->")]
    Arrow,
    #[token("{")]
    OpenBrace,
    #[token("}")]
    CloseBrace,
    #[token("(")]
    OpenParen,
    #[token(")")]
    CloseParen,
    #[token("[")]
    OpenBracket,
    #[token("]")]
    CloseBracket,
    #[token(",")]
    Comma,
    #[token(":")]
    Colon,
    #[token(".")]
    Dot,
    #[token("-")]
    Minus,
    #[token("=")]
    Equals,
    #[token("*")]
    Star,
    #[token("#")]
    Hash,
    /// Other operators of expressions.
    #[regex(r"==|!=|<=|>=|&&|\|\||[<>!+/%?]")]
    Operator,
    /// A character that means nothing here.
    #[regex(r".", priority = 0)]
    Unknown,
    /// The end of the text; never put out by the lexer itself.
    End,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Token {
    pub kind: Kind,
    pub start: usize,
    pub end: usize,
}

/// All tokens of `text` in order, without gaps.
pub(crate) fn tokens(text: &str) -> Vec<Token> {
    Kind::lexer(text)
        .spanned()
        .map(|(kind, range)| Token {
            kind: kind.unwrap_or(Kind::Unknown),
            start: range.start,
            end: range.end,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<Kind> {
        tokens(text).into_iter().map(|t| t.kind).filter(|k| *k != Kind::Space).collect()
    }

    #[test]
    fn tokens_put_together_are_the_text() {
        let text = "flow f { // за\n say \"a\\\"{b}\" \u{1F600} 'x' \"open\n\t-> б_1 }";
        let mut at = 0;
        for token in tokens(text) {
            assert_eq!(token.start, at);
            at = token.end;
        }
        assert_eq!(at, text.len());
    }

    #[test]
    fn an_arrow_is_not_a_minus() {
        assert_eq!(
            kinds("a->b a - >b"),
            [Kind::Word, Kind::Arrow, Kind::Word, Kind::Word, Kind::Minus, Kind::Operator, Kind::Word]
        );
    }

    #[test]
    fn open_quotes_end_with_their_line() {
        assert_eq!(kinds("\"ab\\\nx"), [Kind::Unterminated, Kind::Newline, Kind::Word]);
    }

    #[test]
    fn slashes_within_quotes_are_no_comment() {
        assert_eq!(kinds("\"http://x\" // y"), [Kind::Text, Kind::Comment]);
    }
}
