//! Which panel is where, on a screen of a given size. What matters least is left out of a small
//! one: first the rates, then the heat maps, then servers.

use ratatui::layout::Rect;

/// From this width on, tables are beside the pictures.
const WIDE: u16 = 150;
/// The width of the tables then.
const TABLES: u16 = 80;
/// Between them and the pictures.
const GUTTER: u16 = 3;
/// From this width on, there is a margin on both sides.
const WITH_MARGIN: u16 = 60;
/// Lines of a heat map with its title, at least.
const LEAST_HEAT: u16 = 4;
/// From so many lines for pictures on, each operation has a heat map of its own.
const TWO_HEATS: u16 = 22;

/// What the layout depends on, besides the size.
#[derive(Debug, Clone, Copy)]
pub(super) struct Content {
    pub(super) servers: u16,
    /// Whether there is a propagation grid.
    pub(super) grid: bool,
    /// Rows of percentiles.
    pub(super) percentiles: u16,
    /// Whether something was wrong.
    pub(super) wrong: bool,
}

/// Where panels are; those without lines are left out.
#[derive(Debug, Default)]
pub(super) struct Layout {
    pub(super) header: Rect,
    pub(super) rate: Rect,
    /// One for all operations, or two.
    pub(super) heats: Vec<Rect>,
    pub(super) axis: Rect,
    pub(super) percentiles: Rect,
    /// Percentiles since the warm-up.
    pub(super) so_far: Rect,
    pub(super) servers: Rect,
    /// If there is no room for one, sights are beside the servers.
    pub(super) grid: Option<Rect>,
    /// A heat map of propagation, and its axis.
    pub(super) seen: Rect,
    pub(super) seen_axis: Rect,
    pub(super) trouble: Rect,
    pub(super) footer: Rect,
}

/// Hands out lines of a column, from the top.
struct Lines(Rect);

impl Lines {
    fn take(&mut self, lines: u16) -> Rect {
        let lines = lines.min(self.0.height);
        let taken = Rect { height: lines, ..self.0 };
        self.0 = Rect { y: self.0.y + lines, height: self.0.height - lines, ..self.0 };
        taken
    }

    fn take_last(&mut self, lines: u16) -> Rect {
        let lines = lines.min(self.0.height);
        self.0.height -= lines;
        Rect { y: self.0.y + self.0.height, height: lines, ..self.0 }
    }
}

impl Layout {
    pub(super) fn new(screen: Rect, content: Content) -> Self {
        let margin = u16::from(screen.width >= WITH_MARGIN);
        let mut lines = Lines(Rect { x: screen.x + margin, width: screen.width - 2 * margin, ..screen });
        let mut layout = Self { header: lines.take(2), footer: lines.take_last(1), ..Self::default() };
        if screen.width >= WIDE {
            layout.side_by_side(lines.0, content);
        } else {
            layout.stacked(lines, content);
        }
        layout
    }

    fn side_by_side(&mut self, all: Rect, content: Content) {
        let pictures = all.width - TABLES - GUTTER;
        let space = u16::from(all.height >= 30);
        let mut left = Lines(Rect { width: pictures, ..all });
        left.take(space);
        left.take_last(space);
        self.pictures(left, space);
        let right = Lines(Rect { x: all.x + pictures + GUTTER, width: TABLES, ..all });
        self.tables(right, space, content);
    }

    fn tables(&mut self, mut lines: Lines, space: u16, content: Content) {
        lines.take(space);
        lines.take_last(space);
        self.trouble = lines.take_last(if content.wrong { 4 } else { 1 });
        lines.take_last(1);
        let (rows, servers) = (1 + content.percentiles, 1 + content.servers);
        self.percentiles = lines.take(rows);
        lines.take(1);
        if lines.0.height > rows + servers {
            self.so_far = lines.take(rows);
            lines.take(1);
        }
        self.servers = lines.take(servers);
        lines.take(1);
        if content.grid && lines.0.height > servers {
            self.grid = Some(lines.take(1 + servers));
            lines.take(1);
        }
        if content.grid && lines.0.height > LEAST_HEAT {
            self.seen_axis = lines.take_last(1);
            self.seen = lines.0;
        }
    }

    fn stacked(&mut self, mut lines: Lines, content: Content) {
        let roomy = lines.0.height >= 32;
        let space = u16::from(roomy);
        self.trouble = lines.take_last(if content.wrong { 2 + 2 * space } else { 1 });
        lines.take_last(space);
        let rows = if roomy { content.percentiles } else { content.percentiles.min(2) };
        let servers = 1 + content.servers;
        lines.take(space);
        let for_tables = 1 + rows + space + servers + space;
        let for_pictures = lines.0.height.saturating_sub(for_tables);
        if for_pictures > LEAST_HEAT {
            let pictures = Lines(lines.take(for_pictures));
            self.pictures(pictures, space);
            lines.take(space);
        }
        self.percentiles = lines.take(1 + rows);
        lines.take(space);
        self.servers = lines.0;
    }

    /// Rates and heat maps above one axis.
    fn pictures(&mut self, mut lines: Lines, space: u16) {
        let height = lines.0.height;
        self.axis = lines.take_last(1);
        if height > 2 * LEAST_HEAT {
            self.rate = lines.take((height / 4).clamp(3, 12));
            lines.take(space);
        }
        if height >= TWO_HEATS {
            let first = lines.take((lines.0.height - space) / 2);
            lines.take(space);
            self.heats = vec![first, lines.0];
        } else {
            self.heats = vec![lines.0];
        }
    }
}
