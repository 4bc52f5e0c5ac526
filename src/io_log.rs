//! The log of traffic (SPEC 6): every line read and written, in a file, away from the hot path.
//!
//! A connection formats its lines into a [`Batch`] and hands that over under one short lock; a
//! thread of its own writes what has gathered every 100 ms. When the disk cannot keep up, or is
//! full, lines are dropped and counted, and serving goes on.

mod batch;
mod files;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use metrics::Counter;

pub use self::batch::{Batch, Direction};
use self::files::LogFiles;

/// How long lines gather before they are written.
const GATHER: Duration = Duration::from_millis(100);
/// From this many bytes on they are written at once.
const WRITE_AT_ONCE: usize = 1 << 20;
/// Bytes that may wait for the disk; what comes beyond that is dropped.
const MAX_WAITING: usize = 16 << 20;

/// Where the log goes and how much of it is kept.
#[derive(Debug, Clone)]
pub struct LogOptions {
    /// The folder; it is made if it does not exist.
    pub directory: PathBuf,
    /// Bytes after which a new file is begun.
    pub rotate_at: u64,
    /// Bytes of all files of one server together, at most.
    pub keep: u64,
    /// Whether bodies from Places are logged whole; their terms forbid storing them.
    pub bodies: bool,
}

/// A handle to the log. Clones share it.
#[derive(Debug, Clone)]
pub struct IoLog {
    sink: Option<Arc<dyn Sink>>,
    bodies: bool,
}

/// Where lines go. That is a file, unless a simulation wants to see them.
pub trait Sink: fmt::Debug + Send + Sync {
    /// Takes `count` lines, each with its LF.
    fn append(&self, lines: &[u8], count: u64);
}

#[derive(Debug)]
struct Shared {
    waiting: Mutex<Waiting>,
    /// Wakes the writer: the first line waits, many do, or the log closes.
    wake: Condvar,
    dropped: Counter,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: Vec<u8>,
    dropped: u64,
    closing: bool,
}

/// The thread that writes; whoever started the log finishes it.
#[derive(Debug)]
pub struct LogWriter {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

impl IoLog {
    /// A log that keeps nothing.
    #[must_use]
    pub const fn disabled() -> Self {
        Self { sink: None, bodies: false }
    }

    /// A log that goes to `sink`, without bodies from Places.
    #[must_use]
    pub fn to(sink: Arc<dyn Sink>) -> Self {
        Self { sink: Some(sink), bodies: false }
    }

    /// Opens `NAME.log` in the folder, at its end if it exists, and starts to write.
    /// Every line that is lost is counted in `dropped`.
    ///
    /// # Errors
    /// If the folder or the file cannot be made or written to.
    pub fn start(name: &str, options: &LogOptions, dropped: Counter) -> io::Result<(Self, LogWriter)> {
        let files = LogFiles::open(name, options)?;
        let shared = Arc::new(Shared { waiting: Mutex::default(), wake: Condvar::new(), dropped });
        let writing = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("log".into()).spawn(move || writing.write_to(files))?;
        let sink: Arc<dyn Sink> = Arc::<Shared>::clone(&shared);
        Ok((Self { sink: Some(sink), bodies: options.bodies }, LogWriter { shared, thread }))
    }

    /// Hands over a batch and empties it.
    pub fn append(&self, batch: &mut Batch) {
        let (lines, count) = batch.contents();
        if let Some(sink) = self.sink.as_ref().filter(|_| count > 0) {
            sink.append(lines, count);
        }
        batch.clear();
    }

