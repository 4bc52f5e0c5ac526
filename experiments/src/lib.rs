//! Runs real herds, as processes of their own, under load, and reports what was measured.
//!
//! - [`programs`]: builds the workspace and says where its programs are
//! - [`ports`]: ports for a herd, and its herd file
//! - [`processes`]: a herd of server processes, from start to stop
//! - [`scrape`]: what servers say over HTTP
//! - [`demo`]: the first look: a thousand clients for ten seconds

pub mod demo;
pub mod ports;
pub mod processes;
pub mod programs;
pub mod scrape;
