//! Highest rates by arm.

use super::Round;
use super::arm::Arm;
use crate::bars::{Bar, Bars};

pub(super) fn bars(rounds: &[Round]) -> Bars {
    let bar = |arm: Arm| {
        let values: Vec<f64> = rounds.iter().filter_map(|round| round.arm(arm)?.rate).collect();
        (!values.is_empty()).then(|| Bar { name: arm.to_string(), values })
    };
    Bars {
        title: "Operations per second, in powers of ten: median, least and most".into(),
        bars: Arm::ALL.into_iter().filter(|arm| !arm.is_paced()).filter_map(bar).collect(),
    }
}
