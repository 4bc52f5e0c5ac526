//! What becomes of replies: they are judged, measured and shown.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use crate::clock::Moment;
use crate::connection::Expected;
use crate::live::{Counted, Live, Recent};
use crate::measure::nanos;
use crate::oracle::{Answer, ClientId, Oracle, Question, ServerId, Span, Wrong};
use crate::plan::{Operation, Plan};
use crate::record::{Counts, Record};
use crate::steps::Steps;

/// A command that a client has sent. Most are IAMATs; what the others need is kept elsewhere.
#[derive(Debug)]
pub(super) enum Command {
    /// Its place, with a stamp.
    Iamat {
        /// In nanoseconds since the epoch.
        stamp: u64,
    },
    /// A question about a client of the same oracle.
    Whatsat(Box<Question>),
    /// A question about a client that does not exist: the command, without its LF.
    Unknown(Box<[u8]>),
    /// A line that is no command, without its LF.
    Garbage(Box<[u8]>),
}

impl Command {
    const fn operation(&self) -> Operation {
        match self {
            Self::Iamat { .. } => Operation::Iamat,
            Self::Whatsat(_) | Self::Unknown(_) => Operation::Whatsat,
            Self::Garbage(_) => Operation::Invalid,
        }
    }
}

/// Judges and measures the replies of one thread's clients.
#[derive(Debug)]
pub(super) struct Judge {
    pub(super) oracle: Oracle,
    pub(super) record: Record,
    /// Commands that are due within this time are measured.
    measured: Range<u64>,
    pub(super) live: Arc<Live>,
    /// Commands that could not be sent because no connection stood.
    unsent: u64,
    /// What was shown already.
    shown: Counted,
    /// What was seen since that was last shown.
    recent: Recent,
    /// The times of the last replies, which are not in `recent` and `record` yet, and how many
    /// replies had all of them.
    last: (Times, u64),
}

/// What is measured of a reply. In a pipeline many have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Times {
    operation: Operation,
    server: ServerId,
    due: u64,
    written: u64,
    answered: u64,
}

impl Judge {
    pub(super) fn new(plan: &Plan, oracle: Oracle, live: Arc<Live>) -> Self {
        let measured = nanos(plan.warm_up)..nanos(plan.warm_up + plan.duration);
        let (unsent, shown) = Default::default();
        let record = Record { steps: Steps::new(plan), ..Record::default() };
        let recent = Recent::new(plan.servers.len());
        let none = Times { operation: Operation::Iamat, server: 0, due: 0, written: 0, answered: 0 };
        Self { oracle, record, measured, live, unsent, shown, recent, last: (none, 0) }
    }

    /// Judges and measures a server's reply to a client's command that was read at `now`.
    pub(super) fn reply(
        &mut self,
        client: ClientId,
        server: ServerId,
        expected: &Expected<Command>,
        reply: &[u8],
        now: Moment,
    ) {
        let judgement = match &expected.command {
            Command::Iamat { stamp } => {
                let span = Span { written: *stamp, read: now.wall };
                let judgement = self.oracle.acknowledge(client, *stamp, reply, span, now.run);
                self.record.counts.acknowledged += u64::from(judgement.is_ok());
                judgement.map(|()| Answer::Current)
            }
            Command::Whatsat(question) => self.oracle.judge(question, reply),
            Command::Unknown(line) | Command::Garbage(line) => {
                Oracle::judge_invalid(line, reply).map(|()| Answer::Current)
            }
        };
        self.recent.judged(server, &judgement);
        self.record.judged(judgement);
        let (operation, written) = (expected.command.operation(), expected.written().unwrap_or(now.run));
        let times = Times { operation, server, due: expected.due, written, answered: now.run };
        if times == self.last.0 {
            self.last.1 += 1;
        } else {
            self.measure();
            self.last = (times, 1);
        }
    }

    /// Measures the last replies.
    fn measure(&mut self) {
        let (Times { operation, server, due, written, answered }, count) = self.last;
        if count == 0 {
            return;
        }
        self.last.1 = 0;
        self.recent.replies(operation, server, [due, written, answered], count);
        if self.measured.contains(&due) {
            self.record.latencies(operation).record(due, written, answered, count);
            self.record.steps.record(due - self.measured.start, answered.saturating_sub(due), count);
        }
    }

    /// Bytes came that no command asked for.
    pub(super) fn unexpected(&mut self, server: ServerId, bytes: &[u8]) {
        self.wrong(server, Wrong::new("the server said something that it was not asked".into(), bytes));
    }

    /// A server said something wrong that is no reply to a client's command.
    pub(super) fn wrong(&mut self, server: ServerId, wrong: Wrong) {
        self.recent.wrong(server, &wrong);
        self.record.wrong(wrong);
    }

    /// A command could not be sent because no connection stood.
    pub(super) fn unsent(&mut self, server: ServerId) {
        self.unsent += 1;
        self.failed(server, 1);
    }

    /// Commands that were not sent, or whose connection broke before a reply came.
    fn failed(&mut self, server: ServerId, commands: usize) {
        self.record.counts.failed += commands as u64;
        self.recent.servers[server].failed += commands as u64;
    }

    /// A connection broke while these commands were under way.
    pub(super) fn broke(&mut self, server: ServerId, under_way: &VecDeque<Expected<Command>>, now: u64) {
        self.oracle.connection_lost(server, now);
        self.failed(server, under_way.len());
    }

    /// A connection was given up because a reply took too long: all that was under way on it
    /// counts with the time it had.
    pub(super) fn timed_out(&mut self, server: ServerId, under_way: &VecDeque<Expected<Command>>, now: u64) {
        self.oracle.connection_lost(server, now);
        self.failed(server, under_way.len());
        self.recent.servers[server].timeouts += under_way.len() as u64;
        for expected in under_way {
            if self.measured.contains(&expected.due) {
                self.record.latencies(expected.command.operation()).record_timeout(
                    expected.due,
                    expected.written().unwrap_or(now),
                    now,
                );
                self.record.steps.record(expected.due - self.measured.start, now - expected.due, 1);
            }
        }
    }

    /// Shows what has come since the last time.
    pub(super) fn show(&mut self) {
        self.measure();
        let counts = &self.record.counts;
        let before = &self.shown;
        let offered = counts.sent + self.unsent;
        let new = Counted {
            offered: offered - before.offered,
            answered: counts.answered - before.answered,
            failed: counts.failed - before.failed,
            wrong: counts.wrong - before.wrong,
            lost: counts.lost - before.lost,
        };
        self.live.add(&new, &mut self.recent);
        let Counts { answered, failed, wrong, lost, .. } = *counts;
        self.shown = Counted { offered, answered, failed, wrong, lost };
    }
}
