//! What neighbours and clients send to one server, in any order, while links come and go.

use herd::digest::Digest;
use herd::flood::{Flood, Next, Outcome};
use herd::protocol::command::Command;
use herd::protocol::line::{Line, LineReader};
use herd::protocol::peer::{Hello, MAX_HELLO, PeerLine};
use herd::protocol::update::AtLine;
use herd::store::StoreLimits;

use crate::model::{Fate, Model, Neighbour, at_line};

/// Two neighbours: one that sends and one that is to hear of it.
const NEIGHBOURS: usize = 2;
/// The smallest limit of a line that a reader takes.
const LINE: usize = LineReader::KEPT_OF_TOO_LONG;
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
            } else if greets(line) {
                connection = Connection { reader: LineReader::new(2 * LINE), greeted: true };
                self.flood.link_up(from);
                self.links[from] = Some(Neighbour::default());
            } else {
                return; // a stranger: the connection is closed, and an older one goes on
            }
        }
        self.connections[from] = connection;
    }

    /// One line of a neighbour that has said HELLO.
    fn feed(&mut self, from: usize, line: Line<'_>) {
        let (Line::Whole(bytes) | Line::Unended(bytes) | Line::TooLong(bytes)) = line;
        match PeerLine::parse(bytes) {
            PeerLine::At(_) if matches!(line, Line::TooLong(_)) => {}
            PeerLine::At(bytes) => self.offer(bytes, Some(from)),
            PeerLine::Ping | PeerLine::Done | PeerLine::Unknown => {
                assert!(at_line(bytes).is_none(), "an AT line was taken for something else");
            }
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
        let next = self.flood.next(to);
        let (Some(next), Some(link)) = (&next, &mut self.links[to]) else {
            assert!(next.is_none(), "something is sent over a link that is down");
            return false;
        };
        let (update, is_live) = match next {
            Next::Live(update) => (update, true),
            Next::CatchUp(update) => (update, false),
            Next::CaughtUp => {
                assert!(!std::mem::replace(&mut link.caught_up, true), "DONE is sent once");
                return true;
            }
        };
        let (id, line) = at_line(update.line().bytes()).expect("only valid lines are sent");
        if is_live && self.model.evicted == 0 {
            assert_eq!(link.waiting.remove(&id).as_ref(), Some(&line), "that did not wait");
            assert!(link.knows.get(&id).is_none_or(|known| *known < line), "the neighbour knows that");
        }
        link.learn(&id, &line);
        true
    }

    /// In the end a neighbour knows everything.
    fn send_all(&mut self) {
        for neighbour in 0..NEIGHBOURS {
            while self.send_one(neighbour) {}
            let Some(link) = &self.links[neighbour] else { continue };
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
            assert!(pending <= store.clients(), "{pending} wait for a neighbour, of {} clients", store.clients());
            let expected = link.as_ref().map_or(0, |link| link.waiting.len());
            assert!(pending == expected || model.evicted > 0, "{pending} wait and not {expected}");
        }
    }
}

/// Whether a first line opens a link.
fn greets(line: Line<'_>) -> bool {
    let Line::Whole(bytes) = line else { return false };
    let hello = Hello::parse(bytes);
    let words: Vec<&[u8]> = bytes.split(|byte| b" \t\r\n\x0c\x0b".contains(byte)).filter(|w| !w.is_empty()).collect();
    let is_name = |name: &[u8]| at_line(&[b"AT ", name, b" +0.000000000 a +0+0 0"].concat()).is_some();
    let expected = matches!(words[..], [b"HELLO", b"herd/1", name, ..] if is_name(name));
    assert_eq!(hello.is_ok(), expected, "{:?}", bytes.escape_ascii().to_string());
    if let Ok(Hello { name, .. }) = &hello {
        let mut written = Vec::new();
        Hello::write(name, &mut written);
        assert!(written.ends_with(b"\n") && Hello::parse(written.trim_ascii_end()) == hello);
    }
    hello.is_ok()
}
