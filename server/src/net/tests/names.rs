//! The SIP stack and the listeners together, with a real DNS server: dnsmasq, as a child process on a loopback port.

use std::process::{Child, Command, Stdio};

use model::Now;
use session::api::Input;
use sip_core::Stack;
use sip_core::api::{
    Answer, Event, Listener, LookupId, Naptr, OutgoingCall, Output, Question, Srv, Target, Trunk,
};

use super::*;
use crate::clock::Clock;

struct Dns {
    child: Child,
    address: SocketAddr,
}

impl Dns {
    /// Serves these records and knows nothing else.
    async fn serve(records: &[String]) -> Self {
        let free = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let found = std::env::var_os("PATH").unwrap_or_default();
        let path = format!("{}:/usr/sbin", found.to_string_lossy());
        let program =
            std::env::split_paths(&path).map(|folder| folder.join("dnsmasq")).find(|file| file.exists());
        let child = Command::new(program.expect("dnsmasq is installed: .ci/deps test"))
            .args([
                "--keep-in-foreground",
                "--conf-file=/dev/null",
                "--pid-file=",
                "--no-resolv",
                "--no-hosts",
            ])
            .args(["--listen-address=127.0.0.1", "--bind-interfaces", "--user=", "--local=/test/"])
            .arg(format!("--port={}", free.port()))
            .args(records)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let dns = Self { child, address: free };
        for _ in 0..500 {
            if TcpStream::connect(free).await.is_ok() {
                return dns;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("dnsmasq does not listen");
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A stack on a network.
struct Office {
    world: World,
    stack: Stack,
    clock: Clock,
    ended: Vec<Event>,
}

impl Office {
    async fn open(dns: &Dns) -> Self {
        let world = World::with(|config| config.name_servers = vec![dns.address]).await;
        let clock = Clock::start();
        let listeners = world.network.bound().iter().map(|bound| Listener {
            name: None,
            transport: bound.transport,
            local: bound.local,
            advertised: bound.advertised.clone(),
        });
        let config = sip_core::api::Config {
            domain: "test".into(),
            server_name: "Tandem".into(),
            listeners: listeners.collect(),
            min_expires: Duration::from_secs(60),
            max_expires: Duration::from_secs(3600),
            max_bindings: 5,
            max_calls: 10,
            shards: 0,
            seed: [1; 32],
        };
        let stack = Stack::new(clock.now(), config);
        Self { world, stack, clock, ended: Vec::new() }
    }

    fn call(&mut self, destination: &str, transport: Option<Transport>, sdp: usize) {
        let destination: sip_core::api::Destination = destination.parse().unwrap();
        self.stack.set_trunks(vec![Trunk::new("carrier", Vec::new(), destination, transport)]);
        let call = OutgoingCall {
            target: Target::Trunk { name: "carrier".into(), number: "123".into() },
            caller: "100".into(),
            caller_name: None,
            sdp: vec![b'x'; sdp],
            headers: Vec::new(),
            ring_timeout: Duration::from_secs(30),
            options: Default::default(),
            identity: Default::default(),
            silence: None,
        };
        self.stack.invite(self.clock.now(), call).unwrap();
    }

    /// Works until `done` is there.
    async fn work<T>(&mut self, done: impl Future<Output = T>) -> T {
        let mut done = std::pin::pin!(done);
        loop {
            let now: Now = self.clock.now();
            self.stack.handle_timeout(now);
            while let Some(output) = self.stack.poll_output() {
                match output {
                    Output::Transmit { hop, bytes } => self.world.network.transmit(hop, bytes),
                    Output::Lookup { lookup, question } => self.world.network.look_up(lookup, question),
                    Output::Watch { connection, silence } => {
                        self.world.network.watch(connection, silence);
                    }
                    Output::Expect { remote, name } => self.world.network.expect(remote, name),
                    Output::Event(event) => self.ended.push(event),
                    Output::CloseConnection(_)
                    | Output::Rejected { .. }
                    | Output::Binding(_)
                    | Output::Authenticated { .. } => {}
                }
            }
            tokio::select! {
                result = &mut done => return result,
                () = tokio::time::sleep(Duration::from_millis(2)) => {}
            }
            while let Received::Input(input) = self.world.outlet.receive(Some(Duration::ZERO)) {
                let now = self.clock.now();
                match input {
                    Input::LookedUp { lookup, answer } => self.stack.handle_answer(now, lookup, answer),
                    Input::Unreachable(hop) => self.stack.handle_unreachable(now, hop),
                    Input::ConnectionClosed(id) => self.stack.handle_connection_closed(now, id),
                    Input::Packet { hop, bytes } => self.stack.handle_packet(now, hop, &bytes),
                    _ => panic!("nothing else comes from a network"),
                }
            }
        }
    }
}

async fn first_line(listener: &TcpListener) -> String {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut buffer = vec![0; 4096];
    let length = stream.read(&mut buffer).await.unwrap();
    String::from_utf8_lossy(&buffer[..length]).lines().next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn every_kind_of_record_is_understood() {
    let dns = Dns::serve(&[
        "--naptr-record=carrier.test,50,60,s,SIP+D2T,,_sip._tcp.carrier.test".into(),
        "--srv-host=_sip._tcp.carrier.test,a.carrier.test,5070,10,20".into(),
        "--host-record=a.carrier.test,192.0.2.1,2001:db8::1".into(),
    ])
    .await;
    let world = World::with(|config| config.name_servers = vec![dns.address]).await;
    let naptr = Naptr {
        order: 50,
        preference: 60,
        flags: "s".into(),
        services: "SIP+D2T".into(),
        replacement: "_sip._tcp.carrier.test.".into(),
    };
    let srv = Srv { priority: 10, weight: 20, port: 5070, target: "a.carrier.test.".into() };
    for (question, expected) in [
        (Question::Naptr("carrier.test".into()), Answer::Naptr(vec![naptr])),
        (Question::Srv("_sip._tcp.carrier.test".into()), Answer::Srv(vec![srv])),
        (Question::A("a.carrier.test".into()), Answer::A(vec!["192.0.2.1".parse().unwrap()])),
        (Question::Aaaa("a.carrier.test".into()), Answer::Aaaa(vec!["2001:db8::1".parse().unwrap()])),
        (Question::A("nobody.test".into()), Answer::Nothing),
        (Question::Srv("_sip._udp.carrier.test".into()), Answer::Nothing),
    ] {
        world.network.look_up(LookupId(1), question.clone());
        let Input::LookedUp { answer, .. } = world.next().await else { panic!("an answer") };
        assert_eq!(answer, expected, "{question:?}");
    }
}

#[tokio::test]
async fn a_call_follows_naptr_and_srv_and_passes_over_a_server_that_refuses() {
    let alive = TcpListener::bind("127.0.0.3:0").await.unwrap();
    let closed = {
        let taken = TcpListener::bind("127.0.0.2:0").await.unwrap();
        taken.local_addr().unwrap().port()
    };
    let dns = Dns::serve(&[
        "--naptr-record=carrier.test,50,50,s,SIP+D2T,,_sip._tcp.carrier.test".into(),
        format!("--srv-host=_sip._tcp.carrier.test,a.carrier.test,{closed},1,0"),
        format!(
            "--srv-host=_sip._tcp.carrier.test,b.carrier.test,{},2,0",
            alive.local_addr().unwrap().port()
        ),
        "--host-record=a.carrier.test,127.0.0.2".into(),
        "--host-record=b.carrier.test,127.0.0.3".into(),
    ])
    .await;
    let mut office = Office::open(&dns).await;
    office.call("carrier.test", None, 10);
    assert_eq!(office.work(first_line(&alive)).await, "INVITE sip:123@carrier.test SIP/2.0");
    assert!(office.ended.is_empty());
}

#[tokio::test]
async fn a_large_invite_goes_by_tcp_or_as_a_datagram_where_tcp_is_refused() {
    let dns = Dns::serve(&["--host-record=carrier.test,127.0.0.2".into()]).await;
    let mut office = Office::open(&dns).await;
    let both = TcpListener::bind("127.0.0.2:0").await.unwrap();
    let address = both.local_addr().unwrap();
    office.call(&format!("carrier.test:{}", address.port()), None, 1400);
    assert!(office.work(first_line(&both)).await.starts_with("INVITE "));
    let datagrams = UdpSocket::bind("127.0.0.2:0").await.unwrap();
    let port = datagrams.local_addr().unwrap().port();
    office.call(&format!("carrier.test:{port}"), None, 1400);
    let mut buffer = vec![0; 4096];
    let (length, _) = office.work(datagrams.recv_from(&mut buffer)).await.unwrap();
    assert!(length > 1300 && buffer.starts_with(b"INVITE "));
}
