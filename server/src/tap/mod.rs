//! Every SIP message on its way between network and engine is seen here once: for the ladders of calls and for the figures.

mod mask;
mod meter;
mod pcap;
mod sound;
mod trace;

use model::Now;
use sip_core::api::Hop;
use sip_core::glance::glance;

pub use meter::Meter;
pub use pcap::pcap;
pub use sound::Sound;
pub use trace::{Noted, Trace};

/// From where the engine stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Way {
    In,
    Out,
}

/// What ladders may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// Calls that are remembered; the oldest are forgotten.
    pub calls: usize,
    /// Messages of one call; what comes later is only counted.
    pub messages: usize,
    /// Octets of all together.
    pub octets: usize,
}

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Tap {
    pub trace: Trace,
    pub meter: Meter,
    pub sound: Sound,
}

impl Tap {
    pub fn new(bounds: Bounds) -> Self {
        Self { trace: Trace::new(bounds), meter: Meter::default(), sound: Sound::default() }
    }

    pub fn note(&self, now: Now, way: Way, hop: Hop, bytes: &[u8]) {
        let Some(glance) = glance(bytes) else { return };
        self.meter.note(now.instant, way, &glance);
        self.trace.note(now.wall, way, hop, &glance, bytes);
    }
}

impl Way {
    pub fn as_str(self) -> &'static str {
        match self {
            Way::In => "in",
            Way::Out => "out",
        }
    }
}
