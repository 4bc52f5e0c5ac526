//! From a line to its reply.

use std::task::Context;

use tokio::time::Instant;

use super::Service;
use super::replies::{Replies, Tally, Waiting};
use super::whatsat_quota::{OwnQuota, refusal};
use crate::flood::Wake;
use crate::io_log::{Batch, Direction};
use crate::metrics::{ClientMetrics, Kind, QuotaScope};
use crate::node::Node;
use crate::places::Query;
use crate::protocol::command::{Command, Iamat, Invalid, Whatsat};
use crate::protocol::line::Line;
use crate::protocol::places_json::NO_RESULTS;
use crate::protocol::time::UnixTime;
use crate::protocol::update::{AtLine, Update};
use crate::scratch::Scratch;

/// What the commands of one read have in common.
pub(super) struct Turn<'t> {
    pub(super) output: &'t mut Vec<u8>,
    log: &'t mut Batch,
    wake: &'t mut Wake,
    /// When they were read, by the wall clock: their time of receipt.
    receipt: UnixTime,
    /// The same by the clock that measures spans.
    pub(super) started: Instant,
    tally: Tally,
}

impl<'t> Turn<'t> {
    pub(super) fn begin(node: &Node, output: &'t mut Vec<u8>, log: &'t mut Batch, wake: &'t mut Wake) -> Self {
        let receipt = node.clock.now();
        log.begin(&node.log, receipt);
        Self { output, log, wake, receipt, started: Instant::now(), tally: Tally::default() }
    }

    /// Hands over the log and wakes the links, before any reply is written: an accepted update
    /// is on its way when its client learns that it was accepted (SPEC 2).
    pub(super) fn end(self, node: &Node) -> (Instant, Tally) {
        node.log.append(self.log);
        node.wake(std::mem::take(self.wake));
        (self.started, self.tally)
    }
}

/// Answers one connection's lines.
pub(super) struct Answering<'s> {
    service: &'s Service,
    /// The connection's name in the log.
    who: String,
    pub(super) replies: Replies,
    quota: OwnQuota,
}

impl<'s> Answering<'s> {
    pub(super) fn new(service: &'s Service, connection: u64) -> Self {
        Self { service, who: format!("c{connection}"), replies: Replies::default(), quota: OwnQuota::default() }
    }

