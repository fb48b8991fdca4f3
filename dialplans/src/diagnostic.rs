//! What is wrong with a dialplan, where, and what to do about it.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::api::Source;
use crate::source::{Lines, Span, char_range};

/// One mistake or warning.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Diagnostic {
    pub severity: Severity,
    pub code: Code,
    /// The name of the source.
    pub source: String,
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
    pub end_line: u32,
    /// The column after the last character.
    pub end_column: u32,
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
    /// Another place that belongs to it, such as the first definition.
    pub related: Option<Related>,
    #[serde(skip)]
    pub(crate) span: Span,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Related {
    pub source: String,
    pub line: u32,
    pub column: u32,
    pub message: String,
    #[serde(skip)]
    pub(crate) span: Span,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The dialplan cannot be used.
    Error,
    Warning,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal),+ $(,)?) => {
        /// The kind of a mistake; stable, so that tools can rely on it.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Code { $($(#[$doc])* $name),+ }

        impl Code {
            pub const ALL: &[Code] = &[$(Self::$name),+];

            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }
        }
    };
}

codes! {
    Syntax = "syntax",
    /// The text between quotes has no end, or a character that means nothing.
    BadToken = "bad-token",
    UnknownVerb = "unknown-verb",
    /// Part of the language, but this version cannot do it.
    NotAvailable = "not-available",
    UnknownState = "unknown-state",
    UnknownQueue = "unknown-queue",
    UnknownPrompt = "unknown-prompt",
    UnknownMusic = "unknown-music",
    UnknownOperator = "unknown-operator",
    UnknownHours = "unknown-hours",
    UnknownTrunk = "unknown-trunk",
    UnknownSecret = "unknown-secret",
    UnknownPart = "unknown-part",
    UnknownVariable = "unknown-variable",
    UnknownFunction = "unknown-function",
    UnknownOutcome = "unknown-outcome",
    UnknownChannel = "unknown-channel",
    UnknownZone = "unknown-zone",
    DuplicateName = "duplicate-name",
    OverlappingEntries = "overlapping-entries",
    MissingEntry = "missing-entry",
    MissingState = "missing-state",
    /// No way leads to the state.
    UnreachableState = "unreachable-state",
    /// Text after an ending verb.
    UnreachableText = "unreachable-text",
    UnhandledOutcome = "unhandled-outcome",
    /// A state that ends without saying where to go on.
    DeadEnd = "dead-end",
    /// A loop that never waits for anything.
    EndlessLoop = "endless-loop",
    /// A verb that a channel of its entry cannot do.
    WrongChannel = "wrong-channel",
    /// Something to be said to callers that has no recording.
    MissingPrompt = "missing-prompt",
    /// A part or a file that includes itself, or one that is not there.
    BadInclude = "bad-include",
    /// An expression on values of types that do not go together.
    WrongType = "wrong-type",
    /// A comparison that is the same whatever happens.
    NeverTrue = "never-true",
    /// A route that no call can go by.
    UnreachableRoute = "unreachable-route",
    BadExpression = "bad-expression",
    BadTemplate = "bad-template",
    BadDuration = "bad-duration",
    BadNumber = "bad-number",
    BadKey = "bad-key",
    BadName = "bad-name",
    BadAddress = "bad-address",
    BadHours = "bad-hours",
    BadTest = "bad-test",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// `file:line:column: message`, on one line.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(
            f,
            "{}:{}:{}: {severity}[{}]: {}",
            self.source, self.line, self.column, self.code, self.message
        )?;
        if let Some(hint) = &self.hint {
            write!(f, " ({hint})")?;
        }
        Ok(())
    }
}

