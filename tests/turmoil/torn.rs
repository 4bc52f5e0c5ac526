//! Links that break in the middle of a line.

use std::time::Duration;

use crate::mobiles::Load;
use crate::network::break_links;
use crate::seeds::for_seeds;
use crate::simulation::{AGREEMENT, Simulation};

/// That no server passes on what nobody said, [`Simulation::finish`] checks.
#[test]
fn a_line_that_was_torn_is_dropped_and_what_it_said_arrives_all_the_same() {
    for_seeds(2, |seed| {
        let mut simulation = Simulation::start(seed, Load::default());
        simulation.run_for(Duration::from_secs(1));
        break_links(0.2);
        simulation.run_for(Duration::from_secs(6));
        break_links(0.0);
        simulation.finish(AGREEMENT);
    });
}
