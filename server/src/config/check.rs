//! One method per kind of value: it gives the value, or notes what is wrong with it and gives the default, so that one run
//! finds everything.

use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use toml::Spanned;

use super::problem::{Problem, nearest};

pub struct Check<'a> {
    file: &'a Path,
    text: &'a str,
    pub problems: Vec<Problem>,
    /// What works, but hardly as it was meant.
    pub warnings: Vec<Problem>,
}

impl<'a> Check<'a> {
    pub fn new(file: &'a Path, text: &'a str) -> Self {
        Self { file, text, problems: Vec::new(), warnings: Vec::new() }
    }

    pub fn problem(&mut self, span: Range<usize>, message: impl Into<String>, hint: Option<String>) {
        self.problems.push(Problem::spanned(self.file, self.text, span, message.into(), hint));
    }

    pub fn warning(&mut self, span: Range<usize>, message: impl Into<String>, hint: Option<String>) {
        self.warnings.push(Problem::spanned(self.file, self.text, span, message.into(), hint));
    }

    /// The text as it stands; refused when it is empty.
    pub fn text(&mut self, value: Option<Spanned<String>>, default: &str) -> String {
        match value {
            None => default.to_owned(),
            Some(text) => {
                if text.get_ref().trim().is_empty() {
                    self.problem(text.span(), "must not be empty", None);
                }
                text.into_inner()
            }
        }
    }

    /// Anything with `FromStr`; `what` and `example` are for the message.
    pub fn parsed<T: FromStr>(&mut self, value: &Spanned<String>, what: &str, example: &str) -> Option<T> {
        let parsed = value.get_ref().parse().ok();
        if parsed.is_none() {
            self.problem(
                value.span(),
                format!("`{}` is not {what}", value.get_ref()),
                Some(format!("write it like \"{example}\"")),
            );
        }
        parsed
    }

    pub fn duration(
        &mut self,
        value: Option<Spanned<String>>,
        default: Duration,
        range: RangeInclusive<Duration>,
    ) -> Duration {
        let Some(value) = value else { return default };
        match humantime::parse_duration(value.get_ref()) {
            Ok(duration) if range.contains(&duration) => duration,
            Ok(_) => {
                let message = format!(
                    "`{}` is out of range: from {} to {}",
                    value.get_ref(),
                    humantime::format_duration(*range.start()),
                    humantime::format_duration(*range.end())
                );
                self.problem(value.span(), message, None);
                default
            }
            Err(_) => {
                let message = format!("`{}` is not a length of time", value.get_ref());
                let hint = "write a number and a unit, such as \"500ms\", \"20s\", \"5m\" or \"12h\"";
                self.problem(value.span(), message, Some(hint.to_owned()));
                default
            }
        }
    }

    pub fn number<T>(&mut self, value: Option<Spanned<i64>>, default: T, range: RangeInclusive<T>) -> T
    where
        T: TryFrom<i64> + PartialOrd + Copy + std::fmt::Display,
    {
        let Some(value) = value else { return default };
        match T::try_from(*value.get_ref()) {
            Ok(number) if range.contains(&number) => number,
            _ => {
                let message =
                    format!("{} is out of range: from {} to {}", value.get_ref(), range.start(), range.end());
                self.problem(value.span(), message, None);
                default
            }
        }
    }

    pub fn choice<T: Copy>(
        &mut self,
        value: Option<&Spanned<String>>,
        default: T,
        choices: &[(&str, T)],
    ) -> T {
        let Some(value) = value else { return default };
        if let Some((_, chosen)) = choices.iter().find(|(name, _)| name == value.get_ref()) {
            return *chosen;
        }
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        let hint = match nearest(value.get_ref(), names.iter().copied()) {
            Some(name) => format!("did you mean \"{name}\"?"),
            None => format!("one of: {}", names.join(", ")),
        };
        self.problem(value.span(), format!("`{}` is not known here", value.get_ref()), Some(hint));
        default
    }

    /// Relative paths count from the folder of the configuration file.
    pub fn path(&mut self, value: Option<Spanned<String>>, default: &str) -> PathBuf {
        let written = self.text(value, default);
        let folder = self.file.parent().unwrap_or(Path::new(""));
        folder.join(written)
    }

    pub fn list(
        &self,
        value: Option<Spanned<Vec<Spanned<String>>>>,
        default: &[&str],
    ) -> Vec<Spanned<String>> {
        match value {
            None => default.iter().map(|text| Spanned::new(0..0, (*text).to_owned())).collect(),
            Some(list) => list.into_inner(),
        }
    }
}
