//! The same seed takes the same course; without that, no failure could be looked into.

use std::time::Duration;

use fastrand::Rng;

use crate::mobiles::Load;
use crate::network::break_links;
use crate::seeds::for_seeds;
use crate::simulation::{AGREEMENT, Simulation};

/// A little of everything.
fn course(seed: u64) -> String {
    let mut random = Rng::with_seed(seed);
    let mut simulation = Simulation::start(seed, Load { places: 20, ..Load::default() });
    simulation.run_for(Duration::from_millis(random.u64(500..1500)));
    simulation.cut(&[("Bona", "Clark")]);
    simulation.run_for(Duration::from_millis(random.u64(500..1500)));
    simulation.crash("Jaquez");
    simulation.run_for(Duration::from_millis(random.u64(..1500)));
    simulation.restart("Jaquez");
    simulation.mend(&[("Bona", "Clark")]);
    simulation.wait_for_servers();
    // Who breaks its links while it catches up may not blame it for what it does not know.
    simulation.run_for(Duration::from_millis(500));
    simulation.hold(&[("Bailey", "Campbell")]);
    break_links(0.05);
    simulation.run_for(Duration::from_secs(1));
    simulation.release(&[("Bailey", "Campbell")]);
    break_links(0.0);
    simulation.stop("Bona");
    simulation.restart("Bona");
    simulation.wait_for_servers();
    simulation.finish(AGREEMENT)
}

#[test]
fn the_same_seed_gives_the_same_trace_line_by_line_and_another_seed_another_one() {
    for_seeds(1, |seed| {
        let (first, second) = (course(seed), course(seed));
        for (number, (once, again)) in first.lines().zip(second.lines()).enumerate() {
            assert_eq!(once, again, "line {number}");
        }
        assert_eq!(first.len(), second.len());
        assert_ne!(first, course(seed + 1));
    });
}
