#!/usr/bin/env python3
"""Reads what loadgen has measured with other programs than ours (PyPI: hdrhistogram, jsonschema).

    python3 tests/results.py target/release/server target/release/loadgen [RESULT…]

Loads a server for two seconds, and once more until the terminal is taken away; expects that the results are
as their schema says, and the same counts and percentiles in the first, in the histogram that is stored in it,
and in the interval log. Other results that are named are held against the schema, too.
"""

import fcntl
import json
import math
import os
import pty
import struct
import subprocess
import sys
import tempfile
import termios
from pathlib import Path

import jsonschema
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

SCHEMA = Path(__file__).resolve().parents[1] / "loadgen" / "result.schema.json"

PERCENTILES = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p99_9": 99.9, "max": 100.0}


def load(server, loadgen, folder):
    """Runs one server and the load generator twice; returns the first result, its log's path, and the other."""
    anywhere = "127.0.0.1:0"
    command = [server, "Clark", "--places-url", "mock", "--log-dir", folder]
    command += ["--clients", anywhere, "--peers", anywhere, "--metrics", anywhere]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        addresses = dict(field.split("=") for field in process.stdout.readline().split()[2:])
        herd = Path(folder) / "herd.toml"
        herd.write_text("[servers.Clark]\n" + "".join(f'{key} = "{value}"\n' for key, value in addresses.items()))
        out, log = Path(folder) / "out.json", Path(folder) / "run.hlog"
        options = ["--clients", "50", "--rate", "1500..3500", "--garbage", "5%", "--whatsat", "20%"]
        options += ["--warm-up", "0s", "--duration", "2s"]
        options += ["--max-lag", "1h", "--herd", herd, "--out", out, "--hlog", log]
        subprocess.run([loadgen, *options], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return json.loads(out.read_text()), log, hang_up(loadgen, herd, folder)
    finally:
        process.terminate()
        process.wait(timeout=10)


def hang_up(loadgen, herd, folder):
    """Takes the terminal away from a run that is shown on it; returns the result of what was measured by then."""
    out = Path(folder) / "hung-up.json"
    process, terminal = pty.fork()
    if process == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        options = ["--clients", "20", "--warm-up", "0s", "--duration", "1h", "--max-lag", "1h", "--herd", herd]
        os.execve(loadgen, [loadgen, *options, "--out", out], {"TERM": "xterm"})
    shown = b""
    while b"measure" not in shown:
        shown += os.read(terminal, 1 << 16)
    os.close(terminal)
    os.waitpid(process, 0)
    return json.loads(out.read_text())


def logged(path, tag):
    """All intervals with a tag as one histogram, and their number."""
    reader = HistogramLogReader(str(path), HdrHistogram(1, 3_600_000_000_000, 3))
    total, intervals = HdrHistogram(1, 3_600_000_000_000, 3), 0
    while (interval := reader.get_next_interval_histogram()) is not None:
        if interval.get_tag() == tag:
            total.add(interval)
            intervals += 1
    return total, intervals


def value_at(histogram, percentile):
    """The value of the rank that the percentile has, rounded up; this library's own rounds to the nearest."""
    rank = max(1, math.ceil(percentile / 100 * histogram.get_total_count()))
    for value in histogram.get_recorded_iterator():
        if value.total_count_to_this_value >= rank:
            return histogram.get_highest_equivalent_value(value.value_iterated_to)
    raise AssertionError("the histogram is empty")


def check(name, summary, histogram):
    assert histogram.get_total_count() == summary["count"], (name, histogram.get_total_count(), summary["count"])
    for field, percentile in PERCENTILES.items():
        micros = value_at(histogram, percentile) / 1000
        assert abs(micros - summary[field]) <= 0.001, (name, field, micros, summary[field])


def main():
    server, loadgen, *others = sys.argv[1:]
    schema = json.loads(SCHEMA.read_text())
    for other in others:
        jsonschema.validate(json.loads(Path(other).read_text()), schema)
    with tempfile.TemporaryDirectory() as folder:
        report, log, early = load(server, loadgen, folder)
        jsonschema.validate(report, schema)
        jsonschema.validate(early, schema)
        assert 0 < early["plan"]["duration_s"] < 3600 and early["counts"]["wrong"] == 0, early["counts"]
        for operation in ["iamat", "whatsat"]:
            summary = report[operation]["response"]
            assert summary["count"] > 100, summary
            check(f"{operation}, stored", summary, HdrHistogram.decode(summary["histogram"].encode()))
            total, intervals = logged(log, operation)
            assert intervals >= 2, intervals
            check(f"{operation}, logged", summary, total)
    print(f"loadgen's result: as its schema says; {report['counts']['answered']} replies, the same percentiles by another implementation")


if __name__ == "__main__":
    main()
