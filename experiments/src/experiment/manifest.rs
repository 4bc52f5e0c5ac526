//! The machine that an experiment ran on, and what it ran.

use std::time::SystemTime;

use serde::Serialize;

/// What somebody needs to know who compares numbers.
#[derive(Debug, Clone, Serialize)]
pub struct Manifest {
    /// The processor's name for itself.
    pub cpu: String,
    /// Processors that this program may use.
    pub cores: usize,
    /// In MiB.
    pub memory_mib: u64,
    /// The kernel and its release.
    pub kernel: String,
    /// What else was running at the start: processes ready to run, on average over a minute.
    pub load_before: String,
    /// The commit that the programs were built from.
    pub commit: &'static str,
    /// When the run began.
    pub date: String,
}

impl Manifest {
    /// Looks at this machine. What cannot be found out is `unknown`.
    #[must_use]
    pub fn of_this_machine() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let or_unknown = |text: Option<&str>| text.map_or("unknown", str::trim).to_owned();
        let memory = proc_value(&read("/proc/meminfo"), "MemTotal").and_then(kibibytes);
        Self {
            cpu: or_unknown(proc_value(&read("/proc/cpuinfo"), "model name")),
            cores: std::thread::available_parallelism().map_or(0, Into::into),
            memory_mib: memory.unwrap_or_default() >> 10,
            kernel: or_unknown(read("/proc/version").split(" (").next().filter(|version| !version.is_empty())),
            load_before: or_unknown(read("/proc/loadavg").split(' ').next().filter(|load| !load.is_empty())),
            commit: herd::COMMIT,
            date: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        }
    }
}

/// The value of a key in the `key : value` lines that /proc has.
pub(crate) fn proc_value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let values = text.lines().filter_map(|line| line.split_once(':'));
    values.filter(|(found, _)| found.trim() == key).map(|(_, value)| value.trim()).next()
}

/// The number in a text like `16 kB`.
pub(crate) fn kibibytes(value: &str) -> Option<u64> {
    value.strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_proc_are_read() {
        let text = "processor\t: 0\nmodel name\t: A: fast one\nMemTotal:       24644596 kB\n";
        assert_eq!(proc_value(text, "model name"), Some("A: fast one"));
        assert_eq!(proc_value(text, "MemTotal").and_then(kibibytes), Some(24_644_596));
        assert_eq!(proc_value(text, "MemFree"), None);
    }

    #[test]
    fn this_machine_has_a_kernel_and_memory() {
        let manifest = Manifest::of_this_machine();
        assert!(manifest.kernel.starts_with("Linux version "), "{manifest:?}");
        assert!(manifest.memory_mib > 0 && manifest.cores > 0);
    }
}
