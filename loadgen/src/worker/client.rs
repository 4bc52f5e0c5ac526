//! A simulated client: where it is, and what it says next.

use std::io;
use std::net::IpAddr;

use fastrand::Rng;
use mio::{Registry, Token};

use super::garbage;
use super::judge::{Command, Judge};
use super::roam::Roam;
use crate::clock::Moment;
use crate::connection::Connection;
use crate::movement::Walk;
use crate::oracle::{Ask, ClientId, ServerId};
use crate::plan::Plan;
use crate::wire::{Shape, write_iamat, write_whatsat};

/// A simulated client with its connection.
#[derive(Debug)]
pub(super) struct Client {
    /// Its number in its thread, also for the oracle.
    number: ClientId,
    pub(super) server: ServerId,
    pub(super) connection: Option<Connection<Command>>,
    /// When a connection that broke is opened again.
    pub(super) reopen_at: u64,
    /// Where it connects from, if that is not the system's choice.
    source: Option<IpAddr>,
    pub(super) roam: Roam,
    walk: Walk,
    moved_at: u64,
    last_stamp: u64,
}

impl Client {
    /// Client `client` of a plan, which is the `number`-th of its thread.
    pub(super) fn new(number: ClientId, client: usize, plan: &Plan, rng: &mut Rng) -> Self {
        Self {
            number,
            server: plan.server_of(client),
            connection: None,
            reopen_at: 0,
            source: plan.source_of(client),
            roam: Roam::new(plan, rng),
            walk: Walk::new(rng),
            moved_at: 0,
            last_stamp: 0,
        }
    }

    /// Begins to connect.
    pub(super) fn open(&mut self, plan: &Plan, registry: &Registry) -> io::Result<()> {
        let address = plan.servers[self.server].address;
        self.connection = Some(Connection::open(address, self.source, registry, Token(self.number))?);
        Ok(())
    }

    /// Leaves its server for another one, if it is time for that and nothing is under way.
    pub(super) fn move_on(&mut self, due: u64, now: u64, plan: &Plan, registry: &Registry, rng: &mut Rng) {
        if self.is_quiet() && self.roam.leaves(due, now, rng) {
            let servers = plan.servers.len();
            self.server = (self.server + rng.usize(1..servers)) % servers;
            self.connection = None;
            self.reopen_at = now;
            // Without a connection the next attempt is made as after any that broke.
            let _ = self.open(plan, registry);
        }
    }

    /// Whether no command is under way.
    pub(super) fn is_quiet(&self) -> bool {
        self.connection.as_ref().is_none_or(|connection| connection.in_flight() == 0)
    }

    /// Puts the next command, which was due at `due`, on the connection; without one it failed.
    pub(super) fn send(&mut self, due: u64, now: Moment, plan: &Plan, judge: &mut Judge, rng: &mut Rng) {
        let Some(mut connection) = self.connection.take() else {
            judge.unsent(self.server);
            return;
        };
        if plan.mix.garbage > 0.0 && rng.f64() < plan.mix.garbage && !self.roam.is_arriving() {
            self.talk_nonsense(&mut connection, due, judge, rng);
        } else if self.roam.is_arriving() || rng.f64() >= plan.mix.whatsat || !judge.oracle.is_known(self.number) {
            self.tell(&mut connection, due, now, judge, rng);
        } else if rng.f64() < plan.mix.unknown {
            self.ask_in_vain(&mut connection, due, plan, rng);
        } else {
            self.ask(&mut connection, due, now.run, plan, judge, rng);
        }
        judge.record.counts.sent += 1;
        self.connection = Some(connection);
    }

    fn tell(&mut self, connection: &mut Connection<Command>, due: u64, now: Moment, judge: &mut Judge, rng: &mut Rng) {
        let seconds = std::time::Duration::from_nanos(now.run - self.moved_at).as_secs_f64();
        let position = self.walk.advance(seconds, rng);
        self.moved_at = now.run;
        let stamp = now.wall.max(self.last_stamp + 1);
        self.last_stamp = stamp;
        judge.oracle.tell(self.number, self.server, stamp, position);
        let command = Command::Iamat { stamp };
        let id = judge.oracle.id(self.number);
        connection.send(due, Shape::Line, command, |out| write_iamat(out, id, position, stamp));
    }

    /// Asks about itself or another client that some server has heard of.
    fn ask(&self, connection: &mut Connection<Command>, due: u64, now: u64, plan: &Plan, judge: &Judge, rng: &mut Rng) {
        let other = rng.usize(..judge.oracle.clients());
        let about =
            if rng.f64() < plan.mix.about_itself || !judge.oracle.is_known(other) { self.number } else { other };
        let ask = Ask {
            about,
            server: self.server,
            on_own_connection: about == self.number,
            radius: plan.mix.radius.choose(rng),
            bound: usize::try_from(plan.mix.bound.choose(rng)).unwrap_or(usize::MAX),
        };
        let question = judge.oracle.ask(ask, now);
        let id = judge.oracle.id(about);
        connection.send(due, Shape::LineAndBody, Command::Whatsat(Box::new(question)), |out| {
            write_whatsat(out, id, ask.radius, ask.bound);
        });
    }

    fn ask_in_vain(&self, connection: &mut Connection<Command>, due: u64, plan: &Plan, rng: &mut Rng) {
        let mut command = Vec::new();
        let nobody = format!("nobody{}.{}.load", rng.u32(..), plan.run);
        write_whatsat(&mut command, nobody.as_bytes(), 1, 1);
        let line = command.trim_ascii_end().into();
        connection.send(due, Shape::LineAndBody, Command::Unknown(line), |out| out.extend_from_slice(&command));
    }

    fn talk_nonsense(&self, connection: &mut Connection<Command>, due: u64, judge: &Judge, rng: &mut Rng) {
        let id = String::from_utf8_lossy(judge.oracle.id(self.number));
        let line = garbage::line(&id, rng);
        let bytes = [line.as_slice(), b"\n"].concat();
        connection.send(due, Shape::Line, Command::Garbage(line.into()), |out| out.extend_from_slice(&bytes));
    }
}
