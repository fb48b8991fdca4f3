//! The listeners over real loopback sockets. Where a test is about time, the clock of tokio is paused and jumps.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{ConnectInfo, State};
use axum::routing::get;
use futures_util::{SinkExt, StreamExt};
use session::api::Input;
use sip_core::api::{Hop, Transport};
use sip_core::shard::Placement;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message};

use super::Network;
use crate::clock::Clock;
use crate::config::{self, SipListener};
use crate::guard::Guard;
use crate::inbox::{Outlet, Received, inbox};

mod flows;
mod names;
mod secure;

const OPTIONS: &[u8] = b"OPTIONS sip:a@b SIP/2.0\r\nContent-Length: 0\r\n\r\n";
const ANSWER: &[u8] = b"SIP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n";

struct World {
    network: Network,
    outlet: Outlet,
}

impl World {
    async fn start() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut config::Sip)) -> Self {
        let listener = |transport| SipListener {
            name: None,
            transport,
            listen: "127.0.0.1:0".parse().unwrap(),
            advertised: None,
            certificate: None,
        };
        let mut config = config::Sip {
            domain: "test".into(),
            region: "DE".into(),
            calls_abroad: false,
            redirects: Default::default(),
            listeners: vec![listener(Transport::Udp), listener(Transport::Tcp)],
            min_expires: Duration::from_secs(60),
            max_expires: Duration::from_secs(3600),
            session_timers: sip_core::api::SessionTimers::default(),
            digest: Vec::new(),
            demanded: Vec::new(),
            max_bindings: 10,
            max_calls: 10,
            shards: 0,
            max_connections: 100,
            idle_timeout: Duration::from_secs(180),
            max_message: 4096,
            authorities: None,
            name_servers: Vec::new(),
        };
        change(&mut config);
        let guard = Guard::new(Default::default(), Duration::from_secs(1), Clock::start(), [0; 32]);
        let (inbox, mut outlets) = inbox(guard, Placement::new(0, [0; 32]));
        Self { network: Network::start(&config, inbox).await.unwrap(), outlet: outlets.remove(0) }
    }

    fn address(&self, transport: Transport) -> SocketAddr {
        self.network.bound().iter().find(|bound| bound.transport == transport).unwrap().local
    }

    /// The next input of the engine.
    async fn next(&self) -> Input {
        loop {
            match self.outlet.receive(Some(Duration::ZERO)) {
                Received::Input(input) => return input,
                Received::Order(_) => panic!("there is one stack"),
                Received::TimedOut => tokio::time::sleep(Duration::from_millis(1)).await,
                Received::Closed => panic!("the listeners are gone"),
            }
        }
    }

    async fn packet(&self) -> (Hop, Vec<u8>) {
        match self.next().await {
            Input::Packet { hop, bytes } => (hop, bytes),
            Input::ConnectionClosed(id) => panic!("{id:?} was closed"),
            _ => panic!("not a packet"),
        }
    }

    async fn closed(&self) {
        match self.next().await {
            Input::ConnectionClosed(_) => {}
            Input::Packet { bytes, .. } => panic!("a packet: {}", String::from_utf8_lossy(&bytes)),
            _ => panic!("not the end of a connection"),
        }
    }

    /// An HTTP server with the SIP route on it.
    async fn serve_websocket(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let local = listener.local_addr().unwrap();
        let route = move |State(network): State<Network>,
                          ConnectInfo(remote): ConnectInfo<SocketAddr>,
                          upgrade: WebSocketUpgrade| async move {
            network.accept_websocket(upgrade, remote, local, Transport::Ws)
        };
        let app = axum::Router::new().route("/sip", get(route)).with_state(self.network.clone());
        tokio::spawn(async move {
            axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await.unwrap();
        });
        local
    }
}

type Browser = tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<TcpStream>>;

async fn browser(
    server: SocketAddr,
    subprotocol: Option<&'static str>,
) -> Result<Browser, tungstenite::Error> {
    let mut request = format!("ws://{server}/sip").into_client_request().unwrap();
    if let Some(subprotocol) = subprotocol {
        request.headers_mut().insert("sec-websocket-protocol", subprotocol.parse().unwrap());
    }
    tokio_tungstenite::connect_async(request).await.map(|(browser, _)| browser)
}

