//! The ratios and bounds that decide, each with its gate and its aim.

use super::Round;
use super::arm::Arm;
use super::scale::Scale::{Deep, Single, Wide};
use crate::redis::UpdateCommand::{Geoadd, Set};
use crate::statistics::median;

/// One thing that a herd is to keep.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) what: &'static str,
    pub(super) value: Value,
    pub(super) gate: f64,
    pub(super) aim: f64,
}

/// What is computed within a round.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value {
    /// The rate of one arm in those of another: the more the better.
    Rate(Arm, Arm),
    /// The median of one arm's sights in those of another: the less the better.
    SeenMedian(Arm, Arm),
    /// The same of 99th percentiles.
    SeenTail(Arm, Arm),
    /// Milliseconds until all agreed.
    Agreement(Arm),
    /// Bytes for a client.
    ClientBytes(Arm),
    /// Messages for an update.
    Messages(Arm),
}

/// How a row came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The aim is met.
    Fine,
    /// The gate is.
    BelowAim,
    /// The gate is missed by no more than is allowed for.
    WithinAllowance,
    /// It is missed.
    Failed,
    /// What it is compared with is not installed.
    Skipped,
}

/// All rows, as they are printed.
pub(super) fn rows() -> Vec<Row> {
    let row = |what, value, gate, aim| Row { what, value, gate, aim };
    let (herd, one, null) = (Arm::Herd, Arm::One, Arm::Null);
    let rate = Value::Rate;
    vec![
        row("one server / null responder, P=1", rate(one(Single), null(Single)), 0.65, 0.85),
        row("one server / null responder, P=16", rate(one(Deep), null(Deep)), 0.20, 0.50),
        row("herd / Redis SET, until all agree, P=16", rate(herd(Deep), Arm::Redis(Set, Deep)), 0.6, 1.0),
        row("herd / Redis GEOADD, until all agree, P=16", rate(herd(Deep), Arm::Redis(Geoadd, Deep)), 2.0, 3.5),
        row("herd / Redis SET, until all agree, P=1", rate(herd(Single), Arm::Redis(Set, Single)), 0.7, 1.0),
        row("herd / Redis GEOADD, until all agree, P=1", rate(herd(Single), Arm::Redis(Geoadd, Single)), 1.4, 2.2),
        row("propagation p50, two hops, idle, tapped / bare relay", Value::SeenMedian(Arm::Idle, Arm::Relay), 2.0, 1.4),
        row("propagation p99, half the rate / Redis SET", Value::SeenTail(Arm::Half, Arm::HalfRedis), 0.7, 0.3),
        row("ms until all five agree, P=1", Value::Agreement(herd(Single)), 100.0, 20.0),
        row("ms until all five agree, P=16", Value::Agreement(herd(Deep)), 100.0, 20.0),
        row("bytes per connected client, its own server", Value::ClientBytes(Arm::Connected), 2500.0, 1000.0),
        row("bytes per stored client, the other servers", Value::ClientBytes(Arm::Stored), 350.0, 200.0),
        row("one server, 1000 connections / 50, P=16", rate(one(Wide), one(Deep)), 0.75, 0.9),
        row("herd, 1000 connections / 50, P=16", rate(herd(Wide), herd(Deep)), 0.75, 0.9),
        row("herd with log / without, P=1", rate(herd(Single), Arm::Unlogged(Single)), 0.80, 0.95),
        row("herd with log / without, P=16", rate(herd(Deep), Arm::Unlogged(Deep)), 0.65, 0.85),
        row("messages per update, idle", Value::Messages(Arm::Idle), 8.0, 8.0),
        row("messages per update, saturated, P=1", Value::Messages(herd(Single)), 8.0, 6.0),
        row("messages per update, saturated, P=16", Value::Messages(herd(Deep)), 8.0, 6.0),
        row("WHATSAT, herd / Places stub alone", rate(Arm::Whatsat, Arm::Stub), 0.7, 0.95),
    ]
}

impl Row {
    /// What it came to in each of the rounds that have both sides of it.
    pub(super) fn over(&self, rounds: &[Round]) -> Vec<f64> {
        rounds.iter().filter_map(|round| self.value.of(round)).collect()
    }

