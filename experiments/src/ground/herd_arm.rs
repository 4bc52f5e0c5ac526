//! Herds of one server or of five under the load generator.

use std::time::Duration;

use anyhow::Context;
use herd::config::Herd;

use super::scale::{CONNECTIONS, Scale};
use super::{Ground, Measured, agree};
use crate::companion::Companion;
use crate::experiment::Folder;
use crate::herd_text::herd_text;
use crate::load::{Load, Loaded};
use crate::ports;
use crate::processes::{HerdOptions, Processes};
use crate::processor_time::ProcessorWatch;
use crate::scrape::{all_metrics, grown};

/// The observer that a tapped herd lets in.
const TAP: &str = "tap";
/// The server that is a herd of its own.
const ALONE: &str = "Clark";
/// Links between servers that are farthest from each other.
const HOPS: usize = 2;

/// What becomes of a herd.
#[derive(Debug)]
struct HerdArm {
    /// Whether it is one server, not five.
    alone: bool,
    /// Whether a tap may join.
    tapped: bool,
    /// Arguments of the servers.
    arguments: Vec<String>,
    /// Where Places is.
    places: String,
    /// What the load generator does.
    load: Vec<String>,
    warm_up: Duration,
    duration: Duration,
    /// Whether it sends on a schedule.
    is_open: bool,
}

/// What a herd has shown, and the load generator behind it.
struct Shown {
    measured: Measured,
    loaded: Loaded,
}

/// A herd of one server, as fast as it goes.
pub(super) async fn one_server(ground: &Ground<'_>, scale: Scale, folder: &Folder) -> anyhow::Result<Measured> {
    let arm = HerdArm { alone: true, ..HerdArm::closed(ground, scale) };
    Ok(arm.run(ground, folder).await?.measured)
}

/// Five servers with some arguments, as fast as they go.
pub(super) async fn five_servers(
    ground: &Ground<'_>,
    scale: Scale,
    arguments: &[&str],
    folder: &Folder,
) -> anyhow::Result<Measured> {
    let arguments = arguments.iter().map(ToString::to_string).collect();
    let arm = HerdArm { arguments, ..HerdArm::closed(ground, scale) };
    Ok(arm.run(ground, folder).await?.measured)
}

/// Five servers at half their highest rate, with the probe that asks.
pub(super) async fn half(ground: &Ground<'_>, folder: &Folder) -> anyhow::Result<Measured> {
    let options = [("--clients", CONNECTIONS.to_string()), ("--rate", ground.half_rate.to_string())];
    let Shown { mut measured, loaded } = HerdArm::open(ground, &options).run(ground, folder).await?;
    let by_hops = loaded.report.propagation.iter().flat_map(|seen| &seen.by_hops);
    by_hops.filter(|over| over.hops == HOPS).for_each(|over| measured.saw(&over.latency));
    Ok(measured)
}

/// Five servers with next to nothing to do, and a tap that they push to. Most updates there are the
/// probe's, which are not among the operations: processor time for one would be none.
pub(super) async fn idle(ground: &Ground<'_>, folder: &Folder) -> anyhow::Result<Measured> {
    let interval = ground.factors.idle_interval.to_string();
    let options = [("--clients", CONNECTIONS.to_string()), ("--interval", interval), ("--tap", TAP.to_owned())];
    let mut arm = HerdArm { tapped: true, ..HerdArm::open(ground, &options) };
    // Nor is the relay asked.
    arm.load.push("--no-ask".into());
    let Shown { mut measured, loaded } = arm.run(ground, folder).await?;
    let tap = loaded.report.tap().context("the load generator tells nothing of its tap")?;
    tap.by_hops.iter().filter(|over| over.hops == HOPS).for_each(|over| measured.saw(&over.latency));
    measured.lost += tap.lost;
    measured.servers_us.clear();
    // The tap's are among the bytes, as they are not among the messages.
    Ok(Measured { client_us: None, bytes: None, ..measured })
}

/// Five servers and the Places stub, all of whose clients ask what is near them all the time once
/// they have said where they are.
pub(super) async fn whatsat(ground: &Ground<'_>, folder: &Folder) -> anyhow::Result<Measured> {
    let (stub, address) = places(ground, folder).await?;
    let mut arm = HerdArm { places: address, ..HerdArm::closed(ground, Scale::Single) };
    for (option, value) in
        [("--whatsat", "100%"), ("--unknown", "0%"), ("--about-itself", "100%"), ("--radius", "50"), ("--bound", "20")]
    {
        arm.load.extend([option.to_owned(), value.to_owned()]);
    }
    let shown = arm.run(ground, folder).await?;
    stub.stop().await?;
    Ok(Measured { rate: Some(shown.loaded.report.whatsat.per_second), ..shown.measured })
}

/// Starts the Places stub, with one thread; returns its URL, too.
async fn places(ground: &Ground<'_>, folder: &Folder) -> anyhow::Result<(Companion, String)> {
    let program = ground.surroundings.programs.path("mock_places")?.display().to_string();
    let address = format!("127.0.0.1:{}", ports::free(1)?);
    let words = [program, "--listen".into(), address.clone(), "--threads".into(), "1".into()];
    let (stub, _) = Companion::start_until_ready("mock_places", &words, folder.path()).await?;
    Ok((stub, format!("http://{address}")))
}

