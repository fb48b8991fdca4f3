//! What one member of a conference says, on its way into the mix: pieces that come with the jitter of a network are read off in even
//! frames, a little later, and whatever begins or breaks off does so without a click.

use super::{FRAME, RAMP, RATE};

/// Samples that fit between reading and the furthest future; a power of two.
const RING: usize = 4096;
/// How far behind its arrival a fresh stream is read: two ticks, for each piece comes somewhere within one.
const DELAY: i64 = RATE as i64 * 40 / 1000;
/// Where a piece goes that came too late.
const LATE: i64 = FRAME as i64;
/// A stream that is further off than this begins anew.
const MOST_OFF: i64 = RATE as i64 * 300 / 1000;
/// Pieces by which the shortest wait is measured, and how much longer than [`DELAY`] it may be.
const WINDOW: u32 = 100;
const MOST_EXTRA: i64 = FRAME as i64;

/// One member's way into the mix.
#[derive(Clone, Debug)]
pub struct Inlet {
    ring: Box<[i16; RING]>,
    /// Positions count samples; every frame reads on.
    read: i64,
    /// The end of what has come.
    written: i64,
    /// Where the piece with this timestamp lies.
    last: Option<(u32, i64)>,
    /// The shortest that a piece waited in the current window.
    shortest: i64,
    pieces: u32,
    /// The latest that was read, to fade out from.
    tail: [i16; RAMP],
    /// Nothing was there to be read; what comes next fades in.
    starved: bool,
}

impl Default for Inlet {
    fn default() -> Self {
        Self {
            ring: Box::new([0; RING]),
            read: 0,
            written: 0,
            last: None,
            shortest: i64::MAX,
            pieces: 0,
            tail: [0; RAMP],
            starved: true,
        }
    }
}

impl Inlet {
    /// Takes a piece that was just decoded. Pieces come in order; `timestamp` counts samples.
    pub fn write(&mut self, timestamp: u32, samples: &[i16]) {
        let along = |(last, place): (u32, i64)| place + i64::from(timestamp.wrapping_sub(last) as i32);
        let mut place = self.last.map_or(i64::MIN, along);
        let off = place.saturating_sub(self.read);
        if self.last.is_none() || !(-MOST_OFF..=MOST_OFF + DELAY).contains(&off) {
            place = self.read + DELAY;
            (self.shortest, self.pieces) = (i64::MAX, 0);
        } else if off < 0 {
            place = self.read + LATE;
        }
        self.shortest = self.shortest.min(place - self.read);
        self.pieces += 1;
        if self.pieces >= WINDOW {
            let extra = self.shortest - DELAY;
            (self.shortest, self.pieces) = (i64::MAX, 0);
            if extra > MOST_EXTRA && self.written - self.read > extra + FRAME as i64 {
                self.skip(extra);
            }
        }
        self.last = Some((timestamp, place));
        self.put(place, samples);
    }

    /// Samples that have come and are not read.
    #[cfg(test)]
    pub fn waiting(&self) -> i64 {
        self.written - self.read
    }

    /// Reads the next frame. False when there is nothing in it.
    pub fn read(&mut self, frame: &mut [i16; FRAME]) -> bool {
        let there = (self.written - self.read).clamp(0, FRAME as i64) as usize;
        for (index, sample) in frame[..there].iter_mut().enumerate() {
            *sample = self.ring[(self.read + index as i64) as usize % RING];
        }
        self.read += FRAME as i64;
        frame[there..].fill(0);
        let breaks_off = there < FRAME && !(self.starved && there == 0);
        self.starved = there < FRAME;
        if breaks_off {
            // What was heard last once more, backwards and fading: no step, however it breaks off.
            for index in 0..RAMP.min(FRAME - there) {
                let heard = match there.checked_sub(index + 1) {
                    Some(before) => frame[before],
                    None => self.tail[RAMP + there - index - 1],
                };
                frame[there + index] = scaled(heard, RAMP - index);
            }
        }
        self.tail.copy_from_slice(&frame[FRAME - RAMP..]);
        there > 0 || breaks_off
    }

    fn put(&mut self, place: i64, samples: &[i16]) {
        if self.written < self.read {
            self.written = self.read;
        }
        let fresh = place > self.written || self.starved && self.written == self.read;
        if place > self.written {
            let sounding = (self.written - self.read).min(RAMP as i64);
            for index in 0..sounding {
                let sample = &mut self.ring[(self.written - 1 - index) as usize % RING];
                *sample = scaled(*sample, index as usize);
            }
            for gap in self.written..place.min(self.read + RING as i64) {
                self.ring[gap as usize % RING] = 0;
            }
            self.written = place.min(self.read + RING as i64);
        }
        let known = (self.written - place).clamp(0, samples.len() as i64) as usize;
        let room = (self.read + RING as i64 - self.written).max(0) as usize;
        for (index, sample) in samples[known..].iter().take(room).enumerate() {
            let sample = if fresh && index < RAMP { scaled(*sample, index) } else { *sample };
            self.ring[self.written as usize % RING] = sample;
            self.written += 1;
        }
    }

    /// Leaves out so many samples, from one wave into the other.
    fn skip(&mut self, samples: i64) {
        for index in 0..RAMP {
            let from = self.ring[(self.read + index as i64) as usize % RING];
            let into = &mut self.ring[(self.read + samples + index as i64) as usize % RING];
            *into = scaled(*into, index).saturating_add(scaled(from, RAMP - index));
        }
        self.read += samples;
    }
}

fn scaled(sample: i16, of_ramp: usize) -> i16 {
    (i32::from(sample) * of_ramp as i32 / RAMP as i32) as i16
}
