//! Whether updates were seen too early to be true. Servers count how long an update took from its
//! origin's receipt until they had applied it. The load generator begins to count before that
//! receipt and ends after somebody was told, so its latencies can only be longer.

use std::collections::BTreeMap;

use herd::config::Herd;
use loadgen::report::{HopsReport, PropagationReport, time};

/// The histogram of a server, by origin.
const APPLIED: &str = "herd_propagation_latency_seconds_bucket{";
/// What is compared.
const QUANTILES: [(&str, f64); 2] = [("p50", 0.5), ("p99", 0.99)];
/// The probe's updates are a sample of all. Its quantiles are compared as high as they would be at
/// most but once in a thousand times: so many standard deviations up.
const DEVIATIONS: f64 = 3.0;

/// How long updates took from their origin's receipt until they were applied elsewhere.
#[derive(Debug)]
pub(super) struct Applied {
    /// By the number of links between: bounds in seconds, ascending, each with how many updates
    /// took no longer.
    by_hops: BTreeMap<usize, Vec<(f64, f64)>>,
}

impl Applied {
    /// What the servers' metrics have grown by.
    pub(super) fn new(herd: &Herd, before: &str, after: &str) -> Self {
        let mut by_hops: BTreeMap<usize, Vec<(f64, f64)>> = BTreeMap::new();
        for (metrics, sign) in [(after, 1.0), (before, -1.0)] {
            for (hops, bound, count) in metrics.lines().filter_map(|line| bucket(herd, line)) {
                let buckets = by_hops.entry(hops).or_default();
                match buckets.iter_mut().find(|(known, _)| *known == bound) {
                    Some((_, sum)) => *sum += sign * count,
                    None => buckets.push((bound, sign * count)),
                }
            }
        }
        by_hops.values_mut().for_each(|buckets| buckets.sort_by(|a, b| a.0.total_cmp(&b.0)));
        Self { by_hops }
    }

    /// What was seen too early, a sentence each.
    pub(super) fn too_early(&self, seen: &PropagationReport) -> Vec<String> {
        let asked = seen.by_hops.iter().map(|over| ("seen", over));
        let pushed = seen.tap.iter().flat_map(|tap| &tap.by_hops).map(|over| ("pushed", over));
        let mut sentences = Vec::new();
        // An origin does not count how long its own updates take.
        for (way, over) in asked.chain(pushed).filter(|(_, over)| over.hops > 0) {
            let hops = over.hops;
            for (name, quantile) in QUANTILES {
                let Some(least) = self.least(hops, quantile) else {
                    sentences.push(format!("no server has applied an update over {hops} links"));
                    continue;
                };
                let most = most(over, quantile, seen.writes);
                if most < least {
                    let [most, least] = [most, least].map(time);
                    sentences.push(format!(
                        "{way} over {hops} links: {name} is {most}, and by then fewer were applied, which took {least}"
                    ));
                }
            }
        }
        sentences
    }

    /// The lower bound of the bucket that a quantile is in, in microseconds.
    fn least(&self, hops: usize, quantile: f64) -> Option<f64> {
        let buckets = self.by_hops.get(&hops)?;
        let all = buckets.last().map(|(_, count)| *count).filter(|count| *count > 0.0)?;
        let place = buckets.iter().position(|(_, count)| *count >= quantile * all)?;
        Some(place.checked_sub(1).map_or(0.0, |below| buckets[below].0 * 1e6))
    }
}

/// As high as a quantile of the sights may be by chance, in microseconds. Sights of one update are
/// no independent samples; updates are.
fn most(over: &HopsReport, quantile: f64, updates: u64) -> f64 {
    #[allow(clippy::cast_precision_loss)]
    let deviation = (quantile * (1.0 - quantile) / updates.max(1) as f64).sqrt();
    let high = (quantile + DEVIATIONS * deviation).min(1.0);
    let latencies = over.latency.histogram().ok();
    #[allow(clippy::cast_precision_loss)]
    latencies.map_or(0.0, |latencies| latencies.value_at_quantile(high) as f64 / 1e3)
}

/// The links between origin and server, the upper bound and the count of a bucket, if the line is one.
fn bucket(herd: &Herd, line: &str) -> Option<(usize, f64, f64)> {
    let (labels, count) = line.strip_prefix(APPLIED)?.split_once("} ")?;
    let label = |name: &str| {
        labels.split(',').find_map(|label| label.strip_prefix(name)?.strip_prefix("=\"")?.strip_suffix('"'))
    };
    let [server, origin] = [label("server")?, label("origin")?].map(|name| herd.find(name).ok());
    let hops = herd.topology().hops(origin?, &[])[server?]?;
    let bound = label("le")?;
    Some((hops, if bound == "+Inf" { f64::INFINITY } else { bound.parse().ok()? }, count.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use loadgen::measure::histogram;
    use loadgen::report::Summary;

    use super::*;

    /// Servers that have applied ten updates within 50 µs, and 90 within 250 µs, over one link.
    fn applied() -> Applied {
        let text = |scale: u32| {
            let line = |bound, count| {
                format!(
                    "herd_propagation_latency_seconds_bucket{{server=\"Clark\",origin=\"Bona\",le=\"{bound}\"}} {}\n",
                    count * scale
                )
            };
            [line("0.00005", 10), line("0.0001", 10), line("0.00025", 100), line("+Inf", 100)].concat()
        };
        Applied::new(&Herd::built_in(), &text(2), &text(3))
    }

    /// A thousand updates that were all seen over one link after so many microseconds.
    fn seen(micros: u64) -> PropagationReport {
        let mut latencies = histogram();
        latencies.record_n(micros * 1000, 1000).unwrap();
        let (by_hops, pairs) = (vec![HopsReport { hops: 1, latency: Summary::new(&latencies) }], Vec::new());
        let resolution = Summary::default();
        PropagationReport { writes: 1000, lost: 0, broken: 0, unexpected: 0, resolution, by_hops, pairs, tap: None }
    }

    #[test]
    fn what_is_seen_within_the_bucket_may_be_true_and_what_is_seen_below_it_is_not() {
        assert_eq!(
            applied().by_hops[&1].iter().map(|(_, count)| *count).collect::<Vec<_>>(),
            [10.0, 10.0, 100.0, 100.0]
        );
        assert_eq!(applied().too_early(&seen(101)), [""; 0]);
        let sentence = "seen over 1 links: p50 is 90 µs, and by then fewer were applied, which took 100 µs";
        let too_early = applied().too_early(&seen(90));
        assert_eq!((too_early.len(), too_early[0].as_str()), (2, sentence));
    }

    #[test]
    fn servers_that_count_nothing_prove_nothing() {
        let nothing = Applied::new(&Herd::built_in(), "", "");
        assert_eq!(nothing.too_early(&seen(101))[0], "no server has applied an update over 1 links");
    }
}
