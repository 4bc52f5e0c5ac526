//! turmoil's sockets as the server's network. Writes go out in pieces now and then, so that lines
//! arrive in pieces; and links can be made to break in the middle of a write.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};

use fastrand::Rng;
use herd::config::Address;
use herd::net::Network;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use turmoil::net::{TcpListener, TcpStream};

/// Where every server listens for its neighbours.
pub(crate) const PEERS: u16 = 11_000;
/// How many writes of a server are cut in two.
const IN_PIECES: f64 = 0.1;
/// The end of a line that a broken write likes to leave out: digits of a stamp.
const LAST_DIGITS: usize = 8;

/// turmoil's network.
#[derive(Debug)]
pub(crate) enum Simulated {}

/// One end of a connection, a server's.
#[derive(Debug)]
pub(crate) struct Stream {
    socket: Socket,
    /// Its place among all sockets, and whose it is.
    number: u64,
    host: IpAddr,
    is_link: bool,
}

/// A socket, until it is closed.
type Socket = Arc<Mutex<Option<TcpStream>>>;

/// What chance does to writes. turmoil has a simulation per thread, and so has this.
struct Weather {
    random: Rng,
    /// How many writes to neighbours break their connection.
    breaks: f64,
}

/// The sockets of all servers, in the order in which they came to be.
#[derive(Default)]
struct Sockets {
    next: u64,
    open: BTreeMap<u64, (IpAddr, Socket)>,
    a_host_crashes: bool,
}

thread_local! {
    static WEATHER: RefCell<Weather> = const { RefCell::new(Weather { random: Rng::with_seed(0), breaks: 0.0 }) };
    static SOCKETS: RefCell<Sockets> = RefCell::default();
}

/// Starts the weather of a simulation.
pub(crate) fn seed(seed: u64) {
    WEATHER.set(Weather { random: Rng::with_seed(seed), breaks: 0.0 });
    SOCKETS.take();
}

/// From now on this share of writes to neighbours breaks their connection midway.
pub(crate) fn break_links(share: f64) {
    WEATHER.with_borrow_mut(|weather| weather.breaks = share);
}

/// Runs `crash`, which drops all tasks of a host. Their order depends on numbers that tokio
/// counts through the whole process; here it must not, so the first one closes all sockets.
pub(crate) fn while_a_host_crashes(crash: impl FnOnce()) {
    SOCKETS.with_borrow_mut(|sockets| sockets.a_host_crashes = true);
    crash();
    SOCKETS.with_borrow_mut(|sockets| sockets.a_host_crashes = false);
}

/// What becomes of a write.
enum Fate {
    Whole,
    /// Only so many bytes are taken, as a socket may.
    Part(usize),
    /// So many bytes get out, and then the connection breaks.
    Break(usize),
}

impl Weather {
    fn fate(&mut self, length: usize, is_link: bool) -> Fate {
        if is_link && self.random.f64() < self.breaks {
            let most = if self.random.bool() { length.min(LAST_DIGITS) } else { length };
            Fate::Break(length - self.random.usize(1..=most))
        } else if self.random.f64() < IN_PIECES {
            Fate::Part(self.random.usize(1..=length))
        } else {
            Fate::Whole
        }
    }
}

impl Network for Simulated {
    type Listener = TcpListener;
    type Stream = Stream;

    async fn dial(address: &Address) -> io::Result<Stream> {
        let socket = TcpStream::connect((address.host(), address.port())).await?;
        Stream::new(socket, true)
    }

    async fn accept(listener: &TcpListener) -> io::Result<(Stream, SocketAddr)> {
        let (socket, address) = listener.accept().await?;
        let is_link = socket.local_addr()?.port() == PEERS;
        Ok((Stream::new(socket, is_link)?, address))
    }

    fn prepare_client(_: &Stream) -> io::Result<()> {
        Ok(())
    }

    fn prepare_neighbour(_: &Stream) -> io::Result<()> {
        Ok(())
    }
}

impl Stream {
    fn new(socket: TcpStream, is_link: bool) -> io::Result<Self> {
        let host = socket.local_addr()?.ip();
        let socket = Arc::new(Mutex::new(Some(socket)));
        let number = SOCKETS.with_borrow_mut(|sockets| {
            sockets.next += 1;
            sockets.open.insert(sockets.next, (host, Arc::clone(&socket)));
            sockets.next
        });
        Ok(Self { socket, number, host, is_link })
    }

    /// Does something with the socket unless it is closed.
    fn poll<T>(&self, act: impl FnOnce(Pin<&mut TcpStream>) -> Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match &mut *self.socket.lock().unwrap() {
            Some(socket) => act(Pin::new(socket)),
            None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }
}

impl Sockets {
    /// Those of a host, oldest first.
    fn of_host(&self, host: IpAddr) -> Vec<Socket> {
        self.open.values().filter(|(of, _)| *of == host).map(|(_, socket)| Arc::clone(socket)).collect()
    }
}

fn close(socket: &Socket) {
    socket.lock().unwrap().take();
}

impl Drop for Stream {
    fn drop(&mut self) {
        let sockets = SOCKETS.with_borrow_mut(|sockets| {
            let sockets_to_close = if sockets.a_host_crashes { sockets.of_host(self.host) } else { Vec::new() };
            sockets.open.remove(&self.number);
            sockets_to_close
        });
        sockets.iter().chain([&self.socket]).for_each(close);
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.poll(|socket| socket.poll_read(cx, buffer))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let fate = WEATHER.with_borrow_mut(|weather| weather.fate(bytes.len(), self.is_link));
        match fate {
            Fate::Whole => self.poll(|socket| socket.poll_write(cx, bytes)),
            Fate::Part(count) => self.poll(|socket| socket.poll_write(cx, &bytes[..count])),
            Fate::Break(count) => {
                if count > 0 {
                    ready!(self.poll(|socket| socket.poll_write(cx, &bytes[..count])))?;
                }
                close(&self.socket);
                Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(|socket| socket.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(|socket| socket.poll_shutdown(cx))
    }
}
