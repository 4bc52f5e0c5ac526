//! Servers that end at once and forget everything.

use std::time::Duration;

use fastrand::Rng;

use crate::mobiles::Load;
use crate::seeds::for_seeds;
use crate::simulation::{AGREEMENT, LATENCY, Simulation};

const SERVERS: [&str; 5] = ["Bailey", "Bona", "Campbell", "Clark", "Jaquez"];

#[test]
fn servers_that_crash_under_load_rejoin_and_lose_only_what_nobody_else_had() {
    for_seeds(3, |seed| {
        let mut random = Rng::with_seed(seed);
        let mut simulation = Simulation::start(seed, Load::default());
        simulation.run_for(Duration::from_secs(1));
        for _ in 0..3 {
            let server = SERVERS[random.usize(..SERVERS.len())];
            simulation.crash(server);
            simulation.news_spreads(5 * LATENCY);
            simulation.run_for(Duration::from_millis(random.u64(..3000)));
            simulation.restart(server);
            simulation.wait_for_servers();
            // Its links are there again when the next one goes, so that news has a way.
            simulation.run_for(Duration::from_millis(random.u64(500..1500)));
        }
        simulation.finish(AGREEMENT);
    });
}

#[test]
fn a_server_that_vanishes_without_a_word_is_replaced_by_its_next_incarnation() {
    for_seeds(2, |seed| {
        let mut simulation = Simulation::start(seed, Load::default());
        simulation.run_for(Duration::from_secs(1));
        // Nobody hears that its connections have ended: it is as if its machine had lost power.
        let links = [("Campbell", "Bailey"), ("Campbell", "Bona"), ("Campbell", "Jaquez")];
        simulation.cut(&links);
        simulation.crash("Campbell");
        simulation.run_for(Duration::from_millis(200));
        simulation.mend(&links);
        simulation.restart("Campbell");
        simulation.wait_for_servers();
        simulation.run_for(Duration::from_secs(1));
        simulation.finish(AGREEMENT);
    });
}
