//! What is offered, what is answered, and what is agreed on.

use proptest::prelude::*;

use super::*;

fn negotiation() -> Negotiation {
    Negotiation::new(77, [198, 51, 100, 1].into(), 20_000, Vec::new(), Security::default())
}

fn sdp(media: &str) -> Vec<u8> {
    format!("v=0\r\no=a 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=5 9\r\n{media}").into_bytes()
}

fn answer(media: &str) -> (String, Agreed) {
    let (text, agreed) = negotiation().answer(&sdp(media)).unwrap();
    (String::from_utf8(text).unwrap(), agreed)
}

const BOTH: Direction = Direction { sends: true, receives: true };

#[test]
fn the_first_codec_we_have_and_the_offered_numbers_are_taken() {
    let (text, agreed) = answer(
        "m=audio 4000 RTP/AVP 3 18 98 0 96\r\na=rtpmap:98 pcma/8000/1\r\na=rtpmap:96 telephone-event/8000\r\n",
    );
    assert_eq!((agreed.codec, agreed.payload_type), (Codec::Pcma, 98));
    assert_eq!(agreed.digits, Some(Digits { payload_type: 96, clock: 8000 }));
    assert_eq!(agreed.rtp, Some(([192, 0, 2, 9], 4000).into()));
    assert_eq!(agreed.rtcp, Some(([192, 0, 2, 9], 4001).into()));
    assert_eq!(agreed.direction, BOTH);
    let expected = "v=0\r\no=- 77 1 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=5 9\r\n\
        m=audio 20000 RTP/AVP 98 96\r\na=rtpmap:98 PCMA/8000\r\na=rtpmap:96 telephone-event/8000\r\n\
        a=fmtp:96 0-16\r\na=ptime:20\r\na=sendrecv\r\n";
    assert_eq!(text, expected);
}

#[test]
fn other_sections_are_refused_in_their_places() {
    let (text, _) = answer(
        "m=video 5000 RTP/AVP 99\r\nm=audio 4000 RTP/SAVP 0\r\nm=audio 4002 RTP/AVP 0\r\nm=audio 4004 RTP/AVP 8\r\n",
    );
    let sections: Vec<_> = text.lines().filter(|line| line.starts_with("m=")).collect();
    let expected =
        ["m=video 0 RTP/AVP 99", "m=audio 0 RTP/SAVP 0", "m=audio 20000 RTP/AVP 0", "m=audio 0 RTP/AVP 8"];
    assert_eq!(sections, expected);
}

#[test]
fn hold_is_understood_and_answered_in_every_form() {
    for (line, sends, receives, ours) in [
        ("a=sendonly", true, false, "a=recvonly"),
        ("a=inactive", false, false, "a=inactive"),
        ("a=recvonly", false, true, "a=sendonly"),
        ("c=IN IP4 0.0.0.0", true, false, "a=recvonly"),
    ] {
        let (text, agreed) = answer(&format!("m=audio 4000 RTP/AVP 0\r\n{line}\r\n"));
        assert_eq!(agreed.direction, Direction { sends, receives }, "{line}");
        assert!(text.contains(ours), "{text}");
    }
    let session_level = sdp("a=sendonly\r\nm=audio 4000 RTP/AVP 0\r\n");
    assert!(!negotiation().answer(&session_level).unwrap().1.direction.receives);
}

#[test]
fn the_version_counts_changes_and_the_codec_stays() {
    let mut negotiation = negotiation();
    let mut say = |media: &str| {
        let (text, agreed) = negotiation.answer(&sdp(media)).unwrap();
        let text = String::from_utf8(text).unwrap();
        (text.lines().nth(1).unwrap().to_owned(), agreed.codec)
    };
    let origin = |version: u32| format!("o=- 77 {version} IN IP4 198.51.100.1");
    assert_eq!(say("m=audio 4000 RTP/AVP 0 8\r\n"), (origin(1), Codec::Pcmu));
    assert_eq!(say("m=audio 4000 RTP/AVP 0 8\r\n"), (origin(1), Codec::Pcmu));
    assert_eq!(say("m=audio 4000 RTP/AVP 8 0\r\na=sendonly\r\n"), (origin(2), Codec::Pcmu));
    assert_eq!(say("m=audio 4000 RTP/AVP 8\r\n"), (origin(3), Codec::Pcma));
    assert_eq!(say("m=audio 0 RTP/AVP 8\r\n"), (origin(4), Codec::Pcma));
}

