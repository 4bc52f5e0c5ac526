//! An application server herd: servers that learn where mobile clients are, flood that to each
//! other, and answer what is near a client. This is the library behind the `server` program;
//! `ARCHITECTURE.md` follows a command through it.
//!
//! Modules import from their own line of this map or from lines above it; a test sees to that.
//!
//! | | |
//! |---|---|
//! | [`protocol`] | pure: bytes in, values out; no IO, no clock, no tokio |
//! | [`digest`], [`pending`], [`quota`], [`store`], [`sync`], [`flood`] | pure state: last writer wins; what waits for whom; anti-entropy; how often |
//! | [`clock`], [`config`], [`io_log`], [`metrics`], [`net`], [`tls`] | one job each |
//! | [`node`], `scratch` | what the tasks of a server share, and what those of a thread do |
//! | [`link`], [`places`] | a link to a neighbour; the Places client |
//! | [`session`] | one client connection |
//! | [`admin`], [`server`] | HTTP for people and Prometheus; accepting and stopping |

pub mod protocol;

pub mod digest;
pub mod flood;
pub mod pending;
pub mod quota;
pub mod store;
pub mod sync;

pub mod clock;
pub mod config;
pub mod io_log;
pub mod metrics;
pub mod net;
pub mod tls;

pub mod node;
mod scratch;

pub mod link;
pub mod places;

pub mod session;

pub mod admin;
pub mod server;

/// The commit that this was built from, or `unknown` outside a git checkout.
pub const COMMIT: &str = env!("HERD_COMMIT");
