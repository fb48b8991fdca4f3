use std::time::Duration;

use media::api::{Channel, Command, Event};
use media::codec::Codec;
use media::dtmf::{self, Payload};

use crate::world::{World, leg};

/// Has the phone press a key: packets every 20 ms for 100 ms, the end thrice.
fn press(world: &mut World, phone: usize, digit: char) {
    let event = dtmf::event(digit).unwrap();
    let tone = world.phones[phone].hertz.take();
    let units = (world.phones[phone].codec.clock() / 50) as u16;
    // All packets of an event bear the time of its begin.
    let begin = world.phones[phone].timestamp;
    for packet in 0..7u16 {
        let payload = Payload { event, end: packet >= 4, volume: 10, duration: (packet + 1).min(5) * units };
        let (start, phone) = (packet == 0, &mut world.phones[phone]);
        let time = std::mem::replace(&mut phone.timestamp, begin);
        let bytes = phone.next(101, start, &payload.octets());
        phone.timestamp = time;
        let (socket, address) = (phone.ports.rtp, phone.address);
        world.deliver(socket, address, bytes);
        world.run(20);
    }
    world.phones[phone].hertz = tone;
}

#[test]
fn keys_are_told_once_and_passed_on_with_their_numbers() {
    for (a, b) in [((Codec::Pcmu, 20), (Codec::Pcma, 20)), ((Codec::Pcma, 30), (Codec::Pcma, 20))] {
        let mut world = World::new();
        world.phone(a.0, a.1, Channel::Customer, 1000.0);
        world.phone(b.0, b.1, Channel::Agent, 600.0);
        world.connect(0, 1);
        world.run(240);
        for digit in "5#5".chars() {
            press(&mut world, 0, digit);
            world.run(120);
        }
        assert_eq!(world.digits(), "5#5");
        let event = Event::Digit { leg: leg(0), digit: '5', duration: Duration::from_millis(100) };
        assert!(world.events.contains(&event));
        let mut receiver = dtmf::Receiver::default();
        let mut heard = String::new();
        let now = world.now().instant;
        for got in world.phones[1].got.iter().filter(|got| got.header.payload_type == 101) {
            let payload = Payload::parse(&got.payload).unwrap();
            heard.extend(receiver.push(now, got.header.timestamp, 8000, payload).map(|(digit, _)| digit));
        }
        assert_eq!(heard, "5#5");
        world.phones[1].got.dedup_by_key(|got| got.header.timestamp);
        assert!(world.phones[1].hears(1000.0) > -1.0);
    }
}

#[test]
fn a_key_whose_end_is_lost_is_told_in_time_though_nothing_else_goes_on() {
    let mut world = World::new();
    world.phone(Codec::Pcmu, 20, Channel::Customer, 1000.0);
    world.phones[0].hertz = None;
    for count in 1..=6 {
        world.run(60);
        let phone = &mut world.phones[0];
        let payload = Payload { event: dtmf::event('7').unwrap(), end: false, volume: 10, duration: 160 };
        let bytes = phone.next(101, true, &payload.octets());
        let (socket, address) = (phone.ports.rtp, phone.address);
        world.deliver(socket, address, bytes);
        world.run(240);
        assert_eq!(world.digits(), "7".repeat(count));
    }
}

#[test]
fn muted_keys_are_told_but_not_passed_on() {
    let mut world = World::new();
    world.phone(Codec::Pcmu, 20, Channel::Customer, 1000.0);
    world.phone(Codec::Pcma, 20, Channel::Agent, 600.0);
    world.connect(0, 1);
    world.command(Command::Mute { leg: leg(0), muted: true });
    press(&mut world, 0, '9');
    assert_eq!(world.digits(), "9");
    let heard = &world.phones[1];
    assert_eq!(heard.audio().count(), heard.got.len(), "silence is all that comes");
}

#[test]
fn digits_of_ours_are_understood_and_the_talk_goes_on() {
    let mut world = World::new();
    world.phone(Codec::Pcmu, 20, Channel::Customer, 1000.0);
    world.phone(Codec::Pcma, 20, Channel::Agent, 600.0);
    world.connect(0, 1);
    world.run(500);
    world.command(Command::SendDigits { leg: leg(1), digits: "18*".into() });
    world.run(2000);
    let mut receiver = dtmf::Receiver::default();
    let mut heard = String::new();
    let now = world.now().instant;
    for got in world.phones[1].got.iter().filter(|got| got.header.payload_type == 101) {
        let payload = Payload::parse(&got.payload).unwrap();
        heard.extend(receiver.push(now, got.header.timestamp, 8000, payload).map(|(digit, _)| digit));
    }
    assert_eq!(heard, "18*");
    let numbers: Vec<_> = world.phones[1].got.iter().map(|got| got.header.sequence).collect();
    assert!(numbers.windows(2).all(|pair| pair[0].wrapping_add(1) == pair[1]));
    assert!(world.phones[1].hears(1000.0).abs() < 1.0);
}

