//! One server's process, which may be killed and started again.

use std::fs::OpenOptions;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::{Instant, timeout};

use super::{HerdOptions, START, Started};

/// How long a server may take to stop, which it promises to do within 3 s.
const STOP: Duration = Duration::from_secs(4);

#[derive(Debug)]
pub(super) struct Process {
    name: String,
    command: Vec<String>,
    environment: Vec<(String, String)>,
    outlive: bool,
    /// Where what it says on standard error goes.
    words: PathBuf,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    child: Child,
    /// The server stops when this is closed, so it ends with this program however that ends.
    _lifeline: Option<ChildStdin>,
}

impl Process {
    /// A server that does not run yet.
    pub(super) fn new(name: &str, options: &HerdOptions<'_>) -> Self {
        let peculiar = options.peculiar.get(name).cloned().unwrap_or_default();
        let herd_file = peculiar.herd_file.as_deref().unwrap_or(options.herd_file);
        let path = |path: &std::path::Path| path.display().to_string();
        let logs = peculiar.log_folder.unwrap_or_else(|| path(&options.folder.join("logs")));
        let mut command = peculiar.through;
        command.extend([path(options.server), name.into(), "--herd".into(), path(herd_file)]);
        command.extend(["--log-dir".into(), logs, "--places-url".into(), options.places.clone()]);
        if !options.outlive {
            command.push("--stop-at-end-of-input".into());
        }
        command.extend(options.arguments.iter().cloned().chain(peculiar.arguments));
        Self {
            name: name.into(),
            command,
            environment: options.environment.clone(),
            outlive: options.outlive,
            words: options.folder.join(format!("{name}.stderr")),
            running: None,
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn id(&self) -> Option<u32> {
        self.running.as_ref()?.child.id()
    }

    /// Starts it and waits for its line.
    pub(super) async fn start(&mut self) -> anyhow::Result<Started> {
        let words = OpenOptions::new().create(true).append(true).open(&self.words);
        let mut command = Command::new(&self.command[0]);
        command
            .args(&self.command[1..])
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(words.with_context(|| format!("cannot write {}", self.words.display()))?);
        if self.outlive {
            command.process_group(0);
        } else {
            command.stdin(Stdio::piped()).kill_on_drop(true);
        }
        let spawned = Instant::now();
        let mut child = command.spawn().with_context(|| format!("cannot start {}", self.command[0]))?;
        let (lifeline, output) = (child.stdin.take(), child.stdout.take().context("the server has no output")?);
        self.running = Some(Running { child, _lifeline: lifeline });
        let mut line = String::new();
        let read = timeout(START, BufReader::new(output).read_line(&mut line)).await;
        if !line.starts_with("ready ") {
            let said = std::fs::read_to_string(&self.words).unwrap_or_default();
            let ended = if read.is_err() { "is not ready in time" } else { "did not start" };
            bail!("{} {ended}: {}", self.name, said.trim());
        }
        Ok(Started { spawned, ready: Instant::now() })
    }

    pub(super) fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let pid = self.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let pid = pid.with_context(|| format!("{} does not run", self.name))?;
        kill_process(pid, signal).with_context(|| format!("cannot signal {}", self.name))
    }

    pub(super) async fn kill(&mut self) -> anyhow::Result<()> {
        let running = self.running.as_mut().with_context(|| format!("{} does not run", self.name))?;
        running.child.kill().await.with_context(|| format!("cannot kill {}", self.name))?;
        self.running = None;
        Ok(())
    }

    pub(super) async fn wait(&mut self) -> anyhow::Result<ExitStatus> {
        let running = self.running.as_mut().with_context(|| format!("{} does not run", self.name))?;
        match timeout(STOP, running.child.wait()).await {
            Ok(status) => Ok(status?),
            Err(_) => {
                running.child.kill().await?;
                bail!("{} did not stop within {} s and was killed", self.name, STOP.as_secs());
            }
        }
    }
}
