"""A stream becomes lines, with a bound on what is kept of one."""

import asyncio
from typing import NamedTuple

KEPT_OF_TOO_LONG = 64


class Line(NamedTuple):
    """A line as it was read, without LF; and whether it has ended with one, or was too long."""

    text: bytes
    ended: bool = True
    too_long: bool = False


class Lines:
    """The lines of a reader, whose limit is theirs."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self._discarding = False

    async def next(self) -> Line | None:
        """The next line, or None at the end. One that is too long is told of as soon as that is known."""
        try:
            if self._discarding:
                await self._discard()
            return Line((await self._reader.readuntil(b"\n"))[:-1])
        except asyncio.IncompleteReadError as end:
            return None if self._discarding or not end.partial else Line(end.partial, ended=False)
        except asyncio.LimitOverrunError as overrun:
            self._discarding = True
            head = (await self._reader.readexactly(overrun.consumed))[:KEPT_OF_TOO_LONG]
            return Line(head, ended=False, too_long=True)

    async def _discard(self) -> None:
        """Throws away the rest of a line as it arrives."""
        while self._discarding:
            try:
                await self._reader.readuntil(b"\n")
                self._discarding = False
            except asyncio.LimitOverrunError as overrun:
                await self._reader.readexactly(overrun.consumed)
