use std::path::PathBuf;

use media::api::{Channel, Command, Prompt};
use media::codec::Codec;
use media::core::Output;
use media::tone;

use crate::world::{PEAK, RECORDING, SESSION, World, leg};

fn start(world: &mut World) {
    start_with(world, 2);
}

fn start_with(world: &mut World, channels: usize) {
    let file = PathBuf::from("a.wav");
    world.command(Command::StartRecording { session: SESSION, recording: RECORDING, file, channels });
}

fn decibels(samples: &[i16], hertz: f64) -> f64 {
    tone::decibels(tone::level(samples, 8000, hertz), PEAK)
}

#[test]
fn each_side_is_on_its_channel_whatever_happens_to_its_packets() {
    let mut world = World::new();
    world.phone(Codec::Pcmu, 20, Channel::Customer, 1000.0);
    world.phone(Codec::Pcma, 20, Channel::Agent, 600.0);
    world.connect(0, 1);
    start(&mut world);
    world.network = |n| match n % 50 {
        11 => &[],
        20 | 21 => &[0, 3],
        30..36 => &[47],
        41 => &[90],
        _ => &[2],
    };
    world.run(5000);
    world.command(Command::StopRecording { session: SESSION });
    let [left, right] = world.channels();
    assert_eq!((left.len(), right.len()), (40_000, 40_000));
    for second in 1..5 {
        let part = second * 8000 - 4000..second * 8000 + 4000;
        assert!(decibels(&left[part.clone()], 1000.0) > -1.0, "left at {second} s");
        assert!(decibels(&right[part.clone()], 600.0) > -1.0, "right at {second} s");
        assert!(decibels(&left[part.clone()], 600.0) < -30.0);
        assert!(decibels(&right[part], 1000.0) < -30.0);
    }
    // Nothing is heard twice over: no sample is louder than the tone.
    assert!(left.iter().chain(&right).all(|sample| f64::from(sample.abs()) < PEAK * 1.05));
    let Some(Output::CloseRecording { duration, .. }) = world.others.last() else { panic!("closed") };
    assert_eq!(duration.as_millis(), 5000);
}

#[test]
fn both_sides_are_where_they_belong_in_time() {
    let mut world = World::new();
    world.phone(Codec::Pcmu, 20, Channel::Customer, 1000.0);
    world.phone(Codec::Pcma, 20, Channel::Agent, 600.0);
    world.connect(0, 1);
    start(&mut world);
    world.network = |n| if n % 3 == 0 { &[38] } else { &[0] };
    world.run(1000);
    for phone in 0..2 {
        world.phones[phone].hertz = None;
    }
    world.run(1000);
    for phone in 0..2 {
        world.phones[phone].hertz = Some(1000.0);
    }
    world.run(1000);
    world.command(Command::StopRecording { session: SESSION });
    for channel in world.channels() {
        let loud = |index: &usize| tone::loudness(&channel[*index..index + 80]) > 1000.0;
        let begin = (0..8000).step_by(8).find(loud).unwrap();
        let silence = (4000..16_000).step_by(8).find(|index| !loud(index)).unwrap();
        let again = (silence..24_000).step_by(8).find(loud).unwrap();
        assert!(begin / 8 <= 80, "{} ms", begin / 8);
        assert!((940..=1080).contains(&(silence / 8)), "{} ms", silence / 8);
        assert!((1940..=2080).contains(&(again / 8)), "{} ms", again / 8);
    }
}

#[test]
fn the_recording_goes_on_over_a_replaced_leg_hold_and_mute() {
    let mut world = World::new();
    world.phone(Codec::Pcmu, 20, Channel::Customer, 1000.0);
    world.phone(Codec::Pcma, 20, Channel::Agent, 600.0);
    world.connect(0, 1);
    start(&mut world);
    world.run(1000);
    world.command(Command::Close { leg: leg(1) });
    world.play(0, 1, &[Prompt::Music("hold".into())]);
    world.run(1000);
    world.command(Command::StopPlaying { leg: leg(0) });
    world.phones[1].hertz = None;
    let third = world.phone(Codec::Pcma, 20, Channel::Agent, 800.0);
    world.connect(0, third);
    world.run(1000);
    world.command(Command::Mute { leg: leg(third), muted: true });
    world.run(1000);
    world.command(Command::StopRecording { session: SESSION });
    let [left, right] = world.channels();
    assert_eq!(left.len(), 32_000);
    for second in 0..4 {
        let middle = second * 8000 + 2000..second * 8000 + 6000;
        assert!(decibels(&left[middle], 1000.0) > -1.0, "left at {second} s");
    }
    assert!(decibels(&right[2000..6000], 600.0) > -1.0);
    assert!(tone::loudness(&right[10_000..15_000]) < 10.0);
    assert!(decibels(&right[18_000..22_000], 800.0) > -1.0);
    assert!(tone::loudness(&right[26_000..30_000]) < 10.0);
    assert!(decibels(&left, 700.0) < -30.0, "music for the customer is not the customer");
}

