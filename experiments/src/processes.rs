//! A herd of server processes.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use herd::config::Herd;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::{Instant, sleep, timeout};

use crate::scrape;

/// How long a server may take until it says that it is ready.
const START: Duration = Duration::from_secs(10);
/// How long a server may take to stop, which it promises to do within 3 s.
const STOP: Duration = Duration::from_secs(4);
/// How often something is looked at that is waited for.
const LOOK: Duration = Duration::from_millis(10);

/// How a herd is run.
#[derive(Debug)]
pub struct HerdOptions<'a> {
    /// The `server` program.
    pub server: &'a Path,
    /// The herd file.
    pub herd_file: &'a Path,
    /// A folder for logs and what servers say.
    pub folder: &'a Path,
    /// Whether the servers are to live on when this program ends.
    pub outlive: bool,
}

/// Server processes that are up.
#[derive(Debug)]
pub struct Processes {
    /// The herd that they form.
    pub herd: Herd,
    servers: Vec<Process>,
}

#[derive(Debug)]
struct Process {
    name: String,
    child: Child,
    /// The server stops when this is closed, so it ends with this program however that ends.
    _lifeline: Option<ChildStdin>,
}

impl Processes {
    /// Starts all servers and waits until each is ready.
    ///
    /// # Errors
    /// If one does not start; its own words are in the error.
    pub async fn start(options: &HerdOptions<'_>) -> anyhow::Result<Self> {
        let herd = Herd::read(options.herd_file)?;
        let mut servers = Vec::new();
        for server in herd.servers() {
            servers.push(Process::start(server.name.as_str(), options).await?);
        }
        let processes = Self { herd, servers };
        processes.wait_until_ready().await?;
        Ok(processes)
    }

    async fn wait_until_ready(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + START;
        for server in self.herd.servers() {
            let address = server.metrics.to_string();
            while let Err(error) = scrape::get(&address, "/readyz").await {
                if Instant::now() >= deadline {
                    return Err(error.context(format!("{} does not get ready", server.name)));
                }
                sleep(LOOK).await;
            }
        }
        Ok(())
    }

    /// The process numbers of the servers, by name.
    #[must_use]
    pub fn ids(&self) -> Vec<(String, u32)> {
        self.servers.iter().filter_map(|server| Some((server.name.clone(), server.child.id()?))).collect()
    }

    /// Stops all servers in order.
    ///
    /// # Errors
    /// If one did not end by itself, in time and with 0.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        for server in &self.servers {
            server.terminate();
        }
        for server in &mut self.servers {
            let status = server.wait().await?;
            if !status.success() {
                bail!("{} ended with {status}", server.name);
            }
        }
        Ok(())
    }
}

impl Process {
    async fn start(name: &str, options: &HerdOptions<'_>) -> anyhow::Result<Self> {
        let words = options.folder.join(format!("{name}.stderr"));
        let mut command = Command::new(options.server);
        command
            .arg(name)
            .arg("--herd")
            .arg(options.herd_file)
            .args(["--places-url", "mock", "--log-dir"])
            .arg(options.folder.join("logs"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&words).with_context(|| format!("cannot write {}", words.display()))?);
        if options.outlive {
            command.process_group(0);
        } else {
            command.arg("--stop-at-end-of-input").stdin(Stdio::piped()).kill_on_drop(true);
        }
        let mut child = command.spawn().with_context(|| format!("cannot start {}", options.server.display()))?;
        let lifeline = child.stdin.take();
        let mut process = Self { name: name.into(), child, _lifeline: lifeline };
        process.wait_for_ready_line(&words).await?;
        Ok(process)
    }

    async fn wait_for_ready_line(&mut self, words: &PathBuf) -> anyhow::Result<()> {
        let output = self.child.stdout.take().context("the server has no output")?;
        let mut line = String::new();
        let read = timeout(START, BufReader::new(output).read_line(&mut line)).await;
        if !line.starts_with("ready ") {
            let said = std::fs::read_to_string(words).unwrap_or_default();
            let ended = if read.is_err() { "is not ready in time" } else { "did not start" };
            bail!("{} {ended}: {}", self.name, said.trim());
        }
        Ok(())
    }

    fn terminate(&self) {
        let pid = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // It may have ended by itself, which its status tells.
            let _ = kill_process(pid, Signal::TERM);
        }
    }

    async fn wait(&mut self) -> anyhow::Result<ExitStatus> {
        match timeout(STOP, self.child.wait()).await {
            Ok(status) => Ok(status?),
            Err(_) => {
                self.child.kill().await?;
                bail!("{} did not stop within {} s and was killed", self.name, STOP.as_secs());
            }
        }
    }
}
