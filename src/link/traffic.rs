//! What runs over a link once it has formed: updates both ways, and signs of life.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::task::yield_now;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::LinkError;
use crate::flood::{NeighbourId, Next, Outcome, Wake};
use crate::io_log::{Batch, Direction};
use crate::metrics::{PeerMetrics, Received};
use crate::node::{Neighbour, Node, Role};
use crate::protocol::line::{Line, LineReader};
use crate::protocol::peer::{DONE, PING, PeerLine};
use crate::protocol::time::UnixTime;
use crate::protocol::update::AtLine;
use crate::scratch::{self, Progress, Scratch};

/// How often we say that we live.
const KEEPALIVE: Duration = Duration::from_secs(1);
/// A neighbour that was silent for this long is taken for dead.
pub(super) const SILENCE: Duration = Duration::from_secs(5);
/// Bytes of updates that are put into one write.
const BATCH: usize = 64 << 10;
/// Bytes of catching up among them: what is live never waits behind more than that here.
const CATCH_UP_BATCH: usize = 16 << 10;
/// How long what waits may take to be sent when the server stops.
const FLUSH: Duration = Duration::from_millis(300);

/// One link while it is up.
pub(super) struct Traffic<'n, S> {
    node: &'n Node,
    id: NeighbourId,
    stream: S,
    reader: LineReader,
    /// What is being sent, and how much of it is.
    output: Vec<u8>,
    written: usize,
    /// When something was last received.
    heard: Instant,
}

impl<'n, S: AsyncRead + AsyncWrite + Unpin> Traffic<'n, S> {
    pub(super) fn new(node: &'n Node, id: NeighbourId, stream: S) -> Self {
        let reader = LineReader::new(node.peer_line);
        Self { node, id, stream, reader, output: Vec::new(), written: 0, heard: Instant::now() }
    }

    /// Runs the link until it ends, and says why it did. `early` came behind HELLO.
    pub(super) async fn run(
        mut self,
        early: &[u8],
        stop: &CancellationToken,
        replaced: &CancellationToken,
    ) -> LinkError {
        scratch::with(|scratch| self.take_in(early, &mut scratch.log, &mut scratch.wake));
        let mut stopped = pin!(stop.cancelled());
        let mut replaced = pin!(replaced.cancelled());
        let mut ticks = interval(KEEPALIVE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let work = &self.neighbour().work;
        loop {
            tokio::select! {
                biased;
                () = &mut stopped => {
                    // What cannot be sent in time is what the neighbour asks for on our return.
                    let _ = timeout(FLUSH, self.flush()).await;
                    return LinkError::Stopping;
                }
                () = &mut replaced => return LinkError::Replaced,
                turn = poll_fn(|cx| scratch::with(|scratch| self.turn(cx, scratch))) => match turn {
                    Ok(Progress::Done) => {}
                    Ok(Progress::More) => yield_now().await,
                    Err(reason) => return reason,
                },
                () = work.notified() => {}
                _ = ticks.tick() => {
                    if self.heard.elapsed() >= SILENCE {
                        return LinkError::Silent;
                    }
                    self.say_that_we_live();
                }
            }
        }
    }

    fn neighbour(&self) -> &'n Neighbour {
        &self.node.neighbours[self.id]
    }

