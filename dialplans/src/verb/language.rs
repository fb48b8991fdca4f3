//! `language en`, or `language session.locale`: in which language the customer is spoken to from now on. Prompts that exist
//! for it (`hello-en` for `hello`) and texts that are written `in` it are taken instead of the usual ones. It is kept as
//! `session.language`. Of a value such as `en-GB` or `en_US` only `en` counts; anything that is no language changes nothing.

use crate::check::Checker;
use crate::diagnostic::{Code, Problem};
use crate::expr::Expr;
use crate::run::{LANGUAGE, Turn};
use crate::source::At;
use crate::syntax::cursor::{Cursor, Parse};
use crate::syntax::lexer::Kind;
use crate::verb::Next;

#[derive(Clone, Debug)]
pub(crate) enum Language {
    Fixed(At<String>),
    Value(Expr),
}

impl Language {
    pub fn parse(cursor: &mut Cursor<'_>) -> Parse<Language> {
        cursor.bump();
        if cursor.kind() == Kind::Word && cursor.kind_after(1) != Kind::Dot {
            let name = cursor.word("a language such as en")?;
            return match primary(&name.value) {
                Some(_) => Ok(Language::Fixed(name)),
                None => {
                    let message = format!("`{}` is not a language", name.value);
                    let problem = Problem::error(Code::BadName, name.span, message);
                    Err(cursor.fail(problem.hint("write two or three letters, such as en, de or ru")))
                }
            };
        }
        cursor.expression("a language such as en, or a value such as session.locale").map(Language::Value)
    }

    pub fn check(&self, checker: &mut Checker<'_>) {
        match self {
            Language::Value(value) => checker.expression(value),
            Language::Fixed(_) => {}
        }
    }

    pub fn start(&self, turn: &mut Turn<'_>) -> Next<'static> {
        let wanted = match self {
            Language::Fixed(name) => name.value.clone(),
            Language::Value(value) => value.text(&turn.scope()).unwrap_or_default(),
        };
        match primary(&wanted) {
            Some(language) => {
                turn.trace(&language);
                turn.set(LANGUAGE, language);
            }
            None => turn.trace("no language"),
        }
        Next::Continue
    }
}

/// `en` of `en-GB`.
fn primary(tag: &str) -> Option<String> {
    let first = tag.split(['-', '_']).next()?;
    let is_one = (2..=3).contains(&first.len()) && first.bytes().all(|c| c.is_ascii_alphabetic());
    is_one.then(|| first.to_ascii_lowercase())
}
