//! From text to the tree that is checked and run.

pub(crate) mod cursor;
pub(crate) mod file;
pub(crate) mod lexer;
pub(crate) mod tree;
