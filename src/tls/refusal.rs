//! Why TLS did not come about, in words for whoever has to change something.

use std::io;
use std::time::{Duration, SystemTime};

use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, Error, InvalidMessage};

/// Why one side does not want the other's TLS. "It" is the other side.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TlsRefusal {
    /// It showed no certificate.
    #[error("it shows no certificate")]
    NoCertificate,
    /// Nobody whom we believe signed its certificate.
    #[error("its certificate is of no CA in our --tls-ca")]
    UnknownAuthority,
    /// What should prove something does not.
    #[error(
        "a signature is wrong: its certificate is of another CA that is called like ours, or its key is not the certificate's"
    )]
    BadSignature,
    /// Its certificate was valid once.
    #[error("its certificate has expired, on {0}")]
    Expired(String),
    /// Its certificate is not valid yet.
    #[error("its certificate is valid only from {0} on; is one of the clocks wrong?")]
    NotYetValid(String),
    /// Something else is wrong with its certificate.
    #[error("its certificate is of no use: {0}")]
    Unusable(CertificateError),
    /// It did not like our certificate, and said so.
    #[error("it refuses our certificate: {0}")]
    Ours(&'static str),
    /// What it sent is not TLS.
    #[error("it does not speak TLS; its server has to be started with --tls-cert, --tls-key and --tls-ca")]
    NotTls,
    /// Anything else.
    #[error("TLS failed: {0}")]
    Other(Error),
}

impl TlsRefusal {
    /// The refusal that an error of a TLS stream is; none where the connection itself broke.
    #[must_use]
    pub fn of(error: &io::Error) -> Option<Self> {
        error.get_ref()?.downcast_ref::<Error>().map(Self::from)
    }
}

impl From<&Error> for TlsRefusal {
    fn from(error: &Error) -> Self {
        match error {
            Error::NoCertificatesPresented => Self::NoCertificate,
            Error::InvalidCertificate(problem) => problem.into(),
            Error::InvalidMessage(InvalidMessage::InvalidContentType) => Self::NotTls,
            Error::AlertReceived(alert) => objection(*alert).map_or_else(|| Self::Other(error.clone()), Self::Ours),
            _ => Self::Other(error.clone()),
        }
    }
}

impl From<&CertificateError> for TlsRefusal {
    fn from(problem: &CertificateError) -> Self {
        match problem {
            CertificateError::UnknownIssuer => Self::UnknownAuthority,
            CertificateError::BadSignature => Self::BadSignature,
            CertificateError::ExpiredContext { not_after, .. } => Self::Expired(date(*not_after)),
            CertificateError::NotValidYetContext { not_before, .. } => Self::NotYetValid(date(*not_before)),
            _ => Self::Unusable(problem.clone()),
        }
    }
}

/// What an alert objects to in our certificate, if that is what it does (RFC 8446, 6.2).
fn objection(alert: AlertDescription) -> Option<&'static str> {
    Some(match alert {
        AlertDescription::CertificateRequired => "it wants one, and was shown none",
        AlertDescription::UnknownCA | AlertDescription::DecryptError => "it is of no CA that is believed there",
        AlertDescription::CertificateExpired => "it has expired or is not valid yet, by the clock there",
        AlertDescription::CertificateRevoked => "it was revoked",
        AlertDescription::UnsupportedCertificate => {
            "it is not made for both ends of a link (serverAuth and clientAuth)"
        }
        AlertDescription::BadCertificate | AlertDescription::CertificateUnknown | AlertDescription::AccessDenied => {
            "something in it is wrong; the log there says what"
        }
        _ => return None,
    })
}

fn date(time: UnixTime) -> String {
    humantime::format_rfc3339_seconds(SystemTime::UNIX_EPOCH + Duration::from_secs(time.as_secs())).to_string()
}

/// Whether this can only be the beginning of TLS: a handshake or an alert, which no line of
/// text begins with (RFC 8446, 5.1).
#[must_use]
pub fn begins_like_tls(bytes: &[u8]) -> bool {
    matches!(bytes, [0x15 | 0x16, 0x03, ..])
}
