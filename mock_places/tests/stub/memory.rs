//! Replacing wiremock's mocks under load is invisible.

use std::io;
use std::num::{NonZeroU16, NonZeroU32};
use std::sync::mpsc;
use std::thread;

use mock_places::{DUMMY_KEY, Options};

use crate::connection::Connection;
use crate::{start, target};

const CONNECTIONS: u64 = 16;
const REQUESTS_EACH: u64 = 400;

/// Every request comes beside or between replacements, and all must be answered.
fn load(threads: u16, kept_requests: u32) {
    let places = start(Options {
        threads: NonZeroU16::new(threads).expect("not zero"),
        kept_requests: NonZeroU32::new(kept_requests).expect("not zero"),
        ..Options::default()
    });
    let address = places.address();
    // Without places, so that wiremock's part of the work is as large as possible.
    let target = target("34,-118", "1", DUMMY_KEY);
    thread::scope(|scope| {
        for _ in 0..CONNECTIONS {
            scope.spawn(|| {
                let mut connection = Connection::open(address).expect("connected");
                for _ in 0..REQUESTS_EACH {
                    connection.send(&target).expect("sent");
                    let answer = connection.receive().expect("an answer");
                    assert_eq!(answer.status(), 200, "{}", answer.head);
                    assert!(answer.body.ends_with(b"\"ZERO_RESULTS\"\n}\n"));
                }
            });
        }
    });
    assert_eq!(places.served(), CONNECTIONS * REQUESTS_EACH);
}

#[test]
fn nobody_notices_thousands_of_replacements() {
    load(1, 1);
    load(1, 3);
}

#[test]
fn nor_with_several_threads() {
    load(3, 3);
}

/// Whether the connection ended: no status came, or the system says that the other end has gone.
fn is_end(status: &io::Result<u16>) -> bool {
    match status {
        Ok(status) => *status == 0,
        Err(error) => matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe),
    }
}

#[test]
fn dropping_it_in_the_middle_of_all_that_ends_it() {
    for _ in 0..10 {
        let places = start(Options { kept_requests: NonZeroU32::MIN, ..Options::default() });
        let address = places.address();
        let target = target("34,-118", "1", DUMMY_KEY);
        let (under_way, all_under_way) = mpsc::channel();
        thread::scope(|scope| {
            for _ in 0..4 {
                let (under_way, target) = (under_way.clone(), &target);
                scope.spawn(move || {
                    let mut connection = Connection::open(address).expect("connected");
                    let mut ask = || {
                        connection.send(target)?;
                        connection.receive().map(|answer| answer.status())
                    };
                    assert_eq!(ask().expect("an answer"), 200);
                    under_way.send(()).expect("somebody waits");
                    let last = loop {
                        match ask() {
                            Ok(200) => {}
                            last => break last,
                        }
                    };
                    assert!(is_end(&last), "{last:?}");
                });
            }
            for _ in 0..4 {
                all_under_way.recv().expect("an answer to each");
            }
            drop(places);
        });
    }
}
