//! Figures: panels one above the other over the same seconds, with windows of time marked in
//! all of them. A legend stands beside each panel, so that it hides nothing.

mod axis;
mod labels;

use std::ops::Range;
use std::path::Path;

use anyhow::anyhow;
use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

pub use self::axis::Scale;

/// All sizes are in pixels.
const WIDTH: i32 = 960;
const PANEL_HEIGHT: i32 = 200;
const TITLE_HEIGHT: i32 = 30;
const FOOT: i32 = 24;
/// Room for a panel's heading, for the numbers below it and beside it, and for its legend.
const HEADING: i32 = 24;
const BELOW: i32 = 22;
const LEFT: i32 = 74;
const RIGHT: i32 = 170;
/// The height of a strip and of the gap below it.
const STRIP: i32 = 16;
const FONT: &str = "Helvetica, Arial, sans-serif";
const TITLE_SIZE: i32 = 19;
const TEXT_SIZE: i32 = 15;
/// Colours that people can tell apart who see fewer of them (Okabe and Ito).
const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(90, 90, 90),
];

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// A figure.
#[derive(Debug, Clone)]
pub struct Figure {
    /// What it shows.
    pub title: String,
    /// The seconds that it shows.
    pub seconds: Range<f64>,
    /// What the seconds count from.
    pub axis: String,
    /// Times that are marked.
    pub windows: Vec<Window>,
    /// From top to bottom.
    pub panels: Vec<Panel>,
}

/// A time that is marked, or a moment.
#[derive(Debug, Clone)]
pub struct Window {
    /// What was then.
    pub label: String,
    /// When; both ends are the same for a moment.
    pub seconds: Range<f64>,
}

/// One panel.
#[derive(Debug, Clone)]
pub enum Panel {
    /// Lines over a scale.
    Lines {
        /// What is measured, with its unit.
        heading: String,
        /// How values are laid out.
        scale: Scale,
        /// The lines.
        lines: Vec<Line>,
    },
    /// A bar for each of several things, drawn while it was so.
    Strips {
        /// What is shown.
        heading: String,
        /// Names, and when it was so.
        strips: Vec<(String, Vec<Range<f64>>)>,
    },
}

/// A line.
#[derive(Debug, Clone)]
pub struct Line {
    /// Its name in the legend.
    pub name: String,
    /// Seconds and values; where there is no value the line has a gap.
    pub points: Vec<(f64, Option<f64>)>,
}

impl Figure {
    /// Draws it as SVG.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn draw(&self, file: &Path) -> anyhow::Result<()> {
        let placed = labels::place(&self.windows, |second| self.pixel(second), WIDTH - 1);
        let head = TITLE_HEIGHT + placed.height;
        let height = head + self.panels.iter().map(Panel::height).sum::<i32>() + FOOT;
        let root = SVGBackend::new(file, (size(WIDTH), size(height))).into_drawing_area();
        root.fill(&WHITE)?;
        text(&root, &self.title, (LEFT, 8), TITLE_SIZE, HPos::Left, BLACK)?;
        for label in &placed.labels {
            text(&root, &label.text, (label.centre, TITLE_HEIGHT + label.top), TEXT_SIZE, HPos::Center, BLACK)?;
        }
        let mut top = head;
        for panel in &self.panels {
            match panel {
                Panel::Lines { heading, scale, lines } => self.draw_lines(&root, top, heading, *scale, lines)?,
                Panel::Strips { heading, strips } => self.draw_strips(&root, top, heading, strips)?,
            }
            top += panel.height();
        }
        text(
            &root,
            &self.axis,
            (self.pixel((self.seconds.start + self.seconds.end) / 2.0), top + 2),
            TEXT_SIZE,
            HPos::Center,
            BLACK,
        )?;
        root.present().map_err(|error| anyhow!("cannot draw {}: {error}", file.display()))
    }

    /// Where a second is, from the left.
    #[allow(clippy::cast_possible_truncation)]
    fn pixel(&self, second: f64) -> i32 {
        let share = (second - self.seconds.start) / (self.seconds.end - self.seconds.start);
        LEFT + (share.clamp(0.0, 1.0) * f64::from(WIDTH - LEFT - RIGHT)).round() as i32
    }

    fn draw_lines(&self, root: &Area<'_>, top: i32, heading: &str, scale: Scale, lines: &[Line]) -> anyhow::Result<()> {
        text(root, heading, (LEFT, top + 5), TEXT_SIZE, HPos::Left, BLACK)?;
        let values = lines.iter().flat_map(|line| &line.points).filter_map(|(_, value)| *value);
        let range = scale.range(values);
        let area = root.clone().shrink((0, top + HEADING), (size(WIDTH), size(PANEL_HEIGHT - HEADING)));
        let mut chart = ChartBuilder::on(&area)
            .margin_right(RIGHT)
            .x_label_area_size(BELOW)
            .y_label_area_size(LEFT)
            .build_cartesian_2d(self.seconds.clone(), range.clone())?;
        self.shade(&mut chart, &range)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(BLACK.mix(0.12))
            .axis_style(BLACK.mix(0.5))
            .label_style((FONT, TEXT_SIZE))
            .x_labels(12)
            .x_label_formatter(&|second| Scale::Linear.label(*second))
            .y_labels(5)
            .y_label_formatter(&|value| scale.label(*value))
            .draw()?;
        for (line, colour) in lines.iter().zip(COLOURS.iter().cycle()) {
            let shown: Vec<_> =
                line.points.iter().copied().filter(|(second, _)| self.seconds.contains(second)).collect();
            for piece in shown.split(|(_, value)| value.is_none()).filter(|piece| !piece.is_empty()) {
                let points: Vec<_> = piece.iter().filter_map(|&(x, y)| Some((x, scale.place(y?)))).collect();
                if let [point] = points[..] {
                    chart.draw_series([Circle::new(point, 2, colour.filled())])?;
                }
                chart.draw_series([PathElement::new(points, colour.stroke_width(2))])?;
            }
        }
        legend(root, top + HEADING, lines)
    }

    fn shade<'a>(
        &self,
        chart: &mut ChartContext<'a, SVGBackend<'a>, Cartesian2d<RangedCoordf64, RangedCoordf64>>,
        range: &Range<f64>,
    ) -> anyhow::Result<()> {
        for Window { seconds, .. } in &self.windows {
            let corners = [(seconds.start, range.start), (seconds.end, range.end)];
            chart.draw_series([Rectangle::new(corners, BLACK.mix(0.09).filled())])?;
            let moment = vec![(seconds.start, range.start), (seconds.start, range.end)];
            chart.draw_series([PathElement::new(moment, BLACK.mix(0.35))])?;
        }
        Ok(())
    }

    fn draw_strips(
        &self,
        root: &Area<'_>,
        top: i32,
        heading: &str,
        strips: &[(String, Vec<Range<f64>>)],
    ) -> anyhow::Result<()> {
        text(root, heading, (LEFT, top + 5), TEXT_SIZE, HPos::Left, BLACK)?;
        let bottom = top + HEADING + STRIP * i32::try_from(strips.len())?;
        for Window { seconds, .. } in &self.windows {
            let corners = [(self.pixel(seconds.start), top + HEADING), (self.pixel(seconds.end), bottom)];
            root.draw(&Rectangle::new(corners, BLACK.mix(0.09).filled()))?;
        }
        for (number, (name, times)) in strips.iter().enumerate() {
            let y = top + HEADING + STRIP * i32::try_from(number)?;
            text(root, name, (LEFT - 6, y), TEXT_SIZE, HPos::Right, BLACK)?;
            for time in times {
                let corners = [(self.pixel(time.start), y + 3), (self.pixel(time.end), y + STRIP - 3)];
                root.draw(&Rectangle::new(corners, COLOURS[number % COLOURS.len()].filled()))?;
            }
        }
        Ok(())
    }
}

