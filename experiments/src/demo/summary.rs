//! The demo's table, and what in it is not as it should be.

use std::path::Path;

use herd::config::Herd;
use loadgen::report::{Report, Summary as Latency, time};

use super::TAP;
use super::applied::Applied;
use crate::scrape;

/// Messages per update of flooding that sends to all but the sender, in the built-in herd: a
/// herd that needs more sends something twice.
const MOST_MESSAGES: f64 = 8.0;

/// How far the servers agree after the load.
#[derive(Debug)]
pub(super) struct Agreement {
    /// Servers with the digest of the first.
    pub(super) equal: usize,
    pub(super) servers: usize,
    pub(super) known_clients: usize,
    pub(super) digest: String,
}

/// All that the demo has found out.
#[derive(Debug)]
pub(super) struct Summary {
    report: Report,
    /// AT lines between servers per accepted update.
    messages: f64,
    agreement: Agreement,
    /// What was seen before it can have been, a sentence each.
    too_early: Vec<String>,
    /// How the servers stopped, if they were to.
    pub(super) stopped: Result<(), String>,
}

impl Summary {
    /// Puts together the load generator's report, all metrics of the herd before and after, and
    /// how far the servers agree.
    pub(super) fn new(report: Report, herd: &Herd, before: &str, after: &str, agreement: Agreement) -> Self {
        let grown = |name: &str, labels: &[&str]| scrape::grown(before, after, name, labels);
        let updates = grown("herd_messages_received_total", &["kind=\"iamat\""]);
        let to_the_tap = grown("herd_flood_sent_total", &[&format!("peer=\"{TAP}\"")]);
        let messages = (grown("herd_flood_sent_total", &[]) - to_the_tap) / updates.max(1.0);
        let applied = Applied::new(herd, before, after);
        let too_early = report.propagation.as_ref().map_or(Vec::new(), |seen| applied.too_early(seen));
        Self { report, messages, agreement, too_early, stopped: Ok(()) }
    }

    /// What is not as it should be, a sentence each.
    pub(super) fn problems(&self) -> Vec<String> {
        let Self { report, agreement, .. } = self;
        let counts = &report.counts;
        let lost_on_the_way = report.propagation.as_ref().map_or(0, |seen| seen.lost + seen.unexpected)
            + report.tap().map_or(0, |tap| tap.lost);
        let mut problems = Vec::new();
        for (count, what) in [
            (counts.wrong - counts.lost, "answers were wrong"),
            (counts.lost + lost_on_the_way, "updates were lost"),
            (counts.failed, "commands got no answer"),
            (counts.unverified, "answers could not be had at the end"),
        ] {
            if count > 0 {
                problems.push(format!("{count} {what}"));
            }
        }
        if agreement.equal < agreement.servers {
            problems.push(format!("only {} of {} digests are equal", agreement.equal, agreement.servers));
        }
        if self.messages > MOST_MESSAGES {
            problems.push(format!("an update took {:.2} messages, and {MOST_MESSAGES} are enough", self.messages));
        }
        if !report.generator.valid {
            problems.push("the load generator sent too late; is something else running here?".into());
        }
        if let Err(error) = &self.stopped {
            problems.push(error.clone());
        }
        problems.extend(self.too_early.iter().cloned());
        problems.extend(report.wrong.iter().map(|wrong| format!("wrong: {wrong}")));
        problems
    }

    /// The table.
    pub(super) fn text(&self, folder: &Path) -> String {
        let Self { report, agreement, .. } = self;
        let (plan, counts) = (&report.plan, &report.counts);
        let mut out = format!(
            "\n{} clients on {} servers for {} s\n\n  {:<22}{:>10.0}\n\n  {:<22}{:>10}{:>10}{:>10}\n",
            plan.clients,
            plan.servers.len(),
            plan.duration_s,
            "updates per second",
            report.iamat.per_second,
            "",
            "p50",
            "p99",
            "p99.9"
        );
        latency(&mut out, "IAMAT response", &report.iamat.response);
        latency(&mut out, "WHATSAT response", &report.whatsat.response);
        let seen = report.propagation.iter().flat_map(|seen| &seen.by_hops).map(|over| ("seen", over));
        let pushed = report.tap().into_iter().flat_map(|tap| &tap.by_hops).map(|over| ("pushed", over));
        for (way, over) in seen.chain(pushed).filter(|(_, over)| over.hops > 0) {
            let links = if over.hops == 1 { "link" } else { "links" };
            latency(&mut out, &format!("{way} {} {links} away", over.hops), &over.latency);
        }
        let lost = counts.lost + report.propagation.as_ref().map_or(0, |seen| seen.lost);
        out +=
            &format!("\n  {:<22}{:>10.2}   (8: flooding without the sender)\n", "messages per update", self.messages);
        out += &format!("  {:<22}{:>10}   of {}\n", "wrong answers", counts.wrong - counts.lost, counts.answered);
        out += &format!("  {:<22}{lost:>10}   of {}\n", "lost updates", counts.acknowledged);
        let plausible = if self.too_early.is_empty() { "ok" } else { "FAILED" };
        out += &format!("  {:<22}{plausible:>10}   by the servers' own p50 and p99\n", "seen after applied");
        let Agreement { equal, servers, known_clients, digest } = agreement;
        let equal = format!("{equal} of {servers}");
        out += &format!("  {:<22}{equal:>10}   {known_clients} clients, {digest}\n\n", "equal digests");
        for (what, place) in [("logs", "logs"), ("metrics", "metrics"), ("result", "result.json")] {
            out += &format!("  {what:<9}{}\n", folder.join(place).display());
        }
        let problems = self.problems();
        out += if problems.is_empty() { "\nAll of it is right.\n" } else { "\nNot right:\n" };
        for problem in problems {
            out += &format!("  {problem}\n");
        }
        out
    }
}

fn latency(out: &mut String, what: &str, latency: &Latency) {
    let [p50, p99, p99_9] = [latency.p50, latency.p99, latency.p99_9].map(time);
    *out += &format!("  {what:<22}{p50:>10}{p99:>10}{p99_9:>10}\n");
}
