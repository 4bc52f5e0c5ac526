//! Tables of the last second, and what went wrong.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::figures::{Figures, Percentiles, Server, Sight, Trouble};
use super::header::draw_items;
use super::table::{Cell, Column, Table};
use super::text::{NOTHING, brief_time, put, time, width, wrap};
use super::theme::{PLAIN, QUIET, WARNING, WRONG};
use super::{below_title, title};

/// Percentiles of response times, propagation and lag, as many rows as there is room for.
pub(super) fn draw_percentiles(buffer: &mut Buffer, area: Rect, of: &str, percentiles: &[Percentiles]) {
    let columns = vec![
        Column::new(of, 16, 9),
        Column::new("count", 12, 2),
        Column::new("p50", 10, 8),
        Column::new("p90", 10, 5),
        Column::new("p99", 10, 7),
        Column::new("p99.9", 10, 4),
        Column::new("max", 10, 6),
    ];
    let rows = usize::from(area.height.saturating_sub(1));
    let rows = percentiles.iter().take(rows).map(percentiles_row).collect();
    Table { columns, rows }.draw(buffer, area);
}

fn percentiles_row(row: &Percentiles) -> Vec<Cell> {
    let mut cells = vec![(row.name.to_owned(), PLAIN), (row.count.to_string(), PLAIN)];
    match row.at {
        Some(at) => cells.extend(at.map(|nanos| (time(nanos), PLAIN))),
        None => cells.extend([(); 5].map(|()| (NOTHING.to_owned(), QUIET))),
    }
    cells
}

/// Servers, and on the right when each one's updates are seen at the others, if that is wanted
/// here and there is room.
pub(super) fn draw_servers(buffer: &mut Buffer, area: Rect, figures: &Figures, with_grid: bool) {
    let names = figures.servers.iter().map(|server| width(&server.name)).max().unwrap_or(0);
    let with_grid = with_grid && !figures.grid.is_empty();
    // Beside the grid there is little room; without it these columns are under those of percentiles.
    let [first, rate, other] = if with_grid { [names.max(6) + 2, 7, 7] } else { [names.max(14) + 2, 12, 10] };
    let mut columns = vec![
        Column::new("server", first, 9),
        Column::new("replies", rate.max(8), 7),
        Column::new("p50", other, 6),
        Column::new("p99", other - 1, 8),
        Column::new("failed", other, 5),
        Column::new("wrong", other - 1, 5),
    ];
    if with_grid {
        let title = |observer: usize| if observer == 0 { "seen at 1".to_owned() } else { (observer + 1).to_string() };
        let wide = |observer: usize| if observer == 0 { 10 } else { 6 };
        columns.extend((0..figures.servers.len()).map(|observer| Column::new(title(observer), wide(observer), 1)));
    }
    let row =
        |(number, server): (usize, &Server)| {
            let mut cells = server_row(number, server);
            if with_grid {
                cells.extend(figures.grid[number].iter().enumerate().map(|(observer, sight)| {
                    if observer == number { (String::new(), PLAIN) } else { brief_sight(sight) }
                }));
            }
            cells
        };
    let rows = figures.servers.iter().enumerate().map(row).collect();
    Table { columns, rows }.draw(buffer, area);
}

fn server_row(number: usize, server: &Server) -> Vec<Cell> {
    let times = [server.p50, server.p99].map(|nanos| match nanos {
        Some(nanos) => (brief_time(nanos), PLAIN),
        None => (NOTHING.to_owned(), QUIET),
    });
    let name = format!("{} {}", number + 1, server.name);
    let mut cells = vec![(name, PLAIN), (server.replies.to_string(), PLAIN)];
    cells.extend(times);
    cells.push((server.failed.to_string(), noticed(server.failed, WARNING)));
    cells.push((server.wrong.to_string(), noticed(server.wrong, WRONG)));
    cells
}

/// A sight in five characters: what was lost matters more than how long the rest took.
fn brief_sight(sight: &Sight) -> Cell {
    match (sight.lost, sight.p50) {
        (1.., _) => (format!("×{}", sight.lost), WRONG),
        (0, Some(nanos)) => (brief_time(nanos), PLAIN),
        (0, None) => (NOTHING.to_owned(), QUIET),
    }
}

/// When each server's updates are seen at each other one, with their names.
pub(super) fn draw_grid(buffer: &mut Buffer, area: Rect, figures: &Figures) {
    let names = figures.servers.iter().map(|server| width(&server.name)).max().unwrap_or(0);
    let mut columns = vec![Column::new("update of", names.max(14) + 2, 9)];
    columns.extend(figures.servers.iter().map(|server| Column::new(&server.name, width(&server.name).max(10) + 2, 1)));
    let row =
        |(origin, sights): (usize, &Vec<Sight>)| {
            let mut cells = vec![(figures.servers[origin].name.clone(), PLAIN)];
            cells.extend(
                sights.iter().enumerate().map(|(observer, sight)| {
                    if observer == origin { (String::new(), PLAIN) } else { full_sight(sight) }
                }),
            );
            cells
        };
    title(buffer, area, "seen at", "p50, and × lost, of the last 5 s");
    let rows = figures.grid.iter().enumerate().map(row).collect();
    Table { columns, rows }.draw(buffer, below_title(area));
}

fn full_sight(sight: &Sight) -> Cell {
    match (sight.lost, sight.p50) {
        (0, _) => brief_sight(sight),
        (lost, Some(nanos)) => (format!("{} ×{lost}", brief_time(nanos)), WRONG),
        (lost, None) => (format!("×{lost}"), WRONG),
    }
}

/// One line of counts, and below it the last wrong answer.
pub(super) fn draw_trouble(buffer: &mut Buffer, area: Rect, trouble: &Trouble) {
    let items = [
        ("wrong", trouble.wrong, WRONG),
        ("lost", trouble.lost, WRONG),
        ("unseen", trouble.unseen, WRONG),
        ("failed", trouble.failed, WARNING),
        ("timeouts", trouble.timeouts, WARNING),
        ("stale", trouble.stale, PLAIN),
    ]
    .map(|(what, count, style)| (format!("{what} {count}"), noticed(count, style)));
    draw_items(buffer, area, &items);
    let Some(sentence) = &trouble.sentence else { return };
    let lines = wrap(sentence, area.width, area.height.saturating_sub(1));
    for (line, text) in (1..).zip(lines) {
        put(buffer, area, (0, line), &text, WRONG);
    }
}

/// A style for a count; nothing is not noticed.
fn noticed(count: u64, style: Style) -> Style {
    if count == 0 { QUIET } else { style }
}
