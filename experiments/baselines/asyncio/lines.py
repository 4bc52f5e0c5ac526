"""A client's stream becomes lines, with a bound on what is kept of one."""

import asyncio
from typing import NamedTuple

MAX_LINE = 64 << 10
KEPT_OF_TOO_LONG = 64


class Line(NamedTuple):
    """A line as it was read, and as it is repeated should it be invalid."""

    text: bytes
    echo: bytes
    too_long: bool = False


class Lines:
    """The lines of a reader whose limit is MAX_LINE."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self._discarding = False

    async def next(self) -> Line | None:
        """The next line, or None at the end. One that is too long is told of as soon as that is known."""
        try:
            if self._discarding:
                await self._discard()
            text = (await self._reader.readuntil(b"\n"))[:-1]
            return Line(text, text.removesuffix(b"\r"))
        except asyncio.IncompleteReadError as end:
            if self._discarding or not end.partial:
                return None
            # CR LF ends a line, CR alone does not.
            return Line(end.partial, end.partial)
        except asyncio.LimitOverrunError as overrun:
            self._discarding = True
            head = (await self._reader.readexactly(overrun.consumed))[:KEPT_OF_TOO_LONG]
            return Line(head, head, too_long=True)

    async def _discard(self) -> None:
        """Throws away the rest of a line as it arrives."""
        while self._discarding:
            try:
                await self._reader.readuntil(b"\n")
                self._discarding = False
            except asyncio.LimitOverrunError as overrun:
                await self._reader.readexactly(overrun.consumed)
