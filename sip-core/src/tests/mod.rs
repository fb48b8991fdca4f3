//! The stack as its peers and its owner see it.

mod basic;
