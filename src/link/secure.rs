//! TLS ahead of HELLO: both ends prove who they are.

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout_at};

use super::LinkError;
use crate::config::Address;
use crate::node::{Node, Role};
use crate::protocol::text::Name;
use crate::tls::{Certificate, Handshake, Identity, Secured, TlsStream, part};

/// A neighbour that could only be believed, and is not on this machine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{name} is to be dialled at {address}, which is not on this machine, and a link without TLS believes whoever answers: \
     give --tls-cert, --tls-key and --tls-ca (`server certs --out DIR` makes a set to try), or have the herd file name the end on loopback of a tunnel to it"
)]
pub struct OpenNeighbour {
    name: Name,
    address: Address,
}

/// Checks that without TLS only neighbours on loopback are dialled.
///
/// # Errors
/// [`OpenNeighbour`], the first that is elsewhere.
pub fn check_neighbours(node: &Node) -> Result<(), OpenNeighbour> {
    let elsewhere = node.neighbours.iter().find_map(|neighbour| match &neighbour.role {
        Role::WeDial(address) if node.tls.is_none() && !address.is_loopback() => {
            Some(OpenNeighbour { name: neighbour.name.clone(), address: address.clone() })
        }
        _ => None,
    });
    elsewhere.map_or(Ok(()), Err)
}

/// Shakes hands with the neighbour that we have dialled. Somebody else is told nothing.
pub(super) async fn dial<S>(
    stream: S,
    node: &Node,
    tls: &Identity,
    neighbour: &Name,
    until: Instant,
) -> Result<TlsStream<S>, LinkError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    refresh(node, tls);
    let Secured { stream, certificate } = shake_hands(tls.dial(stream), until).await?;
    check_holder(&certificate, neighbour)?;
    Ok(stream)
}

/// Shakes hands with somebody who has dialled us from the address `who`.
pub(super) async fn accept<S>(
    stream: S,
    node: &Node,
    tls: &Identity,
    who: &str,
    until: Instant,
) -> Result<Secured<S>, LinkError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    refresh(node, tls);
    let secured = shake_hands(tls.accept(stream), until).await;
    if let Err(reason) = &secured {
        node.note(who, &format!("no link: {reason}"));
    }
    secured
}

/// Whether the certificate is made out to who they should be, or say they are.
pub(super) fn check_holder(certificate: &Certificate, expected: &Name) -> Result<(), LinkError> {
    if certificate.bears(expected) {
        return Ok(());
    }
    Err(LinkError::WrongCertificate { expected: expected.clone(), holders: certificate.holders() })
}

async fn shake_hands<S>(handshake: impl Future<Output = Handshake<S>>, until: Instant) -> Result<Secured<S>, LinkError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    match timeout_at(until, handshake).await {
        Ok(Ok(secured)) => Ok(secured),
        Ok(Err((reason, stream))) => {
            // Whoever does not close in time has had time enough to read why.
            let _ = timeout_at(until, part(stream)).await;
            Err(reason.into())
        }
        Err(_) => Err(LinkError::NoHello),
    }
}

/// Takes up new files, and says so. Links that are up stay as they are.
fn refresh(node: &Node, tls: &Identity) {
    match tls.refresh() {
        None => {}
        Some(Ok(())) => node.notice(&node.name, "the files of TLS have changed; new links use them"),
        Some(Err(problem)) => {
            node.notice(&node.name, &format!("{problem}; new links use what the files of TLS held before"));
        }
    }
}
