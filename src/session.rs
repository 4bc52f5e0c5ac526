//! One client connection, from its first byte to its last.
//!
//! A session works in turns: it settles what waited, writes what it has, reads what is there,
//! and answers that with one write. Between turns an idle connection holds no buffer.

mod admission;
mod answer;
mod replies;
mod whatsat_quota;

use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::task::yield_now;
use tokio::time::{Instant, Sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

pub use self::admission::Admission;
use self::admission::Room;
use self::answer::{Answering, Turn};
use self::whatsat_quota::TotalQuota;
use crate::config::Limits;
use crate::metrics::{Closed, Rejected};
use crate::node::Node;
use crate::places::Places;
use crate::protocol::line::LineReader;
use crate::scratch::{self, Progress, Scratch};

/// How long Places may take once the server stops; then its questions are answered without it.
const CUT_AFTER: Duration = Duration::from_secs(2);
/// How long a connection that we close stays open for the client to read what is on its way.
const LINGER: Duration = Duration::from_millis(500);

/// What all sessions of a server share.
#[derive(Debug)]
pub struct Service {
    /// The server.
    pub node: Arc<Node>,
    /// Its Places client.
    pub places: Places,
    /// Its bounds.
    pub limits: Limits,
    /// Close each connection once what was read is answered (`--close-after-reply`).
    pub close_after_reply: bool,
    room: Room,
    whatsat_quota: TotalQuota,
}

impl Service {
    /// The service of a server, with room for the connections that `limits` allows.
    #[must_use]
    pub fn new(node: Arc<Node>, places: Places, limits: Limits, close_after_reply: bool) -> Self {
        let (room, whatsat_quota) = (Room::new(&limits), TotalQuota::new(&limits));
        Self { node, places, limits, close_after_reply, room, whatsat_quota }
    }

    /// Room for one more connection, from `address`, for as long as the admission is held.
    ///
    /// # Errors
    /// Why there is none: as many as may be are open, in all or from there.
    pub fn admit(&self, address: IpAddr) -> Result<Admission, Rejected> {
        self.room.admit(address)
    }

    /// Connections that are open.
    #[must_use]
    pub fn open_connections(&self) -> usize {
        self.limits.connections - self.room.free()
    }
}

/// Serves a client until either side is done, and says why it ended.
///
/// Borrows all that it needs: what an async function is given has its room twice in the future,
/// and there is one for each connection.
pub async fn run<S>(stream: &mut S, service: &Service, connection: u64, stop: &CancellationToken) -> Closed
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let closed = Session::new(service, connection).serve(stream, stop).await;
    if matches!(closed, Closed::AfterReply | Closed::Shutdown) {
        // The connection is closed in any case.
        let _ = timeout(LINGER, part(stream)).await;
    }
    closed
}

/// Closes our side and reads until the client has closed its own: closing with bytes unread
/// would reset the connection, and replies on their way could be lost.
async fn part<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) -> io::Result<()> {
    stream.shutdown().await?;
    let mut read = |cx: &mut Context<'_>| scratch::with(|scratch| scratch::poll_read(stream, cx, &mut scratch.input));
    while poll_fn(&mut read).await? > 0 {}
    Ok(())
}

struct Session<'s> {
    limits: &'s Limits,
    reader: LineReader,
    /// What was read and waits until there is room for its replies.
    unprocessed: Vec<u8>,
    /// Bytes at the front of `unprocessed` that are answered already.
    processed: usize,
    answering: Answering<'s>,
    /// Why nothing more will be read.
    ended: Option<Closed>,
    /// The server stops.
    stopping: bool,
    /// When the line that is unfinished began.
    line_began: Option<Instant>,
    /// Since when the client has taken none of the replies that wait for it.
    unread_since: Option<Instant>,
    /// When Places is no longer waited for.
    cut_at: Option<Instant>,
}

impl<'s> Session<'s> {
    fn new(service: &'s Service, connection: u64) -> Self {
        Self {
            limits: &service.limits,
            reader: LineReader::new(service.limits.line),
            unprocessed: Vec::new(),
            processed: 0,
            answering: Answering::new(service, connection),
            ended: None,
            stopping: false,
            line_began: None,
            unread_since: None,
            cut_at: None,
        }
    }

