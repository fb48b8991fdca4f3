//! Playlists: what is heard in each tick, without a gap between the pieces.

use std::f64::consts::TAU;
use std::sync::Arc;
use std::time::Duration;

use model::{Instant, PlaybackId};

use crate::api::Prompt;
use crate::codec::units;
use crate::library::{Library, Pcm};

/// Positions count in samples of this rate.
const RATE: u32 = 8000;

/// The ring-back tone of a region (ITU-T E.180).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RingTone {
    /// Both sound at once; twice the same for a single tone.
    pub hertz: [u16; 2],
    pub on: Duration,
    pub off: Duration,
}

impl RingTone {
    /// Russia and most of Europe.
    pub const EUROPE: RingTone =
        RingTone { hertz: [425, 425], on: Duration::from_secs(1), off: Duration::from_secs(4) };
    pub const NORTH_AMERICA: RingTone =
        RingTone { hertz: [440, 480], on: Duration::from_secs(2), off: Duration::from_secs(4) };

    /// One period of it, at about −16 dBm0 in all.
    pub fn samples(self) -> Pcm {
        let at_rate = |rate: u32| {
            let on = units(self.on, rate) as usize;
            let mut samples = vec![0; on + units(self.off, rate) as usize];
            for (index, sample) in samples[..on].iter_mut().enumerate() {
                let time = index as f64 / f64::from(rate);
                let tone = |hertz: u16| (TAU * f64::from(hertz) * time).sin();
                // Edges of 5 ms, lest it click.
                let edge = (index.min(on - index) as f64 / (f64::from(rate) * 0.005)).min(1.0);
                *sample = (2500.0 * edge * (tone(self.hertz[0]) + tone(self.hertz[1]))) as i16;
            }
            samples
        };
        Pcm { narrow: at_rate(RATE), wide: at_rate(2 * RATE) }
    }
}

/// Where music begins for somebody who is to wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum MusicStart {
    /// For each at its beginning, and later where he was interrupted.
    #[default]
    Each,
    /// Where it is for all others: it runs by the clock, as a station does.
    Shared,
}

/// Where a leg last left each piece of music.
pub type MusicPositions = Vec<(Arc<str>, usize)>;

/// A playlist in progress.
#[derive(Clone, Debug)]
pub struct Playback {
    pub id: PlaybackId,
    items: Vec<Item>,
    repeat: bool,
    current: usize,
    /// Samples of 8 kHz within the current item.
    position: usize,
    /// Samples of 8 kHz on the clock of all, when music runs by that.
    shared: Option<u64>,
}

#[derive(Clone, Debug)]
enum Item {
    Once(Arc<Pcm>),
    Endless { pcm: Arc<Pcm>, music: Option<Arc<str>> },
    Silence(usize),
}

impl Playback {
    /// `missing` gets the names that the library does not have: such a prompt is left out, such music is silence without end.
    pub fn new(
        id: PlaybackId,
        what: Vec<Prompt>,
        repeat: bool,
        library: &Library,
        ringback: &Arc<Pcm>,
        (music, shared): (&MusicPositions, Option<Instant>),
        mut missing: impl FnMut(Prompt),
    ) -> Self {
        let mut items = Vec::with_capacity(what.len());
        for prompt in what {
            let pcm = library.get(&prompt).cloned();
            items.push(match (&prompt, pcm) {
                (Prompt::File(_), Some(pcm)) => Item::Once(pcm),
                (Prompt::Music(name), Some(pcm)) => Item::Endless { pcm, music: Some(name.clone()) },
                (Prompt::Ringback, _) => Item::Endless { pcm: ringback.clone(), music: None },
                (Prompt::Silence(time), _) => Item::Silence(units(*time, RATE) as usize),
                (Prompt::File(_), None) => {
                    missing(prompt);
                    continue;
                }
                (Prompt::Music(_), None) => {
                    missing(prompt);
                    Item::Endless { pcm: Arc::default(), music: None }
                }
            });
        }
        let shared = shared.map(|now| units(now.saturating_since(Instant::ZERO), RATE));
        let mut playback = Self { id, items, repeat, current: 0, position: 0, shared };
        playback.begin(music);
        playback
    }

    /// Fills a frame of 8 or 16 kHz. Returns how many of its samples belong to the playlist: fewer than all when it ended
    /// with this frame, whose rest is silence.
    pub fn fill(&mut self, rate: u32, frame: &mut [i16], music: &mut MusicPositions) -> usize {
        let scale = (rate / RATE) as usize;
        let mut filled = 0;
        // Items since the last sample: a round of empty ones ends also a list that repeats.
        let mut idle = 0;
        while filled < frame.len() {
            let Some(item) = self.items.get(self.current) else {
                if self.repeat && idle <= self.items.len() && !self.items.is_empty() {
                    self.current = 0;
                    self.begin(music);
                    continue;
                }
                break;
            };
            let rest = &mut frame[filled..];
            let from = self.position * scale;
            let took = match item {
                Item::Once(pcm) => copy(rest, samples(pcm, rate).get(from..).unwrap_or_default()),
                Item::Silence(length) => {
                    let took = rest.len().min((length * scale).saturating_sub(from));
                    rest[..took].fill(0);
                    took
                }
                Item::Endless { pcm, .. } => {
                    let samples = samples(pcm, rate);
                    if samples.len() < scale {
                        rest.fill(0);
                        rest.len()
                    } else {
                        copy(rest, &samples[from.min(samples.len() - scale)..])
                    }
                }
            };
            filled += took;
            if let Some(shared) = &mut self.shared {
                *shared += (took / scale) as u64;
            }
            self.position += took / scale;
            idle = if took > 0 { 0 } else { idle + 1 };
            self.advance(rate, music);
        }
        frame[filled..].fill(0);
        filled
    }

