use std::time::Duration;

use media::api::{Channel, Command, Prompt};
use media::codec::Codec;
use media::core::Output;
use media::play::MusicStart;

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

#[test]
fn an_announcement_is_heard_over_quiet_music_which_comes_back() {
    for codec in [Codec::Pcma, Codec::Pcmu] {
        let mut world = World::new();
        world.phone(codec, 20, Channel::Customer, 1000.0);
        world.play(0, 1, &[Prompt::Music("hold".into())]);
        world.run(1000);
        let what = vec![file("welcome")];
        world.command(Command::Announce { leg: leg(0), playback: playback(2), what });
        world.run(2500);
        let samples = world.phones[0].samples();
        let loud = |from: usize, hertz: f64| {
            media::tone::decibels(media::tone::level(&samples[from..from + 4000], 8000, hertz), 8000.0)
        };
        // The prompt has 500 Hz for 1.5 s, the music 700 Hz.
        assert!(loud(3000, 700.0) > -1.5 && loud(3000, 500.0) < -30.0, "{codec:?} before");
        assert!((-14.0..-10.0).contains(&loud(12_000, 700.0)), "{codec:?}: {} under it", loud(12_000, 700.0));
        assert!(loud(12_000, 500.0) > -1.5, "{codec:?}: the announcement");
        assert!(loud(23_000, 700.0) > -1.5 && loud(23_000, 500.0) < -30.0, "{codec:?} after");
        assert_eq!(world.endings(), [(2, false)]);
        world.phones[0].assert_one_stream(0);
        world.command(Command::StopPlaying { leg: leg(0) });
        assert_eq!(world.endings(), [(2, false), (1, true)]);
    }
}

#[test]
fn an_announcement_ends_once_whatever_comes_over_it() {
    let mut world = World::new();
    world.phone(Codec::Pcmu, 20, Channel::Customer, 1000.0);
    let announce = |world: &mut World, number: u8| {
        let what = vec![file("welcome")];
        world.command(Command::Announce { leg: leg(0), playback: playback(number), what });
    };
    // Nobody plays anything to him: it is a prompt as others.
    announce(&mut world, 1);
    world.run(200);
    announce(&mut world, 2);
    world.run(200);
    announce(&mut world, 3);
    world.run(200);
    world.play(0, 4, &[file("short")]);
    world.run(500);
    assert_eq!(world.endings(), [(2, true), (3, true), (1, true), (4, false)]);
}

#[test]
fn shared_music_is_at_the_same_place_for_all() {
    let mut world = World::with_music(MusicStart::Shared);
    world.phone(Codec::Pcmu, 20, Channel::Customer, 1000.0);
    world.phone(Codec::Pcmu, 20, Channel::Agent, 1000.0);
    // A second of 500 Hz and one of 900 Hz; the world begins when its clock shows five seconds.
    let music = Prompt::Music("two".into());
    world.play(0, 1, std::slice::from_ref(&music));
    world.run(500);
    world.play(1, 2, std::slice::from_ref(&music));
    world.run(1000);
    for (phone, left) in [(0, 8000), (1, 4000)] {
        let samples = world.phones[phone].samples();
        let loud = |part: &[i16], hertz: f64| {
            media::tone::decibels(media::tone::level(part, 8000, hertz), 8000.0) > -1.0
        };
        let (before, after) = (&samples[..left - 400], &samples[left + 400..]);
        assert!(loud(before, 900.0) && !loud(before, 500.0), "phone {phone} at first");
        assert!(loud(after, 500.0) && !loud(after, 900.0), "phone {phone} then");
    }
}
