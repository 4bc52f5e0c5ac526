//! A host and a port, not yet resolved.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// `HOST:PORT`, where the host is a name, an IPv4 address or an IPv6 address in brackets.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address {
    host: String,
    port: u16,
}

/// The text is not `HOST:PORT`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an address: write HOST:PORT, such as 127.0.0.1:10003 or [::1]:10003")]
pub struct NotAnAddress(String);

impl Address {
    /// The host, without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port; 0 lets the system choose one.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether this can only be reached from the same machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.host.eq_ignore_ascii_case("localhost") || self.ip().is_some_and(|ip| ip.is_loopback())
    }

    /// One text for all ways to write the same host and port: names ignore case, and an IP
    /// address has several forms.
    pub(super) fn canonical(&self) -> String {
        let host = self.ip().map_or_else(|| self.host.to_ascii_lowercase(), |ip| ip.to_canonical().to_string());
        Self { host, port: self.port }.to_string()
    }

    fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }
}

impl FromStr for Address {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        let parts = || {
            let (host, port) = text.rsplit_once(':')?;
            let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
            let valid = match bracketed {
                Some(ip) => ip.parse::<std::net::Ipv6Addr>().is_ok(),
                None => !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)),
            };
            let digits = port.bytes().all(|byte| byte.is_ascii_digit());
            (valid && digits)
                .then(|| Some(Self { host: bracketed.unwrap_or(host).into(), port: port.parse().ok()? }))?
        };
        parts().ok_or_else(|| NotAnAddress(text.into()))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_by_table() {
        for good in ["127.0.0.1:10003", "[::1]:0", "clark.example.org:65535", "localhost:1"] {
            assert_eq!(good.parse::<Address>().unwrap().to_string(), good);
        }
        for bad in
            ["", "127.0.0.1", ":1", "host:", "host:65536", "host:+1", "::1:1", "[::1]", "[x]:1", "a b:1", "h:1:2"]
        {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
    }

    #[test]
    fn loopback_is_what_no_other_machine_reaches() {
        let is_loopback = |text: &str| text.parse::<Address>().unwrap().is_loopback();
        assert!(is_loopback("127.0.0.1:1") && is_loopback("127.9.9.9:1") && is_loopback("[::1]:1"));
        assert!(is_loopback("localhost:1"));
        assert!(!is_loopback("0.0.0.0:1") && !is_loopback("[::]:1") && !is_loopback("10.0.0.1:1"));
        assert!(!is_loopback("clark.example.org:1"));
    }
}
