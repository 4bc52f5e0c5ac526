//! Commands and replies per second over time, as bars.

use loadgen::series::Phase;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::figures::Generator;
use super::history::Columns;
use super::text::put;
use super::theme::{DONE, QUIET, WARNING};
use super::title;

/// Bars by eighths of a cell.
const EIGHTHS: [&str; 9] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
/// What was due and has not been answered.
const MISSING: &str = "░";
/// Ends of the scale, by powers of ten.
const ENDS: [f64; 9] = [1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0, 8.0];

/// Draws the bars under a title, beside a scale that is `margin` wide.
pub(super) fn draw(buffer: &mut Buffer, area: Rect, margin: u16, columns: &Columns, last_second: &Generator) {
    let Generator { offered, answered, .. } = last_second;
    title(buffer, area, "replies per second", &format!("offered {offered}  answered {answered}"));
    let Some(height) = area.height.checked_sub(1).filter(|&height| height > 0) else { return };
    let most = columns.looks.iter().map(|look| look.offered_rate().max(look.answered_rate())).fold(0.0, f64::max);
    let end = end_of_scale(most);
    put(buffer, area, (0, 1), &format!("{end:>7.0}"), QUIET);
    if height > 1 {
        put(buffer, area, (0, height), &format!("{:>7}", 0), QUIET);
    }
    for (column, look) in (margin..).zip(&columns.looks) {
        let answered = eighths(look.answered_rate() / end, height);
        let offered = eighths(look.offered_rate() / end, height);
        for line in 0..height {
            let base = line * 8;
            let bar = answered.saturating_sub(base).min(8);
            let is_missing = bar == 0 && offered >= base + 4;
            let symbol = if is_missing { MISSING } else { EIGHTHS[usize::from(bar)] };
            let style = match look.phase {
                _ if is_missing => WARNING,
                Phase::Measure => DONE,
                _ => QUIET,
            };
            put(buffer, area, (column, height - line), symbol, style);
        }
    }
}

/// A share of the height, in eighths of cells; what is not nothing is seen.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn eighths(share: f64, height: u16) -> u16 {
    // A cast takes what is out of range to its end.
    (share * f64::from(height) * 8.0).ceil() as u16
}

/// The least even number that is not less.
fn end_of_scale(most: f64) -> f64 {
    let most = most.max(1.0);
    let decade = 10_f64.powf(most.log10().floor());
    ENDS.iter().map(|end| end * decade).find(|end| *end >= most).unwrap_or(10.0 * decade)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_end_with_even_numbers_close_above() {
        for (most, end) in [(0.0, 1.0), (1.0, 1.0), (5003.0, 6000.0), (9999.0, 10_000.0), (104_000.0, 120_000.0)] {
            assert!((end_of_scale(most) - end).abs() < 1e-6, "{most}");
        }
    }

    #[test]
    fn bars_are_as_high_as_their_share() {
        assert_eq!([0.0, 0.001, 0.5, 1.0].map(|share| eighths(share, 4)), [0, 1, 16, 32]);
    }
}
