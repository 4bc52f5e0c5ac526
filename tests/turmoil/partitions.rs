//! Links that are cut, both ways and one way.

use std::time::Duration;

use fastrand::Rng;

use crate::mobiles::Load;
use crate::seeds::for_seeds;
use crate::simulation::{AGREEMENT, LATENCY, Link, Simulation};

/// The links whose cut leaves {Clark, Jaquez} on one side.
const BETWEEN_HALVES: [Link; 2] = [("Bona", "Clark"), ("Campbell", "Jaquez")];
const LINKS: [Link; 6] = [
    ("Bailey", "Bona"),
    ("Bailey", "Campbell"),
    ("Bona", "Campbell"),
    ("Bona", "Clark"),
    ("Campbell", "Jaquez"),
    ("Clark", "Jaquez"),
];

#[test]
fn halves_that_were_parted_come_to_know_the_same_when_their_links_are_mended() {
    for_seeds(2, |seed| {
        let mut random = Rng::with_seed(seed);
        let mut simulation = Simulation::start(seed, Load::default());
        simulation.run_for(Duration::from_secs(1));
        // Shorter cuts lose segments of connections that live on; longer ones outlast them.
        let time = Duration::from_millis(if seed % 2 == 0 { random.u64(200..4000) } else { random.u64(6000..9000) });
        simulation.cut(&BETWEEN_HALVES);
        simulation.run_for(time);
        assert!(!simulation.agree(), "a cut of {time:?} parts the halves");
        simulation.mend(&BETWEEN_HALVES);
        simulation.run_for(Duration::from_secs(1));
        simulation.finish(AGREEMENT);
    });
}

#[test]
fn one_link_that_passes_nothing_on_in_one_direction_delays_no_news() {
    for_seeds(2, |seed| {
        let mut random = Rng::with_seed(seed);
        let mut simulation = Simulation::start(seed, Load::default());
        simulation.run_for(Duration::from_secs(1));
        let (a, b) = LINKS[random.usize(..LINKS.len())];
        simulation.cut_one_way(if random.bool() { (a, b) } else { (b, a) });
        for _ in 0..8 {
            // Round the cut it is three links.
            simulation.news_spreads(5 * LATENCY);
            simulation.run_for(Duration::from_secs(1));
        }
        simulation.mend(&[(a, b)]);
        simulation.finish(AGREEMENT);
    });
}
