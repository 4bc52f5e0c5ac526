//! Waiting for events, and a timer that is a descriptor: epoll's own time-outs have only
//! milliseconds.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Registry, Token};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

/// Fires once, with the resolution of the kernel's high-resolution timers.
#[derive(Debug)]
pub struct Timer(OwnedFd);

impl Timer {
    /// A timer that is not set, and whose events have the given token.
    ///
    /// # Errors
    /// If the system gives none.
    pub fn new(registry: &Registry, token: Token) -> io::Result<Self> {
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        registry.register(&mut SourceFd(&timer.as_raw_fd()), token, Interest::READABLE)?;
        Ok(Self(timer))
    }

    /// Lets it fire after `delay`, and not at any moment set before.
    ///
    /// # Errors
    /// If the system refuses that.
    pub fn set(&self, delay: Duration) -> io::Result<()> {
        // A time of zero would switch the timer off.
        let delay = delay.max(Duration::from_nanos(1));
        let it_value =
            Timespec { tv_sec: delay.as_secs().try_into().unwrap_or(i64::MAX), tv_nsec: delay.subsec_nanos().into() };
        let never_again = Timespec { tv_sec: 0, tv_nsec: 0 };
        let setting = Itimerspec { it_interval: never_again, it_value };
        timerfd_settime(self.0.as_fd(), TimerfdTimerFlags::empty(), &setting)?;
        Ok(())
    }
}

/// Waits for events. A signal, such as the one that goes on after a stop, is none.
///
/// # Errors
/// If the system cannot wait.
pub fn wait(poll: &mut Poll, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
    match poll.poll(events, timeout) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {
            events.clear();
            Ok(())
        }
        result => result,
    }
}
