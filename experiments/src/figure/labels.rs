//! Where the labels of marked windows go: above their windows, in as many rows as it takes for
//! none to cover another.

use super::Window;

/// The height of a row.
const ROW: i32 = 16;
/// The width of a character, on average and rounded up.
const CHARACTER: i32 = 7;
/// The least distance between two labels.
const GAP: i32 = 8;

/// Labels with their places.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) labels: Vec<Label>,
    /// The height of all rows together.
    pub(super) height: i32,
}

#[derive(Debug)]
pub(super) struct Label {
    pub(super) text: String,
    /// Its middle, from the left.
    pub(super) centre: i32,
    /// From the top of the rows.
    pub(super) top: i32,
}

/// Places the labels of windows, which are in the order of time. `pixel` says where a second is.
pub(super) fn place(windows: &[Window], pixel: impl Fn(f64) -> i32, most: i32) -> Placed {
    // By row, where its last label ends.
    let mut ends: Vec<i32> = Vec::new();
    let mut places = Vec::new();
    for window in windows {
        let half = (i32::try_from(window.label.chars().count()).unwrap_or(0) * CHARACTER + 1) / 2;
        let middle = i32::midpoint(pixel(window.seconds.start), pixel(window.seconds.end));
        let centre = middle.min(most - half).max(half);
        let free = ends.iter().position(|end| end + GAP <= centre - half);
        let row = free.unwrap_or_else(|| {
            ends.push(0);
            ends.len() - 1
        });
        ends[row] = centre + half;
        places.push((window.label.clone(), centre, row));
    }
    let rows = i32::try_from(ends.len()).unwrap_or(0);
    // The first row is the lowest: next to the windows.
    let top = |row: usize| ROW * (rows - 1 - i32::try_from(row).unwrap_or(0));
    let labels = places.into_iter().map(|(text, centre, row)| Label { text, centre, top: top(row) }).collect();
    Placed { labels, height: ROW * rows }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::cast_possible_truncation)]
    fn labels_that_would_touch_go_into_different_rows() {
        let window = |label: &str, from, to| Window { label: label.into(), seconds: from..to };
        let windows =
            [window("a long label", 0.0, 10.0), window("another one", 20.0, 40.0), window("far away", 300.0, 310.0)];
        let placed = place(&windows, |second| 50 + second as i32, 400);
        let tops: Vec<i32> = placed.labels.iter().map(|label| label.top).collect();
        assert_eq!((tops, placed.height), (vec![ROW, 0, ROW], 2 * ROW));
        assert_eq!(placed.labels[0].centre, 55);
    }

    #[test]
    #[allow(clippy::cast_possible_truncation)]
    fn a_label_does_not_leave_the_figure() {
        let windows = [Window { label: "0123456789".into(), seconds: 99.0..100.0 }];
        let placed = place(&windows, |second| second as i32, 100);
        assert_eq!(placed.labels[0].centre, 100 - 35);
    }
}
