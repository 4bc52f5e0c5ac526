//! Plus codes of ten digits, as the Open Location Code specification defines them.

use crate::location::{DEGREE, Location};

const DIGITS: &[u8; 20] = b"23456789CFGHJMPQRVWX";
/// Five pairs of digits, each pair twenty times finer, resolve 1/8000 degree.
const PAIRS: usize = 5;
const CELL: i64 = DEGREE / 8000;
/// The separator stands after this many digits.
const SEPARATOR_AT: usize = 8;

/// The full plus code of a location, such as `8FVC9G8F+6X`.
pub(crate) fn plus_code(location: Location) -> String {
    // Both poles and the date line belong to the cell beside them.
    let northing = ((location.latitude() + 90 * DEGREE) / CELL).min(180 * 8000 - 1);
    let easting = ((location.longitude() + 180 * DEGREE) / CELL) % (360 * 8000);
    let mut code = String::with_capacity(2 * PAIRS + 1);
    for pair in (0..PAIRS).rev() {
        if code.len() == SEPARATOR_AT {
            code.push('+');
        }
        code.push(digit(northing, pair));
        code.push(digit(easting, pair));
    }
    code
}

/// The part of a plus code that names a place within its town.
pub(crate) fn local_part(code: &str) -> &str {
    code.get(SEPARATOR_AT - 4..).unwrap_or(code)
}

fn digit(cells: i64, position: usize) -> char {
    let digit = (0..position).fold(cells, |cells, _| cells / 20) % 20;
    usize::try_from(digit).map_or('2', |digit| char::from(DIGITS[digit]))
}

#[cfg(test)]
mod tests {
    use super::{local_part, plus_code};

    #[test]
    fn agrees_with_published_codes() {
        for (location, code) in [
            ("47.365590,8.524997", "8FVC9G8F+6X"),
            ("-33.8675219,151.2016502", "4RRH46J2+XM"),
            ("49.2810207,-123.1247524", "84XR7VJG+C3"),
            ("35.767735,139.809392", "8Q7XQR95+3Q"),
            ("90,1", "CFX3X2X2+X2"),
            ("1.2,180.0", "62H26222+22"),
        ] {
            let location = location.parse().expect("a location");
            assert_eq!(plus_code(location), code, "{location}");
        }
        assert_eq!(local_part("8FVC9G8F+6X"), "9G8F+6X");
    }
}
