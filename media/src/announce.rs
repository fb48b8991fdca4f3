//! Announcements over music: the music goes down to a quarter, the announcement is heard, the music comes up again.

use model::PlaybackId;

use crate::play::{MusicPositions, Playback};

/// Full loudness, and the music's while somebody speaks over it: −12 dB.
const FULL: i32 = 1 << 15;
const LOW: i32 = FULL / 4;
/// Ticks of 20 ms that it takes from one to the other.
const SLOPE: i32 = 5;

/// One announcement and how loud the music under it is.
#[derive(Debug)]
pub struct Over {
    playback: Playback,
    /// It was said to have ended.
    told: bool,
    gain: i32,
}

impl Over {
    pub fn new(playback: Playback) -> Self {
        Self { playback, told: false, gain: FULL }
    }

    /// One that follows another takes over the music as loud as that left it.
    pub fn after(playback: Playback, before: Option<&Over>) -> Self {
        Self { gain: before.map_or(FULL, |over| over.gain), ..Self::new(playback) }
    }

    /// Its id, unless it was said to have ended.
    pub fn running(&self) -> Option<PlaybackId> {
        (!self.told).then_some(self.playback.id)
    }

    /// Lays this tick's part over the music in `frame`. Returns the id of an announcement that ends with it.
    pub fn lay(
        &mut self,
        rate: u32,
        frame: &mut [i16],
        positions: &mut MusicPositions,
    ) -> Option<PlaybackId> {
        let mut said = [0; 320];
        let said = &mut said[..frame.len().min(320)];
        if !self.told {
            self.playback.fill(rate, said, positions);
        }
        let aim = if self.playback.is_over() { FULL } else { LOW };
        let step = (FULL - LOW) / (SLOPE * said.len().max(1) as i32) + 1;
        for (sample, said) in frame.iter_mut().zip(said) {
            self.gain += (aim - self.gain).clamp(-step, step);
            *sample = ((i32::from(*sample) * self.gain) >> 15)
                .saturating_add(i32::from(*said))
                .clamp(-32_768, 32_767) as i16;
        }
        let ended = self.playback.is_over() && !std::mem::replace(&mut self.told, self.playback.is_over());
        ended.then_some(self.playback.id)
    }

    /// Nothing is to be heard of it any more.
    pub fn is_over(&self) -> bool {
        self.told && self.gain == FULL
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use uuid::Uuid;

    use super::*;
    use crate::api::Prompt;
    use crate::library::{Library, Pcm};

    #[test]
    fn music_goes_down_and_comes_back_without_a_jump_at_either_rate() {
        let mut library = Library::default();
        library.insert_file("pause", Pcm { narrow: vec![0; 4000], wide: vec![0; 8000] });
        for rate in [8000, 16_000] {
            let what = vec![Prompt::File("pause".into())];
            let id = PlaybackId(Uuid::nil());
            let mut positions = MusicPositions::new();
            let ringback = Arc::default();
            let playback = Playback::new(id, what, false, &library, &ringback, (&positions, None), |_| {
                panic!("it is there")
            });
            let mut over = Over::new(playback);
            let mut heard = vec![8000];
            let mut ended = 0;
            while !over.is_over() {
                let mut frame = vec![8000; rate as usize / 50];
                ended += usize::from(over.lay(rate, &mut frame, &mut positions).is_some());
                heard.extend(frame);
            }
            assert_eq!(ended, 1);
            let length = heard.len() as f64 / f64::from(rate);
            assert!((0.58..0.66).contains(&length), "{length} s at {rate} Hz");
            assert!(heard.windows(2).all(|pair| (pair[1] - pair[0]).abs() < 20), "a jump at {rate} Hz");
            assert_eq!((heard.iter().min(), heard.last()), (Some(&2000), Some(&8000)));
        }
    }
}
