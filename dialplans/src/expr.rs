//! Conditions and values: CEL expressions, joined by `or` for a fallback (`customer.name or 'friend'`).
//!
//! Invariants: evaluating costs at most as much as the text is long (no loops, bounded nesting), has no effect, and a
//! value that is not there is an error, never a panic.

use cel::common::ast::{EntryExpr, Expr as Node, LiteralValue};
use cel::parser::{Expression, PrattParser};
use cel::{ExecutionError, Value};

use crate::diagnostic::{Code, Problem};
use crate::source::Span;
use crate::values::{self, Scope};

/// Longest expression in bytes, deepest nesting and most operators: what a 2 MiB stack bears with ease.
const MAX_LENGTH: usize = 500;
const MAX_DEPTH: usize = 10;
const MAX_OPERATORS: usize = 40;

/// Functions of CEL's standard library that make sense here, and our own.
pub(crate) const FUNCTIONS: &[&str] = &[
    "hours",
    "minutes",
    "size",
    "contains",
    "startsWith",
    "endsWith",
    "matches",
    "string",
    "int",
    "uint",
    "double",
    "bool",
    "type",
    "duration",
    "timestamp",
    "getFullYear",
    "getMonth",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getHours",
    "getMinutes",
    "getSeconds",
    "getMilliseconds",
];

#[derive(Clone, Debug)]
pub(crate) struct Expr {
    pub span: Span,
    pub text: String,
    /// Tried in order; empty when the text was not valid.
    alternatives: Vec<Expression>,
    pub uses: Uses,
}

/// What an expression refers to, for the checker.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Uses {
    /// Such as `["customer", "name"]`.
    pub paths: Vec<Vec<String>>,
    pub functions: Vec<String>,
    pub hours: Vec<String>,
}

impl Expr {
    /// `span` is the place of `text`.
    pub fn parse(text: &str, span: Span, problems: &mut Vec<Problem>) -> Expr {
        let mut expr = Expr { span, text: text.to_owned(), alternatives: Vec::new(), uses: Uses::default() };
        if is_too_deep(text) {
            let message = "the expression is too long or too deeply nested";
            let problem = Problem::error(Code::BadExpression, span, message);
            problems.push(problem.hint("split it into several `set` and `when`"));
            return expr;
        }
        let mut alternatives = Vec::new();
        let mut sound = true;
        for (start, part) in alternatives_of(text) {
            let part_span = span.part(start, start + part.len());
            match PrattParser::new().parse(part) {
                Ok(tree) => {
                    if let Err(what) = expr.uses.collect(&tree) {
                        problems.push(Problem::error(Code::BadExpression, part_span, what));
                        sound = false;
                    }
                    alternatives.push(tree);
                }
                Err(errors) => {
                    sound = false;
                    if let Some(error) = errors.errors.first() {
                        let at = byte_of_column(part, error.pos.1);
                        let end = (at + part[at..].chars().next().map_or(0, char::len_utf8)).max(at);
                        let mut problem = Problem::error(
                            Code::BadExpression,
                            part_span.part(at, end),
                            format!("the expression is not valid: {}", in_plain_words(&error.msg)),
                        );
                        if error.msg.contains("'='") {
                            problem = problem.hint("write `==` to compare");
                        }
                        if error.msg.contains("'or'") {
                            problem = problem
                                .hint("`or` cannot stand within brackets: write `int(session.n) + 1 or 1`");
                        }
                        problems.push(problem);
                    }
                }
            }
        }
        if sound {
            expr.alternatives = alternatives;
        }
        expr
    }

    /// The first alternative that is neither an error nor empty; else what the last one came to.
    pub fn eval(&self, scope: &Scope<'_>) -> Result<Value, EvalError> {
        let mut last = Err(EvalError::Invalid);
        if self.alternatives.is_empty() {
            return last;
        }
        let roots = self.uses.paths.iter().filter_map(|path| path.first()).map(String::as_str).collect();
        let context = values::context(&roots, scope);
        for tree in &self.alternatives {
            last = Value::resolve(tree, &context).map_err(EvalError::from);
            if last.as_ref().is_ok_and(|value| !values::is_empty(value)) {
                break;
            }
        }
        last
    }

