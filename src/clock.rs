//! The wall clock, which a simulation can replace. Spans are measured with tokio's own clock.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use crate::protocol::time::UnixTime;

/// Says what time it is, to the nanosecond.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> UnixTime + Send + Sync>);

impl Clock {
    /// The clock of the operating system (`CLOCK_REALTIME`). Before 1970 it says 1970.
    #[must_use]
    pub fn system() -> Self {
        Self::from_fn(|| UnixTime::new(SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default()))
    }

    /// A clock that says what `now` says.
    #[must_use]
    pub fn from_fn(now: impl Fn() -> UnixTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> UnixTime {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}
