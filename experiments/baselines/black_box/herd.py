"""Herds of processes at ports of their own."""

import contextlib
import os
import re
import select
import shlex
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from .check import PATIENCE_SECONDS, Failed, eventually
from .client import NOTHING, Address, Connection, exchange

# The key that servers have; no client and no log may see it.
KEY = "a-key-that-nobody-may-see"
# Below the range that connections take their own ports from.
PORTS = range(24000, 25000)
FIVE = ("Bailey", "Bona", "Campbell", "Clark", "Jaquez")
LINKS = (
    ("Clark", "Jaquez"),
    ("Clark", "Bona"),
    ("Campbell", "Bailey"),
    ("Campbell", "Bona"),
    ("Campbell", "Jaquez"),
    ("Bona", "Bailey"),
)


class Commands(NamedTuple):
    """How servers are started. Words in braces are replaced, see `Herd`."""

    usual: Sequence[str]
    # Servers of these names are started by another command.
    other: Mapping[str, Sequence[str]] = {}
    # What has to run beside a herd, at {port}, before it starts.
    beside: Sequence[str] | None = None


class Herd:
    """Servers, some or all of which run. Their folder is removed at the end.

    In commands {name} is the server's name, {herd} the herd file, {places} the URL of Places, {logs}
    the folder for logs, and {port} where the process beside the herd listens.
    """

    def __init__(
        self, commands: Commands, names: Sequence[str], links: Sequence[tuple[str, str]], places: str = ""
    ) -> None:
        self._commands = commands
        self._folder = tempfile.TemporaryDirectory(prefix="herd-")
        self.folder = Path(self._folder.name)
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self._beside: subprocess.Popen[bytes] | None = None
        ports = free_ports(3 * len(names) + 1)
        self._words = {"places": places, "logs": str(self.folder / "logs"), "port": str(next(ports))}
        self.clients: dict[str, Address] = {}
        self.peers: dict[str, Address] = {}
        text = f"links = {[list(link) for link in links]}\n"
        for name in names:
            self.clients[name], self.peers[name], metrics = (("127.0.0.1", next(ports)) for _ in range(3))
            for key, (host, port) in ("clients", self.clients[name]), ("peers", self.peers[name]), ("metrics", metrics):
                text += (
                    f'{key} = "{host}:{port}"\n'
                    if key != "clients"
                    else f'\n[servers.{name}]\n{key} = "{host}:{port}"\n'
                )
        self.file = self.folder / "herd.toml"
        self.file.write_text(text)
        self._words["herd"] = str(self.file)

    def __enter__(self) -> "Herd":
        return self

    def __exit__(self, *_: object) -> None:
        for name in list(self.running):
            self.kill(name)
        if self._beside:
            self._beside.kill()
            self._beside.wait()
        self._folder.cleanup()

    def start(self, *names: str) -> None:
        """Starts servers, all at once, and waits until they are ready."""
        if self._commands.beside and not self._beside:
            self._start_beside(self._commands.beside)
        for name in names:
            self.running[name] = self._spawn(self._commands.other.get(name, self._commands.usual), name)
        for name in names:
            self._wait_until_ready(name)

    def kill(self, name: str) -> None:
        process = self.running.pop(name)
        process.kill()
        process.wait()
        assert process.stdout
        process.stdout.close()

    def terminate(self, name: str) -> int:
        """Asks a server to end, and returns its exit code."""
        process = self.running.pop(name)
        process.send_signal(signal.SIGTERM)
        assert process.stdout
        process.stdout.close()
        try:
            return process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise Failed(f"{name} did not end within {PATIENCE_SECONDS:g} s of SIGTERM") from None

    def log(self, name: str) -> str:
        path = self.folder / "logs" / f"{name}.log"
        return path.read_text() if path.exists() else ""

    def known_at(self, name: str, id: bytes) -> bytes | None:
        """The AT line that a server has of a client."""
        reply = exchange(self.clients[name], b"WHATSAT %s 0 0\n" % id)
        return reply.removesuffix(NOTHING) if reply.endswith(NOTHING) else None

    def wait_until_known(self, id: bytes, line: bytes, seconds: float = PATIENCE_SECONDS) -> None:
        """Waits until every server that runs has this of a client."""
        for name in self.running:
            what = f"{line!r} at {name}"
            eventually(what, lambda name=name: self.known_at(name, id) == line, seconds)  # type: ignore[misc]

    def _spawn(self, command: Sequence[str], name: str) -> subprocess.Popen[bytes]:
        words = self._words | {"name": name}
        replaced = [re.sub(r"\{(\w+)\}", lambda match: words.get(match[1], match[0]), word) for word in command]
        environment = os.environ | {"GOOGLE_PLACES_API_KEY": KEY}
        with (self.folder / f"{name}.stderr").open("ab") as errors:
            return subprocess.Popen(
                replaced, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, env=environment, bufsize=0
            )

    def _start_beside(self, command: Sequence[str]) -> None:
        self._beside = self._spawn(command, "beside")
        address = ("127.0.0.1", int(self._words["port"]))
        eventually("something listens beside the herd", lambda: is_listening(address))
        assert self._beside.stdout
        # Whatever it prints from now on goes nowhere.
        self._beside.stdout.close()

    def _wait_until_ready(self, name: str) -> None:
        out = self.running[name].stdout
        assert out
        deadline, said = time.monotonic() + PATIENCE_SECONDS, b""
        while b"\n" not in said:
            if not select.select([out], [], [], max(0, deadline - time.monotonic()))[0]:
                raise Failed(f"{name} was not ready within {PATIENCE_SECONDS:g} s")
            if not (part := out.read(1 << 12)):
                errors = (self.folder / f"{name}.stderr").read_text(errors="replace")
                raise Failed(f"{name} ended before it was ready: {errors[-1000:]}")
            said += part
        host, port = self.clients[name]
        if not said.startswith(f"ready {name} clients={host}:{port}".encode()):
            raise Failed(f"{name} said {said!r}, not that it is ready")


def free_ports(count: int) -> Iterator[int]:
    """Ports that nobody listens at, other ones at each call until all were used."""
    global _next_port
    found: list[int] = []
    for _ in PORTS:
        port, _next_port = _next_port, _next_port + 1 if _next_port + 1 in PORTS else PORTS.start
        if not is_used(port):
            found.append(port)
        if len(found) == count:
            return iter(found)
    raise Failed(f"there are no {count} free ports in {PORTS}")


# Runs at the same time begin at other places.
_next_port = PORTS[os.getpid() * 37 % len(PORTS)]


def is_used(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def is_listening(address: Address) -> bool:
    with contextlib.suppress(OSError), Connection.to(address):
        return True
    return False


def words(command_line: str) -> list[str]:
    return shlex.split(command_line)
