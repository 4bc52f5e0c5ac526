//! Where a run leaves what it has found.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context;
use serde::Serialize;

use crate::programs::root;

/// A folder below `runs`, named by the experiment and the time.
#[derive(Debug, Clone)]
pub struct Folder(PathBuf);

impl Folder {
    /// Makes a new one.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn new(name: &str) -> anyhow::Result<Self> {
        let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string().replace(':', "");
        Self::make(root().join("runs").join(format!("{name}-{now}")))
    }

    /// A folder within this one.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn within(&self, name: &str) -> anyhow::Result<Self> {
        Self::make(self.0.join(name))
    }

    fn make(path: PathBuf) -> anyhow::Result<Self> {
        fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self(path))
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let path = self.0.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Writes a file of JSON.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write_json(&self, name: &str, value: &impl Serialize) -> anyhow::Result<()> {
        self.write(name, &(serde_json::to_string_pretty(value)? + "\n"))
    }

    /// Writes a file of JSON, a value on each line.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write_lines<T: Serialize>(&self, name: &str, values: &[T]) -> anyhow::Result<()> {
        let lines = values.iter().map(|value| Ok(serde_json::to_string(value)? + "\n"));
        self.write(name, &lines.collect::<anyhow::Result<String>>()?)
    }

    /// Where the figure, if there is one, and the result are, for people.
    #[must_use]
    pub fn index(&self) -> String {
        let here = as_seen_from_here(self.0.clone());
        let line = |what: &str, file: &str| format!("  {what:<9}{}\n", here.join(file).display());
        let figure = if self.0.join("figure.svg").exists() { line("figure", "figure.svg") } else { String::new() };
        figure + &line("result", "result.json")
    }
}

/// A path as short as it can be for somebody in the current folder.
#[must_use]
pub fn as_seen_from_here(path: PathBuf) -> PathBuf {
    let here = std::env::current_dir().ok();
    here.and_then(|here| path.strip_prefix(here).ok().map(Path::to_owned)).unwrap_or(path)
}
