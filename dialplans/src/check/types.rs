//! The types of expressions: what goes together and what never will, found before anybody calls.
//!
//! A value whose type depends on what happens (a field of the customer's attributes, say) fits everywhere.

use cel::common::ast::{Expr as Node, LiteralValue, SourceInfo};
use cel::parser::Expression;

use crate::expr::{Expr, path_of};
use crate::source::Span;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Type {
    Bool,
    /// A whole number.
    Int,
    Double,
    Text,
    /// A length of time.
    Duration,
    /// A moment.
    Time,
    Null,
    List,
    Map,
    /// Known only when it runs.
    Any,
}

impl Type {
    fn name(self) -> &'static str {
        match self {
            Type::Bool => "a truth value",
            Type::Int => "a number",
            Type::Double => "a number with decimals",
            Type::Text => "a text",
            Type::Duration => "a length of time",
            Type::Time => "a moment",
            Type::Null => "null",
            Type::List => "a list",
            Type::Map => "a set of fields",
            Type::Any => "something",
        }
    }
}

/// What is wrong with an expression, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Mismatch {
    pub span: Span,
    pub message: String,
    pub hint: Option<&'static str>,
}

/// The type that `expr` comes to: that of its alternatives, when they agree.
pub(crate) fn type_of(expr: &Expr) -> Result<Type, Mismatch> {
    let mut all: Option<Type> = None;
    for (tree, (start, part)) in expr.trees().iter().zip(crate::expr::alternatives_of(&expr.text)) {
        let found = infer(tree).map_err(|wrong| {
            // The fast parser does not tell places; the other one, which does, is asked when there is something to tell.
            let place = cel::Program::compile(part).ok().and_then(|program| {
                let wrong = infer(program.expression()).err()?;
                place_of(wrong.at, program.source_info(), part)
            });
            let (from, to) = place.unwrap_or((0, part.len()));
            Mismatch {
                span: expr.span.part(start + from, start + to),
                message: wrong.message.clone(),
                hint: wrong.hint,
            }
        })?;
        all = Some(match all {
            None => found,
            Some(before) if before == found => before,
            Some(_) => Type::Any,
        });
    }
    Ok(all.unwrap_or(Type::Any))
}

struct Wrong<'t> {
    at: &'t Expression,
    message: String,
    hint: Option<&'static str>,
}

type Inferred<'t> = Result<Type, Wrong<'t>>;

fn infer(tree: &Expression) -> Inferred<'_> {
    if let Some(path) = path_of(tree) {
        return Ok(type_of_path(&path));
    }
    match &tree.expr {
        Node::Literal(value) => Ok(match value {
            LiteralValue::Boolean(_) => Type::Bool,
            LiteralValue::Int(_) | LiteralValue::UInt(_) => Type::Int,
            LiteralValue::Double(_) => Type::Double,
            LiteralValue::String(_) => Type::Text,
            LiteralValue::Null => Type::Null,
            LiteralValue::Bytes(_) => Type::Any,
        }),
        Node::List(list) => {
            for element in &list.elements {
                infer(element)?;
            }
            Ok(Type::List)
        }
        Node::Map(_) => Ok(Type::Map),
        Node::Select(select) => {
            infer(&select.operand)?;
            Ok(if select.test { Type::Bool } else { Type::Any })
        }
        Node::Call(call) => {
            let mut args: Vec<(&Expression, Type)> = Vec::new();
            for arg in call.target.iter().map(|target| &**target).chain(&call.args) {
                args.push((arg, infer(arg)?));
            }
            match operator(tree, &call.func_name, &args)? {
                Some(result) => Ok(result),
                None => function(tree, &call.func_name, &args),
            }
        }
        Node::Ident(_) | Node::Comprehension(_) | Node::Struct(_) | Node::Unspecified => Ok(Type::Any),
    }
}

fn type_of_path(path: &[String]) -> Type {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match path[..] {
        ["customer", "name" | "phone" | "email"] | ["session" | "secret", _] => Type::Text,
        ["channel", "kind"] | ["call", "from" | "to"] => Type::Text,
        ["customer", "attributes"] | ["customer" | "session" | "queue" | "channel" | "call"] => Type::Map,
        ["queue", "position"] => Type::Int,
        ["queue", "waited" | "wait"] => Type::Duration,
        ["now"] => Type::Time,
        _ => Type::Any,
    }
}

