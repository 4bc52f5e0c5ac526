//! What a server is told: the herd it belongs to and the bounds it keeps.

mod address;
mod herd_file;
mod limits;
mod topology;

pub use self::address::Address;
pub use self::herd_file::HerdFileError;
pub use self::limits::Limits;
pub use self::topology::{Cut, Topology};

use crate::protocol::text::Name;

/// Servers, their links and the observers that may listen in. Valid by construction: names
/// and addresses are distinct, every link joins two servers, and the links join them all.
#[derive(Debug, Clone)]
pub struct Herd {
    servers: Vec<ServerEntry>,
    links: Vec<[usize; 2]>,
    observers: Vec<Name>,
}

/// One server of a herd and where it listens.
#[derive(Debug, Clone)]
pub struct ServerEntry {
    /// Its name.
    pub name: Name,
    /// Where clients connect.
    pub clients: Address,
    /// Where its neighbours connect.
    pub peers: Address,
    /// Where HTTP is served: metrics and status.
    pub metrics: Address,
}

/// A server was asked for that the herd does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no server {name:?} in this herd: the servers are {}", valid.join(", "))]
pub struct UnknownServer {
    name: String,
    valid: Vec<String>,
}

impl Herd {
    /// The herd of the assignment.
    ///
    /// # Panics
    /// Never: its file is part of the program, and a test reads it.
    #[must_use]
    pub fn built_in() -> Self {
        Self::parse(include_str!("config/built_in.toml")).expect("the built-in herd file is valid")
    }

    /// The servers, ordered by name.
    #[must_use]
    pub fn servers(&self) -> &[ServerEntry] {
        &self.servers
    }

    /// The links, as pairs of places in [`Self::servers`], each with the smaller one first.
    #[must_use]
    pub fn links(&self) -> &[[usize; 2]] {
        &self.links
    }

    /// Names that may dial in to receive AT lines.
    #[must_use]
    pub fn observers(&self) -> &[Name] {
        &self.observers
    }

    /// The place of a server in [`Self::servers`].
    ///
    /// # Errors
    /// [`UnknownServer`], which lists the valid names.
    pub fn find(&self, name: &str) -> Result<usize, UnknownServer> {
        let place = self.servers.iter().position(|server| server.name.as_str() == name);
        place.ok_or_else(|| UnknownServer {
            name: name.into(),
            valid: self.servers.iter().map(|server| server.name.to_string()).collect(),
        })
    }

    /// The places of a server's neighbours, ordered by name.
    #[must_use]
    pub fn neighbours(&self, server: usize) -> Vec<usize> {
        self.topology().neighbours(server).to_vec()
    }

    /// Who is linked with whom.
    #[must_use]
    pub fn topology(&self) -> Topology {
        Topology::new(self.servers.len(), &self.links)
    }
}