#[test]
fn without_a_common_codec_or_address_there_is_no_answer() {
    let refused = |media: &str| negotiation().answer(&sdp(media)).unwrap_err();
    assert_eq!(refused("m=audio 4000 RTP/AVP 3 18\r\n"), Incompatible::NoCodec);
    assert_eq!(refused("m=audio 4000 RTP/AVP 0\r\na=rtpmap:0 PCMU/16000\r\n"), Incompatible::NoCodec);
    assert_eq!(refused("m=video 4000 RTP/AVP 99\r\n"), Incompatible::NoAudio);
    assert_eq!(refused("m=audio 0 RTP/AVP 0\r\n"), Incompatible::NoAudio);
    assert_eq!(refused(""), Incompatible::NoAudio);
    let ipv6 = "m=audio 4000 RTP/AVP 0\r\nc=IN IP6 2001:db8::1\r\n";
    assert!(matches!(refused(ipv6), Incompatible::Family { line: 6, .. }));
    let nowhere = b"v=0\no=- 1 1 IN IP4 x\nm=audio 4000 RTP/AVP 0\n";
    assert_eq!(negotiation().answer(nowhere), Err(Incompatible::NoAddress { line: 3 }));
}

#[test]
fn an_answer_may_renumber_and_leave_out() {
    let mut negotiation = negotiation();
    let offer = String::from_utf8(negotiation.offer().unwrap()).unwrap();
    assert!(offer.contains("m=audio 20000 RTP/AVP 8 0 9 111 101 110\r\n"), "{offer}");
    let agreed = negotiation
        .accept(&sdp(
            "m=audio 4000 RTP/AVP 0 96\r\na=rtpmap:96 telephone-event/8000\r\na=ptime:30\r\na=rtcp-mux\r\n",
        ))
        .unwrap();
    assert_eq!((agreed.codec, agreed.packet), (Codec::Pcmu, Duration::from_millis(30)));
    assert_eq!(agreed.digits, Some(Digits { payload_type: 96, clock: 8000 }));
    assert_eq!(agreed.rtcp, agreed.rtp);
    assert_eq!(agreed.content(8), Some(Content::Audio(Codec::Pcma)));
    assert_eq!(agreed.content(96), Some(Content::Digits { clock: 8000 }));
    assert_eq!(agreed.content(101), Some(Content::Digits { clock: 8000 }));
    let again = negotiation.accept(&sdp("m=audio 4000 RTP/AVP 8\r\n")).unwrap();
    assert_eq!(again.codec, Codec::Pcma, "the last answer counts");
    negotiation.answer(&sdp("m=audio 4000 RTP/AVP 0\r\n")).unwrap();
    assert_eq!(negotiation.accept(&sdp("m=audio 4000 RTP/AVP 0\r\n")), Err(Incompatible::NoOffer));
}

#[test]
fn only_what_is_allowed_is_spoken_and_in_that_order() {
    let limited =
        |codecs| Negotiation::new(77, [198, 51, 100, 1].into(), 20_000, codecs, Security::default());
    let ordered = || vec![Codec::Pcmu, Codec::Pcma];
    let offer = String::from_utf8(limited(ordered()).offer().unwrap()).unwrap();
    assert!(offer.contains("RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n"), "{offer}");
    let both = sdp("m=audio 4000 RTP/AVP 8 0\r\n");
    assert_eq!(limited(ordered()).answer(&both).unwrap().1.codec, Codec::Pcmu, "our order, not his");
    let mut one = limited(vec![Codec::Pcma]);
    let offer = String::from_utf8(one.offer().unwrap()).unwrap();
    assert!(offer.contains("m=audio 20000 RTP/AVP 8 101\r\n") && !offer.contains("PCMU"), "{offer}");
    let agreed = one.accept(&sdp("m=audio 4000 RTP/AVP 0 8\r\n")).unwrap();
    assert_eq!((agreed.codec, agreed.content(0)), (Codec::Pcma, None));
    let other = sdp("m=audio 4000 RTP/AVP 0\r\n");
    assert_eq!(limited(vec![Codec::Pcma]).answer(&other), Err(Incompatible::NoCodec));
    one.offer().unwrap();
    assert_eq!(one.accept(&other), Err(Incompatible::NoCodec));
    one.limit(Vec::new());
    let offer = String::from_utf8(one.offer().unwrap()).unwrap();
    assert!(offer.contains("o=- 77 2 ") && offer.contains("RTP/AVP 8 0 9 111 101 110\r\n"), "{offer}");
    assert_eq!(one.accept(&other).unwrap().codec, Codec::Pcmu);
}

