//! Tables for people: the first column on the left, numbers on the right.

/// Rows of cells below a heading.
#[derive(Debug, Clone)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with the given headings; without any it has no row for them.
    #[must_use]
    pub fn new(headings: &[&str]) -> Self {
        let headings: Vec<String> = headings.iter().map(|&heading| heading.to_owned()).collect();
        Self { rows: if headings.is_empty() { Vec::new() } else { vec![headings] } }
    }

    /// Adds a row. Cells that are missing are empty.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The table as text, indented by two spaces.
    #[must_use]
    pub fn text(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let cell = |row: &[String], column: usize| row.get(column).cloned().unwrap_or_default();
        let widths: Vec<usize> = (0..columns)
            .map(|column| self.rows.iter().map(|row| cell(row, column).chars().count()).max().unwrap_or(0))
            .collect();
        let mut out = String::new();
        for row in &self.rows {
            let mut line = format!("  {:<width$}", cell(row, 0), width = widths[0]);
            for (column, width) in widths.iter().enumerate().skip(1) {
                line += &format!("  {:>width$}", cell(row, column));
            }
            out += line.trim_end();
            out.push('\n');
        }
        out
    }
}

/// A whole number with its thousands apart.
#[must_use]
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub fn count(value: f64) -> String {
    let digits = (value.round().max(0.0) as u64).to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

/// A cell that is empty where there is no value.
#[must_use]
pub fn or_blank(value: Option<f64>, text: impl Fn(f64) -> String) -> String {
    value.map_or(String::new(), text)
}

/// Seconds, with a unit that fits.
#[must_use]
pub fn seconds(value: f64) -> String {
    loadgen::report::time(value * 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(&["link", "bytes", "entries"]);
        table.row(["Clark → Bona".into(), count(1_234_567.0), String::new()]);
        table.row(["all".into()]);
        assert_eq!(table.text(), "  link              bytes  entries\n  Clark → Bona  1 234 567\n  all\n");
    }

    #[test]
    fn numbers_by_table() {
        for (value, expected) in [(0.0, "0"), (999.0, "999"), (1000.0, "1 000"), (1_234_567.4, "1 234 567")] {
            assert_eq!(count(value), expected);
        }
        assert_eq!(or_blank(None, count), "");
        assert_eq!(seconds(0.0123), "12.3 ms");
    }
}
