//! Knows what was said to the herd, and judges what comes back.
//!
//! At the server that has acknowledged an update, or has shown it, an older answer is wrong.
//! Elsewhere it is stale, which is measured, and wrong only where the newer update has been
//! acknowledged for [`GRACE`].

mod body;
mod said;

use std::fmt;

use self::said::{Said, Sent};
use crate::movement::Position;
use crate::wire::{AtFields, difference_of, parse_at, write_operands};

/// How long an acknowledged update may take to become visible at every server, in nanoseconds.
pub const GRACE: u64 = 5_000_000_000;
/// How long a server that dies may have been the only one to hold an update, in nanoseconds.
const HELD_ALONE: u64 = 1_000_000_000;
/// How long updates are remembered that others have replaced everywhere.
const MEMORY: u64 = 2 * GRACE;

/// The number of a client within an oracle.
pub type ClientId = usize;
/// The number of a server within a plan.
pub type ServerId = usize;

/// All that was said about some clients, and what servers have shown of it.
#[derive(Debug)]
pub struct Oracle {
    servers: Vec<Vec<u8>>,
    clients: Vec<Client>,
    /// By client, and within that by server, the greatest stamp that it has acknowledged or shown.
    shown: Vec<Shown>,
    /// Per server when connections to it broke: it may have forgotten what it knew.
    broke: Vec<Vec<u64>>,
    /// How far clocks of servers may be off, in nanoseconds.
    max_skew: i64,
    text: Vec<u8>,
}

#[derive(Debug)]
struct Client {
    id: Box<[u8]>,
    said: Said,
}

#[derive(Debug, Clone, Copy, Default)]
struct Shown {
    /// How often connections to the server had broken then.
    incarnation: usize,
    stamp: u64,
}

/// A WHATSAT that is to be sent.
#[derive(Debug, Clone, Copy)]
pub struct Ask {
    /// The client that is asked about.
    pub about: ClientId,
    /// The server that is asked.
    pub server: ServerId,
    /// Whether the client itself asks, over the connection on which it tells where it is.
    pub on_own_connection: bool,
    /// Kilometres around the client.
    pub radius: u64,
    /// Results at most.
    pub bound: usize,
}

/// A WHATSAT that is under way, with what was known when it was sent.
#[derive(Debug, Clone, Copy)]
pub struct Question {
    /// The client that is asked about.
    pub about: ClientId,
    /// The server that is asked.
    pub server: ServerId,
    /// When, by the run's clock.
    pub asked: u64,
    /// Kilometres around the client.
    pub radius: u64,
    /// Results at most.
    pub bound: usize,
    /// What the server has acknowledged or shown already.
    floor: u64,
}

/// How an answer that is not wrong compares to what was acknowledged when it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Nothing newer had been acknowledged by any server.
    Current,
    /// An update had been acknowledged elsewhere for so many nanoseconds that is not in it.
    Stale(u64),
}

/// When a command was written and its reply read, by the wall clock, in nanoseconds.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    /// When the command was written.
    pub written: u64,
    /// When the reply was read.
    pub read: u64,
}

/// A wrong answer, in a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// The answer was right once: the server has not heard of an update for too long.
    pub is_lost_update: bool,
    /// What is wrong.
    pub what: String,
    /// The reply, shortened and escaped.
    pub reply: String,
}

impl Wrong {
    /// A wrong reply; only its beginning is kept.
    #[must_use]
    pub fn new(what: String, reply: &[u8]) -> Self {
        let shown = &reply[..reply.len().min(200)];
        Self { is_lost_update: false, what, reply: shown.escape_ascii().to_string() }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.reply)
    }
}

fn wrong<T>(what: String, reply: &[u8]) -> Result<T, Wrong> {
    Err(Wrong::new(what, reply))
}

impl Oracle {
    /// An oracle for the given clients and servers, by their names.
    #[must_use]
    pub fn new(servers: Vec<Vec<u8>>, clients: impl Iterator<Item = Vec<u8>>, max_skew: i64) -> Self {
        let clients: Vec<_> = clients.map(|id| Client { id: id.into(), said: Said::default() }).collect();
        let shown = vec![Shown::default(); clients.len() * servers.len()];
        Self { broke: vec![Vec::new(); servers.len()], servers, clients, shown, max_skew, text: Vec::new() }
    }

    /// A client's name.
    #[must_use]
    pub fn id(&self, client: ClientId) -> &[u8] {
        &self.clients[client].id
    }

