//! The second way to see how long updates take: a tap that joins every server's links as an
//! observer and reads the AT lines that servers push (PROTOCOL.md, "Observers").
//!
//! A latency counts from the probe's write, by the same clock as when others are asked, to when
//! the AT line was read: it has the server's push in it and no question. The tap has a thread of
//! its own: it hears of every client of the herd from every server, and in the probe's loop each
//! of the two ways would wait for the other.

mod lines;
mod link;
mod observer;
mod opening;
mod sights;

use std::io;
use std::net::SocketAddr;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

pub use self::link::LinkCounts;
use self::observer::Observer;
pub use self::opening::{NoLink, TapError};
pub use self::sights::Tapped;
use self::sights::{Sights, Told};
use super::waiting::Write;
use super::{ID_PREFIX, ids};
use crate::clock::RunClock;
use crate::plan::Plan;

/// A server that has said nothing for so long is taken for dead.
const SILENCE: Duration = Duration::from_secs(5);

/// Whom the tap says it is, and where it dials.
#[derive(Debug, Clone)]
pub struct TapPlan {
    /// The name of an observer by the herd file.
    pub name: String,
    /// Where servers listen for links, in the order of the plan's servers.
    pub peers: Vec<SocketAddr>,
    /// Whether it alone watches the probe's writes: nobody is asked, and so no question keeps a
    /// server from pushing.
    pub alone: bool,
}

/// The tap, as the probe knows it: told of what is written, it tells at the end what it has seen.
#[derive(Debug)]
pub(crate) struct Tap {
    told: Sender<Told>,
    thread: JoinHandle<io::Result<Tapped>>,
}

impl Tap {
    /// Joins all servers' links, which are read from then on.
    ///
    /// # Errors
    /// [`TapError`], if one of them does not come about.
    pub(crate) fn join(plan: &Plan, tap: &TapPlan) -> Result<Self, TapError> {
        // At most what the probe writes in a tick of the tap.
        let (told, hears) = channel();
        let sights = Sights::new(tap.name.clone(), ids(plan), ID_PREFIX, hears);
        let names = plan.servers.iter().map(|server| server.name.clone());
        let observer = Observer::join(names.zip(tap.peers.iter().copied()), sights)?;
        Ok(Self { told, thread: std::thread::spawn(move || observer.run()) })
    }

    /// The run has a clock.
    pub(super) fn start(&self, clock: RunClock) {
        self.tell(Told::Clock(clock));
    }

    /// An update is about to be written.
    pub(super) fn wrote(&self, origin: usize, write: Write) {
        self.tell(Told::Wrote { origin, write });
    }

    /// An update that was to be measured could not be written.
    pub(super) fn not_written(&self) {
        self.tell(Told::NotWritten);
    }

    /// The probe's connection to an origin is gone.
    pub(super) fn broke(&self, origin: usize) {
        self.tell(Told::Broke { origin });
    }

    fn tell(&self, what: Told) {
        // A thread that is gone says why when it is asked for what it has seen.
        let _ = self.told.send(what);
    }

    /// Waits until all that was written is seen or lost.
    ///
    /// # Errors
    /// If the event loop failed.
    ///
    /// # Panics
    /// If the tap's thread did.
    pub(super) fn finish(self) -> io::Result<Tapped> {
        drop(self.told);
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}
