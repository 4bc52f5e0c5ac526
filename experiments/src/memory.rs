//! How much memory processes take, over time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

/// How often is looked.
const EVERY: Duration = Duration::from_secs(1);

/// What some processes took at a moment.
#[derive(Debug, Clone, Serialize)]
pub struct MemoryPoint {
    /// Since the beginning, in seconds.
    pub second: f64,
    /// By process the memory that is resident, in MiB; `null` of one that does not run.
    pub resident_mib: Vec<Option<f64>>,
}

/// Looks at processes every second, until it is finished or dropped.
#[derive(Debug)]
pub struct MemoryWatch {
    points: Arc<Mutex<Vec<MemoryPoint>>>,
    task: JoinHandle<()>,
}

impl MemoryWatch {
    /// Begins to watch processes by their numbers. Seconds count from `start`.
    #[must_use]
    pub fn begin(processes: Vec<u32>, start: Instant) -> Self {
        let points = Arc::new(Mutex::new(Vec::new()));
        let for_task = Arc::clone(&points);
        let task = tokio::spawn(async move {
            let mut ticks = interval_at(Instant::now(), EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
            loop {
                let second = (ticks.tick().await - start).as_secs_f64();
                let resident_mib = processes.iter().map(|&process| resident_mib(process)).collect();
                for_task.lock().unwrap_or_else(PoisonError::into_inner).push(MemoryPoint { second, resident_mib });
            }
        });
        Self { points, task }
    }

    /// What was seen.
    #[must_use]
    pub fn finish(self) -> Vec<MemoryPoint> {
        std::mem::take(&mut self.points.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for MemoryWatch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The memory of a process that is resident, in MiB, if it runs.
#[must_use]
#[allow(clippy::cast_precision_loss)]
pub fn resident_mib(process: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let value = crate::experiment::proc_value(&status, "VmRSS")?;
    crate::experiment::kibibytes(value).map(|kibibytes| kibibytes as f64 / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn this_process_has_memory_and_no_process_has_none() {
        let watch = MemoryWatch::begin(vec![std::process::id(), u32::MAX], Instant::now());
        while watch.points.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        let points = watch.finish();
        assert!(points[0].resident_mib[0].unwrap() > 1.0);
        assert_eq!(points[0].resident_mib[1], None);
    }
}
