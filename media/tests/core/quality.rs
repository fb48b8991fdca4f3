//! How legs sound: measured on a network that loses, and with parties that fall silent.

use media::api::{Channel, Event};
use media::codec::Codec;
use media::rtcp;
use model::{Quality, Trouble};

use crate::world::{World, leg};

fn world() -> World {
    let mut world = World::new();
    world.phone(Codec::Pcmu, 20, Channel::Customer, 1000.0);
    world.phone(Codec::Pcmu, 20, Channel::Agent, 600.0);
    world.connect(0, 1);
    world
}

/// The last measurement of the leg: these five seconds, the whole, the trouble.
fn last(world: &World, number: usize) -> (Quality, Quality, Option<Trouble>) {
    let of = |event: &Event| match event {
        Event::Quality { leg: of, now, whole, trouble } if *of == leg(number) => {
            Some((*now, *whole, *trouble))
        }
        _ => None,
    };
    world.events.iter().rev().find_map(of).expect("it was measured")
}

#[test]
fn a_good_line_is_good_and_a_lossy_one_is_told_until_it_is_good_again() {
    let mut world = world();
    world.run(6000);
    let (now, whole, trouble) = last(&world, 0);
    assert!(now.from_peer.mos > 4.2 && now.from_peer.loss_percent == 0.0, "{now:?}");
    assert_eq!((now.to_peer, whole.to_peer, trouble), (None, None, None), "the phone reports nothing");
    // Every fifth packet of each is lost.
    world.network = |nth| if nth % 10 < 2 { &[] } else { &[0] };
    world.run(10_000);
    let (now, whole, trouble) = last(&world, 0);
    assert!((18.0..=22.0).contains(&now.from_peer.loss_percent), "{now:?}");
    assert!((9.0..=15.0).contains(&whole.from_peer.loss_percent), "{whole:?}");
    assert!(now.from_peer.mos < 3.1 && trouble == Some(Trouble::Poor), "{now:?}");
    world.network = |_| &[0];
    world.run(10_000);
    let (now, _, trouble) = last(&world, 0);
    assert!(now.from_peer.mos > 4.2 && trouble.is_none(), "{now:?}");
}

#[test]
fn what_the_peer_reports_counts_for_the_other_way() {
    let mut world = world();
    world.run(4000);
    let ssrc = world.phones[0].got.last().unwrap().header.ssrc;
    let report = rtcp::Report { ssrc, lost: 100, jitter: 8 * 12, ..Default::default() };
    let mut buffer = [0; rtcp::MOST_OCTETS];
    let length = rtcp::write(&mut buffer, 1, None, Some(report), "x", false);
    let mut from = world.phones[0].address;
    from.set_port(from.port() + 1);
    let socket = world.phones[0].ports.rtcp.unwrap();
    world.deliver(socket, from, buffer[..length].to_vec());
    world.run(2000);
    let (now, _, trouble) = last(&world, 0);
    let to_peer = now.to_peer.unwrap();
    assert!(to_peer.loss_percent > 30.0 && to_peer.jitter_millis == 12, "{to_peer:?}");
    assert_eq!(trouble, Some(Trouble::Poor));
    // From another port of the same host nobody reports anything.
    let mut stranger = from;
    stranger.set_port(9);
    let report = rtcp::Report { ssrc, lost: 999, ..report };
    let length = rtcp::write(&mut buffer, 1, None, Some(report), "x", false);
    world.deliver(socket, stranger, buffer[..length].to_vec());
    world.run(5000);
    assert_eq!(last(&world, 0).0.to_peer.unwrap().loss_percent, 0.0);
}

#[test]
fn one_way_audio_and_dead_air_are_told_apart() {
    let mut world = world();
    world.run(6000);
    world.phones[0].hertz = None;
    world.run(12_000);
    assert_eq!(last(&world, 0).2, Some(Trouble::OneWay));
    assert_eq!(last(&world, 1).2, None);
    world.phones[1].hertz = None;
    world.run(12_000);
    assert_eq!((last(&world, 0).2, last(&world, 1).2), (Some(Trouble::DeadAir), Some(Trouble::DeadAir)));
    world.phones.iter_mut().for_each(|phone| phone.hertz = Some(1000.0));
    world.run(12_000);
    assert_eq!((last(&world, 0).2, last(&world, 1).2), (None, None));
}
