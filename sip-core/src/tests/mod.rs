//! The stack as its peers and its owner see it.

mod basic;
mod bindings;
mod called;
mod calling;
mod chaos;
mod client_auth;
mod hostile;
mod inspection;
mod locating;
mod messages;
mod offers;
mod pair;
mod protection;
mod reasons;
mod refusal;
mod registration;
mod reliable;
mod session_timer;
mod solo;
mod statuses;
mod storm;
mod subscribing;
mod torture;
mod transfer;
mod trunks;
mod update;
