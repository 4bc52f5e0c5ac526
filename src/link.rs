//! A link to a neighbour: how it forms, and what runs over it (DESIGN 4, PROTOCOL.md).

mod hello;
mod traffic;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use self::hello::Greeting;
use self::traffic::Traffic;
use crate::config::Address;
use crate::flood::NeighbourId;
use crate::net::Network;
use crate::node::{Neighbour, Node, Role};
use crate::protocol::peer::HelloError;
use crate::protocol::text::Name;

/// How long connecting may take, and how long the other side's HELLO.
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
    Io(#[from] io::Error),
    /// Connecting or the other side's HELLO took longer than [`HANDSHAKE`].
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
    /// This server stops.
    #[error("this server stops")]
    Stopping,
}

impl LinkError {
    /// Whether trying again soon is of no use: somebody has to change something first.
    fn is_refusal(&self) -> bool {
        matches!(self, Self::Hello(_) | Self::WrongName { .. })
    }
}

/// Keeps a link to a neighbour that we dial, until the server stops.
pub async fn keep_dialling<N: Network>(node: Arc<Node>, id: NeighbourId, address: Address, stop: CancellationToken) {
    let neighbour = &node.neighbours[id];
    let mut refusals = 0;
    let mut said = String::new();
    while !stop.is_cancelled() {
        let greeting = or_stop(dial::<N>(&node, neighbour, &address), &stop).await;
        match greeting {
            Ok(greeting) => {
                (refusals, said) = (0, String::new());
                run(&node, id, greeting, &stop).await;
            }
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

async fn dial<N: Network>(
    node: &Node,
    neighbour: &Neighbour,
    address: &Address,
) -> Result<Greeting<N::Stream>, LinkError> {
    let stream = timeout(HANDSHAKE, N::dial(address)).await.map_err(|_| LinkError::NoHello)??;
    hello::dial(stream, node, &neighbour.name).await
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
pub async fn accept<S>(node: &Node, mut stream: S, who: &str, stop: &CancellationToken) -> Result<(), LinkError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let heard = or_stop(hello::hear(&mut stream, node, who), stop).await;
    match heard.and_then(|(hello, early)| Ok((admit(node, hello.name)?, early))) {
        Ok((id, early)) => {
            hello::answer(&mut stream, node, who).await?;
            run(node, id, Greeting { stream, early }, stop).await;
            Ok(())
        }
        Err(reason) => {
            hello::refuse(&mut stream, node, who, &reason).await?;
            Err(reason)
        }
    }
}

/// The neighbour or observer of this name, if it is for them to dial.
fn admit(node: &Node, name: Name) -> Result<NeighbourId, LinkError> {
    match node.neighbour(&name).map(|id| (id, &node.neighbours[id].role)) {
        None => Err(LinkError::Stranger { name, us: node.name.clone() }),
        Some((_, Role::WeDial(_))) => Err(LinkError::WrongWay { name, us: node.name.clone() }),
        Some((id, Role::TheyDial | Role::Observer)) => Ok(id),
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
    form(node, id);
    let reason = Traffic::new(node, id, greeting.stream).run(&greeting.early, stop, &replaced).await;
    node.flood().link_down(id);
    node.metrics.peers[id].link_up.set(0.0);
    neighbour.change_link(|link| (link.up_since, link.caught_up) = (None, false));
    node.notice(&neighbour.name, &format!("link down: {reason}"));
}

fn form(node: &Node, id: NeighbourId) {
    let (neighbour, metrics) = (&node.neighbours[id], &node.metrics.peers[id]);
    node.flood().link_up(id);
    metrics.link_up.set(1.0);
    metrics.sync_rounds.increment(1);
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