    pub(super) fn service(&self) -> &'s Service {
        self.service
    }

    fn metrics(&self) -> &'s ClientMetrics {
        &self.service.node.metrics.clients
    }

    /// So many bytes were read.
    pub(super) fn received(&self, count: usize) {
        self.metrics().bytes.received.increment(count as u64);
    }

    /// Whether one more command may be taken up while `output` bytes of replies are at hand.
    pub(super) fn has_room(&self, output: usize) -> bool {
        let limits = &self.service.limits;
        self.replies.in_work() < limits.pipelined && self.replies.bytes() + output < limits.unread_replies
    }

    /// Answers a line, in order: into the turn's output, or behind replies that are not ready.
    pub(super) fn answer(&mut self, line: Line<'_>, turn: &mut Turn<'_>) {
        let (bytes, command) = match line {
            Line::Whole(bytes) | Line::Unended(bytes) => (bytes, Command::parse(bytes)),
            Line::TooLong(bytes) => (bytes, Err(Invalid::TooLong)),
        };
        turn.log.line(&self.who, Direction::Read, bytes);
        let rejected = match command {
            Ok(Command::Iamat(iamat)) => self.locate(&iamat, turn),
            Ok(Command::Whatsat(whatsat)) => self.look_around(&whatsat, turn),
            Err(reason) => Err(reason),
        };
        if let Err(reason) = rejected {
            self.metrics().invalid.of(reason).increment(1);
            // CR LF is a line's end only where there is an LF, and where it is all there.
            let without_cr = matches!(line, Line::Whole(_)).then(|| bytes.strip_suffix(b"\r")).flatten();
            self.reject(without_cr.unwrap_or(bytes), turn);
        }
    }

    fn locate(&mut self, iamat: &Iamat<'_>, turn: &mut Turn<'_>) -> Result<(), Invalid> {
        let node = &self.service.node;
        let start = turn.output.len();
        let line = AtLine::write(turn.output, &node.name, turn.receipt, iamat);
        let (_, wake) = node.flood().offer(line, None);
        *turn.wake |= wake;
        turn.output.push(b'\n');
        self.reply(Kind::Iamat, start, turn);
        Ok(())
    }

    /// The AT line and the location are those of this moment, whatever is learnt while Places
    /// is asked.
    fn look_around(&mut self, whatsat: &Whatsat<'_>, turn: &mut Turn<'_>) -> Result<(), Invalid> {
        let known = self.service.node.flood().store().get(whatsat.id.as_bytes()).cloned();
        let update = known.ok_or(Invalid::UnknownClient)?;
        if whatsat.bound == 0 {
            self.reply_without_places(&update, NO_RESULTS, turn);
        } else if let Err(scope) = self.take_from_quota(turn.started) {
            self.metrics().over_quota.of(scope).increment(1);
            self.reply_without_places(&update, &refusal(scope, &self.service.limits), turn);
        } else {
            self.metrics().messages.of(Kind::Whatsat).increment(1);
            let query = Query::new(update.line().location(), whatsat.radius);
            let answer = self.service.places.ask(query);
            self.replies.push(Waiting::Places { update, bound: whatsat.bound, answer, started: turn.started });
        }
        Ok(())
    }

    fn take_from_quota(&mut self, now: Instant) -> Result<(), QuotaScope> {
        self.quota.take(self.service.limits.whatsat_quota, &self.service.whatsat_quota, now)
    }

    fn reply_without_places(&mut self, update: &Update, body: &[u8], turn: &mut Turn<'_>) {
        let start = turn.output.len();
        for part in [update.line().bytes(), b"\n", body, b"\n\n"] {
            turn.output.extend_from_slice(part);
        }
        self.reply(Kind::Whatsat, start, turn);
    }

    fn reject(&mut self, command: &[u8], turn: &mut Turn<'_>) {
        let start = turn.output.len();
        for part in [b"? ", command, b"\n"] {
            turn.output.extend_from_slice(part);
        }
        self.reply(Kind::Invalid, start, turn);
    }

    /// The reply that begins at `start` of the output is complete.
    fn reply(&mut self, kind: Kind, start: usize, turn: &mut Turn<'_>) {
        self.metrics().messages.of(kind).increment(1);
        if self.replies.in_work() == 0 {
            log_reply(turn.log, &self.who, &turn.output[start..]);
            turn.tally.count(kind);
        } else {
            let bytes = turn.output.split_off(start);
            self.replies.push(Waiting::Ready { bytes, kind, started: turn.started });
        }
    }

    /// Moves replies whose turn has come, and that are ready, to what is to be sent.
    pub(super) fn settle(&mut self, cx: &mut Context<'_>, scratch: &mut Scratch) -> bool {
        if self.replies.in_work() == 0 {
            return false;
        }
        let node = &self.service.node;
        scratch.log.begin(&node.log, node.clock.now());
        let mut settled = false;
        while self.replies.unsent().len() < self.service.limits.unread_replies
            && let Some(reply) = self.replies.settle_first(cx)
        {
            log_reply(&mut scratch.log, &self.who, reply);
            settled = true;
        }
        node.log.append(&mut scratch.log);
        settled
    }

    /// Takes over a turn's output, of which the first `written` bytes are sent.
    pub(super) fn hand_over(&mut self, output: &[u8], written: usize, (started, tally): (Instant, Tally)) {
        self.metrics().bytes.sent.increment(written as u64);
        self.replies.hand_over(output, written, started, &tally, &self.metrics().request_duration);
    }

    /// The first `written` bytes of what was unsent are sent.
    pub(super) fn sent(&mut self, written: usize) {
        self.metrics().bytes.sent.increment(written as u64);
        self.replies.sent(written, &self.metrics().request_duration);
    }
}

/// Logs a reply: its first line, and what follows as a Places body.
fn log_reply(log: &mut Batch, who: &str, reply: &[u8]) {
    let first_line = memchr::memchr(b'\n', reply).unwrap_or(reply.len());
    log.line(who, Direction::Written, &reply[..first_line]);
    let body = reply[first_line..].trim_ascii();
    if !body.is_empty() {
        log.body(who, body);
    }
}
