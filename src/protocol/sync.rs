//! The lines with which two servers bring their stores together (capability `sync`): digests of
//! parts, hashes of entries, and then only the entries that are missing. PROTOCOL.md is the text
//! for people, `crate::sync` says who answers what.

use std::io::Write;

use super::peer::SYNC;
use super::text::{Fields, hex};
use super::time::UnixTime;

/// Groups that the buckets are in. Under a fuzzer there are few, so that the few clients of a
/// short input meet in them and going through an almost empty store does not take all of its time.
pub const GROUPS: usize = if cfg!(fuzzing) { 4 } else { 64 };
/// Buckets of a group: as many, so that both kinds of line have as many digests.
pub const GROUP: usize = GROUPS;
/// Parts that a store has, by a hash of the client.
pub const BUCKETS: usize = GROUPS * GROUP;
/// Entries that one line names, at most: it then fits into the shortest line that every server
/// reads.
pub const MAX_NAMED: usize = 1024;
/// A round ends with this step.
pub const LAST_STEP: u8 = 6;

/// One line of the dialogue, as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyncLine<'a> {
    /// The digest of each group of buckets.
    Groups(Vec<u128>),
    /// The digest of each bucket of a group.
    Buckets {
        /// The group.
        group: usize,
        /// Its buckets' digests, in order.
        digests: Vec<u128>,
    },
    /// What the sender knows in a part of a bucket.
    Entries(Entries),
    /// What the sender lacks, or may lack.
    Want(Want),
    /// An AT line that the other side was found to lack.
    Have(&'a [u8]),
    /// All that came before is answered by all that its receiver says before the next step.
    Step(u8),
}

/// All that somebody knows of the clients of a bucket whose hashes lie in a range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entries {
    /// The bucket.
    pub bucket: usize,
    /// The lowest hash of a client in the range.
    pub first: u64,
    /// The highest one.
    pub last: u64,
    /// What was received before is not kept there, so nobody need send it.
    pub floor: Option<UnixTime>,
    /// A hash of each client and one of its AT line.
    pub entries: Vec<EntryHash>,
}

/// What stands for an entry of a store: hashes of its client and of its AT line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryHash {
    /// The client's.
    pub client: u64,
    /// Its AT line's.
    pub line: u64,
}

/// Clients of a bucket whose updates somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Want {
    /// The bucket.
    pub bucket: usize,
    /// As in [`Entries`].
    pub floor: Option<UnixTime>,
    /// Who is asked for.
    pub wanted: Vec<Wanted>,
}

/// A client that somebody asks about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// The hash of the client.
    pub client: u64,
    /// What the asker has of it: that, and what is older, is no news. `None` if it has nothing.
    pub known: Option<Known>,
}

/// What somebody has of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Its stamp.
    pub stamp: UnixTime,
    /// The hash of its AT line.
    pub line: u64,
}

impl<'a> SyncLine<'a> {
    /// Reads a line without its LF that begins with [`SYNC`]; `None` if the rest of it is not
    /// one of these.
    #[must_use]
    pub fn parse(line: &'a [u8]) -> Option<Self> {
        let rest = line.strip_prefix(SYNC)?.strip_prefix(b" ")?;
        if let Some(at_line) = rest.strip_prefix(b"HAVE ") {
            return Some(Self::Have(at_line));
        }
        let mut fields = Fields::new(rest);
        match fields.next()? {
            b"GROUPS" => Some(Self::Groups(digests(fields)?)),
            b"BUCKETS" => {
                let group = number(fields.next()?).filter(|&group| group < GROUPS)?;
                Some(Self::Buckets { group, digests: digests(fields)? })
            }
            b"ENTRIES" => Entries::parse(fields).map(Self::Entries),
            b"WANT" => Want::parse(fields).map(Self::Want),
            b"STEP" => {
                let [step] = fields.exactly()?;
                let step = number(step).and_then(|step| u8::try_from(step).ok())?;
                (1..=LAST_STEP).contains(&step).then_some(Self::Step(step))
            }
            _ => None,
        }
    }
}

impl Entries {
    fn parse(mut fields: Fields<'_>) -> Option<Self> {
        let bucket = bucket(fields.next()?)?;
        let (first, last) = (hash(fields.next()?)?, hash(fields.next()?)?);
        let floor = optional_time(fields.next()?)?;
        let entry = |field: &[u8]| {
            let (client, line) = field.split_at_checked(16)?;
            Some(EntryHash { client: hash(client)?, line: hash(line.strip_prefix(b":")?)? })
        };
        let entries = fields.map(entry).collect::<Option<Vec<_>>>()?;
        let in_range = entries.iter().all(|entry| (first..=last).contains(&entry.client));
        in_range.then_some(Self { bucket, first, last, floor, entries })
    }

    /// Appends the line, LF included.
    pub fn write(&self, out: &mut Vec<u8>) {
        begin(out, format_args!("ENTRIES {} {:016x} {:016x} ", self.bucket, self.first, self.last));
        write_optional_time(out, self.floor);
        for entry in &self.entries {
            put(out, format_args!(" {:016x}:{:016x}", entry.client, entry.line));
        }
        out.push(b'\n');
    }
}

