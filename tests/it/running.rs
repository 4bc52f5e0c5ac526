//! Herds whose servers run within the test, each with a recorder and a log of its own.

use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use herd::clock::Clock;
use herd::config::{Address, Herd, Limits};
use herd::io_log::{IoLog, LogOptions, LogWriter};
use herd::metrics::{Metrics, recorder};
use herd::node::{Node, neighbour_names};
use herd::places::{HttpPlaces, Places, PlacesKey};
use herd::server::{Listeners, Server};
use herd::session::Service;
use herd::tls::Identity;
use metrics_exporter_prometheus::PrometheusHandle;
use tempfile::TempDir;
use tokio::net::TcpSocket;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::client::Client;

/// The key that servers in tests have.
pub(crate) const KEY: &str = "test-key-that-nobody-may-see";
/// How long something may take that a test waits for before the test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// What a server of this name proves it with.
pub(crate) type Identities = dyn Fn(&str) -> Option<Identity>;

/// How a herd is to run.
pub(crate) struct Setup {
    /// Links by name; every name in them is a server. Empty for one server, Clark.
    pub(crate) links: Vec<(&'static str, &'static str)>,
    pub(crate) observers: Vec<&'static str>,
    pub(crate) limits: Limits,
    pub(crate) clock: Clock,
    /// The address of a Places service, or nothing that answers.
    pub(crate) places: String,
    pub(crate) close_after_reply: bool,
    pub(crate) log_bodies: bool,
    /// What each server proves its name with, if with anything.
    pub(crate) tls: Box<Identities>,
}

/// The links of the assignment.
pub(crate) const FIVE: [(&str, &str); 6] = [
    ("Clark", "Jaquez"),
    ("Clark", "Bona"),
    ("Campbell", "Bailey"),
    ("Campbell", "Bona"),
    ("Campbell", "Jaquez"),
    ("Bona", "Bailey"),
];

impl Default for Setup {
    fn default() -> Self {
        Self {
            links: Vec::new(),
            observers: Vec::new(),
            limits: Limits::default(),
            clock: Clock::system(),
            places: "http://127.0.0.1:1".into(),
            close_after_reply: false,
            log_bodies: false,
            tls: Box::new(|_| None),
        }
    }
}

/// A herd, some or all of whose servers are up.
pub(crate) struct RunningHerd {
    setup: Setup,
    herd: Herd,
    pub(crate) logs: TempDir,
    servers: Vec<Option<RunningServer>>,
    /// Sockets of servers that have not been started: clients, peers, metrics.
    waiting: Vec<Option<[TcpSocket; 3]>>,
}

/// A server that is up.
pub(crate) struct RunningServer {
    pub(crate) node: Arc<Node>,
    pub(crate) service: Arc<Service>,
    rendered: PrometheusHandle,
    stop: CancellationToken,
    running: JoinHandle<()>,
    writer: LogWriter,
}

impl RunningHerd {
    /// Binds all servers' sockets and starts none. Who dials one of them is refused.
    pub(crate) async fn bind(setup: Setup) -> Self {
        let mut names: Vec<&str> = setup.links.iter().flat_map(|(a, b)| [*a, *b]).collect();
        names.sort_unstable();
        names.dedup();
        if names.is_empty() {
            names.push("Clark");
        }
        let mut text = format!("observers = {:?}\nlinks = [", setup.observers);
        for (a, b) in &setup.links {
            write!(text, "[\"{a}\", \"{b}\"],").unwrap();
        }
        text.push_str("]\n");
        let mut waiting = Vec::new();
        for name in &names {
            let sockets = [(); 3].map(|()| bound_socket());
            let [clients, peers, metrics] = sockets.each_ref().map(|socket| socket.local_addr().unwrap());
            writeln!(text, "[servers.{name}]\nclients = \"{clients}\"\npeers = \"{peers}\"\nmetrics = \"{metrics}\"")
                .unwrap();
            waiting.push(Some(sockets));
        }
        let herd = Herd::parse(&text).unwrap();
        let servers = names.iter().map(|_| None).collect();
        Self { setup, herd, logs: tempfile::tempdir().unwrap(), servers, waiting }
    }

    /// Binds and starts all servers and waits until all links are up.
    pub(crate) async fn start(setup: Setup) -> Self {
        let mut herd = Self::bind(setup).await;
        for server in 0..herd.servers.len() {
            herd.start_server(server).await;
        }
        for server in 0..herd.servers.len() {
            herd.wait_for_links(server).await;
        }
        herd
    }

    /// The herd of the assignment, with all links up.
    pub(crate) async fn five() -> Self {
        Self::start(Setup { links: FIVE.to_vec(), ..Setup::default() }).await
    }

    /// One server without neighbours, Clark.
    pub(crate) async fn alone(setup: Setup) -> Self {
        assert!(setup.links.is_empty());
        Self::start(setup).await
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.herd.servers().iter().map(|server| server.name.to_string()).collect()
    }

    pub(crate) fn number(&self, name: &str) -> usize {
        self.herd.find(name).unwrap()
    }

    pub(crate) fn herd(&self) -> &Herd {
        &self.herd
    }

    /// The sockets of a server that will not be started: the test is that server.
    pub(crate) fn take_listeners(&mut self, server: usize) -> Listeners {
        listen_at(self.waiting[server].take().expect("the server has not been started"))
    }

    /// Sets the bounds of servers that are started from now on.
    pub(crate) fn set_limits(&mut self, limits: Limits) {
        self.setup.limits = limits;
    }

