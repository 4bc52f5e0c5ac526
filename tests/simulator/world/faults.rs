//! What goes wrong.

use herd::flood::Flood;
use herd::protocol::update::AtLine;
use herd::store::StoreLimits;

use super::{Event, World};
use crate::plan::{Fault, Strike};

impl World {
    pub(super) fn strike(&mut self, strike: Strike) {
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

    pub(super) fn restart(&mut self, server: usize) {
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
