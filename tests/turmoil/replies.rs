//! Replies around a Places service that is slow, fails, or says nothing.

use std::time::Duration;

use crate::mobiles::Load;
use crate::seeds::for_seeds;
use crate::simulation::Simulation;

/// That every reply answers its command, in order and in time, `conversation.rs` checks.
#[test]
fn pipelined_replies_keep_the_order_of_their_commands_however_long_places_takes() {
    for_seeds(2, |seed| {
        let load = Load { burst: 40, pause: Duration::from_millis(50), places: 40 };
        let mut simulation = Simulation::start(seed, load);
        simulation.run_for(Duration::from_secs(8));
        simulation.finish(Duration::from_secs(1));
    });
}
