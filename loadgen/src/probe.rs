//! How long an update takes to become visible, from outside: for every server one client writes
//! there, and all others are asked for it, without pause, until each shows it. One process, one
//! monotonic clock.
//!
//! A latency counts from the write to the reply that shows the update, so it is an upper bound;
//! the server had it at some moment since it last did not show it. That span is the resolution.
//! Writes are on a schedule: a server that does not show an update delays nothing but itself.
//! A [`tap`] may watch the same writes in another way.

pub mod tap;
mod waiting;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hdrhistogram::Histogram;
use mio::{Events, Poll, Token};

use self::tap::{Tap, Tapped};
use self::waiting::{Waiting, Write};
use crate::clock::{RunClock, wall};
use crate::connection::{Connection, ReadError};
use crate::live::{Live, Sights};
use crate::measure::{histogram, nanos};
use crate::movement::{Position, Walk};
use crate::plan::Plan;
use crate::timer::{Timer, wait};
use crate::wire::{Shape, parse_at, write_iamat, write_whatsat};

/// How long an update may take before it counts as lost, in nanoseconds.
const LOST_AFTER: u64 = 5_000_000_000;
/// A server that has not shown an update for so long is no longer asked without pause.
const EAGER: u64 = 20_000_000;
/// How often it then is asked.
const PAUSE: u64 = 5_000_000;
/// How often figures are shown, and connections that broke are opened again.
const TICK: u64 = 100_000_000;
const TIMER: Token = Token(usize::MAX);
/// What the names of the probe's clients begin with, and no other client's.
const ID_PREFIX: &[u8] = b"probe";

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
    /// Updates, by observer, whose write or whose watch was cut short by a broken connection.
    pub broken: u64,
    /// Replies that nobody had asked for.
    pub unexpected: u64,
    /// What a tap has seen of the same updates.
    pub tap: Option<Tapped>,
}

impl Propagation {
    pub(crate) fn new(servers: usize) -> Self {
        Self {
            latency: vec![vec![histogram(); servers]; servers],
            lost: vec![vec![0; servers]; servers],
            resolution: histogram(),
            writes: 0,
            broken: 0,
            unexpected: 0,
            tap: None,
        }
    }
}

/// What the probe has sent to a server.
#[derive(Debug)]
enum Command {
    Write,
    /// Asks for the client of an origin.
    Look {
        origin: usize,
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
    /// By server the client that writes there.
    ids: Vec<Vec<u8>>,
    place: Position,
    /// By origin and observer: what is still to be seen.
    waiting: Vec<Vec<Waiting>>,
    seen: Propagation,
    tap: Option<Tap>,
    live: Arc<Live>,
    /// What was seen, and not seen in time, since that was last shown.
    recent: Sights,
    buffer: Vec<u8>,
}

impl Probe {
    /// Makes a probe that writes once in an interval, and connects it to all servers.
    pub(crate) fn connect(plan: Arc<Plan>, interval: Duration, live: Arc<Live>, tap: Option<Tap>) -> io::Result<Self> {
        let poll = Poll::new()?;
        let timer = Timer::new(poll.registry(), TIMER)?;
        let mut rng = fastrand::Rng::with_seed(plan.seed);
        let servers = plan.servers.len();
        let mut probe = Self {
            interval: nanos(interval).max(1),
            poll,
            timer,
            connections: plan.servers.iter().map(|_| None).collect(),
            ids: ids(&plan),
            place: Walk::new(&mut rng).advance(0.0, &mut rng),
            waiting: (0..servers).map(|_| (0..servers).map(|_| Waiting::default()).collect()).collect(),
            seen: Propagation::new(servers),
            tap,
            live,
            recent: Sights::new(servers),
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
                *connection = Some(Connection::open(address, None, self.poll.registry(), Token(server))?);
            }
        }
        Ok(())
    }

    /// Writes until the run's end, and watches until all is seen or lost.
    pub(crate) fn run(mut self, clock: RunClock) -> io::Result<Propagation> {
        let mut measured = nanos(self.plan.warm_up)..nanos(self.plan.warm_up + self.plan.duration);
        let mut events = Events::with_capacity(64);
        let (mut due, mut next_tick, mut last_stamp) = (self.interval, 0, 0);
        let mut origins = (0..self.connections.len()).cycle();
        self.tap.iter().for_each(|tap| tap.start(clock));
        loop {
            let now = clock.now();
            measured.end = self.live.end(measured.end);
            if due <= now && due < measured.end {
                last_stamp = wall().max(last_stamp + 1);
                self.write(origins.next().unwrap_or_default(), last_stamp, measured.contains(&due), clock);
                // What this program is late with is left out.
                due = (due + self.interval).max(now);
            }
            if now >= next_tick {
                next_tick = (now / TICK + 1) * TICK;
                self.show();
                self.open_missing()?;
            }
            self.look_after(now, clock);
            let waits = self.waiting.iter().flatten().any(Waiting::is_for_something);
            if due >= measured.end && !waits {
                break;
            }
            let next = if waits { next_tick.min(now + PAUSE) } else { next_tick };
            self.timer.set(clock.until(if due < measured.end { next.min(due) } else { next }))?;
            wait(&mut self.poll, &mut events, None)?;
            for event in events.iter().filter(|event| event.token() != TIMER) {
                let server = event.token().0;
                self.flush(server, clock);
                while self.read(server, clock) {}
            }
        }
        self.show();
        self.seen.tap = self.tap.map(Tap::finish).transpose()?;
        Ok(self.seen)
    }

