//! What a run shows while it is under way, and the word that it is to end.

mod recent;
mod sights;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use hdrhistogram::Histogram;

pub use self::recent::{AtServer, Recent, Times};
pub use self::sights::{Pair, Sights};
use crate::clock::processor_time;
use crate::measure::nanos;

/// Figures that threads add to and a display takes from.
#[derive(Debug)]
pub struct Live {
    servers: usize,
    offered: AtomicU64,
    answered: AtomicU64,
    failed: AtomicU64,
    wrong: AtomicU64,
    lost: AtomicU64,
    connected: AtomicU64,
    /// Processor time at the last look, in nanoseconds.
    cpu: AtomicU64,
    recent: Mutex<Recent>,
    sights: Mutex<Sights>,
    /// When sending ends if that is before the plan's end, by the run's clock.
    end: AtomicU64,
}

/// Figures at one look.
#[derive(Debug, Clone)]
pub struct Glance {
    /// Commands that were sent, or could not be because no connection stood, since the last look.
    pub offered: u64,
    /// Replies since the last look.
    pub answered: u64,
    /// Commands without a reply so far.
    pub failed: u64,
    /// Wrong replies so far.
    pub wrong: u64,
    /// Replies among them that lacked an update for too long.
    pub lost: u64,
    /// Clients that have a connection.
    pub connected: u64,
    /// Processor time of this program since the last look.
    pub cpu: Duration,
    /// What clients have seen since the last look.
    pub recent: Recent,
    /// What the probe has seen since the last look.
    pub sights: Sights,
}

/// What a thread has counted since it last said so.
#[derive(Debug, Default)]
pub struct Counted {
    /// Commands that were sent, or could not be because no connection stood.
    pub offered: u64,
    /// Replies.
    pub answered: u64,
    /// Commands without a reply.
    pub failed: u64,
    /// Wrong replies.
    pub wrong: u64,
    /// Replies among them that lacked an update for too long.
    pub lost: u64,
}

impl Glance {
    /// Nothing yet, of so many servers.
    #[must_use]
    pub fn new(servers: usize) -> Self {
        let (offered, answered, failed, wrong, lost, connected, cpu) = Default::default();
        let (recent, sights) = (Recent::new(servers), Sights::new(servers));
        Self { offered, answered, failed, wrong, lost, connected, cpu, recent, sights }
    }

    /// Makes one of this and the next.
    pub fn extend(&mut self, mut next: Self) {
        self.offered += next.offered;
        self.answered += next.answered;
        self.cpu += next.cpu;
        self.recent.take_in(&mut next.recent);
        self.sights.take_in(&mut next.sights);
        (self.failed, self.wrong, self.lost) = (next.failed, next.wrong, next.lost);
        self.connected = next.connected;
    }
}

impl Live {
    /// Figures of so many servers.
    #[must_use]
    pub fn new(servers: usize) -> Self {
        let (offered, answered, failed, wrong, lost, connected) = Default::default();
        Self {
            servers,
            offered,
            answered,
            failed,
            wrong,
            lost,
            connected,
            cpu: AtomicU64::new(nanos(processor_time())),
            recent: Mutex::new(Recent::new(servers)),
            sights: Mutex::new(Sights::new(servers)),
            end: AtomicU64::new(u64::MAX),
        }
    }

    /// Adds what a thread has seen since it last did so, and empties its histograms.
    ///
    /// # Panics
    /// If another thread panicked here.
    pub fn add(&self, counted: &Counted, part: &mut Recent) {
        for (sum, part) in [
            (&self.offered, counted.offered),
            (&self.answered, counted.answered),
            (&self.failed, counted.failed),
            (&self.wrong, counted.wrong),
            (&self.lost, counted.lost),
        ] {
            sum.fetch_add(part, Ordering::Relaxed);
        }
        self.recent().take_in(part);
    }

    /// Of a thread's clients so many have a connection, and so many had when it last said so.
    pub fn connected(&self, now: usize, before: usize) {
        self.connected.fetch_add((now as u64).wrapping_sub(before as u64), Ordering::Relaxed);
    }

    /// Adds what the probe has seen since it last did so, and empties that.
    ///
    /// # Panics
    /// If another thread panicked here.
    pub fn saw(&self, sights: &mut Sights) {
        self.sights().take_in(sights);
    }

