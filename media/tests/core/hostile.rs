use media::api::{Channel, Command, Event, LegKind};
use media::codec::Codec;
use media::core::SocketKey;
use proptest::prelude::*;

use crate::world::{World, leg};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// From the right address, with half-right headers, on every kind of path.
    #[test]
    fn no_packets_panic_and_the_call_goes_on(
        packets in proptest::collection::vec(
            (0usize..3, any::<bool>(), prop_oneof![Just(0u8), Just(8), Just(101), any::<u8>()],
             any::<u16>(), any::<u32>(), 0u8..3, proptest::collection::vec(any::<u8>(), 0..1600)),
            0..60
        )
    ) {
        let mut world = World::new();
        world.phone(Codec::Pcmu, 20, Channel::Customer, 1000.0);
        world.phone(Codec::Pcma, 30, Channel::Agent, 600.0);
        world.connect(0, 1);
        let file = "a.wav".into();
        let (session, recording) = (crate::world::SESSION, crate::world::RECORDING);
        world.command(Command::StartRecording { session, recording, file, channels: 2 });
        world.run(40);
        for (target, rtcp, payload_type, sequence, timestamp, ssrc, rest) in packets {
            let phone = &world.phones[target % 2];
            let mut bytes = vec![0x80, payload_type];
            bytes.extend_from_slice(&sequence.to_be_bytes());
            bytes.extend_from_slice(&timestamp.to_be_bytes());
            bytes.extend_from_slice(&[0, 0, 0x10, ssrc]);
            bytes.extend_from_slice(&rest);
            let socket = match (target, rtcp) {
                (2, _) => SocketKey::WEBRTC,
                (_, true) => phone.ports.rtcp.unwrap(),
                (_, false) => phone.ports.rtp,
            };
            let from = phone.address;
            world.deliver(socket, from, bytes);
            world.run(u64::from(ssrc));
        }
        world.run(1400);
        prop_assert!(world.phones[1].hears(1000.0) > -3.0);
        prop_assert!(world.phones[0].hears(600.0) > -3.0);
        world.command(Command::StopRecording { session });
        for channel in world.channels() {
            prop_assert!(channel.len() >= 8 * 1400);
        }
    }

    #[test]
    fn no_description_panics(octets in proptest::collection::vec(any::<u8>(), 0..300), browser in any::<bool>()) {
        let mut world = World::new();
        world.phone(Codec::Pcmu, 20, Channel::Customer, 1000.0);
        world.command(Command::Offer { leg: leg(0), sdp: octets.clone().into() });
        world.command(Command::Answer { leg: leg(0), sdp: octets.clone().into() });
        let kind = if browser { LegKind::WebRtc } else { LegKind::Rtp { nat: true, encryption: Default::default() } };
        let ports = world.ports();
        let offer = Some(octets.into());
        let session = crate::world::SESSION;
        let open = Command::Open { leg: leg(5), session, channel: Channel::Agent, kind, offer, codecs: Vec::new() };
        world.command_with(open, (!browser).then_some(ports));
        let refused = matches!(world.events.last(), Some(Event::Closed { .. }));
        prop_assert!(refused);
    }
}