#[tokio::test]
async fn a_datagram_goes_up_with_its_hop_and_the_answer_comes_back_from_the_listener() {
    let world = World::start().await;
    let phone = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let server = world.address(Transport::Udp);
    phone.send_to(b"\r\n\r\n", server).await.unwrap();
    phone.send_to(&[b'x'; 5000], server).await.unwrap();
    phone.send_to(OPTIONS, server).await.unwrap();
    let (hop, bytes) = world.packet().await;
    assert_eq!(bytes, OPTIONS, "neither the keep-alive nor what is too large went up");
    let expected = Hop {
        transport: Transport::Udp,
        local: server,
        remote: phone.local_addr().unwrap(),
        connection: None,
    };
    assert_eq!(hop, expected);

    world.network.transmit(hop, Arc::from(ANSWER));
    let mut buffer = [0; 100];
    let (length, from) = phone.recv_from(&mut buffer).await.unwrap();
    assert_eq!((&buffer[..length], from), (ANSWER, server));
    let figures = world.network.figures();
    assert_eq!((figures.udp_received, figures.udp_dropped, figures.udp_sent), (3, 1, 1));
}

#[tokio::test]
async fn messages_are_cut_from_the_stream_and_answered_on_it() {
    let world = World::start().await;
    let mut phone = TcpStream::connect(world.address(Transport::Tcp)).await.unwrap();
    let stream = [OPTIONS, b"\r\n\r\n", OPTIONS].concat();
    for piece in stream.chunks(7) {
        phone.write_all(piece).await.unwrap();
    }
    let (hop, first) = world.packet().await;
    let (_, second) = world.packet().await;
    assert_eq!((&first[..], &second[..]), (OPTIONS, OPTIONS));
    world.network.transmit(hop, Arc::from(ANSWER));
    let mut answer = vec![0; 2 + ANSWER.len()];
    phone.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, [b"\r\n", ANSWER].concat(), "the ping is answered, then the request");

    world.network.transmit(hop, Arc::from(ANSWER));
    world.network.close(hop.connection.unwrap());
    let mut rest = Vec::new();
    phone.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, ANSWER, "what was sent before the close still goes out");
    world.closed().await;
}

#[tokio::test]
async fn requests_without_a_connection_share_one_to_the_same_peer() {
    let world = World::start().await;
    let trunk = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let local = world.address(Transport::Tcp);
    let hop = Hop { transport: Transport::Tcp, local, remote: trunk.local_addr().unwrap(), connection: None };
    world.network.transmit(hop, Arc::from(OPTIONS));
    world.network.transmit(hop, Arc::from(OPTIONS));
    let (mut stream, _) = trunk.accept().await.unwrap();
    let mut both = vec![0; OPTIONS.len() * 2];
    stream.read_exact(&mut both).await.unwrap();
    assert_eq!(both, [OPTIONS, OPTIONS].concat());
    stream.write_all(ANSWER).await.unwrap();
    let (back, bytes) = world.packet().await;
    assert_eq!(bytes, ANSWER);
    assert_eq!(Hop { connection: None, ..back }, hop);
    drop(stream);
    world.closed().await;
    assert_eq!(world.network.figures().connections, 0);
}

