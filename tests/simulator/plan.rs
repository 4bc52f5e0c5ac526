//! What a seed stands for.

use fastrand::Rng;

/// Nanoseconds.
pub(crate) const MS: u64 = 1_000_000;
/// Nanoseconds.
pub(crate) const SECOND: u64 = 1_000 * MS;
/// Until when clients report and things go wrong.
pub(crate) const TROUBLE: u64 = 30 * SECOND;
/// How long after the last fault all servers must agree: a silent link is found dead after 5 to
/// 6 s, dialled again within 0.2 s, and both sides talk for a moment.
pub(crate) const AGREE_WITHIN: u64 = 10 * SECOND;
/// How long afterwards nothing may be sent but signs of life and digests.
pub(crate) const QUIET: u64 = 35 * SECOND;

/// What can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// Nothing passes over a link, for a while.
    Partition,
    /// Nothing passes in one direction.
    OneWay,
    /// A connection breaks; what is under way is cut off anywhere.
    Drop,
    /// A server forgets everything, and starts again later.
    Crash,
    /// A server does nothing, for a while.
    Stall,
    /// Bytes take long over a link, for a while.
    Slow,
    /// A server's clock steps.
    Skew,
    /// A neighbour says again what it said long ago, as after a reconnection.
    Replay,
}

impl Fault {
    pub(crate) const ALL: [Self; 8] =
        [Self::Partition, Self::OneWay, Self::Drop, Self::Crash, Self::Stall, Self::Slow, Self::Skew, Self::Replay];

    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Partition => "partition",
            Self::OneWay => "one-way partition",
            Self::Drop => "connection drop in mid-line",
            Self::Crash => "crash with memory loss",
            Self::Stall => "stalled server",
            Self::Slow => "slow link",
            Self::Skew => "clock step",
            Self::Replay => "old lines said again",
        }
    }
}

/// A fault that strikes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Strike {
    pub(crate) fault: Fault,
    pub(crate) at: u64,
    pub(crate) until: u64,
    /// A link or a server, whichever it strikes.
    pub(crate) what: usize,
    /// A side of the link.
    pub(crate) side: usize,
    /// How slow, or how far a clock steps.
    pub(crate) how_much: u64,
}

/// A herd, its clients, and what happens to it.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) servers: usize,
    /// Pairs of servers, the one that dials first.
    pub(crate) links: Vec<[usize; 2]>,
    /// The built-in herd, whose messages per update are known.
    pub(crate) is_built_in: bool,
    pub(crate) clients: usize,
    pub(crate) commands: usize,
    /// Clocks have this resolution: with a coarse one receipts are often equal.
    pub(crate) clock_step: u64,
    /// Stores are so small that clients have to go.
    pub(crate) is_tight: bool,
    /// Stored clients, at most.
    pub(crate) store: usize,
    /// Whether all links compare stores, or some neighbours lack the capability.
    pub(crate) everybody_syncs: bool,
    /// By link.
    pub(crate) delays: Vec<u64>,
    pub(crate) strikes: Vec<Strike>,
}

impl Plan {
    pub(crate) fn of(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let (servers, links, is_built_in) = topology(&mut rng);
        let clients = rng.usize(2..=24);
        let is_tight = rng.u8(..8) == 0;
        let slowest = [MS, 20 * MS, 150 * MS][rng.usize(..3)];
        let delays = links.iter().map(|_| rng.u64(50_000..=slowest)).collect();
        let mut strikes = if rng.u8(..8) == 0 { Vec::new() } else { strikes(&mut rng, servers, links.len()) };
        // What has to go is decided by receipt and who wins by stamp: where the two are in different
        // orders, servers that have forgotten different things agree only when clients report again.
        strikes.retain(|strike| !is_tight || strike.fault != Fault::Skew);
        Self {
            seed,
            servers,
            links,
            is_built_in,
            clients,
            commands: rng.usize(50..=400),
            clock_step: [1, 1, 200 * MS][rng.usize(..3)],
            is_tight,
            store: if is_tight { clients.div_ceil(2) } else { 10_000 },
            everybody_syncs: rng.u8(..6) > 0,
            delays,
            strikes,
        }
    }
}

fn topology(rng: &mut Rng) -> (usize, Vec<[usize; 2]>, bool) {
    match rng.u8(..6) {
        // The herd of the assignment; servers in the order of their names.
        0..3 => (5, vec![[3, 4], [1, 3], [0, 2], [1, 2], [2, 4], [0, 1]], true),
        3 => {
            let servers = rng.usize(2..=7);
            (servers, (1..servers).map(|server| [server - 1, server]).collect(), false)
        }
        4 => {
            let servers = rng.usize(3..=7);
            let ring = (1..servers).map(|server| [server - 1, server]).chain([[0, servers - 1]]);
            (servers, ring.collect(), false)
        }
        _ => {
            let servers = rng.usize(3..=7);
            let mut links: Vec<[usize; 2]> = (1..servers).map(|server| [rng.usize(..server), server]).collect();
            for a in 0..servers {
                for b in a + 1..servers {
                    if !links.contains(&[a, b]) && rng.u8(..3) == 0 {
                        links.push([a, b]);
                    }
                }
            }
            (servers, links, false)
        }
    }
}

fn strikes(rng: &mut Rng, servers: usize, links: usize) -> Vec<Strike> {
    let count = rng.usize(4..=14);
    let strike = |_| {
        let fault = Fault::ALL[rng.usize(..Fault::ALL.len())];
        let at = rng.u64(..TROUBLE);
        let what = match fault {
            Fault::Crash | Fault::Stall | Fault::Skew => rng.usize(..servers),
            _ => rng.usize(..links),
        };
        let how_much = match fault {
            Fault::Skew => rng.u64(..6 * SECOND),
            _ => rng.u64(100 * MS..3 * SECOND),
        };
        let until = (at + rng.u64(10 * MS..12 * SECOND)).min(TROUBLE);
        Strike { fault, at, until, what, side: rng.usize(..2), how_much }
    };
    (0..count).map(strike).collect()
}
