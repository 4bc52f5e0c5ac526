//! What clients sent and were told, and whether that may be.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use herd::protocol::update::{AtLine, Update};

use crate::host::Hosts;
use crate::trace::entries;

/// A server from a start to its end; the next one at its place has forgotten everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Incarnation {
    pub(crate) server: usize,
    pub(crate) number: u32,
}

/// The history of one simulation. Clients write it; what must not be is a complaint at once,
/// and the rest is judged at the end.
#[derive(Default)]
pub(crate) struct History {
    /// Operands of every IAMAT.
    sent: RefCell<BTreeSet<String>>,
    clients: RefCell<BTreeSet<String>>,
    acknowledged: RefCell<Vec<(Incarnation, Update)>>,
    /// The greatest line that each incarnation has shown of each client.
    shown: RefCell<BTreeMap<(Incarnation, String), Update>>,
    /// What all servers know and nobody changes.
    settled: RefCell<Option<Update>>,
    crashes: RefCell<Vec<Crash>>,
    conversations: RefCell<Vec<Ended>>,
    complaints: RefCell<Vec<String>>,
    /// Commands of clients that were answered.
    replies: Cell<usize>,
}

/// A crash, and the greatest that anybody else knew then of each client: what was acknowledged
/// and is greater may be gone.
struct Crash {
    incarnation: Incarnation,
    survivors: BTreeMap<String, Update>,
}

/// A conversation that has ended.
pub(crate) struct Ended {
    pub(crate) with: Incarnation,
    pub(crate) address: SocketAddr,
    pub(crate) replies: usize,
}

/// An AT line that somebody was shown.
pub(crate) fn update(line: &str) -> Option<Update> {
    AtLine::parse(line.as_bytes()).map(Update::new)
}

/// Client, location and stamp of an AT line: what an IAMAT said.
pub(crate) fn operands(at_line: &str) -> &str {
    at_line.splitn(4, ' ').nth(3).unwrap_or_default()
}

impl History {
    pub(crate) fn complain(&self, complaint: String) {
        self.complaints.borrow_mut().push(complaint);
    }

    pub(crate) fn complaints(&self) -> Vec<String> {
        self.complaints.borrow().clone()
    }

    /// A client sends an IAMAT.
    pub(crate) fn send(&self, id: &str, operands: String) {
        self.clients.borrow_mut().insert(id.into());
        self.sent.borrow_mut().insert(operands);
    }

    /// A server has acknowledged an IAMAT.
    pub(crate) fn acknowledge(&self, by: Incarnation, line: &Update) {
        self.acknowledged.borrow_mut().push((by, line.clone()));
        self.note_shown(by, line);
    }

    /// What an incarnation has shown of a client, or what everybody knows: it may not show less.
    pub(crate) fn shown(&self, by: Incarnation, client: &str) -> Option<Update> {
        let settled = self.settled.borrow().clone().filter(|line| id(line) == client);
        settled.or_else(|| self.shown.borrow().get(&(by, client.to_owned())).cloned())
    }

    /// All servers know this, and nobody will change it.
    pub(crate) fn note_settled(&self, line: Update) {
        self.settled.replace(Some(line));
    }

    pub(crate) fn note_shown(&self, by: Incarnation, line: &Update) {
        let mut shown = self.shown.borrow_mut();
        let greatest = shown.entry((by, id(line))).or_insert_with(|| line.clone());
        if greatest.line() < line.line() {
            *greatest = line.clone();
        }
    }

    /// How many updates were acknowledged so far.
    pub(crate) fn acknowledged(&self) -> usize {
        self.acknowledged.borrow().len()
    }

    /// The update that was acknowledged last.
    pub(crate) fn latest(&self) -> Option<Update> {
        self.acknowledged.borrow().last().map(|(_, line)| line.clone())
    }

    pub(crate) fn end(&self, conversation: Ended) {
        self.replies.update(|replies| replies + conversation.replies);
        self.conversations.borrow_mut().push(conversation);
    }

