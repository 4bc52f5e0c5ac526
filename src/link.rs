//! A link to a neighbour: how it forms, and what runs over it (DESIGN 4, PROTOCOL.md).

mod hello;
mod secure;
mod traffic;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use self::hello::Greeting;
pub use self::secure::{OpenNeighbour, check_neighbours};
use self::traffic::Traffic;
use crate::config::Address;
use crate::flood::{Manner, NeighbourId};
use crate::net::Network;
use crate::node::{Node, Role};
use crate::protocol::peer::HelloError;
use crate::protocol::text::Name;
use crate::sync::Overasked;
use crate::tls::{Certificate, Secured, TlsRefusal};

/// How long connecting may take, and then how long TLS and the other side's HELLO together.
pub const HANDSHAKE: Duration = Duration::from_secs(1);
/// The longest pause before the next dial where nobody was there or the link has ended.
pub const REDIAL: Duration = Duration::from_millis(200);
/// The longest pause where somebody was there who does not want us, or is somebody else.
const LONGEST_BACK_OFF: Duration = Duration::from_secs(30);

/// Why a link did not form or has ended. Shown in the log and on stderr.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The connection failed or broke.
    #[error("{0}")]
    Io(io::Error),
    /// Connecting, or TLS and the other side's HELLO, took longer than [`HANDSHAKE`].
    #[error("no answer within {} s", HANDSHAKE.as_secs())]
    NoHello,
    /// The first line opened no link.
    #[error(transparent)]
    Hello(#[from] HelloError),
    /// Somebody else is at the neighbour's address.
    #[error("{expected} was expected there, but {found} answered")]
    WrongName {
        /// The neighbour.
        expected: Name,
        /// Who answered.
        found: Name,
    },
    /// One side does not want the other's TLS.
    #[error(transparent)]
    Tls(TlsRefusal),
    /// A certificate that is good, but somebody else's.
    #[error("the certificate shown is made out to {holders}, not to {expected}")]
    WrongCertificate {
        /// The neighbour that we dialled, or whom the other side says it is.
        expected: Name,
        /// The names in the certificate.
        holders: String,
    },
    /// TLS was tried where we have none.
    #[error("this server was started without --tls-cert, --tls-key and --tls-ca, and speaks no TLS")]
    OnlyTheySpeakTls,
    /// Somebody dialled who is neither a neighbour nor an observer.
    #[error("{name} is no neighbour and no observer of {us} by its herd file")]
    Stranger {
        /// Who they say they are.
        name: Name,
        /// This server.
        us: Name,
    },
    /// A neighbour dialled that we dial ourselves.
    #[error("{us} dials {name}, not the other way round: the name that sorts first dials")]
    WrongWay {
        /// Who they say they are.
        name: Name,
        /// This server.
        us: Name,
    },
    /// Nothing was heard for too long.
    #[error("nothing heard for {} s", traffic::SILENCE.as_secs())]
    Silent,
    /// The other side closed the connection.
    #[error("closed by the other side")]
    Closed,
    /// The neighbour has connected anew.
    #[error("replaced by a newer connection")]
    Replaced,
    /// The neighbour has asked for more than there can be.
    #[error(transparent)]
    Overasked(#[from] Overasked),
    /// This server stops.
    #[error("this server stops")]
    Stopping,
}

impl LinkError {
    /// Whether trying again soon is of no use: somebody has to change something first.
    fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::Hello(_)
                | Self::WrongName { .. }
                | Self::Tls(_)
                | Self::WrongCertificate { .. }
                | Self::OnlyTheySpeakTls
        )
    }
}

impl From<io::Error> for LinkError {
    fn from(error: io::Error) -> Self {
        match TlsRefusal::of(&error) {
            Some(refusal) => Self::Tls(refusal),
            // What TLS says of a side that has closed without a word, as one does that is killed.
            None if error.kind() == io::ErrorKind::UnexpectedEof => Self::Closed,
            None => Self::Io(error),
        }
    }
}

/// Keeps a link to a neighbour that we dial, until the server stops.
pub async fn keep_dialling<N: Network>(node: Arc<Node>, id: NeighbourId, address: Address, stop: CancellationToken) {
    let neighbour = &node.neighbours[id];
    let mut refusals = 0;
    let mut said = String::new();
    while !stop.is_cancelled() {
        match dial::<N>(&node, id, &address, &stop).await {
            Ok(()) => (refusals, said) = (0, String::new()),
            Err(reason) => {
                neighbour.change_link(|link| link.unreachable = true);
                refusals = if reason.is_refusal() { refusals + 1 } else { 0 };
                let reason = reason.to_string();
                if said != reason {
                    node.notice(&neighbour.name, &format!("cannot link with {address}: {reason}; trying again"));
                    said = reason;
                }
            }
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = sleep(pause(refusals)) => {}
        }
    }
}

/// The pause before the next dial, with jitter so that no two servers stay in step.
fn pause(refusals: u32) -> Duration {
    let longest = REDIAL.saturating_mul(1 << refusals.min(16)).min(LONGEST_BACK_OFF);
    longest.mul_f64(0.75 + fastrand::f64() / 4.0)
}

