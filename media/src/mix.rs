//! The mixer of a conference: each listener hears the sum of the others, by his row of gains.
//!
//! Invariants: nobody hears himself; whatever begins, ends or changes its gain does so over [`RAMP`] samples; a sum beyond full scale
//! stays at full scale; nothing allocates in a tick; who hears what most hear costs nothing of his own.

use crate::api::Gain;
use crate::core::RECORDING_RATE;

/// Samples a second in the mix.
pub const RATE: u32 = RECORDING_RATE;
/// Samples in a tick of 20 ms.
pub const FRAME: usize = RATE as usize / 50;
/// Samples over which gains change: 5 ms.
pub const RAMP: usize = RATE as usize / 200;

/// Who is in a conference, and who hears whom.
#[derive(Clone, Debug, Default)]
pub struct Mixer {
    seats: Vec<Seat>,
    /// Gains as they were in the last tick and as they are wanted, a row for each listener.
    was: Vec<Gain>,
    wanted: Vec<Gain>,
    /// By speaker: whether most listeners hear him in full, so that he is part of the common sum.
    common: Vec<bool>,
}

/// One place in the conference.
#[derive(Clone, Debug)]
struct Seat {
    /// The leg's place in the core. Who has left sounds for one more tick, to fade out.
    leg: Option<usize>,
    /// What is heard of him in this tick, if anything.
    frame: [i16; FRAME],
    sounds: bool,
    /// He has said something in this tick, and in the one before.
    said: bool,
    spoke: bool,
    /// The end of what he said last, to fade out from.
    tail: [i16; RAMP],
}

impl Mixer {
    /// The members from now on. `gain(listener, speaker)` is asked for by the positions in `members`; who was in already goes on.
    pub fn seat(&mut self, members: &[usize], gain: impl Fn(usize, usize) -> Gain) {
        let before = std::mem::take(&mut self.seats);
        let old_count = before.len();
        let mut origin: Vec<Option<usize>> = vec![None; members.len()];
        let mut seats: Vec<Option<Seat>> = members.iter().map(|_| None).collect();
        let mut leaving = Vec::new();
        for (old, seat) in before.into_iter().enumerate() {
            match members.iter().position(|member| seat.leg == Some(*member)) {
                Some(new) => {
                    origin[new] = Some(old);
                    seats[new] = Some(seat);
                }
                None => leaving.push((old, Seat { leg: None, ..seat })),
            }
        }
        self.seats = seats
            .into_iter()
            .zip(members)
            .map(|(seat, leg)| seat.unwrap_or_else(|| Seat::new(*leg)))
            .collect();
        for (old, seat) in leaving {
            origin.push(Some(old));
            self.seats.push(seat);
        }
        let count = self.seats.len();
        let was = std::mem::replace(&mut self.was, vec![Gain::NONE; count * count]);
        self.wanted = vec![Gain::NONE; count * count];
        for listener in 0..members.len() {
            for speaker in 0..count {
                let place = listener * count + speaker;
                if let (Some(l), Some(s)) = (origin[listener], origin[speaker]) {
                    self.was[place] = was[l * old_count + s];
                }
                self.wanted[place] = if speaker >= members.len() {
                    // He fades out at the gain at which he was heard.
                    self.was[place]
                } else if speaker == listener {
                    Gain::NONE
                } else {
                    gain(listener, speaker)
                };
            }
        }
        self.common = (0..count)
            .map(|speaker| {
                let in_full =
                    (0..members.len()).filter(|l| self.wanted[l * count + speaker] == Gain::FULL).count();
                2 * in_full > members.len()
            })
            .collect();
    }

    /// Whether all have left.
    pub fn is_deserted(&self) -> bool {
        self.seats.iter().all(|seat| seat.leg.is_none())
    }

    /// Whether nobody is left, not even fading out.
    pub fn is_empty(&self) -> bool {
        self.seats.is_empty()
    }

    /// What this leg says in this tick, in samples of [`RATE`].
    pub fn say(&mut self, leg: usize, frame: &[i16; FRAME]) {
        if let Some(seat) = self.seats.iter_mut().find(|seat| seat.leg == Some(leg)) {
            (seat.frame, seat.said) = (*frame, true);
        }
    }

    /// The leg has left.
    pub fn leave(&mut self, leg: usize) {
        if let Some(seat) = self.seats.iter_mut().find(|seat| seat.leg == Some(leg)) {
            seat.leg = None;
        }
    }

