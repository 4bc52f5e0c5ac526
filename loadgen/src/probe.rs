//! How long an update takes to become visible, from outside: one client writes at one server
//! and asks all others, without pause, until each shows it. One process, one monotonic clock.
//!
//! A latency counts from the write to the reply that shows the update, so it is an upper bound;
//! the server had it at some moment since that question was sent. That span is the resolution.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hdrhistogram::Histogram;
use mio::{Events, Poll, Token};

use crate::clock::{RunClock, wall};
use crate::connection::{Connection, ReadError};
use crate::measure::{histogram, nanos};
use crate::movement::{Position, Walk};
use crate::plan::Plan;
use crate::timer::{Timer, wait};
use crate::wire::{Shape, parse_at, write_iamat, write_whatsat};

/// How long an update may take before it counts as lost, in nanoseconds.
const LOST_AFTER: u64 = 5_000_000_000;
const TIMER: Token = Token(usize::MAX);

/// What the probe has seen between the warm-up and the end.
#[derive(Debug, Clone)]
pub struct Propagation {
    /// By origin and observer: from the write to the reply that shows it, in nanoseconds.
    pub latency: Vec<Vec<Histogram<u64>>>,
    /// By origin and observer: updates that were not seen within 5 s.
    pub lost: Vec<Vec<u64>>,
    /// How long the questions took that were answered with the update, in nanoseconds.
    pub resolution: Histogram<u64>,
    /// Updates that were written.
    pub writes: u64,
    /// Updates whose write or whose watch was cut short by a broken connection.
    pub broken: u64,
    /// Replies that nobody had asked for.
    pub unexpected: u64,
}

impl Propagation {
    fn new(servers: usize) -> Self {
        Self {
            latency: vec![vec![histogram(); servers]; servers],
            lost: vec![vec![0; servers]; servers],
            resolution: histogram(),
            writes: 0,
            broken: 0,
            unexpected: 0,
        }
    }
}

/// What the probe has sent to a server.
#[derive(Debug)]
enum Command {
    Write,
    /// Asks for the probe's client, at a moment of the run's clock.
    Look {
        asked: u64,
    },
}

/// The probe, connected to all servers.
#[derive(Debug)]
pub(crate) struct Probe {
    plan: Arc<Plan>,
    interval: u64,
    poll: Poll,
    timer: Timer,
    connections: Vec<Option<Connection<Command>>>,
    id: Vec<u8>,
    place: Position,
    seen: Propagation,
    buffer: Vec<u8>,
}

/// One update on its way.
#[derive(Debug)]
struct Round {
    stamp: u64,
    /// When it was written, by the run's clock.
    written: u64,
    origin: usize,
    /// By server: whether the update is still to be seen there.
    waiting: Vec<bool>,
    /// Whether the run measures by now.
    measured: bool,
}

impl Probe {
    /// Makes a probe that writes once in an interval, and connects it to all servers.
    pub(crate) fn connect(plan: Arc<Plan>, interval: Duration) -> io::Result<Self> {
        let poll = Poll::new()?;
        let timer = Timer::new(poll.registry(), TIMER)?;
        let mut rng = fastrand::Rng::with_seed(plan.seed);
        let mut probe = Self {
            interval: nanos(interval).max(1),
            poll,
            timer,
            connections: plan.servers.iter().map(|_| None).collect(),
            id: format!("probe.{}.load", plan.run).into_bytes(),
            place: Walk::new(&mut rng).advance(0.0, &mut rng),
            seen: Propagation::new(plan.servers.len()),
            buffer: vec![0; 16 << 10],
            plan,
        };
        probe.open_missing()?;
        Ok(probe)
    }

    fn open_missing(&mut self) -> io::Result<()> {
        for (server, connection) in self.connections.iter_mut().enumerate() {
            if connection.is_none() {
                let address = self.plan.servers[server].address;
                *connection = Some(Connection::open(address, self.poll.registry(), Token(server))?);
            }
        }
        Ok(())
    }

