use std::sync::atomic::{AtomicU64, Ordering};

/// What the listeners have done since the start, for `/metrics`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Figures {
    pub udp_received: u64,
    pub udp_sent: u64,
    /// The kernel did not take them: a full buffer, no route.
    pub udp_send_failures: u64,
    /// Dropped because the engine was behind, or for their size.
    pub udp_dropped: u64,
    /// Streams that are open now.
    pub connections: u64,
    /// Streams turned away at a limit.
    pub connections_refused: u64,
    /// Streams that we cut: silent, slow, malformed or not reading.
    pub connections_cut: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub udp_received: Counter,
    pub udp_sent: Counter,
    pub udp_send_failures: Counter,
    pub udp_dropped: Counter,
    pub refused: Counter,
    pub cut: Counter,
}

#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
