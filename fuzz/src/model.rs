//! What a server is to know and to send, in the plainest way: maps that are searched from end to
//! end, lines that are compared as text and numbers.

use std::collections::BTreeMap;

use crate::grammar;

/// A client's ID.
pub type Id = Vec<u8>;

/// An AT line taken apart, in the order in which lines win (SPEC 4).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Known {
    stamp: i128,
    receipt: i128,
    origin: Vec<u8>,
    /// The whole line.
    pub line: Vec<u8>,
}

/// The client and the update of a line from a neighbour, if it is a valid AT line.
pub fn at_line(line: &[u8]) -> Option<(Id, Known)> {
    let fields: Vec<&[u8]> = line.split(|&byte| byte == b' ').collect();
    let [b"AT", origin, difference, id, location, stamp] = fields[..] else { return None };
    // What a client may say and what a neighbour may say of it have the same operands.
    let iamat = [b"IAMAT", id, location, stamp].join(&b' ');
    if grammar::meaning(&iamat) != grammar::Meaning::Iamat([id, location, stamp]) {
        return None;
    }
    let letters = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
    let is_name = (1..=63).contains(&origin.len()) && origin.iter().all(letters);
    let stamp = grammar::nanoseconds(stamp);
    let receipt = stamp + signed_nanoseconds(difference)?;
    let known = Known { stamp, receipt, origin: origin.to_vec(), line: line.to_vec() };
    (is_name && receipt >= 0).then(|| (id.to_vec(), known))
}

/// `[+-]D{1,12}.D{9}`.
fn signed_nanoseconds(difference: &[u8]) -> Option<i128> {
    let sign = match difference.first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let size = &difference[1..];
    let whole = size.len().checked_sub(10)?;
    let has_form = (1..=12).contains(&whole)
        && size.iter().enumerate().all(|(at, byte)| if at == whole { *byte == b'.' } else { byte.is_ascii_digit() });
    has_form.then(|| sign * grammar::nanoseconds(size))
}

/// What became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Stored.
    Fresh,
    /// Not greater than what is known.
    Stale,
    /// Not greater by (receipt, client) than what had to go.
    BelowFloor,
}

/// The greatest line per client, within limits.
#[derive(Debug)]
pub struct Model {
    /// Clients, at most.
    pub most_clients: usize,
    /// Bytes of lines, at most.
    pub most_bytes: usize,
    /// By client.
    pub known: BTreeMap<Id, Known>,
    /// How many had to go.
    pub evicted: u64,
    floor: Option<(i128, Id)>,
}

impl Model {
    /// Nothing known.
    pub fn new(most_clients: usize, most_bytes: usize) -> Self {
        Self { most_clients, most_bytes, known: BTreeMap::new(), evicted: 0, floor: None }
    }

    /// Takes in a line.
    pub fn offer(&mut self, id: &Id, new: &Known) -> Fate {
        if self.is_below_floor(id, new) {
            return Fate::BelowFloor;
        }
        if self.known.get(id).is_some_and(|known| known >= new) {
            return Fate::Stale;
        }
        self.known.insert(id.clone(), new.clone());
        while self.known.len() > self.most_clients || self.bytes() > self.most_bytes {
            let smallest = self.known.iter().map(|(id, known)| (known.receipt, id.clone())).min();
            let smallest = smallest.expect("something is known");
            self.known.remove(&smallest.1);
            self.evicted += 1;
            self.floor = self.floor.take().max(Some(smallest));
        }
        if self.is_below_floor(id, new) { Fate::BelowFloor } else { Fate::Fresh }
    }

    /// Bytes of all lines.
    pub fn bytes(&self) -> usize {
        self.known.values().map(|known| known.line.len()).sum()
    }

    fn is_below_floor(&self, id: &Id, new: &Known) -> bool {
        self.floor.as_ref().is_some_and(|floor| (new.receipt, id) <= (floor.0, &floor.1))
    }
}

/// What is so of a neighbour whose link is up.
#[derive(Debug, Default)]
pub struct Neighbour {
    /// The greatest line per client that went over this link, either way: it knows that much.
    pub knows: BTreeMap<Id, Known>,
    /// What waits for it, exactly, as long as nothing was evicted.
    pub waiting: BTreeMap<Id, Known>,
    /// Whether the two sides compare stores.
    pub syncs: bool,
    /// Whether `DONE` was sent.
    pub caught_up: bool,
}

impl Neighbour {
    /// A line went over the link.
    pub fn learn(&mut self, id: &Id, line: &Known) {
        raise(&mut self.knows, id, line);
    }

    /// The neighbour sent a line: it needs no older one.
    pub fn cancel(&mut self, id: &Id, line: &Known) {
        if self.waiting.get(id).is_some_and(|waiting| waiting <= line) {
            self.waiting.remove(id);
        }
    }

    /// A line is to be sent.
    pub fn enqueue(&mut self, id: &Id, line: &Known) {
        raise(&mut self.waiting, id, line);
    }
}

/// Keeps the greater one.
fn raise(lines: &mut BTreeMap<Id, Known>, id: &Id, line: &Known) {
    let known = lines.entry(id.clone()).or_insert_with(|| line.clone());
    if *known < *line {
        known.clone_from(line);
    }
}