/// `None`: the name is no operator's.
fn operator<'t>(
    tree: &'t Expression,
    name: &str,
    args: &[(&'t Expression, Type)],
) -> Result<Option<Type>, Wrong<'t>> {
    use Type::{Any, Bool, Double, Duration, Int, List, Map, Null, Text, Time};
    let types: Vec<Type> = args.iter().map(|(_, kind)| *kind).collect();
    let sign = name.trim_matches(['_', '@']);
    let refuse = |hint| {
        let names: Vec<&str> = types.iter().map(|kind| kind.name()).collect();
        let message = format!("`{sign}` does not work on {}", names.join(" and "));
        Err(Wrong { at: tree, message, hint })
    };
    let number_in_text = match types[..] {
        [Text, Int | Double] | [Int | Double, Text] => {
            Some("values of the session are texts: write int(session.n) for a number, string(1) for a text")
        }
        _ => None,
    };
    Ok(Some(match (name, &types[..]) {
        ("_&&_" | "_||_", [left, right]) => {
            for (at, kind) in args {
                if !matches!(kind, Bool | Any) {
                    let message =
                        format!("`{sign}` needs something true or false, and this is {}", kind.name());
                    return Err(Wrong { at, message, hint: Some("compare it with something") });
                }
            }
            debug_assert!(matches!((left, right), (Bool | Any, Bool | Any)));
            Bool
        }
        ("!_", [Bool | Any]) => Bool,
        ("-_", [kind @ (Int | Double | Duration | Any)]) => *kind,
        ("!_" | "-_", _) => return refuse(None),
        ("_?_:_", [condition, one, other]) => {
            if !matches!(condition, Bool | Any) {
                let at = args.first().map_or(tree, |(at, _)| at);
                let message = format!(
                    "what stands before `?` has to be true or false, and this is {}",
                    condition.name()
                );
                return Err(Wrong { at, message, hint: Some("compare it with something") });
            }
            if one == other { *one } else { Any }
        }
        ("_==_" | "_!=_", [left, right]) => {
            let alike = left == right || matches!(left, Any | Null) || matches!(right, Any | Null);
            let numbers = matches!((left, right), (Int, Double) | (Double, Int));
            if !alike && !numbers {
                let message = format!("{} is never {}", left.name(), right.name());
                return Err(Wrong { at: tree, message, hint: number_in_text });
            }
            Bool
        }
        ("_<_" | "_<=_" | "_>_" | "_>=_", [left, right]) => match (left, right) {
            (Any, _) | (_, Any) | (Int | Double, Int | Double) => Bool,
            (Text, Text) | (Duration, Duration) | (Time, Time) | (Bool, Bool) => Bool,
            _ => return refuse(number_in_text),
        },
        ("_+_", [left, right]) => match (left, right) {
            (Any, _) | (_, Any) => Any,
            (Int, Int) => Int,
            (Double, Double) => Double,
            (Text, Text) => Text,
            (List, List) => List,
            (Duration, Duration) => Duration,
            (Time, Duration) | (Duration, Time) => Time,
            _ => return refuse(number_in_text),
        },
        ("_-_", [left, right]) => match (left, right) {
            (Any, _) | (_, Any) => Any,
            (Int, Int) => Int,
            (Double, Double) => Double,
            (Duration, Duration) | (Time, Time) => Duration,
            (Time, Duration) => Time,
            _ => return refuse(number_in_text),
        },
        ("_*_" | "_/_", [left, right]) => match (left, right) {
            (Any, _) | (_, Any) => Any,
            (Int, Int) => Int,
            (Double, Double) => Double,
            _ => return refuse(number_in_text),
        },
        ("_%_", [Int | Any, Int | Any]) => Int,
        ("_%_", _) => return refuse(number_in_text),
        ("@in", [_, List | Map | Any]) => Bool,
        ("@in", _) => return refuse(Some("write a list: session.topic in ['a', 'b']")),
        ("_[_]", _) => Any,
        _ => return Ok(None),
    }))
}

