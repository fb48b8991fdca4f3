//! TLS, secure WebSocket and both families, with certificates made for the occasion.

use std::fs;
use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use sip_core::api::{Answer, LookupId, Question};
use tempfile::TempDir;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::*;
use crate::config::Certificate;

/// An authority and what it signed, as PEM files.
struct Papers {
    folder: TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Papers {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("authority.pem"), authority.pem()).unwrap();
        Self { folder, authority }
    }

    fn authority(&self) -> PathBuf {
        self.folder.path().join("authority.pem")
    }

    /// Signs a certificate for these names and writes it with its key.
    fn issue(&self, file: &str, names: &[&str]) -> Certificate {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let signed = CertificateParams::new(names).unwrap().signed_by(&key, &self.authority).unwrap();
        let path = |end: &str| self.folder.path().join(format!("{file}.{end}"));
        fs::write(path("pem"), signed.pem()).unwrap();
        fs::write(path("key"), key.serialize_pem()).unwrap();
        Certificate { certificate: path("pem"), key: path("key"), client_authorities: None }
    }

    /// A client that believes the authority, and shows `own` if it is asked.
    fn client(&self, own: Option<&Certificate>) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.authority()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        Arc::new(match own {
            None => builder.with_no_client_auth(),
            Some(own) => {
                let chain = vec![CertificateDer::from_pem_file(&own.certificate).unwrap()];
                builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(&own.key).unwrap()).unwrap()
            }
        })
    }
}

fn secure(transport: Transport, certificate: &Certificate) -> SipListener {
    SipListener {
        name: None,
        transport,
        listen: "127.0.0.1:0".parse().unwrap(),
        advertised: None,
        certificate: Some(certificate.clone()),
    }
}

async fn dial(to: SocketAddr, config: Arc<ClientConfig>) -> std::io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from("sip.test").unwrap();
    TlsConnector::from(config).connect(name, TcpStream::connect(to).await?).await
}

#[tokio::test]
async fn a_phone_speaks_over_tls_and_its_end_is_told() {
    let papers = Papers::new();
    let own = papers.issue("own", &["sip.test"]);
    let world = World::with(|config| config.listeners = vec![secure(Transport::Tls, &own)]).await;
    let server = world.address(Transport::Tls);
    let mut phone = dial(server, papers.client(None)).await.unwrap();
    phone.write_all(&[b"\r\n\r\n", OPTIONS].concat()).await.unwrap();
    let (hop, bytes) = world.packet().await;
    assert_eq!((hop.transport, hop.local, bytes.as_slice()), (Transport::Tls, server, OPTIONS));
    world.network.transmit(Hop { connection: None, ..hop }, Arc::from(ANSWER));
    let mut heard = vec![0; 2 + ANSWER.len()];
    phone.read_exact(&mut heard).await.unwrap();
    assert_eq!(heard, [b"\r\n", ANSWER].concat(), "the pong, and the answer on the same connection");
    drop(phone);
    world.closed().await;
}

#[tokio::test]
async fn a_client_is_known_by_its_certificate_and_refused_with_a_bad_one() {
    let papers = Papers::new();
    let mut own = papers.issue("own", &["sip.test"]);
    own.client_authorities = Some(papers.authority());
    let world = World::with(|config| config.listeners = vec![secure(Transport::Tls, &own)]).await;
    let server = world.address(Transport::Tls);
    let carrier = papers.issue("carrier", &["Edge.Carrier.example", "*.carrier.example"]);
    let mut stream = dial(server, papers.client(Some(&carrier))).await.unwrap();
    stream.write_all(OPTIONS).await.unwrap();
    let Input::ConnectionOpened { connection, tls_names } = world.next().await else { panic!("who is it?") };
    assert_eq!(tls_names, ["edge.carrier.example", "*.carrier.example"]);
    let (hop, _) = world.packet().await;
    assert_eq!(hop.connection, Some(connection));
    let mut nobody = dial(server, papers.client(None)).await.unwrap();
    nobody.write_all(OPTIONS).await.unwrap();
    let (hop, _) = world.packet().await;
    assert_ne!(hop.connection, Some(connection), "without a certificate nothing is claimed");
    let forger = Papers::new();
    let forged = forger.issue("carrier", &["edge.carrier.example"]);
    if let Ok(mut stream) = dial(server, papers.client(Some(&forged))).await {
        // With TLS 1.3 the client learns it only when it reads.
        assert!(!matches!(stream.read(&mut [0; 10]).await, Ok(1..)));
    }
    assert_eq!(world.network.figures().connections_cut, 1);
}

