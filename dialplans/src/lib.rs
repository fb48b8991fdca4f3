//! The dialplan language, pure: parse, check, interpret, test. A flow serves a call and a chat alike: verbs say what is
//! wanted, the channel decides how.
//!
//! - [`api`]: what a run asks for, is told and can see; the names that exist outside.
//! - `syntax/`: text to tokens to the tree.
//! - `verb/`: one file for each verb.
//! - `check/`: names, ways through a flow, loops.
//! - `include`: parts that flows share, files that need others.
//! - `route`: which carriers a number is called through, at what price.
//! - [`format()`]: how a text should be laid out; [`graphs`]: a flow as states and ways.
//! - [`compile`] → [`Plan`] → [`Run`]; [`run_tests`] runs the tests that a plan carries.
//!
//! Invariants: no clock, no randomness, no input or output; no text makes the parser or the checker panic; no plan makes a
//! run panic or go round without time passing.

pub mod api;
mod check;
mod condition;
mod diagnostic;
mod expr;
mod format;
mod graph;
mod hours;
mod include;
mod plan;
#[cfg(test)]
mod properties;
mod route;
mod run;
mod scenario;
mod source;
mod syntax;
mod template;
mod values;
mod verb;
mod words;

pub use condition::Condition;
pub use diagnostic::{Code, Diagnostic, Related, Severity, render};
pub use format::format;
pub use graph::{Graph, StateNode, WayEdge, graphs};
pub use include::included;
pub use plan::{Plan, compile};
pub use route::{Outgoing, RouteLimits, Way};
pub use run::{MAX_STEPS, Run};
pub use scenario::{Coverage, Simulator, TestReport, TestResult, run_tests};
pub use verb::is_switch;
