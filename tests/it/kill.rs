//! SPEC 5 under load: any one server killed with -9, and the others go on without one wrong or
//! lost answer.

use std::time::Duration;

use loadgen::plan::{Mix, Plan};
use loadgen::record::Record;
use rustix::process::Signal;
use tempfile::TempDir;

use crate::load::{plan, ready, start, start_all};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_one_server_killed_under_load_costs_no_wrong_and_no_lost_answer() {
    let folder = TempDir::new().unwrap();
    let (path, herd, mut processes) = start_all(folder.path()).await;
    let mix = Mix { whatsat: 0.3, unknown: 0.05, ..Mix::default() };
    let plan = Plan { mix, duration: Duration::from_secs(8), ..plan(&herd) };
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
