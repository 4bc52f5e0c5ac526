//! Connections as TCP has them: bytes arrive in order, cut anywhere, or not at all any more; a
//! writer waits when the other side does not read.

use std::collections::VecDeque;

use fastrand::Rng;
use herd::protocol::line::LineReader;
use herd::protocol::peer::MIN_LINE;
use herd::protocol::update::Update;

/// Bytes that are on their way in one direction, at most.
const WINDOW: usize = 16 << 10;

/// A connection between the two servers of a link; side 0 has dialled.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) link: usize,
    /// By side: whether it still has its end.
    pub(crate) ends: [Option<End>; 2],
    /// By the side that writes.
    pub(crate) pipes: [Pipe; 2],
    /// By side: what it knew of each client when its link was up.
    pub(crate) known_at_link_up: [Vec<Option<Update>>; 2],
}

/// One side's end of a connection.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) reader: LineReader,
    /// Both sides have said HELLO, as far as this one knows: the link is up.
    pub(crate) is_up: bool,
    /// What could not be written yet.
    pub(crate) unsent: Vec<u8>,
    /// When something was last heard.
    pub(crate) heard: u64,
    /// When stores are compared again.
    pub(crate) next_round: u64,
}

/// One direction.
#[derive(Debug, Default)]
pub(crate) struct Pipe {
    chunks: VecDeque<Vec<u8>>,
    bytes: usize,
    /// When the last chunk arrives; none arrives before it.
    pub(crate) last_arrival: u64,
}

impl Connection {
    pub(crate) fn new(link: usize, now: u64) -> Self {
        let end = || {
            let reader = LineReader::new(MIN_LINE);
            Some(End { reader, is_up: false, unsent: Vec::new(), heard: now, next_round: 0 })
        };
        Self { link, ends: [end(), end()], pipes: Default::default(), known_at_link_up: Default::default() }
    }
}

impl Pipe {
    /// Takes as much as fits and returns the sizes of the chunks that it will arrive in.
    pub(crate) fn write(&mut self, unsent: &mut Vec<u8>, rng: &mut Rng) -> usize {
        let fits = WINDOW.saturating_sub(self.bytes).min(unsent.len());
        let mut taken = unsent.drain(..fits).collect::<Vec<u8>>();
        self.bytes += fits;
        let mut chunks = 0;
        while !taken.is_empty() {
            // Lines are cut anywhere: now and then a few bytes come alone.
            let size = if rng.u8(..4) == 0 { rng.usize(1..=40) } else { rng.usize(1..=4096) };
            let rest = taken.split_off(size.min(taken.len()));
            self.chunks.push_back(std::mem::replace(&mut taken, rest));
            chunks += 1;
        }
        chunks
    }

    /// Takes out what arrives next.
    pub(crate) fn read(&mut self) -> Option<Vec<u8>> {
        let chunk = self.chunks.pop_front()?;
        self.bytes -= chunk.len();
        Some(chunk)
    }

    /// The writer is gone: some of what is under way is lost, from anywhere within it.
    pub(crate) fn cut(&mut self, rng: &mut Rng) {
        self.chunks.truncate(rng.usize(..=self.chunks.len()));
        if let Some(last) = self.chunks.back_mut() {
            last.truncate(rng.usize(..=last.len()));
        }
        self.bytes = self.chunks.iter().map(Vec::len).sum();
    }
}
