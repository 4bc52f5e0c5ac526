//! From options to a plan.

use std::net::{SocketAddr, ToSocketAddrs};
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail};
use herd::config::{Address, Herd};
use loadgen::plan::{Mix, Pace, Plan, Rate, Target, Whole};
use loadgen::probe::tap::TapPlan;

use super::Run;
use super::values::RateRange;

/// Descriptors besides those of clients.
const OTHER_DESCRIPTORS: u64 = 64;
/// How long is measured where no option says so.
const DURATION: Duration = Duration::from_secs(10);

impl Run {
    /// The plan that the options describe.
    pub(crate) fn plan(&self) -> anyhow::Result<Plan> {
        let herd = self.herd.as_deref().map(Herd::read).transpose()?.unwrap_or_else(Herd::built_in);
        let topology = herd.topology();
        let hops = |server| topology.hops(server, &[]).into_iter().map(Option::unwrap_or_default).collect();
        let servers = herd
            .servers()
            .iter()
            .map(|server| Ok(Target { name: server.name.to_string(), address: resolve(&server.clients)? }))
            .collect::<anyhow::Result<Vec<_>>>()?;
        let on_loopback = servers.iter().all(|server| server.address.ip().is_loopback());
        let max_skew = if on_loopback { Duration::from_millis(1) } else { Duration::from_secs(1) };
        let all_clients = self.clients as usize;
        let hops = (0..servers.len()).map(hops).collect();
        let duration = self.duration.or(self.over).map_or(DURATION, Into::into);
        let mut plan = Plan {
            shard: self.shard,
            pace: self.pace(duration)?,
            mix: self.mix()?,
            roam: self.roam.map(Into::into),
            connect_rate: self.connect_rate,
            sources: self.source,
            warm_up: self.warm_up.into(),
            duration,
            timeout: self.timeout.into(),
            seed: self.seed,
            threads: usize::from(self.threads),
            max_skew: self.max_skew.map_or(max_skew, Into::into),
            max_lag: self.max_lag.into(),
            probe: (!self.no_probe && self.shard.is_first() && herd.servers().len() > 1)
                .then(|| self.probe_interval.into()),
            tap: self.tap(&herd)?,
            verify: !self.no_verify,
            ..Plan::new(servers, hops, all_clients, run_name())
        };
        let own_clients = plan.own_clients().count();
        if own_clients == 0 {
            bail!("shard {} of {all_clients} clients has none: simulate more, or use fewer shards", self.shard);
        }
        plan.threads = plan.threads.min(own_clients);
        Ok(plan)
    }

    /// The tap that is asked for. Like the probe it is the first shard's to run.
    fn tap(&self, herd: &Herd) -> anyhow::Result<Option<TapPlan>> {
        let Some(name) = &self.tap else { return Ok(None) };
        if herd.servers().len() == 1 {
            bail!("--tap watches the propagation probe, and a herd of one server has none");
        }
        // Its links would take the place of that server's own.
        if herd.find(name.as_str()).is_ok() {
            bail!("--tap {name} is the name of a server: an observer needs one of its own");
        }
        let peers = herd.servers().iter().map(|server| resolve(&server.peers)).collect::<anyhow::Result<_>>()?;
        Ok(self.shard.is_first().then(|| TapPlan { name: name.to_string(), peers, alone: self.no_ask }))
    }

    fn pace(&self, duration: Duration) -> anyhow::Result<Pace> {
        if self.closed {
            return Ok(Pace::Closed { pipeline: self.pipeline.into() });
        }
        let interval = self.interval.map_or(Duration::from_secs(1), Into::into);
        if interval.is_zero() {
            bail!("--interval must be above 0");
        }
        let rate = match self.rate {
            Some(RateRange { from, to }) => Rate { from, to, over: self.over.map_or(duration, Into::into) },
            None => Rate::every(interval, self.clients as usize),
        };
        if self.over.is_some() && !rate.is_ramp() {
            bail!("--over tells how long a rate changes, and --rate is one rate: give two, such as 1000..50000");
        }
        if self.find_max.is_some() && rate.is_ramp() {
            bail!("--find-max starts from one rate, and --rate is two");
        }
        if rate.is_ramp() && (rate.over.is_zero() || rate.over > duration) {
            let (over, duration) = (humantime::format_duration(rate.over), humantime::format_duration(duration));
            bail!("the rate cannot change over {over} while {duration} are measured: see --over and --duration");
        }
        Ok(Pace::Open { rate, spacing: self.spacing.into() })
    }

    fn mix(&self) -> anyhow::Result<Mix> {
        if !self.radius.is_within(Whole::RADIUS) {
            bail!("--radius must be within {}, and is {}", Whole::RADIUS, self.radius);
        }
        if !self.bound.is_within(Whole::BOUND) {
            bail!("--bound must be within {}, and is {}", Whole::BOUND, self.bound);
        }
        Ok(Mix {
            whatsat: self.whatsat.0,
            unknown: self.unknown.0,
            about_itself: self.about_itself.0,
            garbage: self.garbage.0,
            radius: self.radius,
            bound: self.bound,
        })
    }
}

fn resolve(address: &Address) -> anyhow::Result<SocketAddr> {
    let mut resolved =
        (address.host(), address.port()).to_socket_addrs().with_context(|| format!("cannot resolve {address}"))?;
    resolved.next().with_context(|| format!("{address} has no address"))
}

/// A part of clients' names that no other run has.
pub(crate) fn run_name() -> String {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    format!("r{:x}", now.as_nanos() & 0xffff_ffff_ffff)
}

/// Makes sure that all clients can have a connection.
pub(crate) fn raise_descriptor_limit(clients: usize) -> anyhow::Result<()> {
    let limit = rlimit::increase_nofile_limit(u64::MAX).context("cannot read the limit of open files")?;
    let needed = clients as u64 + OTHER_DESCRIPTORS;
    if limit < needed {
        bail!(
            "{clients} clients need {needed} open files and the limit is {limit}: raise it (ulimit -n), or simulate fewer clients"
        );
    }
    Ok(())
}
