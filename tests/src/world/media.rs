//! Media without sound: describes, plays for as long as a prompt would last, records, and reports as the real one does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use media::api::{Channel, Command, Direction, Event, Member, Prompt, Statistics};
use model::{LegId, PlaybackId, RecordingId, SessionId};
use rand::RngExt;
use rand::rngs::StdRng;

const BOTH: Direction = Direction { sends: true, receives: true };

/// How long a slow disk takes to close a file.
const LATE: Duration = Duration::from_secs(30);

#[derive(Default)]
pub(super) struct SimulatedMedia {
    /// Open legs with what is being played to them.
    legs: BTreeMap<LegId, Option<PlaybackId>>,
    ever: BTreeSet<LegId>,
    pairs: BTreeMap<LegId, LegId>,
    channels: BTreeMap<LegId, Channel>,
    /// Whom each member of a conference hears.
    rooms: BTreeMap<SessionId, BTreeMap<LegId, BTreeSet<LegId>>>,
    pub most_members: usize,
    sessions: BTreeMap<LegId, SessionId>,
    recordings: BTreeMap<SessionId, RecordingId>,
    /// Sessions whose recording is silent.
    paused: BTreeSet<SessionId>,
    /// The disk is slow: files are closed a while after they should be, or fail then.
    pub late: Option<bool>,
    /// What each leg is played, whom else it hears, and how its peer described itself last.
    played: BTreeMap<LegId, Vec<Prompt>>,
    peers: BTreeMap<LegId, Arc<[u8]>>,
}

impl SimulatedMedia {
    pub fn open_legs(&self) -> usize {
        self.legs.len()
    }