/// Diagnostics with snippets of the sources, for a terminal.
pub fn render(diagnostics: &[Diagnostic], sources: &[Source], colour: bool) -> String {
    let mut out = Vec::new();
    let config = ariadne::Config::default().with_color(colour).with_index_type(ariadne::IndexType::Char);
    let place = |span: Span| {
        let text = sources.get(span.source).map_or("", |source| source.text.as_str());
        (span.source, char_range(text, span))
    };
    for diagnostic in diagnostics {
        let (kind, paint) = match diagnostic.severity {
            Severity::Error => (ariadne::ReportKind::Error, ariadne::Color::Red),
            Severity::Warning => (ariadne::ReportKind::Warning, ariadne::Color::Yellow),
        };
        let mut report = ariadne::Report::build(kind, place(diagnostic.span))
            .with_config(config)
            .with_code(diagnostic.code)
            .with_message(&diagnostic.message)
            .with_label(
                ariadne::Label::new(place(diagnostic.span))
                    .with_message(diagnostic.hint.as_deref().unwrap_or("here"))
                    .with_color(paint),
            );
        if let Some(related) = &diagnostic.related {
            report =
                report.with_label(ariadne::Label::new(place(related.span)).with_message(&related.message));
        }
        // Writing to a vector cannot fail.
        let _ = report.finish().write(Sources::new(sources), &mut out);
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// A mistake while it is being described; the compiler gives it lines and columns at the end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Problem {
    severity: Severity,
    code: Code,
    pub span: Span,
    message: String,
    hint: Option<String>,
    related: Option<(Span, String)>,
}

impl Problem {
    pub fn message(&self) -> &str {
        &self.message
    }

    pub fn error(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, code, span, message: message.into(), hint: None, related: None }
    }

    pub fn warning(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, span, message) }
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// "did you mean", when one of the candidates is close to what was written.
    pub fn suggest<'a>(self, written: &str, candidates: impl IntoIterator<Item = &'a str>) -> Self {
        match closest(written, candidates) {
            Some(name) => self.hint(format!("did you mean `{name}`?")),
            None => self,
        }
    }

    pub fn related(mut self, span: Span, message: impl Into<String>) -> Self {
        self.related = Some((span, message.into()));
        self
    }

    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// Says it about `sources`.
    pub fn locate(self, sources: &[Source]) -> Diagnostic {
        self.locate_in(sources, &Lines::of(sources))
    }

    /// The same for many.
    pub fn locate_in(self, sources: &[Source], lines: &Lines<'_>) -> Diagnostic {
        let name = |span: Span| sources.get(span.source).map(|s| s.name.clone()).unwrap_or_default();
        let (line, column) = lines.place(self.span.source, self.span.start);
        let (end_line, end_column) = lines.place(self.span.source, self.span.end);
        let related = self.related.map(|(span, message)| {
            let (line, column) = lines.place(span.source, span.start);
            Related { source: name(span), line, column, message, span }
        });
        Diagnostic {
            severity: self.severity,
            code: self.code,
            source: name(self.span),
            line,
            column,
            end_line,
            end_column,
            message: self.message,
            hint: self.hint,
            related,
            span: self.span,
        }
    }
}

const MOST_CANDIDATES: usize = 1_000;

/// The candidate that `written` was most likely meant to be.
pub(crate) fn closest<'a>(written: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = written.to_lowercase();
    let length = lower.chars().count();
    candidates
        .into_iter()
        // Among more than these nobody is helped by a guess that takes long.
        .take(MOST_CANDIDATES)
        .filter(|name| name.chars().count().abs_diff(length) <= name.chars().count().max(length) / 3 + 1)
        .map(|name| (strsim::damerau_levenshtein(&lower, &name.to_lowercase()), name))
        .filter(|(distance, name)| *distance <= (name.chars().count().max(lower.chars().count()) / 3).max(1))
        .min()
        .map(|(_, name)| name)
}

struct Sources<'a> {
    sources: &'a [Source],
    texts: Vec<ariadne::Source<&'a str>>,
}

impl<'a> Sources<'a> {
    fn new(sources: &'a [Source]) -> Self {
        Self { sources, texts: sources.iter().map(|s| ariadne::Source::from(s.text.as_str())).collect() }
    }
}

impl<'a> ariadne::Cache<usize> for Sources<'a> {
    type Storage = &'a str;

    fn fetch(&mut self, id: &usize) -> Result<&ariadne::Source<&'a str>, impl fmt::Debug> {
        self.texts.get(*id).ok_or_else(|| format!("no source {id}"))
    }

    fn display<'b>(&self, id: &'b usize) -> Option<impl fmt::Display + 'b> {
        self.sources.get(*id).map(|source| source.name.clone())
    }
}
