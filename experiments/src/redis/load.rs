//! The client: one process, one thread, one event loop over its connections, in a closed loop
//! with a pipeline or in an open one at a rate; with the probe, if it is asked for, in a second
//! thread. As in the load generator, commands count that are due within the measured time.

mod client;
mod schedule;

use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, anyhow};
use clap::Args;
use fastrand::Rng;
use loadgen::measure::nanos;
use loadgen::report::Summary;
use loadgen::timer::{Timer, wait};
use mio::{Events, Interest, Poll, Token};
use serde::{Deserialize, Serialize};

use self::client::Client;
use self::schedule::Schedule;
use super::update::UpdateCommand;
use super::{offsets, probe};
use crate::processor_time::processor_time;

/// How long replicas may take to have everything.
const AGREE: Duration = Duration::from_secs(10);
/// How long replies may take that are under way at the end.
const DRAIN: Duration = Duration::from_secs(10);
const BUFFER: usize = 64 << 10;
const TIMER: Token = Token(usize::MAX);

/// What the client is to do.
#[derive(Debug, Clone, Args)]
pub struct RedisLoadOptions {
    /// Where updates are written.
    #[arg(long)]
    pub primary: SocketAddr,
    /// The copies that are to agree at the end.
    #[arg(long)]
    pub replica: Vec<SocketAddr>,
    /// What an update is.
    #[arg(long)]
    pub command: UpdateCommand,
    /// Connections, a client each.
    #[arg(long)]
    pub connections: usize,
    /// Commands of a client that are under way at a time, in a closed loop.
    #[arg(long, default_value_t = 1)]
    pub pipeline: usize,
    /// Commands per second of all clients together: an open loop.
    #[arg(long)]
    pub rate: Option<f64>,
    /// How long commands are sent before they are measured.
    #[arg(long)]
    pub warm_up: humantime::Duration,
    /// How long they are.
    #[arg(long)]
    pub duration: humantime::Duration,
    /// What everything random follows from.
    #[arg(long)]
    pub seed: u64,
    /// Whether to watch how long writes take to the first replica.
    #[arg(long)]
    pub probe: bool,
}

/// What the client has found.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RedisLoaded {
    /// Commands that were due within the measured time and are acknowledged.
    pub measured: u64,
    /// All that are.
    pub acknowledged: u64,
    /// Commands whose replies did not come.
    pub failed: u64,
    /// Processor time of the client while it sent, in seconds.
    pub cpu_s: f64,
    /// From the end of the measured time until all replicas had everything, in seconds; absent
    /// if they did not in time.
    pub agree_s: Option<f64>,
    /// From when commands were due until they were written: 99 % were no later, in microseconds.
    pub lag_p99: f64,
    /// From the probe's writes to their sights, in microseconds.
    pub propagation: Option<Summary>,
    /// The probe's writes that were not seen.
    pub lost: u64,
}

/// Runs the client as a program of its own, which says what it has found as JSON.
///
/// # Errors
/// If a server cannot be reached or answers with an error.
pub fn program(options: &RedisLoadOptions) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string(&run(options)?)?);
    Ok(())
}

fn run(options: &RedisLoadOptions) -> anyhow::Result<RedisLoaded> {
    let mut load = RedisLoad::connect(options)?;
    let start = Instant::now();
    let measured = start + *options.warm_up..start + *options.warm_up + *options.duration;
    let watching = options.probe.then(|| {
        let (primary, replica, measured) = (options.primary, options.replica.first().copied(), measured.clone());
        std::thread::spawn(move || probe::run(primary, replica.ok_or(io::ErrorKind::InvalidInput)?, &measured))
    });
    load.run(start, &measured)?;
    let agreed = offsets::wait_until_equal(options.primary, &options.replica, AGREE)?;
    let agree_s = agreed.then(|| measured.end.elapsed().as_secs_f64());
    let seen = watching.map(|thread| thread.join().map_err(|_| anyhow!("the probe panicked"))?.context("the probe"));
    let seen = seen.transpose()?;
    Ok(RedisLoaded {
        measured: load.measured,
        acknowledged: load.acknowledged,
        failed: load.clients.iter().map(|client| client.under_way() as u64).sum(),
        cpu_s: load.cpu.as_secs_f64(),
        agree_s,
        lag_p99: load.schedule.lag_p99(),
        propagation: seen.as_ref().map(|seen| Summary::new(&seen.latency)),
        lost: seen.map_or(0, |seen| seen.lost),
    })
}

