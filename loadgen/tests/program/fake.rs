//! A server that is right, or wrong in one way: a thread per connection, on a port of its own.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

/// The body of an answer without results.
const NOTHING: &str = "{\n   \"html_attributions\" : [],\n   \"results\" : [],\n   \"status\" : \"OK\"\n}";

/// In which way a server is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// In none.
    None,
    /// Differences have eight decimals.
    DropsADecimal,
    /// Two pipelined replies change places.
    Reorders,
    /// Questions are answered with the first location ever told.
    AnswersStale,
    /// The last brace of the JSON is missing.
    CutsJson,
    /// Replies bear another server's name.
    WrongName,
    /// A reply comes twice.
    SaysMore,
    /// There are more results than asked for.
    TooMany,
    /// Nothing is answered for so long, once, after the first second.
    Stalls(Duration),
}

/// A server that listens.
pub(crate) struct Fake {
    pub(crate) port: u16,
    /// Commands that it has read.
    pub(crate) commands: Arc<AtomicU64>,
    /// By client the AT line that it answers with.
    pub(crate) known: Arc<Mutex<HashMap<String, String>>>,
}

struct Shared {
    fault: Fault,
    known: Arc<Mutex<HashMap<String, String>>>,
    commands: Arc<AtomicU64>,
    stalled: AtomicBool,
    started: SystemTime,
    /// Held while the server stalls.
    gate: Mutex<()>,
}

impl Fake {
    pub(crate) fn start(fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let commands = Arc::new(AtomicU64::new(0));
        let known = Arc::default();
        let shared = Arc::new(Shared {
            fault,
            known: Arc::clone(&known),
            commands: Arc::clone(&commands),
            stalled: AtomicBool::new(false),
            started: SystemTime::now(),
            gate: Mutex::new(()),
        });
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&shared);
                // Whoever breaks the connection off has seen enough.
                std::thread::spawn(move || drop(serve(stream, &shared)));
            }
        });
        Self { port, commands, known }
    }
}

fn serve(mut stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut lines = BufReader::new(stream.try_clone()?);
    let mut held_back = String::new();
    let mut line = String::new();
    while lines.read_line(&mut line)? > 0 {
        let number = shared.commands.fetch_add(1, Ordering::Relaxed);
        stall(shared);
        let reply = answer(line.trim_end(), shared);
        line.clear();
        if shared.fault == Fault::Reorders && number > 20 && held_back.is_empty() && reply.starts_with("AT") {
            held_back = reply;
            continue;
        }
        stream.write_all((reply + &std::mem::take(&mut held_back)).as_bytes())?;
    }
    Ok(())
}

fn stall(shared: &Shared) {
    let Fault::Stalls(time) = shared.fault else { return };
    let _gate = shared.gate.lock().unwrap();
    let late = shared.started.elapsed().unwrap() > Duration::from_secs(1);
    if late && !shared.stalled.swap(true, Ordering::Relaxed) {
        std::thread::sleep(time);
    }
}

fn answer(line: &str, shared: &Shared) -> String {
    let fields: Vec<&str> = line.split(' ').collect();
    let fault = shared.fault;
    match fields[..] {
        ["IAMAT", id, place, stamp] => {
            let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos();
            let (seconds, nanos) = stamp.split_once('.').unwrap();
            let stamped: u128 = seconds.parse::<u128>().unwrap() * 1_000_000_000 + nanos.parse::<u128>().unwrap();
            let difference = now - stamped;
            let mut decimals = format!("{}.{:09}", difference / 1_000_000_000, difference % 1_000_000_000);
            if fault == Fault::DropsADecimal {
                decimals.pop();
            }
            let name = if fault == Fault::WrongName { "Dora" } else { "Clark" };
            let at = format!("AT {name} +{decimals} {id} {place} {stamp}\n");
            let mut known = shared.known.lock().unwrap();
            if fault == Fault::AnswersStale {
                known.entry(id.into()).or_insert_with(|| at.clone());
            } else {
                known.insert(id.into(), at.clone());
            }
            if fault == Fault::SaysMore { at.repeat(2) } else { at }
        }
        ["WHATSAT", id, _, bound] => {
            let Some(at) = shared.known.lock().unwrap().get(id).cloned() else { return format!("? {line}\n") };
            let body = match fault {
                Fault::CutsJson => &NOTHING[..NOTHING.len() - 1],
                Fault::TooMany if bound != "20" => {
                    return format!("{at}{{\"results\":[{}0],\"status\":\"OK\"}}\n\n", "0,".repeat(20));
                }
                _ => NOTHING,
            };
            format!("{at}{body}\n\n")
        }
        _ => format!("? {line}\n"),
    }
}
