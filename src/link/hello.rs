//! The first line each way: who is there.

use std::future::poll_fn;
use std::io;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};

use super::{HANDSHAKE, LinkError};
use crate::io_log::{Batch, Direction};
use crate::node::Node;
use crate::protocol::line::{Line, LineReader};
use crate::protocol::peer::{Hello, HelloError, MAX_HELLO, write_refused};
use crate::protocol::text::Name;
use crate::scratch;
use crate::tls;

/// A connection whose two ends know each other.
#[derive(Debug)]
pub(super) struct Greeting<S> {
    pub(super) stream: S,
    /// Whether the other side can compare stores.
    pub(super) sync: bool,
    /// What came behind the other side's HELLO.
    pub(super) early: Vec<u8>,
}

/// Greets the neighbour that we have dialled. Its answer has time until `until`.
pub(super) async fn dial<S>(
    mut stream: S,
    node: &Node,
    neighbour: &Name,
    until: Instant,
) -> Result<Greeting<S>, LinkError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    say(&mut stream, node, neighbour.as_str(), |line| Hello::write(&node.name, line)).await?;
    let (hello, early) = hear(&mut stream, node, neighbour.as_str(), until).await?;
    if hello.name != *neighbour {
        return Err(LinkError::WrongName { expected: neighbour.clone(), found: hello.name });
    }
    Ok(Greeting { stream, sync: hello.sync, early })
}

/// Answers a neighbour that has dialled us.
pub(super) async fn answer<S: AsyncWrite + Unpin>(stream: &mut S, node: &Node, who: &str) -> Result<(), LinkError> {
    say(stream, node, who, |line| Hello::write(&node.name, line)).await
}

/// Says why there will be no link, and that nothing will follow.
pub(super) async fn refuse<S>(stream: &mut S, node: &Node, who: &str, reason: &LinkError) -> Result<(), LinkError>
where
    S: AsyncWrite + Unpin,
{
    say(stream, node, who, |line| write_refused(&reason.to_string(), line)).await?;
    Ok(stream.shutdown().await?)
}

/// Reads the other side's first line, and whatever has come behind it, until `until`.
pub(super) async fn hear<S>(
    stream: &mut S,
    node: &Node,
    who: &str,
    until: Instant,
) -> Result<(Hello, Vec<u8>), LinkError>
where
    S: AsyncRead + Unpin,
{
    let mut reader = LineReader::new(MAX_HELLO);
    let first_line = async {
        loop {
            let read = poll_fn(|cx| {
                scratch::with(|scratch| {
                    scratch::poll_read(stream, cx, &mut scratch.input).map_ok(|count| scratch.input[..count].to_vec())
                })
            });
            let bytes = read.await?;
            if bytes.is_empty() {
                return Err(LinkError::Closed);
            }
            if node.tls.is_none() && tls::begins_like_tls(&bytes) {
                return Err(LinkError::OnlyTheySpeakTls);
            }
            let mut rest = &bytes[..];
            if let Some(line) = reader.next_line(&mut rest) {
                let (Line::Whole(bytes) | Line::Unended(bytes) | Line::TooLong(bytes)) = line;
                log(node, who, Direction::Read, bytes);
                // Of a longer one the name may be cut, and its rest would be read as lines of the link.
                if matches!(line, Line::TooLong(_)) {
                    return Err(HelloError::TooLong.into());
                }
                return Ok((Hello::parse(bytes)?, rest.to_vec()));
            }
        }
    };
    timeout_at(until, first_line).await.map_err(|_| LinkError::NoHello)?
}

async fn say<S>(stream: &mut S, node: &Node, who: &str, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), LinkError>
where
    S: AsyncWrite + Unpin,
{
    let mut line = Vec::new();
    write(&mut line);
    log(node, who, Direction::Written, line.trim_ascii_end());
    let written: io::Result<()> = timeout(HANDSHAKE, stream.write_all(&line)).await.map_err(|_| LinkError::NoHello)?;
    Ok(written?)
}

fn log(node: &Node, who: &str, direction: Direction, line: &[u8]) {
    let mut batch = Batch::default();
    batch.begin(&node.log, node.clock.now());
    batch.line(who, direction, line);
    node.log.append(&mut batch);
}
