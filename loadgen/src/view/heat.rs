//! Response times over time, as a heat map: the darker a cell, the more of the replies of its
//! column took so long.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style};

use super::history::Columns;
use super::scale::{PER_DECADE, Steps, start_of};
use super::text::{put, put_right, seconds, time, width};
use super::theme::QUIET;

/// From which share of a column's replies on a cell looks how. Even one reply is seen.
const SHADES: [(f64, &str, Color); 5] = [
    (0.30, "█", Color::LightCyan),
    (0.12, "▓", Color::Cyan),
    (0.04, "▒", Color::Cyan),
    (0.01, "░", Color::Blue),
    (0.0, "·", Color::Blue),
];
/// Steps of the scale that a row may have: so many rows are a decade, or a part of one.
const STEPS_PER_ROW: [usize; 9] = [1, 2, 3, 4, 6, 8, 12, 16, 24];
/// Up to so many rows each has its label.
const ALL_LABELLED: usize = 6;

/// Which rows there are: the lowest begins at step `bottom × per_row`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rows {
    per_row: usize,
    bottom: usize,
    count: usize,
}

impl Rows {
    /// As fine as possible, so that all from one step to another is on them.
    fn covering((first, last): (usize, usize), count: usize) -> Self {
        let fits = |per_row: &usize| last / per_row - first / per_row < count;
        let coarsest = STEPS_PER_ROW[STEPS_PER_ROW.len() - 1];
        let per_row = STEPS_PER_ROW.into_iter().find(fits).unwrap_or(coarsest);
        Self { per_row, bottom: first / per_row, count }
    }

    /// The steps of a row, from the lowest row on. What is beyond either end counts there.
    fn steps(self, row: usize) -> (usize, usize) {
        let from = if row == 0 { 0 } else { self.start(row) };
        (from, if row + 1 == self.count { usize::MAX } else { self.start(row + 1) })
    }

    /// Where a row begins.
    fn start(self, row: usize) -> usize {
        (self.bottom + row) * self.per_row
    }

    /// Where a row begins, if it has a label: all have in a low picture, else every other one,
    /// so that powers of ten are among them.
    fn label(self, row: usize) -> Option<String> {
        let start = self.start(row);
        let from_decade = start % PER_DECADE / self.per_row;
        (self.count <= ALL_LABELLED || from_decade.is_multiple_of(2)).then(|| time(start_of(start)))
    }
}

/// Draws response times beside a scale that is `margin` wide.
pub(super) fn draw(buffer: &mut Buffer, area: Rect, margin: u16, columns: &[Steps]) {
    let mut all = Steps::default();
    columns.iter().for_each(|column| all.add(column));
    let Some(range) = all.range() else { return };
    let rows = Rows::covering(range, usize::from(area.height));
    for (row, line) in (0..area.height).rev().enumerate() {
        if let Some(label) = rows.label(row) {
            put(buffer, area, (0, line), &format!("{label:>7}"), QUIET);
        }
        let (from, to) = rows.steps(row);
        for (x, column) in (margin..).zip(columns) {
            if let Some((symbol, style)) = shade(column.between(from, to), column.total()) {
                put(buffer, area, (x, line), symbol, style);
            }
        }
    }
}

#[allow(clippy::cast_precision_loss)]
fn shade(count: u64, of: u64) -> Option<(&'static str, Style)> {
    let share = count as f64 / of.max(1) as f64;
    let &(_, symbol, colour) = SHADES.iter().find(|(least, ..)| count > 0 && share >= *least)?;
    Some((symbol, Style::new().fg(colour)))
}

/// Says at the right end of a line what the shades mean, if there is room right of a column.
pub(super) fn draw_legend(buffer: &mut Buffer, area: Rect, column: u16) -> u16 {
    let items = SHADES.iter().rev().map(|&(least, symbol, colour)| {
        let text = if least > 0.0 { format!(" {:.0} %  ", least * 100.0) } else { "  ".into() };
        (symbol, Style::new().fg(colour), text)
    });
    let items: Vec<_> = items.collect();
    let needed = items.iter().map(|(.., text)| 1 + width(text)).sum::<u16>() - 2;
    let fits = |start: &u16| area.height > 0 && *start > column;
    let Some(start) = area.width.checked_sub(needed).filter(fits) else { return area.width };
    let mut left = start;
    for (symbol, style, text) in &items {
        put(buffer, area, (left, 0), symbol, *style);
        put(buffer, area, (left + 1, 0), text.trim_end(), QUIET);
        left += 1 + width(text);
    }
    start
}

/// Shows which part of the run the columns are.
pub(super) fn draw_axis(buffer: &mut Buffer, area: Rect, margin: u16, columns: &Columns) {
    let start = seconds(columns.start);
    let end = seconds(columns.start + columns.span);
    let middle = seconds(columns.start + columns.span / 2);
    put(buffer, area, (margin, 0), &start, QUIET);
    put_right(buffer, area, 0, &end, QUIET);
    let at_middle = margin + area.width.saturating_sub(margin + width(&middle)) / 2;
    if at_middle > margin + width(&start) + 1 && at_middle + width(&middle) + width(&end) + 1 < area.width {
        put(buffer, area, (at_middle, 0), &middle, QUIET);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_as_fine_as_their_number_allows() {
        let rows = |from, to, count| Rows::covering((from, to), count);
        assert_eq!(rows(50, 55, 6), Rows { per_row: 1, bottom: 50, count: 6 });
        assert_eq!(rows(50, 56, 6), Rows { per_row: 2, bottom: 25, count: 6 });
        // Two decades in six rows: three for each.
        assert_eq!(rows(48, 95, 6), Rows { per_row: 8, bottom: 6, count: 6 });
        assert_eq!(rows(0, 168, 3), Rows { per_row: 24, bottom: 0, count: 3 });
    }

    #[test]
    fn labels_say_where_rows_begin() {
        let rows = Rows::covering((48, 95), 6);
        let labels: Vec<_> = (0..6).filter_map(|row| rows.label(row)).collect();
        assert_eq!(labels, ["100 µs", "215 µs", "464 µs", "1.0 ms", "2.2 ms", "4.6 ms"]);
        let fine = Rows::covering((48, 95), 24);
        let labels: Vec<_> = (0..24).filter_map(|row| fine.label(row)).collect();
        assert!(labels.len() == 12 && labels.contains(&"1.0 ms".into()), "{labels:?}");
    }

    #[test]
    fn a_single_reply_is_seen_and_none_is_not() {
        assert_eq!(shade(0, 1000), None);
        assert_eq!(shade(1, 1_000_000).map(|(symbol, _)| symbol), Some("·"));
        assert_eq!(shade(300, 1000).map(|(symbol, _)| symbol), Some("█"));
    }
}
