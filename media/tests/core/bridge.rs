use media::api::{Channel, Command, Event, LegKind, Prompt};
use media::codec::Codec;
use media::rtcp;

use crate::world::{World, leg};

fn two(a: (Codec, u64), b: (Codec, u64)) -> World {
    let mut world = World::new();
    let first = world.phone(a.0, a.1, Channel::Customer, 1000.0);
    let second = world.phone(b.0, b.1, Channel::Agent, 600.0);
    world.connect(first, second);
    world
}

#[test]
fn both_sides_hear_each_other_whatever_their_codecs_and_packet_times() {
    for (a, b) in [
        ((Codec::Pcmu, 20), (Codec::Pcmu, 20)),
        ((Codec::Pcmu, 20), (Codec::Pcma, 20)),
        ((Codec::Pcma, 10), (Codec::Pcma, 20)),
        ((Codec::Pcmu, 30), (Codec::Pcma, 20)),
        ((Codec::Pcma, 60), (Codec::Pcmu, 40)),
        ((Codec::Pcma, 40), (Codec::Pcma, 30)),
    ] {
        let mut world = two(a, b);
        world.run(2400);
        for (phone, own, other) in [(0, 1000.0, 600.0), (1, 600.0, 1000.0)] {
            let heard = &world.phones[phone];
            assert!(heard.hears(other).abs() < 1.0, "{a:?} {b:?} {}", heard.hears(other));
            assert!(heard.hears(own) < -35.0, "{a:?} {b:?} hears itself");
            heard.assert_one_stream(61);
            let length = heard.packet as usize * 8;
            assert!(heard.audio().all(|got| got.payload.len() == length), "{a:?} {b:?}");
            let seconds = heard.audio().count() * length;
            assert!((18_000..=19_200).contains(&seconds), "{a:?} {b:?} {seconds}");
        }
    }
}

#[test]
fn a_passed_packet_leaves_in_the_millisecond_in_which_it_came() {
    let mut world = two((Codec::Pcmu, 20), (Codec::Pcmu, 20));
    world.run(500);
    let phase = world.phones[0].phase;
    assert!(world.phones[1].got.iter().all(|got| got.at % 20 == phase));
    assert_eq!(world.phones[1].got.len(), 25);
}

#[test]
fn loss_and_disorder_pass_through_as_they_are() {
    let mut world = two((Codec::Pcmu, 20), (Codec::Pcmu, 20));
    world.phones[1].hertz = None;
    world.network = |n| match n % 10 {
        3 => &[],
        5 => &[25],
        _ => &[0],
    };
    world.run(2000);
    let numbers: Vec<_> = world.phones[1].got.iter().map(|got| got.header.sequence).collect();
    let steps: Vec<_> = numbers.windows(2).map(|pair| pair[1].wrapping_sub(pair[0]) as i16).collect();
    assert!(steps.iter().filter(|step| **step == 2).count() >= 15, "{steps:?}");
    assert!(steps.contains(&-1));
    world.command(Command::Close { leg: leg(0) });
    let Some(Event::Closed { statistics, .. }) = world.events.last() else { panic!("closed") };
    assert_eq!((statistics.packets_received, statistics.packets_lost), (90, 10));
}

#[test]
fn lost_packets_are_made_up_where_we_transcode() {
    let mut world = two((Codec::Pcmu, 30), (Codec::Pcma, 20));
    world.network = |n| if n % 10 == 7 { &[] } else { &[0] };
    world.run(3000);
    let heard = &world.phones[1];
    heard.assert_one_stream(130);
    let samples = heard.samples().len();
    assert!((22_400..=24_000).contains(&samples), "{samples}");
    assert!(heard.hears(1000.0) > -3.0);
}

#[test]
fn what_waits_for_a_lost_packet_is_heard_in_time_though_nothing_follows() {
    let mut world = two((Codec::Pcmu, 30), (Codec::Pcma, 20));
    world.run(600);
    world.phones[0].hertz = None;
    for _ in 0..6 {
        world.run(100);
        let phone = &mut world.phones[0];
        phone.sequence += 1;
        let bytes = phone.next(0, false, &[0x55; 240]);
        let (socket, address) = (phone.ports.rtp, phone.address);
        world.deliver(socket, address, bytes);
        let before = world.phones[1].got.len();
        world.run(60);
        assert!(world.phones[1].got.len() > before);
    }
}

