mod offers;
mod queues;
mod reference;
mod skills;
mod states;
mod storms;
mod wrap_up;
