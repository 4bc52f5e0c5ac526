//! `server check`: a herd file, checked and drawn.

use std::io::Write;
use std::path::Path;

use herd::config::{Cut, Herd};

pub(crate) fn run(herd_file: Option<&Path>) -> anyhow::Result<()> {
    let herd = read(herd_file)?;
    // Whoever closed our output has seen enough.
    let _ = std::io::stdout().write_all(draw(&herd).as_bytes());
    Ok(())
}

/// The herd of a file, or the built-in one.
pub(crate) fn read(herd_file: Option<&Path>) -> anyhow::Result<Herd> {
    Ok(herd_file.map(Herd::read).transpose()?.unwrap_or_else(Herd::built_in))
}

/// Servers with their addresses, hops between them, and what parts them.
fn draw(herd: &Herd) -> String {
    let topology = herd.topology();
    let servers = herd.servers();
    let width = servers.iter().map(|server| server.name.as_str().len()).max().unwrap_or(0);
    let mut out = format!(
        "{} servers, {} links, {} observers; every server reaches every other over at most {} links\n\n",
        servers.len(),
        herd.links().len(),
        herd.observers().len(),
        topology.diameter()
    );
    for (place, server) in servers.iter().enumerate() {
        let hops: Vec<String> = topology.hops(place, &[]).into_iter().map(mark).collect();
        let neighbours: Vec<&str> =
            topology.neighbours(place).iter().map(|&other| servers[other].name.as_str()).collect();
        out += &format!("  {:width$}  {}   links: {}\n", server.name, hops.join(" "), neighbours.join(", "));
    }
    out += "\n  (· itself, ● linked, a number: links between them; columns in the order of rows)\n\n";
    for server in servers {
        let [clients, peers, metrics] = [&server.clients, &server.peers, &server.metrics];
        out += &format!("  {:width$}  clients {clients}  peers {peers}  metrics http://{metrics}\n", server.name);
    }
    out += &format!("\n{}\n", resilience(herd, &topology.smallest_cuts()));
    out
}

fn mark(hops: Option<usize>) -> String {
    match hops {
        Some(0) => "·".into(),
        Some(1) => "●".into(),
        Some(hops) => hops.to_string(),
        None => "?".into(),
    }
}

/// What the herd survives, in a sentence.
fn resilience(herd: &Herd, cuts: &[Cut]) -> String {
    let names = |cut: &Cut| {
        let names: Vec<&str> = cut.iter().map(|&server| herd.servers()[server].name.as_str()).collect();
        names.join(" and ")
    };
    let listed: Vec<String> = cuts.iter().map(names).collect();
    match cuts.first().map(Vec::len) {
        None => "No one or two dead servers part the others.".into(),
        Some(1) => format!("Any of these alone, dead, parts the others: {}.", listed.join(", ")),
        Some(_) => format!("No single dead server parts the others; these pairs do: {}.", listed.join("; ")),
    }
}