    /// How many clients there are.
    #[must_use]
    pub fn clients(&self) -> usize {
        self.clients.len()
    }

    /// A client tells a server where it is. Stamps of one client ascend.
    ///
    /// # Panics
    /// If they do not.
    pub fn tell(&mut self, client: ClientId, server: ServerId, stamp: u64, position: Position) {
        self.clients[client].said.add(Sent::new(stamp, position, server, self.broke[server].len()));
    }

    /// Judges the reply to an update, and notes that it was acknowledged at `now`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn acknowledge(
        &mut self,
        client: ClientId,
        stamp: u64,
        reply: &[u8],
        span: Span,
        now: u64,
    ) -> Result<(), Wrong> {
        let known = &mut self.clients[client];
        let Some(sent) = known.said.find(stamp) else {
            return wrong("an update was acknowledged that was forgotten long ago".into(), reply);
        };
        let server = sent.server();
        self.text.clear();
        write_operands(&mut self.text, &known.id, sent.position, sent.stamp);
        let Some(difference) = difference_of(reply, &self.servers[server], &self.text) else {
            return wrong(not_acknowledged(reply, &self.servers[server], &self.text), reply);
        };
        check_difference(difference, sent, span, self.max_skew, reply)?;
        known.said.acknowledge(stamp, now);
        self.show(client, server, stamp);
        Ok(())
    }

    /// Notes what the asked server is known to know, so that its answer can be judged. Who asks
    /// about themselves over the connection on which they tell must be answered with the last
    /// update told: commands are executed in order.
    #[must_use]
    pub fn ask(&self, ask: Ask, asked: u64) -> Question {
        let Ask { about, server, on_own_connection, radius, bound } = ask;
        let incarnation = self.broke[server].len();
        let shown = self.shown[about * self.servers.len() + server];
        let shown = if shown.incarnation == incarnation { shown.stamp } else { 0 };
        let on_this_connection = |last: &&Sent| last.server() == server && last.incarnation() == incarnation;
        let newest = self.clients[about].said.newest();
        let told = newest.filter(|last| on_own_connection && on_this_connection(last)).map_or(0, |last| last.stamp);
        Question { about, server, asked, radius, bound, floor: shown.max(told) }
    }

    /// Judges the reply to a WHATSAT about one of the oracle's clients.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn judge(&mut self, question: &Question, reply: &[u8]) -> Result<Answer, Wrong> {
        if reply.starts_with(b"? ") {
            self.check_echo(question, reply)?;
            return self.judge_age(question, 0, reply);
        }
        let Some(line_end) = memchr::memchr(b'\n', reply) else {
            return wrong("a WHATSAT was answered with a piece of a line".into(), reply);
        };
        let (line, body) = (&reply[..line_end], &reply[line_end + 1..]);
        let Some(at) = parse_at(line) else {
            return wrong("a WHATSAT was not answered with an AT line".into(), reply);
        };
        self.check_copy(question.about, &at, reply)?;
        if let Err(what) = body::check(body, question.bound) {
            return wrong(what, reply);
        }
        self.show(question.about, question.server, at.stamp);
        self.judge_age(question, at.stamp, reply)
    }

    /// Compares an AT line with what the client said. Of what is no longer remembered only the
    /// age is left to judge: a server that was stopped may answer with it.
    fn check_copy(&mut self, about: ClientId, at: &AtFields<'_>, reply: &[u8]) -> Result<(), Wrong> {
        let known = &mut self.clients[about];
        let forgotten = known.said.forgotten;
        let Some(sent) = known.said.find(at.stamp) else {
            let is_forgotten = at.id == &*known.id && at.stamp <= forgotten;
            let never = "the answer has a time stamp that the client did not send";
            return if is_forgotten { Ok(()) } else { wrong(never.into(), reply) };
        };
        self.text.clear();
        write_operands(&mut self.text, &known.id, sent.position, sent.stamp);
        if at.operands != self.text {
            let expected = String::from_utf8_lossy(&self.text);
            return wrong(format!("the answer does not repeat what the client said, {expected}"), reply);
        }
        if at.server != self.servers[sent.server()] {
            return wrong("the answer names a server that the client did not tell".into(), reply);
        }
        if !sent.has_always_had(at.difference) {
            return wrong("two AT lines of the same update have different differences".into(), reply);
        }
        Ok(())
    }

    /// Judges the reply to a command that is invalid.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn judge_invalid(command: &[u8], reply: &[u8]) -> Result<(), Wrong> {
        let expected = [b"? ", command, b"\n"].concat();
        if reply == expected {
            Ok(())
        } else {
            wrong("an invalid command was not answered with its copy".into(), reply)
        }
    }

    fn check_echo(&mut self, question: &Question, reply: &[u8]) -> Result<(), Wrong> {
        let mut command = Vec::new();
        crate::wire::write_whatsat(&mut command, self.id(question.about), question.radius, question.bound);
        Self::judge_invalid(command.trim_ascii_end(), reply)
    }

    /// Compares an answer's stamp, 0 for none, with what should be known.
    fn judge_age(&self, question: &Question, stamp: u64, reply: &[u8]) -> Result<Answer, Wrong> {
        let server = self.servers[question.server].escape_ascii();
        if stamp < question.floor {
            return wrong(format!("{server} showed a newer update of this client before"), reply);
        }
        let known = &self.clients[question.about];
        let newer = known.said.iter().rev().take_while(|sent| sent.stamp > stamp);
        let age =
            |sent: &Sent| question.asked.checked_sub(sent.acknowledged().filter(|_| !self.died_with_its_server(sent))?);
        match newer.filter_map(age).max() {
            None => Ok(Answer::Current),
            Some(age) if age > GRACE => {
                let ms = age / 1_000_000;
                let what = format!("{server} has not heard of an update that was acknowledged {ms} ms before");
                Err(Wrong { is_lost_update: true, ..Wrong::new(what, reply) })
            }
            Some(age) => Ok(Answer::Stale(age)),
        }
    }

    /// A connection to a server broke: it may be another incarnation that answers from now on.
    pub fn connection_lost(&mut self, server: ServerId, now: u64) {
        self.broke[server].push(now);
    }

    /// Whether some update of a client was acknowledged.
    #[must_use]
    pub fn is_known(&self, client: ClientId) -> bool {
        self.clients[client].said.iter().any(|sent| sent.acknowledged().is_some())
    }

    /// Whether a client's newest acknowledged update may have died with the server that
    /// acknowledged it.
    #[must_use]
    pub fn may_be_lost(&self, client: ClientId) -> bool {
        let newest = self.clients[client].said.iter().rev().find(|sent| sent.acknowledged().is_some());
        newest.is_some_and(|newest| self.died_with_its_server(newest))
    }

    /// A server has acknowledged or shown an update.
    fn show(&mut self, client: ClientId, server: ServerId, stamp: u64) {
        let incarnation = self.broke[server].len();
        let shown = &mut self.shown[client * self.servers.len() + server];
        let before = if shown.incarnation == incarnation { shown.stamp } else { 0 };
        *shown = Shown { incarnation, stamp: before.max(stamp) };
    }

    /// The server broke its connections so soon after it acknowledged the update that it may
    /// have been the only one to hold it.
    fn died_with_its_server(&self, sent: &Sent) -> bool {
        let died = |acknowledged: u64| {
            let soon = acknowledged..acknowledged + HELD_ALONE;
            self.broke[sent.server()].iter().any(|broke| soon.contains(broke))
        };
        sent.acknowledged().is_some_and(died)
    }
}

