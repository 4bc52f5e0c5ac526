//! A null responder's process, and how it spends its time.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// How long it may take to start, and to stop.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Responder {
    /// It ends when its input is closed, so also with this program.
    child: Child,
    id: u32,
}

impl Responder {
    /// Starts it as a server of the given name, and waits until it listens.
    pub(super) async fn start(experiments: &Path, address: &str, name: &str) -> anyhow::Result<Self> {
        let mut child = Command::new(experiments)
            .args(["null-responder", address, "--name", name])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start the null responder")?;
        let (id, output) = (child.id(), child.stdout.take());
        let (id, output) = id.zip(output).context("the null responder has ended")?;
        let mut line = String::new();
        timeout(PATIENCE, BufReader::new(output).read_line(&mut line)).await.context("it is not ready in time")??;
        ensure!(line.starts_with("ready "), "the null responder did not start");
        Ok(Self { child, id })
    }

    /// How much time its thread has spent so far.
    pub(super) fn spent(&self) -> anyhow::Result<Spent> {
        let text = std::fs::read_to_string(format!("/proc/{}/schedstat", self.id))?;
        Spent::parse(&text).context("/proc does not say how the null responder spends its time")
    }

    /// Stops it.
    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        drop(self.child.stdin.take());
        let status = timeout(PATIENCE, self.child.wait()).await.context("the null responder does not stop")??;
        ensure!(status.success(), "the null responder ended with {status}");
        Ok(())
    }
}

/// Time of a thread, in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spent {
    /// It used a processor.
    pub(super) busy: f64,
    /// It waited for one that others had.
    pub(super) waited: f64,
}

impl Spent {
    /// Reads a `schedstat` (proc(5)): nanoseconds of both, and how often it ran.
    fn parse(text: &str) -> Option<Self> {
        let mut seconds = text.split_whitespace().map(|field| field.parse().map(Duration::from_nanos));
        let mut next = || Some(seconds.next()?.ok()?.as_secs_f64());
        Some(Self { busy: next()?, waited: next()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_in_schedstat() {
        assert_eq!(Spent::parse("1500000000 250000000 12\n"), Some(Spent { busy: 1.5, waited: 0.25 }));
        assert_eq!(Spent::parse("x"), None);
    }
}
