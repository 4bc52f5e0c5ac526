//! Addresses to connect from: one address has no more ports than 64 k for each server.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

/// The host addresses of an IPv4 network, such as `127.1.0.0/16`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sources {
    network: u32,
    prefix: u8,
}

impl Sources {
    /// The address of a client: they are dealt out in turn, without the network's own address
    /// and the one for broadcasts.
    #[must_use]
    pub fn address(self, client: usize) -> IpAddr {
        let host_bits = 32 - u32::from(self.prefix);
        let (skipped, hosts) = if host_bits < 2 { (0, 1_u64 << host_bits) } else { (1, (1_u64 << host_bits) - 2) };
        let host = u32::try_from(client as u64 % hosts).expect("a network has fewer than 2^32 hosts");
        IpAddr::V4(Ipv4Addr::from_bits(self.network + skipped + host))
    }
}

impl FromStr for Sources {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let (address, prefix) = text.split_once('/').unwrap_or((text, "32"));
            let (address, prefix) = (address.parse::<Ipv4Addr>().ok()?, prefix.parse::<u8>().ok()?);
            let mask = u32::MAX.checked_shl(32_u32.checked_sub(prefix.into())?).unwrap_or(0);
            Some(Self { network: address.to_bits() & mask, prefix })
        };
        parse().ok_or_else(|| "must be an IPv4 network, such as 127.1.0.0/16".into())
    }
}

impl fmt::Display for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", Ipv4Addr::from_bits(self.network), self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_have_the_addresses_of_a_network_in_turn() {
        for (network, client, expected) in [
            ("127.1.0.0/16", 0, "127.1.0.1"),
            ("127.1.0.0/16", 65_533, "127.1.255.254"),
            ("127.1.0.0/16", 65_534, "127.1.0.1"),
            ("127.1.2.3/30", 1, "127.1.2.2"),
            ("127.1.2.3/30", 2, "127.1.2.1"),
            ("127.1.2.3/31", 1, "127.1.2.3"),
            ("127.1.2.3", 7, "127.1.2.3"),
            ("0.0.0.0/0", 0, "0.0.0.1"),
        ] {
            assert_eq!(network.parse::<Sources>().unwrap().address(client).to_string(), expected, "{network}");
        }
    }

    #[test]
    fn networks_by_table() {
        for (good, written) in [("127.1.2.3/16", "127.1.0.0/16"), ("10.0.0.1", "10.0.0.1/32")] {
            assert_eq!(good.parse::<Sources>().unwrap().to_string(), written);
        }
        for bad in ["", "127.1.0.0/33", "127.1/16", "::1/64", "127.1.0.0/x"] {
            assert!(bad.parse::<Sources>().is_err(), "{bad}");
        }
    }
}