#[test]
fn a_peer_on_hold_is_sent_nothing_and_comes_back_in_the_same_stream() {
    let mut world = two((Codec::Pcmu, 20), (Codec::Pcmu, 20));
    world.run(500);
    let sdp = world.description(1, "sendonly");
    world.command(Command::Offer { leg: leg(1), sdp });
    assert!(!world.directions().last().unwrap().receives);
    let before = world.phones[1].got.len();
    world.run(1000);
    assert_eq!(world.phones[1].got.len(), before);
    let sdp = world.description(1, "sendrecv");
    world.command(Command::Offer { leg: leg(1), sdp });
    world.run(1000);
    let got = &world.phones[1].got[before];
    let last = &world.phones[1].got[before - 1];
    assert_eq!(got.header.ssrc, last.header.ssrc);
    assert!(world.phones[1].hears(1000.0).abs() < 1.0);
    let gone = (got.at - last.at) as i64 * 8;
    let told = i64::from(got.header.timestamp.wrapping_sub(last.header.timestamp));
    assert!((told - gone).abs() <= 160);
}

#[test]
fn a_muted_leg_is_silence_to_its_partner_and_the_stream_goes_on() {
    for codec in [Codec::Pcma, Codec::Pcmu] {
        let mut world = two((Codec::Pcmu, 20), (codec, 20));
        world.run(200);
        world.command(Command::Mute { leg: leg(0), muted: true });
        let before = world.phones[1].got.len();
        world.run(1500);
        let silent = world.phones[1].got.len() - before;
        assert!((74..=76).contains(&silent), "{silent} packets of 20 ms in 1.5 s");
        assert!(world.phones[1].hears(1000.0) < -50.0, "nothing is heard");
        assert!(world.phones[0].got.len() > 80, "the muted one goes on hearing");
        world.command(Command::Mute { leg: leg(0), muted: false });
        world.run(1500);
        let again = world.phones[1].hears(1000.0);
        assert!(again > -3.0, "he is heard again at {again} dB over {codec:?}");
        world.phones[1].assert_one_stream(25);
    }
}

#[test]
fn a_new_partner_continues_the_stream_and_the_old_one_hears_nothing_more() {
    let mut world = two((Codec::Pcmu, 20), (Codec::Pcmu, 20));
    let third = world.phone(Codec::Pcma, 30, Channel::Agent, 800.0);
    world.run(1000);
    world.connect(0, third);
    let before = world.phones[1].got.len();
    world.run(1500);
    assert_eq!(world.phones[1].got.len(), before);
    assert!(world.phones[0].hears(800.0).abs() < 1.0);
    assert!(world.phones[third].hears(1000.0).abs() < 1.0);
    world.phones[0].assert_one_stream(35);
    world.command(Command::Disconnect { leg: leg(third) });
    let before = world.phones[0].got.len();
    world.run(200);
    assert_eq!(world.phones[0].got.len(), before);
}

#[test]
fn one_stream_over_prompt_bridge_music_and_a_new_source_behind_the_partner() {
    let mut world = two((Codec::Pcmu, 20), (Codec::Pcma, 20));
    world.play(0, 1, &[Prompt::File("welcome".into())]);
    world.run(2000);
    world.play(0, 2, &[Prompt::Music("hold".into())]);
    world.run(700);
    world.command(Command::StopPlaying { leg: leg(0) });
    world.run(500);
    let phone = &mut world.phones[1];
    (phone.ssrc, phone.sequence, phone.timestamp) = (77, 5, 1234);
    world.run(1500);
    world.phones[0].assert_one_stream(40);
    assert!(world.phones[0].hears(600.0).abs() < 1.0);
    assert_eq!(world.endings(), [(1, false), (2, true)]);
    let markers = world.phones[0].got.iter().filter(|got| got.header.marker).count();
    assert_eq!(markers, 5, "prompt, bridge, music, bridge, new source");
}

