//! The event loop of a fake server: one thread, so that nothing but the machine comes between
//! what it means to do and what it does.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};

use super::answer::{Answer, Answering};
use super::delays::Delays;
use super::peer::{Peer, Pending};
use super::{Behaviour, Fault, Tally};
use crate::clock::wall;
use crate::measure::nanos;
use crate::timer::{Timer, wait};

/// How often it looks whether it is to end, and how late it is for that.
const TICK: Duration = Duration::from_millis(5);
/// How long it waits for the others to leave when it is to end.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes that are read at a time.
const BUFFER: usize = 16 << 10;
const TIMER: Token = Token(usize::MAX);
const LISTENER: Token = Token(usize::MAX - 1);

/// A server that listens.
#[derive(Debug)]
pub(super) struct Serving {
    poll: Poll,
    timer: Timer,
    listener: TcpListener,
    answering: Answering,
    fault: Fault,
    delays: Option<Delays>,
    peers: HashMap<usize, Peer>,
    next_peer: usize,
    /// When replies are due, and to whom.
    due: BinaryHeap<Reverse<(Instant, usize)>>,
    commands: Arc<AtomicU64>,
    orders: Receiver<()>,
    tally: Tally,
    next_tick: Instant,
    buffer: Vec<u8>,
}

impl Serving {
    /// A server on a port that the system chooses. It ends at once when there is nobody left who
    /// could send it an order, and when it gets one, as soon as all connections are closed.
    pub(super) fn new(behaviour: Behaviour, orders: Receiver<()>) -> io::Result<Self> {
        let poll = Poll::new()?;
        let timer = Timer::new(poll.registry(), TIMER)?;
        let mut listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let (peers, due, commands, tally) = Default::default();
        Ok(Self {
            poll,
            timer,
            listener,
            fault: behaviour.fault,
            delays: behaviour.delays.map(Delays::new),
            answering: Answering::new(behaviour),
            peers,
            next_peer: 0,
            due,
            commands,
            orders,
            tally,
            next_tick: Instant::now() + TICK,
            buffer: vec![0; BUFFER],
        })
    }

    /// Where it listens.
    pub(super) fn port(&self) -> io::Result<u16> {
        Ok(self.listener.local_addr()?.port())
    }

    /// Commands that it has read.
    pub(super) fn commands(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.commands)
    }

    /// Serves until it is to end.
    pub(super) fn run(mut self) -> io::Result<Tally> {
        let mut events = Events::with_capacity(256);
        let mut deadline = None;
        while !self.is_over(&mut deadline) {
            let next = self.due.peek().map_or(self.next_tick, |Reverse((due, _))| self.next_tick.min(*due));
            self.timer.set(next.saturating_duration_since(Instant::now()))?;
            wait(&mut self.poll, &mut events, None)?;
            self.tick();
            for event in &events {
                match event.token() {
                    TIMER => {}
                    LISTENER => self.accept()?,
                    Token(peer) => self.with(peer, Self::read),
                }
            }
            self.write_due();
        }
        self.tally.faults = self.answering.faults();
        Ok(self.tally)
    }

    fn is_over(&self, deadline: &mut Option<Instant>) -> bool {
        match self.orders.try_recv() {
            Ok(()) => *deadline = Some(Instant::now() + PATIENCE),
            Err(TryRecvError::Disconnected) => return true,
            Err(TryRecvError::Empty) => {}
        }
        deadline.is_some_and(|deadline| self.peers.is_empty() || deadline <= Instant::now())
    }

    /// Notes how late it is.
    fn tick(&mut self) {
        let now = Instant::now();
        if let Some(late) = now.checked_duration_since(self.next_tick) {
            self.tally.lateness.saturating_record(nanos(late));
            self.next_tick = now + TICK;
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            match self.listener.accept() {
                Ok((mut stream, _)) => {
                    stream.set_nodelay(true)?;
                    let interest = Interest::READABLE | Interest::WRITABLE;
                    self.poll.registry().register(&mut stream, Token(self.next_peer), interest)?;
                    self.peers.insert(self.next_peer, Peer::new(stream));
                    self.next_peer += 1;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                // Whoever it was is gone already.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Does something with a connection, and lets go of it if that was its end.
    fn with(&mut self, number: usize, act: impl FnOnce(&mut Self, usize, &mut Peer) -> io::Result<()>) {
        let Some(mut peer) = self.peers.remove(&number) else { return };
        if act(self, number, &mut peer).is_ok() {
            self.peers.insert(number, peer);
        }
    }

    /// Reads commands, and answers those that need not wait. The end of a connection is an error.
    fn read(&mut self, number: usize, peer: &mut Peer) -> io::Result<()> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let read = self.read_into(&mut buffer, number, peer);
        self.buffer = buffer;
        peer.write(Instant::now(), &mut self.tally)?;
        read
    }

    fn read_into(&mut self, buffer: &mut [u8], number: usize, peer: &mut Peer) -> io::Result<()> {
        while let Some(count) = peer.read(buffer)? {
            let read = Instant::now();
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            while let Some(line) = peer.take_line() {
                self.command(&line, read, number, peer);
            }
        }
        Ok(())
    }

    /// A command was read.
    fn command(&mut self, line: &str, read: Instant, number: usize, peer: &mut Peer) {
        let count = self.commands.fetch_add(1, Ordering::Relaxed) + 1;
        if let Fault::Stalls { at, time } = self.fault
            && count == at
        {
            self.stall(time, read);
        }
        match self.answering.answer(line, &mut peer.speaker, wall()) {
            Answer::Say(text, replies) => {
                let due = read + self.delays.as_mut().map_or(Duration::ZERO, Delays::next);
                let due = peer.push(Pending { read, due, text, replies });
                // What is due at once is written when all that was read is answered.
                if self.delays.is_some() {
                    self.due.push(Reverse((due, number)));
                }
            }
            Answer::Wait => {}
            Answer::Ignore => self.tally.swallowed += 1,
            Answer::HangUp => {
                self.tally.swallowed += 1;
                peer.hang_up();
            }
        }
    }

    /// Does nothing for a while.
    fn stall(&mut self, time: Duration, read: Instant) {
        #[allow(clippy::disallowed_methods)] // to do nothing is what it is for
        std::thread::sleep(time);
        self.tally.stalled = Some(read.elapsed());
        self.next_tick = Instant::now() + TICK;
    }

    fn write_due(&mut self) {
        let now = Instant::now();
        while let Some(Reverse((due, number))) = self.due.peek().copied()
            && due <= now
        {
            self.due.pop();
            self.with(number, |serving, _, peer| peer.write(now, &mut serving.tally));
        }
    }
}