#[test]
fn an_answer_of_our_own_fits_an_offer_of_our_own() {
    let (mut a, mut b) = (negotiation(), negotiation());
    let (text, agreed) = b.answer(&a.offer().unwrap()).unwrap();
    let other = a.accept(&text).unwrap();
    assert_eq!((agreed.codec, other.codec), (Codec::Pcma, Codec::Pcma));
    assert!(agreed.rtcp_mux && other.rtcp_mux);
}

#[test]
fn a_foolish_packet_time_is_not_obeyed() {
    for (line, millis) in [("ptime:500", 20), ("ptime:5", 20), ("maxptime:10", 10), ("ptime:60", 60)] {
        let (_, agreed) = answer(&format!("m=audio 4000 RTP/AVP 0\r\na={line}\r\n"));
        assert_eq!(agreed.packet, Duration::from_millis(millis), "{line}");
    }
}

proptest! {
    #[test]
    fn no_offer_or_answer_panics(media in "(m=(audio|video) [0-9]{1,5} RTP/AVP( [0-9]{1,3}){1,4}\r\n(a=[a-z]{4,8}:?[0-9]{0,4}( [A-Z]{4}/8000)?\r\n){0,4}){0,4}") {
        let mut negotiation = negotiation();
        let _ = negotiation.answer(&sdp(&media));
        let _ = negotiation.offer();
        let _ = negotiation.accept(&sdp(&media));
    }
}

/// What we answer to this section and agree on, in a session whose other legs speak this.
fn met(codecs: Vec<Codec>, met: Vec<Codec>, media: &str) -> (String, Agreed) {
    let mut negotiation = Negotiation::new(77, [198, 51, 100, 1].into(), 20_000, codecs, Security::default());
    negotiation.meet(met);
    let (text, agreed) = negotiation.answer(&sdp(media)).unwrap();
    (String::from_utf8(text).unwrap(), agreed)
}

#[test]
fn events_have_the_clock_of_the_codec_where_there_are_such() {
    let maps = "a=rtpmap:96 opus/48000/2\r\na=rtpmap:97 telephone-event/8000\r\na=rtpmap:98 telephone-event/48000\r\n";
    let (text, agreed) = answer(&format!("m=audio 4000 RTP/AVP 96 0 97 98\r\n{maps}"));
    assert!(text.contains("RTP/AVP 96 98\r\na=rtpmap:96 opus/48000/2\r\n"), "{text}");
    assert_eq!(agreed.digits, Some(Digits { payload_type: 98, clock: 48_000 }));
    assert_eq!(
        agreed.content(97),
        Some(Content::Digits { clock: 8000 }),
        "the other ones are understood, too"
    );
    let (text, agreed) = answer(&format!("m=audio 4000 RTP/AVP 0 96 97 98\r\n{maps}"));
    assert!(text.contains("RTP/AVP 0 97\r\n"), "{text}");
    assert_eq!(agreed.digits, Some(Digits { payload_type: 97, clock: 8000 }));
    let (_, agreed) = answer(
        "m=audio 4000 RTP/AVP 96 97\r\na=rtpmap:96 opus/48000/2\r\na=rtpmap:97 telephone-event/8000\r\n",
    );
    assert_eq!(agreed.digits, Some(Digits { payload_type: 97, clock: 8000 }), "better than none");
}

