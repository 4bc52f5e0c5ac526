//! Histograms of looks put into the buckets of Prometheus.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hdrhistogram::Histogram;
use prometheus::core::{Collector, Desc};
use prometheus::proto::{self, LabelPair, Metric, MetricFamily, MetricType};

/// Upper bounds of buckets, in seconds: those of the servers' own histograms.
const BOUNDS: [f64; 17] = [
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// A histogram of seconds for each combination of labels that there is.
#[derive(Debug, Clone)]
pub(super) struct Histograms {
    desc: Desc,
    labels: &'static [&'static str],
    series: Arc<Mutex<Vec<Series>>>,
}

/// One of them.
#[derive(Debug, Default)]
struct Series {
    values: Vec<String>,
    /// What fell into each bucket and not into the one before.
    buckets: [u64; BOUNDS.len()],
    count: u64,
    /// In seconds.
    sum: f64,
}

impl Histograms {
    /// A family with one histogram for each list of labels' values.
    pub(super) fn new(
        name: &str,
        help: &str,
        labels: &'static [&'static str],
        values: impl Iterator<Item = Vec<String>>,
    ) -> prometheus::Result<Self> {
        let names = labels.iter().map(|&label| label.to_owned()).collect();
        let desc = Desc::new(name.into(), help.into(), names, HashMap::new())?;
        let series = values.map(|values| Series { values, ..Series::default() }).collect();
        Ok(Self { desc, labels, series: Arc::new(Mutex::new(series)) })
    }

    /// Adds nanoseconds to the histograms, in the order in which they were made.
    pub(super) fn add<'h>(&self, parts: impl Iterator<Item = &'h Histogram<u64>>) {
        let mut series = self.series.lock().expect("nothing panics while it holds the histograms");
        for (series, part) in series.iter_mut().zip(parts) {
            series.add(part);
        }
    }
}

impl Series {
    fn add(&mut self, part: &Histogram<u64>) {
        for value in part.iter_recorded() {
            let count = value.count_at_value();
            let seconds = Duration::from_nanos(part.median_equivalent(value.value_iterated_to())).as_secs_f64();
            if let Some(bucket) = self.buckets.get_mut(BOUNDS.partition_point(|bound| *bound < seconds)) {
                *bucket += count;
            }
            self.count += count;
            #[allow(clippy::cast_precision_loss)]
            let sum = seconds * count as f64;
            self.sum += sum;
        }
    }

    fn metric(&self, labels: &[&str]) -> Metric {
        let label = |(name, value): (&&str, &String)| {
            let mut label = LabelPair::default();
            label.set_name((*name).to_owned());
            label.set_value(value.clone());
            label
        };
        let mut below = 0;
        let bucket = |(bound, count): (f64, &u64)| {
            below += count;
            let mut bucket = proto::Bucket::default();
            bucket.set_upper_bound(bound);
            bucket.set_cumulative_count(below);
            bucket
        };
        let mut histogram = proto::Histogram::default();
        histogram.set_bucket(BOUNDS.into_iter().zip(&self.buckets).map(bucket).collect());
        histogram.set_sample_count(self.count);
        histogram.set_sample_sum(self.sum);
        let mut metric = Metric::from_label(labels.iter().zip(&self.values).map(label).collect());
        metric.set_histogram(histogram);
        metric
    }
}

impl Collector for Histograms {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.desc]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let series = self.series.lock().expect("nothing panics while it holds the histograms");
        let mut family = MetricFamily::default();
        family.set_name(self.desc.fq_name.clone());
        family.set_help(self.desc.help.clone());
        family.set_field_type(MetricType::HISTOGRAM);
        family.set_metric(series.iter().map(|series| series.metric(self.labels)).collect());
        vec![family]
    }
}

#[cfg(test)]
mod tests {
    use loadgen::measure::histogram;
    use prometheus::{Registry, TextEncoder};

    use super::*;

    #[test]
    fn values_fall_into_their_buckets_and_all_those_above() {
        let values = ["iamat", "whatsat"].map(|operation| vec![operation.to_owned()]);
        let histograms = Histograms::new("t_seconds", "A test.", &["operation"], values.into_iter()).unwrap();
        let mut iamat = histogram();
        iamat.record_n(49_900, 3).unwrap();
        iamat.record(2_000_000).unwrap();
        iamat.record(11_000_000_000).unwrap();
        for _ in 0..2 {
            histograms.add([&iamat, &histogram()].into_iter());
        }
        let registry = Registry::new();
        registry.register(Box::new(histograms)).unwrap();
        let text = TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
        for line in [
            "# TYPE t_seconds histogram",
            "t_seconds_bucket{operation=\"iamat\",le=\"0.00005\"} 6",
            "t_seconds_bucket{operation=\"iamat\",le=\"0.001\"} 6",
            "t_seconds_bucket{operation=\"iamat\",le=\"0.0025\"} 8",
            "t_seconds_bucket{operation=\"iamat\",le=\"10\"} 8",
            "t_seconds_bucket{operation=\"iamat\",le=\"+Inf\"} 10",
            "t_seconds_count{operation=\"iamat\"} 10",
            "t_seconds_count{operation=\"whatsat\"} 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        let sum = text.lines().find_map(|line| line.strip_prefix("t_seconds_sum{operation=\"iamat\"} ")).unwrap();
        assert!((sum.parse::<f64>().unwrap() - 22.0043).abs() < 0.02, "{sum}");
    }
}
