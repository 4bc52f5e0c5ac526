//! What becomes of replies: they are judged, measured and shown.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use crate::clock::wall;
use crate::connection::Expected;
use crate::live::{Counted, Live, Recent};
use crate::measure::nanos;
use crate::oracle::{Answer, ClientId, Oracle, Question, ServerId, Span, Wrong};
use crate::plan::{Operation, Plan};
use crate::record::{Counts, Record};

/// A command that a client has sent.
#[derive(Debug)]
pub(super) enum Command {
    /// Its place, with a stamp.
    Iamat {
        /// Who.
        client: ClientId,
        /// In nanoseconds since the epoch.
        stamp: u64,
    },
    /// A question about a client of the same oracle.
    Whatsat(Question),
    /// A question about a client that does not exist: the command, without its LF.
    Unknown(Vec<u8>),
}

impl Command {
    const fn operation(&self) -> Operation {
        match self {
            Self::Iamat { .. } => Operation::Iamat,
            Self::Whatsat(_) | Self::Unknown(_) => Operation::Whatsat,
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
}

impl Judge {
    pub(super) fn new(plan: &Plan, oracle: Oracle, live: Arc<Live>) -> Self {
        let measured = nanos(plan.warm_up)..nanos(plan.warm_up + plan.duration);
        let (record, unsent, shown) = Default::default();
        Self { oracle, record, measured, live, unsent, shown, recent: Recent::new(plan.servers.len()) }
    }

    /// Judges and measures a server's reply that was read at `now`.
    pub(super) fn reply(&mut self, server: ServerId, expected: &Expected<Command>, reply: &[u8], now: u64) {
        let judgement = match &expected.command {
            Command::Iamat { client, stamp } => {
                let span = Span { written: *stamp, read: wall() };
                let judgement = self.oracle.acknowledge(*client, *stamp, reply, span, now);
                self.record.counts.acknowledged += u64::from(judgement.is_ok());
                judgement.map(|()| Answer::Current)
            }
            Command::Whatsat(question) => self.oracle.judge(question, reply),
            Command::Unknown(command) => Oracle::judge_invalid(command, reply).map(|()| Answer::Current),
        };
        self.recent.judged(server, &judgement);
        self.record.judged(judgement);
        let written = expected.written.unwrap_or(now);
        self.recent.reply(expected.command.operation(), server, expected.due, written, now);
        if self.measured.contains(&expected.due) {
            self.record.latencies(expected.command.operation()).record(expected.due, written, now);
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
                self.record.latencies(expected.command.operation()).record_timeout(expected.due, now);
            }
        }
    }

    /// Shows what has come since the last time.
    pub(super) fn show(&mut self) {
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
