//! Sends a line through the row now and then, and waits for it at the other end.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use loadgen::measure::{histogram, nanos};

/// Time between two lines.
const INTERVAL: Duration = Duration::from_millis(20);
/// How long a line may take before it is lost. The observer may not have been let in yet when the
/// first ones are sent.
const LOST_AFTER: Duration = Duration::from_millis(200);
/// Lines before they are measured.
const WARM_UP: u64 = 25;

/// How long lines took.
#[derive(Debug)]
pub struct Crossing {
    /// From the write to the last byte's arrival, in nanoseconds.
    pub latency: Histogram<u64>,
    /// Lines that were measured and did not arrive in time.
    pub lost: u64,
}

/// Sends lines, as long as an IAMAT, to one address for as long as given, and waits for each at
/// another one. One thread, which is the caller's, one monotonic clock.
///
/// # Errors
/// If a connection fails.
pub fn cross(from: SocketAddr, to: SocketAddr, during: Duration) -> io::Result<Crossing> {
    let (mut sender, observer) = (TcpStream::connect(from)?, TcpStream::connect(to)?);
    sender.set_nodelay(true)?;
    observer.set_read_timeout(Some(LOST_AFTER))?;
    let mut observer = BufReader::new(observer);
    let mut crossing = Crossing { latency: histogram(), lost: 0 };
    let start = Instant::now();
    let mut due = start;
    for number in 0_u64.. {
        pause(due.saturating_duration_since(Instant::now()));
        if due >= start + during + INTERVAL * u32::try_from(WARM_UP).unwrap_or(0) {
            break;
        }
        due = (due + INTERVAL).max(Instant::now());
        let line = format!("IAMAT probe.bare.load +34.068930-118.445127 1621464827.{number:09}\n");
        let written = Instant::now();
        sender.write_all(line.as_bytes())?;
        let has_come = arrives(&mut observer, line.as_bytes())?;
        match (number >= WARM_UP, has_come) {
            (true, true) => crossing.latency.saturating_record(nanos(written.elapsed())),
            (true, false) => crossing.lost += 1,
            (false, _) => {}
        }
    }
    Ok(crossing)
}

/// Reads until a line has come, or its time is up.
fn arrives(observer: &mut impl BufRead, line: &[u8]) -> io::Result<bool> {
    let mut read = Vec::new();
    while read != line {
        read.clear();
        match observer.read_until(b'\n', &mut read) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => {}
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                return Ok(false);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

fn pause(time: Duration) {
    #[allow(clippy::disallowed_methods)] // this thread has nothing else to do
    std::thread::sleep(time);
}