#[test]
fn strangers_are_not_heard_and_a_peer_behind_nat_is_followed_once() {
    let mut world = two((Codec::Pcmu, 20), (Codec::Pcmu, 20));
    let stranger = "192.0.2.66:9999".parse().unwrap();
    world.run(100);
    let before = world.phones[1].got.len();
    let packet = world.phones[0].next(0, false, &[0; 160]);
    world.deliver(world.phones[0].ports.rtp, stranger, packet);
    assert_eq!(world.phones[1].got.len(), before);

    let mut world = World::new();
    world.phone_with(
        Codec::Pcmu,
        20,
        Channel::Customer,
        1000.0,
        LegKind::Rtp { nat: true, encryption: Default::default() },
    );
    world.phone(Codec::Pcmu, 20, Channel::Agent, 600.0);
    world.connect(0, 1);
    let told = world.phones[0].address;
    let real = "203.0.113.9:61000".parse().unwrap();
    world.phones[0].address = real;
    world.run(1000);
    assert!(world.phones[0].got.len() > 45, "what we send goes where its packets come from");
    let before = world.phones[1].got.len();
    for from in [stranger, told] {
        let packet = world.phones[0].next(0, false, &[0; 160]);
        world.deliver(world.phones[0].ports.rtp, from, packet);
    }
    assert_eq!(world.phones[1].got.len(), before, "after five packets the address stands");
}

#[test]
fn who_finds_the_port_of_a_silent_peer_behind_nat_is_heard_no_more_after_half_a_minute() {
    let listens = |millis: u64, repeated: bool| {
        let mut world = World::new();
        let kind = LegKind::Rtp { nat: true, encryption: Default::default() };
        world.phone_with(Codec::Pcmu, 20, Channel::Customer, 1000.0, kind);
        world.phone(Codec::Pcmu, 20, Channel::Agent, 600.0);
        world.connect(0, 1);
        world.phones[0].hertz = None;
        world.run(millis);
        if repeated {
            let sdp = world.description(0, "sendrecv");
            world.command(Command::Offer { leg: leg(0), sdp });
        }
        let packet = world.phones[0].next(0, false, &[0; 160]);
        world.deliver(world.phones[0].ports.rtp, "192.0.2.66:9999".parse().unwrap(), packet);
        !world.phones[1].got.is_empty()
    };
    assert!(listens(29_900, false), "it may begin late");
    assert!(!listens(30_100, false));
    assert!(listens(40_000, true), "an exchange may have moved it");
}

#[test]
fn silence_of_a_peer_that_should_send_is_told_once() {
    let mut world = two((Codec::Pcmu, 20), (Codec::Pcmu, 20));
    world.run(1000);
    world.phones[0].hertz = None;
    world.run(25_000);
    let silent =
        |world: &World| world.events.iter().filter(|event| matches!(event, Event::Silent { .. })).count();
    assert_eq!(silent(&world), 1);
    world.phones[0].hertz = Some(1000.0);
    world.run(1000);
    let sdp = world.description(0, "inactive");
    world.command(Command::Offer { leg: leg(0), sdp });
    world.phones[0].hertz = None;
    world.run(25_000);
    assert_eq!(silent(&world), 1, "nobody expects a held peer to speak");
    let flowing = world.events.iter().filter(|event| matches!(event, Event::Flowing { .. })).count();
    assert_eq!(flowing, 2);
}

#[test]
fn reports_go_out_every_few_seconds_and_reports_of_the_peer_are_believed() {
    let mut world = two((Codec::Pcmu, 20), (Codec::Pcmu, 20));
    world.run(30_000);
    let reports = world.phones[1].got_rtcp.len();
    assert!((4..=12).contains(&reports), "{reports}");
    let mut sent = None;
    rtcp::parse(world.phones[1].got_rtcp.last().unwrap(), |item| match item {
        rtcp::Item::Sender { ssrc, info } => sent = Some((ssrc, info)),
        rtcp::Item::Report { report, .. } => {
            assert_eq!((report.ssrc, report.lost), (world.phones[1].ssrc, 0));
        }
        rtcp::Item::Bye { .. } => panic!("no goodbye yet"),
    })
    .unwrap();
    let (ssrc, info) = sent.unwrap();
    assert!((1000..=1500).contains(&info.packets));
    let report = rtcp::Report { ssrc, lost: 7, jitter: 80, ..Default::default() };
    let mut buffer = [0; rtcp::MOST_OCTETS];
    let length = rtcp::write(&mut buffer, 1, None, Some(report), "x", false);
    let mut from = world.phones[1].address;
    from.set_port(from.port() + 1);
    world.deliver(world.phones[1].ports.rtcp.unwrap(), from, buffer[..length].to_vec());
    world.command(Command::Close { leg: leg(1) });
    let Some(Event::Closed { statistics, .. }) = world.events.last() else { panic!("closed") };
    assert_eq!((statistics.peer_lost, statistics.peer_jitter.as_millis()), (7, 10));
    let mut bye = false;
    rtcp::parse(world.phones[1].got_rtcp.last().unwrap(), |item| {
        bye |= matches!(item, rtcp::Item::Bye { .. })
    })
    .unwrap();
    assert!(bye);
}

