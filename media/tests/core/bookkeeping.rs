//! Random commands, packets and ticks: everything that was begun ends, exactly once.

use std::collections::BTreeMap;

use media::api::{Channel, Command, Event, LegKind, Prompt};
use media::codec::Codec;
use media::core::Output;
use model::{RecordingId, SessionId};
use proptest::prelude::*;
use uuid::Uuid;

use crate::world::{SESSION, World, leg, playback};

#[derive(Clone, Debug)]
enum Step {
    Open(usize),
    Close(usize),
    Connect(usize, usize),
    Disconnect(usize),
    Play(usize, u8, bool),
    Stop(usize),
    Digits(usize),
    Mute(usize, bool),
    Way(usize, bool),
    Record(bool),
    Fail,
    Run(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let leg = 0usize..4;
    let step = prop_oneof![
        3 => leg.clone().prop_map(Step::Open),
        1 => leg.clone().prop_map(Step::Close),
        2 => (leg.clone(), leg.clone()).prop_map(|(a, b)| Step::Connect(a, b)),
        1 => leg.clone().prop_map(Step::Disconnect),
        2 => (leg.clone(), 0u8..4, any::<bool>()).prop_map(|(leg, what, repeat)| Step::Play(leg, what, repeat)),
        1 => leg.clone().prop_map(Step::Stop),
        1 => leg.clone().prop_map(Step::Digits),
        1 => (leg.clone(), any::<bool>()).prop_map(|(leg, muted)| Step::Mute(leg, muted)),
        1 => (leg.clone(), any::<bool>()).prop_map(|(leg, held)| Step::Way(leg, held)),
        1 => any::<bool>().prop_map(Step::Record),
        1 => Just(Step::Fail),
        4 => (1u64..300).prop_map(Step::Run),
    ];
    proptest::collection::vec(step, 1..50)
}

/// Phones 0 to 3 of which each opens at most once; playbacks and recordings get numbers of their own.
fn run(steps: Vec<Step>) -> (World, u8, u8) {
    let mut world = World::new();
    let mut index_of = BTreeMap::new();
    let (mut playbacks, mut recordings) = (0, 0);
    for step in steps {
        // A leg that was never opened has an id that the core does not know.
        let id = |number: usize| leg(*index_of.get(&number).unwrap_or(&(100 + number)));
        match step {
            Step::Open(number) => {
                if index_of.contains_key(&number) {
                    continue;
                }
                let codec = if number % 2 == 0 { Codec::Pcmu } else { Codec::Pcma };
                let channel = if number < 2 { Channel::Customer } else { Channel::Agent };
                let packet = [20, 30, 20, 10][number];
                let kind = LegKind::Rtp { nat: number == 3, encryption: Default::default() };
                index_of.insert(number, world.phone_with(codec, packet, channel, 1000.0, kind));
            }
            Step::Close(number) => world.command(Command::Close { leg: id(number) }),
            Step::Connect(a, b) => world.command(Command::Connect { a: id(a), b: id(b) }),
            Step::Disconnect(number) => world.command(Command::Disconnect { leg: id(number) }),
            Step::Play(number, what, repeat) => {
                playbacks += 1;
                let what = match what {
                    0 => vec![],
                    1 => vec![Prompt::File("short".into()), Prompt::File("none".into())],
                    2 => vec![Prompt::Music("hold".into())],
                    _ => vec![Prompt::Ringback],
                };
                let playback = playback(playbacks);
                world.command(Command::Play { leg: id(number), playback, what, repeat });
            }
            Step::Stop(number) => world.command(Command::StopPlaying { leg: id(number) }),
            Step::Digits(number) => {
                world.command(Command::SendDigits { leg: id(number), digits: "1#".into() })
            }
            Step::Mute(number, muted) => world.command(Command::Mute { leg: id(number), muted }),
            Step::Way(number, held) => {
                let Some(&index) = index_of.get(&number) else { continue };
                let sdp = world.description(index, if held { "sendonly" } else { "sendrecv" });
                world.command(Command::Offer { leg: leg(index), sdp });
            }
            Step::Record(true) => {
                recordings += 1;
                let recording = RecordingId(Uuid::from_bytes([recordings; 16]));
                world.command(Command::StartRecording {
                    session: SESSION,
                    recording,
                    file: "a.wav".into(),
                    channels: 2,
                });
            }
            Step::Record(false) => world.command(Command::StopRecording { session: SESSION }),
            Step::Fail => {
                world.core.recording_failed(RecordingId(Uuid::from_bytes([200; 16])));
            }
            Step::Run(millis) => world.run(millis),
        }
    }
    for index in 0..world.phones.len() {
        world.command(Command::Close { leg: leg(index) });
    }
    world.command(Command::StopRecording { session: SESSION });
    world.command(Command::StopRecording { session: SessionId(Uuid::nil()) });
    (world, playbacks, recordings)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn everything_ends_exactly_once(steps in steps()) {
        let (world, playbacks, recordings) = run(steps);
        prop_assert!(world.core.is_idle());
        let mut ended: Vec<_> = world.endings().iter().map(|(playback, _)| *playback).collect();
        ended.sort();
        prop_assert_eq!(ended, (1..=playbacks).collect::<Vec<_>>());
        let closed = world.events.iter().filter(|event| matches!(event, Event::Closed { .. })).count();
        prop_assert_eq!(closed, world.phones.len());
        let mut sockets: Vec<_> = world.others.iter().filter_map(|output| match output {
            Output::CloseSocket(key) => Some(key.0),
            _ => None,
        }).collect();
        sockets.sort();
        prop_assert_eq!(sockets, (1..=2 * world.phones.len() as u32).collect::<Vec<_>>());
        let (mut open, mut written) = (0u8, 0);
        for output in &world.others {
            match output {
                Output::OpenRecording { recording, .. } => {
                    open += 1;
                    prop_assert_eq!(recording.0.as_bytes()[0], open);
                }
                Output::CloseRecording { recording, duration } => {
                    prop_assert_eq!(recording.0.as_bytes()[0], open);
                    let samples = world.recorded.get(recording).map_or(0, Vec::len);
                    prop_assert_eq!(samples as u128, duration.as_millis() * 16);
                    written += 1;
                }
                _ => {}
            }
        }
        prop_assert_eq!((open, written), (recordings, recordings));
        for phone in &world.phones {
            let ssrcs = phone.got.iter().map(|got| got.header.ssrc).collect::<std::collections::BTreeSet<_>>();
            prop_assert!(ssrcs.len() <= 1);
            for pair in phone.got.windows(2) {
                let step = pair[1].header.sequence.wrapping_sub(pair[0].header.sequence);
                prop_assert_eq!(step, 1, "a gap at {} ms", pair[1].at);
                let time = pair[1].header.timestamp.wrapping_sub(pair[0].header.timestamp) as i32;
                prop_assert!(time >= 0, "back in time at {} ms", pair[1].at);
            }
        }
    }
}
