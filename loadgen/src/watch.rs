//! Who watches a run, and the looks at it that they get.

use std::time::Duration;

use crate::live::{Glance, Live};
use crate::run::RunError;
use crate::series::Phase;

/// Looks at a run in a second.
const LOOKS: u32 = 5;
/// Time between two looks.
pub const LOOK: Duration = Duration::from_millis(200);
/// Threads show what they have seen at every full tenth of a second. A look is taken when they
/// have had the time to, so that it has what came until the moment that it is about.
const SETTLE: Duration = Duration::from_millis(50);

/// When a look was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Since the run's start.
    pub elapsed: Duration,
    /// What the run was doing until then.
    pub phase: Phase,
}

/// What a watcher wants of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Nothing.
    GoOn,
    /// To send nothing more, and to give the result of what was measured.
    End,
    /// To be left at once, without a result.
    Leave,
}

/// Who watches a run.
pub trait Watch {
    /// Is shown what came since the last look, every [`LOOK`] and when all is done.
    fn look(&mut self, _moment: Moment, _glance: &Glance) -> Wish {
        Wish::GoOn
    }

    /// Is shown what came since the last second, every second and when all is done.
    fn second(&mut self, moment: Moment, glance: Glance);
}

/// Calls a function every second.
pub(crate) struct EachSecond<F>(pub(crate) F);

impl<F: FnMut(Duration, Glance)> Watch for EachSecond<F> {
    fn second(&mut self, moment: Moment, glance: Glance) {
        (self.0)(moment.elapsed, glance);
    }
}

/// Takes looks at a run, and makes seconds of them.
pub(crate) struct Looks<'run, W> {
    live: &'run Live,
    watch: W,
    warm_up: Duration,
    end: Duration,
    taken: u32,
    /// What came since the last whole second.
    second: Glance,
}

impl<'run, W: Watch> Looks<'run, W> {
    /// Looks at a run that is planned to measure for `duration` after its warm-up.
    pub(crate) fn new(live: &'run Live, warm_up: Duration, duration: Duration, watch: W) -> Self {
        Self { live, watch, warm_up, end: warm_up + duration, taken: 0, second: live.nothing() }
    }

    /// When the next look is to be taken, since the run's start.
    pub(crate) fn due(&self) -> Duration {
        self.next() + SETTLE
    }

    /// What moment the next look is about.
    fn next(&self) -> Duration {
        LOOK * (self.taken + 1)
    }

    /// When sending ends, since the run's start.
    pub(crate) fn end(&self) -> Duration {
        self.end
    }

    /// How long was measured.
    pub(crate) fn measured(&self) -> Duration {
        self.end - self.warm_up
    }

    /// Takes the next look, and does what its watcher wants.
    pub(crate) fn take(&mut self) -> Result<(), RunError> {
        let elapsed = self.next();
        self.taken += 1;
        let wish = self.look(elapsed);
        if self.taken.is_multiple_of(LOOKS) {
            self.close_second(elapsed);
        }
        match wish {
            Wish::GoOn => Ok(()),
            Wish::Leave => Err(RunError::Left),
            Wish::End if self.next() <= self.warm_up => Err(RunError::Left),
            // By the next look all threads know it, so none sends later than another.
            Wish::End => {
                self.end = self.end.min(self.next());
                self.live.end_at(self.end);
                Ok(())
            }
        }
    }

    /// Takes a look at the end, at what has come since the last one.
    pub(crate) fn take_rest(&mut self, elapsed: Duration) {
        self.look(elapsed);
        self.close_second(elapsed);
    }

    fn look(&mut self, elapsed: Duration) -> Wish {
        let glance = self.live.look();
        let wish = self.watch.look(self.moment(elapsed), &glance);
        self.second.extend(glance);
        wish
    }

    fn close_second(&mut self, elapsed: Duration) {
        let second = std::mem::replace(&mut self.second, self.live.nothing());
        self.watch.second(self.moment(elapsed), second);
    }

    fn moment(&self, elapsed: Duration) -> Moment {
        let warm_up = self.warm_up.min(self.end);
        Moment { elapsed, phase: Phase::at(elapsed, warm_up, self.end - warm_up) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::{Counted, Recent};

    /// Notes what it is shown, and wants something at one of its looks.
    struct Notes {
        looks: Vec<(Moment, u64)>,
        seconds: Vec<(Moment, u64)>,
        wish: (usize, Wish),
    }

    impl Watch for &mut Notes {
        fn look(&mut self, moment: Moment, glance: &Glance) -> Wish {
            self.looks.push((moment, glance.answered));
            if self.looks.len() == self.wish.0 { self.wish.1 } else { Wish::GoOn }
        }

        fn second(&mut self, moment: Moment, glance: Glance) {
            self.seconds.push((moment, glance.answered));
        }
    }

    /// Takes so many looks, with one more reply before each than before the last, and then the rest.
    fn watched(wish: (usize, Wish), looks: usize) -> (Notes, Result<(), RunError>, Duration) {
        let (warm_up, duration) = (Duration::from_secs(1), Duration::from_secs(3));
        let live = Live::new(1);
        let mut notes = Notes { looks: Vec::new(), seconds: Vec::new(), wish };
        let mut taken = Looks::new(&live, warm_up, duration, &mut notes);
        let count = |answered| live.add(&Counted { answered, ..Counted::default() }, &mut Recent::new(1));
        let mut result = Ok(());
        for answered in 1..=looks as u64 {
            count(answered);
            result = result.and_then(|()| taken.take());
        }
        count(100);
        taken.take_rest(Duration::from_secs(9));
        let measured = taken.measured();
        (notes, result, measured)
    }

    #[test]
    fn five_looks_are_a_second_and_nothing_is_left_out() {
        let (notes, result, measured) = watched((0, Wish::GoOn), 11);
        assert!(result.is_ok() && measured == Duration::from_secs(3));
        let counts = |shown: &[(Moment, u64)]| shown.iter().map(|(_, count)| *count).collect::<Vec<_>>();
        assert_eq!(counts(&notes.looks), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 100]);
        assert_eq!(counts(&notes.seconds), [15, 40, 111]);
        let moments: Vec<_> =
            notes.seconds.iter().map(|(moment, _)| (moment.elapsed.as_secs(), moment.phase)).collect();
        assert_eq!(moments, [(1, Phase::WarmUp), (2, Phase::Measure), (9, Phase::Verify)]);
    }

    #[test]
    fn who_wants_an_end_gets_it_with_the_next_look_and_the_result_of_what_was_measured() {
        let (notes, result, measured) = watched((8, Wish::End), 11);
        assert!(result.is_ok());
        assert_eq!(measured, Duration::from_millis(800));
        assert_eq!((notes.looks[8].0.phase, notes.looks[9].0.phase), (Phase::Measure, Phase::Verify));
        // There is no earlier end once sending has ended.
        assert_eq!(watched((20, Wish::End), 22).2, Duration::from_secs(3));
    }

    #[test]
    fn before_anything_is_measured_an_end_has_no_result() {
        for (at, wish) in [(2, Wish::End), (6, Wish::Leave)] {
            assert!(matches!(watched((at, wish), 9).1, Err(RunError::Left)));
        }
    }
}
