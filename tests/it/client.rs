//! A client that speaks bytes and expects them.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::running::PATIENCE;

/// A connection to a server.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    input: Vec<u8>,
}

/// The reply to a WHATSAT with bound 0, behind its AT line.
pub(crate) const NOTHING: &str =
    "{\n   \"html_attributions\" : [],\n   \"results\" : [],\n   \"status\" : \"OK\"\n}\n\n";

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap())
    }

    /// Connects from an address of this machine, such as any in 127.0.0.0/8.
    pub(crate) async fn connect_from(source: &str, address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(source.parse().unwrap(), 0)).unwrap();
        Self::over(socket.connect(address).await.unwrap())
    }

    pub(crate) fn over(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        Self { stream, input: Vec::new() }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Half-closes: nothing more will be sent.
    pub(crate) async fn done(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    /// Bytes up to and including the first of `end`.
    pub(crate) async fn until(&mut self, end: &[u8]) -> Vec<u8> {
        loop {
            let found = self.input.windows(end.len()).position(|window| window == end);
            if let Some(place) = found {
                return self.input.drain(..place + end.len()).collect();
            }
            assert!(self.read_more().await > 0, "the stream ended after {:?}", self.input.escape_ascii().to_string());
        }
    }

    /// A line with its LF, as text.
    pub(crate) async fn line(&mut self) -> String {
        String::from_utf8(self.until(b"\n").await).unwrap()
    }

    /// The reply to a WHATSAT that is answered: a line and a body with its two newlines.
    pub(crate) async fn reply(&mut self) -> (String, String) {
        let line = self.line().await;
        assert!(line.starts_with("AT "), "{line}");
        (line, String::from_utf8(self.until(b"\n\n").await).unwrap())
    }

    /// All bytes up to the end of the stream.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        while self.read_more().await > 0 {}
        std::mem::take(&mut self.input)
    }

    /// Sends a line and reads one.
    pub(crate) async fn ask(&mut self, line: impl AsRef<[u8]>) -> String {
        self.send(line).await;
        self.line().await
    }

    async fn read_more(&mut self) -> usize {
        let read = timeout(PATIENCE, self.stream.read_buf(&mut self.input)).await;
        read.expect("the server said nothing in time").unwrap()
    }
}

/// Connects, sends, half-closes and returns all that comes back.
pub(crate) async fn exchange(address: SocketAddr, bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let mut client = Client::connect(address).await;
    client.send(bytes).await;
    client.done().await;
    client.rest().await
}

/// The same as text.
pub(crate) async fn exchange_text(address: SocketAddr, bytes: impl AsRef<[u8]>) -> String {
    String::from_utf8(exchange(address, bytes).await).unwrap()
}
