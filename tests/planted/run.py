#!/usr/bin/env python3
"""Plants the deliberate faults of bugs.toml, one at a time, and says which part of the suite finds each.

    python3 tests/planted/run.py            # every fault, until something finds it
    python3 tests/planted/run.py --all      # every fault, by every part of the suite
    python3 tests/planted/run.py tie float  # only faults whose names hold one of the words

Works on a copy of the tree below target/. Exits with 1 if a fault is found by nothing.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COPY = ROOT / "target" / "planted" / "tree"
# What finds faults, in this order, each within so many seconds.
PARTS = [
    ("simulator", ["-p", "herd", "--test", "simulator", "no_seed"], 900),
    ("turmoil", ["-p", "herd", "--test", "turmoil"], 900),
    ("unit tests", ["-p", "herd", "--lib"], 600),
    ("sockets", ["-p", "herd", "--test", "it"], 900),
]


def copy_tree():
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.splitlines()
    for name in listed:
        source, copy = ROOT / name, COPY / name
        if not source.is_file():
            continue
        if not copy.exists() or copy.read_bytes() != source.read_bytes():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, copy)


def plant(bug):
    """Puts a fault into the copy and returns how to take it out again."""
    path = COPY / bug["file"]
    text = path.read_text()
    old, new = bug["old"].strip("\n"), bug["new"].strip("\n")
    if text.count(old) != 1:
        sys.exit(f"{bug['name']}: its text stands {text.count(old)} times in {bug['file']}, not once")
    path.write_text(text.replace(old, new))
    return lambda: path.write_text(text)


def first_complaint(part, output):
    """What a part of the suite says of a fault, in a sentence or the name of a test."""
    if part == "simulator":
        if sentence := re.search(r"^seed \d+: (.*)$", output, re.M):
            # Servers and updates differ from run to run; what was violated does not.
            text = sentence.group(1).split(", for example")[0]
            text = re.sub(r"\bAT S\d+ \S+ \S+ \S+ \S+", "an update", text)
            text = re.sub(r"\bS\d+ and S\d+\b", "two servers", text)
            text = re.sub(r"\bS\d+\b", "a server", text)
            return re.sub(r"\b\d+ (updates|lines)", r"N \1", text)
    names = re.findall(r"^test (\S+) \.\.\. FAILED$", output, re.M)
    if names:
        return names[0] + (f" and {len(names) - 1} more" if len(names) > 1 else "")
    return None


def run(part, arguments, seconds):
    environment = dict(os.environ, CARGO_TARGET_DIR=str(COPY.parent / "build"), RUST_BACKTRACE="0")
    environment.setdefault("HERD_SEEDS", "0..400")
    command = ["cargo", "test", "--offline", "--no-fail-fast", *arguments]
    process = subprocess.Popen(
        command, cwd=COPY, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    try:
        output, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        process.communicate()
        return f"does not end within {seconds} s"
    if "error: could not compile" in output:
        sys.exit(output)
    if "no test target named" in output:
        return None
    return None if process.returncode == 0 else first_complaint(part, output) or "fails"


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("words", nargs="*", help="only faults whose names hold one of these words")
    options.add_argument("--all", action="store_true", help="go on with the other parts once something has found a fault")
    options = options.parse_args()
    bugs = tomllib.loads((ROOT / "tests" / "planted" / "bugs.toml").read_text())["bug"]
    if options.words:
        bugs = [bug for bug in bugs if any(word in bug["name"] for word in options.words)]
    copy_tree()
    for part, arguments, seconds in PARTS:
        if complaint := run(part, arguments, seconds):
            sys.exit(f"without any fault planted, {part}: {complaint}")
    missed = 0
    print(f"{'planted fault':<66} found by", flush=True)
    for bug in bugs:
        take_out = plant(bug)
        started, found = time.monotonic(), []
        try:
            for part, arguments, seconds in PARTS:
                if complaint := run(part, arguments, seconds):
                    found.append(f"{part}: {complaint}")
                    if not options.all:
                        break
        finally:
            take_out()
        missed += not found
        print(f"{bug['name']:<66} {'; '.join(found) or 'NOTHING'}  ({time.monotonic() - started:.0f} s)", flush=True)
    print(f"{len(bugs) - missed} of {len(bugs)} planted faults found")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
