use super::*;

const BOTH: [(Transport, bool); 6] = [
    (Transport::Udp, true),
    (Transport::Tcp, true),
    (Transport::Tls, true),
    (Transport::Udp, false),
    (Transport::Tcp, false),
    (Transport::Tls, false),
];

/// A zone file, more or less.
#[derive(Default)]
struct Zone(BTreeMap<Question, Answer>);

impl Zone {
    fn naptr(mut self, name: &str, records: &[(u16, u16, &str, &str)]) -> Self {
        let record = |(order, preference, services, replacement): &(u16, u16, &str, &str)| Naptr {
            order: *order,
            preference: *preference,
            flags: "S".to_owned(),
            services: (*services).to_owned(),
            replacement: (*replacement).to_owned(),
        };
        let answer = Answer::Naptr(records.iter().map(record).collect());
        self.0.insert(Question::Naptr(name.to_owned()), answer);
        self
    }

    fn srv(mut self, name: &str, records: &[(u16, u16, u16, &str)]) -> Self {
        let record = |(priority, weight, port, target): &(u16, u16, u16, &str)| Srv {
            priority: *priority,
            weight: *weight,
            port: *port,
            target: (*target).to_owned(),
        };
        let answer = Answer::Srv(records.iter().map(record).collect());
        self.0.insert(Question::Srv(name.to_owned()), answer);
        self
    }

    fn host(mut self, name: &str, addresses: &[&str]) -> Self {
        let all: Vec<IpAddr> = addresses.iter().map(|address| address.parse().unwrap()).collect();
        let v4 = all.iter().filter_map(|ip| if let IpAddr::V4(ip) = ip { Some(*ip) } else { None }).collect();
        let v6 = all.iter().filter_map(|ip| if let IpAddr::V6(ip) = ip { Some(*ip) } else { None }).collect();
        self.0.insert(Question::A(name.to_owned()), Answer::A(v4));
        self.0.insert(Question::Aaaa(name.to_owned()), Answer::Aaaa(v6));
        self
    }

    /// The places for a URI, and how many questions it took.
    fn look_up(&self, uri: &str, abilities: &[(Transport, bool)]) -> (Vec<String>, usize) {
        let uri = Uri::parse(uri.as_bytes()).unwrap();
        let mut random = Random::new([1; 32]);
        let mut search = Search::start(Wanted::of(&uri).unwrap(), Abilities(abilities.to_vec()));
        let mut asked = 0;
        while let Some(question) = search.poll_question() {
            asked += 1;
            assert!(asked < 100, "{question:?}");
            let answer = self.0.get(&question).cloned().unwrap_or(Answer::Nothing);
            search.answer(&question, answer, &mut random);
        }
        let places = search.places().expect("every question was answered");
        let text = |place: &Place| format!("{} {}", place.transport.via_name(), place.address);
        (places.iter().map(text).collect(), asked)
    }

    fn places(&self, uri: &str) -> Vec<String> {
        self.look_up(uri, &BOTH).0
    }
}

#[test]
fn addresses_need_no_dns() {
    let zone = Zone::default();
    for (uri, place) in [
        ("sip:192.0.2.1", "UDP 192.0.2.1:5060"),
        ("sip:a@192.0.2.1:5080;transport=TCP", "TCP 192.0.2.1:5080"),
        ("sip:a@[2001:db8::1];transport=tls", "TLS [2001:db8::1]:5061"),
        ("sips:192.0.2.1", "TLS 192.0.2.1:5061"),
        ("sips:192.0.2.1:5070;transport=tcp", "TLS 192.0.2.1:5070"),
        ("sip:example.org;maddr=192.0.2.9", "UDP 192.0.2.9:5060"),
    ] {
        assert_eq!(zone.look_up(uri, &BOTH), (vec![place.to_owned()], 0), "{uri}");
    }
}

/// The example of RFC 3263 §4.1.
#[test]
fn naptr_says_which_transport_and_srv_says_which_server() {
    let zone = Zone::default()
        .naptr(
            "example.com",
            &[
                (90, 50, "SIP+D2U", "_sip._udp.example.com."),
                (50, 50, "SIPS+D2T", "_sips._tcp.example.com."),
                (90, 40, "SIP+D2T", "_sip._tcp.example.com."),
            ],
        )
        .srv("_sips._tcp.example.com", &[(0, 1, 5061, "tls.example.com.")])
        .srv(
            "_sip._tcp.example.com",
            &[(1, 1, 5060, "server2.example.com."), (0, 1, 5060, "server1.example.com.")],
        )
        .host("server1.example.com", &["192.0.2.1", "2001:db8::1"])
        .host("server2.example.com", &["192.0.2.2"])
        .host("tls.example.com", &["192.0.2.3"]);
    assert_eq!(
        zone.places("sip:a@example.com"),
        ["TLS 192.0.2.3:5061", "TCP 192.0.2.1:5060", "TCP [2001:db8::1]:5060", "TCP 192.0.2.2:5060"]
    );
    let no_tls = [(Transport::Udp, true), (Transport::Tcp, true)];
    assert_eq!(
        zone.look_up("sip:a@example.com", &no_tls).0,
        ["TCP 192.0.2.1:5060", "TCP 192.0.2.2:5060"],
        "what we do not speak is passed over"
    );
    assert_eq!(zone.places("sips:a@example.com"), ["TLS 192.0.2.3:5061"]);
}

