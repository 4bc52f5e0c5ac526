//! Sockets: the only file that names `tokio::net`. What accepts and dials is written for any
//! [`Network`], so that a simulation runs the same code over sockets of its own.

mod accept;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
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

/// A kind of sockets. It is a type and never a value: whoever runs over it names it, and what
/// it does is compiled in.
pub trait Network: 'static {
    /// What connections come in through.
    type Listener: Send + Sync + 'static;
    /// A connection.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Connects to a neighbour: to the first address that the host resolves to now.
    ///
    /// # Errors
    /// If the host does not resolve, or nobody listens there.
    fn dial(address: &Address) -> impl Future<Output = io::Result<Self::Stream>> + Send;

    /// Waits for the next connection; nothing is lost if that is given up.
    ///
    /// # Errors
    /// If the system cannot take up one more connection now.
    fn accept(listener: &Self::Listener) -> impl Future<Output = io::Result<(Self::Stream, SocketAddr)>> + Send;

    /// Sets what an accepted client connection needs: no delay for small replies, and an end in
    /// finite time for clients that vanish.
    ///
    /// # Errors
    /// If the connection is gone already.
    fn prepare_client(stream: &Self::Stream) -> io::Result<()>;

    /// Sets what an accepted neighbour's connection needs: no delay.
    ///
    /// # Errors
    /// If the connection is gone already.
    fn prepare_neighbour(stream: &Self::Stream) -> io::Result<()>;
}

/// The sockets of the operating system.
#[derive(Debug, Clone, Copy)]
pub struct System;

impl Network for System {
    type Listener = TcpListener;
    type Stream = TcpStream;

    async fn dial(address: &Address) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(resolve(address).await?).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    async fn accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
        listener.accept().await
    }

    fn prepare_client(stream: &TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_AFTER).with_interval(KEEPALIVE_EVERY);
        SockRef::from(stream).set_tcp_keepalive(&keepalive)
    }

    fn prepare_neighbour(stream: &TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)
    }
}

async fn resolve(address: &Address) -> io::Result<SocketAddr> {
    let mut addresses = lookup_host((address.host(), address.port())).await?;
    addresses.next().ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the host name has no address"))
}
