//! What the probe has written, and where the tap has seen it.

use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Instant;

use hdrhistogram::Histogram;

use super::link::LinkCounts;
use crate::clock::RunClock;
use crate::measure::histogram;
use crate::probe::waiting::{Waiting, Write};
use crate::wire::parse_at;

/// What the tap has seen between the warm-up and the end. Times are nanoseconds.
#[derive(Debug, Clone)]
pub struct Tapped {
    /// Who it said it is.
    pub name: String,
    /// By origin and observer, which may be the same: from the write to the AT line.
    pub latency: Vec<Vec<Histogram<u64>>>,
    /// By origin and observer: updates that were not seen within 5 s.
    pub lost: Vec<Vec<u64>>,
    /// Updates, by observer, whose write or whose watch was cut short by a broken connection.
    pub broken: u64,
    /// How long sights may have waited for the tap to look: latencies are at most that too long.
    pub resolution: Histogram<u64>,
    /// By server.
    pub links: Vec<LinkCounts>,
}

/// What the probe tells the tap.
#[derive(Debug)]
pub(super) enum Told {
    /// The run has a clock.
    Clock(RunClock),
    /// An update is about to be written.
    Wrote { origin: usize, write: Write },
    /// An update that was to be measured could not be written.
    NotWritten,
    /// The probe's connection to an origin is gone, and with it perhaps what was written there.
    Broke { origin: usize },
}

/// Updates that the tap has yet to see, and what it has seen.
#[derive(Debug)]
pub(super) struct Sights {
    told: Receiver<Told>,
    clock: RunClock,
    /// By origin the client of the probe that writes there.
    ids: Vec<Vec<u8>>,
    /// What all of them begin with.
    prefix: &'static [u8],
    /// By origin and observer.
    waiting: Vec<Vec<Waiting>>,
    /// By observer, whether there is a link.
    is_up: Vec<bool>,
    /// Whether nothing more will be told.
    is_over: bool,
    pub(super) seen: Tapped,
}

impl Sights {
    /// Nothing written and no link up.
    pub(super) fn new(name: String, ids: Vec<Vec<u8>>, prefix: &'static [u8], told: Receiver<Told>) -> Self {
        let servers = ids.len();
        Self {
            told,
            clock: RunClock::starting_at(Instant::now()),
            prefix,
            waiting: (0..servers).map(|_| (0..servers).map(|_| Waiting::default()).collect()).collect(),
            is_up: vec![false; servers],
            is_over: false,
            seen: Tapped {
                name,
                latency: vec![vec![histogram(); servers]; servers],
                lost: vec![vec![0; servers]; servers],
                broken: 0,
                resolution: histogram(),
                links: Vec::new(),
            },
            ids,
        }
    }

    /// Nanoseconds of the run's clock.
    pub(super) fn now(&self) -> u64 {
        self.clock.now()
    }

    /// Whether all that was written is seen, lost or given up, and nothing will follow.
    pub(super) fn are_complete(&self) -> bool {
        self.is_over && !self.waiting.iter().flatten().any(Waiting::is_for_something)
    }

    /// Takes in what the probe has told. To be called between reading lines and looking at them:
    /// the probe tells of an update before it writes it, so no line is ahead of its update.
    pub(super) fn listen(&mut self) {
        loop {
            match self.told.try_recv() {
                Ok(Told::Clock(clock)) => self.clock = clock,
                Ok(Told::Wrote { origin, write }) => self.wait_for(origin, write),
                Ok(Told::NotWritten) => self.seen.broken += self.ids.len() as u64,
                Ok(Told::Broke { origin }) => {
                    self.seen.broken += self.waiting[origin].iter_mut().map(Waiting::give_up).sum::<u64>();
                }
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Disconnected) => {
                    self.is_over = true;
                    return;
                }
            }
        }
    }

    fn wait_for(&mut self, origin: usize, write: Write) {
        for (waiting, &is_up) in self.waiting[origin].iter_mut().zip(&self.is_up) {
            if is_up {
                waiting.push(write);
            } else {
                self.seen.broken += u64::from(write.measured);
            }
        }
    }

    /// An observer's AT line was read at `now`, and may have been there since `since`.
    pub(super) fn look_at(&mut self, observer: usize, line: &[u8], since: u64, now: u64) {
        // Of all clients' lines, from all servers, few are the probe's: the others cost a glance.
        if !id(line).is_some_and(|id| id.starts_with(self.prefix)) {
            return;
        }
        let Some(at) = parse_at(line) else { return };
        let Some(origin) = self.ids.iter().position(|id| id == at.id) else { return };
        for write in self.waiting[origin][observer].take_shown(at.stamp).filter(|write| write.measured) {
            self.seen.latency[origin][observer].saturating_record(now.saturating_sub(write.written));
            self.seen.resolution.saturating_record(now.saturating_sub(since.max(write.written)));
        }
    }

    /// An observer's link has formed, or is gone and with it what it was to show.
    pub(super) fn is_up(&mut self, observer: usize, is_up: bool) {
        self.is_up[observer] = is_up;
        if !is_up {
            let gone: u64 = self.waiting.iter_mut().map(|of_origin| of_origin[observer].give_up()).sum();
            self.seen.broken += gone;
        }
    }

    /// Counts what is lost by now.
    pub(super) fn count_lost(&mut self) {
        let now = self.now();
        for (lost, waiting) in self.seen.lost.iter_mut().flatten().zip(self.waiting.iter_mut().flatten()) {
            *lost += waiting.take_lost(now);
        }
    }
}

