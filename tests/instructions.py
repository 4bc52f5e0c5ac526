#!/usr/bin/env python3
"""What a message costs the server, in instructions, under callgrind: a figure that a busy machine
does not change. Fails where one is more than 3 % above what tests/instructions.toml has pinned.

    python3 tests/instructions.py target/release/server [--pin]

Of each kind of message a few are sent to warm up, and then many are counted, with what the log and the
metrics cost. Starting and stopping is left out: both do what they do for some time, not a number of times.
"""

import contextlib
import math
import os
import re
import socket
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

PINS = Path(__file__).with_suffix(".toml")
ALLOWED = 1.03
# What runs by time, such as the log's thread, makes up to half a percent: what is too much is measured again.
RETRIES = 2
WARM_UP, MEASURED = 2_000, 20_000
PATIENCE = 60.0
HERD = """
links = [["Bona", "Clark"], ["Clark", "Jaquez"]]
"""


def free_ports(count):
    """Ports that nobody has now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for unbound in sockets:
            unbound.bind(("127.0.0.1", 0))
        return [bound.getsockname()[1] for bound in sockets]


class Lines:
    """A connection, and the lines that come over it."""

    def __init__(self, stream):
        stream.settimeout(PATIENCE)
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.stream = stream

    def send(self, text):
        self.stream.sendall(text.encode())

    def receive(self, count):
        """Waits for so many lines; signs of life are none."""
        while count > 0:
            data = self.stream.recv(1 << 16)
            assert data, f"the stream ended with {count} lines to come"
            count -= data.count(b"\n") - data.count(b"PING\n")
        assert count == 0, "more lines came than were due"


class Clark:
    """A server under callgrind, between two neighbours that are this program."""

    def __init__(self, server, folder):
        ports = free_ports(9)
        herd = HERD
        for place, name in enumerate(["Bona", "Clark", "Jaquez"]):
            clients, peers, metrics = (f'"127.0.0.1:{port}"' for port in ports[3 * place : 3 * place + 3])
            herd += f"[servers.{name}]\nclients = {clients}\npeers = {peers}\nmetrics = {metrics}\n"
        (folder / "herd.toml").write_text(herd)
        self.profile = folder / "callgrind.out"
        listener = socket.create_server(("127.0.0.1", ports[7]))
        listener.settimeout(PATIENCE)
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={self.profile}", server, "Clark"]
        command += ["--herd", folder / "herd.toml", "--log-dir", folder / "logs", "--places-url", "http://127.0.0.1:9"]
        environment = {**os.environ, "RUST_LOG": "warn", "GOOGLE_PLACES_API_KEY": "none"}
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )
        self.jaquez = Lines(listener.accept()[0])
        self.jaquez.receive(1)
        self.jaquez.send("HELLO herd/1 Jaquez\nDONE\n")
        self.jaquez.receive(1)
        assert self.process.stdout.readline().startswith("ready")
        self.bona = Lines(socket.create_connection(("127.0.0.1", ports[4]), PATIENCE))
        self.bona.send("HELLO herd/1 Bona\nDONE\n")
        self.bona.receive(2)
        self.client = Lines(socket.create_connection(("127.0.0.1", ports[3]), PATIENCE))

    def control(self, option):
        command = ["callgrind_control", option, str(self.process.pid)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def instructions(self, talk):
        """Instructions while something is said."""
        self.control("--zero")
        talk()
        self.control("--dump")
        part = self.profile.with_name(self.profile.name + ".1")
        return int(re.search(r"^(?:summary|totals): (\d+)", part.read_text(), re.MULTILINE)[1])

    def stop(self):
        self.process.terminate()
        _, words = self.process.communicate(timeout=PATIENCE)
        assert self.process.returncode == 0, words


def batches(clark, message, numbers, size):
    """Messages, some at a time; now and then the neighbours say that they live."""
    for first in range(0, len(numbers), size):
        if first % (100 * size) == 0:
            clark.bona.send("PING\n")
            clark.jaquez.send("PING\n")
        yield "".join(message(number) for number in numbers[first : first + size])


def operands(number):
    """A report of one of a thousand clients, each newer than the one before."""
    return f"c{number % 1000}.load +34.068930-118.445127 {1_000_000_000 + number}.000000001\n"


def iamat(clark, numbers, size):
    for batch in batches(clark, lambda number: "IAMAT " + operands(number), numbers, size):
        clark.client.send(batch)
        for connection in (clark.client, clark.bona, clark.jaquez):
            connection.receive(batch.count("\n"))


def forwarded_at(clark, numbers, size):
    for batch in batches(clark, lambda number: "AT Bona +0.000000001 " + operands(number), numbers, size):
        clark.bona.send(batch)
        clark.jaquez.receive(batch.count("\n"))


def whatsat(clark, numbers, size):
    """Without Places. A reply has seven lines."""
    iamat(clark, range(1), 1)
    for batch in batches(clark, lambda _: "WHATSAT c0.load 10 0\n", numbers, size):
        clark.client.send(batch)
        clark.client.receive(7 * batch.count("\n"))


KINDS = {
    "iamat": (iamat, 16),
    "iamat_unpipelined": (iamat, 1),
    "forwarded_at": (forwarded_at, 16),
    "whatsat": (whatsat, 16),
}


def cost(server, kind):
    """Instructions per message."""
    talk, size = KINDS[kind]
    with tempfile.TemporaryDirectory() as folder:
        clark = Clark(server, Path(folder))
        try:
            talk(clark, range(WARM_UP), size)
            total = clark.instructions(lambda: talk(clark, range(WARM_UP, WARM_UP + MEASURED), size))
            clark.stop()
            return round(total / MEASURED)
        finally:
            clark.process.kill()


def main():
    server = sys.argv[1]
    pins = tomllib.loads(PINS.read_text()) if PINS.exists() else {}
    found, failed = {}, False
    for kind in KINDS:
        pinned = pins.get(kind, math.inf)
        found[kind] = cost(server, kind)
        for _ in range(RETRIES):
            if found[kind] > ALLOWED * pinned:
                found[kind] = min(found[kind], cost(server, kind))
        ratio = found[kind] / pins.get(kind, found[kind])
        failed |= ratio > ALLOWED
        print(f"{kind:<20}{found[kind]:>8} instructions  {ratio:6.3f} of what is pinned", "FAILED" if ratio > ALLOWED else "")
    if sys.argv[2:] == ["--pin"]:
        head = "# Instructions per message of the release build: see instructions.py, which writes this with --pin.\n"
        PINS.write_text(head + "".join(f"{kind} = {count}\n" for kind, count in found.items()))
    elif failed:
        sys.exit("a message costs more than it did: find out why, or pin what it costs now with --pin")


if __name__ == "__main__":
    main()
