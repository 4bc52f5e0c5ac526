//! Simulated mobile clients of a herd. This is the library behind the `loadgen` program; from the
//! server it takes `protocol` and `config` only, so that a mistake there does not find its twin
//! here.
//!
//! - [`plan`]: what a run is to do
//! - [`run`]: a run, from connecting to the last look; `worker`, `connection`, `timer` and `clock`
//!   are a thread of it
//! - [`movement`], [`wire`]: where clients are, and what they say as bytes
//! - [`oracle`]: what was said to the herd, and whether what comes back is right
//! - [`probe`]: how long an update takes to become visible
//! - [`measure`], [`record`], [`live`]: histograms and counts, of a run and of its last second
//! - [`slo`], [`report`]: objectives; what a run has shown, for programs and for people

mod clock;
mod connection;
pub mod live;
pub mod measure;
pub mod movement;
pub mod oracle;
pub mod plan;
pub mod probe;
pub mod record;
pub mod report;
pub mod run;
pub mod slo;
mod timer;
pub mod wire;
mod worker;
