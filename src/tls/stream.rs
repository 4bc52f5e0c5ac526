//! A connection under TLS, and how it comes about.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf, copy, sink};

use super::Certificate;

/// A connection under TLS whose writer need not flush: whoever waits for something to read also
/// sends what is still to be sent. A link's task always does; it writes and forgets, as TCP allows.
#[derive(Debug)]
pub struct TlsStream<S>(tokio_rustls::TlsStream<S>);

/// A connection whose other end has shown a certificate of a CA that we believe.
#[derive(Debug)]
pub struct Secured<S> {
    /// The connection.
    pub stream: TlsStream<S>,
    /// Whose certificate it was.
    pub certificate: Certificate,
}

/// How a handshake has ended; where it failed, with the connection, which [`part`] closes.
pub type Handshake<S> = Result<Secured<S>, (io::Error, S)>;

pub(super) fn finished<S, T>(handshake: Result<T, (io::Error, S)>) -> Handshake<S>
where
    tokio_rustls::TlsStream<S>: From<T>,
{
    let stream = tokio_rustls::TlsStream::from(handshake?);
    let (_, session) = stream.get_ref();
    let shown = session.peer_certificates().and_then(<[_]>::first).expect("both ends have to show certificates");
    Ok(Secured { certificate: Certificate::read(shown), stream: TlsStream(stream) })
}

/// Closes a connection whose handshake has failed, so that the other side gets to read why: a
/// socket that is closed with something unread in it takes back what it has said last. Lasts
/// until the other side has closed too, so give it a deadline.
pub async fn part<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) {
    if stream.shutdown().await.is_ok() {
        // Who has gone already does not want to know.
        let _ = copy(&mut stream, &mut sink()).await;
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for TlsStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        // If the connection broke, reading says so, and first gives out what had come before.
        let _ = Pin::new(&mut self.0).poll_flush(cx);
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlsStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
