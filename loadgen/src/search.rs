//! Looks for the highest rate at which a herd still meets its objectives.

/// How close the answer is: the lowest rate that missed, divided by the highest that met.
pub const CLOSE: f64 = 1.05;
/// Tries of one rate before it counts as missed: a machine that is shared may be away for a moment.
const TRIES: u32 = 2;
/// The lowest rate that is tried, in commands per second.
const LOWEST: f64 = 1.0;

/// Which rates to try. It doubles or halves the rate until one met and one missed, and then tries
/// what is between them.
#[derive(Debug, Clone, Copy)]
pub struct Search {
    next: f64,
    missed_in_a_row: u32,
    /// The highest rate that met.
    met: Option<f64>,
    /// The lowest rate that missed.
    missed: Option<f64>,
}

impl Search {
    /// A search that starts at so many commands per second.
    #[must_use]
    pub const fn from(rate: f64) -> Self {
        Self { next: rate, missed_in_a_row: 0, met: None, missed: None }
    }

    /// The rate to try next; `None` once the answer is known.
    #[must_use]
    pub fn next(&self) -> Option<f64> {
        let is_close = self.met.zip(self.missed).is_some_and(|(met, missed)| missed / met <= CLOSE);
        (!is_close && self.next >= LOWEST).then_some(self.next)
    }

    /// How the try of that rate went.
    pub fn tried(&mut self, met: bool) {
        if met {
            self.met = Some(self.next);
        } else {
            self.missed_in_a_row += 1;
            if self.missed_in_a_row < TRIES {
                return;
            }
            self.missed = Some(self.next);
        }
        self.missed_in_a_row = 0;
        self.next = match (self.met, self.missed) {
            (Some(met), Some(missed)) => (met * missed).sqrt(),
            (Some(met), None) => met * 2.0,
            (None, Some(missed)) => missed / 2.0,
            (None, None) => self.next,
        };
    }

    /// The highest rate that met and the lowest that missed, as far as they are known.
    #[must_use]
    pub const fn found(&self) -> (Option<f64>, Option<f64>) {
        (self.met, self.missed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Searches where all up to a rate meet, and returns what was found and how many tries it took.
    fn search(start: f64, limit: f64, mut hiccup: Option<usize>) -> (Option<f64>, usize) {
        let mut search = Search::from(start);
        let mut tries = 0;
        while let Some(rate) = search.next() {
            assert!(tries < 60, "no end");
            let is_away = hiccup.take_if(|number| *number == tries).is_some();
            search.tried(rate <= limit && !is_away);
            tries += 1;
        }
        (search.found().0, tries)
    }

    #[test]
    fn the_answer_is_within_its_bound_wherever_the_search_starts() {
        for limit in [3.0, 999.0, 1000.0, 1001.0, 74_321.0] {
            for start in [1.0, 1000.0, 1_000_000.0] {
                let (found, tries) = search(start, limit, None);
                let found = found.unwrap();
                assert!(found <= limit && limit / found <= CLOSE, "{found} for {limit} from {start}");
                assert!(tries < 50);
            }
        }
    }

    #[test]
    fn one_hiccup_changes_nothing_and_nothing_met_is_nothing_found() {
        for number in 0..10 {
            assert_eq!(search(1000.0, 5000.0, Some(number)).0, search(1000.0, 5000.0, None).0);
        }
        assert_eq!(search(1000.0, 0.5, None).0, None);
    }
}