    /// Writes and watches until the run's end. A write that would be late because the one
    /// before is still on its way is left out.
    pub(crate) fn run(mut self, clock: RunClock) -> io::Result<Propagation> {
        let measured = nanos(self.plan.warm_up)..nanos(self.plan.warm_up + self.plan.duration);
        let mut last_stamp = 0;
        let mut due = 0;
        for origin in (0..self.connections.len()).cycle() {
            due = (due + self.interval).max(clock.now());
            if due >= measured.end {
                break;
            }
            #[allow(clippy::disallowed_methods)] // this thread has nothing else to do
            std::thread::sleep(clock.until(due));
            last_stamp = wall().max(last_stamp + 1);
            self.open_missing()?;
            let round = self.write(origin, last_stamp, measured.contains(&due), clock);
            self.watch(round, clock)?;
        }
        Ok(self.seen)
    }

    /// Writes an update at its origin and asks the others for it.
    fn write(&mut self, origin: usize, stamp: u64, measured: bool, clock: RunClock) -> Round {
        let mut written = clock.now();
        if let Some(connection) = &mut self.connections[origin] {
            connection.send(written, Shape::Line, Command::Write, |out| {
                write_iamat(out, &self.id, self.place, stamp);
            });
            written = clock.now();
        }
        self.flush(origin, clock);
        let waiting = (0..self.connections.len()).map(|server| server != origin).collect();
        for observer in (0..self.connections.len()).filter(|&server| server != origin) {
            self.look(observer, clock);
        }
        self.seen.writes += u64::from(measured);
        Round { stamp, written, origin, waiting, measured }
    }

    fn look(&mut self, observer: usize, clock: RunClock) {
        if let Some(connection) = &mut self.connections[observer] {
            let asked = clock.now();
            let command = Command::Look { asked };
            connection.send(asked, Shape::LineAndBody, command, |out| write_whatsat(out, &self.id, 1, 0));
        }
        self.flush(observer, clock);
    }

    fn flush(&mut self, server: usize, clock: RunClock) {
        let connection = &mut self.connections[server];
        if connection.as_mut().is_some_and(|connection| connection.flush(|| clock.now()).is_err()) {
            *connection = None;
        }
    }

    /// Asks on until every server shows the update, or it counts as lost.
    fn watch(&mut self, mut round: Round, clock: RunClock) -> io::Result<()> {
        let give_up = round.written + LOST_AFTER;
        let mut events = Events::with_capacity(64);
        while round.waiting.contains(&true) && clock.now() < give_up {
            self.timer.set(clock.until(give_up))?;
            wait(&mut self.poll, &mut events, None)?;
            for event in events.iter().filter(|event| event.token() != TIMER) {
                let server = event.token().0;
                self.flush(server, clock);
                while self.read(server, &mut round, clock) {}
            }
            for server in 0..round.waiting.len() {
                if self.connections[server].is_none() && std::mem::take(&mut round.waiting[server]) {
                    self.seen.broken += 1;
                }
            }
        }
        for server in (0..round.waiting.len()).filter(|&server| round.waiting[server]) {
            self.seen.lost[round.origin][server] += u64::from(round.measured);
            // Its reply to the last question must not meet the next round.
            self.connections[server] = None;
        }
        Ok(())
    }

    /// Reads replies of a server, and asks again if they do not show the update. Returns
    /// whether there may be more to read.
    fn read(&mut self, server: usize, round: &mut Round, clock: RunClock) -> bool {
        let Some(connection) = &mut self.connections[server] else { return false };
        let mut ask_again = false;
        let seen = &mut self.seen;
        let read = connection.read(&mut self.buffer, |expected, reply| {
            let now = clock.now();
            let Command::Look { asked } = expected.command else { return };
            let line = reply.split(|&byte| byte == b'\n').next().unwrap_or_default();
            let shown = parse_at(line).map_or(0, |at| at.stamp);
            ask_again = shown < round.stamp;
            if !ask_again && std::mem::take(&mut round.waiting[server]) && round.measured {
                seen.latency[round.origin][server].saturating_record(now.saturating_sub(round.written));
                seen.resolution.saturating_record(now.saturating_sub(asked));
            }
        });
        if ask_again {
            self.look(server, clock);
        }
        read.unwrap_or_else(|error| {
            if let ReadError::Unexpected(_) = error {
                self.seen.unexpected += 1;
            }
            self.connections[server] = None;
            false
        })
    }
}
