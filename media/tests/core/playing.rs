use std::time::Duration;

use media::api::{Channel, Command, Prompt};
use media::codec::Codec;
use media::core::Output;

use crate::world::{World, leg, playback};

fn file(name: &str) -> Prompt {
    Prompt::File(name.into())
}

#[test]
fn a_playlist_has_no_gap_and_an_even_pace() {
    let mut world = World::new();
    world.phone(Codec::Pcma, 20, Channel::Customer, 1000.0);
    world.play(0, 1, &[file("welcome"), Prompt::Silence(Duration::from_millis(50)), file("short")]);
    world.run(2000);
    let phone = &world.phones[0];
    assert_eq!(phone.got.len(), (1500 + 50 + 130) / 20);
    assert!(phone.got.windows(2).all(|pair| pair[1].at - pair[0].at == 20));
    phone.assert_one_stream(0);
    assert_eq!(world.endings(), [(1, false)]);
    let samples = phone.samples();
    let expected = media::tone::sine(500.0, 8000, 8000.0, 0, 12_000);
    for (index, (heard, meant)) in samples.iter().zip(&expected).enumerate() {
        assert!((i32::from(*heard) - i32::from(*meant)).abs() < 300, "sample {index}");
    }
    assert!(samples[12_000..12_400].iter().all(|sample| sample.abs() < 20));
    assert!(media::tone::loudness(&samples[12_400..12_400 + 1040]) > 4000.0);
}

#[test]
fn longer_packets_get_all_of_the_prompt() {
    let mut world = World::new();
    world.phone(Codec::Pcmu, 60, Channel::Customer, 1000.0);
    world.play(0, 1, &[file("short")]);
    world.run(300);
    assert_eq!(world.phones[0].got.len(), 3);
    world.phones[0].assert_one_stream(0);
    let samples = world.phones[0].samples();
    assert!(samples[..1040].chunks(80).all(|part| media::tone::loudness(part) > 4000.0));
    assert!(samples[1040..].iter().all(|sample| sample.abs() < 10));
}

#[test]
fn every_playback_ends_exactly_once() {
    let mut world = World::new();
    world.phone(Codec::Pcmu, 20, Channel::Customer, 1000.0);
    world.play(0, 1, &[file("welcome")]);
    world.run(100);
    world.play(0, 2, &[file("short")]);
    world.run(300);
    world.play(0, 3, &[Prompt::Music("hold".into())]);
    world.command(Command::StopPlaying { leg: leg(0) });
    world.command(Command::StopPlaying { leg: leg(0) });
    world.play(0, 4, &[]);
    world.run(40);
    world.play(0, 5, &[file("nobody recorded this")]);
    world.run(40);
    let forever =
        Command::Play { leg: leg(0), playback: playback(6), what: vec![file("short")], repeat: true };
    world.command(forever);
    world.run(2000);
    world.command(Command::Close { leg: leg(0) });
    assert_eq!(world.endings(), [(1, true), (2, false), (3, true), (4, false), (5, false), (6, true)]);
    let missing = Output::MissingPrompt(file("nobody recorded this"));
    assert_eq!(world.others.iter().filter(|output| **output == missing).count(), 1);
}

#[test]
fn music_goes_on_where_it_was_left() {
    let mut world = World::new();
    world.phone(Codec::Pcmu, 20, Channel::Customer, 1000.0);
    for number in 0..2 {
        world.play(0, number, &[Prompt::Music("hold".into())]);
        world.run(500);
        world.command(Command::StopPlaying { leg: leg(0) });
        world.run(200);
    }
    let samples = world.phones[0].samples();
    let expected = media::tone::sine(700.0, 8000, 8000.0, 0, samples.len());
    assert_eq!(samples.len(), 8000);
    let worst = samples.iter().zip(&expected).map(|(a, b)| (i32::from(*a) - i32::from(*b)).abs()).max();
    assert!(worst < Some(300), "{worst:?}");
}

#[test]
fn a_held_peer_misses_the_prompt_but_it_ends() {
    let mut world = World::new();
    world.phone(Codec::Pcmu, 20, Channel::Customer, 1000.0);
    let sdp = world.description(0, "sendonly");
    world.command(Command::Offer { leg: leg(0), sdp });
    world.play(0, 1, &[file("welcome")]);
    world.run(2000);
    assert!(world.phones[0].got.is_empty());
    assert_eq!(world.endings(), [(1, false)]);
}

#[test]
fn ringback_has_its_tone() {
    let mut world = World::new();
    world.phone(Codec::Pcma, 20, Channel::Customer, 1000.0);
    world.play(0, 1, &[Prompt::Ringback]);
    world.run(1000);
    assert!(world.phones[0].hears(425.0) > -7.0);
}