/// What is wrong with the reply to an update whose operands are known.
fn not_acknowledged(reply: &[u8], server: &[u8], operands: &[u8]) -> String {
    match reply.strip_suffix(b"\n").and_then(parse_at) {
        None => "an IAMAT was not answered with an AT line".into(),
        Some(at) if at.operands != operands => {
            format!("the reply does not repeat the IAMAT's operands {}", String::from_utf8_lossy(operands))
        }
        Some(_) => format!("{} answered for another server", server.escape_ascii()),
    }
}

/// The server's time of receipt, stamp + difference, must lie between write and read.
fn check_difference(difference: i64, sent: &mut Sent, span: Span, max_skew: i64, reply: &[u8]) -> Result<(), Wrong> {
    if !sent.has_always_had(difference) {
        return wrong("two AT lines of the same update have different differences".into(), reply);
    }
    let since = |earlier: u64, later: i128| later - i128::from(earlier);
    let receipt = i128::from(sent.stamp) + i128::from(difference);
    let early = -since(span.written, receipt);
    let late = since(span.read, receipt);
    if early.max(late) > i128::from(max_skew) {
        let (by, what) =
            if early > late { (early, "before it was written") } else { (late, "after its reply was read") };
        let ms = by / 1_000_000;
        return wrong(format!("by its difference the IAMAT was received {ms} ms {what}"), reply);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
