//! A herd in simulated time: events in the order of their times, handled by the real modules.

mod faults;
mod links;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fastrand::Rng;
use herd::flood::{Flood, Outcome as Offered, Wake};
use herd::protocol::command::Command;
use herd::protocol::text::Name;
use herd::protocol::time::UnixTime;
use herd::protocol::update::AtLine;
use herd::store::StoreLimits;
use xxhash_rust::xxh3::xxh3_64;

use crate::oracle::{Oracle, client_id};
use crate::pipe::Connection;
use crate::plan::{AGREE_WITHIN, Fault, MS, Plan, QUIET, SECOND, TROUBLE};

/// The simulation begins at this second of the epoch.
const BEGINNING: u64 = 1_700_000_000;
/// How often the servers are asked whether they agree, at the end.
const LOOK: u64 = 10 * MS;
/// A herd that takes more events than this does not come to rest.
const MOST_EVENTS: u64 = 300_000;

/// What a seed has shown.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) struck: BTreeSet<Fault>,
    pub(crate) events: u64,
    pub(crate) acknowledged: u64,
    /// Lines between servers that carry updates.
    pub(crate) lines: u64,
    pub(crate) agreed_after_ms: u64,
    /// A hash of everything that has happened.
    pub(crate) trace: u64,
}

#[derive(Debug, Clone, Copy)]
enum Event {
    Command,
    Dial { link: usize },
    Arrive { connection: usize, side: usize },
    Gone { connection: usize, side: usize },
    Flush { connection: usize, side: usize },
    Tick { connection: usize, side: usize },
    Strike(usize),
    Restart { server: usize },
    Look,
}

struct Server {
    name: Name,
    flood: Flood,
    is_up: bool,
    stalled_until: u64,
    skew: i64,
    /// Links and sides, in the order of neighbours' numbers.
    links: Vec<(usize, usize)>,
}

struct Link {
    servers: [usize; 2],
    delay: u64,
    slow_until: u64,
    slowness: u64,
    /// By the side that writes: until when nothing passes.
    blocked: [u64; 2],
    /// By side: its connection.
    current: [Option<usize>; 2],
    is_dialling: bool,
    syncs: bool,
    /// By side: what it has said.
    history: [Vec<Vec<u8>>; 2],
}

pub(crate) struct World {
    plan: Plan,
    rng: Rng,
    now: u64,
    sequence: u64,
    events: BTreeMap<(u64, u64), Event>,
    servers: Vec<Server>,
    links: Vec<Link>,
    connections: Vec<Connection>,
    oracle: Oracle,
    outcome: Outcome,
    fresh: u64,
    commands_left: usize,
    agreed_at: Option<u64>,
    prints: bool,
}

type Step = Result<(), String>;

impl World {
    pub(crate) fn new(plan: Plan, prints: bool) -> Self {
        let mut rng = Rng::with_seed(plan.seed ^ 0x5eed);
        let limits = StoreLimits { clients: plan.store, bytes: 1 << 30 };
        let servers = (0..plan.servers).map(|server| {
            let sides = plan.links.iter().enumerate().flat_map(|(link, ends)| [(link, 0, ends[0]), (link, 1, ends[1])]);
            let links: Vec<_> = sides.filter(|(.., end)| *end == server).map(|(link, side, _)| (link, side)).collect();
            let name = Name::new(&format!("S{server}")).unwrap();
            let flood = Flood::new(limits, links.len());
            Server { name, flood, is_up: true, stalled_until: 0, skew: 0, links }
        });
        let links = plan.links.iter().zip(&plan.delays).map(|(&servers, &delay)| Link {
            servers,
            delay,
            slow_until: 0,
            slowness: 0,
            blocked: [0; 2],
            current: [None; 2],
            is_dialling: false,
            syncs: plan.everybody_syncs || rng.bool(),
            history: Default::default(),
        });
        let (servers, links) = (servers.collect(), links.collect());
        let (oracle, commands_left) = (Oracle::new(&plan), plan.commands);
        let mut world = Self {
            plan,
            rng,
            now: 0,
            sequence: 0,
            events: BTreeMap::new(),
            servers,
            links,
            connections: Vec::new(),
            oracle,
            outcome: Outcome::default(),
            fresh: 0,
            commands_left,
            agreed_at: None,
            prints,
        };
        world.prepare();
        world
    }

    fn prepare(&mut self) {
        for link in 0..self.links.len() {
            self.dial_after(link, 0);
        }
        for strike in 0..self.plan.strikes.len() {
            self.at(self.plan.strikes[strike].at, Event::Strike(strike));
        }
        self.at(SECOND, Event::Command);
        self.at(TROUBLE, Event::Look);
    }

    /// Runs to the end.
    pub(crate) fn run(mut self) -> Result<Outcome, String> {
        let end = TROUBLE + AGREE_WITHIN;
        self.run_until(end)?;
        let agreed_at = self.agreed_at;
        self.check_end()?;
        self.outcome.agreed_after_ms = agreed_at.unwrap_or(end).saturating_sub(TROUBLE) / MS;
        let lines = self.outcome.lines;
        self.run_until(end + QUIET)?;
        if self.outcome.lines > lines {
            return Err(format!("{} lines were sent that nobody needs", self.outcome.lines - lines));
        }
        self.check_end()?;
        if self.plan.strikes.is_empty() && self.plan.is_built_in && self.outcome.lines > 8 * self.fresh {
            return Err(format!("{} updates took {} lines, and 8 each are enough", self.fresh, self.outcome.lines));
        }
        Ok(self.outcome)
    }

