//! A server: it listens, gives every connection a task, and stops in order.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusRecorder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, JoinHandle, JoinSet};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::admin::{Admin, Phase};
use crate::config::{Address, ServerEntry};
use crate::io_log::Batch;
use crate::link;
use crate::metrics::{Closed, Label};
use crate::net::{self, Acceptor, Network, System, TcpListener};
use crate::node::{Neighbour, Node, Role};
use crate::session::{self, Admission, Service};
use crate::tls::Identity;

/// Connections to the peer port, beyond two per neighbour, that may be saying HELLO.
const STRANGERS: usize = 64;
/// How long a server that starts waits for links with the neighbours that are there: they dial
/// or answer within [`link::REDIAL`], unless the machine is busy, or they are stuck.
const FIRST_LINKS: Duration = Duration::from_secs(3);
/// How long it then waits at most for them to say all that they know.
const CATCH_UP: Duration = Duration::from_secs(10);
/// How long sessions may take to answer what was read once the server stops.
const SESSIONS_END: Duration = Duration::from_millis(2550);
/// How long links may take then to send what waits.
const LINKS_END: Duration = Duration::from_millis(350);

/// The three sockets that a server listens on.
#[derive(Debug)]
pub struct Listeners {
    /// For clients.
    pub clients: TcpListener,
    /// For neighbours.
    pub peers: TcpListener,
    /// For HTTP.
    pub metrics: TcpListener,
}

/// Why a server cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Nothing can be bound there.
    #[error("cannot listen for {what} at {address}: {}", explain(cause))]
    Bind {
        /// For whom.
        what: &'static str,
        /// Where.
        address: Address,
        /// Why.
        cause: io::Error,
    },
    /// The peer port could be reached from other machines.
    #[error(
        "peers = \"{0}\" can be reached from other machines, and a link without TLS believes any name: \
         give --tls-cert, --tls-key and --tls-ca (`server certs --out DIR` makes a set to try), \
         or listen on loopback, such as 127.0.0.1:{port}, and join machines by tunnels that end there (ssh -L, WireGuard with a local relay)",
        port = .0.port()
    )]
    OpenPeerPort(Address),
}

fn explain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "the address is in use; is this server running already? Stop it, or choose another port".into()
        }
        io::ErrorKind::AddrNotAvailable => "this machine does not have the address".into(),
        _ => error.to_string(),
    }
}

impl Listeners {
    /// Listens at a server's three addresses. Neighbours on other machines need TLS.
    ///
    /// # Errors
    /// [`ListenError`], with the address.
    pub async fn bind(entry: &ServerEntry, tls: Option<&Identity>) -> Result<Self, ListenError> {
        if tls.is_none() && !entry.peers.is_loopback() {
            return Err(ListenError::OpenPeerPort(entry.peers.clone()));
        }
        let listen = async |what, address: &Address| {
            let bound = net::listen(address).await;
            bound.map_err(|cause| ListenError::Bind { what, address: address.clone(), cause })
        };
        Ok(Self {
            clients: listen("clients", &entry.clients).await?,
            peers: listen("peers", &entry.peers).await?,
            metrics: listen("metrics", &entry.metrics).await?,
        })
    }

    /// Where the sockets are, in the order clients, peers, metrics.
    ///
    /// # Errors
    /// If the system does not know, which it does.
    pub fn addresses(&self) -> io::Result<[SocketAddr; 3]> {
        Ok([self.clients.local_addr()?, self.peers.local_addr()?, self.metrics.local_addr()?])
    }
}

/// A server that is up: it has links, serves HTTP, and knows what its neighbours know.
#[derive(Debug)]
pub struct Server<N: Network = System> {
    service: Arc<Service>,
    clients: N::Listener,
    /// What HTTP shows, and the task that serves it; absent in simulations.
    http: Option<(Arc<Admin>, JoinHandle<()>)>,
    links: JoinHandle<()>,
    stop_links: CancellationToken,
}

