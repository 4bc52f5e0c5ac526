//! Processes in a row that pass bytes on, and how long a line takes through them: the least that
//! any program can take that pushes updates over as many hops.

mod node;
mod probe;

pub use self::node::program;
pub use self::probe::{Crossing, cross};
