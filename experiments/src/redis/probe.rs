//! How long a write takes to become visible on a replica, by the load generator's method: write
//! at the primary on a schedule, and ask the replica without pause until it shows that. One
//! thread, one monotonic clock; a latency counts from the write to the reply that shows it.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use loadgen::measure::{histogram, nanos};

use super::protocol::Questions;

/// Time between two writes.
const INTERVAL: Duration = Duration::from_millis(20);
/// A replica that has not shown a write for so long is asked with pauses.
const EAGER: Duration = Duration::from_millis(20);
const PAUSE: Duration = Duration::from_millis(5);
/// How long a write may take before it counts as lost.
const LOST_AFTER: Duration = Duration::from_secs(5);
const KEY: &[u8] = b"probe0.redis.load";

/// What was seen of the writes within the measured time.
#[derive(Debug)]
pub(super) struct Seen {
    /// In nanoseconds.
    pub(super) latency: Histogram<u64>,
    /// Writes that were not seen within 5 s.
    pub(super) lost: u64,
}

/// Writes until the end of the measured time, and looks until all is seen or lost.
pub(super) fn run(primary: SocketAddr, replica: SocketAddr, measured: &Range<Instant>) -> io::Result<Seen> {
    let (mut primary, mut replica) = (Questions::connect(primary)?, Questions::connect(replica)?);
    let mut seen = Seen { latency: histogram(), lost: 0 };
    let mut waiting: VecDeque<(u64, Instant)> = VecDeque::new();
    let (mut due, mut number) = (Instant::now(), 0_u64);
    loop {
        let now = Instant::now();
        if due <= now && due < measured.end {
            number += 1;
            let written = Instant::now();
            primary.tell(&[b"SET", KEY, format!("{number:042}").as_bytes()])?;
            waiting.push_back((number, written));
            due = (due + INTERVAL).max(now);
        }
        let Some(&(_, oldest)) = waiting.front() else {
            if due >= measured.end {
                primary.settle()?;
                return Ok(seen);
            }
            pause(due.saturating_duration_since(Instant::now()));
            continue;
        };
        let shown = replica.ask(&[b"GET", KEY])?;
        let now = Instant::now();
        let shown = str::from_utf8(&shown).ok().and_then(|shown| shown.parse().ok()).unwrap_or(0);
        seen.take(&mut waiting, shown, now, measured);
        if !waiting.is_empty() && oldest + EAGER < now {
            pause(PAUSE);
        }
    }
}

impl Seen {
    /// Counts what an answer shows, and what is lost by now.
    fn take(&mut self, waiting: &mut VecDeque<(u64, Instant)>, shown: u64, now: Instant, measured: &Range<Instant>) {
        while let Some(&(number, written)) = waiting.front() {
            let is_lost = written + LOST_AFTER < now;
            if number > shown && !is_lost {
                return;
            }
            waiting.pop_front();
            if !measured.contains(&written) {
            } else if is_lost {
                self.lost += 1;
            } else {
                self.latency.saturating_record(nanos(now - written));
            }
        }
    }
}

fn pause(time: Duration) {
    #[allow(clippy::disallowed_methods)] // this thread has nothing else to do
    std::thread::sleep(time);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_shows_all_that_is_not_newer_and_what_is_late_is_lost() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut seen = Seen { latency: histogram(), lost: 0 };
        let mut waiting: VecDeque<_> = [(1, at(0)), (2, at(2)), (3, at(3)), (4, at(4))].into();
        seen.take(&mut waiting, 2, at(4), &(at(1)..at(10)));
        assert_eq!((seen.latency.len(), seen.lost, waiting.len()), (1, 0, 2));
        seen.take(&mut waiting, 0, start + Duration::from_millis(8500), &(at(1)..at(10)));
        assert_eq!((seen.latency.len(), seen.lost, waiting.len()), (1, 1, 1));
    }
}
