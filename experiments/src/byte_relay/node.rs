//! One process of the row: one thread, one event loop. What comes from one connection goes to all
//! others, with one write for one read.

use std::io::{self, Read, Write};
use std::net::SocketAddr;

use anyhow::Context;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

const BUFFER: usize = 64 << 10;
const LISTENER: Token = Token(usize::MAX);

/// Runs a node as a program of its own: says where it listens, and passes on for as long as it
/// lives. It connects to the next node, if there is one, before it says that it is ready.
///
/// # Errors
/// If it cannot listen or connect, or its event loop fails.
pub fn program(address: SocketAddr, next: Option<SocketAddr>) -> anyhow::Result<()> {
    let mut node = Node::bind(address).with_context(|| format!("cannot listen on {address}"))?;
    if let Some(next) = next {
        let stream = std::net::TcpStream::connect(next).with_context(|| format!("cannot connect to {next}"))?;
        stream.set_nonblocking(true)?;
        node.add(TcpStream::from_std(stream))?;
    }
    println!("ready {}", node.listener.local_addr()?);
    node.run().context("the event loop failed")
}

struct Node {
    poll: Poll,
    listener: TcpListener,
    /// By token. One that has ended is gone; there are never many.
    connections: Vec<Option<TcpStream>>,
    buffer: Vec<u8>,
}

impl Node {
    fn bind(address: SocketAddr) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut listener = TcpListener::bind(address)?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        Ok(Self { poll, listener, connections: Vec::new(), buffer: vec![0; BUFFER] })
    }

    fn add(&mut self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        self.poll.registry().register(&mut stream, Token(self.connections.len()), Interest::READABLE)?;
        self.connections.push(Some(stream));
        Ok(())
    }

    fn run(&mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(64);
        loop {
            match self.poll.poll(&mut events, None) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                result => result?,
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.accept()?,
                    Token(place) => self.pass_on(place),
                }
            }
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => self.add(stream)?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    fn pass_on(&mut self, from: usize) {
        while let Some(stream) = &mut self.connections[from] {
            let count = match stream.read(&mut self.buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Ok(count) if count > 0 => count,
                _ => {
                    self.connections[from] = None;
                    return;
                }
            };
            for (place, to) in self.connections.iter_mut().enumerate() {
                // A line now and then always has room; who takes none is gone.
                if place != from && to.as_mut().is_some_and(|to| to.write_all(&self.buffer[..count]).is_err()) {
                    *to = None;
                }
            }
        }
    }
}
