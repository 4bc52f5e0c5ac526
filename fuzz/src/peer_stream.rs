//! What neighbours and clients send to one server, in any order, while links come and go.

use herd::digest::Digest;
use herd::flood::{Flood, Heard, Manner, Outcome};
use herd::protocol::command::Command;
use herd::protocol::line::{Line, LineReader};
use herd::protocol::peer::{Hello, MAX_HELLO, PeerLine};
use herd::protocol::time::UnixTime;
use herd::protocol::update::AtLine;
use herd::store::StoreLimits;

use crate::model::{Fate, Model, Neighbour, at_line};

/// Two neighbours: one that sends and one that is to hear of it.
const NEIGHBOURS: usize = 2;
/// The longest line of a neighbour that has said HELLO.
const LINE: usize = 1024;
/// When all of it happens.
const NOW: UnixTime = UnixTime::new(std::time::Duration::from_secs(1_700_000_000));
/// In front of each step of the script; no line holds it.
const SEPARATOR: u8 = b'|';

/// A script: two bytes for the limits of the store, then steps with `|` in front of each. The
/// first byte of a step says what happens, the rest is its operand.
///
/// | byte | what happens |
/// |---|---|
/// | `0` `1` | that neighbour sends the operand; its first line on a connection is HELLO |
/// | `x` `y` | neighbour 0 or 1 closes its connection |
/// | `u` `v` | neighbour 0 or 1 connects anew, before the older connection has ended |
/// | `m` `n` | as many lines as the operand has bytes, and one more, go to neighbour 0 or 1 |
/// | others | a client's AT line, as its server writes it |
pub fn peer_stream(data: &[u8]) {
    let Some((&[clients, bytes], script)) = data.split_first_chunk() else { return };
    let mut server = Server::new(usize::from(clients % 16) + 1, 64 * (usize::from(bytes % 32) + 2));
    for step in script.split(|&byte| byte == SEPARATOR) {
        let Some((&what, operand)) = step.split_first() else { continue };
        match what {
            b'0' | b'1' => server.receive(usize::from(what - b'0'), operand),
            b'x' | b'y' => server.close(usize::from(what - b'x')),
            b'u' | b'v' => server.connections[usize::from(what - b'u')] = Connection::default(),
            b'm' | b'n' => server.send(usize::from(what - b'm'), operand.len() + 1),
            _ => server.offer(operand, None),
        }
        server.check();
    }
    server.check_digest();
    server.send_all();
}

/// The bytes that a connection still has to make lines of.
struct Connection {
    reader: LineReader,
    greeted: bool,
}

impl Default for Connection {
    fn default() -> Self {
        Self { reader: LineReader::new(MAX_HELLO), greeted: false }
    }
}

/// The real flood, and the model beside it.
struct Server {
    flood: Flood,
    connections: [Connection; NEIGHBOURS],
    model: Model,
    /// By neighbour; `None` while its link is down.
    links: [Option<Neighbour>; NEIGHBOURS],
}

impl Server {
    fn new(clients: usize, bytes: usize) -> Self {
        Self {
            flood: Flood::new(StoreLimits { clients, bytes }, NEIGHBOURS),
            connections: Default::default(),
            model: Model::new(clients, bytes),
            links: Default::default(),
        }
    }

    fn receive(&mut self, from: usize, mut input: &[u8]) {
        let mut connection = std::mem::take(&mut self.connections[from]);
        while let Some(line) = connection.reader.next_line(&mut input) {
            if connection.greeted {
                self.feed(from, line);
            } else if let Some(Hello { sync, .. }) = greets(line) {
                connection = Connection { reader: LineReader::new(LINE), greeted: true };
                let manner = if sync { Manner::Sync { begins: from == 0 } } else { Manner::Everything };
                self.flood.link_up(from, manner);
                self.links[from] = Some(Neighbour { syncs: sync, ..Neighbour::default() });
            } else {
                return; // a stranger: the connection is closed, and an older one goes on
            }
        }
        self.connections[from] = connection;
    }

    /// One line of a neighbour that has said HELLO.
    fn feed(&mut self, from: usize, line: Line<'_>) {
        let (Line::Whole(bytes) | Line::Unended(bytes) | Line::TooLong(bytes)) = line;
        if matches!(line, Line::TooLong(_)) || self.links[from].is_none() {
            return;
        }
        let syncs = self.links[from].as_ref().is_some_and(|link| link.syncs);
        match PeerLine::parse(bytes) {
            PeerLine::At(bytes) => return self.offer(bytes, Some(from)),
            PeerLine::Sync(bytes) if syncs => {
                if let Some(at) = bytes.strip_prefix(b"SYNC HAVE ") {
                    return self.offer(at, Some(from));
                }
            }
            _ => assert!(at_line(bytes).is_none(), "an AT line was taken for something else"),
        }
        match self.flood.hear(from, bytes, NOW) {
            Ok((heard, wake)) => {
                assert!(!matches!(heard, Heard::Fresh { .. } | Heard::Stale | Heard::Invalid));
                // A comparison that is over lets others begin.
                assert!(wake.iter().all(|woken| self.links[woken].as_ref().is_some_and(|link| link.syncs)));
            }
            // As a link does.
            Err(_) => self.close(from),
        }
    }

