//! What a server shows and whom it believes, from files that may change while it runs.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};

use rustls::client::Resumption;
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::version::TLS13;
use rustls::{ClientConfig, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::files::Contents;
use super::stream::{Handshake, finished};
use super::verify::AnyHolder;
use super::{Certificate, TlsError, TlsFiles};
use crate::protocol::text::Name;

/// A server's certificate and the CAs that it believes.
#[derive(Debug)]
pub struct Identity {
    files: TlsFiles,
    name: Name,
    loaded: Mutex<Loaded>,
}

#[derive(Debug)]
struct Loaded {
    /// Of the files when they were last looked at, whether they were any good or not.
    stamps: [Option<(u64, u64, i64, i64)>; 3],
    configs: Configs,
}

/// How to dial and how to accept.
#[derive(Debug, Clone)]
struct Configs {
    dial: Arc<ClientConfig>,
    accept: Arc<ServerConfig>,
}

impl Identity {
    /// Reads the files of the server `name`.
    ///
    /// # Errors
    /// [`TlsError`]: the file and what is wrong with it.
    pub fn load(files: TlsFiles, name: &Name) -> Result<Self, TlsError> {
        // Before reading: what is written meanwhile is then read again.
        let stamps = files.stamps();
        let configs = Configs::read(&files, name)?;
        Ok(Self { files, name: name.clone(), loaded: Mutex::new(Loaded { stamps, configs }) })
    }

    /// Reads the files again if they have changed, and says whether that went well; otherwise
    /// what is in use stays in use. `None` if they are as they were: also bad files are said once.
    ///
    /// # Panics
    /// If a thread panicked while it did the same.
    pub fn refresh(&self) -> Option<Result<(), TlsError>> {
        let mut loaded = self.loaded.lock().expect("nothing panics while it reads the files");
        let stamps = self.files.stamps();
        if stamps == loaded.stamps {
            return None;
        }
        loaded.stamps = stamps;
        Some(Configs::read(&self.files, &self.name).map(|configs| loaded.configs = configs))
    }

    /// Shakes hands with somebody whom we have dialled.
    pub async fn dial<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> Handshake<S> {
        // An address is not sent, and nobody looks at it: the name is in the certificate.
        let nobody = ServerName::from(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let connector = TlsConnector::from(self.configs().dial);
        finished(connector.connect(nobody, stream).into_fallible().await)
    }

    /// Shakes hands with somebody who has dialled us.
    pub async fn accept<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> Handshake<S> {
        let acceptor = TlsAcceptor::from(self.configs().accept);
        finished(acceptor.accept(stream).into_fallible().await)
    }

    fn configs(&self) -> Configs {
        self.loaded.lock().expect("nothing panics while it reads the files").configs.clone()
    }
}

impl Configs {
    fn read(files: &TlsFiles, name: &Name) -> Result<Self, TlsError> {
        let Contents { chain, key, authorities } = files.read()?;
        let ours = chain.first().map(Certificate::read);
        if let Some(other) = ours.filter(|ours| !ours.bears(name)) {
            return Err(TlsError::NotOurs { cert: files.cert.clone(), holders: other.holders(), name: name.clone() });
        }
        let no_pair = |cause| TlsError::NoPair { cert: files.cert.clone(), key: files.key.clone(), cause };
        let authorities = Arc::new(authorities);
        let provider = Arc::new(ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::clone(&authorities), Arc::clone(&provider))
            .build()
            .expect("there is a CA");
        let mut accept = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&TLS13])
            .expect("ring has TLS 1.3")
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain.clone(), key.clone_key())
            .map_err(no_pair)?;
        let mut dial = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&TLS13])
            .expect("ring has TLS 1.3")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyHolder::new(authorities, &provider)))
            .with_client_auth_cert(chain, key)
            .map_err(no_pair)?;
        // A session that is resumed skips the check of certificates: it would outlive them.
        accept.session_storage = Arc::new(NoServerSessionStorage {});
        accept.send_tls13_tickets = 0;
        dial.resumption = Resumption::disabled();
        Ok(Self { dial: Arc::new(dial), accept: Arc::new(accept) })
    }
}
