//! Servers that are told to stop, and start again.

use std::time::Duration;

use fastrand::Rng;

use crate::mobiles::Load;
use crate::seeds::for_seeds;
use crate::simulation::{AGREEMENT, Simulation};

/// That every command which was read is answered, [`Simulation::finish`] checks.
#[test]
fn a_server_that_stops_under_load_answers_what_it_read_and_leaves_what_it_acknowledged() {
    for_seeds(3, |seed| {
        let mut random = Rng::with_seed(seed);
        let load = Load { burst: 8, pause: Duration::from_millis(60), places: 15 };
        let mut simulation = Simulation::start(seed, load);
        for server in ["Clark", "Campbell", "Bailey"] {
            simulation.run_for(Duration::from_millis(random.u64(1000..1500)));
            simulation.stop(server);
            simulation.run_for(Duration::from_millis(random.u64(..500)));
            simulation.restart(server);
            simulation.wait_for_servers();
        }
        simulation.finish(AGREEMENT);
    });
}

#[test]
fn what_waits_for_a_link_that_stalled_is_sent_before_its_server_ends() {
    for_seeds(2, |seed| {
        let load = Load { burst: 3, pause: Duration::from_millis(15), places: 0 };
        let mut simulation = Simulation::start(seed, load);
        let links = [("Clark", "Bona"), ("Clark", "Jaquez")];
        simulation.hold(&links);
        simulation.run_for(Duration::from_millis(1500));
        simulation.begin_to_stop("Clark");
        // By now its clients have gone, and it tries to get rid of what waits: for 300 ms.
        simulation.run_for(Duration::from_millis(150));
        simulation.release(&links);
        simulation.wait_for_stop("Clark");
        simulation.restart("Clark");
        simulation.wait_for_servers();
        simulation.finish(AGREEMENT);
    });
}