    /// A server is about to crash.
    pub(crate) fn crash(&self, hosts: &Hosts, server: usize) {
        let clients = self.clients.borrow();
        let survivors = clients.iter().filter_map(|client| {
            let others = hosts.up().filter(|&other| other != server);
            let known = others.filter_map(|other| hosts.known(other, client));
            known.max_by(|a, b| a.line().cmp(&b.line())).map(|greatest| (client.clone(), greatest))
        });
        let survivors = survivors.collect();
        self.crashes.borrow_mut().push(Crash { incarnation: hosts.incarnation(server), survivors });
    }

    /// Complains about everything acknowledged by `server` that no other server knows.
    pub(crate) fn judge_handing_over(&self, hosts: &Hosts, server: Incarnation) {
        for (_, line) in self.acknowledged.borrow().iter().filter(|(by, _)| *by == server) {
            let known = |other| hosts.known(other, &id(line)).is_some_and(|known| known.line() >= line.line());
            if !hosts.up().filter(|&other| other != server.server).any(known) {
                self.complain(format!("{} took {:?} with it", hosts.label(server), line.line()));
            }
        }
    }

    /// The last judgement: all servers are up and agree. Returns how many commands were answered.
    pub(crate) fn judge(&self, hosts: &Hosts) -> usize {
        self.judge_acknowledged(hosts);
        let trace = hosts.trace.text();
        self.judge_lines(&trace);
        self.judge_conversations(hosts, &trace);
        self.replies.get()
    }

    /// What was acknowledged is known, or something newer, unless all who had it crashed.
    fn judge_acknowledged(&self, hosts: &Hosts) {
        for (by, line) in self.acknowledged.borrow().iter() {
            let known = hosts.known(0, &id(line));
            if known.as_ref().is_none_or(|known| known.line() < line.line()) && !self.may_be_lost(*by, line) {
                let known = known.as_ref().map(Update::line);
                self.complain(format!(
                    "{} has acknowledged {:?}, now {known:?} is known",
                    hosts.label(*by),
                    line.line()
                ));
            }
        }
    }

    /// Whether the server that acknowledged a line crashed, then or later with the last other one
    /// that knew it.
    fn may_be_lost(&self, by: Incarnation, line: &Update) -> bool {
        let crashes = self.crashes.borrow();
        let since = crashes.iter().position(|crash| crash.incarnation == by).unwrap_or(crashes.len());
        let survived = |crash: &Crash| crash.survivors.get(&id(line)).is_some_and(|known| known.line() >= line.line());
        !crashes[since..].iter().all(survived)
    }

    /// Every AT line that a server wrote, to anybody, is about something that a client said.
    fn judge_lines(&self, trace: &str) {
        let sent = self.sent.borrow();
        for entry in entries(trace).filter(|entry| entry.sign == ">" && entry.text.starts_with("AT ")) {
            if !sent.contains(operands(entry.text)) {
                self.complain(format!("{} told {} what nobody said: {}", entry.server, entry.who, entry.text));
            }
        }
    }

    /// Every command that was read was answered, unless its server crashed.
    fn judge_conversations(&self, hosts: &Hosts, trace: &str) {
        let read = commands_read(trace);
        let crashes = self.crashes.borrow();
        for ended in self.conversations.borrow().iter() {
            let label = hosts.label(ended.with);
            let read = read.get(&(label.clone(), ended.address.to_string())).copied().unwrap_or_default();
            let has_crashed = crashes.iter().any(|crash| crash.incarnation == ended.with);
            if ended.replies > read || ended.replies < read && !has_crashed {
                let Ended { replies, address, .. } = ended;
                self.complain(format!("{label} has read {read} commands of {address}, which got {replies} replies"));
            }
        }
    }
}

/// How many commands each server has read from each address of a client.
fn commands_read(trace: &str) -> BTreeMap<(String, String), usize> {
    let mut addresses = BTreeMap::new();
    let mut read: BTreeMap<_, usize> = BTreeMap::new();
    for entry in entries(trace) {
        if let Some(address) = entry.text.strip_prefix("connected from ").filter(|_| entry.sign == "*") {
            addresses.insert((entry.server, entry.who), address);
        } else if let Some(address) = addresses.get(&(entry.server, entry.who)).filter(|_| entry.sign == "<") {
            *read.entry((entry.server.to_owned(), (*address).to_owned())).or_default() += 1;
        }
    }
    read
}

fn id(line: &Update) -> String {
    String::from_utf8_lossy(line.line().id()).into_owned()
}
