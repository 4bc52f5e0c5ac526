//! SPEC 5 under load: any one server killed with -9, and the others go on without one wrong or
//! lost answer.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use herd::config::Herd;
use loadgen::plan::{Pace, Plan, Shard, Target};
use loadgen::record::Record;
use rustix::process::Signal;
use tempfile::TempDir;

use crate::client::exchange_text;
use crate::process::{Process, herd_file, server};
use crate::running::PATIENCE;

async fn start(name: &str, herd: &Path, logs: &Path) -> Process {
    let mut command = server([name, "--places-url", "mock"]);
    command.arg("--herd").arg(herd).arg("--log-dir").arg(logs).env("RUST_LOG", "warn");
    Process::start(command).await
}

/// Waits until a server has caught up with its neighbours.
async fn ready(process: &Process) {
    let ready = async {
        while !exchange_text(process.address("metrics"), "GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n")
            .await
            .ends_with("ready\n")
        {}
    };
    tokio::time::timeout(PATIENCE, ready).await.expect("ready in time");
}

fn plan(herd: &Herd) -> Plan {
    let servers = herd
        .servers()
        .iter()
        .map(|server| Target { name: server.name.to_string(), address: server.clients.to_string().parse().unwrap() });
    Plan {
        servers: servers.collect(),
        hops: vec![vec![0; 5]; 5],
        clients: 200,
        shard: Shard::WHOLE,
        pace: Pace::Open { interval: Duration::from_millis(200) },
        whatsat: 0.3,
        unknown: 0.05,
        warm_up: Duration::ZERO,
        duration: Duration::from_secs(8),
        timeout: Duration::from_secs(10),
        seed: 1,
        threads: 1,
        max_skew: Duration::from_millis(1),
        max_lag: Duration::MAX,
        probe: None,
        tap: None,
        verify: true,
        run: "kill".into(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_one_server_killed_under_load_costs_no_wrong_and_no_lost_answer() {
    let folder = TempDir::new().unwrap();
    let path = herd_file(folder.path());
    let herd = Arc::new(Herd::read(&path).unwrap());
    let mut processes = Vec::new();
    for entry in herd.servers() {
        processes.push(start(entry.name.as_str(), &path, folder.path()).await);
    }
    for process in &processes {
        ready(process).await;
    }
    let plan = plan(&herd);
    let load = std::thread::spawn(move || loadgen::run::run(plan, |_, _| {}).unwrap());
    for (number, entry) in herd.servers().iter().enumerate() {
        // Under load for a while, with all links up.
        tokio::time::sleep(Duration::from_millis(500)).await;
        processes[number].signal(Signal::KILL);
        processes[number].exit_code().await;
        processes[number] = start(entry.name.as_str(), &path, folder.path()).await;
        ready(&processes[number]).await;
        assert!(!load.is_finished(), "all five are killed under load");
    }
    let outcome = tokio::task::spawn_blocking(move || load.join().unwrap()).await.unwrap();
    let Record { counts, wrong, .. } = outcome.record;
    assert_eq!((counts.wrong, counts.lost, counts.unverified), (0, 0, 0), "{wrong:?}");
    assert!(counts.answered > 5000, "{counts:?}");
    assert!(counts.failed > 0, "those of the killed servers got no answer: {counts:?}");
}
