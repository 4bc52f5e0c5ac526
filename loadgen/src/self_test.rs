//! Whether this program measures right: real runs, over real sockets, against servers whose
//! behaviour is known, and by row what was injected, what was measured and whether that holds.
//!
//! Counts must be exact. Times have a lower bound that is exact, because a fake server times what
//! it does within what this program measures, and an upper one with a stated tolerance. What is
//! above that is a failure, unless both the generator and the server have noticed that they were
//! kept waiting for so long: then the row is invalid, and says nothing but that the machine was
//! too busy.

mod answers;
mod latency;
mod loss;
mod noise;
mod row;
mod setting;
mod stall;
mod table;
mod updates;

use std::io;

use serde::{Deserialize, Serialize};

pub use self::row::{Row, Unit, Verdict};
pub use self::table::table;
use crate::run::RunError;

/// The version of the JSON: it changes when a field changes its meaning or goes away.
pub const VERSION: u32 = 1;
/// Connections at a time, both ends counted: files that must be allowed to be open.
pub const CONNECTIONS: usize = 1000;

/// How often a scenario is run on a machine that is too busy.
const TRIES: usize = 3;

/// What a self-test has shown.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SelfTest {
    /// Always `herd-loadgen-self-test`.
    pub format: String,
    /// See [`VERSION`].
    pub version: u32,
    /// What was injected in which setting, and what was measured of it.
    pub groups: Vec<Group>,
}

/// Rows about the same thing.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Group {
    /// The setting.
    pub title: String,
    /// What was compared.
    pub rows: Vec<Row>,
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum SelfTestError {
    /// A fake server could not be started, or its event loop failed.
    #[error("the fake server failed: {0}")]
    Fake(#[from] io::Error),
    /// A run did not come about.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A thread panicked: a defect.
    #[error("a thread of the self-test panicked")]
    Panic,
}

impl SelfTest {
    /// What all rows together say: the worst of them.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.groups.iter().map(Group::verdict).max().unwrap_or(Verdict::Ok)
    }
}

impl Group {
    fn verdict(&self) -> Verdict {
        self.rows.iter().map(|row| row.verdict).max().unwrap_or(Verdict::Ok)
    }
}

/// Runs all of it, which takes some fifteen seconds.
///
/// # Errors
/// If a server or a run did not come about.
pub fn run() -> Result<SelfTest, SelfTestError> {
    let mut groups = Vec::new();
    for scenario in [latency::run, stall::open_loop, stall::closed_loop] {
        groups.push(alone(scenario)?);
    }
    groups.extend(all_at_once::<_, fn() -> _>([loss::silence, loss::hang_up, updates::run, answers::run])?);
    Ok(SelfTest { format: "herd-loadgen-self-test".into(), version: VERSION, groups })
}

/// Runs a scenario that is about times while no other runs, and again if it says nothing.
fn alone(scenario: fn() -> Result<Group, SelfTestError>) -> Result<Group, SelfTestError> {
    let mut group = scenario()?;
    for _ in 1..TRIES {
        if group.verdict() != Verdict::Invalid {
            break;
        }
        group = scenario()?;
    }
    Ok(group)
}

/// Runs scenarios side by side: those that count do not mind company.
fn all_at_once<T, S>(scenarios: impl IntoIterator<Item = S>) -> Result<Vec<T>, SelfTestError>
where
    T: Send,
    S: FnOnce() -> Result<T, SelfTestError> + Send,
{
    std::thread::scope(|scope| {
        let threads: Vec<_> = scenarios.into_iter().map(|scenario| scope.spawn(scenario)).collect();
        threads.into_iter().map(|thread| thread.join().map_err(|_| SelfTestError::Panic)?).collect()
    })
}
