//! A herd under load in a simulated network, and what a scenario can do to it.

use std::rc::Rc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use turmoil::{Builder, Sim};

use crate::history::History;
use crate::host::Hosts;
use crate::mobiles::{Load, PARKED, roam, visit};
use crate::network;

/// How far time goes in a step; connections and timers have the same resolution.
const STEP: Duration = Duration::from_millis(2);
/// The longest way of a segment through the network; most take a third of it. A server that
/// starts waits 300 ms for its neighbours: four of these, and the longest pause between dials.
pub(crate) const LATENCY: Duration = Duration::from_millis(10);
/// Segments under way in one direction of a connection; then its sender has to wait.
const SEGMENTS: usize = 32;
/// How long after their last trouble all servers know the same: links that stall are declared
/// dead after 5 s, form again within 1.2 s, and what changed lately may be looked at again later.
pub(crate) const AGREEMENT: Duration = Duration::from_secs(15);
/// How long clients may take to end: until Places has answered, and again what they said last.
const CLIENTS_END: Duration = Duration::from_secs(12);
/// How long a server may take to stop in order (DESIGN 2).
const STOP: Duration = Duration::from_secs(3);
/// Simulated time that no scenario needs.
const TOO_LONG: Duration = Duration::from_secs(600);

/// A link, by its servers.
pub(crate) type Link = (&'static str, &'static str);

pub(crate) struct Simulation {
    sim: Sim<'static>,
    hosts: Rc<Hosts>,
    history: Rc<History>,
    enough: CancellationToken,
    clients_are_done: bool,
    visitors: u32,
}

impl Simulation {
    /// Starts all servers, and clients that talk to them.
    pub(crate) fn start(seed: u64, load: Load) -> Self {
        fastrand::seed(seed);
        network::seed(seed);
        let mut builder = Builder::new();
        builder.rng_seed(seed).tick_duration(STEP).simulation_duration(TOO_LONG).enable_random_order();
        builder.min_message_latency(STEP).max_message_latency(LATENCY).tcp_capacity(SEGMENTS);
        let mut sim = builder.epoch(std::time::SystemTime::UNIX_EPOCH).build();
        let (hosts, history) = (Rc::new(Hosts::new(seed)), Rc::new(History::default()));
        for server in 0..hosts.herd.servers().len() {
            let of_host = Rc::clone(&hosts);
            sim.host(hosts.name(server), move || Rc::clone(&of_host).serve(server));
        }
        let enough = CancellationToken::new();
        let clients = roam(Rc::clone(&hosts), Rc::clone(&history), load, seed, enough.clone());
        sim.client("mobiles", async {
            clients.await;
            Ok(())
        });
        let mut simulation = Self { sim, hosts, history, enough, clients_are_done: false, visitors: 0 };
        simulation.settle();
        simulation
    }

    /// Runs until all servers know the client that does not move; from then on none may deny it,
    /// however often it starts again.
    fn settle(&mut self) {
        let known = |hosts: &Hosts, server| hosts.known(server, PARKED);
        self.run_until("all servers know who is parked", Duration::from_secs(2), |simulation| {
            simulation.hosts.all_are_up()
                && simulation.hosts.up().all(|server| known(&simulation.hosts, server).is_some())
        });
        self.history.note_settled(known(&self.hosts, 0).expect("all know it"));
        self.run_for(Duration::from_millis(500));
    }

    pub(crate) fn run_for(&mut self, time: Duration) {
        let end = self.sim.elapsed() + time;
        while self.sim.elapsed() < end {
            self.step();
        }
    }

    /// Runs until something is so, and fails if that takes too long.
    pub(crate) fn run_until(&mut self, what: &str, within: Duration, is_so: impl Fn(&Self) -> bool) {
        let end = self.sim.elapsed() + within;
        while !is_so(self) {
            assert!(self.sim.elapsed() < end, "not within {within:?} at {:?}: {what}", self.sim.elapsed());
            self.step();
        }
    }

    fn step(&mut self) {
        self.clients_are_done = self.sim.step().expect("servers and clients run");
        self.fail_on_complaints();
    }

    fn fail_on_complaints(&self) {
        let complaints = self.history.complaints();
        assert!(complaints.is_empty(), "at {:?}:\n{}", self.sim.elapsed(), complaints.join("\n"));
    }

