//! A server that does as little as a right one can: it shows what the load generator itself costs,
//! and how fast that can be. It is one thread with one event loop, answers all that one read has
//! brought with one write, and remembers of a client only its newest AT line. It has no neighbours, and
//! takes every line that begins like a command for one.

mod answers;
mod connection;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use self::answers::Answers;
use self::connection::Connection;

/// Bytes that are read at a time.
const BUFFER: usize = 64 << 10;
const LISTENER: Token = Token(usize::MAX);
const STOP: Token = Token(usize::MAX - 1);

/// The server, listening.
#[derive(Debug)]
pub struct NullResponder {
    poll: Poll,
    stop: Arc<Waker>,
    listener: TcpListener,
    /// By token. A connection that ended leaves its place to the next.
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    answers: Answers,
    input: Vec<u8>,
    output: Vec<u8>,
}

impl NullResponder {
    /// Listens as the server of the given name, for as many clients as the system allows.
    ///
    /// # Errors
    /// If the address is not to be had.
    pub fn bind(address: SocketAddr, name: &str) -> io::Result<Self> {
        let most = getrlimit(Resource::Nofile).maximum;
        setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most })?;
        let poll = Poll::new()?;
        let mut listener = TcpListener::bind(address)?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let stop = Arc::new(Waker::new(poll.registry(), STOP)?);
        Ok(Self {
            poll,
            stop,
            listener,
            connections: Vec::new(),
            free: Vec::new(),
            answers: Answers::new(name),
            input: vec![0; BUFFER],
            output: Vec::new(),
        })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// If the system does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// What ends [`run`](Self::run) when it is woken.
    #[must_use]
    pub fn stop(&self) -> Arc<Waker> {
        Arc::clone(&self.stop)
    }

    /// Serves until it is stopped.
    ///
    /// # Errors
    /// If the event loop fails. A connection that does only ends.
    pub fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        loop {
            match self.poll.poll(&mut events, None) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                result => result?,
            }
            for event in &events {
                match event.token() {
                    STOP => return Ok(()),
                    LISTENER => self.accept()?,
                    Token(place) => self.serve(place),
                }
            }
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => self.add(stream)?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                // Who was to be accepted is gone already.
                Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted) => {
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn add(&mut self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let place = self.free.pop().unwrap_or(self.connections.len());
        self.poll.registry().register(&mut stream, Token(place), Interest::READABLE | Interest::WRITABLE)?;
        let connection = Some(Connection::new(stream));
        match self.connections.get_mut(place) {
            Some(left) => *left = connection,
            None => self.connections.push(connection),
        }
        Ok(())
    }

    fn serve(&mut self, place: usize) {
        // An event may be left of a connection that has ended.
        let Some(connection) = &mut self.connections[place] else { return };
        if connection.serve(&mut self.answers, &mut self.input, &mut self.output).is_err() {
            self.connections[place] = None;
            self.free.push(place);
        }
    }
}

/// Runs a null responder as a program of its own: says where it listens, and ends with its input.
///
/// # Errors
/// If it cannot listen or its event loop fails.
pub fn program(address: SocketAddr, name: &str) -> anyhow::Result<()> {
    let responder = NullResponder::bind(address, name).with_context(|| format!("cannot listen on {address}"))?;
    println!("ready {}", responder.address()?);
    let stop = responder.stop();
    std::thread::spawn(move || {
        // Whatever ends the input, who started this program is gone or has had enough.
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        stop.wake()
    });
    responder.run().context("the event loop failed")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use loadgen::plan::{Mix, Pace, Plan, Rate, Spacing, Target};
    use loadgen::report::Report;

    use super::*;

    fn plan(address: SocketAddr, pace: Pace) -> Plan {
        let servers = vec![Target { name: "Clark".into(), address }];
        Plan {
            pace,
            mix: Mix { whatsat: 0.3, unknown: 0.1, ..Mix::default() },
            duration: Duration::from_millis(300),
            threads: 2,
            // The oracle is tested elsewhere, and how busy the machine is must not decide this.
            max_skew: Duration::from_secs(1),
            max_lag: Duration::from_secs(10),
            ..Plan::new(servers, vec![vec![0]], 20, "test".into())
        }
    }

    #[test]
    fn the_load_generator_finds_it_right() {
        let responder = NullResponder::bind("127.0.0.1:0".parse().unwrap(), "Clark").unwrap();
        let (address, stop) = (responder.address().unwrap(), responder.stop());
        let serving = std::thread::spawn(|| responder.run());
        let rate = Rate::every(Duration::from_millis(10), 20);
        for pace in [Pace::Open { rate, spacing: Spacing::Fixed }, Pace::Closed { pipeline: 16 }] {
            let outcome = loadgen::run::run(plan(address, pace), |_, _| {}).unwrap();
            let report = Report::new(&outcome, &[]);
            assert!(report.is_right(), "{:?}", report.wrong);
            assert!(report.counts.answered >= 500, "{:?}", report.counts);
            assert_eq!((report.counts.failed, report.counts.unverified), (0, 0));
        }
        stop.wake().unwrap();
        serving.join().unwrap().unwrap();
    }
}