#[test]
fn what_the_peer_wants_of_opus_is_heeded() {
    let (text, agreed) = answer(
        "m=audio 4000 RTP/AVP 96\r\na=rtpmap:96 opus/48000/2\r\n\
         a=fmtp:96 useinbandfec=1; usedtx=1;maxaveragebitrate=16000;maxplaybackrate=16000;cbr=1;stereo=1;x\r\n",
    );
    let wishes = OpusWishes { fec: true, dtx: true, constant: true, bitrate: Some(16_000), playback: 16_000 };
    assert_eq!((agreed.codec, agreed.opus), (Codec::Opus, wishes));
    assert!(text.contains("a=fmtp:96 useinbandfec=1\r\n"), "{text}");
    let (_, agreed) = answer("m=audio 4000 RTP/AVP 96\r\na=rtpmap:96 OPUS/48000/2\r\na=maxptime:40\r\n");
    assert_eq!((agreed.opus, agreed.longest), (OpusWishes::default(), Duration::from_millis(40)));
}

#[test]
fn noise_is_agreed_on_where_it_is_offered_and_understood_unasked() {
    let (text, agreed) = answer("m=audio 4000 RTP/AVP 0 13\r\n");
    assert!(text.contains("RTP/AVP 0 13\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:13 CN/8000\r\n"), "{text}");
    assert_eq!((agreed.noise, agreed.content(13)), (Some(13), Some(Content::Noise)));
    let (text, agreed) = answer("m=audio 4000 RTP/AVP 0\r\n");
    assert!(!text.contains("CN"), "{text}");
    assert_eq!((agreed.noise, agreed.content(13)), (None, Some(Content::Noise)));
}

#[test]
fn payload_types_that_the_peer_gave_keep_their_meaning_in_our_own_offers() {
    let mut negotiation = negotiation();
    let media =
        "m=audio 4000 RTP/AVP 101 96\r\na=rtpmap:101 opus/48000/2\r\na=rtpmap:96 telephone-event/48000\r\n";
    negotiation.answer(&sdp(media)).unwrap();
    let offer = String::from_utf8(negotiation.offer().unwrap()).unwrap();
    assert!(offer.contains("a=rtpmap:101 opus/48000/2\r\n"), "{offer}");
    assert!(offer.contains("a=rtpmap:96 telephone-event/48000\r\n"), "{offer}");
    assert!(!offer.contains("a=rtpmap:101 telephone-event"), "the number was taken: {offer}");
    let list = offer.lines().find(|line| line.starts_with("m=")).unwrap();
    let mut numbers: Vec<_> = list.split(' ').skip(3).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), 6, "no number twice: {list}");
}

#[test]
fn an_answer_with_numbers_of_its_own_is_sent_by_them_and_received_by_both() {
    let mut negotiation = negotiation();
    let offer = String::from_utf8(negotiation.offer().unwrap()).unwrap();
    assert!(offer.contains("a=rtpmap:111 opus/48000/2\r\na=fmtp:111 useinbandfec=1\r\n"), "{offer}");
    let answer = "m=audio 4000 RTP/AVP 99\r\na=rtpmap:99 opus/48000/2\r\n";
    let agreed = negotiation.accept(&sdp(answer)).unwrap();
    assert_eq!((agreed.codec, agreed.payload_type, agreed.digits), (Codec::Opus, 99, None));
    for number in [99, 111] {
        assert_eq!(agreed.content(number), Some(Content::Audio(Codec::Opus)));
    }
}

#[test]
fn g729_is_spoken_only_where_the_other_side_speaks_it_and_where_it_is_allowed() {
    let both = "m=audio 4000 RTP/AVP 18 8\r\n";
    assert_eq!(answer(both).1.codec, Codec::Pcma, "nothing could be played to it");
    assert_eq!(met(vec![Codec::G729, Codec::Pcma], vec![], both).1.codec, Codec::G729);
    assert_eq!(met(vec![Codec::G729, Codec::Pcma], vec![Codec::Pcmu], both).1.codec, Codec::Pcma);
    assert_eq!(met(vec![], vec![Codec::G729], both).1.codec, Codec::G729);
}

#[test]
fn what_needs_no_conversion_is_preferred_to_what_the_peer_likes_best() {
    let media = "m=audio 4000 RTP/AVP 9 8 0\r\n";
    assert_eq!(met(vec![], vec![], media).1.codec, Codec::G722);
    assert_eq!(met(vec![], vec![Codec::Pcmu], media).1.codec, Codec::Pcmu);
    assert_eq!(
        met(vec![Codec::Pcma, Codec::Pcmu], vec![Codec::Pcmu], media).1.codec,
        Codec::Pcma,
        "our order stands"
    );
}
