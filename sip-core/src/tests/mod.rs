//! The stack as its peers and its owner see it.

mod basic;
mod bindings;
mod called;
mod calling;
mod client_auth;
mod hostile;
mod offers;
mod pair;
mod refusal;
mod registration;
mod solo;
mod storm;
mod trunks;
