//! A run, from connecting to the last look.

use std::io;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use crate::clock::{RunClock, processor_time};
use crate::live::{Glance, Live};
use crate::plan::Plan;
use crate::probe::tap::{Tap, TapError};
use crate::probe::{Probe, Propagation};
use crate::record::Record;
use crate::watch::{EachSecond, Looks, Watch};
use crate::worker::Worker;

/// How long a first connection to a server may take.
const REACH: Duration = Duration::from_secs(5);
/// From when all threads are connected to the start of the run.
const LEAD: Duration = Duration::from_millis(20);

/// What a run has shown.
#[derive(Debug)]
pub struct Outcome {
    /// The plan that was run, with the duration that it was given before it ended.
    pub plan: Plan,
    /// When it started.
    pub started: SystemTime,
    /// What the clients have seen.
    pub record: Record,
    /// What the probe has seen.
    pub propagation: Option<Propagation>,
    /// Processor time that this program took from the start to the end of sending.
    pub cpu: Duration,
}

/// Why there was no run, or no end of it.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A server cannot be reached.
    #[error("cannot connect to {name} at {address}: {cause}; is the herd running?")]
    Unreachable {
        /// The server.
        name: String,
        /// Where it should be.
        address: std::net::SocketAddr,
        /// Why.
        cause: io::Error,
    },
    /// The clients could not be connected, or the event loop failed.
    #[error("{0}: {1}")]
    Io(&'static str, io::Error),
    /// A server's links cannot be observed.
    #[error(transparent)]
    Tap(#[from] TapError),
    /// Who watched the run did not wait for its end, or wanted it before anything was measured.
    #[error("the run was left before there was a result")]
    Left,
    /// A thread panicked: a defect.
    #[error("a thread of the load generator panicked")]
    Panic,
}

/// Runs a plan. `show` gets a look at it every second, and once more when all is done.
///
/// # Errors
/// [`RunError`], if the run did not come about or not to its end.
pub fn run(plan: Plan, show: impl FnMut(Duration, Glance)) -> Result<Outcome, RunError> {
    watched(plan, EachSecond(show))
}

/// Runs a plan, and lets somebody watch it who may end it early.
///
/// # Errors
/// [`RunError`], if the run did not come about or not to its end.
pub fn watched(plan: Plan, watch: impl Watch) -> Result<Outcome, RunError> {
    reach_all(&plan)?;
    let tap = plan.tap.as_ref().map(|tap| Tap::join(&plan, tap)).transpose()?;
    let plan = Arc::new(plan);
    let live = Arc::new(Live::new(plan.servers.len()));
    let (progress, done) = channel();
    let mut workers = Vec::new();
    for thread in 0..plan.threads {
        let (plan, live) = (Arc::clone(&plan), Arc::clone(&live));
        let connect = move || Worker::connect(plan, thread, live);
        workers.push(Running::spawn(connect, Worker::run, progress.clone()));
    }
    let mut probe = None;
    if let Some(interval) = plan.probe {
        let for_probe = Arc::clone(&plan);
        let for_display = Arc::clone(&live);
        let connect = move || Probe::connect(for_probe, interval, for_display, tap);
        probe = Some(Running::spawn(connect, Probe::run, progress.clone()));
    }
    let threads = workers.len() + usize::from(probe.is_some());
    for _ in 0..threads {
        done.recv().map_err(|_| RunError::Panic)?.map_err(|error| RunError::Io("cannot connect the clients", error))?;
    }

    let (started, cpu_before) = (SystemTime::now(), processor_time());
    let start = Instant::now() + LEAD;
    let clock = RunClock::starting_at(start);
    workers.iter().for_each(|worker| worker.start(clock));
    probe.iter().for_each(|probe| probe.start(clock));
    let mut looks = Looks::new(&live, plan.warm_up, plan.duration, watch);
    let cpu_after = wait(&done, threads, start, &mut looks)?;
    looks.take_rest(start.elapsed());

    let mut record = Record::default();
    for worker in workers {
        record.add(&worker.join()?);
    }
    let propagation = probe.map(Running::join).transpose()?;
    looks.take_rest(start.elapsed());
    let mut plan = Arc::try_unwrap(plan).unwrap_or_else(|plan| (*plan).clone());
    plan.duration = looks.measured();
    Ok(Outcome { plan, started, record, propagation, cpu: cpu_after.saturating_sub(cpu_before) })
}

/// Connects to every server once, so that one that is not there is named.
fn reach_all(plan: &Plan) -> Result<(), RunError> {
    for server in &plan.servers {
        TcpStream::connect_timeout(&server.address, REACH).map_err(|cause| RunError::Unreachable {
            name: server.name.clone(),
            address: server.address,
            cause,
        })?;
    }
    Ok(())
}

/// Waits for all threads, and takes looks at the run. Returns the processor time that was used
/// when sending ended.
fn wait<W: Watch>(
    done: &Receiver<io::Result<()>>,
    mut threads: usize,
    start: Instant,
    looks: &mut Looks<'_, W>,
) -> Result<Duration, RunError> {
    let mut cpu_at_end = None;
    while threads > 0 {
        let next_look = looks.due();
        let next = if cpu_at_end.is_none() { next_look.min(looks.end()) } else { next_look };
        match done.recv_timeout((start + next).saturating_duration_since(Instant::now())) {
            Ok(result) => {
                result.map_err(|error| RunError::Io("the event loop failed", error))?;
                threads -= 1;
            }
            Err(RecvTimeoutError::Timeout) if next == next_look => looks.take()?,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err(RunError::Panic),
        }
        if start.elapsed() >= looks.end() {
            cpu_at_end.get_or_insert_with(processor_time);
        }
    }
    Ok(cpu_at_end.unwrap_or_else(processor_time))
}

/// A thread that connects, waits for the start, and runs.
struct Running<T> {
    thread: JoinHandle<io::Result<T>>,
    start: std::sync::mpsc::Sender<RunClock>,
}

impl<T: Send + 'static> Running<T> {
    /// `done` is told once when the thread is connected and once when it has run.
    fn spawn<C: 'static>(
        connect: impl FnOnce() -> io::Result<C> + Send + 'static,
        run: impl FnOnce(C, RunClock) -> io::Result<T> + Send + 'static,
        done: std::sync::mpsc::Sender<io::Result<()>>,
    ) -> Self {
        let (start, started) = channel();
        // Who waits for `done` is gone only when the run is given up.
        let thread = std::thread::spawn(move || {
            let (connected, told) = tell(connect());
            let _ = done.send(told);
            let connected = connected?;
            let clock = started.recv().map_err(|_| io::ErrorKind::Interrupted)?;
            let (result, told) = tell(run(connected, clock));
            let _ = done.send(told);
            result
        });
        Self { thread, start }
    }

    fn start(&self, clock: RunClock) {
        // A thread that is gone has told why.
        let _ = self.start.send(clock);
    }

    fn join(self) -> Result<T, RunError> {
        let result = self.thread.join().map_err(|_| RunError::Panic)?;
        result.map_err(|error| RunError::Io("the event loop failed", error))
    }
}

/// A result, and a copy of it without its value.
fn tell<T>(result: io::Result<T>) -> (io::Result<T>, io::Result<()>) {
    match result {
        Ok(value) => (Ok(value), Ok(())),
        Err(error) => {
            let copy = io::Error::new(error.kind(), error.to_string());
            (Err(error), Err(copy))
        }
    }
}