    /// Starts a server that is not up, at the addresses it had.
    pub(crate) async fn start_server(&mut self, server: usize) {
        let entry = &self.herd.servers()[server];
        let listeners = match self.waiting[server].take() {
            Some(sockets) => listen_at(sockets),
            None => listen([&entry.clients, &entry.peers, &entry.metrics].map(ToString::to_string)).await,
        };
        let recorder = recorder(&entry.name);
        let rendered = recorder.handle();
        let metrics = Metrics::register(&recorder, &self.herd, &neighbour_names(&self.herd, server));
        let options = LogOptions {
            directory: self.logs.path().into(),
            rotate_at: 1 << 30,
            keep: 1 << 30,
            bodies: self.setup.log_bodies,
        };
        let dropped = metrics.server.log_dropped_lines.clone();
        let (log, writer) = IoLog::start(entry.name.as_str(), &options, dropped).unwrap();
        let limits = self.setup.limits.clone();
        let places = Places::new(
            HttpPlaces::new(&self.setup.places.parse().unwrap(), PlacesKey::new(KEY, "").unwrap(), 8).unwrap(),
            limits.places_deadline,
            limits.places_in_flight,
            metrics.places.clone(),
        );
        let node = Node::new(&self.herd, server, &limits, self.setup.clock.clone(), metrics, log);
        let node = Arc::new(node.with_tls((self.setup.tls)(entry.name.as_str())));
        let service = Arc::new(Service::new(Arc::clone(&node), places, limits, self.setup.close_after_reply));
        let stop = CancellationToken::new();
        let starting = Server::start(listeners, Arc::clone(&service), recorder);
        let stopped = stop.clone();
        let running = tokio::spawn(async move { starting.await.run(stopped).await });
        self.servers[server] = Some(RunningServer { node, service, rendered, stop, running, writer });
    }

    /// Stops a server in order.
    pub(crate) async fn stop_server(&mut self, server: usize) {
        let running = self.servers[server].take().expect("the server is up");
        running.stop.cancel();
        running.running.await.unwrap();
        running.writer.finish();
    }

    pub(crate) fn server(&self, server: usize) -> &RunningServer {
        self.servers[server].as_ref().expect("the server is up")
    }

    pub(crate) fn is_up(&self, server: usize) -> bool {
        self.servers[server].is_some()
    }

    pub(crate) fn clients_at(&self, server: usize) -> SocketAddr {
        self.herd.servers()[server].clients.to_string().parse().unwrap()
    }

    pub(crate) fn peers_at(&self, server: usize) -> SocketAddr {
        self.herd.servers()[server].peers.to_string().parse().unwrap()
    }

    pub(crate) fn metrics_at(&self, server: usize) -> SocketAddr {
        self.herd.servers()[server].metrics.to_string().parse().unwrap()
    }

    pub(crate) async fn client(&self, server: usize) -> Client {
        Client::connect(self.clients_at(server)).await
    }

    /// Waits until a server's links to all servers that are up are up, and both sides have
    /// said all they knew.
    pub(crate) async fn wait_for_links(&self, server: usize) {
        let name = &self.herd.servers()[server].name;
        for neighbour in self.herd.neighbours(server).into_iter().filter(|&neighbour| self.is_up(neighbour)) {
            let neighbour = &self.herd.servers()[neighbour].name;
            eventually(&format!("{name} is linked with {neighbour}"), || {
                let node = &self.server(server).node;
                let link = node.neighbours[node.neighbour(neighbour).unwrap()].link();
                link.up_since.is_some() && link.caught_up
            })
            .await;
        }
    }

    /// Waits until all servers that are up know the same.
    pub(crate) async fn wait_for_agreement(&self) {
        eventually("all servers that are up agree", || {
            let digests: Vec<_> = self.up().map(|server| server.node.flood().store().digest()).collect();
            digests.windows(2).all(|pair| pair[0] == pair[1])
        })
        .await;
    }

    pub(crate) fn up(&self) -> impl Iterator<Item = &RunningServer> {
        self.servers.iter().flatten()
    }

    /// Stops all servers and returns everything that they logged.
    pub(crate) async fn stop(mut self) -> Vec<String> {
        for server in 0..self.servers.len() {
            if self.is_up(server) {
                self.stop_server(server).await;
            }
        }
        self.names().iter().map(|name| self.log(name)).collect()
    }

    /// What a server's log holds now.
    pub(crate) fn log(&self, name: &str) -> String {
        std::fs::read_to_string(self.logs.path().join(format!("{name}.log"))).unwrap_or_default()
    }
}

impl RunningServer {
    /// The value of a series, written as in the text that Prometheus scrapes, without the
    /// `server` label.
    pub(crate) fn metric(&self, series: &str) -> f64 {
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let labels = labels.trim_end_matches('}');
        let comma = if labels.is_empty() { "" } else { "," };
        let line = format!("{name}{{server=\"{}\"{comma}{labels}}} ", self.node.name);
        let text = self.rendered.render();
        let value = text.lines().find_map(|printed| printed.strip_prefix(&line));
        value.unwrap_or_else(|| panic!("{line} is missing in\n{text}")).parse().unwrap()
    }
}

/// A socket that holds a port and does not listen.
fn bound_socket() -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    socket
}

fn listen_at(sockets: [TcpSocket; 3]) -> Listeners {
    let [clients, peers, metrics] = sockets.map(|socket| socket.listen(1024).unwrap());
    Listeners { clients, peers, metrics }
}

async fn listen(addresses: [String; 3]) -> Listeners {
    let [clients, peers, metrics] = addresses.map(|address| address.parse::<Address>().unwrap());
    Listeners {
        clients: herd::net::listen(&clients).await.unwrap(),
        peers: herd::net::listen(&peers).await.unwrap(),
        metrics: herd::net::listen(&metrics).await.unwrap(),
    }
}

/// Waits until something is so.
pub(crate) async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = tokio::time::Instant::now();
    while !is_so() {
        assert!(started.elapsed() < PATIENCE, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