    fn offer(&mut self, bytes: &[u8], from: Option<usize>) {
        let (line, expected) = (AtLine::parse(bytes), at_line(bytes));
        let (Some(line), Some((id, known))) = (line, &expected) else {
            assert_eq!(line.is_some(), expected.is_some(), "is it valid? {:?}", bytes.escape_ascii().to_string());
            return;
        };
        assert!(Command::parse(bytes).is_err(), "an AT line is no command");
        let before = [0, 1].map(|neighbour| self.flood.pending(neighbour));
        let (outcome, wake) = self.flood.offer(line, from);
        let fate = self.model.offer(id, known);
        let expected = match fate {
            Fate::Fresh => Outcome::Fresh,
            Fate::Stale => Outcome::Stale,
            Fate::BelowFloor => Outcome::BelowFloor,
        };
        assert_eq!(outcome, expected);
        for (neighbour, link) in self.links.iter_mut().enumerate() {
            let Some(link) = link else { continue };
            if from == Some(neighbour) {
                link.learn(id, known);
                link.cancel(id, known);
            } else if fate == Fate::Fresh {
                link.enqueue(id, known);
            } else {
                assert!(self.flood.pending(neighbour) <= before[neighbour], "what is not newer goes on");
            }
        }
        assert!(wake.iter().all(|woken| self.links[woken].is_some() && Some(woken) != from));
        assert!(wake.is_empty() || fate == Fate::Fresh);
    }

    fn close(&mut self, neighbour: usize) {
        self.connections[neighbour] = Connection::default();
        self.flood.link_down(neighbour);
        self.links[neighbour] = None;
    }

    /// Sends at most so many lines.
    fn send(&mut self, to: usize, lines: usize) {
        let mut left = lines;
        while left > 0 && self.send_one(to) {
            left -= 1;
        }
    }

    /// Sends what is next; `false` if nothing is.
    fn send_one(&mut self, to: usize) -> bool {
        let live = self.flood.next_live(to);
        let is_live = live.is_some();
        let mut line = live.map(|update| update.line().bytes().to_vec()).unwrap_or_default();
        if !is_live && self.flood.catch_up(to, NOW, &mut line).is_none() {
            return false;
        }
        let Some(link) = &mut self.links[to] else { panic!("something is sent over a link that is down") };
        let line = line.strip_suffix(b"\n").unwrap_or(&line);
        if line == b"DONE" {
            assert!(!link.syncs && !std::mem::replace(&mut link.caught_up, true), "DONE is sent once");
            return true;
        }
        let at = if link.syncs && !is_live { line.strip_prefix(b"SYNC HAVE ") } else { Some(line) };
        let Some(at) = at else {
            assert!(line.starts_with(b"SYNC "), "{:?}", line.escape_ascii().to_string());
            return true;
        };
        let (id, line) = at_line(at).expect("only valid lines are sent");
        if is_live && self.model.evicted == 0 {
            assert_eq!(link.waiting.remove(&id).as_ref(), Some(&line), "that did not wait");
            assert!(link.knows.get(&id).is_none_or(|known| *known < line), "the neighbour knows that");
        }
        link.learn(&id, &line);
        true
    }

    /// In the end a neighbour that gets everything knows everything. One that compares stores has
    /// to say what it lacks first.
    fn send_all(&mut self) {
        for neighbour in 0..NEIGHBOURS {
            while self.send_one(neighbour) {}
            let Some(link) = self.links[neighbour].as_ref().filter(|link| !link.syncs) else { continue };
            assert!(link.caught_up);
            for (id, line) in &self.model.known {
                let known = link.knows.get(id);
                assert!(known.is_some_and(|known| known >= line), "neighbour {neighbour} has missed {line:?}");
            }
        }
    }

    /// A digest that was wrong once stays wrong: it is enough to look at the end.
    fn check_digest(&self) {
        let mut digest = Digest::default();
        self.model.known.values().for_each(|known| digest.add(&known.line));
        assert_eq!(self.flood.store().digest(), digest);
    }

    /// What always holds.
    fn check(&self) {
        let (store, model) = (self.flood.store(), &self.model);
        assert!(store.clients() <= model.most_clients && store.bytes() <= model.most_bytes);
        assert_eq!((store.clients(), store.bytes()), (model.known.len(), model.bytes()));
        assert_eq!(store.evicted(), model.evicted);
        for (id, known) in &model.known {
            assert_eq!(store.get(id).map(|update| update.line().bytes()), Some(&known.line[..]));
        }
        for (neighbour, link) in self.links.iter().enumerate() {
            let pending = self.flood.pending(neighbour);
            let most = (2 * store.clients()).max(64);
            assert!(pending <= most, "{pending} wait for a neighbour, of {} clients", store.clients());
            let expected = link.as_ref().map_or(0, |link| link.waiting.len());
            assert!(pending == expected || model.evicted > 0, "{pending} wait and not {expected}");
        }
    }
}

/// What a first line says, if it opens a link.
fn greets(line: Line<'_>) -> Option<Hello> {
    let Line::Whole(bytes) = line else { return None };
    let hello = Hello::parse(bytes);
    let words: Vec<&[u8]> = bytes.split(|byte| b" \t\r\n\x0c\x0b".contains(byte)).filter(|w| !w.is_empty()).collect();
    let is_name = |name: &[u8]| at_line(&[b"AT ", name, b" +0.000000000 a +0+0 0"].concat()).is_some();
    let expected = matches!(words[..], [b"HELLO", b"herd/1", name, ..] if is_name(name));
    assert_eq!(hello.is_ok(), expected, "{:?}", bytes.escape_ascii().to_string());
    let hello = hello.ok()?;
    assert_eq!(hello.sync, words[3..].contains(&&b"sync"[..]));
    let mut written = Vec::new();
    Hello::write(&hello.name, &mut written);
    let read = Hello::parse(written.strip_suffix(b"\n").expect("a line ends with LF"));
    assert_eq!(read, Ok(Hello { sync: true, ..hello.clone() }));
    Some(hello)
}
