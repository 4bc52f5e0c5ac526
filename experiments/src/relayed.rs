//! A herd on loopback whose every link runs through a relay.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context;
use herd::config::{Herd, ServerEntry};

use crate::herd_text::herd_text;
use crate::ports;
use crate::processes::Peculiar;
use crate::relay::Relay;

/// The relays of a herd, and the herd files that lead to them.
#[derive(Debug)]
pub struct RelayedHerd {
    /// The herd file with the servers' own addresses.
    pub herd_file: PathBuf,
    /// By server a herd file in which the neighbours that it dials are relays.
    pub peculiar: BTreeMap<String, Peculiar>,
    /// One for each link.
    pub links: Vec<RelayedLink>,
}

/// A link and its relay.
#[derive(Debug)]
pub struct RelayedLink {
    /// The server that dials: its name sorts first.
    pub dialler: String,
    /// The server that is dialled.
    pub acceptor: String,
    /// What is between them.
    pub relay: Relay,
}

impl RelayedHerd {
    /// The built-in herd, with relays that are open. Its files go to a folder.
    ///
    /// # Errors
    /// If there are not enough ports, or a file cannot be written.
    pub async fn start(folder: &Path) -> anyhow::Result<Self> {
        let herd = Herd::built_in();
        let pairs = herd.links();
        let (servers, first) = ports::built_in_servers(u16::try_from(pairs.len())?)?;
        let mut links = Vec::new();
        for (&[dialler, acceptor], port) in pairs.iter().zip(first..) {
            let listen = SocketAddr::from(([127, 0, 0, 1], port));
            let target = servers[acceptor].peers.to_string().parse()?;
            let relay = Relay::start(listen, target).await.with_context(|| format!("cannot listen at {listen}"))?;
            let [dialler, acceptor] = [dialler, acceptor].map(|place| servers[place].name.to_string());
            links.push(RelayedLink { dialler, acceptor, relay });
        }
        let write = |name: String, servers: &[ServerEntry]| -> anyhow::Result<PathBuf> {
            let file = folder.join(name);
            fs::write(&file, herd_text(servers, pairs))?;
            Ok(file)
        };
        let mut peculiar = BTreeMap::new();
        for (place, server) in servers.iter().enumerate() {
            let seen = seen_from(place, &servers, pairs, first)?;
            let herd_file = Some(write(format!("herd-{}.toml", server.name), &seen)?);
            peculiar.insert(server.name.to_string(), Peculiar { herd_file, ..Peculiar::default() });
        }
        Ok(Self { herd_file: write("herd.toml".into(), &servers)?, peculiar, links })
    }
}

/// The servers as one of them finds them: who it dials is behind the link's relay.
fn seen_from(
    place: usize,
    servers: &[ServerEntry],
    links: &[[usize; 2]],
    first_relay: u16,
) -> anyhow::Result<Vec<ServerEntry>> {
    let mut seen = servers.to_vec();
    for (&[dialler, acceptor], port) in links.iter().zip(first_relay..) {
        if dialler == place {
            seen[acceptor].peers = format!("127.0.0.1:{port}").parse()?;
        }
    }
    Ok(seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_finds_relays_where_it_dials_and_itself_where_it_is() {
        let herd = Herd::built_in();
        let (servers, links) = (herd.servers(), herd.links());
        let clark = herd.find("Clark").unwrap();
        let seen = seen_from(clark, servers, links, 9000).unwrap();
        for (place, server) in seen.iter().enumerate() {
            // Of Clark's neighbours Bona dials, and Jaquez is dialled.
            let is_relayed = server.name.as_str() == "Jaquez";
            assert_eq!(server.peers != servers[place].peers, is_relayed, "{}", server.name);
        }
        assert!(
            links.iter().all(|[dialler, acceptor]| servers[*dialler].name.as_str() < servers[*acceptor].name.as_str())
        );
    }
}
