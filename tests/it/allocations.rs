//! How often memory is allocated for a message, once a server is warm: what is stored is the one
//! allocation there is.

use std::net::SocketAddr;

use herd::server::Listeners;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};

use crate::running::{RunningHerd, Setup};

/// Messages that are measured, and as many before them to warm up.
const MESSAGES: u64 = 2_000;
/// Messages in one write.
const BATCH: usize = 20;
/// Allocations beside those for messages: a histogram takes room for some 60 samples at a time, and
/// timers run once in a while.
const OTHERS: u64 = MESSAGES / 50;

/// A connection that allocates nothing once it is open.
struct Raw {
    stream: TcpStream,
    input: Vec<u8>,
}

impl Raw {
    async fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap())
    }

    fn over(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        Self { stream, input: vec![0; 1 << 16] }
    }

    /// Reads so many lines.
    async fn lines(&mut self, mut count: usize) {
        while count > 0 {
            let read = self.stream.read(&mut self.input).await.unwrap();
            assert!(read > 0, "the stream ended with {count} lines to come");
            count -= self.input[..read].iter().filter(|&&byte| byte == b'\n').count().min(count);
        }
    }
}

/// Everything happens on one thread, whose allocations are counted.
fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Allocations while batches go through, as many per message as there are.
fn allocations(runtime: &Runtime, batches: &[Vec<u8>], mut exchange: impl AsyncFnMut(&[u8])) -> u64 {
    let mut all = |batches: &[Vec<u8>]| {
        runtime.block_on(async {
            for batch in batches {
                exchange(batch).await;
            }
        });
    };
    let (warm_up, measured) = batches.split_at(batches.len() / 2);
    all(warm_up);
    allocation_counter::measure(|| all(measured)).count_total
}

/// Two halves of [`MESSAGES`] each, in batches.
fn batches(message: impl Fn(u64) -> String) -> Vec<Vec<u8>> {
    let numbers: Vec<u64> = (0..2 * MESSAGES).collect();
    let batch = |numbers: &[u64]| numbers.iter().map(|&number| message(number)).collect::<String>().into_bytes();
    numbers.chunks(BATCH).map(batch).collect()
}

/// A report of one of a hundred clients, each newer than the one before.
fn iamat(number: u64) -> String {
    format!("IAMAT c{}.load +34.068930-118.445127 {}.000000001\n", number % 100, 1_000_000_000 + number)
}

/// A server without neighbours, warm, and a client of it.
async fn alone() -> (RunningHerd, Raw) {
    let herd = RunningHerd::alone(Setup::default()).await;
    let client = Raw::connect(herd.clients_at(0)).await;
    (herd, client)
}

fn assert_about(found: u64, expected: u64) {
    assert!((expected..=expected + OTHERS).contains(&found), "{found} allocations, {expected} expected");
}

#[test]
fn an_iamat_allocates_what_is_stored_and_nothing_else() {
    let runtime = runtime();
    let (_herd, mut client) = runtime.block_on(alone());
    let found = allocations(&runtime, &batches(iamat), async |batch| {
        client.stream.write_all(batch).await.unwrap();
        client.lines(BATCH).await;
    });
    assert_about(found, MESSAGES);
}

#[test]
fn a_stale_iamat_and_a_line_that_is_no_command_allocate_nothing() {
    let runtime = runtime();
    let (_herd, mut client) = runtime.block_on(alone());
    runtime.block_on(async {
        // The same client, later.
        client.stream.write_all(iamat(100).as_bytes()).await.unwrap();
        client.lines(1).await;
    });
    for message in [iamat(0), "IAMAT nowhere\n".into()] {
        let found = allocations(&runtime, &batches(|_| message.clone()), async |batch| {
            client.stream.write_all(batch).await.unwrap();
            client.lines(BATCH).await;
        });
        assert_about(found, 0);
    }
}

#[test]
fn a_whatsat_that_places_is_not_asked_for_allocates_nothing() {
    let runtime = runtime();
    let (_herd, mut client) = runtime.block_on(alone());
    runtime.block_on(async {
        client.stream.write_all(iamat(0).as_bytes()).await.unwrap();
        client.lines(1).await;
    });
    // The AT line, the five lines of an empty body, and the empty one behind it.
    const LINES: usize = 7;
    let found = allocations(&runtime, &batches(|_| "WHATSAT c0.load 1 0\n".into()), async |batch| {
        client.stream.write_all(batch).await.unwrap();
        client.lines(LINES * BATCH).await;
    });
    assert_about(found, 0);
}

#[test]
fn a_forwarded_at_allocates_what_is_stored_and_nothing_else() {
    let runtime = runtime();
    let (_herd, mut bona, mut jaquez) = runtime.block_on(between_two());
    let at = |number| iamat(number).replace("IAMAT", "AT Bona +0.000000001");
    let found = allocations(&runtime, &batches(at), async |batch| {
        bona.stream.write_all(batch).await.unwrap();
        jaquez.lines(BATCH).await;
    });
    assert_about(found, MESSAGES);
}

/// Clark, between two neighbours that are the test.
async fn between_two() -> (RunningHerd, Raw, Raw) {
    let links = vec![("Bona", "Clark"), ("Clark", "Jaquez")];
    let mut herd = RunningHerd::bind(Setup { links, ..Setup::default() }).await;
    let [clark, jaquez] = ["Clark", "Jaquez"].map(|name| herd.number(name));
    let Listeners { peers, .. } = herd.take_listeners(jaquez);
    let dialled = async {
        let (stream, _) = peers.accept().await.unwrap();
        let mut jaquez = Raw::over(stream);
        jaquez.lines(1).await;
        jaquez.stream.write_all(b"HELLO herd/1 Jaquez\nDONE\n").await.unwrap();
        // DONE, behind nothing.
        jaquez.lines(1).await;
        jaquez
    };
    let ((), jaquez) = tokio::join!(herd.start_server(clark), dialled);
    let mut bona = Raw::connect(herd.peers_at(clark)).await;
    bona.stream.write_all(b"HELLO herd/1 Bona\nDONE\n").await.unwrap();
    bona.lines(2).await;
    (herd, bona, jaquez)
}
