//! How much processor time processes take.

use std::time::Duration;

use rustix::param::clock_ticks_per_second;

/// Processes by name, and how much each had used at some moment.
#[derive(Debug)]
pub struct ProcessorWatch(Vec<(String, u32, Duration)>);

impl ProcessorWatch {
    /// Begins to count for processes by name and number.
    #[must_use]
    pub fn begin(processes: Vec<(String, u32)>) -> Self {
        let used = |(name, process)| (name, process, processor_time(process).unwrap_or_default());
        Self(processes.into_iter().map(used).collect())
    }

    /// What each has used since then, without those that are gone. The kernel counts in ticks of
    /// about 10 ms.
    #[must_use]
    pub fn used(&self) -> Vec<(String, Duration)> {
        let used = |(name, process, before): &(String, u32, Duration)| {
            Some((name.clone(), processor_time(*process)?.saturating_sub(*before)))
        };
        self.0.iter().filter_map(used).collect()
    }
}

/// The time that all threads of a process have used so far, if it runs.
#[must_use]
pub fn processor_time(process: u32) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    #[allow(clippy::cast_precision_loss)]
    Some(Duration::from_secs_f64(ticks(&stat)? as f64 / clock_ticks_per_second() as f64))
}

/// The ticks in a line of `/proc/PID/stat`, in its own code and in the kernel. The name before
/// may have any characters, also blanks and brackets.
fn ticks(stat: &str) -> Option<u64> {
    let (_, behind_name) = stat.rsplit_once(')')?;
    let mut fields = behind_name.split_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<u64>().ok();
    Some(next()? + next()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_the_fields_behind_the_name() {
        let stat = "17 (a) b) S 1 17 17 0 -1 4194560 1 2 3 4 250 50 9 9 20 0 1 0 5 6 7";
        assert_eq!(ticks(stat), Some(300));
        assert_eq!(ticks("17 (a"), None);
    }

    #[test]
    fn this_process_uses_time_and_no_process_uses_none() {
        let watch = ProcessorWatch::begin(vec![("us".into(), std::process::id()), ("nobody".into(), u32::MAX)]);
        let begin = std::time::Instant::now();
        while begin.elapsed() < Duration::from_millis(60) {
            std::hint::spin_loop();
        }
        let used = watch.used();
        assert_eq!(used.len(), 1);
        assert!(used[0].1 > Duration::ZERO && used[0].0 == "us", "{used:?}");
    }
}
