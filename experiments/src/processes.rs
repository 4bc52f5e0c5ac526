//! A herd of server processes.

mod process;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use herd::config::Herd;
use rustix::process::Signal;
use tokio::time::{Instant, sleep};

use self::process::Process;
use crate::scrape;

/// How long a server may take until it says that it is ready; it may wait 10 s for what its
/// neighbours know.
const START: Duration = Duration::from_secs(15);
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
    /// Where Places is, or `mock`.
    pub places: String,
    /// Whether the servers are to live on when this program ends.
    pub outlive: bool,
    /// Arguments of all servers.
    pub arguments: Vec<String>,
    /// Variables that all servers find in their environment.
    pub environment: Vec<(String, String)>,
    /// What is peculiar to some of them, by name.
    pub peculiar: BTreeMap<String, Peculiar>,
}

/// What is peculiar to one server of a herd.
#[derive(Debug, Clone, Default)]
pub struct Peculiar {
    /// A herd file for it alone, in which others may have other addresses.
    pub herd_file: Option<PathBuf>,
    /// A program that starts it, with its arguments. It must become the server, not its parent.
    pub through: Vec<String>,
    /// Where its log goes, if not where the others' do.
    pub log_folder: Option<String>,
    /// More arguments. They come last.
    pub arguments: Vec<String>,
}

impl<'a> HerdOptions<'a> {
    /// Servers with the built-in Places stub that end with this program.
    #[must_use]
    pub fn new(server: &'a Path, herd_file: &'a Path, folder: &'a Path) -> Self {
        let (arguments, environment, peculiar) = (Vec::new(), Vec::new(), BTreeMap::new());
        let places = "mock".into();
        Self { server, herd_file, folder, places, outlive: false, arguments, environment, peculiar }
    }

    /// Bounds the log of each server, so that long runs do not fill the disk.
    #[must_use]
    pub fn with_small_logs(mut self) -> Self {
        self.arguments.extend(["--log-rotate", "1MiB", "--log-keep", "8MiB"].map(String::from));
        self
    }
}

/// Server processes that are up.
#[derive(Debug)]
pub struct Processes {
    /// The herd that they form.
    pub herd: Herd,
    servers: Vec<Process>,
}

/// When a server came up.
#[derive(Debug, Clone, Copy)]
pub struct Started {
    /// When its process was started.
    pub spawned: Instant,
    /// When it said that it was ready.
    pub ready: Instant,
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
            let mut process = Process::new(server.name.as_str(), options);
            process.start().await?;
            servers.push(process);
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

    /// The process numbers of the servers that run, by name.
    #[must_use]
    pub fn ids(&self) -> Vec<(String, u32)> {
        self.servers.iter().filter_map(|server| Some((server.name().into(), server.id()?))).collect()
    }

    /// The process number of a server that runs.
    ///
    /// # Errors
    /// If there is no such server, or it does not run.
    pub fn id(&self, name: &str) -> anyhow::Result<u32> {
        self.server(name)?.id().with_context(|| format!("{name} does not run"))
    }

    /// Addresses for HTTP of all servers, in the order of the herd.
    #[must_use]
    pub fn http(&self) -> Vec<String> {
        self.herd.servers().iter().map(|server| server.metrics.to_string()).collect()
    }

    /// Sends a signal to a server.
    ///
    /// # Errors
    /// If there is no such server, or it does not run.
    pub fn signal(&self, name: &str, signal: Signal) -> anyhow::Result<()> {
        self.server(name)?.signal(signal)
    }

    /// Kills a server, which has no chance to do anything, and waits until it is gone.
    ///
    /// # Errors
    /// If there is no such server, or it does not run.
    pub async fn kill(&mut self, name: &str) -> anyhow::Result<()> {
        self.server_mut(name)?.kill().await
    }

    /// Starts a server again that has ended, and waits until it says that it is ready.
    ///
    /// # Errors
    /// If it does not start; its own words are in the error.
    pub async fn restart(&mut self, name: &str) -> anyhow::Result<Started> {
        self.server_mut(name)?.start().await
    }

    fn server(&self, name: &str) -> anyhow::Result<&Process> {
        self.servers.iter().find(|server| server.name() == name).with_context(|| format!("there is no server {name}"))
    }

    fn server_mut(&mut self, name: &str) -> anyhow::Result<&mut Process> {
        let mut servers = self.servers.iter_mut();
        servers.find(|server| server.name() == name).with_context(|| format!("there is no server {name}"))
    }

    /// Stops all servers in order.
    ///
    /// # Errors
    /// If one did not end by itself, in time and with 0.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        for server in &self.servers {
            // It may have ended by itself, which its status tells.
            let _ = server.signal(Signal::TERM);
        }
        for server in &mut self.servers {
            let status = server.wait().await?;
            if !status.success() {
                bail!("{} ended with {status}", server.name());
            }
        }
        Ok(())
    }
}
