//! Simulated mobile clients of a herd, and a judge of all that it answers. This is the library
//! behind the `loadgen` program.
//!
//! - [`plan`]: what a run is to do; [`run`]: from connecting to the last look; [`search`]: which
//!   rates to try to find the highest
//! - [`movement`], [`wire`], `digits`: where clients are, and how that is said
//! - `worker`, `connection`, [`timer`], `clock`: a thread of clients, one event loop
//! - [`oracle`]: what servers must and may answer
//! - [`probe`]: how long an update takes from server to server
//! - [`measure`], [`record`], [`steps`], [`live`]: what was measured, in all, as the rate changed,
//!   and since the last look
//! - [`watch`]: who looks, and may end a run early
//! - [`report`], [`series`], [`slo`]: the result, the run second by second, and objectives
//! - [`fake`], [`self_test`]: servers of known behaviour, and whether this program measures it right
//! - [`stored`], [`hgrm`], [`hlog`]: histograms in the formats of HdrHistogram

mod clock;
mod connection;
mod digits;
pub mod fake;
pub mod hgrm;
pub mod hlog;
pub mod live;
pub mod measure;
pub mod movement;
pub mod oracle;
pub mod plan;
pub mod probe;
pub mod record;
pub mod report;
pub mod run;
pub mod search;
pub mod self_test;
pub mod series;
pub mod slo;
pub mod steps;
pub mod stored;
pub mod timer;
pub mod watch;
pub mod wire;
mod worker;
