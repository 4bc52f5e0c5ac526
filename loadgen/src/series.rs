//! A run second by second, as NDJSON: a line of JSON for each.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::live::Glance;

/// What a run is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Commands are sent and not measured.
    WarmUp,
    /// Commands are sent and measured.
    Measure,
    /// What is under way is waited for, and every server is asked about every client.
    Verify,
}

impl Phase {
    /// What a run does that has gone on for so long.
    #[must_use]
    pub fn at(elapsed: Duration, warm_up: Duration, duration: Duration) -> Self {
        match elapsed {
            _ if elapsed <= warm_up => Self::WarmUp,
            _ if elapsed <= warm_up + duration => Self::Measure,
            _ => Self::Verify,
        }
    }
}

/// One line: what happened since the line before. Times of replies are in microseconds, and
/// `null` where there was none.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Second {
    /// When it ended, in seconds since the epoch.
    pub time: f64,
    /// When it ended, in seconds since the run's start.
    pub elapsed: f64,
    /// What the run was doing.
    pub phase: Phase,
    /// Replies.
    pub replies: u64,
    /// Commands that got no reply, or could not be sent because no connection stood.
    pub failed: u64,
    /// Wrong replies, without those that are in `lost`.
    pub wrong: u64,
    /// Replies that lacked an update which some server had acknowledged for more than 5 s.
    pub lost: u64,
    /// From when commands were due until their replies: half were no slower.
    pub response_p50: Option<f64>,
    /// 99 % were no slower.
    pub response_p99: Option<f64>,
    /// How late this program wrote commands: 99 % were no later.
    pub lag_p99: Option<f64>,
    /// Sights of the probe's updates, by updates and servers.
    pub seen: u64,
    /// Sights that have not come for 5 s, of updates that were written when the run measured.
    pub unseen: u64,
    /// From a write at one server to its first sight at another: half took no longer.
    pub seen_p50: Option<f64>,
    /// 99 % took no longer.
    pub seen_p99: Option<f64>,
}

/// Writes a line whenever it is shown a glance.
#[derive(Debug)]
pub struct Series {
    file: File,
    /// Counts so far.
    failed: u64,
    wrong: u64,
    lost: u64,
}

impl Series {
    /// A series in a new file.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn create(path: &Path) -> io::Result<Self> {
        Ok(Self { file: File::create(path)?, failed: 0, wrong: 0, lost: 0 })
    }

    /// Writes a line. It is in the file when this returns, for those who watch it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&mut self, elapsed: Duration, phase: Phase, glance: &Glance) -> io::Result<()> {
        let recent = &glance.recent;
        let responses = recent.responses();
        let second = Second {
            time: SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs_f64(),
            elapsed: elapsed.as_secs_f64(),
            phase,
            replies: glance.answered,
            failed: glance.failed - self.failed,
            wrong: (glance.wrong - glance.lost) - (self.wrong - self.lost),
            lost: glance.lost - self.lost,
            response_p50: micros(&responses, 50.0),
            response_p99: micros(&responses, 99.0),
            lag_p99: micros(&recent.lags(), 99.0),
            seen: glance.sights.all.len(),
            unseen: glance.sights.lost(),
            seen_p50: micros(&glance.sights.all, 50.0),
            seen_p99: micros(&glance.sights.all, 99.0),
        };
        (self.failed, self.wrong, self.lost) = (glance.failed, glance.wrong, glance.lost);
        let line = serde_json::to_string(&second)? + "\n";
        self.file.write_all(line.as_bytes())
    }
}

fn micros(histogram: &Histogram<u64>, percentile: f64) -> Option<f64> {
    let value = || Duration::from_nanos(histogram.value_at_percentile(percentile)).as_secs_f64() * 1e6;
    (!histogram.is_empty()).then(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::{Counted, Live, Recent, Sights};

    #[test]
    fn each_line_has_what_came_since_the_line_before() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut series = Series::create(file.path()).unwrap();
        let live = Live::new(1);
        for (second, failed) in [(1, 3), (2, 0)] {
            let mut recent = Recent::new(1);
            recent.iamat.response.record(2_000_000).unwrap();
            let counted = Counted { offered: 0, answered: 10 * second, failed, wrong: 2, lost: 1 };
            live.add(&counted, &mut recent);
            let mut sights = Sights::new(1);
            sights.lose(0, 0, second);
            live.saw(&mut sights);
            series.write(Duration::from_secs(second), Phase::Measure, &live.look()).unwrap();
        }
        let text = std::fs::read_to_string(file.path()).unwrap();
        let lines: Vec<Second> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let counts = |line: &Second| (line.replies, line.failed, line.wrong, line.lost);
        assert_eq!(lines.iter().map(counts).collect::<Vec<_>>(), [(10, 3, 1, 1), (20, 0, 1, 1)]);
        assert!((lines[1].response_p99.unwrap() - 2000.0).abs() < 5.0);
        assert_eq!((lines[1].lag_p99, lines[1].seen, lines[1].unseen, lines[1].seen_p99), (None, 0, 2, None));
        assert!(text.contains("\"phase\":\"measure\""));
    }
}
