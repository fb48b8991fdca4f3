//! The stack as its peers and its owner see it.

mod basic;
mod called;
mod calling;
mod chaos;
mod hostile;
mod inspection;
mod locating;
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
mod update;
