//! Nothing goes wrong.

use std::time::Duration;

use crate::mobiles::Load;
use crate::seeds::for_seeds;
use crate::simulation::{LATENCY, Simulation};

#[test]
fn servers_under_load_pass_on_news_at_once_and_agree_when_it_ends() {
    for_seeds(2, |seed| {
        let mut simulation = Simulation::start(seed, Load::default());
        simulation.run_for(Duration::from_secs(1));
        for _ in 0..10 {
            // Two links at most, and a piece of a write that overtakes the other waits for it.
            simulation.news_spreads(4 * LATENCY);
            simulation.run_for(Duration::from_millis(200));
        }
        simulation.finish(Duration::from_secs(1));
    });
}
