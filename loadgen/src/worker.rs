//! A thread of simulated clients: one event loop over their connections and their schedules,
//! and an oracle of its own. Clients ask only about clients of the same thread, so threads
//! share nothing while they run.

pub(crate) mod busy;
mod client;
mod garbage;
mod judge;
mod roam;
mod schedule;
mod verify;

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fastrand::Rng;
use mio::{Events, Poll, Token};

use self::busy::Busy;
use self::client::Client;
use self::judge::Judge;
use self::schedule::Schedule;
use crate::clock::{Moment, RunClock};
use crate::connection::ReadError;
use crate::live::Live;
use crate::measure::nanos;
use crate::oracle::Oracle;
use crate::plan::Plan;
use crate::record::Record;
use crate::timer::{Timer, wait};

/// Connections that are being opened at a time.
const OPENING: usize = 256;
/// How long opening them may take at the start.
const OPEN_TIMEOUT: Duration = Duration::from_secs(5);
/// The pause before a connection that broke is opened again, in nanoseconds.
const REOPEN: u64 = 200_000_000;
/// How often time-outs and broken connections are looked after, in nanoseconds.
const TICK: u64 = 100_000_000;
/// Commands that are sent in a row before replies are looked for.
const BURST: usize = 256;
/// Bytes that are read at a time.
const BUFFER: usize = 64 << 10;
const TIMER: Token = Token(usize::MAX);

/// A thread's clients, connected.
#[derive(Debug)]
pub(crate) struct Worker {
    plan: Arc<Plan>,
    poll: Poll,
    timer: Timer,
    clients: Vec<Client>,
    schedule: Schedule,
    /// Commands that are due, and when they were.
    burst: Vec<(usize, u64)>,
    judge: Judge,
    rng: Rng,
    /// What is read goes here at first.
    input: Vec<u8>,
    /// Lent to the connection that is written to.
    output: Vec<u8>,
    /// Clients that had a connection when that was last shown.
    connected: usize,
}

impl Worker {
    /// Makes a thread's clients and connects them.
    pub(crate) fn connect(plan: Arc<Plan>, thread: usize, live: Arc<Live>) -> io::Result<Self> {
        let poll = Poll::new()?;
        let timer = Timer::new(poll.registry(), TIMER)?;
        let mut rng = Rng::with_seed(plan.seed_of(thread));
        let servers = plan.servers.iter().map(|server| server.name.clone().into_bytes()).collect();
        let names = plan.clients_of(thread).map(|client| plan.client_name(client));
        let oracle = Oracle::new(servers, names, i64::try_from(plan.max_skew.as_nanos()).unwrap_or(i64::MAX));
        let numbered = plan.clients_of(thread).enumerate();
        let clients: Vec<_> = numbered.map(|(number, client)| Client::new(number, client, &plan, &mut rng)).collect();
        let schedule = Schedule::new(&plan, clients.len(), &mut rng);
        let judge = Judge::new(&plan, oracle, live);
        let (input, burst, output) = (vec![0; BUFFER], Vec::new(), Vec::new());
        let mut worker = Self { plan, poll, timer, clients, schedule, burst, judge, rng, input, output, connected: 0 };
        worker.open_all()?;
        Ok(worker)
    }

    /// Opens all connections, some at a time and no faster than the plan says, and waits until
    /// they stand.
    fn open_all(&mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(OPENING);
        let pause = self.plan.connect_rate.map_or(Duration::ZERO, |rate| Duration::from_secs(1) / rate);
        // Each thread opens its part of all that are opened at a time.
        let pause = pause * u32::try_from(self.plan.threads).unwrap_or(u32::MAX);
        let mut next = Instant::now();
        for clients in self.clients.chunks_mut(OPENING) {
            for client in &mut *clients {
                pause_until(next);
                next += pause;
                client.open(&self.plan, self.poll.registry())?;
            }
            let deadline = Instant::now() + OPEN_TIMEOUT;
            while !all_open(clients)? {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                wait(&mut self.poll, &mut events, Some(left))?;
            }
        }
        Ok(())
    }

    /// Runs the plan: warm-up, measuring, waiting for what is under way, and the last look at
    /// every server.
    pub(crate) fn run(mut self, clock: RunClock) -> io::Result<Record> {
        let planned_end = nanos(self.plan.warm_up + self.plan.duration);
        // Before the start the clock stands still: what a closed loop sent then would seem to take no time.
        #[allow(clippy::disallowed_methods)] // this thread has nothing else to do
        std::thread::sleep(clock.until(0));
        let mut events = Events::with_capacity(1024);
        let begin = nanos(self.plan.warm_up);
        let (mut next_tick, mut set_for, mut busy) = (0, None, Busy::default());
        loop {
            let end = self.judge.live.end(planned_end);
            let now = clock.now();
            busy.look(now, begin, end);
            self.send_due(now, end, clock);
            if now >= next_tick {
                next_tick = (now / TICK + 1) * TICK;
                self.tick(now);
            }
            let next_due = self.schedule.next_due().filter(|&due| due < end);
            if now >= end && next_due.is_none() && self.clients.iter().all(Client::is_quiet) {
                break;
            }
            let next = next_due.unwrap_or(next_tick).min(next_tick);
            let next = if now < end { next.min(end) } else { next };
            if set_for != Some(next) {
                self.timer.set(clock.until(next))?;
                set_for = Some(next);
            }
            wait(&mut self.poll, &mut events, None)?;
            for event in &events {
                match event.token() {
                    TIMER => set_for = None,
                    Token(client) => self.handle(client, clock, end),
                }
            }
        }
        self.judge.record.threads.push(busy.shares());
        self.judge.show();
        if self.plan.verify {
            verify::run(&self.plan, &mut self.judge, clock);
            self.judge.show();
        }
        Ok(self.judge.record)
    }

