//! Certificates: our own, and whose we believe.
//!
//! Invariants: a listener whose new certificate is bad goes on with the old one; a peer's name counts only after its certificate was
//! verified.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use crate::config::Certificate;

/// A handshake that takes longer is cut.
pub const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
/// Names that we take from one certificate.
const MAX_NAMES: usize = 16;
/// Addresses of which we remember whose certificate is wanted there.
const MAX_EXPECTED: usize = 4096;

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{path}: {source}")]
    File { path: PathBuf, source: rustls::pki_types::pem::Error },
    #[error("{0} holds no certificate")]
    Empty(PathBuf),
    #[error("the certificate in {path} cannot be used: {source}")]
    Unusable { path: PathBuf, source: rustls::Error },
    #[error("the authorities in {path} cannot be used: {source}")]
    Authorities { path: PathBuf, source: rustls::server::VerifierBuilderError },
}

/// What a TLS listener shows, and which clients it asks for theirs. Loaded again by [`ServerTls::reload`].
#[derive(Debug)]
pub struct ServerTls {
    files: Certificate,
    current: RwLock<Arc<ServerConfig>>,
}

impl ServerTls {
    pub fn load(files: &Certificate) -> Result<Arc<Self>, TlsError> {
        let current = RwLock::new(server_config(files)?);
        Ok(Arc::new(Self { files: files.clone(), current }))
    }

    /// Connections that are open keep what they have.
    pub fn reload(&self) -> Result<(), TlsError> {
        let new = server_config(&self.files)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }

    /// Within [`HANDSHAKE_WITHIN`].
    pub async fn accept(&self, stream: TcpStream) -> io::Result<server::TlsStream<TcpStream>> {
        let config = self.current.read().unwrap_or_else(PoisonError::into_inner).clone();
        timeout(HANDSHAKE_WITHIN, TlsAcceptor::from(config).accept(stream)).await?
    }
}

/// The names in the certificate that a client showed; it was verified, or the handshake would have failed.
pub(super) fn verified_names(stream: &server::TlsStream<TcpStream>) -> Vec<String> {
    let certificates = stream.get_ref().1.peer_certificates();
    let Some(first) = certificates.and_then(<[CertificateDer<'_>]>::first) else { return Vec::new() };
    let Ok(parsed) = webpki::EndEntityCert::try_from(first) else { return Vec::new() };
    parsed.valid_dns_names().take(MAX_NAMES).map(str::to_ascii_lowercase).collect()
}

/// For requests to whomever a flow asks: the system's authorities are believed.
pub fn public_clients() -> Result<Arc<ClientConfig>, TlsError> {
    ClientTls::load(None, None).map(|tls| tls.config)
}

/// Whom we believe when we connect, and what we show then.
#[derive(Debug)]
pub(super) struct ClientTls {
    config: Arc<ClientConfig>,
    expected: Mutex<HashMap<SocketAddr, String>>,
}

impl ClientTls {
    /// The system's authorities and those in `authorities`; `own` is shown to servers that ask.
    pub fn load(authorities: Option<&Path>, own: Option<&Certificate>) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        // What the system has and cannot be read is its own affair: then fewer servers are believed.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(path) = authorities {
            roots.add_parsable_certificates(certificates(path)?);
        }
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("the provider knows TLS 1.2 and 1.3")
            .with_root_certificates(roots);
        let config = match own {
            None => builder.with_no_client_auth(),
            Some(files) => builder
                .with_client_auth_cert(certificates(&files.certificate)?, key(&files.key)?)
                .map_err(|source| TlsError::Unusable { path: files.certificate.clone(), source })?,
        };
        Ok(Self { config: Arc::new(config), expected: Mutex::default() })
    }

    /// Whose certificate is wanted at this address from now on.
    pub fn expect(&self, remote: SocketAddr, name: String) {
        let mut expected = self.expected.lock().unwrap_or_else(PoisonError::into_inner);
        if expected.len() >= MAX_EXPECTED {
            expected.clear();
        }
        expected.insert(remote, name);
    }

    pub async fn connect(
        &self,
        remote: SocketAddr,
        stream: TcpStream,
    ) -> io::Result<client::TlsStream<TcpStream>> {
        let known = self.expected.lock().unwrap_or_else(PoisonError::into_inner).get(&remote).cloned();
        let name = match known {
            Some(name) => ServerName::try_from(name).map_err(io::Error::other)?,
            None => ServerName::from(remote.ip()),
        };
        let connector = TlsConnector::from(self.config.clone());
        timeout(HANDSHAKE_WITHIN, connector.connect(name, stream)).await?
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn server_config(files: &Certificate) -> Result<Arc<ServerConfig>, TlsError> {
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("the provider knows TLS 1.2 and 1.3");
    let builder = match &files.client_authorities {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(certificates(path)?);
            // Phones have no certificate; whoever shows one must have a good one.
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
                .allow_unauthenticated()
                .build()
                .map_err(|source| TlsError::Authorities { path: path.clone(), source })?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let chain = certificates(&files.certificate)?;
    let unusable = |source| TlsError::Unusable { path: files.certificate.clone(), source };
    for certificate in &chain {
        ParsedCertificate::try_from(certificate).map_err(unusable)?;
    }
    let config = builder.with_single_cert(chain, key(&files.key)?).map_err(unusable)?;
    Ok(Arc::new(config))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |source| TlsError::File { path: path.to_owned(), source };
    let found: Vec<_> =
        CertificateDer::pem_file_iter(path).map_err(failed)?.collect::<Result<_, _>>().map_err(failed)?;
    if found.is_empty() { Err(TlsError::Empty(path.to_owned())) } else { Ok(found) }
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(path).map_err(|source| TlsError::File { path: path.to_owned(), source })
}