    fn metrics(&self) -> &'n PeerMetrics {
        &self.node.metrics.peers[self.id]
    }

    /// Reads what is there and writes what waits; pending if that is nothing.
    fn turn(&mut self, cx: &mut Context<'_>, scratch: &mut Scratch) -> Poll<Result<Progress, LinkError>> {
        let read = self.read(cx, scratch)?;
        let written = self.write(cx, &mut scratch.log)?;
        match (read, written) {
            (None, None) => Poll::Pending,
            (Some(Progress::More), _) | (_, Some(Progress::More)) => Poll::Ready(Ok(Progress::More)),
            _ => Poll::Ready(Ok(Progress::Done)),
        }
    }

    fn read(&mut self, cx: &mut Context<'_>, scratch: &mut Scratch) -> Result<Option<Progress>, LinkError> {
        let Scratch { input, log, wake, .. } = scratch;
        let Poll::Ready(count) = scratch::poll_read(&mut self.stream, cx, input)? else { return Ok(None) };
        if count == 0 {
            return Err(LinkError::Closed);
        }
        self.metrics().bytes.received.increment(count as u64);
        self.heard = Instant::now();
        self.take_in(&input[..count], log, wake);
        Ok(Some(if count == input.len() { Progress::More } else { Progress::Done }))
    }

    /// Takes in the lines that have arrived. A line that has not ended waits for its end; at
    /// the end of the stream it is dropped, for it may be mutilated.
    fn take_in(&mut self, mut input: &[u8], log: &mut Batch, wake: &mut Wake) {
        let (node, neighbour, metrics) = (self.node, self.neighbour(), self.metrics());
        let now = node.clock.now();
        log.begin(&node.log, now);
        while let Some(line) = self.reader.next_line(&mut input) {
            let (Line::Whole(bytes) | Line::Unended(bytes) | Line::TooLong(bytes)) = line;
            log.line(neighbour.name.as_str(), Direction::Read, bytes);
            match PeerLine::parse(bytes) {
                PeerLine::At(_) if neighbour.role == Role::Observer => {}
                PeerLine::At(_) if matches!(line, Line::TooLong(_)) => {
                    metrics.flood_received.of(Received::Invalid).increment(1);
                }
                PeerLine::At(bytes) => *wake |= learn(node, self.id, bytes, now),
                PeerLine::Ping => {}
                PeerLine::Done => neighbour.change_link(|link| link.caught_up = true),
                PeerLine::Unknown => metrics.unknown_lines.increment(1),
            }
        }
        node.log.append(log);
        node.wake(std::mem::take(wake));
    }

    /// Writes what waits, as far as the neighbour takes it.
    fn write(&mut self, cx: &mut Context<'_>, log: &mut Batch) -> io::Result<Option<Progress>> {
        let filled = if self.output.is_empty() { self.fill(log) } else { Progress::Done };
        if self.output.is_empty() {
            return Ok(None);
        }
        let count = scratch::write_some(&mut self.stream, cx, &self.output[self.written..])?;
        self.metrics().bytes.sent.increment(count as u64);
        self.written += count;
        if self.written == self.output.len() {
            self.output.clear();
            self.written = 0;
            return Ok(Some(filled));
        }
        Ok((count > 0).then_some(Progress::Done))
    }

    /// Fills the empty output with what waits, what is live first.
    fn fill(&mut self, log: &mut Batch) -> Progress {
        let (name, metrics) = (self.neighbour().name.as_str(), self.metrics());
        log.begin(&self.node.log, self.node.clock.now());
        let mut catch_up = 0;
        let mut flood = self.node.flood();
        while self.output.len() < BATCH && catch_up < CATCH_UP_BATCH {
            let Some(next) = flood.next(self.id) else { break };
            let line = match &next {
                Next::Live(update) => {
                    metrics.flood_sent.increment(1);
                    update.line().bytes()
                }
                Next::CatchUp(update) => {
                    metrics.sync_sent.increment(1);
                    catch_up += update.line().bytes().len();
                    update.line().bytes()
                }
                Next::CaughtUp => DONE.trim_ascii_end(),
            };
            log.line(name, Direction::Written, line);
            self.output.extend_from_slice(line);
            self.output.push(b'\n');
        }
        drop(flood);
        self.node.log.append(log);
        if catch_up < CATCH_UP_BATCH && self.output.len() < BATCH { Progress::Done } else { Progress::More }
    }

    fn say_that_we_live(&mut self) {
        if self.output.is_empty() {
            self.output.extend_from_slice(PING);
            let mut log = Batch::default();
            log.begin(&self.node.log, self.node.clock.now());
            log.line(self.neighbour().name.as_str(), Direction::Written, PING.trim_ascii_end());
            self.node.log.append(&mut log);
        }
    }

    /// Sends all that waits and closes our side.
    async fn flush(&mut self) -> io::Result<()> {
        let mut flushed = |cx: &mut Context<'_>| {
            scratch::with(|scratch| {
                loop {
                    match self.write(cx, &mut scratch.log) {
                        Ok(Some(_)) => {}
                        Ok(None) if self.output.is_empty() => return Poll::Ready(Ok(())),
                        Ok(None) => return Poll::Pending,
                        Err(error) => return Poll::Ready(Err(error)),
                    }
                }
            })
        };
        poll_fn(&mut flushed).await?;
        self.stream.shutdown().await
    }
}

/// Takes in a neighbour's update and offers it to the others.
fn learn(node: &Node, from: NeighbourId, bytes: &[u8], now: UnixTime) -> Wake {
    let received = &node.metrics.peers[from].flood_received;
    let Some(line) = AtLine::parse(bytes) else {
        received.of(Received::Invalid).increment(1);
        return Wake::default();
    };
    let (outcome, wake) = node.flood().offer(line, Some(from));
    match outcome {
        Outcome::Fresh => {
            received.of(Received::Fresh).increment(1);
            node.metrics.origin(line.origin()).applied(now.difference(line.receipt()));
        }
        Outcome::Stale | Outcome::BelowFloor => received.of(Received::Stale).increment(1),
    }
    wake
}
