//! Everything that servers read and wrote, in order and with simulated time.

use std::fmt::Write;
use std::sync::{Arc, Mutex};

use herd::io_log::Sink;

/// The log of all servers. Its lines are those of a server's log behind `NAME#INCARNATION`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trace(Arc<Mutex<String>>);

/// One line of a server's log.
pub(crate) struct Entry<'t> {
    /// `NAME#INCARNATION`.
    pub(crate) server: &'t str,
    /// The connection.
    pub(crate) who: &'t str,
    /// `<` read, `>` written, `*` a notice.
    pub(crate) sign: &'t str,
    pub(crate) text: &'t str,
}

/// A server's part of the trace.
#[derive(Debug)]
struct ServerLog {
    trace: Trace,
    server: String,
}

impl Trace {
    /// Where a server's log goes.
    pub(crate) fn of_server(&self, server: String) -> Arc<dyn Sink> {
        Arc::new(ServerLog { trace: self.clone(), server })
    }

    /// All of it so far.
    pub(crate) fn text(&self) -> String {
        self.0.lock().unwrap().clone()
    }
}

impl Sink for ServerLog {
    fn append(&self, lines: &[u8], _: u64) {
        let mut trace = self.trace.0.lock().unwrap();
        for line in str::from_utf8(lines).unwrap().lines() {
            writeln!(trace, "{} {line}", self.server).unwrap();
        }
    }
}

/// The lines of a trace.
pub(crate) fn entries(trace: &str) -> impl Iterator<Item = Entry<'_>> {
    trace.lines().map(|line| {
        let mut fields = line.splitn(5, ' ');
        let mut next = || fields.next().unwrap();
        let (server, _time, who, sign, text) = (next(), next(), next(), next(), next());
        Entry { server, who, sign, text }
    })
}