    fn check_end(&self) -> Step {
        let floods: Vec<&Flood> = self.servers.iter().map(|server| &server.flood).collect();
        self.oracle.at_the_end(&floods, self.plan.store)
    }

    fn run_until(&mut self, end: u64) -> Step {
        while let Some((&(time, sequence), _)) = self.events.first_key_value() {
            if time > end {
                break;
            }
            let event = self.events.remove(&(time, sequence)).unwrap();
            self.now = time;
            self.outcome.events += 1;
            if self.outcome.events > MOST_EVENTS {
                return Err("the herd does not come to rest".into());
            }
            self.handle(event)?;
        }
        self.now = end;
        Ok(())
    }

    fn at(&mut self, time: u64, event: Event) {
        self.sequence += 1;
        self.events.insert((time.max(self.now), self.sequence), event);
    }

    fn note(&mut self, what: &str, bytes: &[u8]) {
        if self.prints {
            println!("{:>12.6} {what} {}", self.now as f64 / 1e9, bytes.escape_ascii());
        }
        let record = [&self.outcome.trace.to_le_bytes(), &self.now.to_le_bytes(), what.as_bytes(), bytes].concat();
        self.outcome.trace = xxh3_64(&record);
    }

    /// The server that an event is for: if it is stalled the event waits.
    fn server_of(&self, event: Event) -> Option<usize> {
        let at = |connection: usize, side: usize| self.links[self.connections[connection].link].servers[side];
        match event {
            Event::Arrive { connection, side }
            | Event::Gone { connection, side }
            | Event::Flush { connection, side }
            | Event::Tick { connection, side } => Some(at(connection, side)),
            Event::Dial { link } => Some(self.links[link].servers[0]),
            Event::Command | Event::Strike(_) | Event::Restart { .. } | Event::Look => None,
        }
    }

    fn handle(&mut self, event: Event) -> Step {
        let stalled_until = self.server_of(event).map_or(0, |server| self.servers[server].stalled_until);
        if stalled_until > self.now {
            self.at(stalled_until, event);
            return Ok(());
        }
        match event {
            Event::Command => self.command()?,
            Event::Dial { link } => self.dial(link),
            Event::Arrive { connection, side } => self.arrive(connection, side)?,
            Event::Gone { connection, side } => self.close(connection, side),
            Event::Flush { connection, side } => self.flush(connection, side)?,
            Event::Tick { connection, side } => self.tick(connection, side)?,
            Event::Strike(strike) => self.strike(self.plan.strikes[strike]),
            Event::Restart { server } => self.restart(server),
            Event::Look => self.look(),
        }
        Ok(())
    }

    fn look(&mut self) {
        let digest = self.servers[0].flood.store().digest();
        if self.servers.iter().all(|server| server.flood.store().digest() == digest) {
            self.agreed_at = Some(self.now);
        } else {
            self.at(self.now + LOOK, Event::Look);
        }
    }

    /// The wall clock of a server.
    fn clock(&self, server: usize) -> UnixTime {
        let nanos = self.now.saturating_add_signed(self.servers[server].skew);
        let nanos = nanos - nanos % self.plan.clock_step;
        UnixTime::new(Duration::from_secs(BEGINNING) + Duration::from_nanos(nanos))
    }

    /// A client tells a server where it is: mostly with a newer stamp, sometimes with an older or
    /// an equal one, or one that differs by a nanosecond.
    fn command(&mut self) -> Step {
        self.commands_left -= 1;
        if self.commands_left > 0 {
            let mean = (TROUBLE - SECOND) / self.plan.commands as u64;
            let next = self.now + self.rng.u64(0..2 * mean);
            self.at(next.min(TROUBLE - 1), Event::Command);
        }
        let server = self.rng.usize(..self.servers.len());
        if !self.servers[server].is_up || self.servers[server].stalled_until > self.now {
            return Ok(());
        }
        let client = client_id(self.rng.usize(..self.plan.clients));
        let stamp = match self.rng.u8(..8) {
            _ if self.plan.is_tight => self.now,
            0 => SECOND * self.rng.u64(..40),
            1 => 20 * SECOND + self.rng.u64(..3),
            _ => self.now,
        };
        let stamp = format!("{}.{:09}", BEGINNING + stamp / SECOND, stamp % SECOND);
        let command = format!("IAMAT {client} +{}.5-{} {stamp}", self.rng.u8(..90), self.rng.u8(..180));
        let Ok(Command::Iamat(iamat)) = Command::parse(command.as_bytes()) else { panic!("{command} is no IAMAT") };
        let (receipt, mut reply) = (self.clock(server), Vec::new());
        let line = AtLine::write(&mut reply, &self.servers[server].name, receipt, &iamat);
        let (outcome, wake) = self.servers[server].flood.offer(line, None);
        self.fresh += u64::from(outcome == Offered::Fresh);
        self.outcome.acknowledged += 1;
        self.oracle.acknowledged(line);
        let id = line.id().to_vec();
        self.note(&format!("S{server} acknowledges"), &reply);
        self.oracle.touched(server, &id, &self.servers[server].flood)?;
        self.wake(server, wake);
        Ok(())
    }

    fn wake(&mut self, server: usize, wake: Wake) {
        for neighbour in wake.iter() {
            let (link, side) = self.servers[server].links[neighbour];
            if let Some(connection) = self.links[link].current[side] {
                let soon = self.now + self.rng.u64(1_000..100_000);
                self.at(soon, Event::Flush { connection, side });
            }
        }
    }
}