#[tokio::test]
async fn where_nobody_listens_is_unreachable() {
    let world = World::start().await;
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let local = world.address(Transport::Tcp);
    let tcp = Hop { transport: Transport::Tcp, local, remote: nobody, connection: None };
    let gone = Hop { connection: Some(sip_core::api::ConnectionId(999)), ..tcp };
    let browser = Hop { transport: Transport::Ws, ..tcp };
    for hop in [tcp, gone, browser] {
        world.network.transmit(hop, Arc::from(OPTIONS));
        assert!(matches!(world.next().await, Input::Unreachable(there) if there == hop));
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_says_nothing_or_only_half_of_it_is_cut() {
    let world = World::start().await;
    let started = tokio::time::Instant::now();
    let mut silent = TcpStream::connect(world.address(Transport::Tcp)).await.unwrap();
    assert_eq!(silent.read(&mut [0; 10]).await.unwrap(), 0);
    let waited = started.elapsed();
    assert!((Duration::from_secs(10)..Duration::from_secs(12)).contains(&waited), "{waited:?}");
    world.closed().await;

    // A byte now and then does not help when the message is never whole.
    let mut slow = TcpStream::connect(world.address(Transport::Tcp)).await.unwrap();
    let started = tokio::time::Instant::now();
    let slowly = async {
        for byte in OPTIONS.iter().cycle() {
            if slow.write_all(&[*byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    tokio::select! {
        () = slowly => {}
        () = world.closed() => {}
    }
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
    assert_eq!(world.network.figures().connections_cut, 2);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_has_spoken_lives_on_by_its_pings() {
    let world = World::start().await;
    let mut phone = TcpStream::connect(world.address(Transport::Tcp)).await.unwrap();
    phone.write_all(OPTIONS).await.unwrap();
    world.packet().await;
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_secs(120)).await;
        phone.write_all(b"\r\n\r\n").await.unwrap();
        let mut pong = [0; 2];
        phone.read_exact(&mut pong).await.unwrap();
        assert_eq!(&pong, b"\r\n");
    }
    // Without them it is over after the idle time.
    assert_eq!(phone.read(&mut [0; 10]).await.unwrap(), 0);
    world.closed().await;
}

#[tokio::test]
async fn what_is_no_sip_goes_up_once_for_an_answer_and_is_cut() {
    let world = World::start().await;
    let mut odd = TcpStream::connect(world.address(Transport::Tcp)).await.unwrap();
    odd.write_all(b"OPTIONS sip:a@b SIP/2.0\r\nContent-Length: many\r\n\r\nand more").await.unwrap();
    let (hop, head) = world.packet().await;
    assert!(head.starts_with(b"OPTIONS"));
    world.network.transmit(hop, Arc::from(ANSWER));
    world.network.close(hop.connection.unwrap());
    let mut answer = vec![0; ANSWER.len()];
    odd.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, ANSWER);
    world.closed().await;
    assert_eq!(world.network.figures().connections_cut, 1);
}

#[tokio::test]
async fn a_browser_speaks_text_or_binary_and_is_answered_in_text() {
    let world = World::start().await;
    let server = world.serve_websocket().await;
    let mut browser = browser(server, Some("sip")).await.unwrap();
    browser.send(Message::text("\r\n\r\n")).await.unwrap();
    assert_eq!(browser.next().await.unwrap().unwrap(), Message::text("\r\n"));
    for message in [Message::text(str::from_utf8(OPTIONS).unwrap()), Message::binary(OPTIONS)] {
        browser.send(message).await.unwrap();
        let (hop, bytes) = world.packet().await;
        assert_eq!((bytes.as_slice(), hop.transport, hop.local), (OPTIONS, Transport::Ws, server));
        world.network.transmit(hop, Arc::from(ANSWER));
        assert_eq!(browser.next().await.unwrap().unwrap(), Message::text(str::from_utf8(ANSWER).unwrap()));
    }
    drop(browser);
    world.closed().await;
}

#[tokio::test]
async fn a_websocket_without_the_subprotocol_is_refused() {
    let world = World::start().await;
    let server = world.serve_websocket().await;
    for subprotocol in [None, Some("chat")] {
        match browser(server, subprotocol).await {
            Err(tungstenite::Error::Http(answer)) => assert_eq!(answer.status(), 400),
            other => panic!("{subprotocol:?} gave {:?}", other.is_ok()),
        }
    }
    assert_eq!(world.network.figures().connections, 0);
}

#[tokio::test]
async fn a_frame_that_is_too_large_ends_the_connection() {
    let world = World::start().await;
    let server = world.serve_websocket().await;
    let mut browser = browser(server, Some("sip")).await.unwrap();
    browser.send(Message::text("x".repeat(5000))).await.unwrap();
    world.closed().await;
}

#[tokio::test(start_paused = true)]
async fn a_browser_that_answers_no_ping_is_gone_within_fifteen_seconds() {
    let world = World::start().await;
    let server = world.serve_websocket().await;
    let mut browser = browser(server, Some("sip")).await.unwrap();
    browser.send(Message::text(str::from_utf8(OPTIONS).unwrap())).await.unwrap();
    world.packet().await;
    let started = tokio::time::Instant::now();
    // The connection stays open, but nobody reads the pings.
    world.closed().await;
    let waited = started.elapsed();
    assert!((Duration::from_secs(14)..Duration::from_secs(17)).contains(&waited), "{waited:?}");
    drop(browser);
}
