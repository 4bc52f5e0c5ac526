//! The tap's event loop: links with all servers, each read as soon as there is something to read.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};

use super::link::Link;
use super::opening::{NoLink, TapError};
use super::sights::{Sights, Tapped};
use crate::timer::wait;

/// How often links, and what may be lost, are looked after.
const TICK: Duration = Duration::from_millis(100);
/// Bytes that are read at a time; all lines in them count as seen at the same moment.
const BUFFER: usize = 64 << 10;

/// The tap's links.
#[derive(Debug)]
pub(super) struct Observer {
    poll: Poll,
    links: Vec<Link>,
    sights: Sights,
    /// By server, when last nothing more was there to be read; nanoseconds of the run's clock.
    found_empty: Vec<u64>,
    next_tick: Instant,
    buffer: Vec<u8>,
}

impl Observer {
    /// Joins the links of all servers, which have a name and an address each.
    pub(super) fn join(servers: impl Iterator<Item = (String, SocketAddr)>, sights: Sights) -> Result<Self, TapError> {
        let name = &sights.seen.name;
        let links: Vec<Link> = servers.map(|(server, address)| Link::new(server, address, name.clone())).collect();
        let (poll, found_empty) = (Poll::new()?, vec![0; links.len()]);
        let mut observer =
            Self { poll, links, sights, found_empty, next_tick: Instant::now(), buffer: vec![0; BUFFER] };
        let mut events = Events::with_capacity(64);
        while !observer.links.iter().all(Link::is_up) {
            if let Some((server, why)) = observer.turn(&mut events)? {
                let Link { server, address, .. } = &observer.links[server];
                return Err(TapError::Link { server: server.clone(), address: *address, why });
            }
        }
        Ok(observer)
    }

    /// Watches until all that the probe has told of is seen or lost, and nothing will follow.
    pub(super) fn run(mut self) -> io::Result<Tapped> {
        let mut events = Events::with_capacity(64);
        while !self.sights.are_complete() {
            // A link that has failed is dialled again, and what that cost is counted.
            self.turn(&mut events)?;
        }
        self.sights.seen.links = self.links.iter().map(Link::counts).collect();
        Ok(self.sights.seen)
    }

    /// Waits for something to read and reads it all. Returns a link that has failed, if one has.
    fn turn(&mut self, events: &mut Events) -> io::Result<Option<(usize, NoLink)>> {
        wait(&mut self.poll, events, Some(Duration::ZERO))?;
        let mut woke = None;
        if events.is_empty() {
            wait(&mut self.poll, events, Some(TICK))?;
            woke = Some(self.sights.now());
        }
        let mut failed = None;
        for server in events.iter().map(|event| event.token().0) {
            if let Err(why) = self.read(server, woke) {
                failed = Some(self.end(server, why));
            }
        }
        if self.next_tick <= Instant::now() {
            self.next_tick = Instant::now() + TICK;
            for server in 0..self.links.len() {
                if let Err(why) = self.links[server].tick(self.poll.registry(), Token(server)) {
                    failed = Some(self.end(server, why));
                }
            }
            self.sights.listen();
            self.sights.count_lost();
        }
        Ok(failed)
    }

    /// Reads all that is there. What is there when the tap has just woken up has come right now;
    /// else it has come since nothing was there the last time.
    fn read(&mut self, server: usize, woke: Option<u64>) -> Result<(), NoLink> {
        let link = &mut self.links[server];
        link.flush()?;
        loop {
            let count = link.read(&mut self.buffer)?;
            let now = self.sights.now();
            if count > 0 {
                self.sights.listen();
                let (was_up, since) = (link.is_up(), woke.unwrap_or(self.found_empty[server]));
                link.take_in(&self.buffer[..count], |line| self.sights.look_at(server, line, since, now))?;
                if !was_up && link.is_up() {
                    self.sights.is_up(server, true);
                }
            }
            if count < self.buffer.len() {
                self.found_empty[server] = now;
                return Ok(());
            }
        }
    }

    fn end(&mut self, server: usize, why: NoLink) -> (usize, NoLink) {
        self.links[server].end(&why);
        self.sights.is_up(server, false);
        (server, why)
    }
}
