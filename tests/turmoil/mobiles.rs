//! Mobile clients: they report where they are, ask about each other, and move on when a server
//! is gone.

use std::rc::Rc;
use std::time::Duration;

use fastrand::Rng;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::conversation::{Command, Conversation};
use crate::history::History;
use crate::host::{Hosts, now};

/// Clients at a time.
const MOBILES: usize = 10;
/// Names that several clients report under, from several servers.
const SHARED: usize = 3;
/// A client that reports once and stays where it is.
pub(crate) const PARKED: &str = "parked";

/// What clients do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// Commands that are sent at once, at most.
    pub(crate) burst: usize,
    /// The pause between bursts is up to twice this.
    pub(crate) pause: Duration,
    /// How many commands, of 100, ask Places.
    pub(crate) places: u32,
}

impl Default for Load {
    fn default() -> Self {
        Self { burst: 4, pause: Duration::from_millis(100), places: 5 }
    }
}

struct Mobile {
    number: usize,
    random: Rng,
    load: Load,
    /// How far its clock is off.
    skew: Duration,
    /// It has yet to report who is parked.
    parks: bool,
}

/// Runs all clients until told to stop.
pub(crate) async fn roam(hosts: Rc<Hosts>, history: Rc<History>, load: Load, seed: u64, stop: CancellationToken) {
    let mut mobiles = JoinSet::new();
    for number in 0..MOBILES {
        let mut random = Rng::with_seed(seed.wrapping_mul(1_000_003) + number as u64);
        let skew = Duration::from_millis(random.u64(..100));
        let mobile = Mobile { number, random, load, skew, parks: number == 0 };
        mobiles.spawn_local(mobile.run(Rc::clone(&hosts), Rc::clone(&history), stop.clone()));
    }
    while let Some(ended) = mobiles.join_next().await {
        ended.expect("clients complain and do not panic");
    }
}

/// Asks a server that starts about [`PARKED`] as soon as it answers anybody.
pub(crate) async fn visit(hosts: Rc<Hosts>, history: Rc<History>, server: usize) {
    let question = Command::Ask { id: PARKED.into(), radius: None };
    loop {
        if let Some(conversation) = Conversation::open(&hosts, Rc::clone(&history), server).await {
            // Should it be gone already, its next start will be looked at.
            let _ = conversation.close(vec![question]).await;
            return;
        }
        sleep(Duration::from_millis(5)).await;
    }
}

impl Mobile {
    async fn run(mut self, hosts: Rc<Hosts>, history: Rc<History>, stop: CancellationToken) {
        let servers = hosts.herd.servers().len();
        let mut server = self.number % servers;
        while !stop.is_cancelled() {
            if let Some(conversation) = Conversation::open(&hosts, Rc::clone(&history), server).await {
                self.talk(conversation, &stop).await;
            }
            self.rest().await;
            server = self.random.usize(..servers);
        }
    }

    /// Talks to a server until either has had enough.
    async fn talk(&mut self, mut conversation: Conversation, stop: &CancellationToken) {
        let mut left = self.random.u32(1..50);
        while left > 0 && !stop.is_cancelled() {
            let commands = self.commands();
            let later = (self.random.usize(..=commands.len()), Duration::from_millis(self.random.u64(..60)));
            if conversation.exchange(commands, later).await.is_err() {
                return;
            }
            self.rest().await;
            left -= 1;
        }
        let last = if self.random.bool() { self.commands() } else { Vec::new() };
        // Whether the server is still there or not: this was the end.
        let _ = conversation.close(last).await;
    }

    fn commands(&mut self) -> Vec<Command> {
        let count = self.random.usize(1..=self.load.burst);
        (0..count).map(|_| self.command()).collect()
    }

    async fn rest(&mut self) {
        sleep(self.load.pause.mul_f64(2.0 * self.random.f64())).await;
    }

    fn command(&mut self) -> Command {
        let places = self.load.places;
        if std::mem::take(&mut self.parks) {
            return self.report(PARKED.into());
        }
        match self.random.u32(..100) {
            chance if chance < places => Command::Ask { id: self.anybody(), radius: Some(self.random.u32(1..=50)) },
            chance if chance < places + 25 => Command::Ask { id: self.anybody(), radius: None },
            chance if chance < places + 30 => Command::Nonsense(format!("m{} {}", self.number, self.random.u64(..))),
            chance if chance < places + 45 => self.report_shared(),
            _ => self.report(format!("m{}", self.number)),
        }
    }

    fn report_shared(&mut self) -> Command {
        let id = format!("tram{}", self.random.usize(..SHARED));
        self.report(id)
    }

    /// Where a client is; one report in ten is late.
    fn report(&mut self, id: String) -> Command {
        let late =
            if self.random.u32(..10) == 0 { Duration::from_millis(self.random.u64(..3000)) } else { Duration::ZERO };
        let stamp = now() + self.skew - late + Duration::from_nanos(self.random.u64(..1_000_000));
        let (latitude, longitude) = (self.random.u32(..90), self.random.u32(..180));
        let stamp = format!("{}.{:09}", stamp.as_secs(), stamp.subsec_nanos());
        Command::Report { operands: format!("{id} +{latitude}.5-{longitude}.25 {stamp}"), id }
    }

    fn anybody(&mut self) -> String {
        let number = self.random.usize(..=MOBILES + SHARED);
        match number.checked_sub(MOBILES) {
            None => format!("m{number}"),
            Some(SHARED) => PARKED.into(),
            Some(shared) => format!("tram{shared}"),
        }
    }
}
