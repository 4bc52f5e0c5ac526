//! The key to Places. It is read from the environment or a file, and never shown.

use std::fmt;
use std::path::{Path, PathBuf};

/// A key to Places. Its `Debug` does not show it.
#[derive(Clone)]
pub struct PlacesKey(String);

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read.
    #[error("cannot read the Places key from {}: {cause}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// It holds no key, or more than one line.
    #[error("{0} holds no Places key: one line of printable ASCII without spaces is expected")]
    NotAKey(String),
}

impl PlacesKey {
    /// The key in `text`, white space around it ignored; `source` says where the text is from.
    ///
    /// # Errors
    /// [`KeyError::NotAKey`]. The error does not hold the text.
    pub fn new(text: &str, source: &str) -> Result<Self, KeyError> {
        let key = text.trim();
        let valid = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic());
        valid.then(|| Self(key.to_owned())).ok_or_else(|| KeyError::NotAKey(source.to_owned()))
    }

    /// The key in a file.
    ///
    /// # Errors
    /// If the file cannot be read or holds no key.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let text =
            std::fs::read_to_string(path).map_err(|cause| KeyError::Unreadable { path: path.to_owned(), cause })?;
        Self::new(&text, &path.display().to_string())
    }

    /// The key itself: for the request, and for finding it in what comes back.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PlacesKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlacesKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_by_table() {
        assert_eq!(PlacesKey::new(" AIza-x_1\n", "the test").unwrap().expose(), "AIza-x_1");
        for bad in ["", " \n", "two keys", "a\nb", "schl\u{fc}ssel"] {
            let error = PlacesKey::new(bad, "the test").unwrap_err().to_string();
            assert_eq!(error, "the test holds no Places key: one line of printable ASCII without spaces is expected");
        }
    }

    #[test]
    fn debug_does_not_show_the_key() {
        assert_eq!(format!("{:?}", PlacesKey::new("secret", "").unwrap()), "PlacesKey(…)");
    }
}
