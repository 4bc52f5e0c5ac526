//! Replies on their way to one client, in the order of its commands.

use std::io;

use herd::clock::Clock;
use herd::io_log::{Batch, Direction, IoLog};
use herd::places::{Answer, cut_short};
use herd::protocol::update::Update;
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::{mpsc, oneshot};

/// Bytes of replies that share a write, about.
const ENOUGH: usize = 64 << 10;

/// A reply, which may still be waited for.
pub(crate) enum Reply {
    /// It is ready.
    Ready(Vec<u8>),
    /// Places is asked for it.
    Places {
        /// The update that was known when the command was executed.
        update: Update,
        /// Results at most.
        bound: usize,
        /// What Places says.
        answer: oneshot::Receiver<Answer>,
    },
}

/// Writes replies as they become ready, those that are ready together at once, until no more can come.
pub(crate) async fn write_all(
    mut replies: mpsc::Receiver<Reply>,
    mut stream: OwnedWriteHalf,
    who: &str,
    log: &IoLog,
    clock: &Clock,
) -> io::Result<()> {
    let mut output = Vec::new();
    let mut lines = Batch::default();
    while let Some(first) = replies.recv().await {
        let mut next = Some(first);
        lines.begin(log, clock.now());
        while let Some(reply) = next {
            let start = output.len();
            match reply {
                Reply::Ready(bytes) => output.extend_from_slice(&bytes),
                Reply::Places { update, bound, answer } => {
                    if !output.is_empty() {
                        stream.write_all(&output).await?;
                    }
                    output.clear();
                    // Nobody answers only if the task that was to do so panicked.
                    let body = answer.await.unwrap_or_else(|_| cut_short());
                    lines.begin(log, clock.now());
                    output.extend_from_slice(update.line().bytes());
                    output.push(b'\n');
                    body.write(bound, &mut output);
                    output.extend_from_slice(b"\n\n");
                }
            }
            log_reply(&mut lines, who, &output[start.min(output.len())..]);
            next = if output.len() < ENOUGH { replies.try_recv().ok() } else { None };
        }
        log.append(&mut lines);
        stream.write_all(&output).await?;
        output.clear();
    }
    stream.shutdown().await
}

/// Logs a reply: its first line, and what follows as a Places body.
fn log_reply(log: &mut Batch, who: &str, reply: &[u8]) {
    let end = reply.iter().position(|&byte| byte == b'\n').unwrap_or(reply.len());
    log.line(who, Direction::Written, &reply[..end]);
    let body = reply[end..].trim_ascii();
    if !body.is_empty() {
        log.body(who, body);
    }
}