    /// Mixes what was said in this tick; `hear` gets each listener's mix.
    pub fn mix(&mut self, mut hear: impl FnMut(usize, &[i16; FRAME])) {
        self.seats.iter_mut().for_each(Seat::settle);
        let mut sum = [0; FRAME];
        for (seat, common) in self.seats.iter().zip(&self.common) {
            if seat.sounds && *common {
                add(&mut sum, &seat.frame);
            }
        }
        let count = self.seats.len();
        let everybody = saturated(&sum);
        for (listener, seat) in self.seats.iter().enumerate() {
            let Some(leg) = seat.leg else { continue };
            let mut own = None;
            for (speaker, said) in self.seats.iter().enumerate().filter(|(_, said)| said.sounds) {
                let (was, wanted) =
                    (self.was[listener * count + speaker], self.wanted[listener * count + speaker]);
                let base = if self.common[speaker] { Gain::FULL } else { Gain::NONE };
                if (was, wanted) != (base, base) {
                    add_at(own.get_or_insert(sum), &said.frame, was, wanted, base);
                }
            }
            match own {
                Some(own) => hear(leg, &saturated(&own)),
                None => hear(leg, &everybody),
            }
        }
        self.was.copy_from_slice(&self.wanted);
        if self.seats.iter().any(|seat| seat.leg.is_none()) {
            self.forget_leaving();
        }
    }

    fn forget_leaving(&mut self) {
        let count = self.seats.len();
        let stay: Vec<usize> = (0..count).filter(|seat| self.seats[*seat].leg.is_some()).collect();
        let keep = |row: &[Gain]| -> Vec<Gain> {
            stay.iter().flat_map(|l| stay.iter().map(move |s| row[l * count + s])).collect()
        };
        (self.was, self.wanted) = (keep(&self.was), keep(&self.wanted));
        self.common = stay.iter().map(|seat| self.common[*seat]).collect();
        self.seats.retain(|seat| seat.leg.is_some());
    }
}

impl Seat {
    fn new(leg: usize) -> Self {
        let (frame, tail) = ([0; FRAME], [0; RAMP]);
        Self { leg: Some(leg), frame, sounds: false, said: false, spoke: false, tail }
    }

    /// Whatever begins or breaks off does so without a click.
    fn settle(&mut self) {
        let spoke = std::mem::replace(&mut self.spoke, self.said);
        let said = std::mem::take(&mut self.said);
        self.sounds = said || spoke;
        if said {
            self.tail.copy_from_slice(&self.frame[FRAME - RAMP..]);
        } else if spoke {
            // What was heard last once more, backwards and fading.
            self.frame.fill(0);
            for (index, sample) in self.frame[..RAMP].iter_mut().enumerate() {
                *sample = scaled(self.tail[RAMP - 1 - index], RAMP - index);
            }
        }
        if said && !spoke {
            for (index, sample) in self.frame[..RAMP].iter_mut().enumerate() {
                *sample = scaled(*sample, index);
            }
        }
    }
}

fn scaled(sample: i16, of_ramp: usize) -> i16 {
    (i32::from(sample) * of_ramp as i32 / RAMP as i32) as i16
}

fn add(sum: &mut [i32; FRAME], frame: &[i16; FRAME]) {
    for (sum, sample) in sum.iter_mut().zip(frame) {
        *sum += i32::from(*sample);
    }
}

/// Adds a speaker's part beyond the one that `sum` has already.
fn add_at(sum: &mut [i32; FRAME], frame: &[i16; FRAME], was: Gain, wanted: Gain, base: Gain) {
    let [was, wanted, base] = [was, wanted, base].map(|gain| i32::from(gain.0));
    let (from, to) = (was - base, wanted - base);
    let full = i32::from(Gain::FULL.0);
    if from == to && to == -full {
        for (sum, sample) in sum.iter_mut().zip(frame) {
            *sum -= i32::from(*sample);
        }
        return;
    }
    for (index, (sum, sample)) in sum.iter_mut().zip(frame).enumerate() {
        let of_ramp = index.min(RAMP) as i32;
        let gain = from + (to - from) * of_ramp / RAMP as i32;
        *sum += i32::from(*sample) * gain / full;
    }
}

fn saturated(sum: &[i32; FRAME]) -> [i16; FRAME] {
    sum.map(|sample| sample.clamp(i16::MIN.into(), i16::MAX.into()) as i16)
}

#[cfg(test)]
mod tests;