fn function<'t>(tree: &'t Expression, name: &str, args: &[(&'t Expression, Type)]) -> Inferred<'t> {
    let needs = |at: usize, wanted: &[Type], hint| match args.get(at) {
        Some((arg, kind)) if *kind != Type::Any && !wanted.contains(kind) => {
            let names: Vec<&str> = wanted.iter().map(|kind| kind.name()).collect();
            let message = format!("`{name}` needs {}, and this is {}", names.join(" or "), kind.name());
            Err(Wrong { at: arg, message, hint })
        }
        Some(_) => Ok(()),
        None => Err(Wrong { at: tree, message: format!("`{name}` needs something to work on"), hint: None }),
    };
    Ok(match name {
        "size" => {
            needs(0, &[Type::Text, Type::List, Type::Map], None)?;
            Type::Int
        }
        "contains" | "startsWith" | "endsWith" | "matches" => {
            needs(0, &[Type::Text], None)?;
            needs(1, &[Type::Text], None)?;
            Type::Bool
        }
        "minutes" => {
            needs(0, &[Type::Duration, Type::Null], Some("such as minutes(queue.wait)"))?;
            Type::Int
        }
        "hours" | "string" => Type::Text,
        "int" | "uint" => {
            needs(0, &[Type::Text, Type::Int, Type::Double, Type::Time], None)?;
            Type::Int
        }
        "double" => {
            needs(0, &[Type::Text, Type::Int, Type::Double], None)?;
            Type::Double
        }
        "bool" => Type::Bool,
        "duration" => {
            needs(0, &[Type::Text, Type::Duration], Some("such as duration('90s')"))?;
            Type::Duration
        }
        "timestamp" => {
            needs(0, &[Type::Text, Type::Time], None)?;
            Type::Time
        }
        "getHours" | "getMinutes" | "getSeconds" | "getMilliseconds" => {
            needs(0, &[Type::Time, Type::Duration], Some("such as now.getHours('Europe/Moscow')"))?;
            Type::Int
        }
        name if name.starts_with("get") => {
            needs(0, &[Type::Time], Some("such as now.getDayOfWeek('Europe/Moscow')"))?;
            Type::Int
        }
        _ => Type::Any,
    })
}

/// From the first to the last byte of what a tree was read from.
fn place_of(tree: &Expression, places: &SourceInfo, text: &str) -> Option<(usize, usize)> {
    let mut ends: Option<(usize, usize)> = None;
    visit(tree, &mut |node| {
        if let Some((start, stop)) = places.offset_for(node.id) {
            let (start, stop) = (start as usize, stop as usize + 1);
            ends = Some(ends.map_or((start, stop), |(first, last)| (first.min(start), last.max(stop))));
        }
    });
    let (start, mut end) = ends?;
    // A call's place is its name; the bracket that closes it belongs to it.
    while text
        .get(start..end)
        .is_some_and(|part| part.matches('(').count() > part.matches(')').count() && end < text.len())
    {
        end += 1;
    }
    (text.is_char_boundary(start) && text.is_char_boundary(end.min(text.len())))
        .then_some((start, end.min(text.len())))
}

fn visit<'t>(tree: &'t Expression, each: &mut impl FnMut(&'t Expression)) {
    each(tree);
    match &tree.expr {
        Node::Select(select) => visit(&select.operand, each),
        Node::Call(call) => {
            call.target.iter().for_each(|target| visit(target, each));
            call.args.iter().for_each(|arg| visit(arg, each));
        }
        Node::List(list) => list.elements.iter().for_each(|element| visit(element, each)),
        Node::Ident(_)
        | Node::Literal(_)
        | Node::Map(_)
        | Node::Comprehension(_)
        | Node::Struct(_)
        | Node::Unspecified => {}
    }
}

/// Comparisons of something with a text that it never is: `left == "text"`.
pub(crate) fn comparisons(expr: &Expr) -> Vec<(Vec<String>, String, bool)> {
    let mut found = Vec::new();
    for tree in expr.trees() {
        visit(tree, &mut |node| {
            let Node::Call(call) = &node.expr else { return };
            let [left, right] = &call.args[..] else { return };
            if !matches!(call.func_name.as_str(), "_==_" | "_!=_") {
                return;
            }
            for (one, other) in [(left, right), (right, left)] {
                let Node::Literal(LiteralValue::String(text)) = &other.expr else { continue };
                let name = match &one.expr {
                    Node::Call(inner) if inner.func_name == "hours" => Some(vec!["hours".to_owned()]),
                    _ => path_of(one),
                };
                found.extend(name.map(|name| (name, text.inner().to_owned(), call.func_name == "_==_")));
            }
        });
    }
    found
}
