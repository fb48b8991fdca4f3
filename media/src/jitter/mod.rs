//! From the packets of one stream, as the network brings them, to even sound of our own clock: order, delay that follows the
//! jitter, concealment of what is lost, noise in pauses, and the difference of the clocks taken up without a gap.

mod buffer;
mod conceal;
mod delay;
mod noise;
mod stretch;

#[cfg(test)]
mod tests;

pub use buffer::JitterBuffer;
