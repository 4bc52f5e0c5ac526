//! Replies in the order of their commands, and how long each took.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use metrics::Histogram;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::metrics::{Family, Kind, Label};
use crate::places::{Answer, cut_short};
use crate::protocol::update::Update;

/// What a client is to get. Its size is bounded by whoever adds to it, see
/// [`Answering::has_room`](super::answer::Answering::has_room).
#[derive(Debug, Default)]
pub(super) struct Replies {
    /// Replies, and the rest of one, that the socket has not taken yet.
    unsent: Vec<u8>,
    /// Bytes that were ever handed over for sending, and bytes of those that were sent.
    handed_over: u64,
    sent: u64,
    /// Behind `unsent`: the first of these is not ready, or there was no room for it.
    waiting: VecDeque<Waiting>,
    /// Bytes of the replies among `waiting` that are ready.
    waiting_bytes: usize,
    /// Replies within `unsent`, in order.
    unmeasured: VecDeque<Measure>,
}

/// A reply that cannot be sent before those in front of it.
#[derive(Debug)]
pub(super) enum Waiting {
    /// It is ready.
    Ready {
        /// The reply.
        bytes: Vec<u8>,
        /// What it answers.
        kind: Kind,
        /// When that was read.
        started: Instant,
    },
    /// Places is asked for it.
    Places {
        /// The update that was known when the command was executed.
        update: Update,
        /// Results at most.
        bound: usize,
        /// What Places says.
        answer: oneshot::Receiver<Answer>,
        /// When the command was read.
        started: Instant,
    },
}

/// Replies of one kind to commands of one read, up to a position of the stream.
#[derive(Debug)]
struct Measure {
    end: u64,
    kind: Kind,
    started: Instant,
    replies: u32,
}

/// Replies to the commands of one read that went out at once, by kind.
#[derive(Debug, Default)]
pub(super) struct Tally([u32; Kind::ALL.len()]);

impl Tally {
    pub(super) fn count(&mut self, kind: Kind) {
        self.0[kind.place()] += 1;
    }
}

impl Replies {
    /// Whether everything was sent.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.unsent.is_empty()
    }

    /// Commands whose replies wait for one that is not ready.
    pub(super) fn in_work(&self) -> usize {
        self.waiting.len()
    }

    /// Bytes of replies that are ready and not sent.
    pub(super) fn bytes(&self) -> usize {
        self.unsent.len() + self.waiting_bytes
    }

    /// What is to be sent next.
    pub(super) fn unsent(&self) -> &[u8] {
        &self.unsent
    }

    /// Puts a reply behind all others.
    pub(super) fn push(&mut self, waiting: Waiting) {
        if let Waiting::Ready { bytes, .. } = &waiting {
            self.waiting_bytes += bytes.len();
        }
        self.waiting.push_back(waiting);
    }

    /// Moves the first reply that waits to what is to be sent, if it is ready, and returns it.
    pub(super) fn settle_first(&mut self, cx: &mut Context<'_>) -> Option<&[u8]> {
        let start = self.unsent.len();
        let (kind, started) = match self.waiting.front_mut()? {
            Waiting::Ready { bytes, kind, started } => {
                self.unsent.extend_from_slice(bytes);
                self.waiting_bytes -= bytes.len();
                (*kind, *started)
            }
            Waiting::Places { update, bound, answer, started } => {
                let Poll::Ready(answer) = Pin::new(answer).poll(cx) else { return None };
                self.unsent.extend_from_slice(update.line().bytes());
                self.unsent.push(b'\n');
                // Nobody answers only if the task that was to do so panicked.
                answer.unwrap_or_else(|_| cut_short()).write(*bound, &mut self.unsent);
                self.unsent.extend_from_slice(b"\n\n");
                (Kind::Whatsat, *started)
            }
        };
        self.waiting.pop_front();
        self.handed_over += (self.unsent.len() - start) as u64;
        self.measure_later(kind, started, 1);
        Some(&self.unsent[start..])
    }

    /// Gives up on Places: what waits for it is answered without.
    pub(super) fn cut_short(&mut self) {
        for waiting in &mut self.waiting {
            if let Waiting::Places { answer, .. } = waiting {
                let (sender, receiver) = oneshot::channel();
                // The receiver is right here, so this cannot fail.
                let _ = sender.send(cut_short());
                *answer = receiver;
            }
        }
    }

    /// Takes over the replies of one read, of which the first `written` bytes are sent.
    pub(super) fn hand_over(
        &mut self,
        replies: &[u8],
        written: usize,
        started: Instant,
        tally: &Tally,
        durations: &Family<Kind, Histogram>,
    ) {
        self.unsent.extend_from_slice(&replies[written..]);
        self.handed_over += replies.len() as u64;
        self.sent += written as u64;
        for &kind in Kind::ALL {
            let replies = tally.0[kind.place()];
            if replies > 0 && self.unsent.is_empty() {
                record(durations.of(kind), started.elapsed(), replies);
            } else if replies > 0 {
                self.measure_later(kind, started, replies);
            }
        }
    }

    /// The first `count` bytes of what is to be sent are sent.
    pub(super) fn sent(&mut self, count: usize, durations: &Family<Kind, Histogram>) {
        self.unsent.drain(..count);
        self.sent += count as u64;
        while let Some(measure) = self.unmeasured.pop_front_if(|measure| measure.end <= self.sent) {
            record(durations.of(measure.kind), measure.started.elapsed(), measure.replies);
        }
        if self.unsent.is_empty() {
            self.unsent = Vec::new();
            self.unmeasured = VecDeque::new();
        }
    }

    fn measure_later(&mut self, kind: Kind, started: Instant, replies: u32) {
        self.unmeasured.push_back(Measure { end: self.handed_over, kind, started, replies });
    }
}

fn record(histogram: &Histogram, duration: Duration, replies: u32) {
    for _ in 0..replies {
        histogram.record(duration);
    }
}