#[test]
fn a_call_of_ours_is_answered_and_heard() {
    let mut world = World::new();
    world.phone(Codec::Pcma, 20, Channel::Customer, 1000.0);
    // The second phone is called: its leg opens with an offer of ours.
    world.phone(Codec::Pcma, 20, Channel::Agent, 600.0);
    world.command(Command::Close { leg: leg(1) });
    let ports = world.ports();
    world.phones[1].ports = ports;
    let kind = LegKind::Rtp { nat: false, encryption: Default::default() };
    let open = Command::Open {
        leg: leg(1),
        session: crate::world::SESSION,
        channel: Channel::Agent,
        kind,
        offer: None,
        codecs: Vec::new(),
    };
    world.command_with(open, Some(ports));
    world.connect(0, 1);
    world.run(300);
    assert!(world.phones[1].got.is_empty());
    let sdp = world.description(1, "sendrecv");
    world.command(Command::Answer { leg: leg(1), sdp: sdp.clone() });
    assert!(matches!(world.events.last(), Some(Event::Accepted { .. })));
    world.run(1500);
    assert!(world.phones[1].hears(1000.0).abs() < 1.0);
    assert!(world.phones[0].hears(600.0).abs() < 1.0);
    world.command(Command::Answer { leg: leg(1), sdp });
    assert!(
        matches!(world.events.last(), Some(Event::Accepted { .. })),
        "the same again in the final response"
    );
    world.command(Command::Answer { leg: leg(0), sdp: world.description(0, "sendrecv") });
    assert!(
        matches!(world.events.last(), Some(Event::Incompatible { .. })),
        "nothing was offered to this one"
    );
}

#[test]
fn closing_frees_everything() {
    let mut world = two((Codec::Pcmu, 20), (Codec::Pcmu, 20));
    world.play(0, 1, &[Prompt::Ringback]);
    world.run(100);
    for number in 0..2 {
        world.command(Command::Close { leg: leg(number) });
        world.command(Command::Close { leg: leg(number) });
    }
    assert!(world.core.is_idle() && world.core.is_empty());
    assert_eq!(world.endings(), [(1, true)]);
    assert_eq!(world.others.len(), 4, "{:?}", world.others);
    let closed = world.events.iter().filter(|event| matches!(event, Event::Closed { .. })).count();
    assert_eq!(closed, 2);
    let before = world.phones[1].got.len();
    world.run(200);
    assert_eq!(world.phones[1].got.len(), before);
    world.play(0, 2, &[Prompt::Ringback]);
    assert_eq!(world.endings(), [(1, true), (2, true)]);
}

#[test]
fn a_leg_that_cannot_open_says_why_and_gives_its_ports_back() {
    let mut world = World::new();
    let ports = world.ports();
    let offer =
        Some(b"v=0\r\no=- 1 1 IN IP4 x\r\nc=IN IP4 1.2.3.4\r\nm=audio 5 RTP/AVP 18\r\n".as_slice().into());
    let kind = LegKind::Rtp { nat: false, encryption: Default::default() };
    let open = Command::Open {
        leg: leg(0),
        session: crate::world::SESSION,
        channel: Channel::Agent,
        kind,
        offer,
        codecs: Vec::new(),
    };
    world.command_with(open.clone(), Some(ports));
    assert!(
        matches!(&world.events[..], [Event::Incompatible { why, .. }, Event::Closed { .. }] if why.contains("codec"))
    );
    assert_eq!(world.others.len(), 2);
    world.command(open);
    assert!(
        matches!(&world.events[2..], [Event::Incompatible { why, .. }, Event::Closed { .. }] if why.contains("port"))
    );
    assert!(world.core.is_idle());
}