impl Server {
    /// Starts links and HTTP, and waits until the server has caught up with the neighbours that
    /// are there: one that has just started has forgotten everything, and would answer from that.
    /// Clients that connect in the meantime wait.
    pub async fn start(listeners: Listeners, service: Arc<Service>, recorder: PrometheusRecorder) -> Self {
        let Listeners { clients, peers, metrics } = listeners;
        let admin = Arc::new(Admin::new(Arc::clone(&service), recorder));
        let http = tokio::spawn(Arc::clone(&admin).serve(metrics));
        Self { http: Some((admin, http)), ..Self::start_without_http(clients, peers, service).await }
    }
}

impl<N: Network> Server<N> {
    /// Like [`Server::start`], over any network, and with nothing for people and Prometheus:
    /// HTTP needs the system's sockets, and threads.
    pub async fn start_without_http(clients: N::Listener, peers: N::Listener, service: Arc<Service>) -> Self {
        let stop_links = CancellationToken::new();
        let links = tokio::spawn(keep_links::<N>(peers, Arc::clone(&service.node), stop_links.clone()));
        catch_up::<N>(&service.node).await;
        Self { service, clients, http: None, links, stop_links }
    }

    /// Serves clients until `stop` is cancelled, and then stops in order: no new connections,
    /// what was read is answered, what waits for neighbours is sent.
    pub async fn run(self, stop: CancellationToken) {
        let enter = |phase| self.http.iter().for_each(|(admin, _)| admin.enter(phase));
        enter(Phase::Serving);
        let mut sessions = Sessions { service: self.service, tasks: JoinSet::new(), accepted: 0 };
        sessions.accept_until::<N>(self.clients, &stop).await;
        tracing::info!(server = %sessions.service.node.name, "stopping");
        enter(Phase::Stopping);
        sessions.end().await;
        self.stop_links.cancel();
        if timeout(LINKS_END, self.links).await.is_err() {
            tracing::warn!("links did not end in time; what waited for the neighbours is theirs to ask for");
        }
        if let Some((_, http)) = self.http {
            http.abort();
        }
    }
}

/// Waits until the neighbours that are there have said all that they know.
async fn catch_up<N: Network>(node: &Arc<Node>) {
    let mut neighbours = JoinSet::new();
    for id in 0..node.neighbours.len() {
        let node = Arc::clone(node);
        neighbours.spawn(async move { catch_up_with::<N>(&node.neighbours[id]).await });
    }
    if timeout(CATCH_UP, neighbours.join_all()).await.is_err() {
        tracing::warn!(server = %node.name, "still catching up; clients are served from what is known so far");
    }
}

/// Waits until a neighbour has said all that it knows, unless it is not there. A link that
/// breaks meanwhile may form again.
async fn catch_up_with<N: Network>(neighbour: &Neighbour) {
    while let Ok(true) = timeout(FIRST_LINKS, is_linked::<N>(neighbour)).await {
        neighbour.wait_for_link(|link| link.up_since.is_none() || link.caught_up).await;
        if neighbour.link().caught_up {
            return;
        }
    }
}

/// Waits for the link with a neighbour; `false` if that is not there.
async fn is_linked<N: Network>(neighbour: &Neighbour) -> bool {
    match &neighbour.role {
        Role::WeDial(_) => neighbour.wait_for_link(|link| link.up_since.is_some() || link.unreachable).await,
        Role::TheyDial(address) if link::is_listening::<N>(address).await => {
            neighbour.wait_for_link(|link| link.up_since.is_some()).await;
        }
        Role::TheyDial(_) | Role::Observer => {}
    }
    neighbour.link().up_since.is_some()
}

/// The client connections.
struct Sessions {
    service: Arc<Service>,
    tasks: JoinSet<Closed>,
    accepted: u64,
}