    /// How it came out by its median. Rates and latencies may miss their gates by a part of them.
    pub(super) fn verdict(&self, values: &[f64], allowance: f64, with_redis: bool) -> Verdict {
        let Some(median) = median(values) else {
            let is_skipped = self.value.needs_redis() && !with_redis;
            return if is_skipped { Verdict::Skipped } else { Verdict::Failed };
        };
        let (sign, allowance) = (self.value.sign(), if self.value.moves() { allowance } else { 0.0 });
        let is_met = |bound: f64| sign * median >= sign * bound;
        match () {
            () if is_met(self.gate) && is_met(self.aim) => Verdict::Fine,
            () if is_met(self.gate) => Verdict::BelowAim,
            () if is_met(self.gate * (1.0 - sign * allowance)) => Verdict::WithinAllowance,
            () => Verdict::Failed,
        }
    }
}

impl Value {
    fn of(self, round: &Round) -> Option<f64> {
        let ratio = |of: Option<f64>, to: Option<f64>| Some(of? / to.filter(|to| *to > 0.0)?);
        match self {
            Self::Rate(of, to) => ratio(round.arm(of)?.rate, round.arm(to)?.rate),
            Self::SeenMedian(of, to) => ratio(round.arm(of)?.seen_p50, round.arm(to)?.seen_p50),
            Self::SeenTail(of, to) => ratio(round.arm(of)?.seen_p99, round.arm(to)?.seen_p99),
            Self::Agreement(arm) => round.arm(arm)?.agree_ms,
            Self::ClientBytes(arm) => round.arm(arm)?.client_bytes,
            Self::Messages(arm) => round.arm(arm)?.messages,
        }
    }

    /// 1 where more is better, else -1.
    const fn sign(self) -> f64 {
        if matches!(self, Self::Rate(..)) { 1.0 } else { -1.0 }
    }

    /// Whether it moves with what else the machine does.
    pub(super) const fn moves(self) -> bool {
        matches!(self, Self::Rate(..) | Self::SeenMedian(..) | Self::SeenTail(..))
    }

    const fn needs_redis(self) -> bool {
        matches!(self, Self::Rate(_, to) | Self::SeenTail(_, to) if to.needs_redis())
    }
}

impl Verdict {
    pub(super) const fn holds(self) -> bool {
        !matches!(self, Self::Failed)
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Fine => "ok",
            Self::BelowAim => "below aim",
            Self::WithinAllowance => "below gate, allowed",
            Self::Failed => "FAILED",
            Self::Skipped => "SKIPPED",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_by_table() {
        let more = Row { what: "", value: Value::Rate(Arm::Stub, Arm::Stub), gate: 0.5, aim: 0.9 };
        let less = Row { what: "", value: Value::SeenTail(Arm::Half, Arm::HalfRedis), gate: 2.0, aim: 1.0 };
        let exact = Row { what: "", value: Value::Messages(Arm::Idle), gate: 8.0, aim: 6.0 };
        for (row, median, expected) in [
            (&more, 0.9, Verdict::Fine),
            (&more, 0.5, Verdict::BelowAim),
            (&more, 0.41, Verdict::WithinAllowance),
            (&more, 0.39, Verdict::Failed),
            (&less, 1.0, Verdict::Fine),
            (&less, 2.0, Verdict::BelowAim),
            (&less, 2.39, Verdict::WithinAllowance),
            (&less, 2.41, Verdict::Failed),
            (&exact, 6.0, Verdict::Fine),
            (&exact, 8.0, Verdict::BelowAim),
            (&exact, 8.1, Verdict::Failed),
        ] {
            assert_eq!(row.verdict(&[median], 0.2, true), expected, "{row:?} {median}");
        }
        assert_eq!(less.verdict(&[], 0.2, false), Verdict::Skipped);
        assert_eq!(more.verdict(&[], 0.2, false), Verdict::Failed);
    }

    #[test]
    fn no_aim_is_easier_than_its_gate() {
        for row in rows() {
            assert!(row.value.sign() * row.aim >= row.value.sign() * row.gate, "{row:?}");
        }
    }
}