    /// Sends what is due by now, also if it is late, and nothing that is due after the end.
    fn send_due(&mut self, now: u64, end: u64, clock: RunClock) {
        if now >= end && self.schedule.follows_replies() {
            return;
        }
        let mut burst = std::mem::take(&mut self.burst);
        burst.extend(std::iter::from_fn(|| self.schedule.take_due(now.min(end - 1))).take(BURST));
        // What is late goes out in one write for each client.
        burst.sort_by_key(|(client, _)| *client);
        for commands in burst.chunk_by(|(client, _), (next, _)| client == next) {
            let moment = clock.moment();
            for &(client, due) in commands {
                self.send(client, due, moment);
            }
            self.flush(commands[0].0, clock);
        }
        burst.clear();
        self.burst = burst;
    }

    fn send(&mut self, client: usize, due: u64, now: Moment) {
        let client = &mut self.clients[client];
        client.move_on(due, now.run, &self.plan, self.poll.registry(), &mut self.rng);
        if let Some(connection) = &mut client.connection {
            connection.borrow(&mut self.output);
        }
        client.send(due, now, &self.plan, &mut self.judge, &mut self.rng);
    }

    fn flush(&mut self, client: usize, clock: RunClock) {
        let Some(connection) = &mut self.clients[client].connection else { return };
        let flushed = connection.flush(|| clock.now());
        connection.give_back(&mut self.output);
        if flushed.is_err() {
            self.broke(client, clock.now());
        }
    }

    /// Something has happened on a client's connection.
    fn handle(&mut self, client: usize, clock: RunClock, end: u64) {
        self.flush(client, clock);
        let server = self.clients[client].server;
        loop {
            let Some(connection) = &mut self.clients[client].connection else { return };
            let (mut replies, mut read_at) = (0, None);
            let judge = &mut self.judge;
            let read = connection.read(&mut self.input, |expected, reply| {
                replies += 1;
                // Only after it was read: before, it may not have been there yet.
                let now = *read_at.get_or_insert_with(|| clock.moment());
                judge.reply(client, server, &expected, reply, now);
            });
            let now = read_at.unwrap_or_else(|| clock.moment());
            if replies > 0
                && let Some(gap) = self.clients[client].roam.arrived(now.run)
            {
                self.judge.record.handover.saturating_record(gap);
            }
            if self.schedule.follows_replies() && now.run < end {
                (0..replies).for_each(|_| self.send(client, now.run, now));
                self.flush(client, clock);
            }
            match read {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    if let ReadError::Unexpected(bytes) = error {
                        self.judge.unexpected(server, &bytes);
                    }
                    return self.broke(client, now.run);
                }
            }
        }
    }

    fn broke(&mut self, client: usize, now: u64) {
        let client = &mut self.clients[client];
        if let Some(connection) = client.connection.take() {
            self.judge.broke(client.server, &connection.give_up(), now);
            client.reopen_at = now + REOPEN;
        }
    }

    /// Gives up connections that are too slow and opens those again that broke.
    fn tick(&mut self, now: u64) {
        let timeout = nanos(self.plan.timeout);
        let connected_before = std::mem::take(&mut self.connected);
        for (number, client) in self.clients.iter_mut().enumerate() {
            match client
                .connection
                .take_if(|connection| connection.oldest().is_some_and(|oldest| oldest.due + timeout < now))
            {
                Some(connection) => {
                    self.judge.timed_out(client.server, &connection.give_up(), now);
                    client.reopen_at = now + REOPEN;
                }
                None if client.connection.is_none() && client.reopen_at <= now => {
                    client.reopen_at = now + REOPEN;
                    // If that fails, the next attempt may not.
                    if client.open(&self.plan, self.poll.registry()).is_ok() {
                        self.schedule.begin_anew(number);
                    }
                }
                None => {}
            }
            self.connected += usize::from(client.connection.is_some());
        }
        self.judge.live.connected(self.connected, connected_before);
        self.judge.show();
    }
}

/// Before the run starts this thread has nothing else to do.
#[allow(clippy::disallowed_methods)]
fn pause_until(moment: Instant) {
    std::thread::sleep(moment.saturating_duration_since(Instant::now()));
}

fn all_open(clients: &[Client]) -> io::Result<bool> {
    for client in clients {
        if let Some(connection) = &client.connection
            && !connection.is_open()?
        {
            return Ok(false);
        }
    }
    Ok(true)
}
