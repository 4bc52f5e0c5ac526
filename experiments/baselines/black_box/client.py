"""The other end of a connection, as bytes, with a limit on how long anything may take."""

import re
import socket
import time
from types import TracebackType
from typing import Self

from .check import PATIENCE_SECONDS, Failed, brief, equal, fail

Address = tuple[str, int]

PLACE = b"+34.068930-118.445127"
NOTHING = b'{\n   "html_attributions" : [],\n   "results" : [],\n   "status" : "OK"\n}\n\n'
NANOS = 10**9
# A server's clock and this one are the same; Node's has to be put together from two.
SKEW_NANOS = NANOS // 1000


class Connection:
    """A TCP connection that was made or accepted."""

    def __init__(self, stream: socket.socket) -> None:
        stream.settimeout(PATIENCE_SECONDS)
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.stream = stream
        self.unread = b""

    @classmethod
    def to(cls, address: Address) -> Self:
        return cls(socket.create_connection(address, PATIENCE_SECONDS))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stream.close()

    def send(self, text: bytes) -> None:
        self.stream.sendall(text)

    def half_close(self) -> None:
        self.stream.shutdown(socket.SHUT_WR)

    def until(self, end: bytes) -> bytes:
        """Reads up to and with `end`."""
        searched = 0
        while (at := self.unread.find(end, searched)) < 0:
            searched = max(0, len(self.unread) - len(end) + 1)
            more = self._receive()
            if not more:
                raise Failed(f"the connection ended after {brief(self.unread)}, before {end!r}")
            self.unread += more
        taken, self.unread = self.unread[: at + len(end)], self.unread[at + len(end) :]
        return taken

    def line(self) -> bytes:
        return self.until(b"\n")

    def reply(self) -> tuple[bytes, bytes]:
        """A WHATSAT's reply: the AT line, and the JSON with the empty line behind it."""
        return self.line(), self.until(b"\n\n")

    def ask(self, command: bytes) -> bytes:
        self.send(command)
        return self.line()

    def rest(self) -> bytes:
        """All that comes until the other side closes."""
        parts = [self.unread]
        while part := self._receive():
            parts.append(part)
        self.unread = b""
        return b"".join(parts)

    def is_quiet(self, seconds: float) -> bool:
        """Whether nothing comes for a while, neither bytes nor an end."""
        self.stream.settimeout(seconds)
        try:
            self.unread += self.stream.recv(1 << 16)
        except TimeoutError:
            return not self.unread
        finally:
            self.stream.settimeout(PATIENCE_SECONDS)
        return False

    def _receive(self) -> bytes:
        try:
            return self.stream.recv(1 << 20)
        except TimeoutError:
            raise Failed(f"nothing came for {PATIENCE_SECONDS:g} s after {brief(self.unread)}") from None


def exchange(address: Address, commands: bytes) -> bytes:
    """What comes until the end when commands were sent and our side was closed."""
    with Connection.to(address) as client:
        client.send(commands)
        client.half_close()
        return client.rest()


def nanoseconds(decimal: bytes) -> int:
    """A stamp or a difference, exact."""
    match = re.fullmatch(rb"([+-]?)(\d+)(?:\.(\d+))?", decimal)
    if not match:
        fail("a time", "digits", decimal)
    value = int(match[2]) * NANOS + int((match[3] or b"")[:9].ljust(9, b"0"))
    return -value if match[1] == b"-" else value


def check_at(line: bytes, server: bytes, id: bytes, location: bytes, stamp: bytes) -> int:
    """Checks the bytes of an AT line, but for the value of its difference; returns the time of receipt."""
    parts = line.split(b" ", 3)
    equal("the reply", parts[:2] + parts[3:], [b"AT", server, b"%s %s %s\n" % (id, location, stamp)])
    if not re.fullmatch(rb"[+-](0|[1-9]\d*)\.\d{9}", parts[2]):
        fail("the difference", "a sign, seconds and nine decimals", parts[2])
    return nanoseconds(stamp) + nanoseconds(parts[2])


def check_receipt(receipt: int, before: int) -> None:
    """Checks that a command was received between `before` and now, in nanoseconds."""
    after = time.time_ns()
    if not before - SKEW_NANOS <= receipt <= after + SKEW_NANOS:
        fail("stamp + difference", f"a time from {before} to {after}", receipt)
