"""A neighbour of a server under test, played by hand."""

import re
import socket
import threading
import time
from contextlib import suppress

from .check import PATIENCE_SECONDS, Failed, equal, fail
from .client import Address, Connection


class Link(Connection):
    """One end of a link. Another thread says that it lives, as long as it is open."""

    def hello(self, name: bytes) -> bytes:
        """Says who we are, and returns what comes of it."""
        self.send(b"HELLO herd/1 %s\n" % name)
        return self.line()

    def keep_alive(self) -> None:
        def ping() -> None:
            with suppress(OSError):
                while True:
                    time.sleep(1)
                    self.send(b"PING\n")

        threading.Thread(target=ping, daemon=True).start()

    def next(self) -> bytes:
        """The next line that is no keep-alive."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (line := self.line()) == b"PING\n":
            if time.monotonic() > deadline:
                raise Failed(f"nothing but keep-alives came for {PATIENCE_SECONDS:g} s")
        return line

    def all_known(self) -> list[bytes]:
        """The AT lines before DONE."""
        lines = []
        while (line := self.next()) != b"DONE\n":
            lines.append(line)
        return lines

    def is_closed_within(self, seconds: float) -> bool:
        """Whether the other side closes, whatever it says until then."""
        deadline = time.monotonic() + seconds
        with suppress(ConnectionError):
            while (left := deadline - time.monotonic()) > 0:
                self.stream.settimeout(left)
                with suppress(TimeoutError):
                    if not self.stream.recv(1 << 16):
                        return True
            return False
        return True


def accept(address: Address, dialler: bytes, name: bytes) -> Link:
    """Listens until a server dials, and becomes its neighbour of this name.

    Nobody listens otherwise: a connection that waited here could be one that was given up.
    """
    with socket.create_server(address) as listener:
        listener.settimeout(PATIENCE_SECONDS)
        link = Link(listener.accept()[0])
    hello = link.line()
    check_hello(hello, dialler)
    link.send(b"HELLO herd/1 %s\n" % name)
    link.keep_alive()
    return link


def dial(address: Address, name: bytes, acceptor: bytes) -> Link:
    """Dials a server as its neighbour of this name."""
    link = Link.to(address)
    answer = link.hello(name)
    check_hello(answer, acceptor)
    link.keep_alive()
    return link


def check_hello(line: bytes, name: bytes) -> None:
    if not re.fullmatch(rb"HELLO herd/1 %s( \S+)*\n" % name, line):
        fail("the first line", f"HELLO herd/1 {name.decode()}", line)


def expect_lines(link: Link, *lines: bytes) -> None:
    for line in lines:
        equal("the next line of the link", link.next(), line)