    fn show(&mut self) {
        self.live.saw(&mut self.recent);
    }

    /// Writes an update at its origin and asks the others for it, unless the tap watches alone.
    fn write(&mut self, origin: usize, stamp: u64, measured: bool, clock: RunClock) {
        self.seen.writes += u64::from(measured);
        let asks = self.plan.tap.as_ref().is_none_or(|tap| !tap.alone);
        let others = (0..self.connections.len()).filter(|&server| asks && server != origin);
        let Some(connection) = &mut self.connections[origin] else {
            self.seen.broken += u64::from(measured) * others.count() as u64;
            self.tap.iter().filter(|_| measured).for_each(Tap::not_written);
            return;
        };
        let id = &self.ids[origin];
        connection.send(clock.now(), Shape::Line, Command::Write, |out| write_iamat(out, id, self.place, stamp));
        let write = Write { stamp, written: clock.now(), measured };
        self.tap.iter().for_each(|tap| tap.wrote(origin, write));
        for observer in others {
            self.waiting[origin][observer].push(write);
        }
        self.flush(origin, clock);
        for observer in (0..self.connections.len()).filter(|&server| server != origin) {
            self.look(origin, observer, clock);
        }
    }

    /// Asks an observer for an origin's update, unless a question is under way.
    fn look(&mut self, origin: usize, observer: usize, clock: RunClock) {
        let waiting = &mut self.waiting[origin][observer];
        let Some(connection) = &mut self.connections[observer] else {
            self.seen.broken += waiting.give_up();
            return;
        };
        if waiting.is_for_something() && waiting.asked.is_none() {
            let now = clock.now();
            waiting.asked = Some(now);
            let id = &self.ids[origin];
            connection.send(now, Shape::LineAndBody, Command::Look { origin }, |out| write_whatsat(out, id, 1, 0));
            self.flush(observer, clock);
        }
    }

    fn flush(&mut self, server: usize, clock: RunClock) {
        let connection = &mut self.connections[server];
        if connection.as_mut().is_some_and(|connection| connection.flush(|| clock.now()).is_err()) {
            self.broke(server);
        }
    }

    /// A connection is gone: what was to be seen over it, and what was written over it and is
    /// not seen everywhere yet, may have gone with its server.
    fn broke(&mut self, server: usize) {
        self.connections[server] = None;
        for other in 0..self.connections.len() {
            for (origin, observer) in [(server, other), (other, server)] {
                self.seen.broken += self.waiting[origin][observer].give_up();
            }
            self.waiting[other][server].asked = None;
        }
        self.tap.iter().for_each(|tap| tap.broke(server));
    }

    /// Counts what is lost, and asks again those that were left alone for a while.
    fn look_after(&mut self, now: u64, clock: RunClock) {
        for origin in 0..self.connections.len() {
            for observer in 0..self.connections.len() {
                let waiting = &mut self.waiting[origin][observer];
                let lost = waiting.take_lost(now);
                self.seen.lost[origin][observer] += lost;
                self.recent.lose(origin, observer, lost);
                if waiting.asked.is_some_and(|asked| asked + LOST_AFTER < now) {
                    self.broke(observer);
                } else if waiting.is_due(now) {
                    self.look(origin, observer, clock);
                }
            }
        }
    }

    /// Reads replies of a server, and asks again where they do not show an update. Returns
    /// whether there may be more to read.
    fn read(&mut self, server: usize, clock: RunClock) -> bool {
        let Some(connection) = &mut self.connections[server] else { return false };
        let (waiting, seen, recent) = (&mut self.waiting, &mut self.seen, &mut self.recent);
        let mut ask_again = Vec::new();
        let read = connection.read(&mut self.buffer, |expected, reply| {
            let now = clock.now();
            let Command::Look { origin } = expected.command else { return };
            let line = reply.split(|&byte| byte == b'\n').next().unwrap_or_default();
            let shown = parse_at(line).map_or(0, |at| at.stamp);
            let pair = &mut waiting[origin][server];
            let since = pair.unseen_at.max(pair.asked.unwrap_or(now));
            for write in pair.take_shown(shown) {
                recent.saw(origin, server, now.saturating_sub(write.written));
                if write.measured {
                    seen.latency[origin][server].saturating_record(now.saturating_sub(write.written));
                    seen.resolution.saturating_record(now.saturating_sub(since.max(write.written)));
                }
            }
            pair.answered(now);
            if pair.is_due(now) {
                ask_again.push(origin);
            }
        });
        for origin in ask_again {
            self.look(origin, server, clock);
        }
        read.unwrap_or_else(|error| {
            if let ReadError::Unexpected(_) = error {
                self.seen.unexpected += 1;
            }
            self.broke(server);
            false
        })
    }
}

/// By server the probe's client that writes there.
fn ids(plan: &Plan) -> Vec<Vec<u8>> {
    let id = |server| [ID_PREFIX, format!("{server}.{}.load", plan.run).as_bytes()].concat();
    (0..plan.servers.len()).map(id).collect()
}
