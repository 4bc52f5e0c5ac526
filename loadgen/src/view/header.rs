//! What is run, how far it is, and how this program does.

use std::time::Duration;

use loadgen::series::Phase;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::figures::Figures;
use super::text::{NOTHING, fit, put, put_right, seconds, time, width};
use super::theme::{DONE, PLAIN, QUIET, STRONG, WARNING};

/// The room for the name of the phase.
const PHASE_WIDTH: u16 = 9;

/// Two lines: what is run, and how far it is.
pub(super) fn draw(buffer: &mut Buffer, area: Rect, figures: &Figures) {
    let headline = &figures.facts.headline;
    put(buffer, area, (0, 0), "loadgen", STRONG);
    put(buffer, area, (PHASE_WIDTH, 0), &fit(headline, area.width.saturating_sub(PHASE_WIDTH)), PLAIN);

    let elapsed = figures.moment.elapsed;
    let phase = match figures.moment.phase {
        Phase::WarmUp => "warm-up",
        Phase::Measure => "measure",
        Phase::Verify => "verify",
    };
    put(buffer, area, (0, 1), phase, STRONG);
    let end = figures.facts.end;
    let time = format!("  {} of {}", seconds(whole(elapsed.min(end))), seconds(end));
    put_right(buffer, area, 1, &time, PLAIN);
    let room = area.width.saturating_sub(PHASE_WIDTH + width(&time));
    let [done, warm_up] = [elapsed, figures.facts.warm_up].map(|time| share_of(time, end, room));
    for column in 0..room {
        let (symbol, style) = match column {
            _ if column >= done => ("─", QUIET),
            _ if column < warm_up => ("━", QUIET),
            _ => ("━", DONE),
        };
        put(buffer, area, (PHASE_WIDTH + column, 1), symbol, style);
    }
}

fn whole(time: Duration) -> Duration {
    Duration::from_secs(time.as_secs())
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn share_of(time: Duration, all: Duration, room: u16) -> u16 {
    let share = time.as_secs_f64() / all.as_secs_f64().max(f64::MIN_POSITIVE);
    // A cast takes what is out of range to its end.
    (share.min(1.0) * f64::from(room)).round() as u16
}

/// One line: the lag of commands, the processor, connections, and what keys do.
pub(super) fn draw_footer(buffer: &mut Buffer, area: Rect, figures: &Figures) {
    let hint =
        if figures.ending { " ending: what is under way is waited for; q leaves at once" } else { " q ends the run" };
    put_right(buffer, area, 0, hint, QUIET);
    let generator = &figures.generator;
    let max_lag = u64::try_from(figures.facts.max_lag.as_nanos()).unwrap_or(u64::MAX);
    let is_late = generator.lag.is_some_and(|lag| lag > max_lag);
    let lag = generator.lag.map_or(NOTHING.into(), time);
    let items = [
        (format!("send lag p99 {lag} of {}", time(max_lag)), if is_late { WARNING } else { PLAIN }),
        (format!("processor {:.0} %", generator.cpu * 100.0), PLAIN),
        (format!("connected {}", generator.connected), PLAIN),
    ];
    let left = Rect { width: area.width.saturating_sub(width(hint)), ..area };
    draw_items(buffer, left, &items);
}

/// Items in a line, as many as fit whole.
pub(super) fn draw_items(buffer: &mut Buffer, area: Rect, items: &[(String, Style)]) {
    let mut left = 0;
    for (text, style) in items {
        if left + width(text) > area.width {
            break;
        }
        put(buffer, area, (left, 0), text, *style);
        left += width(text) + 3;
    }
}
