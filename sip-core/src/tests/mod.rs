//! The stack as its peers and its owner see it.

mod basic;
mod called;
mod calling;
mod hostile;
mod inspection;
mod offers;
mod pair;
mod protection;
mod refusal;
mod registration;
mod reliable;
mod session_timer;
mod solo;
mod storm;
mod update;
