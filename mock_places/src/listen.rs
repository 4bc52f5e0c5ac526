//! Listening with one socket for each thread.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

/// How many connections may wait to be accepted, on each socket; the system may lower it.
const BACKLOG: i32 = 1024;

/// One or more sockets that listen on the same address, and that address with its port.
///
/// The system spreads connections over them. Threads that took turns at one socket would not: the
/// one that is awake when a burst of connections comes accepts them all, and has all their work.
pub(crate) fn listen(address: SocketAddr, sockets: u16) -> io::Result<(Vec<TcpListener>, SocketAddr)> {
    if sockets == 1 {
        let listener = listen_on(bound(address, false)?)?;
        let address = listener.local_addr()?;
        return Ok((vec![listener], address));
    }
    if address.port() != 0 {
        // A shared address could be shared with another stub too; an address of its own cannot.
        drop(bound(address, false)?);
    }
    let first = bound(address, true)?;
    let address = first.local_addr()?.as_socket().unwrap_or(address);
    let others = (1..sockets).map(|_| bound(address, true));
    let listeners = [Ok(first)].into_iter().chain(others).map(|socket| listen_on(socket?));
    Ok((listeners.collect::<io::Result<_>>()?, address))
}

fn bound(address: SocketAddr, shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Connections of a stub that has just ended do not keep the address.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

fn listen_on(socket: Socket) -> io::Result<TcpListener> {
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::net::{SocketAddr, TcpStream};

    use super::listen;

    const ANY: &str = "127.0.0.1:0";

    fn any() -> SocketAddr {
        ANY.parse().expect("an address")
    }

    #[test]
    fn connections_are_spread_over_the_sockets() {
        const CONNECTIONS: usize = 64;
        let (listeners, address) = listen(any(), 2).expect("a free port");
        let open = |_| TcpStream::connect(address).expect("connected");
        let connections: Vec<_> = (0..CONNECTIONS).map(open).collect();
        let accepted = listeners.iter().map(|listener| {
            listener.set_nonblocking(true).expect("set");
            listener.incoming().take_while(Result::is_ok).count()
        });
        let accepted: Vec<_> = accepted.collect();
        assert_eq!(accepted.iter().sum::<usize>(), connections.len());
        // That one of them gets nothing happens once in 2^63 times.
        assert!(accepted.iter().all(|count| *count > 0), "{accepted:?}");
    }

    #[test]
    fn an_address_is_not_shared_with_anybody_else() {
        for (ours, theirs) in [(1, 1), (1, 2), (2, 1), (2, 2)] {
            let (_listeners, address) = listen(any(), ours).expect("a free port");
            let error = listen(address, theirs).expect_err("in use");
            assert_eq!(error.kind(), ErrorKind::AddrInUse, "{ours} {theirs}");
        }
    }
}
