//! The live view: a screen that shows a run while it is under way, drawn after every look.
//!
//! - `figures`, `history`, `scale`: what is shown, gathered from looks
//! - `layout`: which panel is where
//! - `header`, `rate`, `heat`, `panels`: pure functions that draw figures into an area
//! - `table`, `text`, `theme`: what they draw with
//! - `terminal`: takes the terminal, reads keys, and gives the terminal back

mod figures;
mod header;
mod heat;
mod history;
mod layout;
mod panels;
mod rate;
mod scale;
mod table;
mod terminal;
#[cfg(test)]
mod tests;
mod text;
mod theme;

use std::io;
use std::time::Duration;

use loadgen::live::Glance;
use loadgen::plan::Plan;
use loadgen::series::Phase;
use loadgen::watch::{Moment, Wish};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use self::figures::Figures;
use self::history::{Columns, Look};
use self::layout::{Content, Layout};
use self::scale::Steps;
use self::terminal::Screen;
use self::text::{fit, put, put_right, width};
use self::theme::{PLAIN, QUIET, STRONG};

/// Columns for the labels of vertical scales.
const SCALE: u16 = 8;

/// A run on a screen of its own.
#[derive(Debug)]
pub(crate) struct View {
    figures: Figures,
    screen: Screen,
}

impl View {
    /// Whether a view can be shown on standard error.
    pub(crate) fn is_possible() -> bool {
        Screen::is_possible()
    }

    /// Takes the terminal.
    pub(crate) fn open(plan: &Plan) -> io::Result<Self> {
        Ok(Self { figures: Figures::new(plan), screen: Screen::enter()? })
    }

    /// How long the run is to send.
    pub(crate) fn end(&self) -> Duration {
        self.figures.facts.end
    }

    /// Shows what came since the last look, and says what whoever watches wants.
    ///
    /// # Errors
    /// If the terminal is gone.
    pub(crate) fn look(&mut self, moment: Moment, glance: &Glance) -> io::Result<Wish> {
        self.figures.look(moment, glance);
        let wish = match self.screen.asked_for_end()? {
            false => Wish::GoOn,
            // Whatever takes the terminal away may say so more than once.
            true if self.figures.ending && terminal::is_gone() => Wish::GoOn,
            true if self.figures.ending => Wish::Leave,
            true => Wish::End,
        };
        self.figures.ending |= wish == Wish::End;
        match self.screen.draw(|buffer| draw(buffer, &self.figures)) {
            // What was asked for with the terminal's last breath still counts.
            Err(error) if wish == Wish::GoOn => Err(error),
            _ => Ok(wish),
        }
    }

    /// Takes in what came since the last second, which is shown with the next look.
    pub(crate) fn second(&mut self, phase: Phase, glance: Glance) {
        self.figures.second(phase, glance);
    }
}

/// Draws all of it.
fn draw(buffer: &mut Buffer, figures: &Figures) {
    let count = |count| u16::try_from(count).unwrap_or(u16::MAX / 4);
    let content = Content {
        servers: count(figures.servers.len()),
        grid: !figures.grid.is_empty(),
        percentiles: count(figures.percentiles.len()),
        wrong: figures.trouble.sentence.is_some(),
    };
    let layout = Layout::new(buffer.area, content);
    header::draw(buffer, layout.header, figures);
    draw_pictures(buffer, &layout, figures);
    draw_seen(buffer, &layout, figures);
    panels::draw_percentiles(buffer, layout.percentiles, "last second", &figures.percentiles);
    panels::draw_percentiles(buffer, layout.so_far, "since warm-up", &figures.so_far);
    panels::draw_servers(buffer, layout.servers, figures, layout.grid.is_none());
    if let Some(grid) = layout.grid {
        panels::draw_grid(buffer, grid, figures);
    }
    panels::draw_trouble(buffer, layout.trouble, &figures.trouble);
    header::draw_footer(buffer, layout.footer, figures);
}

/// Draws rates and heat maps of response times, all over the same columns.
fn draw_pictures(buffer: &mut Buffer, layout: &Layout, figures: &Figures) {
    let columns = figures.history.columns(layout.axis.width.saturating_sub(SCALE));
    rate::draw(buffer, layout.rate, SCALE, &columns, &figures.generator);
    if let [iamat, whatsat] = layout.heats[..] {
        draw_heat(buffer, iamat, "IAMAT response times", &columns, |look| look.iamat.clone());
        draw_heat(buffer, whatsat, "WHATSAT response times", &columns, |look| look.whatsat.clone());
    }
    if let [both] = layout.heats[..] {
        draw_heat(buffer, both, "response times", &columns, Look::responses);
    }
    heat::draw_axis(buffer, layout.axis, SCALE, &columns);
}

/// Draws a heat map of how long updates took to be seen.
fn draw_seen(buffer: &mut Buffer, layout: &Layout, figures: &Figures) {
    let columns = figures.history.columns(layout.seen_axis.width.saturating_sub(SCALE));
    draw_heat(buffer, layout.seen, "propagation", &columns, |look| look.seen.clone());
    heat::draw_axis(buffer, layout.seen_axis, SCALE, &columns);
}

fn draw_heat(buffer: &mut Buffer, area: Rect, name: &str, columns: &Columns, steps: impl Fn(&Look) -> Steps) {
    let steps: Vec<Steps> = columns.looks.iter().map(steps).collect();
    let legend = heat::draw_legend(buffer, area, width(name) + 4);
    title(buffer, Rect { width: legend, ..area }, name, "share of replies ");
    heat::draw(buffer, below_title(area), SCALE, &steps);
}

/// What is left of a panel below its title.
fn below_title(area: Rect) -> Rect {
    Rect { y: area.y + 1.min(area.height), height: area.height.saturating_sub(1), ..area }
}

/// A line that names a panel, with something more at its right end if there is room.
fn title(buffer: &mut Buffer, area: Rect, name: &str, more: &str) {
    let name = fit(name, area.width);
    let more = if width(&name) + width(more) + 6 <= area.width { more } else { "" };
    let rule = usize::from(area.width.saturating_sub(width(&name) + 2 + width(more) + u16::from(!more.is_empty())));
    put(buffer, area, (0, 0), &name, STRONG);
    put(buffer, area, (width(&name) + 1, 0), &"─".repeat(rule), QUIET);
    if area.height > 0 {
        put_right(buffer, area, 0, more, PLAIN);
    }
}