    /// What this leg hears: a prompt, or its partner as that described itself.
    pub fn heard_by(&self, leg: LegId) -> String {
        if let Some(what) = self.played.get(&leg) {
            return match &what[..] {
                [Prompt::Ringback] => "ring-back".to_owned(),
                [Prompt::Music(_)] => "music".to_owned(),
                _ => "prompts".to_owned(),
            };
        }
        let peer = self.pairs.get(&leg).and_then(|partner| self.peers.get(partner));
        peer.map_or("nothing".to_owned(), |sdp| String::from_utf8_lossy(sdp).into_owned())
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

    /// The recording of the session that runs, and whether it is silent.
    pub fn recording(&self, session: SessionId) -> Option<(RecordingId, bool)> {
        Some((*self.recordings.get(&session)?, self.paused.contains(&session)))
    }

    /// It is not written any more.
    pub fn forget_recording(&mut self, session: SessionId) -> Option<RecordingId> {
        self.recordings.remove(&session)
    }

    /// Whom the leg hears in its conference, if it is in one.
    pub fn conference(&self, leg: LegId) -> Option<&BTreeSet<LegId>> {
        self.rooms.values().find_map(|room| room.get(&leg))
    }

    fn leave(&mut self, leg: LegId) {
        for room in self.rooms.values_mut() {
            room.remove(&leg);
            room.values_mut().for_each(|heard| heard.retain(|other| *other != leg));
        }
        self.rooms.retain(|_, room| !room.is_empty());
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
            Command::Describe { leg, codecs, .. } => vec![(
                soon,
                Event::LocalSdp {
                    leg,
                    sdp: format!("v=0 {leg} {codecs:?}").into_bytes().into(),
                    direction: BOTH,
                },
            )],
            Command::Open { leg, session, channel, offer, codecs, .. } => {
                assert!(self.ever.insert(leg), "leg {leg} opened twice");
                if let Some(offer) = offer {
                    self.peers.insert(leg, offer);
                }
                self.legs.insert(leg, None);
                self.sessions.insert(leg, session);
                self.channels.insert(leg, channel);
                let sdp = format!("v=0 {leg} {codecs:?}").into_bytes().into();
                let mut events = vec![(soon, Event::LocalSdp { leg, sdp, direction: BOTH })];
                if channel == Channel::Customer && random.random_bool(0.5) {
                    let after = Duration::from_millis(random.random_range(500..20_000));
                    let digit = random.random_range(b'0'..=b'9') as char;
                    events.push((after, Event::Digit { leg, digit, duration: Duration::from_millis(100) }));
                }
                events
            }
            Command::Answer { leg, sdp } if self.legs.contains_key(&leg) => {
                if sdp.starts_with(b"v=0 unfit") {
                    return vec![(soon, Event::Incompatible { leg, why: "unfit".to_owned() })];
                }
                self.peers.insert(leg, sdp);
                vec![(soon, Event::Accepted { leg, direction: BOTH })]
            }
            Command::Offer { leg, .. } if self.legs.contains_key(&leg) => {
                let sdp = format!("v=0 {leg}").into_bytes().into();
                vec![(soon, Event::LocalSdp { leg, sdp, direction: BOTH })]
            }
            Command::Play { leg, playback, what, repeat } => {
                let Some(playing) = self.legs.get_mut(&leg) else { return Vec::new() };
                *playing = Some(playback);
                self.played.insert(leg, what.clone());
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
                self.played.remove(&leg);
                Vec::new()
            }
            Command::Connect { a, b } => {
                assert!(
                    self.legs.contains_key(&a) && self.legs.contains_key(&b),
                    "a closed leg was connected"
                );
                for leg in [a, b] {
                    self.part(leg);
                    self.leave(leg);
                }
                self.pairs.extend([(a, b), (b, a)]);
                Vec::new()
            }
            Command::Room { session, members } => {
                self.rooms.remove(&session);
                self.most_members = self.most_members.max(members.len());
                for member in &members {
                    assert!(self.legs.contains_key(&member.leg), "a closed leg is in a conference");
                    assert_eq!(self.sessions.get(&member.leg), Some(&session), "a leg of another session");
                    self.part(member.leg);
                    for (speaker, _) in &member.hears {
                        assert_ne!(*speaker, member.leg, "somebody hears himself");
                        let [listens, speaks] = [member.leg, *speaker].map(|leg| self.channel(leg));
                        let aside = (listens, speaks) == (Some(Channel::Customer), Some(Channel::Aside));
                        assert!(!aside, "the customer hears what is not for him");
                    }
                }
                let row =
                    |member: Member| (member.leg, member.hears.into_iter().map(|(leg, _)| leg).collect());
                if !members.is_empty() {
                    self.rooms.insert(session, members.into_iter().map(row).collect());
                }
                Vec::new()
            }
            Command::StartRecording { session, recording, .. } => {
                let running = self.recordings.insert(session, recording);
                assert_eq!(running, None, "session {session} is recorded twice at once");
                self.paused.remove(&session);
                Vec::new()
            }
            Command::StopRecording { session } => match self.recordings.remove(&session) {
                Some(recording) => {
                    let length = Duration::from_secs(1);
                    let ended = Event::RecordingEnded { recording, duration: length };
                    let why = "no space left on device".to_owned();
                    vec![match self.late {
                        None => (soon, ended),
                        Some(false) => (LATE, ended),
                        Some(true) => (LATE, Event::RecordingFailed { recording, why, kept: length }),
                    }]
                }
                None => Vec::new(),
            },
            Command::PauseRecording { session, paused } => {
                if paused {
                    self.paused.insert(session);
                } else {
                    self.paused.remove(&session);
                }
                Vec::new()
            }
            Command::SetChannel { leg, channel } => {
                self.channels.insert(leg, channel);
                Vec::new()
            }
            Command::Close { leg } => {
                self.legs.remove(&leg);
                self.part(leg);
                self.leave(leg);
                self.played.remove(&leg);
                vec![(soon, Event::Closed { leg, statistics: Statistics::default() })]
            }
            Command::Disconnect { leg } => {
                self.part(leg);
                self.leave(leg);
                Vec::new()
            }
            Command::Announce { leg, playback, what } => {
                let length = Duration::from_secs(2) * u32::try_from(what.len()).unwrap_or(1);
                vec![(length, Event::PlayingEnded { leg, playback, interrupted: false })]
            }
            Command::Answer { .. }
            | Command::Offer { .. }
            | Command::SendDigits { .. }
            | Command::Mute { .. } => Vec::new(),
        }
    }
}
