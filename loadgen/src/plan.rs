//! What a run is to do.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

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
    /// Who watches the probe's writes as an observer of all links; `None` without a tap.
    pub tap: Option<TapPlan>,
    /// Whether at the end every server is asked about every client.
    pub verify: bool,
    /// A part of clients' names that no other run has.
    pub run: String,
}

/// One of several runs that together are one: clients are dealt out to them in turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// From 1 up.
    number: usize,
    of: usize,
}

impl Shard {
    /// The only one.
    pub const WHOLE: Self = Self { number: 1, of: 1 };

    /// Whether this one does what is to be done once.
    #[must_use]
    pub const fn is_first(self) -> bool {
        self.number == 1
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let (number, of) = text.split_once('/')?;
            Some(Self { number: number.parse().ok()?, of: of.parse().ok()? })
        };
        let is_one_of_them = |shard: &Self| (1..=shard.of).contains(&shard.number);
        parse()
            .filter(is_one_of_them)
            .ok_or_else(|| "must be the number of a shard and how many there are, such as 1/2".into())
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
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

    /// The clients that are simulated here.
    pub fn own_clients(&self) -> impl Iterator<Item = usize> {
        (self.shard.number - 1..self.clients).step_by(self.shard.of)
    }

    /// The clients of one thread.
    pub fn clients_of(&self, thread: usize) -> impl Iterator<Item = usize> {
        self.own_clients().skip(thread).step_by(self.threads)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_by_table() {
        for good in ["1/1", "1/2", "2/2", "7/12"] {
            assert_eq!(good.parse::<Shard>().unwrap().to_string(), good);
        }
        for bad in ["", "1", "0/2", "3/2", "1/0", "a/b", "1/2/3"] {
            assert!(bad.parse::<Shard>().is_err(), "{bad}");
        }
    }
}