    async fn serve<S>(&mut self, stream: &mut S, stop: &CancellationToken) -> Closed
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut stopped = pin!(stop.cancelled());
        let mut alarm = Alarm::default();
        loop {
            alarm.set(self.deadline());
            tokio::select! {
                biased;
                turn = poll_fn(|cx| scratch::with(|scratch| self.turn(stream, cx, scratch))) => match turn {
                    Ok(Progress::Done) => {}
                    Ok(Progress::More) => yield_now().await,
                    Err(_) => return Closed::Error,
                },
                () = &mut stopped, if !self.stopping => self.stop(),
                () = alarm.rings() => {
                    if let Some(closed) = self.time_is_up() {
                        return closed;
                    }
                }
            }
            let all_answered = self.unprocessed.is_empty() && self.answering.replies.is_empty();
            if let Some(closed) = self.ended.filter(|_| all_answered) {
                return closed;
            }
        }
    }

    /// Does what can be done now; pending if that is nothing.
    fn turn<S>(&mut self, stream: &mut S, cx: &mut Context<'_>, scratch: &mut Scratch) -> Poll<io::Result<Progress>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let settled = self.answering.settle(cx, scratch);
        let sent = self.send_unsent(stream, cx)?;
        if self.answering.has_room(0) {
            if let Some(progress) = self.take_input(stream, cx, scratch)? {
                return Poll::Ready(Ok(progress));
            }
        } else if self.line_began.is_some() {
            // The client cannot finish its line while we do not read.
            self.line_began = Some(Instant::now());
        }
        if settled || sent { Poll::Ready(Ok(Progress::Done)) } else { Poll::Pending }
    }

    /// Writes what an earlier turn could not.
    fn send_unsent<S: AsyncWrite + Unpin>(&mut self, stream: &mut S, cx: &mut Context<'_>) -> io::Result<bool> {
        let unsent = self.answering.replies.unsent();
        if unsent.is_empty() {
            return Ok(false);
        }
        let written = scratch::write_some(stream, cx, unsent)?;
        self.answering.sent(written);
        self.note_unread(written > 0);
        Ok(written > 0)
    }

    fn note_unread(&mut self, progress: bool) {
        if self.answering.replies.unsent().is_empty() {
            self.unread_since = None;
        } else if progress || self.unread_since.is_none() {
            self.unread_since = Some(Instant::now());
        }
    }

    /// Answers what waited for room, or what can be read, with one write.
    fn take_input<S>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
        scratch: &mut Scratch,
    ) -> io::Result<Option<Progress>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let Scratch { input: buffer, output, log, wake } = scratch;
        let waited = std::mem::take(&mut self.unprocessed);
        let input = if !waited.is_empty() {
            &waited[self.processed..]
        } else if self.ended.is_some() {
            return Ok(None);
        } else {
            let Poll::Ready(count) = scratch::poll_read(stream, cx, buffer)? else { return Ok(None) };
            self.answering.received(count);
            if count == 0 {
                self.ended = Some(Closed::Client);
            }
            &buffer[..count]
        };
        let progress = if input.len() < buffer.len() { Progress::Done } else { Progress::More };
        let node = &self.answering.service().node;
        let mut turn = Turn::begin(node, output, log, wake);
        let rest = self.answer_lines(input, &mut turn);
        let tally = turn.end(node);
        if waited.is_empty() {
            (self.unprocessed, self.processed) = (rest.to_vec(), 0);
        } else if !rest.is_empty() {
            (self.processed, self.unprocessed) = (waited.len() - rest.len(), waited);
        }

        let mut written = 0;
        if self.answering.replies.unsent().is_empty() {
            written = scratch::write_some(stream, cx, output)?;
        }
        self.answering.hand_over(output, written, tally);
        self.note_unread(written > 0);
        Ok(Some(progress))
    }

    /// Answers lines as long as there is room for replies, and returns the rest.
    fn answer_lines<'i>(&mut self, mut input: &'i [u8], turn: &mut Turn<'_>) -> &'i [u8] {
        let mut ended_a_line = false;
        while self.answering.has_room(turn.output.len()) {
            let Some(line) = self.reader.next_line(&mut input) else { break };
            self.answering.answer(line, turn);
            ended_a_line = true;
        }
        if self.ended == Some(Closed::Client) && input.is_empty() {
            if let Some(last) = self.reader.finish() {
                self.answering.answer(last, turn);
            }
        } else if self.answering.service().close_after_reply && ended_a_line && self.ended.is_none() {
            self.ended = Some(Closed::AfterReply);
        }
        if !self.reader.is_unfinished() {
            self.line_began = None;
        } else if ended_a_line || self.line_began.is_none() {
            self.line_began = Some(turn.started);
        }
        input
    }

    fn stop(&mut self) {
        self.stopping = true;
        self.ended.get_or_insert(Closed::Shutdown);
        self.cut_at = Some(Instant::now() + CUT_AFTER);
    }

    /// The next moment at which something is given up.
    fn deadline(&self) -> Option<Instant> {
        let unfinished =
            self.line_began.filter(|_| self.ended.is_none()).map(|began| began + self.limits.unfinished_line);
        let unread = self.unread_since.map(|since| since + self.limits.unread_timeout);
        [unfinished, unread, self.cut_at].into_iter().flatten().min()
    }

    /// Gives up what is due; a reason if that is the connection.
    fn time_is_up(&mut self) -> Option<Closed> {
        let now = Instant::now();
        if self.cut_at.is_some_and(|cut| cut <= now) {
            self.cut_at = None;
            self.answering.replies.cut_short();
            return None;
        }
        let unread = self.unread_since.is_some_and(|since| since + self.limits.unread_timeout <= now);
        Some(if unread { Closed::UnreadReplies } else { Closed::UnfinishedLine })
    }
}

/// A deadline, which most connections do not have: a timer is large, and is made only for one.
#[derive(Default)]
struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    fn set(&mut self, deadline: Option<Instant>) {
        match (deadline, &mut self.0) {
            (None, timer) => *timer = None,
            (Some(deadline), None) => self.0 = Some(Box::pin(sleep_until(deadline))),
            (Some(deadline), Some(timer)) if timer.deadline() != deadline => timer.as_mut().reset(deadline),
            (Some(_), Some(_)) => {}
        }
    }

    async fn rings(&mut self) {
        match &mut self.0 {
            Some(timer) => timer.await,
            None => std::future::pending().await,
        }
    }
}
