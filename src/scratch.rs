//! Buffers that a thread's tasks take turns with, so that a connection holds none while it is
//! idle and none is allocated for a message.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::flood::Wake;
use crate::io_log::Batch;

/// Bytes that are read at a time: a few hundred commands, which take well below a millisecond.
const INPUT: usize = 16 << 10;

/// What one turn of one task works with.
#[derive(Debug)]
pub(crate) struct Scratch {
    /// What was read.
    pub(crate) input: Box<[u8]>,
    /// What the turn's one write takes; empty when a turn begins.
    pub(crate) output: Vec<u8>,
    /// Lines for the log.
    pub(crate) log: Batch,
    /// Links to wake at the end of the turn.
    pub(crate) wake: Wake,
}

/// How a turn went that got something done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// All that was there is done.
    Done,
    /// There is probably more, but others are to have a turn first.
    More,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch {
        input: vec![0; INPUT].into(),
        output: Vec::new(),
        log: Batch::default(),
        wake: Wake::default(),
    });
}

/// Runs a turn with this thread's buffers. Whatever became of the turn before, an error and a panic
/// included, its output is not this one's: one client's replies would be sent to another.
///
/// # Panics
/// If a turn starts another one.
pub(crate) fn with<R>(turn: impl FnOnce(&mut Scratch) -> R) -> R {
    SCRATCH.with(|scratch| {
        let mut scratch = scratch.borrow_mut();
        scratch.output.clear();
        turn(&mut scratch)
    })
}

/// Reads what is there; 0 is the end of the stream.
pub(crate) fn poll_read<S: AsyncRead + Unpin>(
    stream: &mut S,
    cx: &mut Context<'_>,
    input: &mut [u8],
) -> Poll<io::Result<usize>> {
    let mut buffer = ReadBuf::new(input);
    ready!(Pin::new(stream).poll_read(cx, &mut buffer))?;
    Poll::Ready(Ok(buffer.filled().len()))
}

/// Writes as much as the socket takes and returns how much that is.
///
/// # Errors
/// If the connection broke.
pub(crate) fn write_some<S: AsyncWrite + Unpin>(
    stream: &mut S,
    cx: &mut Context<'_>,
    bytes: &[u8],
) -> io::Result<usize> {
    let mut written = 0;
    while written < bytes.len() {
        match Pin::new(&mut *stream).poll_write(cx, &bytes[written..]) {
            Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
            Poll::Ready(Ok(count)) => written += count,
            Poll::Ready(Err(error)) => return Err(error),
            Poll::Pending => break,
        }
    }
    Ok(written)
}
