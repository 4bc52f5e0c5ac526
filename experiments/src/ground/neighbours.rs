//! What a herd is held against that is part of this workspace: the null responder, the relay of
//! bytes, the Places stub.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, anyhow, ensure};
use herd::config::Herd;
use loadgen::report::Summary;
use tokio::process::Command;

use super::herd_arm::closed_loop;
use super::scale::{CONNECTIONS, Scale};
use super::{Ground, Measured};
use crate::byte_relay::cross;
use crate::companion::Companion;
use crate::experiment::Folder;
use crate::herd_text::herd_text;
use crate::load::Load;
use crate::ports;
use crate::processor_time::ProcessorWatch;

/// Processes in a row between who writes and who sees it: as between a client and a tap two links
/// away.
const NODES: usize = 3;

/// The null responder, as fast as it goes.
pub(super) async fn null_responder(ground: &Ground<'_>, scale: Scale, folder: &Folder) -> anyhow::Result<Measured> {
    let (servers, _) = ports::built_in_servers(0)?;
    let server = servers.into_iter().nth(Herd::built_in().find("Clark")?).context("there is no Clark")?;
    folder.write("herd.toml", &herd_text(std::slice::from_ref(&server), &[]))?;
    let program = ground.surroundings.programs.path("experiments")?.display().to_string();
    let words = [program, "null-responder".into(), server.clients.to_string()];
    let (responder, _) = Companion::start_until_ready("null-responder", &words, folder.path()).await?;
    let ids: Vec<_> = responder.id().into_iter().collect();
    let watch = ProcessorWatch::begin(ids.clone());
    let load = Load {
        program: ground.surroundings.programs.path("loadgen")?,
        herd_file: &folder.path().join("herd.toml"),
        folder: folder.path(),
        name: "loadgen",
        through: &[],
        arguments: closed_loop(ground, scale),
        shown: false,
    };
    let loaded = load.start()?.finish().await?;
    let mut measured = Measured::of_load(&loaded.report, false);
    measured.servers(&watch, &ids);
    responder.stop().await?;
    Ok(measured)
}

/// Lines now and then through processes in a row.
pub(super) async fn byte_relay(ground: &Ground<'_>, folder: &Folder) -> anyhow::Result<Measured> {
    let program = ground.surroundings.programs.path("experiments")?.display().to_string();
    let first = ports::free(u16::try_from(NODES)?)?;
    let address = |node: usize| -> anyhow::Result<SocketAddr> {
        Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, first + u16::try_from(node)?)))
    };
    let mut nodes = Vec::new();
    for node in (0..NODES).rev() {
        let mut words = vec![program.clone(), "byte-relay".into(), address(node)?.to_string()];
        if node + 1 < NODES {
            words.extend(["--next".into(), address(node + 1)?.to_string()]);
        }
        nodes.push(Companion::start_until_ready(&format!("relay-{}", node + 1), &words, folder.path()).await?.0);
    }
    let (from, to, during) = (address(0)?, address(NODES - 1)?, ground.factors.latency_duration.0);
    let crossing = tokio::task::spawn_blocking(move || cross(from, to, during)).await??;
    for node in nodes.into_iter().rev() {
        node.stop().await?;
    }
    let latency = Summary::new(&crossing.latency);
    folder.write_json("crossing.json", &latency)?;
    let mut measured = Measured { answered: latency.count, lost: crossing.lost, ..Measured::default() };
    measured.saw(&latency);
    Ok(measured)
}

/// The Places stub under its own client: as many connections as clients of the herd have, each
/// with one request under way, about as much within the same radius.
pub(super) async fn stub(ground: &Ground<'_>, folder: &Folder) -> anyhow::Result<Measured> {
    let (factors, program) = (ground.factors, ground.surroundings.programs.path("mock_places")?);
    let mut client = Command::new(ground.soak);
    client.arg(program).args(["--radius", "50000", "--threads", "1", "--client-threads", "1"]);
    client.args(["--requests", &factors.stub_requests.to_string(), "--warm-up", "2000"]);
    client.args(["--connections", &CONNECTIONS.to_string()]);
    let output = client.kill_on_drop(true).output().await?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    folder.write("soak.txt", &said)?;
    ensure!(output.status.success(), "the stub's client failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    let rate = ceiling(&said).ok_or_else(|| anyhow!("the stub's client said what is no result: {said}"))?;
    Ok(Measured { rate: Some(rate), answered: factors.stub_requests, ..Measured::default() })
}

/// The rate in the last line, such as `5000 requests, 24000 a second, 0 errors, …`.
fn ceiling(said: &str) -> Option<f64> {
    let parts = said.lines().last()?.split(", ");
    parts.filter_map(|part| part.strip_suffix(" a second")).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_in_the_last_line() {
        let said = "  1000 requests:  20000 a second, RSS 7000 KiB\n1000 requests, 24100 a second, 0 errors, RSS grew by 1 KiB\n";
        assert_eq!(ceiling(said), Some(24_100.0));
        assert_eq!(ceiling("no"), None);
    }
}
