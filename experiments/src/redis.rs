//! Redis, to compare a herd with: a primary with replicas, and a client that loads it as the load
//! generator loads a herd. One update is one SET, or one GEOADD, of as many bytes.

mod load;
mod offsets;
mod probe;
mod protocol;
mod servers;
mod update;

pub use self::load::{RedisLoadOptions, RedisLoaded, program};
pub use self::servers::RedisServers;
pub use self::update::UpdateCommand;

/// The program, which Debian's package of the same name has.
pub const PROGRAM: &str = "redis-server";

/// Whether the program is there.
#[must_use]
pub fn is_installed() -> bool {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders).any(|folder| folder.join(PROGRAM).is_file())
}
