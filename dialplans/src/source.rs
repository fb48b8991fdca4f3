//! Places in source texts.

use crate::api::Source;

/// A range of bytes in one of the sources of a compilation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub(crate) struct Span {
    /// The index of the source.
    pub source: usize,
    pub start: usize,
    pub end: usize,
}

impl Span {
    /// From the start of `self` to the end of `other`.
    pub fn to(self, other: Span) -> Span {
        Span { end: other.end.max(self.start), ..self }
    }

    /// The part from `start` to `end`, both counted from the start of `self`.
    pub fn part(self, start: usize, end: usize) -> Span {
        Span { start: self.start + start, end: self.start + end, ..self }
    }
}

/// Something read from a source, with its place.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct At<T> {
    pub value: T,
    pub span: Span,
}

impl<T> At<T> {
    pub fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }
}

/// Where the lines of sources begin, so that many places are found in little time.
pub(crate) struct Lines<'a> {
    sources: Vec<(&'a str, Vec<usize>)>,
}

impl<'a> Lines<'a> {
    pub fn of(sources: &'a [Source]) -> Lines<'a> {
        let starts =
            |text: &str| std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Lines { sources: sources.iter().map(|s| (s.text.as_str(), starts(&s.text))).collect() }
    }

    /// Line and column of a byte offset; both from 1, the column in characters.
    pub fn place(&self, source: usize, offset: usize) -> (u32, u32) {
        let Some((text, starts)) = self.sources.get(source) else { return (1, 1) };
        let offset = floor_char_boundary(text, offset);
        let line = starts.partition_point(|start| *start <= offset).max(1);
        let start = starts.get(line - 1).copied().unwrap_or(0);
        let column = text[start..offset].chars().count();
        (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column + 1).unwrap_or(u32::MAX))
    }
}

/// The same span counted in characters instead of bytes.
pub(crate) fn char_range(text: &str, span: Span) -> std::ops::Range<usize> {
    let start = floor_char_boundary(text, span.start);
    let end = floor_char_boundary(text, span.end).max(start);
    let before = text[..start].chars().count();
    before..before + text[start..end].chars().count()
}

fn floor_char_boundary(text: &str, offset: usize) -> usize {
    let offset = offset.min(text.len());
    (0..=offset).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

impl Source {
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), text: text.into() }
    }
}
