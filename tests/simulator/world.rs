//! A herd in simulated time: events in the order of their times, handled by the real modules.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fastrand::Rng;
use herd::flood::{Flood, Heard, Manner, NeighbourId, Outcome as Offered, Wake, Way};
use herd::protocol::command::Command;
use herd::protocol::line::Line;
use herd::protocol::peer::{Hello, PING};
use herd::protocol::text::Name;
use herd::protocol::time::UnixTime;
use herd::protocol::update::AtLine;
use herd::store::StoreLimits;
use xxhash_rust::xxh3::xxh3_64;

use crate::oracle::{Oracle, client_id};
use crate::pipe::{Connection, End};
use crate::plan::{AGREE_WITHIN, Fault, MS, Plan, QUIET, SECOND, Strike, TROUBLE};

/// The simulation begins at this second of the epoch.
const BEGINNING: u64 = 1_700_000_000;
/// As in the server: a neighbour that was silent for so long is dead.
const SILENCE: u64 = 5 * SECOND;
/// As in the server: how long HELLO may take.
const HANDSHAKE: u64 = SECOND;
/// As in the server: how often stores are compared in the background.
const BACKGROUND_ROUND: u64 = 30 * SECOND;
/// Bytes of live updates, and of catching up, that are put together at a time. Less than in the
/// server, so that writes are often cut.
const BATCH: usize = 1500;
/// How often the servers are asked whether they agree, at the end.
const LOOK: u64 = 10 * MS;
/// Lines that a neighbour may say again.
const HISTORY: usize = 200;
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

    fn dial_after(&mut self, link: usize, pause: u64) {
        if !std::mem::replace(&mut self.links[link].is_dialling, true) {
            let jitter = self.rng.u64(..50 * MS);
            self.at(self.now + pause + jitter, Event::Dial { link });
        }
    }

    fn dial(&mut self, link: usize) {
        self.links[link].is_dialling = false;
        let Link { servers: [from, to], blocked, current, .. } = self.links[link];
        if !self.servers[from].is_up || current[0].is_some() {
            return;
        }
        if blocked.iter().any(|&until| until > self.now) {
            return self.dial_after(link, HANDSHAKE + 150 * MS);
        }
        if !self.servers[to].is_up {
            return self.dial_after(link, 150 * MS);
        }
        let connection = self.connections.len();
        self.connections.push(Connection::new(link, self.now));
        self.links[link].current[0] = Some(connection);
        for side in [0, 1] {
            self.at(self.now + SECOND, Event::Tick { connection, side });
        }
        let hello = self.hello(link, 0);
        self.connections[connection].ends[0].as_mut().unwrap().unsent = hello;
        self.at(self.now, Event::Flush { connection, side: 0 });
    }

    fn hello(&self, link: usize, side: usize) -> Vec<u8> {
        let name = &self.servers[self.links[link].servers[side]].name;
        let mut hello = Vec::new();
        if self.links[link].syncs {
            Hello::write(name, &mut hello);
        } else {
            hello = format!("HELLO herd/1 {name} other\n").into_bytes();
        }
        hello
    }

    /// Closes one end; the other side hears of it behind what arrives of what was written.
    fn close(&mut self, connection: usize, side: usize) {
        let Some(end) = self.connections[connection].ends[side].take() else { return };
        let link = self.connections[connection].link;
        let server = self.links[link].servers[side];
        if self.links[link].current[side] == Some(connection) {
            self.links[link].current[side] = None;
            if end.is_up && self.servers[server].is_up {
                let neighbour = self.neighbour(link, side);
                let wake = self.servers[server].flood.link_down(neighbour);
                self.wake(server, wake);
            }
            if side == 0 {
                self.dial_after(link, 150 * MS);
            }
        }
        let written = &mut self.connections[connection].pipes[side];
        written.cut(&mut self.rng);
        let arrival = written.last_arrival.max(self.now + self.links[link].delay);
        self.at(arrival.max(self.links[link].blocked[side]), Event::Gone { connection, side: 1 - side });
        self.note(&format!("S{server} closes connection {connection}"), b"");
    }

    fn neighbour(&self, link: usize, side: usize) -> NeighbourId {
        let server = self.links[link].servers[side];
        self.servers[server].links.iter().position(|&own| own == (link, side)).unwrap()
    }

    fn delay(&mut self, link: usize) -> u64 {
        let Link { delay, slow_until, slowness, .. } = self.links[link];
        let jitter = self.rng.u64(..delay);
        delay + jitter + if slow_until > self.now { slowness } else { 0 }
    }

    /// Fills what is to be written and writes as much as the connection takes.
    fn flush(&mut self, connection: usize, side: usize) -> Step {
        let link = self.connections[connection].link;
        let server = self.links[link].servers[side];
        let neighbour = self.neighbour(link, side);
        let now = self.clock(server);
        loop {
            let Connection { ends, pipes, .. } = &mut self.connections[connection];
            let (Some(end), pipe) = (&mut ends[side], &mut pipes[side]) else { return Ok(()) };
            if end.unsent.is_empty() && end.is_up {
                let flood = &mut self.servers[server].flood;
                if flood.pending(neighbour) > self.plan.clients {
                    return Err(format!("more than one update of a client waits at S{server}"));
                }
                let history = &mut self.links[link].history[side];
                self.outcome.lines += fill(flood, neighbour, now, &mut end.unsent, history);
            }
            if end.unsent.is_empty() {
                return Ok(());
            }
            let chunks = pipe.write(&mut end.unsent, &mut self.rng);
            if chunks == 0 {
                return Ok(());
            }
            for _ in 0..chunks {
                let arrival = self.now + self.delay(link);
                let pipe = &mut self.connections[connection].pipes[side];
                pipe.last_arrival = pipe.last_arrival.max(arrival);
                let arrival = pipe.last_arrival;
                self.at(arrival, Event::Arrive { connection, side: 1 - side });
            }
        }
    }

    fn arrive(&mut self, connection: usize, side: usize) -> Step {
        let link = self.connections[connection].link;
        let from = 1 - side;
        let blocked = self.links[link].blocked[from];
        if blocked > self.now {
            // What was lost is sent again until it passes.
            let later = blocked + self.links[link].delay;
            let pipe = &mut self.connections[connection].pipes[from];
            pipe.last_arrival = pipe.last_arrival.max(later);
            self.at(later, Event::Arrive { connection, side });
            return Ok(());
        }
        let Some(chunk) = self.connections[connection].pipes[from].read() else { return Ok(()) };
        let Some(mut end) = self.connections[connection].ends[side].take() else { return Ok(()) };
        end.heard = self.now;
        let server = self.links[link].servers[side];
        self.note(&format!("S{server} reads on connection {connection}"), &chunk);
        let heard = self.hear(connection, side, &mut end, &chunk);
        self.connections[connection].ends[side] = Some(end);
        if heard? {
            self.at(self.now, Event::Flush { connection, side });
        } else {
            self.close(connection, side);
        }
        let writable = self.now + self.links[link].delay;
        self.at(writable, Event::Flush { connection, side: from });
        Ok(())
    }

    /// Takes in what has arrived; `false` if the connection is of no more use.
    fn hear(&mut self, connection: usize, side: usize, end: &mut End, mut input: &[u8]) -> Result<bool, String> {
        let link = self.connections[connection].link;
        let server = self.links[link].servers[side];
        let neighbour = self.neighbour(link, side);
        while let Some(line) = end.reader.next_line(&mut input) {
            let Line::Whole(line) = line else { return Err(format!("S{server} was sent a line that is too long")) };
            if !end.is_up {
                let Ok(hello) = Hello::parse(line) else { return Ok(false) };
                end.is_up = true;
                end.next_round = self.now + BACKGROUND_ROUND;
                if side == 1 {
                    end.unsent = self.hello(link, 1);
                }
                self.link_up(connection, side, hello.sync);
                continue;
            }
            let now = self.clock(server);
            let heard = self.servers[server].flood.hear(neighbour, line, now);
            let (heard, wake) = heard.map_err(|error| format!("S{server}: {error}"))?;
            match heard {
                Heard::Fresh { line, way } => {
                    if way == Way::Diverged && self.plan.strikes.is_empty() {
                        return Err(format!("S{server} was found to lack an update though nothing had gone wrong"));
                    }
                    self.oracle.touched(server, line.id(), &self.servers[server].flood)?;
                }
                Heard::Invalid | Heard::Unknown => {
                    return Err(format!("S{server} does not understand {}", line.escape_ascii()));
                }
                Heard::CaughtUp => {
                    let known = &self.connections[connection].known_at_link_up[1 - side];
                    self.oracle.caught_up(server, &self.servers[server].flood, known)?;
                }
                Heard::Stale | Heard::RoundBegan | Heard::Nothing => {}
            }
            self.wake(server, wake);
        }
        Ok(true)
    }

    /// The other side has said HELLO. A newer connection replaces the older one.
    fn link_up(&mut self, connection: usize, side: usize, theirs: bool) {
        let link = self.connections[connection].link;
        let server = self.links[link].servers[side];
        if side == 1 {
            if let Some(older) = self.links[link].current[1] {
                self.close(older, 1);
            }
            self.links[link].current[1] = Some(connection);
        }
        let manner =
            if theirs && self.links[link].syncs { Manner::Sync { begins: side == 0 } } else { Manner::Everything };
        let neighbour = self.neighbour(link, side);
        let flood = &mut self.servers[server].flood;
        flood.link_up(neighbour, manner);
        self.connections[connection].known_at_link_up[side] = self.oracle.all_known(flood);
    }

    fn tick(&mut self, connection: usize, side: usize) -> Step {
        let link = self.connections[connection].link;
        let server = self.links[link].servers[side];
        let neighbour = self.neighbour(link, side);
        let Some(end) = &mut self.connections[connection].ends[side] else { return Ok(()) };
        let patience = if end.is_up { SILENCE } else { HANDSHAKE };
        if self.now - end.heard >= patience {
            self.close(connection, side);
            return Ok(());
        }
        if end.is_up && end.next_round <= self.now {
            end.next_round = self.now + BACKGROUND_ROUND;
            self.servers[server].flood.begin_round(neighbour);
        }
        if end.is_up && end.unsent.is_empty() {
            end.unsent.extend_from_slice(PING);
        }
        self.at(self.now + SECOND, Event::Tick { connection, side });
        self.flush(connection, side)
    }

    fn strike(&mut self, strike: Strike) {
        let Strike { fault, until, what, side, how_much, .. } = strike;
        self.note(fault.text(), &[what as u8, side as u8]);
        let has_struck = match fault {
            Fault::Partition | Fault::OneWay => {
                let sides: &[usize] = if fault == Fault::Partition { &[0, 1] } else { &[side] };
                for &side in sides {
                    self.links[what].blocked[side] = self.links[what].blocked[side].max(until);
                }
                true
            }
            Fault::Slow => {
                (self.links[what].slow_until, self.links[what].slowness) = (until, how_much);
                true
            }
            Fault::Drop => match self.links[what].current[side] {
                Some(connection) => {
                    self.close(connection, side);
                    true
                }
                None => false,
            },
            Fault::Crash => self.crash(what, until),
            Fault::Stall => {
                self.servers[what].stalled_until = self.servers[what].stalled_until.max(until);
                self.servers[what].is_up
            }
            Fault::Skew => {
                let step = how_much as i64;
                self.servers[what].skew += if side == 0 { step } else { -step };
                true
            }
            Fault::Replay => self.replay(what, side),
        };
        if has_struck {
            self.outcome.struck.insert(fault);
        }
    }

    fn crash(&mut self, server: usize, until: u64) -> bool {
        if !self.servers[server].is_up {
            return false;
        }
        self.servers[server].is_up = false;
        let others = self.servers.iter().filter(|other| other.is_up).map(|other| &other.flood);
        self.oracle.crashed(server, others);
        let links = self.servers[server].links.clone();
        let limits = StoreLimits { clients: self.plan.store, bytes: 1 << 30 };
        self.servers[server].flood = Flood::new(limits, links.len());
        for connection in 0..self.connections.len() {
            let link = self.connections[connection].link;
            if let Some(&(_, side)) = links.iter().find(|(own, _)| *own == link) {
                self.close(connection, side);
            }
        }
        self.at(until, Event::Restart { server });
        true
    }

    fn restart(&mut self, server: usize) {
        self.servers[server].is_up = true;
        for (link, side) in self.servers[server].links.clone() {
            if side == 0 {
                self.dial_after(link, 0);
            }
        }
        self.note(&format!("S{server} starts again"), b"");
    }

    /// A neighbour says once more what it has said at some time. It knows that still, or better.
    fn replay(&mut self, link: usize, side: usize) -> bool {
        let history = &self.links[link].history[side];
        let connection = self.links[link].current[side];
        let Some(connection) = connection.filter(|_| !history.is_empty()) else { return false };
        let line = history[self.rng.usize(..history.len())].clone();
        let said = AtLine::parse(line.strip_suffix(b"\n").unwrap()).unwrap();
        let known = self.servers[self.links[link].servers[side]].flood.store().get(said.id());
        let end = self.connections[connection].ends[side].as_mut().filter(|end| end.is_up);
        let (Some(end), Some(known)) = (end, known) else { return false };
        if known.line() < said {
            return false;
        }
        end.unsent.extend_from_slice(&line);
        self.at(self.now, Event::Flush { connection, side });
        true
    }
}

/// Appends some of what waits, what is live first; returns how many lines carry updates.
fn fill(flood: &mut Flood, id: NeighbourId, now: UnixTime, out: &mut Vec<u8>, history: &mut Vec<Vec<u8>>) -> u64 {
    let mut lines = 0;
    while out.len() < BATCH
        && let Some(update) = flood.next_live(id)
    {
        let line = [update.line().bytes(), b"\n"].concat();
        out.extend_from_slice(&line);
        if history.len() < HISTORY {
            history.push(line);
        }
        lines += 1;
    }
    let live = out.len();
    while out.len() < live + BATCH
        && let Some(said) = flood.catch_up(id, now, out)
    {
        lines += u64::from(said == herd::sync::Said::Entry);
    }
    lines
}
