//! Figures of bars that lie below each other: a median each, with a line from the least to the most.

use std::path::Path;

use anyhow::anyhow;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::statistics::median;
use crate::table::count;

/// All sizes are in pixels.
const WIDTH: i32 = 960;
const HEAD: i32 = 36;
const FOOT: i32 = 12;
/// Room for names beside the bars, and for numbers behind them.
const LEFT: i32 = 260;
const RIGHT: i32 = 110;
const ROW: i32 = 22;
const FONT: &str = "Helvetica, Arial, sans-serif";
const TITLE_SIZE: i32 = 19;
const TEXT_SIZE: i32 = 15;
const COLOUR: RGBColor = RGBColor(0, 114, 178);
/// What a linear scale would hide is shown by one in powers of ten; it begins here.
const LEAST: f64 = 1000.0;

/// A figure.
#[derive(Debug, Clone)]
pub struct Bars {
    /// What it shows, with its unit.
    pub title: String,
    /// From top to bottom.
    pub bars: Vec<Bar>,
}

/// Several values of one thing.
#[derive(Debug, Clone)]
pub struct Bar {
    /// Its name.
    pub name: String,
    /// The values.
    pub values: Vec<f64>,
}

impl Bars {
    /// Draws it as SVG, over a logarithmic scale.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn draw(&self, file: &Path) -> anyhow::Result<()> {
        let height = HEAD + ROW * i32::try_from(self.bars.len())? + FOOT;
        let root = SVGBackend::new(file, (WIDTH.unsigned_abs(), height.unsigned_abs())).into_drawing_area();
        root.fill(&WHITE)?;
        let text = |words: String, at: (i32, i32), size: i32, side: HPos| {
            let style = TextStyle::from((FONT, size).into_font()).color(&BLACK).pos(Pos::new(side, VPos::Top));
            root.draw(&Text::new(words, at, style))
        };
        text(self.title.clone(), (12, 8), TITLE_SIZE, HPos::Left)?;
        let most = self.bars.iter().flat_map(|bar| &bar.values).copied().fold(LEAST * 10.0, f64::max);
        let place = |value: f64| pixel(value, most);
        for (number, Bar { name, values }) in self.bars.iter().enumerate() {
            let top = HEAD + ROW * i32::try_from(number)?;
            text(name.clone(), (LEFT - 8, top + 2), TEXT_SIZE, HPos::Right)?;
            let Some(middle) = median(values) else { continue };
            root.draw(&Rectangle::new([(LEFT, top + 3), (place(middle), top + ROW - 5)], COLOUR.mix(0.6).filled()))?;
            let (least, most) =
                (values.iter().copied().fold(middle, f64::min), values.iter().copied().fold(middle, f64::max));
            let line = vec![(place(least), top + ROW / 2 - 1), (place(most), top + ROW / 2 - 1)];
            root.draw(&PathElement::new(line, BLACK.stroke_width(2)))?;
            text(count(middle), (place(most) + 8, top + 2), TEXT_SIZE, HPos::Left)?;
        }
        root.present().map_err(|error| anyhow!("cannot draw {}: {error}", file.display()))
    }
}

/// Where a value is, from the left, if the most is as far to the right as there is room.
#[allow(clippy::cast_possible_truncation)]
fn pixel(value: f64, most: f64) -> i32 {
    let share = (value.max(LEAST) / LEAST).log10() / (most / LEAST).log10();
    LEFT + (share * f64::from(WIDTH - LEFT - RIGHT)).round() as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_has_all_its_names_and_medians() {
        let bars = vec![
            Bar { name: "one & only".into(), values: vec![20_000.0, 30_000.0, 70_000.0] },
            Bar { name: "none".into(), values: Vec::new() },
        ];
        let file = tempfile::NamedTempFile::new().unwrap();
        Bars { title: "Rates".into(), bars }.draw(file.path()).unwrap();
        let svg = std::fs::read_to_string(file.path()).unwrap();
        for words in ["Rates", "one &amp; only", "none", "30 000"] {
            assert!(svg.contains(words), "{words}");
        }
        assert_eq!(pixel(LEAST / 2.0, 1e6), LEFT);
        assert_eq!(pixel(1e6, 1e6), WIDTH - RIGHT);
    }
}
