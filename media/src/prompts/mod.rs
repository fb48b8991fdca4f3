//! Prompt files of any common kind (WAV, MP3, FLAC, Ogg Vorbis, Ogg Opus) decoded once, into what legs play.
//!
//! Bytes in, samples out: reading the file is the shell's business.

mod decode;
mod resample;

pub use decode::{MAX_BYTES, MAX_DURATION, PromptError, decode};
