//! Media without sound: describes, plays for as long as a prompt would last, records, and reports as the real one does.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use media::api::{Channel, Command, Direction, Event, Prompt, Statistics};
use model::{LegId, PlaybackId, RecordingId, SessionId};
use rand::RngExt;
use rand::rngs::StdRng;

const BOTH: Direction = Direction { sends: true, receives: true };

#[derive(Default)]
pub(super) struct SimulatedMedia {
    /// Open legs with what is being played to them.
    legs: BTreeMap<LegId, Option<PlaybackId>>,
    ever: BTreeSet<LegId>,
    pairs: BTreeMap<LegId, LegId>,
    channels: BTreeMap<LegId, Channel>,
    recordings: BTreeMap<SessionId, RecordingId>,
}

impl SimulatedMedia {
    pub fn open_legs(&self) -> usize {
        self.legs.len()
    }

    /// Whom the leg hears, unless something is played to it.
    pub fn partner(&self, leg: LegId) -> Option<LegId> {
        self.pairs.get(&leg).copied().filter(|_| !self.plays(leg))
    }

    pub fn plays(&self, leg: LegId) -> bool {
        self.legs.get(&leg).is_some_and(Option::is_some)
    }

    pub fn channel(&self, leg: LegId) -> Option<Channel> {
        self.channels.get(&leg).copied()
    }

    fn part(&mut self, leg: LegId) {
        if let Some(partner) = self.pairs.remove(&leg) {
            self.pairs.remove(&partner);
        }
    }

    /// Whether what was scheduled has not been overtaken by a later command.
    pub fn still_true(&self, event: &Event) -> bool {
        match event {
            Event::PlayingEnded { leg, playback, .. } => self.legs.get(leg) == Some(&Some(*playback)),
            Event::Digit { leg, .. } => self.legs.contains_key(leg),
            _ => true,
        }
    }

    pub fn handle(&mut self, command: Command, random: &mut StdRng) -> Vec<(Duration, Event)> {
        let soon = Duration::from_micros(random.random_range(50..5_000));
        match command {
            Command::Open { leg, channel, .. } => {
                assert!(self.ever.insert(leg), "leg {leg} opened twice");
                self.legs.insert(leg, None);
                self.channels.insert(leg, channel);
                let sdp = format!("v=0 {leg}").into_bytes().into();
                let mut events = vec![(soon, Event::LocalSdp { leg, sdp, direction: BOTH })];
                if channel == Channel::Customer && random.random_bool(0.5) {
                    let after = Duration::from_millis(random.random_range(500..20_000));
                    let digit = random.random_range(b'0'..=b'9') as char;
                    events.push((after, Event::Digit { leg, digit, duration: Duration::from_millis(100) }));
                }
                events
            }
            Command::Answer { leg, .. } if self.legs.contains_key(&leg) => {
                vec![(soon, Event::Accepted { leg, direction: BOTH })]
            }
            Command::Offer { leg, .. } if self.legs.contains_key(&leg) => {
                let sdp = format!("v=0 {leg}").into_bytes().into();
                vec![(soon, Event::LocalSdp { leg, sdp, direction: BOTH })]
            }
            Command::Play { leg, playback, what, repeat } => {
                let Some(playing) = self.legs.get_mut(&leg) else { return Vec::new() };
                *playing = Some(playback);
                let endless = repeat || what.iter().any(|prompt| matches!(prompt, Prompt::Music(_)));
                if endless {
                    return Vec::new();
                }
                let length = Duration::from_secs(2) * u32::try_from(what.len()).unwrap_or(1);
                vec![(length, Event::PlayingEnded { leg, playback, interrupted: false })]
            }
            Command::StopPlaying { leg } => {
                if let Some(playing) = self.legs.get_mut(&leg) {
                    *playing = None;
                }
                Vec::new()
            }
            Command::Connect { a, b } => {
                assert!(
                    self.legs.contains_key(&a) && self.legs.contains_key(&b),
                    "a closed leg was connected"
                );
                self.part(a);
                self.part(b);
                self.pairs.extend([(a, b), (b, a)]);
                Vec::new()
            }
            Command::StartRecording { session, recording, .. } => {
                let running = self.recordings.insert(session, recording);
                assert_eq!(running, None, "session {session} is recorded twice at once");
                Vec::new()
            }
            Command::StopRecording { session } => match self.recordings.remove(&session) {
                Some(recording) => {
                    vec![(soon, Event::RecordingEnded { recording, duration: Duration::from_secs(1) })]
                }
                None => Vec::new(),
            },
            Command::SetChannel { leg, channel } => {
                self.channels.insert(leg, channel);
                Vec::new()
            }
            Command::Close { leg } => {
                self.legs.remove(&leg);
                self.part(leg);
                vec![(soon, Event::Closed { leg, statistics: Statistics::default() })]
            }
            Command::Answer { .. }
            | Command::Offer { .. }
            | Command::Disconnect { .. }
            | Command::SendDigits { .. }
            | Command::Mute { .. } => Vec::new(),
        }
    }
}
