//! Ports for a herd, below those that the system gives to outgoing connections.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::Context;
use herd::config::{Herd, ServerEntry};

use crate::herd_text::herd_text;

/// Where the search begins.
const LOWEST: u16 = 20_000;
/// The first port for outgoing connections where the system does not say.
const USUAL_EPHEMERAL: u16 = 32_768;
/// Places at which the search is begun.
const TRIES: usize = 100;

/// So many ports in a row that are free now.
///
/// # Errors
/// If there are none.
pub fn free(count: u16) -> anyhow::Result<u16> {
    let highest = first_ephemeral().saturating_sub(count);
    let candidates = std::iter::repeat_with(|| fastrand::u16(LOWEST..highest.max(LOWEST + 1))).take(TRIES);
    let mut free = candidates.filter(|&first| (first..first + count).all(is_free));
    free.next().with_context(|| format!("no {count} free ports in a row between {LOWEST} and {highest}"))
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

fn first_ephemeral() -> u16 {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    range.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(USUAL_EPHEMERAL)
}

/// The built-in herd's servers at free ports of loopback, and the first of so many more free
/// ports behind theirs.
///
/// # Errors
/// If there are not enough.
pub fn built_in_servers(more: u16) -> anyhow::Result<(Vec<ServerEntry>, u16)> {
    let mut servers = Herd::built_in().servers().to_vec();
    let mut port = free(u16::try_from(3 * servers.len())? + more)?;
    for server in &mut servers {
        for address in [&mut server.clients, &mut server.peers, &mut server.metrics] {
            *address = format!("127.0.0.1:{port}").parse()?;
            port += 1;
        }
    }
    Ok((servers, port))
}

/// The text of a herd file for the built-in herd, at free ports.
///
/// # Errors
/// If there are not enough.
pub fn herd_file() -> anyhow::Result<String> {
    let (servers, _) = built_in_servers(0)?;
    Ok(herd_text(&servers, Herd::built_in().links()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_herd_file_is_the_built_in_herd_at_other_ports() {
        let herd = Herd::parse(&herd_file().unwrap()).unwrap();
        assert_eq!(herd.links(), Herd::built_in().links());
        let names = |herd: &Herd| herd.servers().iter().map(|server| server.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&herd), names(&Herd::built_in()));
        assert!(herd.servers().iter().all(|server| server.clients.port() < first_ephemeral()));
    }

    #[test]
    fn a_port_in_use_is_not_free() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(!is_free(listener.local_addr().unwrap().port()));
    }
}
