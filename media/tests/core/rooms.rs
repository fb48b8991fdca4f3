//! Conferences: measured at the ears of their members.

use std::f64::consts::TAU;

use media::api::{Channel, Command, Gain, Member, Prompt};
use media::codec::Codec;
use media::tone;

use crate::world::{SESSION, World, leg};

const HERTZ: [f64; 4] = [420.0, 680.0, 1000.0, 1500.0];

/// Phones of different codecs and packet times, each with a tone of its own.
fn phones(count: usize) -> World {
    let mut world = World::new();
    let kinds = [(Codec::Pcmu, 20), (Codec::Pcma, 20), (Codec::Pcma, 30), (Codec::Pcmu, 10)];
    for (number, (codec, packet)) in kinds.into_iter().take(count).enumerate() {
        let channel = if number == 0 { Channel::Customer } else { Channel::Agent };
        world.phone(codec, packet, channel, HERTZ[number]);
    }
    world
}

/// All of these hear each other, but for what `gain` says.
fn room(world: &mut World, members: &[usize], gain: impl Fn(usize, usize) -> Gain) {
    let hears =
        |listener: usize| members.iter().map(|speaker| (leg(*speaker), gain(listener, *speaker))).collect();
    let members =
        members.iter().map(|listener| Member { leg: leg(*listener), hears: hears(*listener) }).collect();
    world.command(Command::Room { session: SESSION, members });
}

fn full(_: usize, _: usize) -> Gain {
    Gain::FULL
}

/// Which tones each phone hears.
fn heard(world: &World, listener: usize) -> Vec<usize> {
    let level = |speaker: &usize| world.phones[listener].hears(HERTZ[*speaker]);
    let found: Vec<usize> = (0..world.phones.len()).filter(|speaker| level(speaker) > -20.0).collect();
    for speaker in 0..world.phones.len() {
        let level = level(&speaker);
        assert!(level.abs() < 1.5 || level < -34.0, "{listener} hears {speaker} at {level} dB");
    }
    found
}

#[test]
fn all_hear_each_other_and_none_himself_whatever_their_codecs() {
    let mut world = phones(4);
    room(&mut world, &[0, 1, 2, 3], full);
    world.run(3000);
    for listener in 0..4 {
        let others: Vec<usize> = (0..4).filter(|speaker| *speaker != listener).collect();
        assert_eq!(heard(&world, listener), others, "{listener}");
        world.phones[listener].assert_one_stream(60);
    }
}

#[test]
fn a_whisper_reaches_the_operator_alone_and_who_monitors_is_heard_by_nobody() {
    let mut world = phones(4);
    // 0 is the customer, 1 the operator, 2 whispers, 3 listens.
    let gain = |listener: usize, speaker: usize| match (listener, speaker) {
        (_, 3) | (0 | 3, 2) => Gain::NONE,
        _ => Gain::FULL,
    };
    room(&mut world, &[0, 1, 2, 3], gain);
    world.run(2500);
    assert_eq!(heard(&world, 0), [1]);
    assert_eq!(heard(&world, 1), [0, 2]);
    assert_eq!(heard(&world, 2), [0, 1]);
    assert_eq!(heard(&world, 3), [0, 1]);
}

#[test]
fn a_call_goes_into_a_conference_and_back_in_the_same_streams() {
    let mut world = phones(3);
    world.connect(0, 1);
    world.run(1500);
    room(&mut world, &[0, 1, 2], full);
    world.run(2000);
    assert_eq!((heard(&world, 0), heard(&world, 2)), (vec![1, 2], vec![0, 1]));
    world.command(Command::Room { session: SESSION, members: Vec::new() });
    world.connect(0, 1);
    world.run(2000);
    assert_eq!((heard(&world, 0), heard(&world, 1)), (vec![1], vec![0]));
    world.phones[0].assert_one_stream(70);
    world.phones[1].assert_one_stream(70);
    let before = world.phones[2].got.len();
    world.run(200);
    assert_eq!(world.phones[2].got.len(), before, "who is out hears nothing more");
}