    /// Takes the figures since the last look.
    ///
    /// # Panics
    /// If another thread panicked while it added.
    pub fn look(&self) -> Glance {
        // Made before anything is locked, so that no thread waits for it.
        let mut glance = self.nothing();
        std::mem::swap(&mut glance.recent, &mut self.recent());
        std::mem::swap(&mut glance.sights, &mut self.sights());
        let cpu = nanos(processor_time());
        glance.cpu = Duration::from_nanos(cpu - self.cpu.swap(cpu, Ordering::Relaxed));
        glance.offered = self.offered.swap(0, Ordering::Relaxed);
        glance.answered = self.answered.swap(0, Ordering::Relaxed);
        glance.failed = self.failed.load(Ordering::Relaxed);
        glance.wrong = self.wrong.load(Ordering::Relaxed);
        glance.lost = self.lost.load(Ordering::Relaxed);
        glance.connected = self.connected.load(Ordering::Relaxed);
        glance
    }

    /// A glance at nothing yet.
    #[must_use]
    pub fn nothing(&self) -> Glance {
        Glance::new(self.servers)
    }

    /// Lets sending end so long after the run's start, before the plan has it end. Threads see
    /// that within 100 ms.
    pub fn end_at(&self, end: Duration) {
        self.end.store(nanos(end), Ordering::Relaxed);
    }

    /// When sending ends that a plan has end at the given time, in nanoseconds of the run's clock.
    #[must_use]
    pub fn end(&self, planned: u64) -> u64 {
        planned.min(self.end.load(Ordering::Relaxed))
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().expect("nothing panics while it holds the histograms")
    }

    fn sights(&self) -> MutexGuard<'_, Sights> {
        self.sights.lock().expect("nothing panics while it holds the histograms")
    }
}

/// Most histograms are empty most of the time, and an empty one costs nothing.
fn move_into(sum: &mut Histogram<u64>, part: &mut Histogram<u64>) {
    if !part.is_empty() {
        sum.add(&*part).expect("all histograms have the same bounds");
        part.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::{Answer, Wrong};
    use crate::plan::Operation;

    #[test]
    fn a_look_takes_what_came_and_two_make_one() {
        let live = Live::new(2);
        let mut seconds = Glance::new(2);
        for round in 1..=2 {
            let mut recent = Recent::new(2);
            recent.replies(Operation::Iamat, 1, [1_000, 2_000, 3_000_000], 1);
            recent.judged(1, &Err(Wrong::new(format!("{round}"), b"?")));
            recent.judged(0, &Ok(Answer::Stale(7)));
            live.add(&Counted { offered: 2, answered: 1, failed: round, wrong: 1, lost: 0 }, &mut recent);
            assert!(recent.servers[1].iamat.is_empty(), "what was added is not there any more");
            live.connected(5, if round == 1 { 0 } else { 7 });
            let mut sights = Sights::new(2);
            sights.saw(0, 1, 400_000);
            sights.lose(1, 0, round);
            live.saw(&mut sights);
            seconds.extend(live.look());
        }
        assert_eq!((seconds.offered, seconds.answered, seconds.failed, seconds.wrong), (4, 2, 3, 2));
        assert_eq!(seconds.connected, 3);
        assert_eq!((seconds.recent.iamat.response.len(), seconds.recent.lags().max()), (2, 1_000));
        let [idle, busy] = &seconds.recent.servers[..] else { panic!("two servers") };
        assert_eq!((busy.replies(), busy.wrong, idle.replies(), idle.stale), (2, 2, 0, 2));
        assert_eq!(seconds.recent.wrong.as_deref(), Some("2: ?"));
        assert_eq!((seconds.sights.pair(0, 1).latency.len(), seconds.sights.lost()), (2, 3));
        let rest = live.look();
        assert_eq!((rest.answered, rest.failed, rest.sights.all.len()), (0, 3, 0));
    }

    #[test]
    fn a_run_ends_no_later_than_planned() {
        let live = Live::new(1);
        assert_eq!(live.end(10), 10);
        live.end_at(Duration::from_nanos(7));
        assert_eq!((live.end(10), live.end(5)), (7, 5));
    }
}
