//! The first look: the herd of the assignment, a thousand clients, ten seconds, and whether all
//! of it was right.

mod applied;
mod summary;

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use loadgen::report::Report;

use self::summary::{Agreement, Summary};
use crate::agreement::wait_for_agreement;
use crate::experiment::{Folder, as_seen_from_here};
use crate::load::Load;
use crate::ports;
use crate::processes::{HerdOptions, Processes};
use crate::programs::Programs;
use crate::scrape;

/// How long the servers may take to agree after the load has ended.
const AGREE: Duration = Duration::from_secs(5);
/// The observer that the load generator is.
const TAP: &str = "tap";

/// What the demo is to do.
#[derive(Debug, Clone)]
pub struct DemoOptions {
    /// Simulated clients.
    pub clients: u32,
    /// How long is measured.
    pub duration: humantime::Duration,
    /// Leave the herd up.
    pub keep: bool,
}

/// Runs the demo, prints its table, and says whether all was right.
///
/// # Errors
/// If it could not be run.
pub async fn run(options: &DemoOptions) -> anyhow::Result<bool> {
    let programs = Programs::build()?;
    let folder = Folder::new("demo")?.path().to_owned();
    let herd_file = folder.join("herd.toml");
    fs::write(&herd_file, format!("observers = [\"{TAP}\"]\n{}", ports::herd_file()?))?;
    let server = programs.path("server")?;
    let herd_options = HerdOptions { outlive: options.keep, ..HerdOptions::new(server, &herd_file, &folder) };
    let processes = Processes::start(&herd_options).await?;
    let folder = as_seen_from_here(folder);

    let before = metrics(&processes, None).await?;
    let report = load(programs.path("loadgen")?, &herd_file, &folder, options).await?;
    let agreement = agree(&processes).await?;
    let after = metrics(&processes, Some(&folder)).await?;
    let mut summary = Summary::new(report, &processes.herd, &before, &after, agreement);
    if !options.keep {
        summary.stopped = processes.stop().await.map_err(|error| error.to_string());
        print!("{}", summary.text(&folder));
    } else {
        print!("{}", summary.text(&folder));
        print!("{}", how_to_talk(&processes, &folder));
    }
    Ok(summary.problems().is_empty())
}

/// Runs the load generator; its progress goes to our standard error.
async fn load(program: &Path, herd_file: &Path, folder: &Path, options: &DemoOptions) -> anyhow::Result<Report> {
    let (clients, duration) = (options.clients.to_string(), options.duration.to_string());
    let arguments = ["--clients", &clients, "--duration", &duration, "--tap", TAP].map(String::from).to_vec();
    let load = Load { program, herd_file, folder, name: "result", through: &[], arguments, shown: true };
    Ok(load.start()?.finish().await?.report)
}

/// Asks all servers until their digests are equal, or their time is up.
async fn agree(processes: &Processes) -> anyhow::Result<Agreement> {
    let look = wait_for_agreement(&processes.http(), AGREE).await;
    let first = look.statuses.iter().flatten().next().context("no server answers")?;
    let (known_clients, digest) = (first.known_clients, first.digest.clone());
    Ok(Agreement { equal: look.equal(), servers: look.statuses.len(), known_clients, digest })
}

/// The metrics of all servers, one text behind the other; each is also kept if a folder is given.
async fn metrics(processes: &Processes, folder: Option<&Path>) -> anyhow::Result<String> {
    let mut all = String::new();
    for server in processes.herd.servers() {
        let text = scrape::get(&server.metrics.to_string(), "/metrics").await?;
        if let Some(folder) = folder {
            fs::create_dir_all(folder.join("metrics"))?;
            fs::write(folder.join("metrics").join(format!("{}.prom", server.name)), &text)?;
        }
        all += &text;
    }
    Ok(all)
}

fn how_to_talk(processes: &Processes, folder: &Path) -> String {
    let server = &processes.herd.servers()[0];
    let ids: Vec<String> = processes.ids().into_iter().map(|(_, id)| id.to_string()).collect();
    let port = server.clients.port();
    format!(
        "\nThe herd is up. Talk to {name}, for example:\n\n  \
         printf 'IAMAT me +34.068930-118.445127 %s\\n' $(date +%s.%N) | nc -N 127.0.0.1 {port}\n  \
         printf 'WHATSAT me 10 3\\n' | nc -N 127.0.0.1 {port}\n  \
         curl http://{metrics}/status\n\n\
         Its herd file, with all addresses, is {herd_file}.\n\
         Stop it with: kill {ids}\n",
        name = server.name,
        metrics = server.metrics,
        herd_file = folder.join("herd.toml").display(),
        ids = ids.join(" "),
    )
}
