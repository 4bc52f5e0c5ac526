//! How values are laid out along the height of a panel.

use std::ops::Range;

/// Linear or logarithmic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// From 0.
    Linear,
    /// In powers of ten; values below the smallest that is shown stand at the bottom.
    Logarithmic,
}

/// The smallest value that a logarithmic scale tells apart.
const SMALLEST: f64 = 0.01;

impl Scale {
    /// Where a value is drawn.
    pub(super) fn place(self, value: f64) -> f64 {
        match self {
            Self::Linear => value,
            Self::Logarithmic => value.max(SMALLEST).log10(),
        }
    }

    /// What has to be shown for all values to be seen.
    pub(super) fn range(self, values: impl Iterator<Item = f64>) -> Range<f64> {
        let [least, most] = values
            .map(|value| self.place(value))
            .fold([f64::INFINITY, f64::NEG_INFINITY], |[a, b], v| [a.min(v), b.max(v)]);
        if least > most {
            return 0.0..1.0;
        }
        match self {
            Self::Linear => 0.0..(most * 1.05).max(1.0),
            Self::Logarithmic => least.floor()..(most + 0.05).ceil().max(least.floor() + 1.0),
        }
    }

    /// The text beside a place on the scale.
    pub(super) fn label(self, place: f64) -> String {
        let value = if self == Self::Linear { place } else { 10_f64.powf(place) };
        match value {
            _ if value >= 1e9 => format!("{} G", short(value / 1e9)),
            _ if value >= 1e6 => format!("{} M", short(value / 1e6)),
            _ if value >= 1e4 => format!("{} k", short(value / 1e3)),
            _ => short(value),
        }
    }
}

/// At most two decimals, and none that are zero.
fn short(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_show_all_values() {
        assert_eq!(Scale::Linear.range([3.0, 200.0].into_iter()), 0.0..210.0);
        assert_eq!(Scale::Linear.range([0.0].into_iter()), 0.0..1.0);
        assert_eq!(Scale::Logarithmic.range([3.0, 200.0].into_iter()), 0.0..3.0);
        assert_eq!(Scale::Logarithmic.range([0.0, 0.5].into_iter()), -2.0..0.0);
        assert_eq!(Scale::Linear.range(std::iter::empty()), 0.0..1.0);
    }

    #[test]
    fn labels_are_short() {
        for (value, expected) in
            [(0.0, "0"), (0.5, "0.5"), (100.0, "100"), (25_000.0, "25 k"), (1_500_000.0, "1.5 M"), (2e9, "2 G")]
        {
            assert_eq!(Scale::Linear.label(value), expected);
        }
        assert_eq!(Scale::Logarithmic.label(3.0), "1000");
    }
}
