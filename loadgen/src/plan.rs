//! What a run is to do.

use std::net::SocketAddr;
use std::time::Duration;

/// All that a run needs to know.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The servers that clients connect to.
    pub servers: Vec<Target>,
    /// Links between each two of them on the shortest way.
    pub hops: Vec<Vec<usize>>,
    /// Simulated clients, each with a connection of its own.
    pub clients: usize,
    /// When commands are sent.
    pub pace: Pace,
    /// The share of WHATSATs among the commands, 0 to 1.
    pub whatsat: f64,
    /// The share of WHATSATs about clients that do not exist among the WHATSATs, 0 to 1.
    pub unknown: f64,
    /// How long replies are not measured at first.
    pub warm_up: Duration,
    /// How long they are.
    pub duration: Duration,
    /// How long a reply may take before its connection is given up.
    pub timeout: Duration,
    /// What everything random follows from.
    pub seed: u64,
    /// Threads that clients are spread over.
    pub threads: usize,
    /// How far clocks of servers may be off.
    pub max_skew: Duration,
    /// How late commands may be sent, by the 99th percentile, for the run to be valid.
    pub max_lag: Duration,
    /// How often the propagation probe writes; `None` without a probe.
    pub probe: Option<Duration>,
    /// Whether at the end every server is asked about every client.
    pub verify: bool,
    /// A part of clients' names that no other run has.
    pub run: String,
}

/// A server to connect to.
#[derive(Debug, Clone)]
pub struct Target {
    /// Its name.
    pub name: String,
    /// Where it listens for clients.
    pub address: SocketAddr,
}

/// When commands are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Open loop: each client on its schedule, whether or not replies come.
    Open {
        /// Time between two commands of a client.
        interval: Duration,
    },
    /// Closed loop: as fast as replies come.
    Closed {
        /// Commands of a client under way at a time.
        pipeline: usize,
    },
}

/// What commands a client sends, of which kind they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// It says where it is.
    Iamat,
    /// It asks what is near somebody.
    Whatsat,
}

impl Plan {
    /// The server of a client: clients are dealt out in turn.
    #[must_use]
    pub fn server_of(&self, client: usize) -> usize {
        client % self.servers.len()
    }

    /// The clients of one thread.
    pub fn clients_of(&self, thread: usize) -> impl Iterator<Item = usize> {
        (thread..self.clients).step_by(self.threads)
    }

    /// A client's name.
    #[must_use]
    pub fn client_name(&self, client: usize) -> Vec<u8> {
        format!("c{client}.{}.load", self.run).into_bytes()
    }
}