#[test]
fn joining_leaving_and_muting_are_no_click_for_the_others() {
    let mut world = phones(4);
    // Low and loud, so that a tone that is cut off makes a far greater step than its own.
    let voices = [(None, 0.0), (Some(114.0), 1000.0), (None, 0.0), (Some(158.0), 8000.0)];
    for (phone, (hertz, peak)) in world.phones.iter_mut().zip(voices) {
        (phone.hertz, phone.peak) = (hertz, peak);
    }
    room(&mut world, &[0, 1, 2], full);
    world.run(1003);
    room(&mut world, &[0, 1, 2, 3], full);
    for pause in [503, 611, 547, 619] {
        world.run(pause);
        world.command(Command::Mute { leg: leg(3), muted: true });
        world.run(307);
        world.command(Command::Mute { leg: leg(3), muted: false });
    }
    world.run(500);
    room(&mut world, &[0, 1, 2], full);
    world.run(300);
    room(&mut world, &[0, 1, 2, 3], full);
    world.run(500);
    world.command(Command::Close { leg: leg(3) });
    world.run(1000);
    let slope = |(hertz, peak): &(Option<f64>, f64)| peak * TAU * hertz.unwrap_or(0.0) / 8000.0;
    // And G.711's own steps at that loudness, and the ramps of 5 ms.
    let bound = voices.iter().map(slope).sum::<f64>() as i32 + 512 + 2 * 8000 / 40;
    let samples = world.phones[0].samples();
    let found = samples.windows(2).map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs()).max().unwrap();
    assert!(found <= bound, "a step of {found} where {bound} is the most");
    assert!(samples.iter().any(|sample| *sample > 7000), "he was heard");
    world.phones[0].assert_one_stream(60);
}

#[test]
fn a_muted_member_is_heard_by_nobody_and_hears_all() {
    let mut world = phones(3);
    room(&mut world, &[0, 1, 2], full);
    world.command(Command::Mute { leg: leg(2), muted: true });
    world.run(2500);
    assert_eq!((heard(&world, 0), heard(&world, 1), heard(&world, 2)), (vec![1], vec![0], vec![0, 1]));
}

#[test]
fn who_is_played_something_hears_that_and_the_others_hear_him_still() {
    let mut world = phones(3);
    room(&mut world, &[0, 1, 2], full);
    world.run(500);
    world.play(0, 1, &[Prompt::Music("hold".into())]);
    world.run(2000);
    assert!(world.phones[0].hears(700.0) > -1.0 && world.phones[0].hears(HERTZ[2]) < -30.0);
    assert_eq!(heard(&world, 2), [0, 1]);
    world.command(Command::StopPlaying { leg: leg(0) });
    world.run(1500);
    assert_eq!(heard(&world, 0), [1, 2]);
    world.phones[0].assert_one_stream(60);
}

#[test]
fn jitter_of_a_member_is_not_heard() {
    let mut world = phones(3);
    world.network = |n| match n % 7 {
        1 => &[15],
        3 => &[30],
        _ => &[5],
    };
    room(&mut world, &[0, 1, 2], full);
    world.run(4000);
    for listener in 0..3 {
        let others: Vec<usize> = (0..3).filter(|speaker| *speaker != listener).collect();
        assert_eq!(heard(&world, listener), others);
        let samples = world.phones[listener].samples();
        let quietest = samples[4000..].chunks_exact(160).map(tone::loudness).fold(f64::MAX, f64::min);
        assert!(quietest > 5000.0, "{listener} heard 20 ms at {quietest} where two tones make 8000");
    }
}

#[test]
fn nothing_is_left_of_a_conference_whose_members_hang_up() {
    let mut world = phones(3);
    room(&mut world, &[0, 1, 2], full);
    world.run(500);
    for number in 0..3 {
        world.command(Command::Close { leg: leg(number) });
    }
    world.run(100);
    assert!(world.core.is_idle());
    assert_eq!(world.core.conferences(), 0);
    room(&mut world, &[0, 1, 2], full);
    world.run(100);
    assert_eq!(world.core.conferences(), 0, "legs that are not there make none");
}