/// The client that an AT line is about: its fourth word.
fn id(line: &[u8]) -> Option<&[u8]> {
    let mut spaces = memchr::memchr_iter(b' ', line);
    let (before, behind) = (spaces.nth(2)?, spaces.next()?);
    Some(&line[before + 1..behind])
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    /// Two servers, Bona and Clark, with links up.
    fn sights() -> (Sender<Told>, Sights) {
        let (tell, told) = channel();
        let ids = ["probe0.r1.load", "probe1.r1.load"].map(|id| id.as_bytes().to_vec());
        let mut sights = Sights::new("tap".into(), ids.to_vec(), b"probe", told);
        (0..2).for_each(|observer| sights.is_up(observer, true));
        (tell, sights)
    }

    /// An update of the given origin, written at so many nanoseconds; its stamp is as many seconds.
    fn write(tell: &Sender<Told>, origin: usize, written: u64, measured: bool) {
        tell.send(Told::Wrote { origin, write: Write { stamp: written * SECOND, written, measured } }).unwrap();
    }

    fn line(origin: usize, stamp: u64) -> Vec<u8> {
        format!("AT X +0.000000001 probe{origin}.r1.load +1.0-1.0 {stamp}.000000000").into_bytes()
    }

    fn counts(sights: &Sights) -> Vec<u64> {
        sights.seen.latency.iter().flatten().map(Histogram::len).collect()
    }

    #[test]
    fn each_observer_sees_for_itself_and_a_newer_update_shows_the_older_ones() {
        let (tell, mut sights) = sights();
        [(10, false), (20, true), (30, true)]
            .iter()
            .for_each(|&(written, measured)| write(&tell, 1, written, measured));
        sights.listen();
        sights.look_at(0, &line(1, 30), 40, 45);
        sights.look_at(1, &line(1, 20), 40, 50);
        assert_eq!(counts(&sights), [0, 0, 2, 1]);
        let seen = &sights.seen;
        assert_eq!((seen.latency[1][0].min(), seen.latency[1][0].max(), seen.latency[1][1].max()), (15, 25, 30));
        assert_eq!((seen.resolution.min(), seen.resolution.max()), (5, 10));
        drop(tell);
        sights.listen();
        assert!(!sights.are_complete(), "Clark has yet to show the last one");
        sights.look_at(1, &line(1, 31), 60, 60);
        assert!(sights.are_complete());
    }

    #[test]
    fn lines_of_others_and_lines_that_are_none_show_nothing() {
        let (tell, mut sights) = sights();
        write(&tell, 0, 1, true);
        sights.listen();
        for other in [
            "AT X +0.000000001 c0.r1.load +1.0-1.0 9.000000000",
            "AT X +0.000000001 probe0.r2.load +1.0-1.0 9.000000000",
            "AT X +0.000000001 probe0.r1.load +1.0-1.0 9",
            "AT X +0.000000001 probe0.r1.load",
            "AT probe0.r1.load",
            "AT ",
        ] {
            sights.look_at(0, other.as_bytes(), 2, 2);
        }
        assert_eq!(counts(&sights), [0; 4]);
    }

    #[test]
    fn what_is_not_seen_in_time_is_lost_and_what_a_broken_connection_took_is_not() {
        let (tell, mut sights) = sights();
        let long_ago = RunClock::starting_at(Instant::now().checked_sub(std::time::Duration::from_secs(60)).unwrap());
        tell.send(Told::Clock(long_ago)).unwrap();
        write(&tell, 0, 1, true);
        write(&tell, 0, 2, false);
        sights.listen();
        sights.is_up(1, false);
        write(&tell, 1, 3, true);
        sights.listen();
        assert_eq!(sights.seen.broken, 2, "one that was on its way to Clark, and one that nobody watched there");
        sights.count_lost();
        assert_eq!(sights.seen.lost, [[1, 0], [1, 0]]);
        tell.send(Told::NotWritten).unwrap();
        sights.is_up(1, true);
        write(&tell, 1, 4, true);
        tell.send(Told::Broke { origin: 1 }).unwrap();
        sights.listen();
        assert_eq!(sights.seen.broken, 6);
        drop(tell);
        sights.listen();
        assert!(sights.are_complete());
    }
}
