use super::*;
use crate::glance::glance;

const T0: Instant = Instant::from_micros(1_000_000_000);

fn hop(transport: Transport, remote: &str) -> Hop {
    let local = "192.0.2.1:5060".parse().expect("an address");
    Hop { transport, local, remote: remote.parse().expect("an address"), connection: None }
}

fn udp(remote: &str) -> Hop {
    hop(Transport::Udp, remote)
}

fn border() -> Border {
    Border::new(Limits::default())
}

fn message(method: &str, extra: &str) -> String {
    format!("{method} sip:a@b SIP/2.0\r\nTo: <sip:a@b>\r\nCall-ID: x\r\nCSeq: 1 {method}\r\n{extra}\r\n\r\n")
}

fn judge(border: &mut Border, now: Instant, hop: Hop, text: &str) -> Verdict {
    border.judge(now, hop, glance(text.as_bytes()).as_ref())
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_stranger_has_his_share_and_no_more_and_others_do_not_suffer() {
    let mut border = border();
    let ack = message("ACK", "");
    let passed = |border: &mut Border, now, remote| {
        (0..1_000).filter(|_| judge(border, now, udp(remote), &ack) == Verdict::Pass).count()
    };
    assert_eq!(passed(&mut border, T0, "203.0.113.7:5060"), 300);
    assert_eq!(passed(&mut border, T0, "203.0.113.7:5061"), 0, "another port is the same stranger");
    assert_eq!(passed(&mut border, T0 + SECOND, "203.0.113.7:5060"), 50);
    assert_eq!(passed(&mut border, T0, "203.0.113.8:5060"), 300);
    assert_eq!(passed(&mut border, T0, "[2001:db8::1]:5060"), 300);
    assert_eq!(passed(&mut border, T0, "[2001:db8::2]:5060"), 0, "a /64 is one stranger");
    assert_eq!(passed(&mut border, T0, "[2001:db8:0:1::2]:5060"), 300);
}

#[test]
fn wrong_passwords_end_in_a_ban_that_grows() {
    let mut border = border();
    let attacker = udp("203.0.113.7:5060");
    let register = message("REGISTER", "Authorization: Digest x");
    let fail = |border: &mut Border, now| (0..6).for_each(|_| border.failed(now, attacker));
    (0..5).for_each(|_| border.failed(T0, attacker));
    assert_eq!(judge(&mut border, T0, attacker, &register), Verdict::Pass);
    border.failed(T0, attacker);
    let ban = border.poll_ban().expect("a ban");
    assert_eq!((ban.reason, ban.proven, ban.times), (Reason::WrongPassword, true, 1));
    assert_eq!(ban.until, T0 + Duration::from_secs(600));
    assert_eq!(judge(&mut border, T0 + SECOND, attacker, &register), Verdict::Drop(Why::Banned));
    let later = T0 + Duration::from_secs(601);
    assert_eq!(judge(&mut border, later, attacker, &register), Verdict::Pass);
    fail(&mut border, later);
    let ban = border.poll_ban().expect("a ban");
    assert_eq!((ban.times, ban.until), (2, later + Duration::from_secs(1_200)));
    let mut now = ban.until;
    for _ in 0..30 {
        fail(&mut border, now);
        let ban = border.poll_ban().expect("a ban");
        assert!(ban.until <= now + Duration::from_secs(24 * 3_600));
        now = ban.until;
    }
    assert!(!border.lift(now, attacker.remote.ip()), "over by itself");
    fail(&mut border, now);
    assert_eq!(border.bans(now).count(), 1);
    assert!(border.lift(now, attacker.remote.ip()));
    assert_eq!(border.bans(now).count(), 0);
    assert_eq!(judge(&mut border, now, attacker, &register), Verdict::Pass);
}

#[test]
fn failures_far_apart_are_no_attack() {
    let mut border = border();
    for minutes in 0..60 {
        border.failed(T0 + Duration::from_secs(minutes * 90), udp("203.0.113.7:5060"));
    }
    assert_eq!(border.poll_ban(), None);
}

#[test]
fn whoever_has_proved_a_password_is_not_hurt_by_what_others_send_from_his_address() {
    let mut border = border();
    let phone = udp("203.0.113.7:5062");
    border.proved(T0, phone);
    (0..6).for_each(|_| border.failed(T0, udp("203.0.113.7:40000")));
    let invite = message("INVITE", "");
    for _ in 0..2_000 {
        judge(&mut border, T0, udp("203.0.113.7:40000"), &invite);
    }
    assert_eq!(judge(&mut border, T0, phone, &invite), Verdict::Pass);
    // And a flood in its own name cuts nothing that runs.
    for _ in 0..2_000 {
        judge(&mut border, T0, phone, &invite);
    }
    assert_eq!(judge(&mut border, T0, phone, &invite), Verdict::Drop(Why::Rate));
    assert_eq!(judge(&mut border, T0, phone, &message("BYE", "")), Verdict::Pass);
}

#[test]
fn a_known_flow_that_guesses_passwords_is_known_no_longer() {
    let mut border = border();
    let phone = udp("203.0.113.7:5062");
    border.proved(T0, phone);
    (0..6).for_each(|_| border.failed(T0, phone));
    assert_eq!(judge(&mut border, T0, phone, &message("INVITE", "")), Verdict::Drop(Why::Banned));
}

#[test]
fn a_scanner_gets_no_answer_and_a_phone_at_its_address_still_gets_in() {
    let mut border = border();
    let scan = message("OPTIONS", "User-Agent: Friendly-Scanner 1.0");
    assert_eq!(judge(&mut border, T0, udp("203.0.113.7:5060"), &scan), Verdict::Drop(Why::Scanner));
    let ban = border.poll_ban().expect("a ban");
    assert_eq!((ban.reason, ban.proven), (Reason::Scanner, false));
    let plain = message("OPTIONS", "User-Agent: something else");
    assert_eq!(judge(&mut border, T0, udp("203.0.113.7:5060"), &plain), Verdict::Drop(Why::Banned));
    // A phone's datagrams, while somebody forges its address.
    let register = message("REGISTER", "");
    assert_eq!(judge(&mut border, T0, udp("203.0.113.7:5062"), &register), Verdict::Pass);
    let answer = message("REGISTER", "Authorization: Digest x");
    assert_eq!(judge(&mut border, T0, udp("203.0.113.7:5062"), &answer), Verdict::Pass);
    border.proved(T0, udp("203.0.113.7:5062"));
    assert_eq!(judge(&mut border, T0, udp("203.0.113.7:5062"), &plain), Verdict::Pass);
    // Over a connection nothing is forged.
    let tcp = hop(Transport::Tcp, "203.0.113.8:5060");
    judge(&mut border, T0, tcp, &scan);
    assert!(border.poll_ban().is_some_and(|ban| ban.proven));
    assert_eq!(judge(&mut border, T0, tcp, &answer), Verdict::Drop(Why::Banned));
}

#[test]
fn whoever_only_asks_and_never_proves_anything_is_silenced() {
    let mut border = border();
    let register = message("REGISTER", "");
    let mut now = T0;
    for _ in 0..60 {
        now += SECOND;
        assert_eq!(judge(&mut border, now, udp("203.0.113.7:5060"), &register), Verdict::Pass);
    }
    assert_eq!(judge(&mut border, now, udp("203.0.113.7:5060"), &register), Verdict::Drop(Why::Banned));
    assert!(border.poll_ban().is_some_and(|ban| ban.reason == Reason::Guessing && !ban.proven));
}

#[test]
fn carriers_and_exempt_networks_are_left_alone() {
    let limits = Limits { exempt: vec!["192.0.2.0/24".parse().expect("a network")], ..Limits::default() };
    let mut border = Border::new(limits);
    border.set_carriers(vec!["198.51.100.1".parse().expect("an address")]);
    let scan = message("OPTIONS", "User-Agent: friendly-scanner");
    for remote in ["198.51.100.1:5060", "192.0.2.77:5060", "[::ffff:192.0.2.77]:5060"] {
        for _ in 0..2_000 {
            assert_eq!(judge(&mut border, T0, udp(remote), &scan), Verdict::Pass);
            border.failed(T0, udp(remote));
        }
        assert!(!border.ban_by_hand(remote.parse::<SocketAddr>().expect("an address").ip(), T0 + SECOND));
    }
    assert_eq!(border.poll_ban(), None);
}

#[test]
fn a_flood_of_addresses_takes_bounded_memory() {
    let mut border = border();
    let junk = message("OPTIONS", "User-Agent: sipcli");
    for n in 0..200_000_u32 {
        let remote = SocketAddr::new(IpAddr::V4((0x0b00_0000 + n).into()), 5060);
        let hop = Hop { remote, ..udp("203.0.113.7:5060") };
        border.judge(T0 + Duration::from_micros(n.into()), hop, None);
        border.proved(T0, hop);
        if n % 4 == 0 {
            judge(&mut border, T0, Hop { remote: SocketAddr::new(remote.ip(), 1), ..hop }, &junk);
            border.poll_ban();
        }
    }
    assert!(border.sources.len() <= 2 * ADDRESSES);
    assert!(border.flows.len() <= 2 * FLOWS);
    assert!(border.bans.len() <= BANS);
}

#[test]
fn networks_are_read_and_matched() {
    let holds = |network: &str, ip: &str| {
        let network: Network = network.parse().expect("a network");
        network.contains(ip.parse().expect("an address"))
    };
    assert!(holds("192.0.2.7", "192.0.2.7") && !holds("192.0.2.7", "192.0.2.8"));
    assert!(holds("0.0.0.0/0", "203.0.113.7") && !holds("0.0.0.0/0", "::1"));
    assert!(holds("2001:db8::/32", "2001:db8:ffff::1") && !holds("2001:db8::/32", "2001:db9::1"));
    for wrong in ["", "192.0.2.0/33", "192.0.2/24", "example.org", "::/129", "1.2.3.4/-1"] {
        assert_eq!(wrong.parse::<Network>(), Err(BadNetwork), "{wrong}");
    }
}

#[test]
fn who_only_asks_whether_somebody_is_here_is_told_nothing_unless_that_is_allowed() {
    let question = message("OPTIONS", "User-Agent: Yealink SIP-T46U");
    let phone = udp("203.0.113.7:5060");
    let answered = |border: &mut Border, now, hop| {
        (0..5).filter(|_| judge(border, now, hop, &question) == Verdict::Pass).count()
    };
    let mut border = border();
    assert_eq!(judge(&mut border, T0, phone, &question), Verdict::Drop(Why::Question));
    assert_eq!(answered(&mut border, T0, phone), 0);
    let tcp = hop(Transport::Tcp, "203.0.113.7:5060");
    assert_eq!(answered(&mut border, T0, tcp), 5, "who has a connection knows it already");
    assert_eq!(judge(&mut border, T0, phone, &message("REGISTER", "")), Verdict::Pass, "and may sign in");
    // Whoever has proved a password may ask, as may carriers, and who is in a call.
    border.proved(T0, phone);
    assert_eq!(answered(&mut border, T0, phone), 5);
    border.set_carriers(vec!["198.51.100.1".parse().unwrap()]);
    assert_eq!(answered(&mut border, T0, udp("198.51.100.1:5060")), 5);
    let within = question.replace("To: <sip:a@b>", "To: <sip:a@b>;tag=1");
    assert_eq!(judge(&mut border, T0, udp("203.0.113.9:5060"), &within), Verdict::Pass);
    let mut open = Border::new(Limits { questions: 2, ..Limits::default() });
    let spans = [0, 30, 61].map(|seconds| answered(&mut open, T0 + seconds * SECOND, phone));
    assert_eq!(spans, [2, 0, 2], "so many a minute");
}
