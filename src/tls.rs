//! Which cryptography TLS uses: one provider for the whole program, installed explicitly.

/// Makes ring the provider of rustls. Safe to call more than once.
pub fn install_provider() {
    // The only error is that a provider is installed already, and we install no other.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