impl Want {
    fn parse(mut fields: Fields<'_>) -> Option<Self> {
        let bucket = bucket(fields.next()?)?;
        let floor = optional_time(fields.next()?)?;
        let wanted = |field: &[u8]| {
            let (client, known) = field.split_at_checked(16)?;
            let known = if known.is_empty() { None } else { Some(Known::parse(known)?) };
            Some(Wanted { client: hash(client)?, known })
        };
        Some(Self { bucket, floor, wanted: fields.map(wanted).collect::<Option<Vec<_>>>()? })
    }

    /// Appends the line, LF included.
    pub fn write(&self, out: &mut Vec<u8>) {
        begin(out, format_args!("WANT {} ", self.bucket));
        write_optional_time(out, self.floor);
        for wanted in &self.wanted {
            put(out, format_args!(" {:016x}", wanted.client));
            if let Some(Known { stamp, line }) = wanted.known {
                out.push(b'@');
                stamp.write(out);
                put(out, format_args!(":{line:016x}"));
            }
        }
        out.push(b'\n');
    }
}

impl Known {
    /// `@stamp:line`.
    fn parse(text: &[u8]) -> Option<Self> {
        let (stamp, line) = text.strip_prefix(b"@")?.split_at_checked(text.len().checked_sub(18)?)?;
        Some(Self { stamp: UnixTime::parse(stamp)?, line: hash(line.strip_prefix(b":")?)? })
    }
}

/// Appends the digests of all groups as a line, LF included.
pub fn write_groups(out: &mut Vec<u8>, digests: impl Iterator<Item = u128>) {
    begin(out, "GROUPS");
    write_digests(out, digests);
}

/// Appends the digests of a group's buckets as a line, LF included.
pub fn write_buckets(out: &mut Vec<u8>, group: usize, digests: impl Iterator<Item = u128>) {
    begin(out, format_args!("BUCKETS {group}"));
    write_digests(out, digests);
}

/// Appends an AT line that the other side lacks, LF included.
pub fn write_have(out: &mut Vec<u8>, at_line: &[u8]) {
    begin(out, "HAVE ");
    out.extend_from_slice(at_line);
    out.push(b'\n');
}

/// Appends a step, LF included.
pub fn write_step(out: &mut Vec<u8>, step: u8) {
    begin(out, format_args!("STEP {step}\n"));
}

fn write_digests(out: &mut Vec<u8>, digests: impl Iterator<Item = u128>) {
    for digest in digests {
        put(out, format_args!(" {digest:032x}"));
    }
    out.push(b'\n');
}

fn begin(out: &mut Vec<u8>, kind: impl std::fmt::Display) {
    out.extend_from_slice(SYNC);
    put(out, format_args!(" {kind}"));
}

fn put(out: &mut Vec<u8>, text: impl std::fmt::Display) {
    write!(out, "{text}").expect("a Vec takes every write");
}

/// `-` where there is none.
fn write_optional_time(out: &mut Vec<u8>, time: Option<UnixTime>) {
    match time {
        Some(time) => time.write(out),
        None => out.push(b'-'),
    }
}

/// The outer `None` is a mistake.
#[allow(clippy::option_option)]
fn optional_time(field: &[u8]) -> Option<Option<UnixTime>> {
    if field == b"-" { Some(None) } else { UnixTime::parse(field).map(Some) }
}

fn digests(fields: Fields<'_>) -> Option<Vec<u128>> {
    let digest = |field: &[u8]| hex(field).filter(|_| field.len() == 32);
    let digests = fields.map(digest).collect::<Option<Vec<_>>>()?;
    (digests.len() == GROUPS).then_some(digests)
}

fn bucket(field: &[u8]) -> Option<usize> {
    number(field).filter(|&bucket| bucket < BUCKETS)
}

fn number(field: &[u8]) -> Option<usize> {
    super::text::integer(field).and_then(|number| usize::try_from(number).ok())
}