#[test]
fn a_conversation_beside_the_customers_is_recorded_only_from_when_it_joins_him() {
    let mut world = World::new();
    world.phone(Codec::Pcmu, 20, Channel::Customer, 1000.0);
    start(&mut world);
    let aside = world.phone(Codec::Pcma, 20, Channel::Aside, 600.0);
    world.run(1000);
    world.command(Command::SetChannel { leg: leg(aside), channel: Channel::Agent });
    world.connect(0, aside);
    world.run(1000);
    world.command(Command::StopRecording { session: SESSION });
    let [left, right] = world.channels();
    assert!(decibels(&left[2000..14_000], 600.0) < -30.0);
    assert!(tone::loudness(&right[2000..7000]) < 10.0);
    assert!(decibels(&right[10_000..14_000], 600.0) > -1.0);
}

#[test]
fn a_pause_is_silence_of_its_length_and_nothing_said_in_it_is_heard_later() {
    // What the network held back for a while is no secret told afterwards.
    let networks: [fn(u64) -> &'static [u64]; 2] = [|_| &[0], |n| if n % 4 >= 2 { &[60] } else { &[2] }];
    for network in networks {
        let mut world = World::new();
        world.phone(Codec::Pcmu, 20, Channel::Customer, 1000.0);
        world.phone(Codec::Pcma, 20, Channel::Agent, 600.0);
        world.connect(0, 1);
        start(&mut world);
        world.network = network;
        world.run(1000);
        world.command(Command::PauseRecording { session: SESSION, paused: true });
        world.run(100);
        for phone in 0..2 {
            world.phones[phone].hertz = Some(1400.0);
        }
        world.run(800);
        for phone in 0..2 {
            world.phones[phone].hertz = Some(1000.0);
        }
        world.run(100);
        world.command(Command::PauseRecording { session: SESSION, paused: false });
        world.run(1000);
        world.command(Command::StopRecording { session: SESSION });
        for channel in world.channels() {
            assert_eq!(channel.len(), 24_000, "the pause is in the file");
            assert!(tone::loudness(&channel[1600..7200]) > 1000.0);
            assert!(channel[8000..16_000].iter().all(|sample| *sample == 0), "silence to the sample");
            assert!(tone::loudness(&channel[17_000..23_000]) > 1000.0, "sound again");
            assert!(decibels(&channel, 1400.0) < -40.0, "what was said in the pause");
        }
    }
}

#[test]
fn what_was_said_in_a_pause_from_the_beginning_is_not_heard_when_it_comes_after_it() {
    let mut world = World::new();
    world.phone(Codec::Pcmu, 20, Channel::Customer, 1400.0);
    // The network grows slow while it is paused.
    world.network = |n| if n >= 25 { &[150] } else { &[2] };
    start(&mut world);
    world.command(Command::PauseRecording { session: SESSION, paused: true });
    world.run(600);
    world.command(Command::PauseRecording { session: SESSION, paused: false });
    world.phones[0].hertz = Some(1000.0);
    world.run(1400);
    world.command(Command::StopRecording { session: SESSION });
    let [customer, _] = world.channels();
    let late = decibels(&customer[4800..6400], 1400.0);
    assert!(late < -30.0, "what was said in the pause is heard with {late} dB");
    assert!(decibels(&customer[6400..12_800], 1000.0) > -1.0, "what was said after it");
}

#[test]
fn a_guest_has_a_channel_of_his_own_where_there_is_one() {
    for channels in [2, 3] {
        let mut world = World::new();
        world.phone(Codec::Pcmu, 20, Channel::Customer, 1000.0);
        world.phone(Codec::Pcma, 20, Channel::Agent, 600.0);
        world.phone(Codec::Pcma, 20, Channel::Guest, 800.0);
        start_with(&mut world, channels);
        world.run(2000);
        world.command(Command::StopRecording { session: SESSION });
        let frames = world.frames(channels);
        let channel = |index: usize| frames.iter().map(|frame| frame[index]).collect::<Vec<i16>>();
        assert!(frames.len() == 16_000);
        let there = |index: usize, hertz: f64| decibels(&channel(index)[4000..12_000], hertz) > -1.0;
        assert!(there(0, 1000.0) && !there(0, 600.0) && !there(0, 800.0));
        assert!(there(1, 600.0) && !there(1, 1000.0));
        assert_eq!((there(1, 800.0), there(channels - 1, 800.0)), (channels == 2, true));
    }
}

#[test]
fn a_failed_or_replaced_recording_ends_cleanly() {
    let mut world = World::new();
    world.phone(Codec::Pcmu, 20, Channel::Customer, 1000.0);
    start(&mut world);
    world.run(500);
    world.core.recording_failed(RECORDING);
    world.run(3000);
    world.command(Command::StopRecording { session: SESSION });
    assert!(!world.recorded.contains_key(&RECORDING));
    assert!(!world.others.iter().any(|output| matches!(output, Output::CloseRecording { .. })));
    start(&mut world);
    start(&mut world);
    let closed = world.others.iter().filter(|output| matches!(output, Output::CloseRecording { .. })).count();
    assert_eq!(closed, 1);
    world.command(Command::Close { leg: leg(0) });
    assert!(!world.core.is_idle(), "the recording is still to be stopped");
    world.command(Command::StopRecording { session: SESSION });
    assert!(world.core.is_idle());
}
