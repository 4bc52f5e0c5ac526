//! Accepting connections, also when there is no descriptor left for one: then a listener pauses
//! instead of trying without end, and goes on by itself.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::{TcpListener, TcpStream};

/// How long to wait after the system could not accept a connection: it lacks descriptors.
const PAUSE: Duration = Duration::from_millis(100);
/// Failures that follow each other within this time are one episode, also when a connection is
/// accepted now and then: where descriptors are short, that is how it goes.
const EPISODE: Duration = Duration::from_secs(10);

/// A listening socket that connections are taken from.
#[derive(Debug)]
pub struct Acceptor {
    listener: TcpListener,
    whom: &'static str,
    patience: Patience,
}

impl Acceptor {
    /// Takes connections from `listener`; `whom`, such as "a client", says to people who that is.
    #[must_use]
    pub fn new(listener: TcpListener, whom: &'static str) -> Self {
        Self { listener, whom, patience: Patience::default() }
    }

    /// The next connection, whenever there is one. Nothing is lost where this is dropped: a
    /// pause goes on, so whoever waits for other things besides is not held up by it.
    pub async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        let Self { listener, whom, patience } = self;
        patience.retry(whom, || listener.accept()).await
    }
}

/// What to do about failures.
#[derive(Debug, Default)]
struct Patience {
    last_failure: Option<Instant>,
}

impl Patience {
    /// Tries until it works. Only the first failure of an episode is news.
    async fn retry<T, F>(&mut self, whom: &str, accept: impl Fn() -> F) -> T
    where
        F: Future<Output = io::Result<T>>,
    {
        loop {
            if let Some(failure) = self.last_failure {
                sleep_until(failure + PAUSE).await;
            }
            let error = match accept().await {
                Ok(accepted) => return accepted,
                Err(error) => error,
            };
            if self.note_failure(Instant::now()) {
                tracing::warn!(%error, "cannot accept {whom}; trying again every {PAUSE:?} until it works");
            } else {
                tracing::debug!(%error, "still cannot accept {whom}");
            }
        }
    }

    /// Notes a failure, and says whether it is the first one of an episode.
    fn note_failure(&mut self, now: Instant) -> bool {
        let previous = self.last_failure.replace(now);
        previous.is_none_or(|previous| now - previous > EPISODE)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::time::{sleep, timeout};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_try_that_fails_is_repeated_after_a_pause_and_others_are_served_meanwhile() {
        let (tries, mut patience) = (Cell::new(0), Patience::default());
        let lacking = || {
            tries.set(tries.get() + 1);
            async { Err::<(), _>(io::ErrorKind::Other.into()) }
        };
        let started = Instant::now();
        for turn in 1..100 {
            // Something else is ready every 7 ms: waiting is given up and taken up again.
            timeout(Duration::from_millis(7), patience.retry("a client", lacking)).await.unwrap_err();
            assert_eq!(started.elapsed(), Duration::from_millis(7 * turn));
        }
        assert_eq!(tries.get(), 7, "one at the start, and one every 100 ms");
        patience.retry("a client", || async { Ok(()) }).await;
        assert_eq!(started.elapsed(), Duration::from_millis(700));
    }

    #[tokio::test(start_paused = true)]
    async fn failures_are_one_episode_until_there_was_none_for_10_s() {
        let mut patience = Patience::default();
        let mut begins = Vec::new();
        for seconds in [0, 1, 10, 10, 11, 1] {
            sleep(Duration::from_secs(seconds)).await;
            begins.push(patience.note_failure(Instant::now()));
        }
        assert_eq!(begins, [true, false, false, false, true, false]);
    }
}
