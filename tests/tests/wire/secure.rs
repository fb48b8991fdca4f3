//! Encrypted calls with baresip, and voices from where they may not come.

use std::fs;
use std::net::UdpSocket;
use std::path::Path;
use std::time::{Duration, Instant};

use e2e::lab::sip::{Request, Udp};
use e2e::lab::{Baresip, Tandem, wait_for};

const SOON: Duration = Duration::from_secs(30);
const PLAN: &str = r#"
flow onward {
  entry sip "+74951234567"
  state out {
    transfer "+74950000000"
    hangup
  }
}
"#;

/// What a phone's `mediaenc` is, what the carrier's rule, and whether the two of them get to talk.
#[test]
fn encrypted_phones_and_plain_ones_hear_each_other() {
    // A caller of one kind, a called phone of another; the trunk's rule for both ways; whether they get to talk.
    let cases = [
        ("srtp-mand", "srtp-mand", "required", true),
        ("srtp-mand", "srtp", "offered", true),
        ("", "srtp-mand", "required", false),
        // Keys by DTLS, with baresip's certificate over RSA: it calls, it is called, and one kind is bridged with the other.
        ("dtls_srtp", "dtls_srtp", "required_dtls", true),
        ("dtls_srtp", "srtp", "offered", true),
        ("dtls_srtp", "", "accepted", true),
    ];
    for (caller, called, rule, talk) in cases {
        let plans = tempfile::tempdir().expect("a temporary folder");
        fs::write(plans.path().join("main.plan"), PLAN).expect("written");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let encrypted = |kind: &str| match kind {
            "" => String::new(),
            kind => format!(";mediaenc={kind}"),
        };
        let far = phone(folder.path(), "far", "+74950000000", 440.0, &encrypted(called), None);
        let mut tandem = Tandem::start_with(
            plans.path(),
            &format!(
                "[[trunk]]\nname = \"carrier\"\ndestination = \"{}\"\nencryption = \"{rule}\"\n",
                far.address
            ),
        );
        let idle = tandem.udp_ports();
        let dials = format!("sip:+74951234567@{}", tandem.sip);
        let near = phone(folder.path(), "near", "+79001112233", 1000.0, &encrypted(caller), Some(&dials));
        if !talk {
            wait_for("the plain call is refused", SOON, || near.log().contains("488").then_some(()));
            continue;
        }
        both_talk(&near, &far, &tandem);
        std::thread::sleep(Duration::from_secs(4));
        for (log, kind) in [(near.log(), caller), (far.log(), called)] {
            let said = match kind {
                "" => "Call established",
                "dtls_srtp" => "DTLS-SRTP complete (audio/RTP)",
                _ => "SRTP is Enabled",
            };
            assert!(log.contains(said), "{caller} → {called}: {log}");
        }
        let log = tandem.log();
        assert!(!log.contains("inline:"), "{log}");
        let heard = near.heard();
        let ended = Instant::now();
        let heard_there = far.heard();
        assert!(heard.seconds_of(440.0) > 2.0, "{caller} ← {called}: {}", heard.seconds());
        assert!(heard_there.seconds_of(1000.0) > 2.0, "{caller} → {called}: {}", heard_there.seconds());
        wait_for("the ports are closed", SOON, || (tandem.udp_ports() == idle).then_some(()));
        assert!(ended.elapsed() < SOON);
    }
}

fn phone(folder: &Path, name: &str, number: &str, hertz: f64, more: &str, dials: Option<&str>) -> Baresip {
    let account =
        format!("<sip:{number}@127.0.0.1:PORT>;regint=0;answermode=auto;audio_codecs=PCMU/8000/1{more}\n");
    Baresip::with_account(&folder.join(name), &account, hertz, dials)
}

fn both_talk(near: &Baresip, far: &Baresip, tandem: &Tandem) {
    let end = Instant::now() + SOON;
    while !far.log().contains("Call established") {
        assert!(Instant::now() < end, "{}\n{}\n{}", near.log(), far.log(), tandem.log());
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_stream_from_a_third_address_is_never_heard() {
    let plans = tempfile::tempdir().expect("a temporary folder");
    fs::write(plans.path().join("main.plan"), PLAN).expect("written");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let far = phone(folder.path(), "far", "+74950000000", 440.0, "", None);
    let mut tandem = Tandem::start_with(
        plans.path(),
        &format!("[[trunk]]\nname = \"carrier\"\ndestination = \"{}\"\n", far.address),
    );
    let idle = tandem.udp_ports();
    let dials = format!("sip:+74951234567@{}", tandem.sip);
    let near = phone(folder.path(), "near", "+79001112233", 1000.0, "", Some(&dials));
    both_talk(&near, &far, &tandem);
    // Everything that is open for the call hears a third voice for two seconds, from another host and from another port.
    let targets: Vec<u16> = tandem.udp_ports().difference(&idle).copied().collect();
    assert!(targets.len() >= 4, "{targets:?}");
    let strangers = ["127.0.0.1:0", "127.0.0.66:0"].map(|own| UdpSocket::bind(own).expect("a socket"));
    let start = Instant::now();
    for nth in 0_u32..100 {
        let mut packet = vec![0x80, 0];
        packet.extend((nth as u16).to_be_bytes());
        packet.extend((nth * 160).to_be_bytes());
        packet.extend([6, 6, 6, 6]);
        let tone = |at: u32| {
            let angle = std::f64::consts::TAU * 2000.0 * f64::from(nth * 160 + at) / 8000.0;
            media::codec::g711::encode_mu((16_000.0 * angle.sin()) as i16)
        };
        packet.extend((0..160).map(tone));
        for stranger in &strangers {
            for port in &targets {
                let _ = stranger.send_to(&packet, ("127.0.0.1", *port));
            }
        }
        let next = start + Duration::from_millis(20) * (nth + 1);
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    std::thread::sleep(Duration::from_secs(1));
    let heard = near.heard();
    wait_for("the ports are closed", SOON, || (tandem.udp_ports() == idle).then_some(()));
    // BYE reaches the server while the phone still ends.
    let heard_there = far.heard();
    for (heard, tone) in [(heard, 440.0), (heard_there, 1000.0)] {
        assert!(heard.seconds_of(tone) > 2.0, "{tone}");
        assert!(heard.seconds_of(2000.0) < 0.1, "a stranger is heard with {tone}");
    }
}

#[test]
fn ports_are_closed_within_a_second_of_the_bye() {
    let mut tandem = Tandem::start("");
    let idle = tandem.udp_ports();
    let caller = Udp::new(tandem.sip, "127.0.0.1");
    let media = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let port = media.local_addr().expect("bound").port();
    let sdp =
        format!("v=0\no=a 1 1 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio {port} RTP/AVP 0\n");
    let invite = Request::new("INVITE", &format!("sip:+74950000000@{}", tandem.sip)).with_sdp(&sdp);
    let (status, answer) = caller.ask(&invite).expect("an answer");
    assert_eq!(status, 200, "{answer}");
    assert_ne!(tandem.udp_ports(), idle);
    caller.send(&invite.within("ACK", 1, &answer, caller.address()));
    caller.send(&invite.within("BYE", 2, &answer, caller.address()));
    let start = Instant::now();
    wait_for("the ports are closed", Duration::from_secs(5), || (tandem.udp_ports() == idle).then_some(()));
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
}
