//! A run as an HdrHistogram interval log (`.hlog`): response times of each second, by operation.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

use hdrhistogram::Histogram;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};
use hdrhistogram::serialization::{V2DeflateSerializeError, V2DeflateSerializer};

/// What a maximum in the log is divided by: nanoseconds become milliseconds.
const MILLIS: f64 = 1e6;

/// Response times of one second, in nanoseconds.
#[derive(Debug)]
struct Interval {
    start: Duration,
    length: Duration,
    tag: &'static str,
    responses: Histogram<u64>,
}

/// Gathers the seconds of a run, and writes them at its end.
#[derive(Debug)]
pub struct IntervalLog {
    out: BufWriter<File>,
    started: SystemTime,
    last: Duration,
    intervals: Vec<Interval>,
}

impl IntervalLog {
    /// A log in a new file.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn create(path: &Path) -> io::Result<Self> {
        let out = BufWriter::new(File::create(path)?);
        Ok(Self { out, started: SystemTime::now(), last: Duration::ZERO, intervals: Vec::new() })
    }

    /// Adds what came since the last time, up to a moment of the run.
    pub fn add(&mut self, elapsed: Duration, iamat: &Histogram<u64>, whatsat: &Histogram<u64>) {
        let (start, length) = (self.last, elapsed.saturating_sub(self.last));
        for (tag, responses) in [("iamat", iamat), ("whatsat", whatsat)] {
            if !responses.is_empty() {
                self.intervals.push(Interval { start, length, tag, responses: responses.clone() });
            }
        }
        self.last = elapsed;
    }

    /// Writes the log.
    ///
    /// # Errors
    /// If the file does not take it.
    pub fn finish(mut self) -> io::Result<()> {
        let mut serializer = V2DeflateSerializer::new();
        let mut log = IntervalLogWriterBuilder::new()
            .add_comment("response times of a load generator for an application server herd, in nanoseconds")
            .with_start_time(self.started)
            .with_base_time(self.started)
            .with_max_value_divisor(MILLIS)
            .begin_log_with(&mut self.out, &mut serializer)?;
        for Interval { start, length, tag, responses } in &self.intervals {
            let written = log.write_histogram(responses, *start, *length, Tag::new(tag));
            written.map_err(|error| match error {
                hdrhistogram::serialization::interval_log::IntervalLogWriterError::SerializeError(
                    V2DeflateSerializeError::IoError(error),
                ) => error,
                other => io::Error::other(other.to_string()),
            })?;
        }
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    use super::*;
    use crate::measure::histogram;

    #[test]
    fn each_second_is_an_interval_for_each_operation_that_had_replies() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut log = IntervalLog::create(file.path()).unwrap();
        let mut iamat = histogram();
        iamat.record_n(2_000_000, 7).unwrap();
        log.add(Duration::from_secs(1), &iamat, &histogram());
        log.add(Duration::from_secs(2), &iamat, &iamat);
        log.finish().unwrap();
        let text = std::fs::read(file.path()).unwrap();
        let mut intervals = Vec::new();
        for entry in IntervalLogIterator::new(&text) {
            if let LogEntry::Interval(interval) = entry.unwrap() {
                use base64::Engine;
                let bytes = base64::engine::general_purpose::STANDARD.decode(interval.encoded_histogram()).unwrap();
                let stored: Histogram<u64> = Deserializer::new().deserialize(&mut io::Cursor::new(bytes)).unwrap();
                let tag = interval.tag().unwrap().as_str().to_owned();
                intervals.push((interval.start_timestamp().as_secs(), tag, stored.len(), interval.max()));
            }
        }
        let shown: Vec<_> = intervals.iter().map(|(start, tag, count, _)| (*start, tag.as_str(), *count)).collect();
        assert_eq!(shown, [(0, "iamat", 7), (1, "iamat", 7), (1, "whatsat", 7)]);
        assert!((intervals[0].3 - 2.0).abs() < 0.01, "the maximum is in milliseconds");
    }
}