/// Sixteen hexadecimal digits.
fn hash(field: &[u8]) -> Option<u64> {
    hex(field).filter(|_| field.len() == 16).and_then(|hash| u64::try_from(hash).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(line: &[u8]) -> SyncLine<'_> {
        SyncLine::parse(line.strip_suffix(b"\n").unwrap()).unwrap()
    }

    fn time(text: &str) -> UnixTime {
        UnixTime::parse(text.as_bytes()).unwrap()
    }

    fn times() -> impl Strategy<Value = Option<UnixTime>> {
        prop::option::of((0..1_000_000_000_000_u64, 0..1_000_000_000_u32))
            .prop_map(|time| time.map(|(s, ns)| UnixTime::new(std::time::Duration::new(s, ns))))
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(
            bucket in 0..BUCKETS,
            floor in times(),
            pairs in prop::collection::vec(any::<(u64, u64)>(), 0..20),
            wants in prop::collection::vec((any::<u64>(), times(), any::<u64>()), 0..20),
            step in 1..=LAST_STEP,
        ) {
            let mut out = Vec::new();
            let entries: Vec<_> = pairs.iter().map(|&(client, line)| EntryHash { client, line }).collect();
            let entries = Entries { bucket, first: 0, last: u64::MAX, floor, entries };
            entries.write(&mut out);
            prop_assert_eq!(read(&out), SyncLine::Entries(entries));

            out.clear();
            let wanted = wants.iter().map(|&(client, stamp, line)| {
                Wanted { client, known: stamp.map(|stamp| Known { stamp, line }) }
            });
            let wanted = wanted.collect();
            let want = Want { bucket, floor, wanted };
            want.write(&mut out);
            prop_assert_eq!(read(&out), SyncLine::Want(want));

            out.clear();
            write_step(&mut out, step);
            prop_assert_eq!(read(&out), SyncLine::Step(step));
        }

        #[test]
        fn no_bytes_make_parsing_panic(line in prop::collection::vec(any::<u8>(), 0..200), kind in 0..6_usize) {
            let kind = ["GROUPS", "BUCKETS 0", "ENTRIES 0", "WANT 0", "HAVE", "STEP"][kind];
            let _ = SyncLine::parse(&[SYNC, b" ", kind.as_bytes(), b" ", &line].concat());
        }
    }

    #[test]
    fn digests_are_read_as_they_are_written() {
        let digests: Vec<u128> = (0..GROUPS as u128).map(|n| u128::MAX / (n + 1)).collect();
        let mut out = Vec::new();
        write_groups(&mut out, digests.iter().copied());
        assert_eq!(read(&out), SyncLine::Groups(digests.clone()));
        out.clear();
        write_buckets(&mut out, 63, digests.iter().copied());
        assert_eq!(read(&out), SyncLine::Buckets { group: 63, digests });
    }

    #[test]
    fn the_examples_of_the_protocols_page() {
        let at = b"AT Clark +0.263873386 kiwi +34.068930-118.445127 1621464827.959498503";
        let mut out = Vec::new();
        write_have(&mut out, at);
        assert_eq!(read(&out), SyncLine::Have(at));
        let line = b"SYNC ENTRIES 7 0000000000000000 ffffffffffffffff - 0000000000001007:00000000000000ff";
        let entries = vec![EntryHash { client: 0x1007, line: 0xff }];
        let expected = Entries { bucket: 7, first: 0, last: u64::MAX, floor: None, entries };
        assert_eq!(SyncLine::parse(line), Some(SyncLine::Entries(expected)));
        let line = b"SYNC WANT 7 1.5 0000000000001007@1621464827.959498503:00000000000000ff 0000000000002007";
        let wanted = vec![
            Wanted { client: 0x1007, known: Some(Known { stamp: time("1621464827.959498503"), line: 0xff }) },
            Wanted { client: 0x2007, known: None },
        ];
        let expected = Want { bucket: 7, floor: Some(time("1.5")), wanted };
        assert_eq!(SyncLine::parse(line), Some(SyncLine::Want(expected)));
    }

    #[test]
    fn lines_that_are_none() {
        for bad in [
            "SYNC",
            "SYNC GROUPS",
            "SYNC GROUPS 00",
            "SYNC BUCKETS 64",
            "SYNC ENTRIES 4096 0000000000000000 ffffffffffffffff -",
            "SYNC ENTRIES 0 0 1 -",
            "SYNC ENTRIES 0 0000000000000000 ffffffffffffffff",
            "SYNC ENTRIES 0 0000000000000000 0000000000000001 - 0000000000000002:0000000000000000",
            "SYNC ENTRIES 0 0000000000000000 ffffffffffffffff - 00000000000000020000000000000000",
            "SYNC ENTRIES 0 0000000000000000 ffffffffffffffff - x",
            "SYNC WANT 0",
            "SYNC WANT 0 - 0000000000000001@",
            "SYNC WANT 0 - 0000000000000001@x",
            "SYNC WANT 0 - 0000000000000001@1",
            "SYNC WANT 0 - 0000000000000001@:0000000000000001",
            "SYNC WANT 0 - 0000000000000001@x:0000000000000001",
            "SYNC WANT 0 - +000000000000001",
            "SYNC STEP 0",
            "SYNC STEP 7",
            "SYNC STEP 1 2",
            "SYNC NONSENSE 1",
        ] {
            assert_eq!(SyncLine::parse(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn the_longest_lines_fit_into_what_every_server_reads() {
        let floor = Some(time("999999999999.999999999"));
        let mut out = Vec::new();
        let entries = vec![EntryHash { client: 1, line: 1 }; MAX_NAMED];
        Entries { bucket: 4095, first: 0, last: u64::MAX, floor, entries }.write(&mut out);
        let known = floor.map(|stamp| Known { stamp, line: 1 });
        let wanted = vec![Wanted { client: 1, known }; MAX_NAMED];
        let entries_length = out.len();
        Want { bucket: 4095, floor, wanted }.write(&mut out);
        let longest = entries_length.max(out.len() - entries_length) - 1;
        assert!(longest <= super::super::peer::MIN_LINE, "{longest}");
    }
}
