//! A null responder's process, and how much processor time it takes.

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

    /// Processor time that it has used so far.
    pub(super) fn processor_time(&self) -> anyhow::Result<Duration> {
        crate::processor_time::processor_time(self.id).context("/proc has no processor time of the null responder")
    }

    /// Stops it.
    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        drop(self.child.stdin.take());
        let status = timeout(PATIENCE, self.child.wait()).await.context("the null responder does not stop")??;
        ensure!(status.success(), "the null responder ended with {status}");
        Ok(())
    }
}
