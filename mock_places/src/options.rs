//! Everything about a stub that can be chosen.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::{NonZeroU16, NonZeroU32};

use crate::delay::Delay;
use crate::faults::Faults;

/// A key to send where no particular one is asked for.
pub const DUMMY_KEY: &str = "mock-places-key";

/// See [`Options::kept_requests`].
const DEFAULT_KEPT_REQUESTS: NonZeroU32 = NonZeroU32::new(1_000).expect("not zero");

/// How a stub answers and where it listens. `Default` gives an answer to everything, at once.
#[derive(Clone, PartialEq, Eq)]
pub struct Options {
    /// Where to listen. Default: a free port of 127.0.0.1.
    pub listen: SocketAddr,
    /// Determines places, delays and faults. Default: 0.
    pub seed: u64,
    /// The key to be sent; `None` accepts every key that is not empty. Default: `None`.
    pub key: Option<String>,
    /// How late answers are. Default: not at all.
    pub delay: Delay,
    /// Which requests fail. Default: none.
    pub faults: Faults,
    /// How many threads serve, 1 to 64. The system spreads connections over them; a connection stays
    /// on its thread. Default: 1.
    pub threads: NonZeroU16,
    /// Whether searches at sea find nothing. Default: `false`.
    pub empty_ocean: bool,
    /// How many requests a thread answers before what wiremock kept of them is freed. Default: 1,000.
    ///
    /// wiremock keeps a copy of every request for as long as a mock is mounted; as copies share the
    /// buffers that requests were read into, each costs 5 to 9 kB.
    ///
    /// Where overflow checks are on, as in debug builds, a thread survives 65,535 such rounds (by
    /// default 65 million requests); then it panics and answers 404. Elsewhere there is no limit.
    pub kept_requests: NonZeroU32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            seed: 0,
            key: None,
            delay: Delay::default(),
            faults: Faults::default(),
            threads: NonZeroU16::MIN,
            empty_ocean: false,
            kept_requests: DEFAULT_KEPT_REQUESTS,
        }
    }
}

/// Shows everything but the key.
impl fmt::Debug for Options {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Options")
            .field("listen", &self.listen)
            .field("seed", &self.seed)
            .field("key", &self.key.as_ref().map(|_| "(hidden)"))
            .field("delay", &self.delay)
            .field("faults", &self.faults)
            .field("threads", &self.threads)
            .field("empty_ocean", &self.empty_ocean)
            .field("kept_requests", &self.kept_requests)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::Options;

    #[test]
    fn the_key_does_not_show() {
        let options = Options { key: Some("secret".to_owned()), ..Options::default() };
        assert!(!format!("{options:?}").contains("secret"));
    }
}