/// Dials a neighbour and runs the link to its end.
async fn dial<N: Network>(
    node: &Node,
    id: NeighbourId,
    address: &Address,
    stop: &CancellationToken,
) -> Result<(), LinkError> {
    let name = &node.neighbours[id].name;
    let stream = or_stop(connect::<N>(address), stop).await?;
    let until = Instant::now() + HANDSHAKE;
    if let Some(tls) = &node.tls {
        let greeting =
            async { hello::dial(secure::dial(stream, node, tls, name, until).await?, node, name, until).await };
        run(node, id, or_stop(greeting, stop).await?, stop).await;
    } else {
        run(node, id, or_stop(hello::dial(stream, node, name, until), stop).await?, stop).await;
    }
    Ok(())
}

/// Whether somebody listens at a neighbour's address. Nothing is said there.
pub async fn is_listening<N: Network>(address: &Address) -> bool {
    connect::<N>(address).await.is_ok()
}

async fn connect<N: Network>(address: &Address) -> Result<N::Stream, LinkError> {
    Ok(timeout(HANDSHAKE, N::dial(address)).await.map_err(|_| LinkError::NoHello)??)
}

/// A handshake, unless the server stops before it is through.
async fn or_stop<T>(
    handshake: impl Future<Output = Result<T, LinkError>>,
    stop: &CancellationToken,
) -> Result<T, LinkError> {
    tokio::select! {
        biased;
        () = stop.cancelled() => Err(LinkError::Stopping),
        done = handshake => done,
    }
}

/// Runs the link of somebody who has dialled us from the address `who`, if they may have one.
///
/// # Errors
/// Why they may not.
pub async fn accept<S>(node: &Node, stream: S, who: &str, stop: &CancellationToken) -> Result<(), LinkError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let until = Instant::now() + HANDSHAKE;
    if let Some(tls) = &node.tls {
        let Secured { stream, certificate } = or_stop(secure::accept(stream, node, tls, who, until), stop).await?;
        welcome(node, stream, Some(&certificate), who, until, stop).await
    } else {
        welcome(node, stream, None, who, until, stop).await
    }
}

/// Hears who it is and runs their link.
async fn welcome<S>(
    node: &Node,
    mut stream: S,
    certificate: Option<&Certificate>,
    who: &str,
    until: Instant,
    stop: &CancellationToken,
) -> Result<(), LinkError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let heard = or_stop(hello::hear(&mut stream, node, who, until), stop).await;
    match heard.and_then(|(hello, early)| Ok((admit(node, hello.name, certificate)?, hello.sync, early))) {
        Ok((id, sync, early)) => {
            hello::answer(&mut stream, node, who).await?;
            run(node, id, Greeting { stream, sync, early }, stop).await;
            Ok(())
        }
        Err(reason) => {
            hello::refuse(&mut stream, node, who, &reason).await?;
            Err(reason)
        }
    }
}

/// The neighbour or observer of this name, if it is for them to dial and, where there is a
/// certificate, theirs.
fn admit(node: &Node, name: Name, certificate: Option<&Certificate>) -> Result<NeighbourId, LinkError> {
    if let Some(certificate) = certificate {
        secure::check_holder(certificate, &name)?;
    }
    match node.neighbour(&name).map(|id| (id, &node.neighbours[id].role)) {
        None => Err(LinkError::Stranger { name, us: node.name.clone() }),
        Some((_, Role::WeDial(_))) => Err(LinkError::WrongWay { name, us: node.name.clone() }),
        Some((id, Role::TheyDial(_) | Role::Observer)) => Ok(id),
    }
}

/// Runs a link from its first update to its end. A newer connection of the same neighbour ends
/// the older one, and begins when that is through.
async fn run<S>(node: &Node, id: NeighbourId, greeting: Greeting<S>, stop: &CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let neighbour = &node.neighbours[id];
    let replaced = neighbour.take_over();
    let _turn = neighbour.wait_for_turn().await;
    if replaced.is_cancelled() {
        return;
    }
    form(node, id, greeting.sync);
    let reason = Traffic::new(node, id, greeting.stream).run(&greeting.early, stop, &replaced).await;
    let wake = node.flood().link_down(id);
    node.wake(wake);
    node.metrics.peers[id].link_up.set(0.0);
    neighbour.change_link(|link| (link.up_since, link.caught_up) = (None, false));
    node.notice(&neighbour.name, &format!("link down: {reason}"));
}

fn form(node: &Node, id: NeighbourId, sync: bool) {
    let (neighbour, metrics) = (&node.neighbours[id], &node.metrics.peers[id]);
    let manner = match &neighbour.role {
        Role::Observer => Manner::Observer,
        Role::WeDial(_) if sync => Manner::Sync { begins: true },
        Role::TheyDial(_) if sync => Manner::Sync { begins: false },
        Role::WeDial(_) | Role::TheyDial(_) => Manner::Everything,
    };
    node.flood().link_up(id, manner);
    metrics.link_up.set(1.0);
    if matches!(manner, Manner::Sync { begins: true }) {
        metrics.sync_rounds.increment(1);
    }
    neighbour.change_link(|link| {
        if link.formed > 0 {
            metrics.reconnects.increment(1);
        }
        link.formed += 1;
        link.up_since = Some(node.clock.now());
        link.unreachable = false;
    });
    node.notice(&neighbour.name, "link up");
}
