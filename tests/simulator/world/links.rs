//! Links: how they form, what runs over them, and how they end; as in the server.

use herd::flood::{Flood, Heard, Manner, NeighbourId, Way};
use herd::protocol::line::Line;
use herd::protocol::peer::{Hello, PING};
use herd::protocol::time::UnixTime;
use herd::sync::Said;

use super::{Event, Link, Step, World};
use crate::pipe::{Connection, End};
use crate::plan::{MS, SECOND};

/// As in the server: a neighbour that was silent for so long is dead.
const SILENCE: u64 = 5 * SECOND;
/// As in the server: how long HELLO may take.
const HANDSHAKE: u64 = SECOND;
/// As in the server: how often stores are compared in the background.
const BACKGROUND_ROUND: u64 = 30 * SECOND;
/// Bytes of live updates, and of catching up, that are put together at a time. Less than in the
/// server, so that writes are often cut.
const BATCH: usize = 1500;

/// Lines that a neighbour may say again.
const HISTORY: usize = 200;

impl World {
    pub(super) fn dial_after(&mut self, link: usize, pause: u64) {
        if !std::mem::replace(&mut self.links[link].is_dialling, true) {
            let jitter = self.rng.u64(..50 * MS);
            self.at(self.now + pause + jitter, Event::Dial { link });
        }
    }

    pub(super) fn dial(&mut self, link: usize) {
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
    pub(super) fn close(&mut self, connection: usize, side: usize) {
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

    pub(super) fn neighbour(&self, link: usize, side: usize) -> NeighbourId {
        let server = self.links[link].servers[side];
        self.servers[server].links.iter().position(|&own| own == (link, side)).unwrap()
    }

    fn delay(&mut self, link: usize) -> u64 {
        let Link { delay, slow_until, slowness, .. } = self.links[link];
        let jitter = self.rng.u64(..delay);
        delay + jitter + if slow_until > self.now { slowness } else { 0 }
    }

    /// Fills what is to be written and writes as much as the connection takes.
    pub(super) fn flush(&mut self, connection: usize, side: usize) -> Step {
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

    pub(super) fn arrive(&mut self, connection: usize, side: usize) -> Step {
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

    pub(super) fn tick(&mut self, connection: usize, side: usize) -> Step {
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
        lines += u64::from(said == Said::Entry);
    }
    lines
}
