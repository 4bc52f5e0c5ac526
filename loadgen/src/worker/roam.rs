//! Clients that go from one server to another, and how long nobody hears of them meanwhile.

use fastrand::Rng;

use crate::measure::nanos;
use crate::plan::Plan;

/// Whether and when a client moves to another server. Times are nanoseconds of the run's clock.
///
/// A client leaves when its next command is due: it closes its connection, opens one to another
/// server and reports there. From the one to the acknowledgement of the other nobody has a
/// connection with it: the gap of a hand-over.
#[derive(Debug)]
pub(super) struct Roam {
    /// How long a client stays, on average; 0 if for ever.
    stay: u64,
    leaves_at: u64,
    /// When it left the server before, if it was not acknowledged by another one since.
    left_at: Option<u64>,
}

impl Roam {
    pub(super) fn new(plan: &Plan, rng: &mut Rng) -> Self {
        let stay = plan.roam.filter(|_| plan.servers.len() > 1).map_or(0, nanos);
        let leaves_at = if stay == 0 { u64::MAX } else { some_time(stay, rng) };
        Self { stay, leaves_at, left_at: None }
    }

    /// Whether the client, which has a command due, is to leave with it. If so it has left.
    pub(super) fn leaves(&mut self, due: u64, now: u64, rng: &mut Rng) -> bool {
        let leaves = due >= self.leaves_at && self.left_at.is_none();
        if leaves {
            self.left_at = Some(now);
            self.leaves_at = due + some_time(self.stay, rng);
        }
        leaves
    }

    /// Whether the client has left a server and no other one has acknowledged it yet.
    pub(super) const fn is_arriving(&self) -> bool {
        self.left_at.is_some()
    }

    /// The client was answered: if it was on its way, so long was the gap.
    pub(super) fn arrived(&mut self, now: u64) -> Option<u64> {
        self.left_at.take().map(|left| now.saturating_sub(left))
    }
}

/// Any time with a mean of `stay`.
fn some_time(stay: u64, rng: &mut Rng) -> u64 {
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let time = (stay as f64 * -(1.0 - rng.f64()).ln()) as u64;
    time
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_leaves_once_and_the_gap_ends_with_the_first_answer() {
        let mut rng = Rng::with_seed(1);
        let mut roam = Roam { stay: 1000, leaves_at: 50, left_at: None };
        assert!(!roam.leaves(49, 49, &mut rng) && roam.arrived(49).is_none());
        assert!(roam.leaves(50, 55, &mut rng));
        assert!(roam.is_arriving() && !roam.leaves(u64::MAX, 60, &mut rng));
        assert_eq!((roam.arrived(75), roam.arrived(80)), (Some(20), None));
        assert!(!roam.is_arriving() && roam.leaves_at > 50);
    }
}
