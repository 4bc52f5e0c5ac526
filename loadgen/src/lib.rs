//! temp
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
