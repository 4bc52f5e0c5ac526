//! A null responder's process, and how much processor time it takes.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, ensure};
use rustix::param::clock_ticks_per_second;
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
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.id))?;
        let ticks = ticks(&stat).context("/proc has no processor time of the null responder")?;
        #[allow(clippy::cast_precision_loss)]
        let seconds = ticks as f64 / clock_ticks_per_second() as f64;
        Ok(Duration::from_secs_f64(seconds))
    }

    /// Stops it.
    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        drop(self.child.stdin.take());
        let status = timeout(PATIENCE, self.child.wait()).await.context("the null responder does not stop")??;
        ensure!(status.success(), "the null responder ended with {status}");
        Ok(())
    }
}

/// Time in user and in kernel mode, in ticks of the clock (proc(5), fields 14 and 15).
fn ticks(stat: &str) -> Option<u64> {
    // The name in the second field may hold anything.
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ').skip(11).map(|field| field.parse::<u64>().ok());
    Some(fields.next()?? + fields.next()??)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_found_behind_any_name() {
        let stat = "71 (a) b) S 1 71 71 0 -1 4194304 1 2 3 4 250 50 0 0 20 0 1 0 99";
        assert_eq!(ticks(stat), Some(300));
        assert_eq!(ticks("71 (a) S"), None);
    }
}