    const fn is_enabled(&self) -> bool {
        self.sink.is_some()
    }
}

impl LogWriter {
    /// Writes what waits and ends the thread.
    pub fn finish(self) {
        self.shared.lock().closing = true;
        self.shared.wake.notify_all();
        if self.thread.join().is_err() {
            tracing::error!("the log's thread panicked: the end of the log is missing");
        }
    }
}

impl Sink for Shared {
    fn append(&self, lines: &[u8], count: u64) {
        let mut waiting = self.lock();
        let before = waiting.lines.len();
        let after = before + lines.len();
        if after > MAX_WAITING {
            waiting.dropped += count;
            drop(waiting);
            self.dropped.increment(count);
            return;
        }
        waiting.lines.extend_from_slice(lines);
        drop(waiting);
        if before == 0 || (before < WRITE_AT_ONCE && after >= WRITE_AT_ONCE) {
            self.wake.notify_one();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().expect("nothing panics while it holds the log's lock")
    }

    /// Writes until the log closes. Lost lines are said in the log as soon as it works again.
    fn write_to(&self, mut files: LogFiles) {
        let mut unsaid = 0;
        let mut lines = Vec::new();
        while let Some(dropped) = self.gather(&mut lines) {
            unsaid += dropped;
            if unsaid > 0 && files.write(&batch::notice_of_loss(unsaid)).is_ok() {
                tracing::warn!(lines = unsaid, "the log could not be written for a while; these lines are missing");
                unsaid = 0;
            }
            if let Err(lost) = files.write(&lines) {
                if unsaid == 0 {
                    tracing::error!("cannot write the log: {}; lines are dropped until it works again", lost.error);
                }
                self.dropped.increment(lost.lines);
                unsaid += lost.lines;
            }
            lines.clear();
            lines.shrink_to(WRITE_AT_ONCE);
        }
    }

    /// Waits for lines and takes them, and how many were dropped meanwhile; `None` at the end.
    fn gather(&self, lines: &mut Vec<u8>) -> Option<u64> {
        let idle = |waiting: &mut Waiting| waiting.lines.is_empty() && !waiting.closing;
        let waiting = self.wake.wait_while(self.lock(), idle).expect("see lock");
        let few = |waiting: &mut Waiting| waiting.lines.len() < WRITE_AT_ONCE && !waiting.closing;
        let (mut waiting, _) = self.wake.wait_timeout_while(waiting, GATHER, few).expect("see lock");
        std::mem::swap(&mut waiting.lines, lines);
        let at_end = lines.is_empty() && waiting.closing;
        (!at_end).then(|| std::mem::take(&mut waiting.dropped))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::time::UnixTime;

    fn options(directory: &std::path::Path) -> LogOptions {
        LogOptions { directory: directory.into(), rotate_at: 1 << 20, keep: 4 << 20, bodies: false }
    }

    #[test]
    fn what_is_appended_is_in_the_file_when_the_log_is_finished() {
        let folder = tempfile::tempdir().unwrap();
        let (log, writer) = IoLog::start("Clark", &options(folder.path()), Counter::noop()).unwrap();
        let mut batch = Batch::default();
        for second in 0..3 {
            batch.begin(&log, UnixTime::new(Duration::new(1_621_464_827 + second, 123_456_789)));
            batch.line("c1", Direction::Read, b"IAMAT a\xff\\");
            log.append(&mut batch);
        }
        writer.finish();
        let text = std::fs::read_to_string(folder.path().join("Clark.log")).unwrap();
        assert_eq!(text.lines().next(), Some(r"2021-05-19T22:53:47.123456Z c1 < IAMAT a\xff\\"));
        assert_eq!(text.lines().count(), 3);
    }

    #[test]
    fn what_waits_for_the_disk_is_bounded_and_what_is_dropped_is_counted_and_said() {
        let folder = tempfile::tempdir().unwrap();
        let shared = Shared { waiting: Mutex::default(), wake: Condvar::new(), dropped: Counter::noop() };
        let line = [&[b'x'; 1023][..], b"\n"].concat();
        let fits = MAX_WAITING / line.len();
        for _ in 0..fits + 5 {
            shared.append(&line, 1);
        }
        let mut waiting = shared.lock();
        assert_eq!((waiting.lines.len(), waiting.dropped), (MAX_WAITING, 5));
        waiting.closing = true;
        drop(waiting);
        let roomy = LogOptions { rotate_at: 1 << 30, keep: 1 << 30, ..options(folder.path()) };
        shared.write_to(LogFiles::open("Clark", &roomy).unwrap());
        let text = std::fs::read_to_string(folder.path().join("Clark.log")).unwrap();
        assert!(text.lines().next().unwrap().ends_with(" * 5 lines dropped: they could not be written in time"));
        assert_eq!(text.lines().count(), fits + 1);
    }

    #[test]
    fn a_disabled_log_takes_nothing() {
        let mut batch = Batch::default();
        batch.begin(&IoLog::disabled(), UnixTime::new(Duration::ZERO));
        batch.line("c1", Direction::Read, b"x");
        assert_eq!(batch.contents(), (&b""[..], 0));
    }
}
