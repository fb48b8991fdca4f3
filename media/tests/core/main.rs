//! The whole media core: phones and browsers call it, talk, listen, and are recorded.

mod bridge;
mod browser;
mod browsers;
mod digits;
mod hostile;
mod playing;
mod recording;
mod world;
