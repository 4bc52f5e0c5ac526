//! A process beside a herd: the null responder, the relay, Places, Redis.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::timeout;

/// How long it may take until it says that it is ready.
const START: Duration = Duration::from_secs(5);
/// How long it may take to end.
const STOP: Duration = Duration::from_secs(5);
/// Has the kernel end the process with the thread that started it, however that ends.
const TIED: [&str; 3] = ["setpriv", "--pdeathsig", "KILL"];

/// A process that ends with this program.
#[derive(Debug)]
pub struct Companion {
    name: String,
    child: Child,
    /// Some end when this is closed.
    _lifeline: Option<ChildStdin>,
}

impl Companion {
    /// Starts a program with its arguments. What it says goes to `NAME.txt` in the folder.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(name: &str, words: &[String], folder: &Path) -> anyhow::Result<Self> {
        let file = File::create(folder.join(format!("{name}.txt")))?;
        Self::spawn(name, words, folder, file.into())
    }

    /// Starts a program and waits for the line in which it says that it is ready; returns the line
    /// behind that word, too.
    ///
    /// # Errors
    /// If it cannot be started or says something else.
    pub async fn start_until_ready(name: &str, words: &[String], folder: &Path) -> anyhow::Result<(Self, String)> {
        let mut companion = Self::spawn(name, words, folder, Stdio::piped())?;
        let output = companion.child.stdout.take().context("it has no output")?;
        let mut line = String::new();
        // A line that does not come in time is no line.
        let _ = timeout(START, BufReader::new(output).read_line(&mut line)).await;
        match line.strip_prefix("ready ") {
            Some(rest) => Ok((companion, rest.trim().to_owned())),
            None => bail!("{name} did not get ready: see {}", folder.join(format!("{name}.stderr")).display()),
        }
    }

    fn spawn(name: &str, words: &[String], folder: &Path, output: Stdio) -> anyhow::Result<Self> {
        let errors = File::create(folder.join(format!("{name}.stderr")))?;
        let mut child = Command::new(TIED[0])
            .args(&TIED[1..])
            .args(words)
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(output)
            .stderr(errors)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {name}: is {} there?", TIED[0]))?;
        let lifeline = child.stdin.take();
        Ok(Self { name: name.into(), child, _lifeline: lifeline })
    }

    /// Its name and process number, as long as it runs.
    #[must_use]
    pub fn id(&self) -> Option<(String, u32)> {
        Some((self.name.clone(), self.child.id()?))
    }

    /// Ends it, and waits until it is gone.
    ///
    /// # Errors
    /// If it had ended by itself, or does not end.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        ensure!(self.child.try_wait()?.is_none(), "{} ended by itself", self.name);
        let pid = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        kill_process(pid.context("it has no number")?, Signal::TERM)?;
        let ended = timeout(STOP, self.child.wait()).await;
        ended.with_context(|| format!("{} did not end", self.name))??;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Vec<String> {
        ["sh", "-c", script].map(String::from).to_vec()
    }

    #[tokio::test]
    async fn a_companion_says_where_it_is_and_is_ended() {
        let folder = tempfile::tempdir().unwrap();
        let words = shell("echo ready here; exec sleep 60");
        let (companion, line) = Companion::start_until_ready("one", &words, folder.path()).await.unwrap();
        assert_eq!(line, "here");
        assert_eq!(companion.id().unwrap().0, "one");
        companion.stop().await.unwrap();
    }

    #[tokio::test]
    async fn one_that_says_something_else_did_not_get_ready() {
        let folder = tempfile::tempdir().unwrap();
        let words = shell("echo no; exec sleep 60");
        let error = Companion::start_until_ready("one", &words, folder.path()).await.unwrap_err();
        assert!(error.to_string().starts_with("one did not get ready"), "{error}");
    }
}
