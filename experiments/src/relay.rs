//! A relay between two servers, in the place of the network between them: it can refuse or fall
//! silent, and counts the bytes that it passes on.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// Bytes that are passed on at a time; as many wait in a relay that is silent, per direction.
const PIECE: usize = 64 << 10;

/// What a relay lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passage {
    /// Everything.
    Open,
    /// Nothing: connections are broken off, and new ones at once.
    Refused,
    /// Nothing, and nobody is told: as where packets get lost.
    Silent,
}

/// A relay that listens. It ends when it is dropped.
#[derive(Debug)]
pub struct Relay {
    passage: watch::Sender<Passage>,
    passed: Arc<Passed>,
    task: JoinHandle<()>,
}

/// Bytes that were passed on, by direction.
#[derive(Debug, Default)]
struct Passed {
    from_dialler: AtomicU64,
    to_dialler: AtomicU64,
}

impl Relay {
    /// A relay that is open, from an address to listen at to one to connect to.
    ///
    /// # Errors
    /// If nothing can be bound there.
    pub async fn start(listen: SocketAddr, target: SocketAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let (passage, watched) = watch::channel(Passage::Open);
        let passed = Arc::new(Passed::default());
        let task = tokio::spawn(serve(listener, target, watched, Arc::clone(&passed)));
        Ok(Self { passage, passed, task })
    }

    /// Opens or closes the relay.
    pub fn set(&self, passage: Passage) {
        self.passage.send_replace(passage);
    }

    /// Bytes passed on from who dialled, and to who dialled.
    #[must_use]
    pub fn bytes(&self) -> [u64; 2] {
        let Passed { from_dialler, to_dialler } = &*self.passed;
        [from_dialler, to_dialler].map(|bytes| bytes.load(Ordering::Relaxed))
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Passes connections on; they end with this task.
async fn serve(listener: TcpListener, target: SocketAddr, passage: watch::Receiver<Passage>, passed: Arc<Passed>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => {
                // Whoever could not be accepted tries again, as servers do.
                let Ok((stream, _)) = accepted else { continue };
                connections.spawn(pass(stream, target, passage.clone(), Arc::clone(&passed)));
            }
        }
    }
}

/// Passes one connection on until either side ends it or the relay refuses.
async fn pass(dialler: TcpStream, target: SocketAddr, mut passage: watch::Receiver<Passage>, passed: Arc<Passed>) {
    if *passage.borrow() == Passage::Refused {
        return;
    }
    let for_pumps = passage.clone();
    let both = async {
        let mut acceptor = TcpStream::connect(target).await?;
        let mut dialler = dialler;
        dialler.set_nodelay(true)?;
        acceptor.set_nodelay(true)?;
        let ((from_dialler, to_dialler), (from_acceptor, to_acceptor)) = (dialler.split(), acceptor.split());
        tokio::try_join!(
            pump(from_dialler, to_acceptor, for_pumps.clone(), &passed.from_dialler),
            pump(from_acceptor, to_dialler, for_pumps, &passed.to_dialler),
        )
    };
    tokio::select! {
        // How a connection ends is for its two ends to see.
        _ = both => {}
        _ = passage.wait_for(|passage| *passage == Passage::Refused) => {}
    }
}

/// Passes on what comes one way, while the relay is not silent.
async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut passage: watch::Receiver<Passage>,
    passed: &AtomicU64,
) -> std::io::Result<()> {
    let mut piece = vec![0; PIECE];
    loop {
        let count = from.read(&mut piece).await?;
        // The relay is gone if this fails, and this task with it.
        let _ = passage.wait_for(|passage| *passage != Passage::Silent).await;
        if count == 0 {
            return to.shutdown().await;
        }
        to.write_all(&piece[..count]).await?;
        passed.fetch_add(count as u64, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    /// How long nothing is waited for.
    const NOTHING: Duration = Duration::from_millis(50);

    /// A relay, a connection through it, and the connection's other end.
    async fn connected() -> (Relay, SocketAddr, TcpListener, TcpStream, TcpStream) {
        let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let relay = Relay::start(address, target.local_addr().unwrap()).await.unwrap();
        let dialler = TcpStream::connect(address).await.unwrap();
        let (acceptor, _) = target.accept().await.unwrap();
        (relay, address, target, dialler, acceptor)
    }

    async fn read(stream: &mut TcpStream, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        stream.read_exact(&mut bytes).await.unwrap();
        bytes
    }

    #[tokio::test]
    async fn bytes_pass_and_are_counted_by_direction() {
        let (relay, _, _target, mut dialler, mut acceptor) = connected().await;
        dialler.write_all(b"there").await.unwrap();
        assert_eq!(read(&mut acceptor, 5).await, b"there");
        acceptor.write_all(b"and back").await.unwrap();
        assert_eq!(read(&mut dialler, 8).await, b"and back");
        // Counted when written, which may be just after it was read.
        while relay.bytes() != [5, 8] {
            tokio::task::yield_now().await;
        }
        drop(dialler);
        assert_eq!(acceptor.read(&mut [0]).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn a_relay_that_refuses_breaks_off_and_lets_nobody_in() {
        let (relay, address, target, mut dialler, mut acceptor) = connected().await;
        relay.set(Passage::Refused);
        assert_eq!(dialler.read(&mut [0]).await.unwrap_or(0), 0);
        assert_eq!(acceptor.read(&mut [0]).await.unwrap_or(0), 0);
        let mut refused = TcpStream::connect(address).await.unwrap();
        assert_eq!(refused.read(&mut [0]).await.unwrap_or(0), 0);
        assert!(timeout(NOTHING, target.accept()).await.is_err());
        relay.set(Passage::Open);
        let _again = TcpStream::connect(address).await.unwrap();
        target.accept().await.unwrap();
    }

    #[tokio::test]
    async fn a_silent_relay_keeps_what_it_was_given() {
        let (relay, _, _target, mut dialler, mut acceptor) = connected().await;
        relay.set(Passage::Silent);
        dialler.write_all(b"later").await.unwrap();
        assert!(timeout(NOTHING, acceptor.read(&mut [0])).await.is_err());
        assert_eq!(relay.bytes(), [0, 0]);
        relay.set(Passage::Open);
        assert_eq!(read(&mut acceptor, 5).await, b"later");
    }
}