    /// The value as people read it: nothing for what is missing.
    pub fn text(&self, scope: &Scope<'_>) -> Result<String, EvalError> {
        self.eval(scope).map(|value| values::display(&value))
    }

    /// Whether it says more than what channel it is on.
    pub fn depends_on_channel_only(&self) -> bool {
        self.is_valid()
            && !self.uses.paths.is_empty()
            && self.uses.paths.iter().all(|path| path.first().is_some_and(|root| root == "channel"))
            && self.uses.hours.is_empty()
    }

    pub fn is_valid(&self) -> bool {
        !self.alternatives.is_empty()
    }

    /// Whether it looks at this variable.
    pub fn speaks_of(&self, root: &str) -> bool {
        self.uses.paths.iter().any(|path| path.first().is_some_and(|name| name == root))
    }

    /// The trees that are tried in order.
    pub fn trees(&self) -> &[Expression] {
        &self.alternatives
    }

    /// Where `name` stands in the text.
    pub fn find(&self, name: &str) -> Span {
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        self.text
            .match_indices(name)
            .find(|(at, _)| {
                !self.text[..*at].ends_with(is_part) && !self.text[at + name.len()..].starts_with(is_part)
            })
            .map_or(self.span, |(at, found)| self.span.part(at, at + found.len()))
    }
}

/// Why an expression has no value.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum EvalError {
    /// It was not valid to begin with.
    Invalid,
    Cel(ExecutionError),
}

impl EvalError {
    /// True when no values could make it work: wrong types, unknown names.
    pub fn is_certain(&self) -> bool {
        match self {
            EvalError::Invalid => true,
            EvalError::Cel(error) => match error {
                ExecutionError::UndeclaredReference(_)
                | ExecutionError::NoSuchOverload(_)
                | ExecutionError::InvalidArgumentCount { .. }
                | ExecutionError::UnsupportedBinaryOperator(..)
                | ExecutionError::UnexpectedType { .. }
                | ExecutionError::UnsupportedTargetType { .. }
                | ExecutionError::ValuesNotComparable(..) => true,
                ExecutionError::FunctionError { function, .. } => function == "matches",
                _ => false,
            },
        }
    }
}

impl From<ExecutionError> for EvalError {
    fn from(error: ExecutionError) -> Self {
        EvalError::Cel(error)
    }
}

impl std::fmt::Display for EvalError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            EvalError::Invalid => f.write_str("the expression is not valid"),
            EvalError::Cel(ExecutionError::NoSuchKey(key)) => write!(f, "there is no `{key}`"),
            EvalError::Cel(ExecutionError::UndeclaredReference(name)) => write!(f, "there is no `{name}`"),
            EvalError::Cel(ExecutionError::NoSuchOverload(error)) => {
                let operator = error.function().trim_matches(['_', '@']);
                write!(f, "`{operator}` does not work on {}", error.argument_types().join(" and "))
            }
            EvalError::Cel(ExecutionError::UnsupportedBinaryOperator(name, left, right)) => {
                let operator = match *name {
                    "add" => "+",
                    "sub" => "-",
                    "mul" => "*",
                    "div" => "/",
                    "rem" => "%",
                    other => other,
                };
                write!(f, "`{operator}` does not work on {} and {}", left.type_of(), right.type_of())
            }
            EvalError::Cel(ExecutionError::FunctionError { function, message }) => {
                let line = message.lines().next().unwrap_or_default();
                write!(f, "`{function}` failed: {}", line.trim_end_matches(':'))
            }
            EvalError::Cel(error) => error.fmt(f),
        }
    }
}

