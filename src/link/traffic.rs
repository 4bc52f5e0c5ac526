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
use crate::flood::{Heard, NeighbourId, Wake, Way};
use crate::io_log::{Batch, Direction};
use crate::metrics::{PeerMetrics, Received};
use crate::node::{Neighbour, Node};
use crate::protocol::line::{Line, LineReader};
use crate::protocol::peer::PING;
use crate::protocol::time::UnixTime;
use crate::scratch::{self, Progress, Scratch};
use crate::sync::Said;

/// How often we say that we live.
const KEEPALIVE: Duration = Duration::from_secs(1);
/// A neighbour that was silent for this long is taken for dead.
pub(super) const SILENCE: Duration = Duration::from_secs(5);
/// Bytes of live updates that are put into one write.
const LIVE_BATCH: usize = 48 << 10;
/// Bytes behind them that bring the neighbour up to date: what is live never waits behind more
/// than that and a line here.
const CATCH_UP_BATCH: usize = 16 << 10;
/// How long after a link has formed, and then after each time, stores are compared again.
pub(super) const BACKGROUND_ROUND: Duration = Duration::from_secs(30);
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
    /// When stores are compared again.
    next_round: Instant,
    /// Updates that a round has found missing here, and that no notice has told of yet.
    diverged: u64,
}

impl<'n, S: AsyncRead + AsyncWrite + Unpin> Traffic<'n, S> {
    pub(super) fn new(node: &'n Node, id: NeighbourId, stream: S) -> Self {
        let now = Instant::now();
        Self {
            node,
            id,
            stream,
            reader: LineReader::new(node.peer_line),
            output: Vec::new(),
            written: 0,
            heard: now,
            next_round: now + BACKGROUND_ROUND,
            diverged: 0,
        }
    }