    /// What is acknowledged now reaches every server that is up within a moment, whatever
    /// single link is in trouble: no link is needed.
    pub(crate) fn news_spreads(&mut self, within: Duration) {
        let before = self.history.acknowledged();
        let is_new = move |simulation: &Self| simulation.history.acknowledged() > before;
        self.run_until("clients are served", Duration::from_secs(5), is_new);
        let news = self.history.latest().expect("there is one");
        self.run_until(&format!("{:?} is everywhere", news.line()), within, |simulation| {
            let id = String::from_utf8_lossy(news.line().id());
            let hosts = &simulation.hosts;
            hosts.up().all(|server| hosts.known(server, &id).is_some_and(|known| known.line() >= news.line()))
        });
    }

    /// All servers are up.
    pub(crate) fn wait_for_servers(&mut self) {
        self.run_until("all servers are up", Duration::from_secs(1), |simulation| simulation.hosts.all_are_up());
    }

    /// Whether all servers that are up know the same.
    pub(crate) fn agree(&self) -> bool {
        self.hosts.agree()
    }

    /// No segment gets from one server to the other or back.
    pub(crate) fn cut(&mut self, links: &[Link]) {
        links.iter().for_each(|&(a, b)| self.sim.partition(a, b));
    }

    /// No segment gets from `from` to `to`.
    pub(crate) fn cut_one_way(&mut self, (from, to): Link) {
        self.sim.partition_oneway(from, to);
    }

    /// Ends both kinds of cut. What was under way is lost, and so is what follows it on the same
    /// connection: nothing is sent again.
    pub(crate) fn mend(&mut self, links: &[Link]) {
        links.iter().for_each(|&(a, b)| self.sim.repair(a, b));
    }

    /// What is sent waits.
    pub(crate) fn hold(&mut self, links: &[Link]) {
        links.iter().for_each(|&(a, b)| self.sim.hold(a, b));
    }

    /// What waits is delivered.
    pub(crate) fn release(&mut self, links: &[Link]) {
        links.iter().for_each(|&(a, b)| self.sim.release(a, b));
    }

    /// A server ends at once and has forgotten everything; its host closes its connections.
    pub(crate) fn crash(&mut self, server: &str) {
        let number = self.number(server);
        self.history.crash(&self.hosts, number);
        self.hosts.gone(number);
        network::while_a_host_crashes(|| self.sim.crash(server));
    }

    /// Starts a server that is not up. A client is there when it begins to answer, and looks
    /// whether it knows what everybody knows.
    pub(crate) fn restart(&mut self, server: &str) {
        self.sim.bounce(server);
        let visit = visit(Rc::clone(&self.hosts), Rc::clone(&self.history), self.number(server));
        self.visitors += 1;
        self.sim.client(format!("visitor{}", self.visitors), async {
            visit.await;
            Ok(())
        });
    }

    /// Stops a server in order and returns once it has; what it has acknowledged is then known
    /// to others.
    pub(crate) fn stop(&mut self, server: &str) {
        self.begin_to_stop(server);
        self.wait_for_stop(server);
    }

    /// Tells a server to stop.
    pub(crate) fn begin_to_stop(&mut self, server: &str) {
        self.hosts.stop(self.number(server));
    }

    /// Waits for the end of a server that was told to stop.
    pub(crate) fn wait_for_stop(&mut self, server: &str) {
        let number = self.number(server);
        let is_gone = move |simulation: &Self| simulation.hosts.up().all(|up| up != number);
        self.run_until(&format!("{server} has stopped"), STOP, is_gone);
        self.run_for(2 * LATENCY);
        self.history.judge_handing_over(&self.hosts, self.hosts.incarnation(number));
        self.fail_on_complaints();
    }

    fn number(&self, server: &str) -> usize {
        self.hosts.herd.find(server).unwrap()
    }

    /// Ends the load, waits until all servers know the same, and judges all that was seen.
    /// Returns the trace.
    pub(crate) fn finish(mut self, within: Duration) -> String {
        self.enough.cancel();
        self.run_until("all clients are done", CLIENTS_END, |simulation| simulation.clients_are_done);
        self.run_until("all servers agree", within, |simulation| simulation.hosts.all_are_up() && simulation.agree());
        let replies = self.history.judge(&self.hosts);
        self.fail_on_complaints();
        assert!(replies > 200, "clients did next to nothing: {replies} replies");
        self.hosts.trace.text()
    }
}

impl Drop for Simulation {
    /// Leaves the trace for whoever looks into a failure.
    fn drop(&mut self) {
        if std::thread::panicking() {
            let test = std::thread::current().name().unwrap_or_default().replace("::", "-");
            let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{test}.log"));
            if std::fs::write(&file, self.hosts.trace.text()).is_ok() {
                eprintln!("what servers read and wrote: {}", file.display());
            }
        }
    }
}
