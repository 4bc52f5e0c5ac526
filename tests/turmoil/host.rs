//! A server on its simulated host.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use herd::clock::Clock;
use herd::config::{Herd, Limits};
use herd::io_log::IoLog;
use herd::metrics::Metrics;
use herd::node::{Node, neighbour_names};
use herd::places::Places;
use herd::protocol::time::UnixTime;
use herd::protocol::update::Update;
use herd::server::Server;
use herd::session::Service;
use metrics::NoopRecorder;
use tokio_util::sync::CancellationToken;
use turmoil::net::TcpListener;

use crate::history::Incarnation;
use crate::network::{PEERS, Simulated};
use crate::places::FicklePlaces;
use crate::trace::Trace;

/// Where every server listens for clients.
pub(crate) const CLIENTS: u16 = 10_000;
/// When simulations begin, by clocks that are right.
const EPOCH: Duration = Duration::from_secs(1_621_464_827);
/// How far clocks are off at most, either way.
const SKEW: Duration = Duration::from_millis(40);

/// The herd of a simulation: who is up, and what of them can be looked at from outside.
pub(crate) struct Hosts {
    pub(crate) herd: Herd,
    pub(crate) trace: Trace,
    seed: u64,
    slots: Vec<Slot>,
}

/// A place for a server, and the incarnation that is there.
#[derive(Default)]
struct Slot {
    incarnation: Cell<u32>,
    up: RefCell<Option<Up>>,
}

struct Up {
    node: Arc<Node>,
    stop: CancellationToken,
}

impl Hosts {
    /// The built-in herd, each server on a host of its name, none of them up.
    pub(crate) fn new(seed: u64) -> Self {
        let built_in = Herd::built_in();
        let name = |server: usize| &built_in.servers()[server].name;
        let links: Vec<_> =
            built_in.links().iter().map(|&[a, b]| format!("[\"{}\", \"{}\"]", name(a), name(b))).collect();
        let servers = built_in.servers().iter().map(|server| {
            let name = &server.name;
            format!("[servers.{name}]\nclients = \"{name}:{CLIENTS}\"\npeers = \"{name}:{PEERS}\"\nmetrics = \"{name}:12000\"\n")
        });
        let text = format!("links = [{}]\n{}", links.join(", "), servers.collect::<String>());
        let slots = built_in.servers().iter().map(|_| Slot::default()).collect();
        Self { herd: Herd::parse(&text).unwrap(), trace: Trace::default(), seed, slots }
    }

    pub(crate) fn name(&self, server: usize) -> &str {
        self.herd.servers()[server].name.as_str()
    }

    /// The incarnation that is at a place, or was last.
    pub(crate) fn incarnation(&self, server: usize) -> Incarnation {
        Incarnation { server, number: self.slots[server].incarnation.get() }
    }

    pub(crate) fn label(&self, incarnation: Incarnation) -> String {
        format!("{}#{}", self.name(incarnation.server), incarnation.number)
    }

    /// The servers that are up.
    pub(crate) fn up(&self) -> impl Iterator<Item = usize> {
        (0..self.slots.len()).filter(|&server| self.slots[server].up.borrow().is_some())
    }

    pub(crate) fn all_are_up(&self) -> bool {
        self.up().count() == self.slots.len()
    }

    /// Whether all servers that are up know the same.
    pub(crate) fn agree(&self) -> bool {
        let digests: Vec<_> = self.up().map(|server| self.node(server).flood().store().digest()).collect();
        digests.windows(2).all(|pair| pair[0] == pair[1])
    }

    /// What a server that is up knows of a client.
    pub(crate) fn known(&self, server: usize, id: &str) -> Option<Update> {
        self.node(server).flood().store().get(id.as_bytes()).cloned()
    }

    fn node(&self, server: usize) -> Arc<Node> {
        Arc::clone(&self.slots[server].up.borrow().as_ref().expect("the server is up").node)
    }

    /// Tells a server to stop in order.
    pub(crate) fn stop(&self, server: usize) {
        self.slots[server].up.borrow().as_ref().expect("the server is up").stop.cancel();
    }

    /// A server is gone, and with it all that it knew.
    pub(crate) fn gone(&self, server: usize) {
        self.slots[server].up.take();
    }

    /// What runs on a server's host, from its start to the end of its stopping.
    pub(crate) async fn serve(self: Rc<Self>, server: usize) -> turmoil::Result {
        let slot = &self.slots[server];
        slot.incarnation.update(|number| number + 1);
        let incarnation = self.incarnation(server);
        let chance = self.seed.wrapping_mul(1000) + u64::from(incarnation.number) * 10 + server as u64;
        let limits = Limits::default();
        let metrics = Metrics::register(&NoopRecorder, &self.herd, &neighbour_names(&self.herd, server));
        let places = FicklePlaces::new(chance);
        let places = Places::new(places, limits.places_deadline, limits.places_in_flight, metrics.places.clone());
        let log = IoLog::to(self.trace.of_server(self.label(incarnation)));
        let node = Arc::new(Node::new(&self.herd, server, &limits, clock(chance), metrics, log));
        let service = Arc::new(Service::new(Arc::clone(&node), places, limits, false));
        let clients = TcpListener::bind(("0.0.0.0", CLIENTS)).await?;
        let peers = TcpListener::bind(("0.0.0.0", PEERS)).await?;
        let stop = CancellationToken::new();
        slot.up.replace(Some(Up { node, stop: stop.clone() }));
        Server::<Simulated>::start_without_http(clients, peers, service).await.run(stop).await;
        self.gone(server);
        Ok(())
    }
}

/// A clock that is off by up to [`SKEW`].
fn clock(seed: u64) -> Clock {
    let wrong = EPOCH - SKEW + 2 * SKEW.mul_f64(fastrand::Rng::with_seed(seed).f64());
    Clock::from_fn(move || UnixTime::new(wrong + turmoil::sim_elapsed().expect("servers run on simulated hosts")))
}

/// What a client says that the time is.
pub(crate) fn now() -> Duration {
    EPOCH + turmoil::sim_elapsed().expect("clients run on simulated hosts")
}
