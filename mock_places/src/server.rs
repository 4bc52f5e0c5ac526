//! Starting and stopping a stub.

use std::fmt;
use std::io;
use std::mem;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::thread;

use wiremock::MockServer;

use crate::listen::listen;
use crate::mount::mount;
use crate::options::Options;
use crate::service::Service;

/// A running stub. Dropping it stops it: connections are closed and the port is given back, a
/// moment after `drop` returns.
///
/// It serves on threads of its own, and needs no runtime once it is started. A thread that cannot
/// accept a connection ends, above all where no file descriptor is free: wiremock does not go on.
pub struct MockPlaces {
    /// One for each thread.
    servers: Vec<Arc<MockServer>>,
    service: Arc<Service>,
    address: SocketAddr,
}

/// More threads than that can hardly help.
const MAX_THREADS: u16 = 64;

/// Why a stub could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Another program listens there.
    #[error("{address} is already in use; stop the program that listens there or choose another address")]
    AddressInUse {
        /// The address asked for.
        address: SocketAddr,
    },
    /// The address cannot be listened on for another reason.
    #[error("cannot listen on {address}; choose an address of this machine and a port that you may use")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// More threads were asked for than a stub starts.
    #[error("{asked} threads are too many; ask for 1 to {MAX_THREADS}")]
    Threads {
        /// The number asked for.
        asked: u16,
    },
}

impl MockPlaces {
    /// Starts a stub; connections are accepted when it returns.
    ///
    /// On a fixed port, a request that arrives before this returns may be answered 404.
    ///
    /// # Errors
    ///
    /// [`StartError`] if the address cannot be listened on or there are too many threads.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let threads = options.threads.get();
        if threads > MAX_THREADS {
            return Err(StartError::Threads { asked: threads });
        }
        let wanted = options.listen;
        let (listeners, address) = listen(wanted, threads).map_err(|error| StartError::listen(wanted, error))?;
        let kept_requests = options.kept_requests.get();
        let service = Arc::new(Service::new(options));
        let mut servers = Vec::with_capacity(listeners.len());
        for listener in listeners {
            let builder = MockServer::builder().listener(listener);
            let server = Arc::new(builder.disable_request_recording().start().await);
            mount(&server, Arc::clone(&service), kept_requests).await;
            servers.push(server);
        }
        Ok(Self { servers, service, address })
    }

    /// Where the stub listens, with the port it got.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where clients on the same machine find it, such as `http://127.0.0.1:9000`.
    #[must_use]
    pub fn url(&self) -> String {
        let ip = match self.address.ip() {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        format!("http://{}", SocketAddr::new(ip, self.address.port()))
    }

    /// How many searches were answered, in whatever way; requests for other paths do not count.
    #[must_use]
    pub fn served(&self) -> u64 {
        self.service.answered()
    }
}

impl Drop for MockPlaces {
    fn drop(&mut self) {
        let servers = mem::take(&mut self.servers);
        // A MockServer's drop blocks on its lock. tokio lets a task that has used up its turn wait
        // even for a free lock, until the task yields; blocked, it never would. A thread that is no
        // task's does not take turns.
        let dropping = thread::Builder::new().spawn(move || drop(servers));
        if let Ok(thread) = dropping {
            // An error is a panic there, which wiremock's drop reports itself.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for MockPlaces {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("MockPlaces")
            .field("address", &self.address)
            .field("served", &self.served())
            .field("mounts", &self.service.mounts())
            .finish_non_exhaustive()
    }
}

impl StartError {
    fn listen(address: SocketAddr, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::AddressInUse { address },
            _ => Self::Listen { address, source },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use tokio::task::coop;

    use super::MockPlaces;
    use crate::options::Options;

    async fn start(listen: &str) -> MockPlaces {
        let options = Options { listen: listen.parse().expect("an address"), ..Options::default() };
        MockPlaces::start(options).await.expect("a free port")
    }

    #[tokio::test]
    async fn the_url_is_one_that_a_client_can_use() {
        let places = start("127.0.0.1:0").await;
        assert_eq!(places.url(), format!("http://{}", places.address()));
        let everywhere = start("0.0.0.0:0").await;
        let port = everywhere.address().port();
        assert_eq!(everywhere.url(), format!("http://127.0.0.1:{port}"));
    }

    #[test]
    fn the_number_of_threads_is_bounded() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let start = |threads| {
            let threads = NonZeroU16::new(threads).expect("not zero");
            runtime.block_on(MockPlaces::start(Options { threads, ..Options::default() }))
        };
        assert!(start(64).is_ok());
        let error = start(65).expect_err("too many");
        assert_eq!(error.to_string(), "65 threads are too many; ask for 1 to 64");
    }

    #[test]
    fn dropping_it_ends_also_in_a_task_that_has_used_up_its_turn() {
        let (ended, end) = mpsc::channel();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                let places = start("127.0.0.1:0").await;
                while coop::has_budget_remaining() {
                    coop::consume_budget().await;
                }
                drop(places);
            });
            ended.send(()).expect("somebody waits");
        });
        end.recv_timeout(Duration::from_secs(30)).expect("it ends");
    }

    #[tokio::test]
    async fn a_used_port_is_one_clear_sentence() {
        let places = start("127.0.0.1:0").await;
        let options = Options { listen: places.address(), ..Options::default() };
        let error = MockPlaces::start(options).await.expect_err("the port is in use");
        let address = places.address();
        assert_eq!(
            error.to_string(),
            format!("{address} is already in use; stop the program that listens there or choose another address")
        );
    }
}
