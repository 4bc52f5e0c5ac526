//! Links that stall: what is sent waits, and nobody is told.

use std::time::Duration;

use crate::mobiles::Load;
use crate::seeds::for_seeds;
use crate::simulation::{AGREEMENT, LATENCY, Simulation};

#[test]
fn a_link_that_stalls_delays_nobody_and_delivers_what_waited() {
    for_seeds(2, |seed| {
        let mut simulation = Simulation::start(seed, Load::default());
        simulation.run_for(Duration::from_secs(1));
        // Short enough for the link to live through it, or long enough for it to be given up.
        let seconds = if seed % 2 == 0 { 3 } else { 8 };
        simulation.hold(&[("Bona", "Campbell")]);
        for _ in 0..seconds {
            simulation.news_spreads(5 * LATENCY);
            simulation.run_for(Duration::from_secs(1));
        }
        simulation.release(&[("Bona", "Campbell")]);
        simulation.run_for(Duration::from_secs(1));
        simulation.finish(AGREEMENT);
    });
}

#[test]
fn a_server_whose_links_all_stall_serves_its_clients_and_catches_up() {
    for_seeds(2, |seed| {
        let mut simulation = Simulation::start(seed, Load::default());
        simulation.run_for(Duration::from_secs(1));
        let links = [("Jaquez", "Clark"), ("Jaquez", "Campbell")];
        simulation.hold(&links);
        simulation.run_for(Duration::from_secs(2 + 4 * (seed % 3)));
        assert!(!simulation.agree(), "Jaquez is alone");
        simulation.release(&links);
        simulation.finish(AGREEMENT);
    });
}