    /// Runs the link until it ends, and says why it did. `early` came behind HELLO.
    pub(super) async fn run(
        mut self,
        early: &[u8],
        stop: &CancellationToken,
        replaced: &CancellationToken,
    ) -> LinkError {
        if let Err(reason) = scratch::with(|scratch| self.take_in(early, &mut scratch.log, &mut scratch.wake)) {
            return reason;
        }
        // Polled only when there is nothing else to do, so traffic must not go on without an end.
        let is_over = || stop.is_cancelled() || replaced.is_cancelled();
        let mut stopped = pin!(stop.cancelled());
        let mut replaced = pin!(replaced.cancelled());
        let mut ticks = interval(KEEPALIVE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let work = &self.neighbour().work;
        loop {
            tokio::select! {
                biased;
                turn = poll_fn(|cx| scratch::with(|scratch| self.turn(cx, scratch))), if !is_over() => match turn {
                    Ok(Progress::Done) => {}
                    Ok(Progress::More) => yield_now().await,
                    Err(reason) => return reason,
                },
                () = work.notified() => {}
                () = &mut stopped => {
                    // What cannot be sent in time is what the neighbour asks for on our return.
                    let _ = timeout(FLUSH, self.flush()).await;
                    return LinkError::Stopping;
                }
                () = &mut replaced => return LinkError::Replaced,
                _ = ticks.tick() => {
                    if self.heard.elapsed() >= SILENCE {
                        return LinkError::Silent;
                    }
                    self.begin_round_if_due();
                    self.tell_of_divergence();
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
        self.take_in(&input[..count], log, wake)?;
        Ok(Some(if count == input.len() { Progress::More } else { Progress::Done }))
    }

    /// Takes in the lines that have arrived. A line that has not ended waits for its end; at
    /// the end of the stream it is dropped, for it may be mutilated.
    fn take_in(&mut self, mut input: &[u8], log: &mut Batch, wake: &mut Wake) -> Result<(), LinkError> {
        let (node, metrics) = (self.node, self.metrics());
        let name = self.neighbour().name.as_str();
        let now = node.clock.now();
        log.begin(&node.log, now);
        let mut result = Ok(());
        while let Some(line) = self.reader.next_line(&mut input) {
            let (Line::Whole(bytes) | Line::Unended(bytes) | Line::TooLong(bytes)) = line;
            log.line(name, Direction::Read, bytes);
            if matches!(line, Line::TooLong(_)) {
                metrics.flood_received.of(Received::Invalid).increment(1);
                continue;
            }
            let heard = node.flood().hear(self.id, bytes, now);
            match heard {
                Ok((heard, links)) => {
                    *wake |= links;
                    self.diverged += u64::from(note(node, self.id, heard, now));
                }
                Err(overasked) => {
                    result = Err(overasked.into());
                    break;
                }
            }
        }
        node.log.append(log);
        node.wake(std::mem::take(wake));
        result
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

    /// Fills the empty output with what waits: live updates first, and then some of what brings
    /// the neighbour up to date, so that neither ever waits for the other to end.
    fn fill(&mut self, log: &mut Batch) -> Progress {
        let (name, metrics) = (self.neighbour().name.as_str(), self.metrics());
        let now = self.node.clock.now();
        log.begin(&self.node.log, now);
        let out = &mut self.output;
        let mut flood = self.node.flood();
        while out.len() < LIVE_BATCH
            && let Some(update) = flood.next_live(self.id)
        {
            let line = update.line().bytes();
            log.line(name, Direction::Written, line);
            out.extend_from_slice(line);
            out.push(b'\n');
            metrics.flood_sent.increment(1);
        }
        let live = out.len();
        while out.len() < live + CATCH_UP_BATCH {
            let start = out.len();
            let Some(said) = flood.catch_up(self.id, now, out) else { break };
            log.lines(name, Direction::Written, &out[start..]);
            metrics.sync_sent_bytes.increment((out.len() - start) as u64);
            match said {
                Said::Entry => metrics.sync_sent.increment(1),
                Said::Bucket => metrics.sync_listed_buckets.increment(1),
                Said::Other => {}
            }
        }
        drop(flood);
        self.node.log.append(log);
        if live < LIVE_BATCH && out.len() < live + CATCH_UP_BATCH { Progress::Done } else { Progress::More }
    }

    /// Compares stores with the neighbour once more, if it is time and ours to begin.
    fn begin_round_if_due(&mut self) {
        if self.next_round <= Instant::now() {
            self.next_round = Instant::now() + BACKGROUND_ROUND;
            if self.node.flood().begin_round(self.id) {
                self.metrics().sync_rounds.increment(1);
            }
        }
    }

    /// Tells people of what was missing here, if that has not been said yet.
    fn tell_of_divergence(&mut self) {
        if self.diverged > 0 {
            let updates = std::mem::take(&mut self.diverged);
            let what = format!("{updates} updates were missing here that {} had: repaired", self.neighbour().name);
            self.node.notice(&self.neighbour().name, &what);
        }
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

/// Counts what a line from a neighbour was; returns whether it was found missing here by a round
/// in the background.
fn note(node: &Node, from: NeighbourId, heard: Heard<'_>, now: UnixTime) -> bool {
    let metrics = &node.metrics.peers[from];
    match heard {
        Heard::Fresh { line, way } => {
            metrics.flood_received.of(Received::Fresh).increment(1);
            match way {
                Way::Flooded => node.metrics.origin(line.origin()).applied(now.difference(line.receipt())),
                Way::CaughtUp => {}
                Way::Diverged => {
                    metrics.divergence.increment(1);
                    return true;
                }
            }
        }
        Heard::Stale => metrics.flood_received.of(Received::Stale).increment(1),
        Heard::Invalid => metrics.flood_received.of(Received::Invalid).increment(1),
        Heard::RoundBegan => metrics.sync_rounds.increment(1),
        Heard::CaughtUp => node.neighbours[from].change_link(|link| link.caught_up = true),
        Heard::Unknown => metrics.unknown_lines.increment(1),
        Heard::Nothing => {}
    }
    false
}