/// The load generator's arguments for a closed loop of IAMATs.
pub(super) fn closed_loop(ground: &Ground<'_>, scale: Scale) -> Vec<String> {
    let factors = ground.factors;
    let mut arguments = common(ground, factors.warm_up.0, factors.duration.0);
    arguments.extend(["--closed".into(), "--no-probe".into()]);
    for (option, value) in [("--clients", scale.connections()), ("--pipeline", scale.pipeline())] {
        arguments.extend([option.to_owned(), value.to_string()]);
    }
    arguments.extend(["--whatsat", "0%"].map(String::from));
    arguments
}

fn common(ground: &Ground<'_>, warm_up: Duration, duration: Duration) -> Vec<String> {
    let time = |duration| humantime::format_duration(duration).to_string();
    let options = [("--warm-up", time(warm_up)), ("--duration", time(duration)), ("--seed", ground.seed.to_string())];
    options.into_iter().flat_map(|(option, value)| [option.to_owned(), value]).collect()
}

impl HerdArm {
    fn closed(ground: &Ground<'_>, scale: Scale) -> Self {
        let (warm_up, duration) = (ground.factors.warm_up.0, ground.factors.duration.0);
        let load = closed_loop(ground, scale);
        Self::new(load, warm_up, duration)
    }

    fn open(ground: &Ground<'_>, options: &[(&str, String)]) -> Self {
        let (warm_up, duration) = (ground.factors.warm_up.0, ground.factors.latency_duration.0);
        let mut load = common(ground, warm_up, duration);
        load.extend(["--whatsat", "0%"].map(String::from));
        load.extend(options.iter().flat_map(|(option, value)| [(*option).to_owned(), value.clone()]));
        Self { is_open: true, ..Self::new(load, warm_up, duration) }
    }

    fn new(load: Vec<String>, warm_up: Duration, duration: Duration) -> Self {
        let (arguments, places) = (Vec::new(), "mock".into());
        Self { alone: false, tapped: false, arguments, places, load, warm_up, duration, is_open: false }
    }

    /// Starts the herd, loads it, waits until all agree, and stops it.
    async fn run(&self, ground: &Ground<'_>, folder: &Folder) -> anyhow::Result<Shown> {
        let herd_file = folder.path().join("herd.toml");
        folder.write("herd.toml", &self.herd_file()?)?;
        let server = ground.surroundings.programs.path("server")?;
        let options = HerdOptions {
            places: self.places.clone(),
            arguments: self.arguments.clone(),
            environment: vec![("GOOGLE_PLACES_API_KEY".into(), "experiments".into())],
            ..HerdOptions::new(server, &herd_file, folder.path())
        };
        let herd = Processes::start(&options).await?;
        let before = all_metrics(&herd.http()).await?;
        let watch = ProcessorWatch::begin(herd.ids());
        let load = Load {
            program: ground.surroundings.programs.path("loadgen")?,
            herd_file: &herd_file,
            folder: folder.path(),
            name: "loadgen",
            through: &[],
            arguments: self.load.clone(),
            shown: false,
        };
        let (loaded, after) = agree::finish(load.start()?, self.warm_up + self.duration, &herd.http()).await?;
        let mut measured = Measured::of_load(&loaded.report, self.is_open);
        measured.servers(&watch, &herd.ids());
        if !self.alone {
            measured.agreed(after, loaded.report.iamat.service.count, self.duration);
            flooding(&mut measured, &before, &all_metrics(&herd.http()).await?);
        }
        herd.stop().await?;
        remove_logs(folder)?;
        Ok(Shown { measured, loaded })
    }

    fn herd_file(&self) -> anyhow::Result<String> {
        let (servers, _) = ports::built_in_servers(0)?;
        if self.alone {
            let alone: Vec<_> = servers.into_iter().filter(|server| server.name.as_str() == ALONE).collect();
            return Ok(herd_text(&alone, &[]));
        }
        let observers = if self.tapped { format!("observers = [\"{TAP}\"]\n") } else { String::new() };
        Ok(observers + &herd_text(&servers, Herd::built_in().links()))
    }
}

/// What servers told each other between two looks at their metrics. What a tap was told is not
/// among it.
fn flooding(measured: &mut Measured, before: &str, after: &str) {
    let updates = grown(before, after, "herd_messages_received_total", &["kind=\"iamat\""]).max(1.0);
    let sent = |labels: &[&str]| grown(before, after, "herd_flood_sent_total", labels);
    measured.messages = Some((sent(&[]) - sent(&[&format!("peer=\"{TAP}\"")])) / updates);
    measured.bytes = Some(grown(before, after, "herd_sent_bytes_total", &["link=\"peer\""]) / updates);
}

/// Logs have been written, which is what counts; kept, they would fill the disk.
pub(super) fn remove_logs(folder: &Folder) -> anyhow::Result<()> {
    let logs = folder.path().join("logs");
    if logs.exists() {
        std::fs::remove_dir_all(logs)?;
    }
    Ok(())
}
