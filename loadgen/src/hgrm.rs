//! The percentiles of a histogram as HdrHistogram's own programs print them (`.hgrm`), for the
//! plotters that read that.

use std::io::{self, Write};

use hdrhistogram::Histogram;

/// Lines for each halving of the distance to 100 %.
const TICKS: u32 = 5;
/// Nanoseconds in a millisecond, the unit of the values.
const UNIT: f64 = 1e6;

/// Writes a histogram of nanoseconds; values are in milliseconds.
///
/// # Errors
/// If `out` does not take it.
pub fn write(histogram: &Histogram<u64>, out: &mut impl Write) -> io::Result<()> {
    #[allow(clippy::cast_precision_loss)]
    let in_unit = |nanos: u64| nanos as f64 / UNIT;
    writeln!(out, "{:>12} {:>14} {:>10} {:>14}\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)")?;
    let mut sum = 0;
    for value in histogram.iter_quantiles(TICKS) {
        sum += value.count_since_last_iteration();
        let (at, quantile) = (in_unit(value.value_iterated_to()), value.quantile_iterated_to());
        if quantile < 1.0 {
            writeln!(out, "{at:12.6} {quantile:2.12} {sum:10} {:14.2}", 1.0 / (1.0 - quantile))?;
        } else {
            writeln!(out, "{at:12.6} {quantile:2.12} {sum:10}")?;
        }
    }
    let (mean, deviation) = (histogram.mean() / UNIT, histogram.stdev() / UNIT);
    let (max, count) = (in_unit(histogram.max()), histogram.len());
    writeln!(out, "#[Mean    = {mean:12.6}, StdDeviation   = {deviation:12.6}]")?;
    writeln!(out, "#[Max     = {max:12.6}, Total count    = {count:12}]")?;
    writeln!(out, "#[Buckets = {:12}, SubBuckets     = {:12}]", histogram.buckets(), 2048)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::histogram;

    #[test]
    fn the_format_is_the_one_of_hdrhistogram() {
        let mut histogram = histogram();
        for millis in 1..=100 {
            histogram.record(millis * 1_000_000).unwrap();
        }
        let mut out = Vec::new();
        write(&histogram, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "       Value     Percentile TotalCount 1/(1-Percentile)");
        assert_eq!(lines[1], "");
        let fields: Vec<&str> = lines[2].split_whitespace().collect();
        assert_eq!((fields[1], fields[2], fields[3]), ("0.000000000000", "1", "1.00"));
        let median = lines.iter().find(|line| line.contains(" 0.500000000000 ")).unwrap();
        let fields: Vec<&str> = median.split_whitespace().collect();
        assert!(fields[0].starts_with("50.0") && fields[2..] == ["50", "2.00"], "{median}");
        let last = lines.iter().rfind(|line| line.contains(" 1.000000000000 ")).unwrap();
        assert_eq!(last.split_whitespace().count(), 3, "{last}");
        assert!(text.contains("Total count    =          100]"), "{text}");
    }
}
