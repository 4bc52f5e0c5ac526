//! What a run is to do.

mod mix;
mod pace;
mod shard;
mod source;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

pub use self::mix::{Mix, Whole};
pub use self::pace::{Course, Pace, Rate, Spacing};
pub use self::shard::Shard;
pub use self::source::Sources;

use crate::probe::tap::TapPlan;

/// All that a run needs to know.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The servers that clients connect to.
    pub servers: Vec<Target>,
    /// Links between each two of them on the shortest way.
    pub hops: Vec<Vec<usize>>,
    /// Simulated clients, each with a connection of its own; those of all shards together.
    pub clients: usize,
    /// Which of them are simulated here.
    pub shard: Shard,
    /// When commands are sent.
    pub pace: Pace,
    /// What they are.
    pub mix: Mix,
    /// How long clients stay with a server before they move to another one, on average; `None` if
    /// they do not.
    pub roam: Option<Duration>,
    /// Connections that are opened per second, at most, before the run starts.
    pub connect_rate: Option<u32>,
    /// The addresses that clients connect from; `None` for the system's choice.
    pub sources: Option<Sources>,
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
    /// Who watches the probe's writes as an observer of all links; `None` without a tap.
    pub tap: Option<TapPlan>,
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

/// What commands a client sends, of which kind they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// It says where it is.
    Iamat,
    /// It asks what is near somebody.
    Whatsat,
    /// It sends a line that is no command.
    Invalid,
}

impl Plan {
    /// One command of each client per second, and as `loadgen` without options otherwise, but for
    /// the probe and the warm-up. `run` is a part of clients' names.
    #[must_use]
    pub fn new(servers: Vec<Target>, hops: Vec<Vec<usize>>, clients: usize, run: String) -> Self {
        let rate = Rate::every(Duration::from_secs(1), clients);
        Self {
            servers,
            hops,
            clients,
            shard: Shard::WHOLE,
            pace: Pace::Open { rate, spacing: Spacing::Fixed },
            mix: Mix::default(),
            roam: None,
            connect_rate: None,
            sources: None,
            warm_up: Duration::ZERO,
            duration: Duration::from_secs(10),
            timeout: Duration::from_secs(10),
            seed: 1,
            threads: 1,
            max_skew: Duration::from_millis(1),
            max_lag: Duration::from_millis(10),
            probe: None,
            tap: None,
            verify: true,
            run,
        }
    }

    /// The server of a client: clients are dealt out in turn.
    #[must_use]
    pub fn server_of(&self, client: usize) -> usize {
        client % self.servers.len()
    }

    /// The clients that are simulated here.
    pub fn own_clients(&self) -> impl Iterator<Item = usize> {
        (self.shard.number - 1..self.clients).step_by(self.shard.of)
    }

    /// What the clients that are simulated here have of the rate of all.
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    pub fn own_part(&self, rate: Rate) -> Rate {
        let part = self.own_clients().count() as f64 / self.clients as f64;
        Rate { from: rate.from * part, to: rate.to * part, ..rate }
    }

    /// The clients of one thread.
    pub fn clients_of(&self, thread: usize) -> impl Iterator<Item = usize> {
        self.own_clients().skip(thread).step_by(self.threads)
    }

    /// The address that a client connects from.
    #[must_use]
    pub fn source_of(&self, client: usize) -> Option<IpAddr> {
        self.sources.map(|sources| sources.address(client))
    }

    /// What one thread's chance follows from.
    #[must_use]
    pub fn seed_of(&self, thread: usize) -> u64 {
        let place = (thread * self.shard.of + self.shard.number - 1) as u64;
        self.seed.wrapping_mul(1_000_003).wrapping_add(place)
    }

    /// A client's name.
    #[must_use]
    pub fn client_name(&self, client: usize) -> Vec<u8> {
        format!("c{client}.{}.load", self.run).into_bytes()
    }
}
