//! The threads that carry media: sockets, the 20 ms tick and recordings around `media::core::Core`.
//!
//! Invariants: all legs of a session live on one thread, so no packet crosses threads and none takes a lock; each thread has one
//! epoll loop and no task or timer per leg; nothing here waits for the disk but the recorder's own thread.

mod handle;
mod library;
mod ports;
mod recorder;
mod sockets;
mod thread;

pub use handle::{Figures, MediaHandle, StartError, start};
pub use library::{LibraryProblem, load_library};
