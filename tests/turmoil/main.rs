//! The server's own tasks over a network that is simulated, with time that is, too: hours of cut
//! links, stalls and crashes in seconds, and the same again from the same seed.
//!
//! What is swapped is the network, the clock, the seeds of chance, Places, and where the log
//! goes; everything between them is what `server` runs. Every scenario runs with several seeds
//! (`seeds.rs` says how to choose them), and at its end `history.rs` judges what clients saw.
#![allow(clippy::unwrap_used)]

mod conversation;
mod crashes;
mod flooding;
mod history;
mod host;
mod mobiles;
mod network;
mod partitions;
mod places;
mod repeat;
mod replies;
mod seeds;
mod simulation;
mod stalls;
mod stopping;
mod torn;
mod trace;