#[tokio::test]
async fn we_connect_by_tls_only_to_whom_we_mean() {
    let papers = Papers::new();
    let carrier = papers.issue("carrier", &["sip.carrier.example"]);
    let far = World::with(|config| config.listeners = vec![secure(Transport::Tls, &carrier)]).await;
    let own = papers.issue("own", &["sip.test"]);
    let near = World::with(|config| {
        config.listeners = vec![secure(Transport::Tls, &own)];
        config.authorities = Some(papers.authority());
    })
    .await;
    let (local, remote) = (near.address(Transport::Tls), far.address(Transport::Tls));
    let hop = Hop { transport: Transport::Tls, local, remote, connection: None };
    for wrong in [None, Some("sip.other.example")] {
        if let Some(name) = wrong {
            near.network.expect(remote, name.to_owned());
        }
        near.network.transmit(hop, Arc::from(OPTIONS));
        let Input::Unreachable(unreachable) = near.next().await else { panic!("{wrong:?} was believed") };
        assert_eq!(unreachable, hop);
    }
    near.network.expect(remote, "sip.carrier.example".to_owned());
    near.network.transmit(hop, Arc::from(OPTIONS));
    near.network.transmit(hop, Arc::from(OPTIONS));
    let (first, bytes) = far.packet().await;
    assert_eq!(bytes, OPTIONS);
    let (second, _) = far.packet().await;
    assert_eq!(first.connection, second.connection, "one connection serves both");
    far.network.transmit(first, Arc::from(ANSWER));
    assert_eq!(near.packet().await.1, ANSWER);
}

#[tokio::test]
async fn new_certificates_are_shown_after_a_reload_and_bad_ones_never() {
    let papers = Papers::new();
    let own = papers.issue("own", &["old.test"]);
    let world = World::with(|config| config.listeners = vec![secure(Transport::Tls, &own)]).await;
    let server = world.address(Transport::Tls);
    assert!(dial(server, papers.client(None)).await.is_err(), "it is for another name");
    papers.issue("own", &["sip.test"]);
    world.network.reload_certificates();
    assert!(dial(server, papers.client(None)).await.is_ok());
    fs::write(&own.certificate, "nonsense").unwrap();
    world.network.reload_certificates();
    assert!(dial(server, papers.client(None)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn who_does_not_shake_hands_is_cut() {
    let papers = Papers::new();
    let own = papers.issue("own", &["sip.test"]);
    let world = World::with(|config| {
        config.listeners = vec![secure(Transport::Tls, &own), secure(Transport::Wss, &own)];
    })
    .await;
    for transport in [Transport::Tls, Transport::Wss] {
        let mut stream = TcpStream::connect(world.address(transport)).await.unwrap();
        assert_eq!(stream.read(&mut [0; 10]).await.unwrap_or(0), 0);
    }
    assert_eq!(world.network.figures().connections, 0);
}

#[tokio::test]
async fn a_browser_speaks_over_wss_at_any_path() {
    let papers = Papers::new();
    let own = papers.issue("own", &["sip.test"]);
    let world = World::with(|config| config.listeners = vec![secure(Transport::Wss, &own)]).await;
    let server = world.address(Transport::Wss);
    let stream = dial(server, papers.client(None)).await.unwrap();
    let mut request = "wss://sip.test/any/path".into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", "sip".parse().unwrap());
    let (mut browser, _) = tokio_tungstenite::client_async(request, stream).await.unwrap();
    browser.send(Message::text(String::from_utf8(OPTIONS.to_vec()).unwrap())).await.unwrap();
    let (hop, bytes) = world.packet().await;
    assert_eq!((hop.transport, bytes.as_slice()), (Transport::Wss, OPTIONS));
    world.network.transmit(hop, Arc::from(ANSWER));
    loop {
        match browser.next().await.unwrap().unwrap() {
            Message::Text(text) => break assert_eq!(text.as_bytes(), ANSWER),
            Message::Ping(_) => {}
            other => panic!("{other:?}"),
        }
    }
    let stream = dial(server, papers.client(None)).await.unwrap();
    let plain = "wss://sip.test/".into_client_request().unwrap();
    let refused = tokio_tungstenite::client_async(plain, stream).await;
    assert!(matches!(refused, Err(tungstenite::Error::Http(answer)) if answer.status() == 400));
}

#[tokio::test]
async fn one_port_serves_both_families_each_by_its_own_listener() {
    let world = World::with(|config| {
        let port = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut four = config.listeners[0].clone();
        four.listen.set_port(port);
        let six = SipListener { listen: SocketAddr::new("::1".parse().unwrap(), port), ..four.clone() };
        config.listeners = vec![four, six];
    })
    .await;
    let [four, six] = world.network.bound() else { panic!("two listeners") };
    assert_eq!(four.local.port(), six.local.port());
    let phone = UdpSocket::bind("[::1]:0").await.unwrap();
    phone.send_to(OPTIONS, six.local).await.unwrap();
    let (hop, _) = world.packet().await;
    assert_eq!((hop.local, hop.remote), (six.local, phone.local_addr().unwrap()));
}

#[tokio::test]
async fn a_question_is_answered_in_any_case() {
    // Nobody serves names there.
    let deaf = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let world = World::with(|config| config.name_servers = vec![deaf.local_addr().unwrap()]).await;
    world.network.look_up(LookupId(7), Question::Srv("_sip._udp.carrier.example".into()));
    let Input::LookedUp { lookup, answer } = world.next().await else { panic!("an answer") };
    assert_eq!((lookup, answer), (LookupId(7), Answer::Nothing));
}