#[test]
fn without_naptr_each_transport_is_asked_for() {
    let zone = Zone::default()
        .srv("_sip._tcp.example.com", &[(0, 0, 5080, "a.example.com")])
        .srv("_sip._udp.example.com", &[(0, 0, 5070, "a.example.com")])
        .host("a.example.com", &["192.0.2.1"]);
    assert_eq!(zone.places("sip:example.com"), ["UDP 192.0.2.1:5070", "TCP 192.0.2.1:5080"]);
    assert_eq!(zone.places("sip:example.com;transport=tcp"), ["TCP 192.0.2.1:5080"]);
}

#[test]
fn without_srv_the_name_is_a_host_and_a_port_asks_for_nothing_else() {
    let zone = Zone::default().host("example.com", &["192.0.2.1", "2001:db8::1"]);
    assert_eq!(zone.places("sip:example.com"), ["UDP 192.0.2.1:5060", "UDP [2001:db8::1]:5060"]);
    assert_eq!(zone.places("sips:example.com"), ["TLS 192.0.2.1:5061", "TLS [2001:db8::1]:5061"]);
    assert_eq!(
        zone.places("sip:example.com;transport=tcp"),
        ["TCP 192.0.2.1:5060", "TCP [2001:db8::1]:5060"]
    );
    let (places, asked) = zone.look_up("sip:Example.COM.:5099", &BOTH);
    assert_eq!((places.len(), asked), (2, 2), "A and AAAA only: {places:?}");
}

#[test]
fn the_family_of_our_first_listener_is_preferred() {
    let zone = Zone::default().host("example.com", &["192.0.2.1", "2001:db8::1"]);
    let six_first = [(Transport::Udp, false), (Transport::Udp, true)];
    assert_eq!(
        zone.look_up("sip:example.com:5060", &six_first).0,
        ["UDP [2001:db8::1]:5060", "UDP 192.0.2.1:5060"]
    );
    let (places, asked) = zone.look_up("sip:example.com:5060", &[(Transport::Udp, true)]);
    assert_eq!((places, asked), (vec!["UDP 192.0.2.1:5060".to_owned()], 1), "AAAA is not even asked for");
}

#[test]
fn sips_never_leads_to_anything_but_tls() {
    let zone = Zone::default()
        .naptr(
            "example.com",
            &[(1, 1, "SIP+D2U", "_sip._udp.example.com"), (2, 1, "SIP+D2T", "_sip._tcp.example.com")],
        )
        .srv("_sip._udp.example.com", &[(0, 0, 5060, "example.com")])
        .srv("_sip._tcp.example.com", &[(0, 0, 5060, "example.com")])
        .host("example.com", &["192.0.2.1"]);
    assert_eq!(zone.places("sips:example.com"), ["TLS 192.0.2.1:5061"]);
    assert_eq!(zone.places("sips:example.com;transport=udp"), [""; 0]);
    let deaf = [(Transport::Udp, true), (Transport::Tcp, true)];
    assert_eq!(zone.look_up("sips:example.com", &deaf).0, [""; 0]);
    assert_eq!(zone.look_up("sips:192.0.2.1", &deaf).0, [""; 0]);
}

#[test]
fn a_service_that_is_decidedly_not_there_is_not_guessed() {
    let zone =
        Zone::default().srv("_sip._udp.example.com", &[(0, 0, 0, ".")]).host("example.com", &["192.0.2.1"]);
    assert_eq!(zone.places("sip:example.com;transport=udp"), [""; 0]);
}

#[test]
fn the_number_of_questions_and_places_is_bounded_whatever_the_dns_says() {
    let many: Vec<(u16, u16, u16, String)> =
        (0..500).map(|n| (n, 0, 5060, format!("host{n}.example.com"))).collect();
    let many: Vec<_> = many.iter().map(|(p, w, port, name)| (*p, *w, *port, name.as_str())).collect();
    let mut zone = Zone::default().srv("_sip._udp.example.com", &many);
    for (_, _, _, name) in &many {
        zone = zone.host(name, &["192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1"]);
    }
    let (places, asked) = zone.look_up("sip:example.com", &BOTH);
    assert!(places.len() <= MAX_PLACES && asked <= 4 + 2 * MAX_SERVERS, "{} {asked}", places.len());
}

#[test]
fn answers_that_do_not_fit_are_no_answers() {
    let uri = Uri::parse(b"sip:example.com:5060").unwrap();
    let mut random = Random::new([1; 32]);
    let mut search = Search::start(Wanted::of(&uri).unwrap(), Abilities(vec![(Transport::Udp, true)]));
    let question = search.poll_question().unwrap();
    search.answer(&Question::A("other.example".to_owned()), Answer::Nothing, &mut random);
    assert_eq!(search.places(), None);
    search.answer(&question, Answer::Srv(Vec::new()), &mut random);
    assert_eq!(search.places(), Some(&[][..]));
}
