//! The load generator as a process, and what it has found.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, SystemTime};

use anyhow::{Context, ensure};
use loadgen::report::Report;
use loadgen::series::Second;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

/// Characters of a wrong answer that are shown.
const SHOWN: usize = 160;
/// How often its series is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// What the load generator is to do.
#[derive(Debug)]
pub struct Load<'a> {
    /// The `loadgen` program.
    pub program: &'a Path,
    /// The herd that it loads.
    pub herd_file: &'a Path,
    /// Where its files go.
    pub folder: &'a Path,
    /// The name of its files, without their ends.
    pub name: &'a str,
    /// A program that starts it, with its arguments.
    pub through: &'a [String],
    /// More arguments.
    pub arguments: Vec<String>,
    /// Whether its progress is shown; else it goes to a file.
    pub shown: bool,
}

/// A load generator that runs.
#[derive(Debug)]
pub struct Loading {
    child: Child,
    files: Files,
}

#[derive(Debug)]
struct Files {
    result: PathBuf,
    series: PathBuf,
    progress: PathBuf,
}

/// What a load generator has found.
#[derive(Debug)]
pub struct Loaded {
    /// Its result.
    pub report: Report,
    /// Its run second by second.
    pub series: Vec<Second>,
    /// Its exit code.
    pub code: Option<i32>,
}

impl Load<'_> {
    /// Starts it. It ends with what is returned.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(&self) -> anyhow::Result<Loading> {
        let file = |end: &str| self.folder.join(format!("{}.{end}", self.name));
        let files = Files { result: file("json"), series: file("ndjson"), progress: file("stderr") };
        let mut words = self.through.iter().cloned().chain([self.program.display().to_string()]);
        let first = words.next().unwrap_or_default();
        let progress = if self.shown { Stdio::inherit() } else { File::create(&files.progress)?.into() };
        let child = Command::new(&first)
            .args(words)
            .arg("--herd")
            .arg(self.herd_file)
            .arg("--out")
            .arg(&files.result)
            .arg("--ndjson")
            .arg(&files.series)
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(File::create(file("txt"))?)
            .stderr(progress)
            .kill_on_drop(true)
            .spawn();
        Ok(Loading { child: child.with_context(|| format!("cannot run {first}"))?, files })
    }
}

impl Loading {
    /// Waits for the first line of its series, a second after its clients began to send; returns
    /// when they did. Nothing if it ended before.
    ///
    /// # Errors
    /// If the series cannot be read.
    pub async fn began(&mut self) -> anyhow::Result<Option<Instant>> {
        loop {
            let lines = fs::read_to_string(&self.files.series).unwrap_or_default();
            if let Some((line, _)) = lines.split_once('\n') {
                let second: Second = serde_json::from_str(line)?;
                let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs_f64();
                let ago = Duration::from_secs_f64((now - second.time + second.elapsed).max(0.0));
                return Ok(Instant::now().checked_sub(ago));
            }
            if self.child.try_wait()?.is_some() {
                return Ok(None);
            }
            sleep(LOOK).await;
        }
    }

    /// Its process number, while it runs.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// If it has no result, or one that cannot be read.
    pub async fn finish(mut self) -> anyhow::Result<Loaded> {
        let status = self.child.wait().await?;
        let Files { result, series, .. } = &self.files;
        ensure!(result.exists(), "the load generator has no result ({status}){}", self.words(status));
        let report = serde_json::from_slice(&fs::read(result)?)?;
        let lines = fs::read_to_string(series)?;
        let series = lines.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
        Ok(Loaded { report, series, code: status.code() })
    }

    /// What it said last, if it failed and that was not shown.
    fn words(&self, status: ExitStatus) -> String {
        let said = fs::read_to_string(&self.files.progress).unwrap_or_default();
        let last = said.trim_end().lines().last().filter(|_| !status.success());
        last.map_or(String::new(), |last| format!(": {last}"))
    }
}

/// A piece of a sentence about the first of some wrong answers that is no late one; empty
/// without any.
#[must_use]
pub fn first_wrong(wrong: &[String]) -> String {
    let first = wrong.iter().find(|wrong| !wrong.contains("has not heard of an update"));
    first.map_or(String::new(), |first| format!(", the first: {}", first.chars().take(SHOWN).collect::<String>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_wrong_answer_is_short_and_no_late_one() {
        let late = "Bona has not heard of an update that was acknowledged 6000 ms before: AT";
        let wrong = [late.to_owned(), format!("the JSON is broken: {}", "x".repeat(1000))];
        assert!(first_wrong(&wrong).starts_with(", the first: the JSON is broken: xxx"));
        assert!(first_wrong(&wrong).len() < 200);
        assert_eq!(first_wrong(&wrong[..1]), "");
    }
}
