//! Two servers, Bona and Clark, that know the same at once and push what they hear to an
//! observer: late, not all of it, or not at all.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

pub(crate) const NAMES: [&str; 2] = ["Bona", "Clark"];
const BONA: usize = 0;
const CLARK: usize = 1;

/// How the observer is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// What Bona hears Clark pushes only after so long.
    Late(Duration),
    /// What Bona hears Clark never pushes.
    Loses,
    /// What Bona hears Clark pushes every other time, as if a newer update had replaced an older.
    Replaces,
    /// Clark ends the observer's link instead of pushing what Bona hears for the tenth time, and
    /// says nothing more to anybody before the observer is there again.
    Closes,
    /// HELLO is answered with this, and nothing more.
    Answers(&'static [u8]),
}

/// The two servers, which listen.
pub(crate) struct Observed {
    /// By server, for clients and for the observer.
    pub(crate) ports: [[u16; 2]; 2],
    shared: Arc<Shared>,
}

struct Shared {
    manner: Manner,
    /// By client the newest AT line.
    known: Mutex<HashMap<String, String>>,
    /// By server the observer's link.
    observers: [Mutex<Option<TcpStream>>; 2],
    /// By server, how often the observer has joined.
    joins: [AtomicU64; 2],
    pings: AtomicU64,
    /// Updates of the probe that Bona has heard.
    probed: AtomicU64,
}

impl Observed {
    pub(crate) fn start(manner: Manner) -> Self {
        let shared = Arc::new(Shared {
            manner,
            known: Mutex::default(),
            observers: Default::default(),
            joins: Default::default(),
            pings: AtomicU64::new(0),
            probed: AtomicU64::new(0),
        });
        let ports = [BONA, CLARK].map(|server| {
            [serve_client, serve_observer].map(|serve| {
                let shared = Arc::clone(&shared);
                // Whoever breaks a connection off has seen enough.
                listen(move |stream| drop(serve(server, stream, &shared)))
            })
        });
        Self { ports, shared }
    }

    /// How often an observer has joined a server.
    pub(crate) fn joins(&self, server: usize) -> u64 {
        self.shared.joins[server].load(Ordering::SeqCst)
    }

    /// Waits until an observer has said that it lives.
    pub(crate) fn wait_for_ping(&self) {
        wait_until(|| self.shared.pings.load(Ordering::SeqCst) > 0);
    }
}

fn listen(serve: impl Fn(TcpStream) + Clone + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let serve = serve.clone();
            std::thread::spawn(move || serve(stream));
        }
    });
    port
}

fn wait_until(is_so: impl Fn() -> bool) {
    for _ in 0..20_000 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("not within 20 s");
}

fn serve_client(server: usize, mut stream: TcpStream, shared: &Arc<Shared>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    for line in BufReader::new(stream.try_clone()?).lines() {
        let reply = answer(server, &line?, shared);
        stream.write_all(reply.as_bytes())?;
    }
    Ok(())
}

fn answer(server: usize, line: &str, shared: &Arc<Shared>) -> String {
    match line.split(' ').collect::<Vec<_>>()[..] {
        ["IAMAT", id, place, stamp] => {
            let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos();
            let difference = now - stamp.replace('.', "").parse::<u128>().unwrap();
            let (seconds, nanos) = (difference / 1_000_000_000, difference % 1_000_000_000);
            let at = format!("AT {} +{seconds}.{nanos:09} {id} {place} {stamp}\n", NAMES[server]);
            shared.known.lock().unwrap().insert(id.into(), at.clone());
            push_all(server, &at, shared);
            at
        }
        ["WHATSAT", id, ..] => {
            let probed = shared.probed.load(Ordering::SeqCst);
            if shared.manner == Manner::Closes && server == CLARK && probed >= 10 {
                wait_until(|| shared.joins[CLARK].load(Ordering::SeqCst) >= 2);
            }
            let known = shared.known.lock().unwrap().get(id).cloned();
            known.map_or(format!("? {line}\n"), |at| at + "{\"results\":[],\"status\":\"OK\"}\n\n")
        }
        _ => format!("? {line}\n"),
    }
}

/// Both servers push an AT line that one of them has heard.
fn push_all(origin: usize, at: &str, shared: &Arc<Shared>) {
    push(origin, at, shared);
    if origin != BONA || !at.contains(" probe") {
        return push(1 - origin, at, shared);
    }
    let number = shared.probed.fetch_add(1, Ordering::SeqCst) + 1;
    match shared.manner {
        Manner::Late(delay) => {
            let (at, shared) = (at.to_owned(), Arc::clone(shared));
            std::thread::spawn(move || {
                std::thread::sleep(delay);
                push(CLARK, &at, &shared);
            });
        }
        Manner::Loses => {}
        Manner::Replaces if number % 2 == 1 => {}
        Manner::Closes if number == 10 => {
            let observer = shared.observers[CLARK].lock().unwrap().take();
            observer.unwrap().shutdown(Shutdown::Both).unwrap();
        }
        Manner::Replaces | Manner::Closes | Manner::Answers(_) => push(CLARK, at, shared),
    }
}

fn push(server: usize, at: &str, shared: &Shared) {
    if let Some(observer) = &mut *shared.observers[server].lock().unwrap() {
        // Who is away is owed nothing.
        let _ = observer.write_all(at.as_bytes());
    }
}

fn serve_observer(server: usize, mut stream: TcpStream, shared: &Arc<Shared>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    assert_eq!(lines.next().unwrap()?, "HELLO herd/1 tap");
    if let Manner::Answers(answer) = shared.manner {
        return stream.write_all(answer);
    }
    {
        // What is heard from now on waits for the answer, and then is pushed.
        let mut observer = shared.observers[server].lock().unwrap();
        write!(stream, "HELLO herd/1 {} sync\nAT Bona +1.000000000 old +1-1 1\nDONE\n", NAMES[server])?;
        *observer = Some(stream);
    }
    shared.joins[server].fetch_add(1, Ordering::SeqCst);
    let for_pings = Arc::clone(shared);
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(Duration::from_secs(1));
            push(server, "PING\n", &for_pings);
        }
    });
    for line in lines {
        assert_eq!(line?, "PING");
        shared.pings.fetch_add(1, Ordering::SeqCst);
    }
    Ok(())
}
