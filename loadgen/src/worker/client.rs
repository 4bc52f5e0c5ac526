//! A simulated client: where it is, and what it says next.

use std::io;

use fastrand::Rng;
use mio::{Registry, Token};

use super::judge::{Command, Judge};
use crate::clock::wall;
use crate::connection::Connection;
use crate::movement::Walk;
use crate::oracle::{Ask, ClientId, ServerId};
use crate::plan::{Plan, Target};
use crate::wire::{Shape, write_iamat, write_whatsat};

/// The largest radius that is asked for, in kilometres.
const MAX_RADIUS: u64 = 50;
/// The largest bound that is asked for.
const MAX_BOUND: usize = 20;
/// The share of questions that a client asks about itself.
const ABOUT_ITSELF: f64 = 0.3;

/// A simulated client with its connection.
#[derive(Debug)]
pub(super) struct Client {
    /// Its number in its thread, also for the oracle.
    number: ClientId,
    pub(super) server: ServerId,
    pub(super) connection: Option<Connection<Command>>,
    /// When a connection that broke is opened again.
    pub(super) reopen_at: u64,
    walk: Walk,
    moved_at: u64,
    last_stamp: u64,
}

impl Client {
    pub(super) fn new(number: ClientId, server: ServerId, rng: &mut Rng) -> Self {
        let walk = Walk::new(rng);
        Self { number, server, connection: None, reopen_at: 0, walk, moved_at: 0, last_stamp: 0 }
    }

    /// Begins to connect.
    pub(super) fn open(&mut self, target: &Target, registry: &Registry) -> io::Result<()> {
        self.connection = Some(Connection::open(target.address, registry, Token(self.number))?);
        Ok(())
    }

    /// Whether no command is under way.
    pub(super) fn is_quiet(&self) -> bool {
        self.connection.as_ref().is_none_or(|connection| connection.in_flight() == 0)
    }

    /// Puts the next command, which was due at `due`, on the connection; without one it failed.
    pub(super) fn send(&mut self, due: u64, now: u64, plan: &Plan, judge: &mut Judge, rng: &mut Rng) {
        let Some(mut connection) = self.connection.take() else {
            judge.unsent(self.server);
            return;
        };
        if rng.f64() >= plan.whatsat || !judge.oracle.is_known(self.number) {
            self.tell(&mut connection, due, now, judge, rng);
        } else if rng.f64() < plan.unknown {
            self.ask_in_vain(&mut connection, due, plan, rng);
        } else {
            self.ask(&mut connection, due, now, judge, rng);
        }
        judge.record.counts.sent += 1;
        self.connection = Some(connection);
    }

    fn tell(&mut self, connection: &mut Connection<Command>, due: u64, now: u64, judge: &mut Judge, rng: &mut Rng) {
        let seconds = std::time::Duration::from_nanos(now - self.moved_at).as_secs_f64();
        let position = self.walk.advance(seconds, rng);
        self.moved_at = now;
        let stamp = wall().max(self.last_stamp + 1);
        self.last_stamp = stamp;
        judge.oracle.tell(self.number, self.server, stamp, position);
        let command = Command::Iamat { client: self.number, stamp };
        let id = judge.oracle.id(self.number);
        connection.send(due, Shape::Line, command, |out| write_iamat(out, id, position, stamp));
    }

    /// Asks about itself or another client that some server has heard of.
    fn ask(&self, connection: &mut Connection<Command>, due: u64, now: u64, judge: &Judge, rng: &mut Rng) {
        let other = rng.usize(..judge.oracle.clients());
        let about = if rng.f64() < ABOUT_ITSELF || !judge.oracle.is_known(other) { self.number } else { other };
        let ask = Ask {
            about,
            server: self.server,
            on_own_connection: about == self.number,
            radius: rng.u64(1..=MAX_RADIUS),
            bound: rng.usize(0..=MAX_BOUND),
        };
        let question = judge.oracle.ask(ask, now);
        let id = judge.oracle.id(about);
        connection.send(due, Shape::LineAndBody, Command::Whatsat(question), |out| {
            write_whatsat(out, id, ask.radius, ask.bound);
        });
    }

    fn ask_in_vain(&self, connection: &mut Connection<Command>, due: u64, plan: &Plan, rng: &mut Rng) {
        let mut command = Vec::new();
        let nobody = format!("nobody{}.{}.load", rng.u32(..), plan.run);
        write_whatsat(&mut command, nobody.as_bytes(), 1, 1);
        let line = command.trim_ascii_end().to_vec();
        connection.send(due, Shape::LineAndBody, Command::Unknown(line), |out| out.extend_from_slice(&command));
    }
}
