//! Results in files.

use std::fs;
use std::io::BufWriter;
use std::path::Path;

use anyhow::{Context, bail};
use loadgen::hgrm;
use loadgen::report::{Report, Summary, VERSION};
use serde::Serialize;

/// Reads a result.
pub(crate) fn read(path: &Path) -> anyhow::Result<Report> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read the result {}", path.display()))?;
    let report: Report =
        serde_json::from_str(&text).with_context(|| format!("{} is no result of loadgen", path.display()))?;
    if report.version != VERSION {
        bail!("{} is a result of version {}, and this program reads version {VERSION}", path.display(), report.version);
    }
    Ok(report)
}

/// Writes a result.
pub(crate) fn write(result: &impl Serialize, path: &Path) -> anyhow::Result<()> {
    let json = serde_json::to_string_pretty(result)? + "\n";
    fs::write(path, json).with_context(|| format!("cannot write the result to {}", path.display()))
}

/// Writes the percentiles of each histogram into a folder, as OPERATION.VIEW.hgrm and
/// propagation.WAY.LINKS.hgrm.
pub(crate) fn write_percentiles(report: &Report, folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    for (name, operation) in [("iamat", &report.iamat), ("whatsat", &report.whatsat)] {
        for (view, summary) in
            [("response", &operation.response), ("service", &operation.service), ("lag", &operation.lag)]
        {
            write_percentiles_of(summary, &folder.join(format!("{name}.{view}.hgrm")))?;
        }
    }
    let asked = report.propagation.iter().flat_map(|seen| &seen.by_hops).map(|over| ("asked", over));
    let pushed = report.tap().into_iter().flat_map(|seen| &seen.by_hops).map(|over| ("pushed", over));
    for (way, over) in asked.chain(pushed) {
        write_percentiles_of(&over.latency, &folder.join(format!("propagation.{way}.{}.hgrm", over.hops)))?;
    }
    Ok(())
}

fn write_percentiles_of(summary: &Summary, path: &Path) -> anyhow::Result<()> {
    let histogram = summary.histogram()?;
    let file = fs::File::create(path);
    let written = file.and_then(|file| hgrm::write(&histogram, &mut BufWriter::new(file)));
    written.with_context(|| format!("cannot write {}", path.display()))
}