/// All clients, connected.
#[derive(Debug)]
struct RedisLoad {
    poll: Poll,
    timer: Timer,
    clients: Vec<Client>,
    schedule: Schedule,
    command: UpdateCommand,
    rng: Rng,
    buffer: Vec<u8>,
    measured: u64,
    acknowledged: u64,
    cpu: Duration,
}

impl RedisLoad {
    fn connect(options: &RedisLoadOptions) -> anyhow::Result<Self> {
        let poll = Poll::new()?;
        let timer = Timer::new(poll.registry(), TIMER)?;
        let mut rng = Rng::with_seed(options.seed);
        let mut clients = Vec::new();
        for number in 0..options.connections {
            let mut client = Client::connect(options.primary, number)?;
            let both = Interest::READABLE | Interest::WRITABLE;
            poll.registry().register(client.stream(), Token(number), both)?;
            clients.push(client);
        }
        let schedule = match options.rate {
            Some(rate) => Schedule::open(rate, options.connections, &mut rng),
            None => Schedule::closed(options.pipeline, options.connections),
        };
        let (command, buffer, cpu) = (options.command, vec![0; BUFFER], Duration::ZERO);
        Ok(Self { poll, timer, clients, schedule, command, rng, buffer, measured: 0, acknowledged: 0, cpu })
    }

    /// Sends until the end of the measured time, and waits for what is under way then.
    fn run(&mut self, start: Instant, measured: &Range<Instant>) -> io::Result<()> {
        let cpu = || processor_time(std::process::id()).unwrap_or_default();
        let cpu_before = cpu();
        let measured = nanos(measured.start - start)..nanos(measured.end - start);
        let mut events = Events::with_capacity(1024);
        loop {
            let now = nanos(start.elapsed());
            if now < measured.end {
                while let Some((client, due)) = self.schedule.take_due(now) {
                    self.send(client, due);
                    self.clients[client].flush()?;
                    self.schedule.written(due, nanos(start.elapsed()));
                }
            } else {
                if self.cpu.is_zero() {
                    self.cpu = cpu().saturating_sub(cpu_before);
                }
                let has_ended = self.clients.iter().all(|client| client.under_way() == 0);
                if has_ended || now >= measured.end + nanos(DRAIN) {
                    return Ok(());
                }
            }
            let end = if now < measured.end { measured.end } else { measured.end + nanos(DRAIN) };
            let next = self.schedule.next_due().filter(|_| now < measured.end).unwrap_or(end).min(end);
            self.timer.set(Duration::from_nanos(next).saturating_sub(start.elapsed()))?;
            wait(&mut self.poll, &mut events, None)?;
            for event in events.iter().filter(|event| event.token() != TIMER) {
                self.handle(event.token().0, start, &measured)?;
            }
        }
    }

    fn send(&mut self, client: usize, due: u64) {
        let stamp = SystemTime::UNIX_EPOCH.elapsed().map_or(0, nanos);
        let (command, rng) = (self.command, &mut self.rng);
        self.clients[client].send(due, |out, id| command.write(out, id, stamp, rng));
    }

    fn handle(&mut self, client: usize, start: Instant, measured: &Range<u64>) -> io::Result<()> {
        self.clients[client].flush()?;
        loop {
            let (answered, is_more) = self.clients[client].read(&mut self.buffer)?;
            let now = nanos(start.elapsed());
            for due in answered {
                self.acknowledged += 1;
                self.measured += u64::from(measured.contains(&due));
                if self.schedule.follows_replies() && now < measured.end {
                    self.send(client, now);
                }
            }
            self.clients[client].flush()?;
            if !is_more {
                return Ok(());
            }
        }
    }
}