impl Sessions {
    async fn accept_until<N: Network>(&mut self, listener: N::Listener, stop: &CancellationToken) {
        let mut acceptor = Acceptor::<N>::new(listener, "a client");
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                Some(ended) = self.tasks.join_next() => self.note_end(ended),
                (stream, address) = acceptor.accept() => self.start::<N>(stream, address, stop),
            }
        }
    }

    /// Gives a connection a task, or closes it at once if as many as may be are open.
    fn start<N: Network>(&mut self, stream: N::Stream, address: SocketAddr, stop: &CancellationToken) {
        let metrics = &self.service.node.metrics.clients;
        let admission = match self.service.admit(address.ip()) {
            Ok(admission) => admission,
            Err(reason) => return metrics.rejected.of(reason).increment(1),
        };
        if N::prepare_client(&stream).is_err() {
            return;
        }
        self.accepted += 1;
        metrics.accepted.increment(1);
        metrics.connections.increment(1.0);
        note(&self.service.node, self.accepted, format_args!("connected from {address}"));
        let session = serve(stream, Arc::clone(&self.service), self.accepted, stop.clone(), admission);
        self.tasks.spawn(session);
    }

    fn note_end(&self, ended: Result<Closed, JoinError>) {
        let closed = ended.unwrap_or_else(|error| {
            if error.is_panic() {
                tracing::error!(%error, "a session panicked: please report this as a defect");
            }
            if error.is_panic() { Closed::Panic } else { Closed::Shutdown }
        });
        let metrics = &self.service.node.metrics.clients;
        metrics.closed.of(closed).increment(1);
        metrics.connections.decrement(1.0);
    }

    /// Waits for the sessions, which know that the server stops, and ends those that stay.
    async fn end(mut self) {
        let all = async {
            while let Some(ended) = self.tasks.join_next().await {
                self.note_end(ended);
            }
        };
        if timeout(SESSIONS_END, all).await.is_err() {
            self.tasks.shutdown().await;
        }
    }
}

/// One session. No async function: a block keeps what it captures in one place, where an async
/// function has room for it twice, and there is one for each connection.
#[allow(clippy::manual_async_fn)]
fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    service: Arc<Service>,
    number: u64,
    stop: CancellationToken,
    admission: Admission,
) -> impl Future<Output = Closed> {
    async move {
        let closed = session::run(&mut stream, &service, number, &stop).await;
        note(&service.node, number, format_args!("closed: {}", closed.text()));
        drop(admission);
        closed
    }
}

fn note(node: &Node, connection: u64, what: std::fmt::Arguments<'_>) {
    let mut batch = Batch::default();
    batch.begin(&node.log, node.clock.now());
    batch.notice(&format!("c{connection}"), what);
    node.log.append(&mut batch);
}

/// Dials the neighbours that are ours to dial and lets in the others, until told to stop;
/// then waits until every link has ended.
async fn keep_links<N: Network>(listener: N::Listener, node: Arc<Node>, stop: CancellationToken) {
    let mut links = JoinSet::new();
    for (id, neighbour) in node.neighbours.iter().enumerate() {
        if let Role::WeDial(address) = &neighbour.role {
            links.spawn(link::keep_dialling::<N>(Arc::clone(&node), id, address.clone(), stop.clone()));
        }
    }
    let connections = Arc::new(Semaphore::new(STRANGERS + 2 * node.neighbours.len()));
    let mut acceptor = Acceptor::<N>::new(listener, "a neighbour");
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(ended) = links.join_next() => report(ended),
            (stream, address) = acceptor.accept() => {
                if let Ok(permit) = Arc::clone(&connections).try_acquire_owned() {
                    links.spawn(let_in::<N>(Arc::clone(&node), stream, address, stop.clone(), permit));
                }
            }
        }
    }
    while let Some(ended) = links.join_next().await {
        report(ended);
    }
}

async fn let_in<N: Network>(
    node: Arc<Node>,
    stream: N::Stream,
    address: SocketAddr,
    stop: CancellationToken,
    _permit: OwnedSemaphorePermit,
) {
    if N::prepare_neighbour(&stream).is_err() {
        return;
    }
    if let Err(reason) = link::accept(&node, stream, &address.to_string(), &stop).await {
        tracing::debug!(server = %node.name, %address, "no link: {reason}");
    }
}

fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a link's task panicked: please report this as a defect");
    }
}
