"""The log of traffic: every line read and written, in the format of the Rust server."""

import asyncio
import re
import time
from pathlib import Path

GATHER_SECONDS = 0.1
TO_ESCAPE = re.compile(rb"[^ -\[\]-~]")


class IoLog:
    """Gathers lines and writes them every tenth of a second, so that none costs a system call.

    The write is a plain one: asyncio has no files, and into the page cache it is short.
    """

    def __init__(self, folder: Path, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = (folder / f"{name}.log").open("ab", buffering=0)
        self._lines: list[bytes] = []
        self._dropped = 0
        self._second = -1
        self._prefix = b""

    def read(self, who: bytes, line: bytes) -> None:
        self._add(who, b"<", escape(line))

    def written(self, who: bytes, line: bytes) -> None:
        self._add(who, b">", escape(line))

    def reply(self, who: bytes, reply: bytes) -> None:
        """A reply's first line, and what follows it as a body from Places: by its size."""
        line, _, rest = reply.partition(b"\n")
        self.written(who, line)
        if body := rest.strip():
            self._add(who, b">", b"[%d bytes from Places]" % len(body))

    def notice(self, who: bytes, what: str) -> None:
        self._add(who, b"*", escape(what.encode()))

    async def run(self) -> None:
        while True:
            await asyncio.sleep(GATHER_SECONDS)
            self.flush()

    def flush(self) -> None:
        """Writes what has gathered. What a full disk does not take is dropped, and that is said later."""
        if not self._lines:
            return
        count = len(self._lines)
        if self._dropped:
            self.notice(b"log", f"{self._dropped} lines dropped: they could not be written")
        text = b"".join(self._lines)
        self._lines.clear()
        try:
            while text:
                text = text[self._file.write(text) :]
            self._dropped = 0
        except OSError:
            self._dropped += count

    def _add(self, who: bytes, sign: bytes, text: bytes) -> None:
        second, nanos = divmod(time.time_ns(), 10**9)
        if second != self._second:
            self._second, self._prefix = second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)).encode()
        self._lines.append(b"%s.%06dZ %s %s %s\n" % (self._prefix, nanos // 1000, who, sign, text))


def escape(line: bytes) -> bytes:
    return TO_ESCAPE.sub(_escaped, line)


def _escaped(match: re.Match[bytes]) -> bytes:
    return rb"\\" if match[0] == b"\\" else rb"\x%02x" % ord(match[0])
