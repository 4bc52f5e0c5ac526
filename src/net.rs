//! Sockets: the only file that names `tokio::net`, so that a simulation can put its own here.

mod accept;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
pub use tokio::net::{TcpListener, TcpStream};
use tokio::net::{TcpSocket, lookup_host};

pub use self::accept::Acceptor;
use crate::config::Address;

/// Connections that may wait to be accepted; the kernel caps this at `net.core.somaxconn`.
const BACKLOG: u32 = 4096;
/// How long a connection is quiet before the kernel asks whether the other side is there.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(60);
/// How often it asks again.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(15);

/// Listens at the first address that the host resolves to. `SO_REUSEADDR` is set, so that a
/// server can start again at once; `SO_REUSEPORT` is not: a second server must fail.
///
/// # Errors
/// If the host does not resolve, or nothing can be bound there.
pub async fn listen(address: &Address) -> io::Result<TcpListener> {
    let resolved = resolve(address).await?;
    let socket = if resolved.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(resolved)?;
    socket.listen(BACKLOG)
}

/// Connects to the first address that the host resolves to now.
///
/// # Errors
/// If the host does not resolve, or nobody listens there.
pub async fn dial(address: &Address) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(resolve(address).await?).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Sets what an accepted client connection needs: no delay for small replies, and an end in
/// finite time for clients that vanish.
///
/// # Errors
/// If the connection is gone already.
pub fn prepare_client(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_AFTER).with_interval(KEEPALIVE_EVERY);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

async fn resolve(address: &Address) -> io::Result<SocketAddr> {
    let mut addresses = lookup_host((address.host(), address.port())).await?;
    addresses.next().ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the host name has no address"))
}
