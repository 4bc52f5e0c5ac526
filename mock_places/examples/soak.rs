//! Drives a `mock_places` program for long and watches its speed and memory. Linux only.
//!
//! ```text
//! cargo build --release -p mock_places --bins --examples
//! target/release/examples/soak target/release/mock_places --requests 5000000
//! ```
//!
//! It ends with 1 on the first answer that is not the right one, and when the program's memory grew
//! by more than the bound.

#[path = "../tests/stub/connection.rs"]
mod connection;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Instant;

use anyhow::{Context, bail, ensure};
use clap::Parser;
use connection::Connection;
use mock_places::{DUMMY_KEY, World, nearby_search};

/// Memory and speed are printed each time so many requests are done.
const ROUND: u64 = 1_000_000;
/// How many different searches there are.
const SEARCHES: usize = 64;

/// Drives a mock_places program for long and watches its speed and memory
#[derive(Debug, Parser)]
struct CommandLine {
    /// The program
    program: PathBuf,
    /// Measured requests
    #[arg(long, default_value_t = 5_000_000)]
    requests: u64,
    /// Requests before the first look at the memory
    #[arg(long, default_value_t = 50_000)]
    warm_up: u64,
    /// Keep-alive connections, each with one request under way
    #[arg(long, default_value_t = 32)]
    connections: usize,
    /// Threads of this client
    #[arg(long, default_value_t = 1)]
    client_threads: usize,
    /// Threads of the program
    #[arg(long, default_value_t = 1)]
    threads: u16,
    /// Radius of the searches in metres
    #[arg(long, default_value = "50000")]
    radius: String,
    /// How much the program's memory may grow, in MiB
    #[arg(long, default_value_t = 16)]
    growth: u64,
}

fn main() -> anyhow::Result<()> {
    let command_line = CommandLine::parse();
    let stub = Stub::start(&command_line)?;
    let searches = searches(&command_line.radius)?;
    let mut clients = clients(stub.address, &command_line)?;
    let bytes = searches.iter().map(|search| search.body.len()).sum::<usize>() / SEARCHES;
    println!(
        "{} threads, {} connections, bodies of {bytes} bytes on average",
        command_line.threads, command_line.connections
    );

    drive(&mut clients, &searches, command_line.warm_up)?;
    let start_memory = stub.resident_kib()?;
    println!("after the warm-up of {} requests: RSS {start_memory} KiB", command_line.warm_up);
    let begin = Instant::now();
    let mut done = 0;
    while done < command_line.requests {
        let round = ROUND.min(command_line.requests - done);
        let round_begin = Instant::now();
        drive(&mut clients, &searches, round)?;
        done += round;
        let rate = round as f64 / round_begin.elapsed().as_secs_f64();
        println!("{done:>9} requests: {rate:>6.0} a second, RSS {} KiB", stub.resident_kib()?);
    }
    let rate = done as f64 / begin.elapsed().as_secs_f64();
    let growth = stub.resident_kib()?.saturating_sub(start_memory);
    println!("{done} requests, {rate:.0} a second, 0 errors, RSS grew by {growth} KiB");
    ensure!(growth <= command_line.growth * 1024, "that is more than {} MiB", command_line.growth);
    Ok(())
}

/// The program under test, ended with this one.
struct Stub {
    child: Child,
    address: SocketAddr,
}

impl Stub {
    fn start(command_line: &CommandLine) -> anyhow::Result<Self> {
        let mut child = Command::new(&command_line.program)
            .env_clear()
            .args(["--listen", "127.0.0.1:0", "--threads", &command_line.threads.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", command_line.program.display()))?;
        let mut line = String::new();
        let stdout = child.stdout.take().context("no output")?;
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line.trim_end().strip_prefix("ready mock_places http=http://");
        let address = address.context("no ready line")?.parse()?;
        Ok(Self { child, address })
    }

    /// Physical memory in use, in KiB.
    fn resident_kib(&self) -> anyhow::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.context("no VmRSS")?.trim().trim_end_matches(" kB");
        Ok(number.parse()?)
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        // Fails only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A request and the only right answer.
struct Search {
    target: String,
    body: String,
}

fn searches(radius: &str) -> anyhow::Result<Vec<Search>> {
    let search = |index| {
        let location = format!("{index}.25,-{index}.5");
        let body = nearby_search(World::default(), location.parse()?, radius.parse()?);
        let query = format!("location={location}&radius={radius}&key={DUMMY_KEY}");
        Ok(Search { target: format!("/maps/api/place/nearbysearch/json?{query}"), body })
    };
    (0..SEARCHES).map(search).collect()
}

/// The connections of each of the client's threads.
fn clients(address: SocketAddr, command_line: &CommandLine) -> anyhow::Result<Vec<Vec<Connection>>> {
    let threads = command_line.client_threads;
    ensure!(threads > 0 && command_line.connections >= threads, "fewer connections than threads");
    let each = command_line.connections / threads;
    let open = |_| (0..each).map(|_| Ok(Connection::open(address)?)).collect();
    (0..threads).map(open).collect()
}

/// Makes so many requests, spread over all connections.
fn drive(clients: &mut [Vec<Connection>], searches: &[Search], requests: u64) -> anyhow::Result<()> {
    let each = requests / clients.len() as u64;
    thread::scope(|scope| {
        let threads: Vec<_> =
            clients.iter_mut().map(|connections| scope.spawn(move || drive_one(connections, searches, each))).collect();
        for thread in threads {
            match thread.join() {
                Ok(result) => result?,
                Err(_) => bail!("a client's thread panicked"),
            }
        }
        Ok(())
    })
}

/// One thread's requests: one on every connection, then all answers, and again.
fn drive_one(connections: &mut [Connection], searches: &[Search], requests: u64) -> anyhow::Result<()> {
    let mut upcoming = searches.iter().cycle();
    let mut left = usize::try_from(requests)?;
    while left > 0 {
        let batch = left.min(connections.len());
        let expected: Vec<_> = upcoming.by_ref().take(batch).collect();
        for (connection, search) in connections.iter_mut().zip(&expected) {
            connection.send(&search.target)?;
        }
        for (connection, search) in connections.iter_mut().zip(&expected) {
            let answer = connection.receive()?;
            let right = answer.status() == 200 && answer.body == search.body.as_bytes();
            ensure!(right, "a wrong answer: {}\n{}", answer.head, String::from_utf8_lossy(answer.body));
        }
        left -= batch;
    }
    Ok(())
}
