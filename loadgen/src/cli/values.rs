//! Values of options that are no plain numbers.

use std::str::FromStr;

use herd::protocol::text::Name;
use loadgen::plan::Spacing;

/// A share, written like `1%` or `0.5%`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Percent(pub(crate) f64);

impl FromStr for Percent {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.strip_suffix('%').and_then(|number| number.parse::<f64>().ok());
        let share = number.map(|number| number / 100.0).filter(|share| (0.0..=1.0).contains(share));
        share.map(Self).ok_or_else(|| "must be between 0% and 100%, such as 1% or 0.5%".into())
    }
}

/// Commands per second: `5000`, or `1000..50000` where they change.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RateRange {
    pub(crate) from: f64,
    pub(crate) to: f64,
}

impl FromStr for RateRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rate = |text: &str| text.parse::<f64>().ok().filter(|rate| *rate > 0.0 && rate.is_finite());
        let (from, to) = text.split_once("..").unwrap_or((text, text));
        let range = rate(from).zip(rate(to)).map(|(from, to)| Self { from, to });
        range.ok_or_else(|| "must be commands per second above 0, such as 5000 or 1000..50000".into())
    }
}

/// How evenly clients report; see [`Spacing`].
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum SpacingOption {
    /// At even times.
    Fixed,
    /// Once somewhere in each interval.
    Jittered,
    /// As a Poisson process does.
    Exponential,
}

impl From<SpacingOption> for Spacing {
    fn from(option: SpacingOption) -> Self {
        match option {
            SpacingOption::Fixed => Self::Fixed,
            SpacingOption::Jittered => Self::Jittered,
            SpacingOption::Exponential => Self::Exponential,
        }
    }
}

pub(crate) fn observer_name(text: &str) -> Result<Name, String> {
    Name::new(text).ok_or_else(|| format!("must be 1 to {} letters, digits, dots, underscores and dashes", Name::MAX))
}
