//! What no well-behaved peer sends, on the running server: it answers or drops each, and goes on.

use std::fs;
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use e2e::lab::sip::{Request, Tcp, Udp};
use e2e::lab::{Tandem, project};
use sip_core::message::Message;

/// 127.0.0.1 is a carrier, 127.0.0.2 a stranger.
const CONFIG: &str = r#"
[[trunk]]
name = "carrier"
sources = ["127.0.0.1"]
destination = "127.0.0.1:9"
"#;
const STRANGER: &str = "127.0.0.2";
/// A first message must be whole 10 s after the connection was opened.
const CUT: Duration = Duration::from_secs(14);
const SOON: Duration = Duration::from_secs(5);

const SDP: &str = "v=0\no=t 1 1 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 40000 RTP/AVP 0\n";

/// The messages of RFC 4475 by name.
fn messages() -> Vec<(String, Vec<u8>)> {
    let folder = project().join("sip-core/tests/rfc4475");
    let mut messages: Vec<(String, Vec<u8>)> = fs::read_dir(folder)
        .expect("the messages are there")
        .map(|entry| entry.expect("it can be listed").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "dat"))
        .map(|path| {
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            (name, fs::read(&path).expect("it can be read"))
        })
        .collect();
    messages.sort();
    assert_eq!(messages.len(), 49);
    messages
}

#[track_caller]
fn still_answers(tandem: &Tandem, probe: &Udp, after: &str) {
    let answer = probe.ask(&Request::new("OPTIONS", &format!("sip:{}", tandem.sip)));
    assert_eq!(answer.map(|(status, _)| status), Some(200), "OPTIONS after {after}\n{}", tandem.log());
}

#[test]
fn torture_messages_over_udp_and_tcp_leave_the_server_answering() {
    let mut tandem = Tandem::start(CONFIG);
    let sip = tandem.sip;
    // These take their time, so they take it beside the rest.
    let slow = thread::spawn(move || slow_peers_are_cut(sip));
    let probe = Udp::new(sip, "127.0.0.1");
    still_answers(&tandem, &probe, "nothing");
    let messages = messages();
    for from in ["127.0.0.1", STRANGER] {
        let udp = Udp::new(sip, from);
        for (name, bytes) in &messages {
            udp.send(bytes);
            still_answers(&tandem, &probe, &format!("{name} over UDP from {from}"));
        }
    }
    for (name, bytes) in &messages {
        let mut tcp = Tcp::new(sip);
        tcp.send(bytes);
        still_answers(&tandem, &probe, &format!("{name} over TCP"));
        drop(tcp);
    }
    valid_messages_byte_by_byte(&tandem, &messages);
    still_answers(&tandem, &probe, "a stream of single bytes");
    oversized_messages_are_cut(&tandem);
    still_answers(&tandem, &probe, "oversized messages");
    bad_calls_are_refused(&tandem);
    strangers_are_kept_out(&tandem);
    a_flood_of_garbage(&tandem, &probe);
    slow.join().expect("slow and half-open connections are cut");
    assert!(tandem.process().is_running());
    let served = ureq::get(format!("http://{}/readyz", tandem.http)).call();
    assert!(served.is_ok_and(|answer| answer.status() == 200));
    // 64*T1 after the last of them nothing of all this is left.
    tandem.settles(&["tandem_sip_calls", "tandem_sessions_open", "tandem_legs"], Duration::from_secs(5));
    tandem.settles(&["tandem_sip_transactions"], Duration::from_secs(40));
}

/// All that are valid, and say how long they are, on one connection that is asked OPTIONS at its end.
fn valid_messages_byte_by_byte(tandem: &Tandem, messages: &[(String, Vec<u8>)]) {
    let mut tcp = Tcp::new(tandem.sip);
    let mut sent = 0;
    for (name, bytes) in messages {
        let whole = Message::parse_stream(bytes).is_ok_and(|message| message.bytes().len() == bytes.len());
        if !whole {
            continue;
        }
        sent += 1;
        for byte in bytes {
            assert!(tcp.send(&[*byte]), "the stream was cut in {name}");
        }
    }
    assert!(sent >= 20, "only {sent} messages are valid on a stream");
    let options = Request::new("OPTIONS", &format!("sip:{}", tandem.sip));
    assert_eq!(tcp.ask(&options, SOON), Some(200), "after {sent} messages on one stream");
}

fn oversized_messages_are_cut(tandem: &Tandem) {
    let head = "INVITE sip:100@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:9;branch=z9hG4bK1\r\n";
    let mut announced = Tcp::new(tandem.sip);
    announced.send(format!("{head}Content-Length: 1000000000\r\n\r\n").as_bytes());
    assert!(announced.is_cut(SOON), "a body of a gigabyte is waited for");
    let mut endless = Tcp::new(tandem.sip);
    endless.send(head.as_bytes());
    let header = format!("X-Filler: {}\r\n", "x".repeat(1000));
    for _ in 0..1000 {
        if !endless.send(header.as_bytes()) {
            break;
        }
    }
    assert!(endless.is_cut(SOON), "headers without an end are read on");
    let mut noise = Tcp::new(tandem.sip);
    noise.send(&[0xff; 65_536]);
    assert!(noise.is_cut(SOON), "noise is read on");
}

