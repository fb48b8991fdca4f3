mod offers;
mod reference;
mod states;
mod wrap_up;
