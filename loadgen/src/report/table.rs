//! A report as a table that fits 80 columns.

use std::fmt::Write;

use super::{HopsReport, OperationReport, Report, StepReport, Summary, TapReport};

/// The report as text.
#[must_use]
pub fn table(report: &Report) -> String {
    let mut out = headline(report);
    out += "\n                         count   rate/s      p50      p99    p99.9      max\n";
    operation(&mut out, "IAMAT", &report.iamat);
    operation(&mut out, "WHATSAT", &report.whatsat);
    operation(&mut out, "invalid", &report.invalid);
    if report.handover.count > 0 {
        row(&mut out, "hand-over gap", None, &report.handover);
    }
    steps(&mut out, &report.steps);
    if let Some(seen) = &report.propagation {
        out += "\npropagation, asked (black box): from the write to the first reply that shows it\n";
        propagation(&mut out, &seen.by_hops, &seen.resolution);
    }
    if let Some(seen) = report.tap() {
        out += "\npropagation, pushed (tap): from the write to the AT line at an observer\n";
        propagation(&mut out, &seen.by_hops, &seen.resolution);
        out += &links(seen);
    }
    out += &verdict(report);
    out
}

fn headline(report: &Report) -> String {
    let plan = &report.plan;
    let pace = match (plan.ramp, plan.offered_per_second, plan.pipeline) {
        (Some(ramp), ..) => {
            format!("open loop at {:.0} to {:.0} commands/s", ramp.from_per_second, ramp.to_per_second)
        }
        (_, Some(rate), _) => format!("open loop at {rate:.0} commands/s"),
        (.., pipeline) => format!("closed loop, {} per client under way", plural(pipeline.unwrap_or(1), "command")),
    };
    format!(
        "{} on {}, {pace}, {:.1} % WHATSAT;\n{} s measured after {} s of warm-up, seed {}\n",
        plural(plan.clients, "client"),
        plural(plan.servers.len(), "server"),
        plan.whatsat * 100.0,
        plan.duration_s,
        plan.warm_up_s,
        plan.seed
    )
}

fn plural(count: usize, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

fn operation(out: &mut String, name: &str, operation: &OperationReport) {
    if operation.service.count + operation.timeouts == 0 {
        return;
    }
    row(out, &format!("{name:<8}response"), Some(operation.per_second), &operation.response);
    row(out, "        service", None, &operation.service);
    row(out, "        send lag", None, &operation.lag);
}

/// How the herd answered what was offered, where that changed.
fn steps(out: &mut String, steps: &[StepReport]) {
    if steps.is_empty() {
        return;
    }
    *out += "\n  offered/s              count               p50      p99    p99.9      max\n";
    for step in steps {
        row(out, &format!("  {:.0}", step.offered_per_second), None, &step.response);
    }
}

fn propagation(out: &mut String, by_hops: &[HopsReport], resolution: &Summary) {
    for over in by_hops {
        row(out, &format!("  {}", over.way()), None, &over.latency);
    }
    row(out, "  resolution", None, resolution);
}

fn links(seen: &TapReport) -> String {
    let (reconnects, away) =
        seen.links.iter().fold((0, 0.0), |(count, time), link| (count + link.reconnects, time + link.away_s));
    let mut out = format!("  {} AT lines from {} servers", seen.lines(), seen.links.len());
    if away > 0.0 {
        out += &format!("; without a link for {}, {reconnects} formed again", time(away * 1e6));
    }
    out + "\n"
}

fn row(out: &mut String, name: &str, rate: Option<f64>, summary: &Summary) {
    let rate = rate.map_or(String::new(), |rate| format!("{rate:.0}"));
    let [p50, p99, p99_9, max] = [summary.p50, summary.p99, summary.p99_9, summary.max].map(time);
    // A String takes every write.
    let _ = writeln!(out, "{name:<19}{:>11}{rate:>9}{p50:>9}{p99:>9}{p99_9:>9}{max:>9}", summary.count);
}

/// Microseconds in a unit that fits, in at most eight characters.
#[must_use]
pub fn time(micros: f64) -> String {
    match micros {
        _ if micros < 999.5 => format!("{micros:.0} µs"),
        _ if micros < 99_950.0 => format!("{:.1} ms", micros / 1e3),
        _ if micros < 999_500.0 => format!("{:.0} ms", micros / 1e3),
        _ => format!("{:.1} s", micros / 1e6),
    }
}

fn verdict(report: &Report) -> String {
    let counts = &report.counts;
    let mut out = format!(
        "\nreplies {}   wrong {}   lost updates {}   stale {} (p99 {})   failed {}   timeouts {}\n",
        counts.answered,
        counts.wrong - counts.lost,
        counts.lost + report.propagation.as_ref().map_or(0, |seen| seen.lost),
        counts.stale,
        time(report.stale.p99),
        counts.failed,
        report.iamat.timeouts + report.whatsat.timeouts,
    );
    for (count, what) in [
        (counts.died, "updates may have died with the only server that held them"),
        (counts.unverified, "answers could not be had at the end: a server is away"),
        (report.tap().map_or(0, |tap| tap.lost), "times an update of the probe was not pushed to the tap within 5 s"),
    ] {
        if count > 0 {
            out += &format!("{count} {what}\n");
        }
    }
    for wrong in &report.wrong {
        out += &format!("WRONG {wrong}\n");
    }
    for slo in &report.slos {
        let measured = slo.measured.map_or("nothing measured".into(), time);
        out += &format!("{} {}: {measured}\n", if slo.met { "met   " } else { "MISSED" }, slo.slo);
    }
    if let Some(limit) = report.generator.limit() {
        out += &format!("{limit}\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_fit_their_column() {
        for (micros, expected) in [
            (0.0, "0 µs"),
            (999.4, "999 µs"),
            (999.6, "1.0 ms"),
            (99_949.0, "99.9 ms"),
            (99_951.0, "100 ms"),
            (999_499.0, "999 ms"),
            (1_500_000.0, "1.5 s"),
        ] {
            assert_eq!(time(micros), expected);
        }
    }
}
