//! Redis with replicas, under a client like the load generator.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::process::Command;

use super::scale::Scale;
use super::{Ground, Measured};
use crate::experiment::Folder;
use crate::processor_time::ProcessorWatch;
use crate::redis::{RedisLoaded, RedisServers, UpdateCommand};

/// How late commands may be written for a run in an open loop to be valid, by the 99th percentile,
/// in microseconds: as for the load generator.
const MOST_LAG: f64 = 10_000.0;

/// As fast as it goes.
pub(super) async fn closed(
    ground: &Ground<'_>,
    command: UpdateCommand,
    scale: Scale,
    folder: &Folder,
) -> anyhow::Result<Measured> {
    let factors = ground.factors;
    let words = ["--pipeline".to_owned(), scale.pipeline().to_string()];
    run(ground, command, scale, factors.duration.0, &words, folder).await
}

/// At half the herd's highest rate, with the probe.
pub(super) async fn half(ground: &Ground<'_>, folder: &Folder) -> anyhow::Result<Measured> {
    let words = ["--rate".to_owned(), ground.half_rate.to_string(), "--probe".into()];
    let duration = ground.factors.latency_duration.0;
    let measured = run(ground, UpdateCommand::Set, Scale::Deep, duration, &words, folder).await?;
    Ok(measured)
}

async fn run(
    ground: &Ground<'_>,
    command: UpdateCommand,
    scale: Scale,
    duration: Duration,
    words: &[String],
    folder: &Folder,
) -> anyhow::Result<Measured> {
    let servers = RedisServers::start(ground.factors.replicas, folder.path()).await?;
    let watch = ProcessorWatch::begin(servers.ids());
    let loaded = load(ground, &servers, command, scale, duration, words).await?;
    folder.write_json("redis-load.json", &loaded)?;
    let mut measured = measured(&loaded, duration, words.iter().any(|word| word == "--rate"));
    measured.servers(&watch, &servers.ids());
    servers.stop().await?;
    Ok(measured)
}

/// Runs the client, a process of its own.
async fn load(
    ground: &Ground<'_>,
    servers: &RedisServers,
    command: UpdateCommand,
    scale: Scale,
    duration: Duration,
    words: &[String],
) -> anyhow::Result<RedisLoaded> {
    let time = |duration| humantime::format_duration(duration).to_string();
    let mut client = Command::new(ground.surroundings.programs.path("experiments")?);
    client.arg("redis-load").args(words);
    for (option, value) in [
        ("--command", command.name().to_owned()),
        ("--connections", scale.connections().to_string()),
        ("--warm-up", time(ground.factors.warm_up.0)),
        ("--duration", time(duration)),
        ("--seed", ground.seed.to_string()),
    ] {
        client.args([option, &value]);
    }
    for (place, address) in servers.addresses.iter().enumerate() {
        client.arg(if place == 0 { "--primary" } else { "--replica" }).arg(address.to_string());
    }
    let output = client.stdin(Stdio::null()).stderr(Stdio::inherit()).kill_on_drop(true).output().await?;
    ensure!(output.status.success(), "the client of Redis failed ({})", output.status);
    serde_json::from_slice(&output.stdout).context("the client of Redis said what is no result")
}

fn measured(loaded: &RedisLoaded, duration: Duration, is_open: bool) -> Measured {
    #[allow(clippy::cast_precision_loss)]
    let client_us = loaded.cpu_s * 1e6 / loaded.acknowledged.max(1) as f64;
    let mut measured = Measured {
        client_us: Some(client_us),
        answered: loaded.acknowledged,
        failed: loaded.failed,
        lost: loaded.lost,
        sent_in_time: is_open.then_some(loaded.lag_p99 <= MOST_LAG),
        ..Measured::default()
    };
    measured.agreed(loaded.agree_s.map(Duration::from_secs_f64), loaded.measured, duration);
    if let Some(latency) = &loaded.propagation {
        measured.saw(latency);
    }
    measured
}
