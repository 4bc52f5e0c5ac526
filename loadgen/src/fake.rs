//! A server of known behaviour: right, or wrong in one way and as often as it was told. It counts
//! what it did and times it by its own clock, so that what this program measures can be compared
//! with what was there. Tests and [`self_test`](crate::self_test) run against it.

mod answer;
mod delays;
mod peer;
mod serving;

use std::collections::HashMap;
use std::io;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use hdrhistogram::Histogram;

use self::serving::Serving;
use crate::measure::histogram;

/// In which way a server is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// In none.
    None,
    /// Differences have eight decimals.
    DropsADecimal,
    /// Differences are a minute more than they should be.
    ShiftsTheDifference,
    /// Replies to IAMATs repeat another place than was told.
    ChangesThePlace,
    /// Replies to IAMATs bear another server's name.
    WrongName,
    /// Replies to IAMATs come twice.
    SaysMore,
    /// The replies to a connection's first two commands change places.
    Reorders,
    /// Who asks about itself is answered with the first place that it ever told.
    AnswersStale,
    /// The end of the JSON is missing.
    CutsJson,
    /// There are more results than asked for.
    TooMany,
    /// Invalid commands are not copied faithfully.
    ChangesTheCopy,
    /// Of a client only the first update is kept; all later ones are acknowledged all the same.
    Forgets,
    /// Of a client only the first update is passed on to neighbours.
    KeepsToItself,
    /// From the third command of a connection on, nothing is answered there.
    FallsSilent,
    /// The third command of a connection is answered by closing it.
    HangsUp,
    /// Once nothing is read or answered for a while.
    Stalls {
        /// The command before whose reply that happens, by their order from 1 up.
        at: u64,
        /// How long.
        time: Duration,
    },
}

/// By client the AT line that a server answers with.
pub type Known = Arc<Mutex<HashMap<String, String>>>;

/// How a server behaves.
#[derive(Debug)]
pub struct Behaviour {
    /// Its name.
    pub name: String,
    /// What it does wrong.
    pub fault: Fault,
    /// How often it does that at most; of the faults that are about a client or a connection, with
    /// how many.
    pub times: u64,
    /// What delays of replies follow from; `None` where all are answered at once. See [`Fake::DELAYS`].
    pub delays: Option<u64>,
    /// What it knows.
    pub known: Known,
    /// What its neighbours know: it learns of every update at once.
    pub neighbours: Vec<Known>,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            name: "Clark".into(),
            fault: Fault::None,
            times: u64::MAX,
            delays: None,
            known: Known::default(),
            neighbours: Vec::new(),
        }
    }
}

/// What a server has done, by its own count and clock.
#[derive(Debug)]
pub struct Tally {
    /// How often its fault has come about: in replies, or in clients or connections if it is about
    /// these.
    pub faults: u64,
    /// Replies that it has written.
    pub replies: u64,
    /// Commands on connections that were silent or closed by then.
    pub swallowed: u64,
    /// From reading each command to just before its reply was written, in nanoseconds.
    pub delays: Histogram<u64>,
    /// How late it woke up, in nanoseconds; a stall of its own is none.
    pub lateness: Histogram<u64>,
    /// How long it stalled, from reading the command at which that happened.
    pub stalled: Option<Duration>,
}

impl Default for Tally {
    fn default() -> Self {
        Self { faults: 0, replies: 0, swallowed: 0, delays: histogram(), lateness: histogram(), stalled: None }
    }
}

/// A server that listens on a loopback port of its own, until it is dropped.
#[derive(Debug)]
pub struct Fake {
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    /// Commands that it has read.
    pub commands: Arc<AtomicU64>,
    /// What it knows.
    pub known: Known,
    /// Tells its thread to end when all have left; its end tells it to end at once.
    orders: Sender<()>,
    thread: JoinHandle<io::Result<Tally>>,
}

impl Fake {
    /// What delays are made of, for people.
    pub const DELAYS: &str = delays::DESCRIPTION;

    /// Starts a server, Clark, that is always wrong in the given way.
    ///
    /// # Errors
    /// If it cannot listen.
    pub fn start(fault: Fault) -> io::Result<Self> {
        Self::behaving(Behaviour { fault, ..Behaviour::default() })
    }

    /// Starts a server that behaves as told.
    ///
    /// # Errors
    /// If it cannot listen.
    pub fn behaving(behaviour: Behaviour) -> io::Result<Self> {
        let known = Arc::clone(&behaviour.known);
        let (orders, to_follow) = std::sync::mpsc::channel();
        let serving = Serving::new(behaviour, to_follow)?;
        let (port, commands) = (serving.port()?, serving.commands());
        let thread = std::thread::spawn(move || serving.run());
        Ok(Self { port, commands, known, orders, thread })
    }

    /// Ends it when all connections are closed, at the latest after five seconds, and says what it
    /// has done.
    ///
    /// # Errors
    /// If its event loop failed.
    pub fn finish(self) -> io::Result<Tally> {
        // A thread that is gone says why when it is joined.
        let _ = self.orders.send(());
        self.thread.join().map_err(|_| io::Error::other("the fake server panicked"))?
    }
}
