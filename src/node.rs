//! What the tasks of one server share.

use std::sync::{Mutex, MutexGuard};

use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::{Address, Herd, Limits};
use crate::flood::{Flood, NeighbourId, Wake};
use crate::io_log::{Batch, IoLog};
use crate::metrics::Metrics;
use crate::protocol::peer::MIN_LINE;
use crate::protocol::text::Name;
use crate::protocol::time::UnixTime;
use crate::protocol::update::AT_OVERHEAD;
use crate::tls::Identity;

/// One server: what it knows, whom it talks to, and where it writes that down.
#[derive(Debug)]
pub struct Node {
    /// The server's name.
    pub name: Name,
    /// When this incarnation started; a server that starts again has forgotten everything.
    pub started: UnixTime,
    /// Neighbours and observers; a [`NeighbourId`] is a place in this list.
    pub neighbours: Vec<Neighbour>,
    /// The wall clock.
    pub clock: Clock,
    /// Handles of all metrics.
    pub metrics: Metrics,
    /// The log of traffic.
    pub log: IoLog,
    /// The longest line that a neighbour may send, in bytes without its LF.
    pub peer_line: usize,
    /// What proves names on links; without it links are plain text and names are believed.
    pub tls: Option<Identity>,
    flood: Mutex<Flood>,
}

/// A server or an observer that this server has, or may have, a link with.
#[derive(Debug)]
pub struct Neighbour {
    /// Its name.
    pub name: Name,
    /// Who begins.
    pub role: Role,
    /// Wakes the link's task: something waits to be sent. Sessions and other links notify.
    pub work: Notify,
    link: watch::Sender<LinkState>,
    /// Cancelled when a newer connection takes the link over.
    newest: Mutex<CancellationToken>,
    /// Held by the connection that is the link.
    running: tokio::sync::Mutex<()>,
}

/// How a link comes about. The server whose name sorts first dials, so no two ever cross.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// We dial, at this address.
    WeDial(Address),
    /// It dials us; where it listens itself.
    TheyDial(Address),
    /// It may dial us to listen in; what it sends is ignored.
    Observer,
}

/// The state of a link, as `/status` shows it.
#[derive(Debug, Clone, Default)]
pub struct LinkState {
    /// Since when the link is up; `None` while it is down.
    pub up_since: Option<UnixTime>,
    /// Whether the neighbour has sent all that it knew when the link formed.
    pub caught_up: bool,
    /// How often the link has formed.
    pub formed: u64,
    /// We dialled, and there was nobody who would link with us.
    pub unreachable: bool,
}

impl Node {
    /// A server of a herd that knows nothing yet. `log` and `metrics` are this server's own.
    #[must_use]
    pub fn new(herd: &Herd, server: usize, limits: &Limits, clock: Clock, metrics: Metrics, log: IoLog) -> Self {
        let neighbours: Vec<_> = neighbours(herd, server).collect();
        Self {
            name: herd.servers()[server].name.clone(),
            started: clock.now(),
            flood: Mutex::new(Flood::new(limits.store, neighbours.len())),
            neighbours,
            clock,
            metrics,
            log,
            peer_line: limits.line.max(MIN_LINE) + AT_OVERHEAD,
            tls: None,
        }
    }

    /// The same server, whose links run over TLS if there is an identity for it.
    #[must_use]
    pub fn with_tls(self, tls: Option<Identity>) -> Self {
        Self { tls, ..self }
    }

    /// All that the server knows and has yet to say. Keep it for a few lines only.
    ///
    /// # Panics
    /// If a task panicked while it held this; then what is known can no longer be trusted.
    pub fn flood(&self) -> MutexGuard<'_, Flood> {
        self.flood.lock().expect("the state was left half changed by a panic")
    }

    /// Wakes the links whose queues are no longer empty.
    pub fn wake(&self, wake: Wake) {
        for neighbour in wake.iter() {
            self.neighbours[neighbour].work.notify_one();
        }
    }

    /// The number of the neighbour or observer of this name.
    #[must_use]
    pub fn neighbour(&self, name: &Name) -> Option<NeighbourId> {
        self.neighbours.iter().position(|neighbour| neighbour.name == *name)
    }

    /// Writes a notice about a neighbour to the log and to stderr.
    pub fn notice(&self, neighbour: &Name, what: &str) {
        tracing::info!(server = %self.name, peer = %neighbour, "{what}");
        self.note(neighbour.as_str(), what);
    }

    /// Writes a notice to the log only, where strangers could fill stderr with it.
    pub fn note(&self, who: &str, what: &str) {
        let mut batch = Batch::default();
        batch.begin(&self.log, self.clock.now());
        batch.notice(who, what);
        self.log.append(&mut batch);
    }
}

impl Neighbour {
    fn new(name: Name, role: Role) -> Self {
        Self {
            name,
            role,
            work: Notify::new(),
            link: watch::Sender::default(),
            newest: Mutex::default(),
            running: tokio::sync::Mutex::default(),
        }
    }

    /// The state of the link.
    #[must_use]
    pub fn link(&self) -> LinkState {
        self.link.borrow().clone()
    }

    /// Waits until the state of the link is as wanted.
    pub(crate) async fn wait_for_link(&self, is_wanted: impl FnMut(&LinkState) -> bool) {
        // The only error is that the sender is gone, and that is ourselves.
        let _ = self.link.subscribe().wait_for(is_wanted).await;
    }

    /// Makes the caller the newest connection of this neighbour and asks the one before it to
    /// end. The token is cancelled when there is one that is newer still.
    pub(crate) fn take_over(&self) -> CancellationToken {
        let token = CancellationToken::new();
        let mut newest = self.newest.lock().expect("nothing panics while it holds this token");
        std::mem::replace(&mut *newest, token.clone()).cancel();
        token
    }

    /// Waits until the connection before has ended, and keeps later ones waiting.
    pub(crate) async fn wait_for_turn(&self) -> impl Drop + '_ {
        self.running.lock().await
    }

    /// Changes the state of the link.
    pub(crate) fn change_link(&self, change: impl FnOnce(&mut LinkState)) {
        self.link.send_modify(change);
    }
}

/// Names of a server's neighbours, ordered, and of the herd's observers behind them.
#[must_use]
pub fn neighbour_names(herd: &Herd, server: usize) -> Vec<Name> {
    neighbours(herd, server).map(|neighbour| neighbour.name).collect()
}

/// A server's neighbours, ordered by name, and the herd's observers behind them.
fn neighbours(herd: &Herd, server: usize) -> impl Iterator<Item = Neighbour> {
    let own = &herd.servers()[server];
    let servers = herd.neighbours(server).into_iter().map(|neighbour| {
        let neighbour = &herd.servers()[neighbour];
        let we_dial = own.name < neighbour.name;
        let address = neighbour.peers.clone();
        let role = if we_dial { Role::WeDial(address) } else { Role::TheyDial(address) };
        Neighbour::new(neighbour.name.clone(), role)
    });
    let observers = herd.observers().iter().map(|observer| Neighbour::new(observer.clone(), Role::Observer));
    servers.chain(observers)
}
