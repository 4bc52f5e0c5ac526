//! A table in which the columns that matter least go where there is no room.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::text::{fit, put, width};
use super::theme::{QUIET, STRONG};

/// A column: the first one is flush left, all others are flush right.
#[derive(Debug)]
pub(super) struct Column {
    title: String,
    width: u16,
    /// Columns with the lowest go first, and of those the last.
    worth: u8,
}

/// What is in a row under a column.
pub(super) type Cell = (String, Style);

/// A table with a row of titles.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) columns: Vec<Column>,
    pub(super) rows: Vec<Vec<Cell>>,
}

impl Column {
    /// A column that is so wide, with the space before it.
    pub(super) fn new(title: impl Into<String>, width: u16, worth: u8) -> Self {
        Self { title: title.into(), width, worth }
    }
}

impl Table {
    pub(super) fn draw(&self, buffer: &mut Buffer, area: Rect) {
        let shown = self.columns_for(area.width);
        let mut left = 0;
        for (place, &number) in shown.iter().enumerate() {
            let column = &self.columns[number];
            let style = if place == 0 { STRONG } else { QUIET };
            cell(buffer, area, (left, column.width), 0, place == 0, &(column.title.clone(), style));
            for (row, line) in self.rows.iter().zip(1..self.lines(area.height)) {
                cell(buffer, area, (left, column.width), line, place == 0, &row[number]);
            }
            left += column.width;
        }
        let hidden = self.rows.len().saturating_sub(usize::from(self.lines(area.height).saturating_sub(1)));
        if hidden > 0 {
            put(buffer, area, (0, area.height.saturating_sub(1)), &format!("and {hidden} more"), QUIET);
        }
    }

    /// Lines for titles and rows; one is for how many rows are not shown, if any.
    fn lines(&self, height: u16) -> u16 {
        if self.rows.len() < usize::from(height) { height } else { height.saturating_sub(1) }
    }

    fn columns_for(&self, room: u16) -> Vec<usize> {
        let mut shown: Vec<usize> = (0..self.columns.len()).collect();
        let needed = |shown: &[usize]| shown.iter().map(|&column| self.columns[column].width).sum::<u16>();
        while needed(&shown) > room && shown.len() > 1 {
            let least = (0..shown.len()).rev().min_by_key(|&place| self.columns[shown[place]].worth);
            least.map(|place| shown.remove(place));
        }
        shown
    }
}

fn cell(buffer: &mut Buffer, area: Rect, (left, room): (u16, u16), line: u16, flush_left: bool, (text, style): &Cell) {
    let text = fit(text, room);
    let gap = if flush_left { 0 } else { room - width(&text) };
    put(buffer, area, (left + gap, line), &text, *style);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::theme::PLAIN;

    fn drawn(rows: usize, width: u16, height: u16) -> String {
        let columns = vec![Column::new("what", 6, 9), Column::new("most", 5, 2), Column::new("least", 7, 1)];
        let row = |number: usize| ["a", "b", "c"].map(|name| (format!("{name}{number}"), PLAIN)).to_vec();
        let area = Rect::new(0, 0, width, height);
        let mut buffer = Buffer::empty(area);
        Table { columns, rows: (0..rows).map(row).collect() }.draw(&mut buffer, area);
        let lines = buffer.content().chunks(usize::from(width));
        lines.map(|line| line.iter().map(ratatui::buffer::Cell::symbol).collect::<String>() + "\n").collect()
    }

    #[test]
    fn what_matters_least_goes_first() {
        assert_eq!(drawn(1, 18, 2), "what   most  least\na0       b0     c0\n");
        assert_eq!(drawn(1, 17, 2), "what   most      \na0       b0      \n");
        assert_eq!(drawn(1, 10, 2), "what      \na0        \n");
        assert_eq!(drawn(1, 3, 2), "wha\na0 \n");
    }

    #[test]
    fn rows_that_do_not_fit_are_counted() {
        assert_eq!(drawn(3, 10, 3), "what      \na0        \nand 2 more\n");
        assert_eq!(drawn(2, 10, 1), "and 2 more\n");
    }
}