fn slow_peers_are_cut(sip: std::net::SocketAddr) {
    let mut silent = Tcp::new(sip);
    let mut pinging = Tcp::new(sip);
    let mut dripping = Tcp::new(sip);
    let drip = dripping.stream.try_clone().expect("a second handle");
    let ping = pinging.stream.try_clone().expect("a second handle");
    thread::spawn(move || trickle(drip, b"INVITE sip:100@127.0.0.1 SIP/2.0\r\n"));
    thread::spawn(move || trickle(ping, &b"\r\n\r\n".repeat(10)));
    assert!(silent.is_cut(CUT), "a silent connection stays open");
    assert!(dripping.is_cut(SOON), "a connection that drips stays open");
    assert!(pinging.is_cut(SOON), "a connection that only pings stays open");
}

/// A byte every half second, until nobody takes it.
fn trickle(mut stream: TcpStream, bytes: &[u8]) {
    use std::io::Write;
    for byte in bytes {
        if stream.write_all(&[*byte]).is_err() {
            return;
        }
        thread::sleep(Duration::from_millis(500));
    }
}

fn bad_calls_are_refused(tandem: &Tandem) {
    let carrier = Udp::new(tandem.sip, "127.0.0.1");
    let number = format!("sip:+74950000000@{}", tandem.sip);
    let status = |request: Request| carrier.ask(&request).map(|(status, _)| status);
    let unknown = format!("sip:+74959999999@{}", tandem.sip);
    assert_eq!(status(Request::new("INVITE", &unknown).with_sdp(SDP)), Some(404));
    let garbage = Request::new("INVITE", &number).with_sdp("this is not SDP\n");
    assert!(matches!(status(garbage), Some(400 | 488)));
    let video = SDP.replace("m=audio 40000 RTP/AVP 0", "m=video 40000 RTP/AVP 96\na=rtpmap:96 H264/90000");
    assert_eq!(status(Request::new("INVITE", &number).with_sdp(&video)), Some(488));
    let foreign = SDP.replace("RTP/AVP 0", "RTP/AVP 18\na=rtpmap:18 G729/8000");
    assert_eq!(status(Request::new("INVITE", &number).with_sdp(&foreign)), Some(488));
    let mut text = Request::new("INVITE", &number);
    text.body = Some(("text/plain", "hello".to_owned()));
    assert_eq!(status(text), Some(415));
    let mut stranger_to_us = Request::new("INVITE", &number).with_sdp(SDP);
    stranger_to_us.extra = "Require: nothing-we-know\r\n".to_owned();
    assert_eq!(status(stranger_to_us), Some(420));
    assert_eq!(status(Request::new("BYE", &number)), Some(481));
    assert_eq!(status(Request::new("FROBNICATE", &number)), Some(501));
}

fn strangers_are_kept_out(tandem: &Tandem) {
    let stranger = Udp::new(tandem.sip, STRANGER);
    let ask = |request: Request| stranger.ask(&request).expect("an answer");
    let number = format!("sip:+74950000000@{}", tandem.sip);
    let (status, answer) = ask(Request::new("INVITE", &number).with_sdp(SDP));
    assert!(matches!(status, 401 | 403), "{answer}");
    let mut register = Request::new("REGISTER", &format!("sip:{}", tandem.sip));
    register.to = "sip:anna@127.0.0.1".to_owned();
    register.from = register.to.clone();
    let (status, answer) = ask(register);
    assert_eq!(status, 401, "{answer}");
    let nonce = answer.split("nonce=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a nonce");
    for (user, aor) in [("anna", "anna"), ("nobody", "nobody"), ("anna", "boris")] {
        let mut forged = Request::new("REGISTER", &format!("sip:{}", tandem.sip));
        forged.to = format!("sip:{aor}@127.0.0.1");
        forged.from = forged.to.clone();
        forged.extra = format!(
            "Authorization: Digest username=\"{user}\", realm=\"127.0.0.1\", nonce=\"{nonce}\", \
             uri=\"sip:{}\", response=\"{}\", algorithm=MD5, qop=auth, nc=00000001, cnonce=\"c\"\r\n",
            tandem.sip,
            "0".repeat(32),
        );
        let (status, answer) = ask(forged);
        assert!(matches!(status, 401 | 403), "{answer}");
        assert_eq!(tandem.metric("tandem_sip_bindings"), Some(0.0));
    }
}

fn a_flood_of_garbage(tandem: &Tandem, probe: &Udp) {
    let udp = Udp::new(tandem.sip, "127.0.0.1");
    let mut noise: u32 = 0x2545_f491;
    for nth in 0..10_000_u32 {
        let length = 1 + nth as usize % 1400;
        let datagram: Vec<u8> = (0..length)
            .map(|_| {
                noise ^= noise << 13;
                noise ^= noise >> 17;
                noise ^= noise << 5;
                noise as u8
            })
            .collect();
        // A full buffer on our own side loses it, as the network might.
        udp.send(&datagram);
    }
    still_answers(tandem, probe, "10,000 datagrams of garbage");
    let thrown_away = tandem.metric("tandem_sip_rejected_total").expect("rejections are counted");
    assert!(thrown_away > 1000.0, "only {thrown_away} were counted");
}
