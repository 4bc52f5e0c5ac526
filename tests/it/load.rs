//! Simulated clients of all kinds against five servers that are processes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use herd::config::Herd;
use loadgen::plan::{Mix, Pace, Plan, Rate, Spacing, Target};
use loadgen::record::Record;
use tempfile::TempDir;

use crate::client::exchange_text;
use crate::process::{Process, herd_file, server};
use crate::running::PATIENCE;

pub(crate) async fn start(name: &str, herd: &Path, logs: &Path) -> Process {
    let mut command = server([name, "--places-url", "mock"]);
    command.arg("--herd").arg(herd).arg("--log-dir").arg(logs).env("RUST_LOG", "warn");
    Process::start(command).await
}

/// Waits until a server has caught up with its neighbours.
pub(crate) async fn ready(process: &Process) {
    let ready = async {
        while !exchange_text(process.address("metrics"), "GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n")
            .await
            .ends_with("ready\n")
        {}
    };
    tokio::time::timeout(PATIENCE, ready).await.expect("ready in time");
}

/// Starts five servers, whose herd file and logs are in a folder, and waits until they are ready.
pub(crate) async fn start_all(folder: &Path) -> (PathBuf, Herd, Vec<Process>) {
    let path = herd_file(folder);
    let herd = Herd::read(&path).unwrap();
    let mut processes = Vec::new();
    for entry in herd.servers() {
        processes.push(start(entry.name.as_str(), &path, folder).await);
    }
    for process in &processes {
        ready(process).await;
    }
    (path, herd, processes)
}

/// 200 clients, each of which says something five times a second, however late.
pub(crate) fn plan(herd: &Herd) -> Plan {
    let servers = herd
        .servers()
        .iter()
        .map(|server| Target { name: server.name.to_string(), address: server.clients.to_string().parse().unwrap() });
    Plan {
        pace: Pace::every(Duration::from_millis(200), 200),
        max_lag: Duration::MAX,
        ..Plan::new(servers.collect(), vec![vec![0; 5]; 5], 200, "load".into())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_move_between_servers_and_talk_nonsense_get_no_wrong_answer() {
    let folder = TempDir::new().unwrap();
    let (_, herd, _processes) = start_all(folder.path()).await;
    let plan = Plan {
        pace: Pace::Open { rate: Rate::every(Duration::from_millis(50), 200), spacing: Spacing::Exponential },
        mix: Mix { whatsat: 0.3, unknown: 0.1, garbage: 0.2, ..Mix::default() },
        roam: Some(Duration::from_millis(300)),
        sources: Some("127.3.0.0/28".parse().unwrap()),
        duration: Duration::from_secs(3),
        threads: 2,
        ..plan(&herd)
    };
    let outcome = tokio::task::spawn_blocking(|| loadgen::run::run(plan, |_, _| {}).unwrap()).await.unwrap();
    let Record { counts, wrong, handover, iamat, whatsat, invalid, .. } = outcome.record;
    assert_eq!((counts.wrong, counts.lost, counts.unverified, counts.failed), (0, 0, 0, 0), "{wrong:?}");
    assert!(iamat.response.len() > 5000 && whatsat.response.len() > 1000 && invalid.response.len() > 1000);
    // Most of 200 clients that stay for a tenth of the time, however slow replies are: who waits for one stays.
    assert!(handover.len() > 100, "{} moved", handover.len());
}