    /// Whether nothing is left to play.
    pub fn is_over(&self) -> bool {
        self.current >= self.items.len() && (!self.repeat || self.items.is_empty())
    }

    /// Goes to the next item when the current one is through, and remembers where music is.
    fn advance(&mut self, rate: u32, music: &mut MusicPositions) {
        let scale = (rate / RATE) as usize;
        match self.items.get(self.current) {
            Some(Item::Once(pcm)) if self.position < samples(pcm, rate).len() / scale => {}
            Some(Item::Silence(length)) if self.position < *length => {}
            Some(Item::Endless { pcm, music: name }) => {
                let length = samples(pcm, rate).len() / scale;
                if self.position >= length {
                    self.position = 0;
                }
                if let Some(name) = name {
                    match music.iter_mut().find(|(known, _)| known == name) {
                        Some((_, position)) => *position = self.position,
                        None => music.push((name.clone(), self.position)),
                    }
                }
            }
            Some(Item::Once(_) | Item::Silence(_)) => {
                self.current += 1;
                self.begin(music);
            }
            None => {}
        }
    }

    fn begin(&mut self, music: &MusicPositions) {
        self.position = match self.items.get(self.current) {
            Some(Item::Endless { pcm, music: Some(_) }) if let Some(shared) = self.shared => {
                (shared % (pcm.narrow.len() as u64).max(1)) as usize
            }
            Some(Item::Endless { music: Some(name), .. }) => {
                music.iter().find(|(known, _)| known == name).map_or(0, |(_, position)| *position)
            }
            Some(Item::Endless { music: None, .. } | Item::Once(_) | Item::Silence(_)) | None => 0,
        };
    }
}

fn samples(pcm: &Pcm, rate: u32) -> &[i16] {
    if rate == RATE { &pcm.narrow } else { &pcm.wide }
}

fn copy(to: &mut [i16], from: &[i16]) -> usize {
    let length = to.len().min(from.len());
    to[..length].copy_from_slice(&from[..length]);
    length
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn ramp(length: i16) -> Pcm {
        Pcm { narrow: (1..=length).collect(), wide: (2..=2 * length + 1).map(|n| n / 2).collect() }
    }

    fn library() -> Library {
        let mut library = Library::default();
        library.insert_file("a", ramp(250));
        library.insert_file("b", ramp(30));
        library.insert_music("m", ramp(400));
        library
    }

    fn start(what: Vec<Prompt>, repeat: bool, music: &MusicPositions) -> Playback {
        let ringback = Arc::new(RingTone::EUROPE.samples());
        Playback::new(PlaybackId(Uuid::nil()), what, repeat, &library(), &ringback, (music, None), |prompt| {
            assert_eq!(prompt, file("none"));
        })
    }

    fn file(name: &str) -> Prompt {
        Prompt::File(name.into())
    }

    fn collect(playback: &mut Playback, frames: usize, music: &mut MusicPositions) -> Vec<i16> {
        let mut all = Vec::new();
        for _ in 0..frames {
            let mut frame = [7; 160];
            let filled = playback.fill(8000, &mut frame, music);
            all.extend_from_slice(&frame[..filled]);
        }
        all
    }

    #[test]
    fn pieces_follow_without_a_gap() {
        let what = vec![file("a"), file("none"), Prompt::Silence(Duration::from_millis(5)), file("b")];
        let mut playback = start(what, false, &Vec::new());
        let heard = collect(&mut playback, 4, &mut Vec::new());
        let expected: Vec<i16> = (1..=250).chain([0; 40]).chain(1..=30).collect();
        assert_eq!(heard, expected);
        assert!(playback.is_over());
    }

    #[test]
    fn wide_legs_hear_the_same_for_the_same_time() {
        let mut playback = start(vec![file("a"), file("b")], false, &Vec::new());
        let mut frame = [0; 320];
        let heard: usize = (0..3).map(|_| playback.fill(16_000, &mut frame, &mut Vec::new())).sum();
        assert_eq!(heard, 2 * 280);
        assert!(playback.is_over());
    }

    #[test]
    fn music_goes_on_where_the_leg_left_it() {
        let mut music = Vec::new();
        let first = collect(&mut start(vec![Prompt::Music("m".into())], false, &music), 3, &mut music);
        let then = collect(&mut start(vec![Prompt::Music("m".into())], false, &music), 1, &mut music);
        assert_eq!(first, (1..=400).chain(1..=80).collect::<Vec<i16>>());
        assert_eq!(then, (81..=240).collect::<Vec<i16>>());
    }

    #[test]
    fn a_repeating_list_goes_round_and_an_empty_one_ends() {
        let heard = collect(&mut start(vec![file("b")], true, &Vec::new()), 2, &mut Vec::new());
        assert_eq!(heard, (1..=30).cycle().take(320).collect::<Vec<i16>>());
        let mut empty = start(vec![Prompt::Silence(Duration::ZERO), file("none")], true, &Vec::new());
        assert_eq!(collect(&mut empty, 2, &mut Vec::new()), [0; 0]);
        assert_eq!(collect(&mut start(Vec::new(), true, &Vec::new()), 2, &mut Vec::new()), [0; 0]);
    }

    #[test]
    fn ringback_keeps_its_cadence() {
        let pcm = RingTone::NORTH_AMERICA.samples();
        assert_eq!((pcm.narrow.len(), pcm.wide.len()), (48_000, 96_000));
        assert!(pcm.narrow[16_000..].iter().all(|sample| *sample == 0));
        assert!(pcm.narrow[..16_000].iter().any(|sample| *sample > 4000));
    }
}
