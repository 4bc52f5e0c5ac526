//! The run's figures for Prometheus, over HTTP while the run is under way. They are fed from looks
//! at it, so a reply costs nothing more.
//!
//! - `families`: names, help texts and labels
//! - `histograms`: histograms of a look put into buckets
//! - `http`: serves the text

mod families;
mod histograms;
mod http;

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::str::FromStr;

use anyhow::Context;
use loadgen::live::Glance;
use loadgen::plan::Plan;
use loadgen::watch::Moment;

use self::families::Families;

/// Where figures are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Address(SocketAddr);

/// Figures that are served.
#[derive(Debug)]
pub(crate) struct Exporter {
    families: Families,
    address: SocketAddr,
}

impl FromStr for Address {
    type Err = String;

    /// A port alone is one of loopback.
    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(port) = text.parse::<u16>() {
            return Ok(Self((IpAddr::from(Ipv4Addr::LOCALHOST), port).into()));
        }
        let mut resolved = text.to_socket_addrs().map_err(|error| format!("{error}: write a port, or HOST:PORT"))?;
        resolved.next().map(Self).ok_or_else(|| "the host has no address".into())
    }
}

impl Exporter {
    /// Serves the figures of a run from now on, by a thread of its own.
    ///
    /// # Errors
    /// If nothing can be served there.
    pub(crate) fn start(Address(address): Address, plan: &Plan) -> anyhow::Result<Self> {
        let families = Families::new(plan)?;
        let listener = TcpListener::bind(address).with_context(|| format!("cannot serve metrics on {address}"))?;
        let address = listener.local_addr()?;
        http::serve(listener, families.registry())?;
        Ok(Self { families, address })
    }

    /// Where they can be had.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/metrics", self.address)
    }

    /// Counts what came since the last look.
    pub(crate) fn look(&self, moment: Moment, glance: &Glance) {
        self.families.look(moment, glance);
    }

    /// Shows what is counted by the second.
    pub(crate) fn second(&self, glance: &Glance) {
        self.families.second(glance);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_alone_is_one_of_loopback() {
        for (text, expected) in [
            ("9100", "127.0.0.1:9100"),
            ("127.0.0.2:1", "127.0.0.2:1"),
            ("0.0.0.0:2", "0.0.0.0:2"),
            ("[::1]:3", "[::1]:3"),
        ] {
            assert_eq!(text.parse(), Ok(Address(expected.parse().unwrap())));
        }
        for bad in ["", "127.0.0.1", "65536", "a:b"] {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
    }
}
