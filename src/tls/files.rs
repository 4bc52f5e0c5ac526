//! The three files that TLS needs, and how they can be wrong.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::protocol::text::Name;

/// What a mode grants to users who are neither the owner nor in the group.
const OTHERS: u32 = 0o007;

/// Where a server's certificate, its key and the CAs are, each in PEM.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The server's certificate, and behind it the CAs between it and one of `ca`, if any.
    pub cert: PathBuf,
    /// Its key, which only owner and group may read.
    pub key: PathBuf,
    /// The CAs that neighbours' certificates may be of: during a rotation the old and the new.
    pub ca: PathBuf,
}

/// Why a server has no certificate that it could show, or no CA to check others with.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file could not be read.
    #[error("cannot read {option} {}: {cause}", path.display())]
    Unreadable {
        /// The option that names the file.
        option: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// Whoever has an account on the machine could be this server.
    #[error(
        "the key {} is open to every user of this machine (mode {mode:04o}): take that away with chmod o= and, if it was open for long, make a new one",
        path.display()
    )]
    OpenKey {
        /// The key's file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// A file does not hold what it should, or only a part of it.
    #[error("{option} {} holds no {what} in PEM, or only a part of one", path.display())]
    NotPem {
        /// The option that names the file.
        option: &'static str,
        /// The file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
    },
    /// Certificate and key are not a pair, or of a kind that is not known here.
    #[error("the key {} does not fit the certificate {}: {cause}", key.display(), cert.display())]
    NoPair {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why.
        cause: rustls::Error,
    },
    /// The certificate is somebody else's.
    #[error("the certificate {} is made out to {holders}, not to {name}: neighbours would refuse it", cert.display())]
    NotOurs {
        /// The certificate's file.
        cert: PathBuf,
        /// The names in it.
        holders: String,
        /// This server.
        name: Name,
    },
}

/// What the files hold.
pub(super) struct Contents {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
    pub(super) authorities: RootCertStore,
}

/// What changes when a file is written or replaced.
type Stamp = (u64, u64, i64, i64);

impl TlsFiles {
    /// Reads all three.
    pub(super) fn read(&self) -> Result<Contents, TlsError> {
        Ok(Contents {
            chain: certificates("--tls-cert", &self.cert)?,
            key: self.key()?,
            authorities: self.authorities()?,
        })
    }

    /// What tells that a file has changed since; `None` for one that is not there.
    pub(super) fn stamps(&self) -> [Option<Stamp>; 3] {
        [&self.cert, &self.key, &self.ca].map(|path| {
            let seen = fs::metadata(path).ok()?;
            Some((seen.ino(), seen.len(), seen.mtime(), seen.mtime_nsec()))
        })
    }

    fn key(&self) -> Result<PrivateKeyDer<'static>, TlsError> {
        let (option, path) = ("--tls-key", &self.key);
        let unreadable = |cause| TlsError::Unreadable { option, path: path.clone(), cause };
        let mut file = File::open(path).map_err(unreadable)?;
        let mode = file.metadata().map_err(unreadable)?.mode() & 0o7777;
        if mode & OTHERS != 0 {
            return Err(TlsError::OpenKey { path: path.clone(), mode });
        }
        let mut pem = Vec::new();
        file.read_to_end(&mut pem).map_err(unreadable)?;
        // The reason would repeat what is in the file.
        PrivateKeyDer::from_pem_slice(&pem).map_err(|_| TlsError::NotPem {
            option,
            path: path.clone(),
            what: "private key",
        })
    }

    fn authorities(&self) -> Result<RootCertStore, TlsError> {
        let mut authorities = RootCertStore::empty();
        for certificate in certificates("--tls-ca", &self.ca)? {
            authorities.add(certificate).map_err(|_| not_certificates("--tls-ca", &self.ca))?;
        }
        Ok(authorities)
    }
}

/// All certificates in a file, which holds at least one.
fn certificates(option: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = fs::read(path).map_err(|cause| TlsError::Unreadable { option, path: path.into(), cause })?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    certificates.ok().filter(|found| !found.is_empty()).ok_or_else(|| not_certificates(option, path))
}

fn not_certificates(option: &'static str, path: &Path) -> TlsError {
    TlsError::NotPem { option, path: path.into(), what: "certificate" }
}