impl Uses {
    fn collect(&mut self, tree: &Expression) -> Result<(), &'static str> {
        if let Some(path) = path_of(tree) {
            self.paths.push(path);
            return Ok(());
        }
        match &tree.expr {
            Node::Comprehension(_) => Err("loops such as `all` and `map` cannot be used here"),
            Node::Struct(_) | Node::Unspecified => Err("the expression is not valid"),
            Node::Ident(_) | Node::Literal(_) => Ok(()),
            Node::Select(select) => self.collect(&select.operand),
            Node::Call(call) => {
                if call.func_name.starts_with(|c: char| c.is_ascii_alphabetic()) {
                    self.functions.push(call.func_name.clone());
                }
                if call.func_name == "hours" {
                    match call.args.first().map(|arg| &arg.expr) {
                        Some(Node::Literal(LiteralValue::String(name))) if call.args.len() == 1 => {
                            self.hours.push(name.inner().to_owned());
                        }
                        _ => return Err("`hours` takes one name in quotes, such as hours(\"office\")"),
                    }
                }
                call.target.iter().try_for_each(|target| self.collect(target))?;
                call.args.iter().try_for_each(|arg| self.collect(arg))
            }
            Node::List(list) => list.elements.iter().try_for_each(|element| self.collect(element)),
            Node::Map(map) => map.entries.iter().try_for_each(|entry| match &entry.expr {
                EntryExpr::MapEntry(entry) => {
                    self.collect(&entry.key)?;
                    self.collect(&entry.value)
                }
                EntryExpr::StructField(field) => self.collect(&field.value),
            }),
        }
    }
}

/// `a.b['c']` as `["a", "b", "c"]`.
pub(crate) fn path_of(tree: &Expression) -> Option<Vec<String>> {
    match &tree.expr {
        Node::Ident(name) => Some(vec![name.clone()]),
        Node::Select(select) => {
            let mut path = path_of(&select.operand)?;
            path.push(select.field.clone());
            Some(path)
        }
        Node::Call(call) if call.func_name == "_[_]" => match call.args.as_slice() {
            [base, index] => match &index.expr {
                Node::Literal(LiteralValue::String(key)) => {
                    let mut path = path_of(base)?;
                    path.push(key.inner().to_owned());
                    Some(path)
                }
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}

/// Whether parsing or evaluating could need a deep stack.
fn is_too_deep(text: &str) -> bool {
    let (mut depth, mut deepest, mut operators) = (0_usize, 0_usize, 0_usize);
    outside_quotes(text, |_, c| match c {
        '(' | '[' | '{' => {
            depth += 1;
            deepest = deepest.max(depth);
            operators += 1;
        }
        ')' | ']' | '}' => depth = depth.saturating_sub(1),
        '+' | '-' | '*' | '/' | '%' | '<' | '>' | '=' | '!' | '?' | '&' | '|' | '.' => operators += 1,
        _ => {}
    });
    text.len() > MAX_LENGTH || deepest > MAX_DEPTH || operators > MAX_OPERATORS
}

/// The parts between the words `or` that stand outside quotes and brackets, with their places.
pub(crate) fn alternatives_of(text: &str) -> Vec<(usize, &str)> {
    let mut cuts = Vec::new();
    let mut depth = 0_usize;
    outside_quotes(text, |at, c| match c {
        '(' | '[' | '{' => depth += 1,
        ')' | ']' | '}' => depth = depth.saturating_sub(1),
        'o' if depth == 0 => {
            let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
            let rest = &text[at..];
            if rest.starts_with("or") && !rest[2..].starts_with(is_part) && !text[..at].ends_with(is_part) {
                cuts.push(at);
            }
        }
        _ => {}
    });
    let mut parts = Vec::new();
    let mut start = 0;
    for cut in cuts {
        parts.push((start, &text[start..cut]));
        start = cut + 2;
    }
    parts.push((start, &text[start..]));
    parts
}

fn outside_quotes(text: &str, mut each: impl FnMut(usize, char)) {
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(q) if c == q => quote = None,
            Some(_) => {}
            None if c == '"' || c == '\'' => quote = Some(c),
            None => each(at, c),
        }
    }
}

/// The parser's messages without its vocabulary.
fn in_plain_words(message: &str) -> String {
    let message = message.trim_start_matches("Syntax error: ");
    if message.starts_with("mismatched input <EOF>") {
        return "something is missing at the end".to_owned();
    }
    let quoted = message.strip_prefix("mismatched input '").and_then(|rest| rest.split_once("' expecting "));
    match quoted {
        Some(("<EOF>", _)) => "something is missing at the end".to_owned(),
        Some((found, "<EOF>")) => format!("`{found}` does not fit here"),
        Some((found, expected)) => format!("expected {expected}, found `{found}`"),
        None => message.to_owned(),
    }
}

/// CEL counts columns in characters from 1.
fn byte_of_column(text: &str, column: isize) -> usize {
    let index = usize::try_from(column - 1).unwrap_or(0);
    text.char_indices().nth(index).map_or(text.len(), |(at, _)| at)
}