#[test]
fn a_peer_without_events_hears_tones() {
    let mut world = World::new();
    world.phone(Codec::Pcmu, 20, Channel::Customer, 1000.0);
    let sdp = String::from_utf8(world.description(0, "sendrecv").to_vec()).unwrap();
    let sdp = sdp.replace(" 101\r\na=rtpmap:101 telephone-event/8000", "");
    world.command(Command::Offer { leg: leg(0), sdp: sdp.into_bytes().into() });
    world.command(Command::SendDigits { leg: leg(0), digits: "5".into() });
    world.run(300);
    let samples = world.phones[0].samples();
    assert_eq!(samples.len(), 8 * 160);
    let level = |hertz| media::tone::level(&samples[..800], 8000, hertz);
    assert!(level(770.0) > 5000.0 && level(1336.0) > 5000.0 && level(697.0) < 1000.0);
    assert!(samples[800..].iter().all(|sample| sample.abs() < 10));
}

/// A phone of this codec whose description names no telephone events.
fn without_events(world: &mut World, phone: usize) {
    let sdp = String::from_utf8(world.description(phone, "sendrecv").to_vec()).unwrap();
    let sdp = sdp.replace(" 101\r\n", "\r\n");
    world.command(Command::Offer { leg: leg(phone), sdp: sdp.into_bytes().into() });
}

#[test]
fn a_key_lasts_as_long_on_the_other_side_of_a_conversion_at_either_clock() {
    for (a, b) in [(Codec::Pcmu, Codec::Opus), (Codec::Opus, Codec::Pcma), (Codec::G722, Codec::Opus)] {
        let mut world = World::new();
        world.phone(a, 20, Channel::Customer, 1000.0);
        world.phone(b, 20, Channel::Agent, 600.0);
        world.connect(0, 1);
        world.run(240);
        press(&mut world, 0, '5');
        world.run(200);
        assert_eq!(world.digits(), "5");
        let told = world.events.iter().find_map(|event| match event {
            Event::Digit { duration, .. } => Some(*duration),
            _ => None,
        });
        let mut receiver = dtmf::Receiver::default();
        let now = world.now().instant;
        let heard = world.phones[1].got.iter().filter(|got| got.header.payload_type == 101);
        let heard: Vec<_> = heard
            .filter_map(|got| {
                let payload = Payload::parse(&got.payload).unwrap();
                receiver.push(now, got.header.timestamp, b.clock(), payload)
            })
            .collect();
        let hundred = Duration::from_millis(100);
        assert_eq!((told, &heard[..]), (Some(hundred), &[('5', hundred)][..]), "{a:?} {b:?}");
    }
}

#[test]
fn a_press_is_a_tone_of_its_length_to_who_knows_no_events() {
    for codec in [Codec::Pcma, Codec::G722, Codec::Opus] {
        let mut world = World::new();
        world.phone(Codec::Pcmu, 20, Channel::Customer, 1000.0);
        world.phone(codec, 20, Channel::Agent, 600.0);
        without_events(&mut world, 1);
        world.connect(0, 1);
        world.run(500);
        world.phones[0].hertz = None;
        press(&mut world, 0, '9');
        world.run(600);
        let samples = world.phones[1].samples();
        let mut ear = dtmf::Ear::default();
        let heard: Vec<_> = samples.chunks_exact(160).filter_map(|frame| ear.hear(8000, frame)).collect();
        let [(key, time)] = heard[..] else { panic!("{codec:?}: {heard:?}") };
        assert_eq!(key, '9');
        assert!((75..=125).contains(&time.as_millis()), "{codec:?}: {time:?}");
        world.phones[1].assert_one_stream(220);
    }
}

#[test]
fn tones_of_a_peer_without_events_are_its_digits() {
    for codec in [Codec::Pcma, Codec::G722, Codec::Opus] {
        let mut world = World::new();
        world.phone(codec, 20, Channel::Customer, 1000.0);
        without_events(&mut world, 0);
        world.run(500);
        assert_eq!(world.digits(), "", "a voice is none");
        for (digit, pair) in [('4', [770.0, 1209.0]), ('#', [941.0, 1477.0])] {
            world.phones[0].both = Some(pair);
            world.run(100);
            world.phones[0].both = None;
            world.run(300);
            assert!(world.digits().ends_with(digit), "{codec:?}: {}", world.digits());
        }
        assert_eq!(world.digits(), "4#", "{codec:?}");
        let Some(Event::Digit { duration, .. }) = world.events.last() else {
            panic!("{:?}", world.events.last())
        };
        assert!((75..=125).contains(&duration.as_millis()), "{duration:?}");
    }
}

#[test]
fn who_has_events_agreed_has_no_digits_by_tone() {
    let mut world = World::new();
    world.phone(Codec::Pcma, 20, Channel::Customer, 1000.0);
    world.phones[0].both = Some([770.0, 1209.0]);
    world.run(500);
    world.phones[0].both = None;
    world.run(300);
    assert_eq!(world.digits(), "");
}
