//! Words and numbers in the room that there is.

use std::time::Duration;

use loadgen::report;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

/// What stands for no value.
pub(super) const NOTHING: &str = "–";

/// How wide a text is on the screen: it has no wide characters.
pub(super) fn width(text: &str) -> u16 {
    u16::try_from(text.chars().count()).unwrap_or(u16::MAX)
}

/// A text in so much room: what is left out is left out in whole words.
pub(super) fn fit(text: &str, room: u16) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    let mut kept = String::new();
    for word in text.split(' ') {
        if width(&kept) + width(word) + 2 > room {
            break;
        }
        kept = kept + word + " ";
    }
    if room == 0 { kept } else { kept + "…" }
}

/// A text in lines of so many characters, at most so many of them. Words that are longer than a
/// line go on in the next.
pub(super) fn wrap(text: &str, room: u16, lines: u16) -> Vec<String> {
    let (mut wrapped, mut rest) = (Vec::new(), text.trim());
    let (room, lines) = (usize::from(room.max(1)), usize::from(lines));
    while wrapped.len() + 1 < lines && rest.chars().count() > room {
        let most = rest.char_indices().nth(room).map_or(rest.len(), |(end, _)| end);
        let at_space = if rest[most..].starts_with(' ') { Some(most) } else { rest[..most].rfind(' ') };
        let (line, next) = rest.split_at(at_space.unwrap_or(most));
        wrapped.push(line.to_owned());
        rest = next.trim_start();
    }
    if lines > 0 && !rest.is_empty() {
        wrapped.push(fit(rest, u16::try_from(room).unwrap_or(u16::MAX)));
    }
    wrapped
}

/// Nanoseconds in a unit that fits, in at most eight characters.
pub(super) fn time(nanos: u64) -> String {
    report::time(Duration::from_nanos(nanos).as_secs_f64() * 1e6)
}

/// Nanoseconds in at most five characters.
pub(super) fn brief_time(nanos: u64) -> String {
    match Duration::from_nanos(nanos).as_secs_f64() * 1e6 {
        micros if micros < 999.5 => format!("{micros:.0}µs"),
        micros if micros < 9_950.0 => format!("{:.1}ms", micros / 1e3),
        micros if micros < 999_500.0 => format!("{:.0}ms", micros / 1e3),
        micros if micros < 99_950_000.0 => format!("{:.1}s", micros / 1e6),
        micros => format!("{:.0}s", micros / 1e6),
    }
}

/// Seconds as people write them.
pub(super) fn seconds(time: Duration) -> String {
    match time.as_secs() {
        seconds if seconds >= 600 => format!("{} min", seconds / 60),
        _ if time.subsec_millis() == 0 || time.as_secs() >= 10 => format!("{} s", time.as_secs()),
        _ => format!("{:.1} s", time.as_secs_f64()),
    }
}

/// Writes a text into an area, from the column and line on that are given, as far as there is
/// room.
pub(super) fn put(buffer: &mut Buffer, area: Rect, (column, line): (u16, u16), text: &str, style: impl Into<Style>) {
    if column < area.width && line < area.height {
        let room = usize::from(area.width - column);
        buffer.set_stringn(area.x + column, area.y + line, text, room, style);
    }
}

/// Writes a text at the right end of a line of an area, if there is room for all of it.
pub(super) fn put_right(buffer: &mut Buffer, area: Rect, line: u16, text: &str, style: impl Into<Style>) {
    if let Some(column) = area.width.checked_sub(width(text)) {
        put(buffer, area, (column, line), text, style);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_ends_with_a_whole_word() {
        for (room, expected) in
            [(20, "one two three"), (13, "one two three"), (12, "one two …"), (8, "one …"), (4, "…"), (1, "…"), (0, "")]
        {
            assert_eq!(fit("one two three", room), expected, "{room}");
            assert!(width(&fit("one two three", room)) <= room);
        }
    }

    #[test]
    fn lines_break_between_words_where_that_is_possible() {
        assert_eq!(wrap("one two three four", 9, 9), ["one two", "three", "four"]);
        assert_eq!(wrap("one two three four", 7, 2), ["one two", "three …"]);
        assert_eq!(wrap("abcdefgh ij", 5, 3), ["abcde", "fgh", "ij"]);
        assert_eq!(wrap("one", 5, 0), [""; 0]);
        assert_eq!(wrap("", 5, 2), [""; 0]);
    }

    #[test]
    fn brief_times_have_five_characters() {
        for (nanos, expected) in [
            (0, "0µs"),
            (999_400, "999µs"),
            (999_600, "1.0ms"),
            (9_960_000, "10ms"),
            (999_400_000, "999ms"),
            (1_500_000_000, "1.5s"),
            (3_600_000_000_000, "3600s"),
        ] {
            assert_eq!(brief_time(nanos), expected);
        }
    }

    #[test]
    fn seconds_by_table() {
        for (millis, expected) in
            [(0, "0 s"), (2500, "2.5 s"), (12_500, "12 s"), (599_000, "599 s"), (600_000, "10 min")]
        {
            assert_eq!(seconds(Duration::from_millis(millis)), expected);
        }
    }
}
