//! TLS: which cryptography it uses, and links that both ends prove their names on (SPEC 5).
//!
//! A server shows the same certificate whether it dials or accepts, and either end checks the
//! other's twice: rustls whether a CA of ours signed it and it is valid now, we whether it
//! bears the name of the neighbour.

mod certificate;
mod files;
mod identity;
mod refusal;
mod stream;
mod trial;
mod verify;

pub use self::certificate::Certificate;
pub use self::files::{TlsError, TlsFiles};
pub use self::identity::Identity;
pub use self::refusal::{TlsRefusal, begins_like_tls};
pub use self::stream::{Handshake, Secured, TlsStream, part};
pub use self::trial::{Authority, Pair, Validity};

/// Makes ring the provider of rustls. Safe to call more than once.
pub fn install_provider() {
    // The only error is that a provider is installed already, and we install no other.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