impl Panel {
    fn height(&self) -> i32 {
        match self {
            Self::Lines { .. } => PANEL_HEIGHT,
            Self::Strips { strips, .. } => HEADING + STRIP * i32::try_from(strips.len()).unwrap_or(0) + BELOW,
        }
    }
}

fn legend(root: &Area<'_>, top: i32, lines: &[Line]) -> anyhow::Result<()> {
    let left = WIDTH - RIGHT + 14;
    for (number, (line, colour)) in lines.iter().zip(COLOURS.iter().cycle()).enumerate() {
        let y = top + 8 + 20 * i32::try_from(number)?;
        root.draw(&PathElement::new(vec![(left, y), (left + 20, y)], colour.stroke_width(3)))?;
        text(root, &line.name, (left + 27, y - 6), TEXT_SIZE, HPos::Left, BLACK)?;
    }
    Ok(())
}

/// Writes a text whose top is at the given place.
fn text(root: &Area<'_>, words: &str, at: (i32, i32), size: i32, side: HPos, colour: RGBColor) -> anyhow::Result<()> {
    let style = TextStyle::from((FONT, size).into_font()).color(&colour).pos(Pos::new(side, VPos::Top));
    root.draw(&Text::new(words.to_owned(), at, style))?;
    Ok(())
}

fn size(pixels: i32) -> u32 {
    pixels.unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_has_all_its_texts_and_stays_within_its_bounds() {
        let line = |name: &str| Line {
            name: name.into(),
            points: (0..20)
                .map(|second| (f64::from(second), (second != 7).then_some(f64::from(second * 10))))
                .collect(),
        };
        let window = |label: &str, seconds| Window { label: label.into(), seconds };
        let figure = Figure {
            title: "What it shows".into(),
            seconds: 0.0..20.0,
            axis: "seconds since the start".into(),
            windows: vec![window("cut & closed", 3.0..9.0), window("heal", 9.0..9.0)],
            panels: vec![
                Panel::Lines { heading: "one".into(), scale: Scale::Linear, lines: vec![line("a"), line("b")] },
                Panel::Lines { heading: "two".into(), scale: Scale::Logarithmic, lines: vec![line("c")] },
                Panel::Strips { heading: "up".into(), strips: vec![("Clark".into(), vec![0.0..5.0, 6.0..20.0])] },
            ],
        };
        let file = tempfile::NamedTempFile::new().unwrap();
        figure.draw(file.path()).unwrap();
        let svg = std::fs::read_to_string(file.path()).unwrap();
        assert!(svg.trim_end().ends_with("</svg>"));
        for words in ["What it shows", "cut &amp; closed", "heal", "one", "two", "up", "Clark", "seconds since"] {
            assert!(svg.contains(words), "{words}");
        }
    }
}
